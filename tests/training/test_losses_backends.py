"""The patch terms in C++ and in torch: the same numbers, the same derivatives, each where it belongs."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training import losses
from training.losses import TERMS, DistillationLoss, morphology, rhythm
from training.models import Outputs


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def close(got, exact, in_float32, floor=0.0):
    """Within 1e-5 of the largest entry. Where a loss nearly vanishes, softmax - 1 has no such digits in
    float32: there at most a few times the error of torch itself in float32, or what one rounding costs."""
    error, usual = (float((x.double() - exact).abs().max()) for x in (got, in_float32))
    assert error <= 1e-5 * float(exact.abs().max()) + 8 * usual + floor + 1e-12


def one_rounding(term, temperature, student, teacher):
    """What rounding one probability of a patch to float32 does to the value and to a gradient."""
    if term is rhythm:
        return 0.0, 0.0
    B, N, d = student.shape
    tau = d**-0.5 if temperature == "auto" else temperature
    shortest = min(float(x.norm(dim=-1).min()) for x in (student, teacher))
    eps = float(torch.finfo(torch.float32).eps)
    return eps / tau, eps / (tau * B * N * shortest)


def derivatives(term, vectors, temperature, mask, backend, dtype):
    leaves = [x.to(dtype).detach().requires_grad_() for x in vectors]
    if term is rhythm:
        leaves[1].requires_grad_(False)
        value = rhythm(*leaves, mask, backend)
    else:
        value = morphology(*leaves, temperature, mask, backend)
    assert value.dtype == dtype
    value.backward()
    return [value.detach(), *(x.grad for x in leaves if x.requires_grad)]


@settings(max_examples=60, deadline=None)
@given(
    term=st.sampled_from([morphology, rhythm]),
    shape=st.tuples(st.integers(1, 4), st.integers(2, 33), st.integers(2, 70), st.integers(0, 2**31)),
    temperature=st.sampled_from(["auto", 0.07, 1.0]),
    common=st.sampled_from([0.0, 0.9]),
    masked=st.booleans(),
)
def test_the_core_agrees_with_torch_in_float64(term, shape, temperature, common, masked):
    B, N, d, seed = shape
    student, teacher = normal(B, N, d, seed=seed), normal(B, N, d, seed=seed + 1)
    student = student + common * 3 * normal(B, 1, d, seed=seed + 2)  # patches of one window are alike
    mask = normal(B, N, seed=seed + 3) > -0.5 if masked else None
    got = derivatives(term, (student, teacher), temperature, mask, "cpp", torch.float32)
    exact = derivatives(term, (student, teacher), temperature, mask, "torch", torch.float64)
    usual = derivatives(term, (student, teacher), temperature, mask, "torch", torch.float32)
    value, gradient = one_rounding(term, temperature, student, teacher)
    for a, b, c, floor in zip(got, exact, usual, [value, gradient, gradient], strict=False):
        close(a, b, c, floor)


@pytest.fixture
def calls(monkeypatch):
    """Names of the core's functions, as they are called."""
    names = []
    for name in ("morphology", "rhythm"):
        real = getattr(losses.core, name)

        def spy(*args, name=name, real=real, **options):
            names.append(name)
            return real(*args, **options)

        monkeypatch.setattr(losses.core, name, spy)
    return names


def test_the_core_is_the_default_on_the_cpu_in_float32(calls):
    x, y = normal(2, 5, 8), normal(2, 5, 8, seed=1)
    morphology(x, y), rhythm(x, y)
    assert calls == ["morphology", "rhythm"]
    morphology(x, y, backend="torch"), rhythm(x, y, backend="torch")
    morphology(x.double(), y.double()), rhythm(x.double(), y.double()), rhythm(x, y.double().requires_grad_())
    morphology(x.to("meta"), y.to("meta")), rhythm(x.to("meta"), y.to("meta"))  # as any other device
    assert calls == ["morphology", "rhythm"]
    with pytest.raises(ValueError, match="unknown backend 'numpy': expected cpp or torch"):
        rhythm(x, y, backend="numpy")
    with pytest.raises(ValueError, match="unknown backend 'numpy'"):
        DistillationLoss("hr", (4, 4), (4, 4), {}, backend="numpy")


