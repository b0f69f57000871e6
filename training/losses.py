"""The five terms of the distillation loss, batched, and finite on whatever a window may hold.

Total = supervised + prediction + feature + morphology + rhythm, each times its weight. Every term is a scalar
and stays finite, with finite gradients, for flat windows, a single patch and a batch of one. `task` is "hr",
a regression in standardised units, "bins", the same as a distribution, or "af", both over logits.

The patch terms have two backends with the same meaning. "cpp" is `ppgfast.losses`: value and gradients in one
pass, for float32 on the CPU. "torch" is the formula below, and takes over for all else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ppgfast import losses as core
from training.models import Outputs

TERMS = ("supervised", "prediction", "feature", "morphology", "rhythm")
Task = Literal["hr", "bins", "af"]
Temperature = float | Literal["auto"]
Error = Literal["mae", "mse"]
Backend = Literal["cpp", "torch"]
_ERRORS = {"mae": F.l1_loss, "mse": F.mse_loss}
SPREAD = 1.25  # bins: deviation of the distribution that a label stands for, 2.5 bpm where a bin has 2
TINY = 1e-12  # below this a squared length counts as zero


def supervised(prediction: Tensor, target: Tensor, task: Task, error: Error = "mae") -> Tensor:
    """Error of (B, 1) against (B,), or cross-entropy of (B, C) logits against classes or bins (B,).

    A target of NaN is a window without a label and is left out; 0 where none has one.
    """
    labelled = ~torch.isnan(target)
    target = target.nan_to_num()
    if task == "af":
        each = F.cross_entropy(prediction, target.long(), reduction="none")  # (B,)
    elif task == "bins":
        soft = F.softmax(bin_logits(target, prediction.shape[-1]), dim=-1)  # (B, K)
        each = F.cross_entropy(prediction, soft, reduction="none")  # (B,)
    else:
        each = _ERRORS[error](prediction.view_as(target), target.to(prediction.dtype), reduction="none")
    return _mean_where(each, labelled)


def bin_logits(position: Tensor, n_bins: int) -> Tensor:
    """Logits (B, K) of a normal distribution around each position (B,), both in bins."""
    bins = torch.arange(n_bins, dtype=position.dtype, device=position.device)
    return -0.5 * ((bins - position[:, None].clamp(0, n_bins - 1)) / SPREAD).square()


def prediction(
    student: Tensor, teacher: Tensor, task: Task, temperature: float = 2.0, error: Error = "mse"
) -> Tensor:
    """Error between outputs (B, C), or tau^2 KL(softmax(teacher / tau) || softmax(student / tau))."""
    if task == "hr":
        return _ERRORS[error](student, teacher)
    log_student = F.log_softmax(student / temperature, dim=-1)
    log_teacher = F.log_softmax(teacher / temperature, dim=-1)
    return temperature**2 * F.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True)


def feature(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared error between window-level vectors (B, d)."""
    return F.mse_loss(student, teacher)


def morphology(
    student: Tensor,
    teacher: Tensor,
    temperature: Temperature = "auto",
    mask: Tensor | None = None,
    backend: Backend = "cpp",
) -> Tensor:
    """InfoNCE between patch vectors: each student patch should find the teacher's at its own position.

    Parameters
    ----------
    student, teacher : (B, N, d). A zero vector has no direction: it is orthogonal to all, without gradient.
    temperature : divides the cosines; "auto" is 1 / sqrt(d).
    mask : (B, N) bool, True where the patch is valid. Others are neither rows nor negatives.
    backend : "cpp" or "torch".

    Returns
    -------
    The mean over valid rows of the cross-entropy against the row's own position; 0 when there is none.
    """
    tau = student.shape[-1] ** -0.5 if temperature == "auto" else temperature
    if _fits_core(backend, student, teacher):
        return _CoreMorphology.apply(student, teacher, tau, mask)
    return _morphology(student, teacher, tau, mask)


def _morphology(student: Tensor, teacher: Tensor, tau: float, mask: Tensor | None) -> Tensor:
    if mask is not None:
        student, teacher = _blanked(student, mask), _blanked(teacher, mask)
    logits = _direction(student) @ _direction(teacher).transpose(1, 2) / tau  # (B, N, N)
    if mask is not None:
        logits = logits.masked_fill(~mask[:, None, :], -math.inf)
        logits = logits.masked_fill(~mask[:, :, None], 0.0)  # rows that do not count stay finite
    own = -F.log_softmax(logits, dim=-1).diagonal(dim1=1, dim2=2)  # (B, N)
    return own.mean() if mask is None else _mean_where(own, mask)


