"""ONNX Runtime; int8 by its own dynamic quantisation, signed, a scale per channel."""

from __future__ import annotations

from pathlib import Path

from benchmarks.cases import Case
from benchmarks.runtimes import Predict, need

TITLE = "ONNX Runtime"
MODULE = PACKAGE = "onnxruntime"
PRECISIONS = ("f32", "s8")
SUFFIX = ".onnx"


def export(case: Case, path: Path) -> None:
    """The tuned graph as ONNX, weights inside."""
    import torch

    from benchmarks.tuned import tuned

    need("onnxscript")
    torch.onnx.export(
        tuned(case),
        (torch.from_numpy(case.windows()),),
        path,
        dynamo=True,
        external_data=False,
        verbose=False,
        input_names=["windows"],
        output_names=["outputs"],
    )


def convert(case: Case, precision: str, path: Path) -> None:
    if precision == "f32":
        export(case, path)
        return

    from onnxruntime.quantization import QuantType, quantize_dynamic

    plain = path.with_suffix(".plain.onnx")
    export(case, plain)
    quantize_dynamic(plain, path, weight_type=QuantType.QInt8, per_channel=True)
    plain.unlink()


def load(path: Path, case: Case, precision: str) -> Predict:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = case.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda windows: session.run(None, {"windows": windows})[0]