def test_a_teacher_that_learns_by_rhythm_is_torchs(calls):
    x, y = normal(2, 5, 8).requires_grad_(), normal(2, 5, 8, seed=1).requires_grad_()
    rhythm(x, y).backward()
    assert calls == []
    assert (y.grad != 0).any()


def test_vectors_may_lie_anywhere_in_memory():
    x, y = normal(5, 4, 8).transpose(0, 1), normal(4, 5, 16, seed=1)[..., ::2]
    mask = (normal(5, 4) > 0).T
    torch.testing.assert_close(morphology(x, y, mask=mask), morphology(x.clone(), y.contiguous(), mask=mask))
    torch.testing.assert_close(rhythm(x, y, mask), rhythm(x, y, mask, "torch"))


def test_a_slope_from_above_scales_the_gradient_and_may_come_twice():
    x, y = normal(2, 5, 8).requires_grad_(), normal(2, 5, 8, seed=1).requires_grad_()
    for term in (morphology, lambda a, b: rhythm(a, b.detach())):
        value = term(x, y)
        once = torch.autograd.grad(value, x, retain_graph=True)[0]
        thrice = torch.autograd.grad(3 * value, x)[0]
        torch.testing.assert_close(thrice, 3 * once)


def test_second_derivatives_are_torchs():
    x, y = normal(2, 5, 6).requires_grad_(), normal(2, 5, 6, seed=1).requires_grad_()
    mask = normal(2, 5, seed=2) > -1

    def second(term, backend, *leaves):
        value = 2 * term(*leaves, mask=mask, backend=backend) ** 2
        first = torch.autograd.grad(value, leaves[0], create_graph=True)[0]
        return torch.autograd.grad(first.square().sum(), [leaf for leaf in leaves if leaf.requires_grad])

    for term, leaves in ((morphology, (x, y)), (morphology, (x, y.detach())), (rhythm, (x, y.detach()))):
        for a, b in zip(second(term, "cpp", *leaves), second(term, "torch", *leaves), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_without_gradients_the_value_is_the_same():
    x, y = normal(2, 5, 8).requires_grad_(), normal(2, 5, 8, seed=1)
    with torch.no_grad():
        values = morphology(x, y), rhythm(x, y)
    assert not any(value.requires_grad for value in values)
    assert values == (morphology(x, y), rhythm(x, y))


def test_a_loss_of_numbers_that_are_not_finite_is_not_finite():
    x, y = normal(2, 5, 8), normal(2, 5, 8, seed=1)
    x[1, 2, 3] = math.nan
    assert not torch.isfinite(morphology(x, y))
    assert not torch.isfinite(rhythm(x, y))


def test_the_total_is_the_same_in_both():
    def outputs(d, seed):
        return Outputs(*(normal(*s, seed=seed + i) for i, s in enumerate([(4, 1), (4, d), (4, 6, d)])))

    def gradients(backend):
        torch.manual_seed(0)
        loss = DistillationLoss("hr", (16, 16), (24, 24), dict.fromkeys(TERMS, 0.5), backend=backend)
        student = Outputs(*(x.requires_grad_() for x in outputs(16, 0)))
        total, terms = loss(student, outputs(24, 10), normal(4), mask=normal(4, 6, seed=20) > -1)
        total.backward()
        found = [
            total.detach(),
            *terms.values(),
            *(x.grad for x in student),
            *(p.grad for p in loss.parameters()),
        ]
        return [x.numpy() for x in found]

    for a, b in zip(gradients("cpp"), gradients("torch"), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