def rhythm(student: Tensor, teacher: Tensor, mask: Tensor | None = None, backend: Backend = "cpp") -> Tensor:
    """Smooth-L1 (beta 1) between the N x N distances of student and teacher patch vectors.

    Parameters
    ----------
    student, teacher : (B, N, d) and (B, N, d'); the widths may differ. Each window's distances are divided by
        the mean of the positive ones, so only their pattern counts.
    mask : (B, N) bool, True where the patch is valid; pairs with another are left out.
    backend : "cpp" or "torch".

    Returns
    -------
    The mean over all valid entries, the diagonal included; 0 when there is none.
    """
    if _fits_core(backend, student, teacher) and not teacher.requires_grad:
        return _CoreRhythm.apply(student, teacher, mask)
    return _rhythm(student, teacher, mask)


def _rhythm(student: Tensor, teacher: Tensor, mask: Tensor | None) -> Tensor:
    if mask is None:
        mask = student.new_ones(student.shape[:2], dtype=torch.bool)
    pairs = mask[:, :, None] & mask[:, None, :]  # (B, N, N)
    error = F.smooth_l1_loss(_distances(student, mask), _distances(teacher, mask), reduction="none")
    return _mean_where(error, pairs)


def _check_backend(backend: str) -> None:
    if backend not in ("cpp", "torch"):
        raise ValueError(f"unknown backend {backend!r}: expected cpp or torch")


def _fits_core(backend: Backend, *vectors: Tensor) -> bool:
    _check_backend(backend)
    return backend == "cpp" and all(x.device.type == "cpu" and x.dtype == torch.float32 for x in vectors)


def _array(x: Tensor | None) -> Any:
    return None if x is None else x.detach().contiguous().numpy()


def _threads(student: Tensor) -> int:
    """torch's number, but one where starting more would take as long as the work; the bits are the same."""
    return torch.get_num_threads() if student.numel() > 1 << 17 else 1


class _CoreMorphology(torch.autograd.Function):
    """`ppgfast.losses.morphology` with its gradients; derivatives of these are torch's."""

    @staticmethod
    def forward(ctx: Any, student: Tensor, teacher: Tensor, tau: float, mask: Tensor | None) -> Tensor:
        ctx.save_for_backward(student, teacher, mask)
        ctx.tau = tau
        value, *ctx.gradients = _core_morphology(student, teacher, tau, mask, ctx.needs_input_grad[1])
        return student.new_tensor(value)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        student, teacher, mask = ctx.saved_tensors
        if torch.is_grad_enabled():  # somebody wants to differentiate the gradients
            value = _morphology(student, teacher, ctx.tau, mask)
            return *_differentiable(value, (student, teacher), slope), None, None
        if ctx.gradients is None:
            _, *ctx.gradients = _core_morphology(student, teacher, ctx.tau, mask, ctx.needs_input_grad[1])
        return *_given_away(ctx, slope), None, None


def _core_morphology(
    student: Tensor, teacher: Tensor, tau: float, mask: Tensor | None, teacher_gradient: bool
) -> tuple[float, Any, Any]:
    return core.morphology(
        _array(student),
        _array(teacher),
        tau,
        mask=_array(mask),
        threads=_threads(student),
        teacher_gradient=teacher_gradient,
        check_finite=False,
    )


class _CoreRhythm(torch.autograd.Function):
    """`ppgfast.losses.rhythm` with its gradient; derivatives of it are torch's."""

    @staticmethod
    def forward(ctx: Any, student: Tensor, teacher: Tensor, mask: Tensor | None) -> Tensor:
        ctx.save_for_backward(student, teacher, mask)
        value, *ctx.gradients = _core_rhythm(student, teacher, mask)
        return student.new_tensor(value)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        student, teacher, mask = ctx.saved_tensors
        if torch.is_grad_enabled():
            return *_differentiable(_rhythm(student, teacher, mask), (student,), slope), None, None
        if ctx.gradients is None:
            _, *ctx.gradients = _core_rhythm(student, teacher, mask)
        return *_given_away(ctx, slope), None, None


def _core_rhythm(student: Tensor, teacher: Tensor, mask: Tensor | None) -> tuple[float, Any]:
    return core.rhythm(
        _array(student),
        _array(teacher),
        mask=_array(mask),
        threads=_threads(student),
        check_finite=False,
    )


