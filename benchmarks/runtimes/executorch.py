"""ExecuTorch with XNNPACK; int8 weights with dynamically quantised activations."""

from __future__ import annotations

from pathlib import Path

from benchmarks.cases import Case
from benchmarks.runtimes import Predict

TITLE = "ExecuTorch"
MODULE = PACKAGE = "executorch"
PRECISIONS = ("f32", "s8")
SUFFIX = ".pte"


def convert(case: Case, precision: str, path: Path) -> None:
    import torch
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    from benchmarks.tuned import tuned

    windows = (torch.from_numpy(case.windows()),)
    module = torch.export.export(tuned(case), windows).module()
    if precision == "s8":
        from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
            XNNPACKQuantizer,
            get_symmetric_quantization_config,
        )
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

        dynamic = get_symmetric_quantization_config(is_per_channel=True, is_dynamic=True)
        module = prepare_pt2e(module, XNNPACKQuantizer().set_global(dynamic))
        module(*windows)
        module = convert_pt2e(module)
    program = torch.export.export(module, windows)
    lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
    path.write_bytes(lowered.to_executorch().buffer)


def load(path: Path, case: Case, precision: str) -> Predict:
    import torch
    from executorch.extension.pybindings.portable_lib import _unsafe_reset_threadpool
    from executorch.runtime import Runtime

    torch.set_num_threads(case.threads)
    _unsafe_reset_threadpool(case.threads)
    method = Runtime.get().load_program(path).load_method("forward")
    return lambda windows: method.execute([torch.from_numpy(windows)])[0].numpy()
