"""LiteRT with XNNPACK; int8 weights with dynamically quantised activations.

Its converter and its runtime need different environments: `make bench-peers` makes both and converts.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.cases import Case
from benchmarks.runtimes import Predict, need

TITLE = "LiteRT"
MODULE, PACKAGE = "ai_edge_litert", "ai-edge-litert"
PRECISIONS = ("f32", "s8")
SUFFIX = ".tflite"


def convert(case: Case, precision: str, path: Path) -> None:
    need("litert_torch", "make bench-peers converts in an environment of its own")
    import litert_torch
    import torch

    from benchmarks.tuned import tuned

    plain = path if precision == "f32" else path.with_suffix(".plain.tflite")
    litert_torch.convert(tuned(case), (torch.from_numpy(case.windows()),)).export(str(plain))
    if precision == "s8":
        from ai_edge_quantizer import quantizer, recipe

        quantised = quantizer.Quantizer(str(plain), recipe.dynamic_wi8_afp32()).quantize()
        quantised.export_model(str(path), overwrite=True)
        plain.unlink()


def load(path: Path, case: Case, precision: str) -> Predict:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=case.threads)
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]["index"]
    result = interpreter.get_output_details()[0]["index"]

    def predict(windows):
        interpreter.set_tensor(source, windows)
        interpreter.invoke()
        return interpreter.get_tensor(result)

    return predict