def _given_away(ctx: Any, slope: Tensor) -> list[Tensor | None]:
    """The gradients times slope, in the memory they lie in: a second way back through the graph, which is
    rare, computes them anew."""
    gradients, ctx.gradients = ctx.gradients, None
    return [None if d is None else torch.from_numpy(d).mul_(slope) for d in gradients]


def _differentiable(value: Tensor, inputs: tuple[Tensor, ...], slope: Tensor) -> list[Tensor | None]:
    """slope times the derivative of value by each input that needs one, as part of the graph."""
    wanted = [x for x in inputs if x.requires_grad]
    found = iter(torch.autograd.grad(value, wanted, slope, create_graph=True))
    return [next(found) if x.requires_grad else None for x in inputs]


def logit_laplace(mu: Tensor, log_b: Tensor, target: Tensor) -> Tensor:
    """Minus log likelihood of samples `target` in (0, 1) whose logit is Laplace(mu, b), in log space."""
    error = (torch.logit(target) - mu).abs()
    log_jacobian = target.log() + torch.log1p(-target)
    return (math.log(2.0) + log_b + error * torch.exp(-log_b) + log_jacobian).mean()


def _direction(x: Tensor) -> Tensor:
    """Vectors of unit length; a zero vector stays zero."""
    square = x.square().sum(-1, keepdim=True)
    return torch.where(square > TINY, x * square.clamp_min(TINY).rsqrt(), torch.zeros_like(x))


def _blanked(x: Tensor, mask: Tensor) -> Tensor:
    """Zeros in place of what invalid patches hold, which may be anything."""
    return x.masked_fill(~mask[..., None], 0.0)


def _distances(x: Tensor, mask: Tensor) -> Tensor:
    """(B, N, d) -> (B, N, N) distances in units of the mean of the positive ones between valid patches."""
    x = _blanked(x, mask)
    count = mask.sum(1)[:, None, None]  # (B, 1, 1)
    # Centred: distances stay what they are, and the next lines lose no digits to a large common part.
    x = _blanked(x - x.sum(1, keepdim=True) / count.clamp_min(1), mask)
    square = x.square().sum(-1)  # (B, N)
    square = square[:, :, None] + square[:, None, :] - 2.0 * x @ x.transpose(1, 2)  # (B, N, N)
    others = ~torch.eye(x.shape[1], dtype=torch.bool, device=x.device)
    distance = square.clamp_min(TINY).sqrt() * others
    pairs = mask[:, :, None] & mask[:, None, :] & others
    total = (distance * pairs).sum((-2, -1), keepdim=True)
    mean = total / (count * (count - 1)).clamp_min(1)
    return distance / torch.where(mean > 0, mean, torch.ones_like(mean))


def _mean_where(x: Tensor, mask: Tensor) -> Tensor:
    return x.masked_fill(~mask, 0.0).sum() / mask.sum().clamp_min(1)


