"""OpenVINO, reading ONNX; int8 by NNCF.

Both packages report their use over the network from the moment they are imported, unless they run in CI: here
they are told that they do.
"""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.cases import Case
from benchmarks.runtimes import Predict, need

TITLE = "OpenVINO"
MODULE = PACKAGE = "openvino"
PRECISIONS = ("f32", "s8")
SUFFIX = ".xml"


def convert(case: Case, precision: str, path: Path) -> None:
    os.environ["CI"] = "true"
    import openvino

    from benchmarks.runtimes.onnxruntime import export

    need("onnx")
    plain = path.with_suffix(".onnx")
    export(case, plain)
    model = openvino.Core().read_model(plain)
    plain.unlink()
    if precision == "s8":
        model = quantise(case, model)
    openvino.save_model(model, path, compress_to_fp16=False)


def quantise(case: Case, model):
    """Static int8, calibrated on 300 windows of the kind that is measured."""
    need("nncf")
    os.environ["NNCF_CI"] = "1"
    import nncf
    import numpy as np

    rng = np.random.default_rng(0)
    shape = case.windows().shape
    windows = [rng.random(shape, dtype=np.float32) for _ in range(max(1, 300 // case.batch))]
    return nncf.quantize(
        model,
        nncf.Dataset(windows),
        model_type=nncf.ModelType.TRANSFORMER,
        preset=nncf.QuantizationPreset.PERFORMANCE,
        subset_size=len(windows),
    )


def load(path: Path, case: Case, precision: str) -> Predict:
    os.environ["CI"] = "true"
    import openvino

    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": case.threads,
        "INFERENCE_PRECISION_HINT": "f32",  # else bfloat16 wherever the CPU has it, with errors of 5e-3
    }
    request = openvino.Core().compile_model(path, "CPU", settings).create_infer_request()

    def predict(windows):
        request.infer({0: windows}, share_inputs=True)
        return request.get_output_tensor(0).data

    return predict
