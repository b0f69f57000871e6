"""The patch losses of distillation and their gradients, in C++: no automatic differentiation needed.

Patch vectors are float32 arrays (B, N, d), C-contiguous: d numbers for each of N patches of B windows. Values
and gradients have the same bits on every CPU and for any number of threads. Beside the gradients, memory does
not grow with the batch.
"""

from __future__ import annotations

from typing import Literal, overload

import numpy as np
from numpy.typing import NDArray

from ppgfast import _core

__all__ = ["morphology", "rhythm"]

Vectors = NDArray[np.float32]
Mask = NDArray[np.bool_]


@overload
def morphology(
    student: Vectors,
    teacher: Vectors,
    temperature: float | Literal["auto"] = ...,
    *,
    mask: Mask | None = ...,
    threads: int = ...,
    teacher_gradient: Literal[True] = ...,
    check_finite: bool = ...,
) -> tuple[float, Vectors, Vectors]: ...
@overload
def morphology(
    student: Vectors,
    teacher: Vectors,
    temperature: float | Literal["auto"] = ...,
    *,
    mask: Mask | None = ...,
    threads: int = ...,
    teacher_gradient: bool,
    check_finite: bool = ...,
) -> tuple[float, Vectors, Vectors | None]: ...
def morphology(
    student: Vectors,
    teacher: Vectors,
    temperature: float | Literal["auto"] = "auto",
    *,
    mask: Mask | None = None,
    threads: int = 1,
    teacher_gradient: bool = True,
    check_finite: bool = True,
) -> tuple[float, Vectors, Vectors | None]:
    """InfoNCE between patch vectors: each student patch should find the teacher's at its own position.

    Parameters
    ----------
    student, teacher : float32 (B, N, d). A zero vector has no direction: it is orthogonal to all, without
        gradient.
    temperature : divides the cosines; "auto" is 1 / sqrt(d).
    mask : bool (B, N), True where the patch is valid, or None. Others are neither rows nor negatives, and may
        hold anything.
    threads : how many threads share the batch.
    teacher_gradient : False leaves out the gradient by `teacher`, a third of the work.
    check_finite : False gives nan as the value of numbers that are not finite.

    Returns
    -------
    value : float, the mean over valid patches of the cross-entropy of softmax(cosines / temperature) against
        the patch's own position; 0 when there is none.
    d_student, d_teacher : float32 (B, N, d), the derivatives of `value`; d_teacher is None without
        `teacher_gradient`.

    Raises
    ------
    TypeError, ValueError
        for an array of another type, shape or layout, an empty one, numbers that are not finite in a valid
        patch, and a temperature that is not positive.

    Source: van den Oord et al., Representation Learning with Contrastive Predictive Coding, 2018; between the
    patches of one window, Ni et al., PPG-Distill, 2025.
    """
    if temperature == "auto":
        width = student.shape[-1] if isinstance(student, np.ndarray) and student.size else 1
        tau = width**-0.5
    elif isinstance(temperature, str):
        raise ValueError(f'temperature is {temperature!r}, expected a positive number or "auto"')
    else:
        tau = float(temperature)
    return _core.morphology(student, teacher, tau, mask, threads, teacher_gradient, check_finite)


def rhythm(
    student: Vectors,
    teacher: Vectors,
    *,
    mask: Mask | None = None,
    threads: int = 1,
    check_finite: bool = True,
) -> tuple[float, Vectors]:
    """Smooth-L1 (beta 1) between the N x N distances of student and of teacher patch vectors.

    Parameters
    ----------
    student, teacher : float32 (B, N, d) and (B, N, d'); the widths may differ. Each window's distances are
        divided by the mean of the positive ones, so only their pattern counts.
    mask : bool (B, N), True where the patch is valid, or None; pairs with another are left out.
    threads, check_finite : as for `morphology`.

    Returns
    -------
    value : float, the mean over all valid entries, the diagonal included; 0 when there is none.
    d_student : float32 (B, N, d), its derivative; ``rhythm(teacher, student)`` gives the teacher's.

    Raises
    ------
    TypeError, ValueError
        as `morphology`.

    Source: Park et al., Relational Knowledge Distillation, 2019; between the patches of one window, Ni et
    al., PPG-Distill, 2025.
    """
    return _core.rhythm(student, teacher, mask, threads, check_finite)