class Projector(nn.Module):
    """Student vectors through a learned linear map; teacher vectors standardised per dimension.

    The student alone is moved towards the teacher, whose standardisation is fixed: `fit` stores the mean and
    the standard deviation of the teacher's training vectors.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, d_student: int, d_teacher: int) -> None:
        super().__init__()
        self.linear = nn.Linear(d_student, d_teacher)
        self.register_buffer("mean", torch.zeros(d_teacher))
        self.register_buffer("std", torch.ones(d_teacher))

    @torch.no_grad()
    def fit(self, teacher: Tensor) -> None:
        """Takes mean and standard deviation from teacher vectors (..., d_teacher); constant dimensions
        are centred only."""
        flat = teacher.reshape(-1, teacher.shape[-1]).double()
        std = flat.std(0, correction=0)
        self.mean.copy_(flat.mean(0))
        self.std.copy_(torch.where(std > 1e-6, std, torch.ones_like(std)))

    def forward(self, student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
        """(..., d_student), (..., d_teacher) -> both (..., d_teacher)."""
        return self.linear(student), (teacher - self.mean) / self.std


class SharedAdapter(nn.Module):
    """The published way: one learned linear map of the teacher's vectors, features and patches alike.

    It can lower the loss without the student learning anything; it is here for comparison.
    """

    def __init__(self, d_student: int, d_teacher: int) -> None:
        super().__init__()
        self.linear = nn.Linear(d_teacher, d_student)

    def forward(self, student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
        """(..., d_student), (..., d_teacher) -> both (..., d_student)."""
        return student, self.linear(teacher)


class DistillationLoss(nn.Module):
    """The weighted sum of the terms, with the learned maps that stand between student and teacher.

    Parameters
    ----------
    task : "hr", "bins" or "af".
    student_widths, teacher_widths : (d_feature, d_patch) of each, from `training.models.widths`.
    weights : factor of each of TERMS; a missing one is 0. A term of weight 0 is reported and does not train.
    temperature : tau of the prediction term.
    patch_temperature : tau of the morphology term, "auto" = 1 / sqrt(width of the compared vectors).
    supervised_error, prediction_error : "mae" or "mse", for task "hr".
    backend : of the patch terms, "cpp" or "torch".
    adapter : "student" projects the student, features and patches each; "teacher" is the published shared
        map. The rhythm term needs no map, so that nothing but the student can lower it: it compares the
        student's own patch vectors with the teacher's, standardised ("student") or as they are ("teacher").
    """

    def __init__(
        self,
        task: Task,
        student_widths: tuple[int, int],
        teacher_widths: tuple[int, int],
        weights: Mapping[str, float],
        *,
        temperature: float = 2.0,
        patch_temperature: Temperature = "auto",
        supervised_error: Error = "mae",
        prediction_error: Error = "mse",
        backend: Backend = "cpp",
        adapter: Literal["student", "teacher"] = "student",
    ) -> None:
        super().__init__()
        unknown = sorted(set(weights) - set(TERMS))
        if unknown:
            raise ValueError(f"unknown loss term {unknown[0]!r}: expected some of {', '.join(TERMS)}")
        if task not in ("hr", "bins", "af"):
            raise ValueError(f"unknown task {task!r}: expected hr, bins or af")
        _check_backend(backend)
        self.task: Task = task
        self.weights = {term: float(weights.get(term, 0.0)) for term in TERMS}
        self.temperature = temperature
        self.patch_temperature: Temperature = patch_temperature
        self.supervised_error: Error = supervised_error
        self.prediction_error: Error = prediction_error
        self.backend: Backend = backend
        self.feature_map: Projector | SharedAdapter
        self.patch_map: Projector | SharedAdapter
        if adapter == "student":
            self.feature_map = Projector(student_widths[0], teacher_widths[0])
            self.patch_map = Projector(student_widths[1], teacher_widths[1])
        elif adapter == "teacher":
            if student_widths[0] != student_widths[1] or teacher_widths[0] != teacher_widths[1]:
                raise ValueError(
                    f"adapter 'teacher' is shared by features and patches, but their widths differ: "
                    f"student {student_widths}, teacher {teacher_widths}; use adapter 'student'"
                )
            self.feature_map = self.patch_map = SharedAdapter(student_widths[0], teacher_widths[0])
        else:
            raise ValueError(f"unknown adapter {adapter!r}: expected student or teacher")

    def fit(self, teacher_feature: Tensor, teacher_patches: Tensor) -> None:
        """Stores the teacher's statistics, from its vectors on the training windows."""
        for learned, vectors in ((self.feature_map, teacher_feature), (self.patch_map, teacher_patches)):
            if isinstance(learned, Projector):
                learned.fit(vectors)

    def forward(
        self, student: Outputs, teacher: Outputs, target: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Total, and each unweighted term by name, detached, for the log.

        `teacher` is detached. `target` (B,) is the standardised heart rate or the class; `mask` (B, N) is
        True where a patch is valid.
        """
        known = Outputs(*(vectors.detach() for vectors in teacher))
        student_feature, teacher_feature = self.feature_map(student.feature, known.feature)
        student_patches, teacher_patches = self.patch_map(student.patches, known.patches)
        rhythm_teacher = known.patches if isinstance(self.patch_map, SharedAdapter) else teacher_patches
        terms = {
            "supervised": supervised(student.prediction, target, self.task, self.supervised_error),
            "prediction": prediction(
                student.prediction, known.prediction, self.task, self.temperature, self.prediction_error
            ),
            "feature": feature(student_feature, teacher_feature),
            "morphology": morphology(
                student_patches, teacher_patches, self.patch_temperature, mask, self.backend
            ),
            "rhythm": rhythm(student.patches, rhythm_teacher, mask, self.backend),
        }
        total = student.prediction.new_zeros(())
        for term, weight in self.weights.items():
            if weight != 0.0:
                total = total + weight * terms[term]
        return total, {term: value.detach() for term, value in terms.items()}
