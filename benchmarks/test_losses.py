"""The patch losses, forward and backward: the core, torch in batches, the published loop over the windows."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
import pytest

from benchmarks.machine import Peak, build_peak
from benchmarks.timing import interleave, pinned, stopwatch

torch = pytest.importorskip("torch", reason="the losses are compared with torch")
F = torch.nn.functional

from ppgfast import losses as core  # noqa: E402
from training import losses  # noqa: E402

BATCH = 64
WORST_ERROR = 1e-3  # of values and gradients, to the largest entry; float32 in another order stays far below


class LossCase(NamedTuple):
    """A term over 64 windows of `n_patches` patches."""

    term: str
    n_patches: int
    width: int  # d of the student
    teacher_width: int
    teacher_learns: bool = False

    def __str__(self) -> str:
        both = "-both" if self.teacher_learns else ""
        return f"{self.term}-n{self.n_patches}-d{self.width}{both}"

    def macs(self) -> int:
        """Multiply-accumulates of the products, each pair of patches once where the matrix is symmetric."""
        n, d = self.n_patches, self.width
        if self.term == "morphology":
            return BATCH * n * n * d * (3 if self.teacher_learns else 2)
        return BATCH * (n * (n - 1) // 2 * (d + self.teacher_width) + n * n * d)


CASES = [
    *(LossCase("morphology", n, d, d) for n in (8, 30, 120) for d in (128, 512)),
    LossCase("morphology", 30, 128, 128, teacher_learns=True),
    *(LossCase("rhythm", n, 128, 512) for n in (8, 30, 120)),
]


def morphology_loop(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """InfoNCE, one window after the other."""
    values = []
    for s, t in zip(student, teacher, strict=True):
        logits = F.normalize(s, dim=-1) @ F.normalize(t, dim=-1).T * s.shape[-1] ** 0.5
        values.append(F.cross_entropy(logits, torch.arange(len(s))))
    return torch.stack(values).mean()


def rhythm_loop(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """Relational distances, one window after the other, with the diagonal set to zero by its indices."""

    def distances(x: torch.Tensor) -> torch.Tensor:
        square = x.square().sum(1)
        distance = (square[:, None] + square[None, :] - 2 * x @ x.T).clamp(min=1e-12).sqrt()
        distance = distance.clone()
        distance[range(len(x)), range(len(x))] = 0
        return distance / distance[distance > 0].mean()

    values = []
    for s, t in zip(student, teacher, strict=True):
        with torch.no_grad():
            target = distances(t)
        values.append(F.smooth_l1_loss(distances(s), target))
    return torch.stack(values).mean()


Run = Callable[[], tuple[float, list[np.ndarray]]]


def contestants(case: LossCase) -> dict[str, Run]:
    """name -> a function without arguments: value, gradients."""
    generator = torch.Generator().manual_seed(0)
    student = torch.randn(BATCH, case.n_patches, case.width, generator=generator).requires_grad_()
    teacher = torch.randn(BATCH, case.n_patches, case.teacher_width, generator=generator)
    teacher.requires_grad_(case.teacher_learns)
    arrays = student.detach().numpy(), teacher.detach().numpy()
    leaves = [x for x in (student, teacher) if x.requires_grad]

    def with_autograd(term: Callable[..., torch.Tensor], **options: str) -> Run:
        def run() -> tuple[float, list[np.ndarray]]:
            value = term(student, teacher, **options)
            return value.item(), [gradient.numpy() for gradient in torch.autograd.grad(value, leaves)]

        return run

    def direct() -> tuple[float, list[np.ndarray]]:
        if case.term == "rhythm":
            value, *gradients = core.rhythm(*arrays)
        else:
            value, *gradients = core.morphology(*arrays, teacher_gradient=case.teacher_learns)
        return value, [gradient for gradient in gradients if gradient is not None]

    batched = getattr(losses, case.term)
    return {
        "ppgfast": direct,
        "ppgfast_autograd": with_autograd(batched, backend="cpp"),
        "torch_batched": with_autograd(batched, backend="torch"),
        "torch_loop": with_autograd(morphology_loop if case.term == "morphology" else rhythm_loop),
    }


NAMES = ("ppgfast", "ppgfast_autograd", "torch_batched", "torch_loop")


def largest_error(case: LossCase, run: Run) -> float:
    """Of value and gradients, against torch in float64, relative to the largest entry."""
    generator = torch.Generator().manual_seed(0)
    student = torch.randn(BATCH, case.n_patches, case.width, generator=generator).double().requires_grad_()
    teacher = torch.randn(BATCH, case.n_patches, case.teacher_width, generator=generator).double()
    teacher.requires_grad_(case.teacher_learns)
    exact = getattr(losses, case.term)(student, teacher, backend="torch")
    leaves = [x for x in (student, teacher) if x.requires_grad]
    expected = [np.array(exact.item()), *(x.numpy() for x in torch.autograd.grad(exact, leaves))]
    value, gradients = run()
    got = [np.array(value), *gradients]
    return max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in zip(got, expected, strict=True))


@cache
def race(case: LossCase, rounds: int) -> tuple[dict[str, np.ndarray], dict[str, float], float | None]:
    """Samples in ns and error of each contestant, checked before it is timed; products per ns of one core."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        runs = contestants(case)
        errors = {name: largest_error(case, run) for name, run in runs.items()}
        timed = {name: stopwatch(run) for name, run in runs.items() if errors[name] <= WORST_ERROR}
        with pinned(1):
            program = build_peak()
            peak = Peak(program) if program else None
            if peak:
                operations = peak.burst("f32")[0]
                timed["peak"] = lambda: peak.burst("f32")[1]
            samples = interleave(timed, rounds, warm=1, timed=3)
            if peak:
                peak.close()
        fastest = operations / float(samples.pop("peak").min()) if peak else None
    finally:
        torch.set_num_threads(threads)
    return samples, errors, fastest


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_losses(case: LossCase, name: str, rounds: int, record: Callable[..., None]):
    samples, errors, fastest = race(case, max(1, rounds // 5))
    assert name in samples, f"{name} is off by {errors[name]:.1e}: not the same loss, not timed"
    share = case.macs() / float(samples[name].min()) / fastest if fastest else None
    record(
        f"losses {case}",
        samples[name],
        runtime=name,
        **case._asdict(),
        batch=BATCH,
        macs=case.macs(),
        error=errors[name],
        share_of_peak=share,
    )
