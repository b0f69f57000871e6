"""The five terms: the published numbers, their meaning, and finite values on whatever a window may hold."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from training import losses
from training.losses import DistillationLoss, Projector, logit_laplace, morphology, rhythm
from training.models import Outputs, build

GOLDEN_TERMS = {
    "supervised": "gt_loss",
    "prediction": "pred_distill_loss",
    "feature": "feature_distill_loss",
    "morphology": "patch_feature_distill_loss",
    "rhythm": "patch_distance_distill_loss",
}


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def close(got, expected, name):
    """Within 1e-5 of the largest entry."""
    got, expected = got.detach().numpy(), np.asarray(expected)
    assert np.abs(got - expected).max() <= 1e-5 * np.abs(expected).max(), name


@pytest.mark.parametrize(("case", "task"), [("reg", "hr"), ("cls", "af")])
def test_values_and_gradients_are_the_published_ones(golden, case, task):
    arrays = golden("losses")
    given_ = {
        key.split("/")[2]: torch.from_numpy(arrays[key]) for key in arrays if key.startswith(f"{case}/in/")
    }
    weights = {"supervised": 0.0, "prediction": 0.5, "feature": 0.3, "morphology": 0.7, "rhythm": 0.7}
    loss = DistillationLoss(task, (128, 128), (512, 512), weights, adapter="teacher", supervised_error="mse")
    adapter = loss.patch_map.linear
    assert adapter is loss.feature_map.linear
    with torch.no_grad():
        adapter.weight.copy_(given_["adapter_weight"])
        adapter.bias.copy_(given_["adapter_bias"])
    names = ("output", "features", "patches")
    student = Outputs(*(given_[f"student_{name}"].requires_grad_() for name in names))
    teacher = Outputs(*(given_[f"teacher_{name}"] for name in names))
    total, terms = loss(student, teacher, given_["target"])
    total.backward()

    close(total, arrays[f"{case}/out/total_loss"], "total")
    for term, name in GOLDEN_TERMS.items():
        close(terms[term], arrays[f"{case}/out/{name}"], term)
    for name, vectors in zip(names, student, strict=True):
        close(vectors.grad, arrays[f"{case}/grad/student_{name}"], name)
    close(adapter.weight.grad, arrays[f"{case}/grad/adapter_weight"], "adapter weight")
    close(adapter.bias.grad, arrays[f"{case}/grad/adapter_bias"], "adapter bias")


def test_gradients_are_the_derivatives():
    student, teacher = normal(3, 5, 4).requires_grad_(), normal(3, 5, 4, seed=1).requires_grad_()
    mask = torch.tensor([[1, 1, 0, 1, 1], [1, 0, 0, 1, 1], [0, 0, 0, 0, 0]], dtype=torch.bool)
    check = torch.autograd.gradcheck
    for chosen in (None, mask):
        assert check(lambda s, t, m=chosen: morphology(s, t, "auto", m), (student, teacher))
        assert check(lambda s, t, m=chosen: rhythm(s, t, m), (student, teacher))
    s, t = student[:, 0], teacher[:, 0]
    assert check(losses.feature, (s, t))
    assert check(lambda a, b: losses.prediction(a, b, "af", 2.0), (s, t))
    assert check(lambda a, b: losses.prediction(a, b, "hr"), (s, t))
    assert check(lambda a: losses.supervised(a, torch.tensor([0, 3, 2]), "af"), (s,))
    assert check(lambda a: losses.supervised(a, torch.zeros(3), "hr"), (s[:, :1],))
    target = torch.sigmoid(normal(3, 5, 4, seed=2))
    assert check(lambda mu, log_b: logit_laplace(mu, log_b, target), (student, teacher))


PATCHES = st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 4), st.integers(0, 99))


@pytest.mark.parametrize("term", [morphology, rhythm])
@given(
    shape=PATCHES,
    kind=st.sampled_from(["zero", "flat", "one differs", "tiny", "huge", "random"]),
    masked=st.booleans(),
)
@settings(deadline=None, max_examples=60)
def test_patch_terms_are_finite_on_anything(term, shape, kind, masked):
    batch, n, d, seed = shape
    x = normal(batch, n, d, seed=seed, dtype=torch.float32)
    if kind in ("flat", "one differs"):
        x = x[:, :1].repeat(1, n, 1)
    if kind == "one differs":
        x[:, -1] += 1.0
    x = x * {"zero": 0.0, "tiny": 1e-18, "huge": 1e6}.get(kind, 1.0)
    mask = normal(batch, n, seed=seed + 1) > 0 if masked else None
    for teacher in (x.clone(), normal(batch, n, d, seed=seed + 2, dtype=torch.float32)):
        student = x.clone().requires_grad_()
        with torch.autograd.set_detect_anomaly(True):  # no NaN on the way either
            value = term(student, teacher, mask=mask)
            value.backward()
        assert torch.isfinite(value)
        assert torch.isfinite(student.grad).all()
        if kind in ("zero", "tiny") or (kind == "flat" and term is rhythm):
            assert (student.grad == 0).all()  # no vector, or no difference, has a direction to move in


@pytest.mark.parametrize("term", [morphology, rhythm])
def test_masked_patches_are_out(term):
    student, teacher = normal(4, 6, 5), normal(4, 6, 5, seed=1)
    mask = torch.tensor(
        [[1, 1, 1, 1, 1, 1], [1, 0, 1, 1, 0, 1], [0, 0, 1, 0, 1, 0], [0, 0, 0, 0, 0, 0]]
    ).bool()
    total, weight = 0.0, 0
    for s, t, m in zip(student, teacher, mask, strict=True):
        if m.any():
            count = int(m.sum()) if term is morphology else int(m.sum()) ** 2
            total += float(term(s[m][None], t[m][None])) * count
            weight += count
    assert float(term(student, teacher, mask=mask)) == pytest.approx(total / weight, rel=1e-12)
    wild = student.masked_fill(~mask[..., None], 1e30)
    assert float(term(wild, teacher, mask=mask)) == pytest.approx(total / weight, rel=1e-6)
    assert float(term(student, teacher, mask=torch.zeros_like(mask))) == 0.0
    assert float(term(student, teacher, mask=torch.ones_like(mask))) == pytest.approx(
        float(term(student, teacher))
    )


def test_morphology_wants_each_patch_at_its_own_place():
    teacher = normal(4, 8, 16)
    assert morphology(teacher, teacher, 0.01) < 1e-3
    assert morphology(teacher.roll(1, dims=1), teacher, 0.01) > 10
    assert (
        float(morphology(teacher[:, :1], teacher[:, :1].flip(0))) == 0.0
    )  # a single patch cannot be misplaced
    assert float(morphology(teacher * 0, teacher)) == pytest.approx(math.log(8))  # no direction: any place
    torch.testing.assert_close(morphology(5 * teacher, teacher), morphology(teacher, 0.1 * teacher))
    torch.testing.assert_close(morphology(teacher, teacher, "auto"), morphology(teacher, teacher, 0.25))


def test_rhythm_compares_the_pattern_of_distances():
    student, teacher = normal(4, 8, 16), normal(4, 8, 32, seed=1)
    rotation = torch.linalg.qr(normal(16, 16, seed=2)).Q
    moved = 7.0 * student @ rotation + normal(1, 1, 16, seed=3)
    assert rhythm(moved, student) < 1e-20
    torch.testing.assert_close(rhythm(moved, teacher), rhythm(student, teacher))
    assert rhythm(student.roll(1, dims=1), student) > 1e-3
    assert float(rhythm(student[:, :1], teacher[:, :1])) == 0.0


def test_rhythm_keeps_its_precision_far_from_the_origin():
    x = normal(2, 8, 16, dtype=torch.float32)
    y = normal(2, 8, 16, seed=1, dtype=torch.float32)
    torch.testing.assert_close(rhythm(x + 1000.0, y - 1000.0), rhythm(x, y), rtol=1e-3, atol=0)


def test_prediction_is_zero_for_equal_outputs_and_softens_by_temperature():
    x, y = normal(5, 2), normal(5, 2, seed=1)
    assert abs(float(losses.prediction(x, x, "af"))) < 1e-12
    assert float(losses.prediction(x + 3.0, x, "af")) == pytest.approx(
        0.0, abs=1e-12
    )  # logits up to a constant
    p, q = (y / 4).softmax(-1), (x / 4).softmax(-1)
    expected = 16 * (p * (p / q).log()).sum() / 5
    assert float(losses.prediction(x, y, "af", 4.0)) == pytest.approx(float(expected))
    assert float(losses.prediction(x, x + 2, "hr")) == pytest.approx(4.0)
    assert float(losses.prediction(x, x + 2, "hr", error="mae")) == pytest.approx(2.0)


def test_supervised_takes_targets_of_one_number_per_window():
    prediction = torch.tensor([[1.0], [2.0], [4.0]])
    assert float(losses.supervised(prediction, torch.zeros(3), "hr")) == pytest.approx(7 / 3)
    assert float(losses.supervised(prediction, torch.zeros(3), "hr", "mse")) == pytest.approx(7.0)
    logits = torch.tensor([[0.0, 100.0], [100.0, 0.0]])
    assert float(losses.supervised(logits, torch.tensor([1.0, 0.0]), "af")) == pytest.approx(0.0)


def test_a_label_over_bins_is_a_normal_distribution_around_it():
    position = torch.tensor([10.0, 40.3, -5.0], dtype=torch.float64)
    logits = losses.bin_logits(position, 96)
    p = logits.softmax(-1)
    bins = torch.arange(96, dtype=torch.float64)
    mean = (p * bins).sum(-1)
    torch.testing.assert_close(mean[:2], position[:2], atol=1e-3, rtol=0)
    assert float((p[1] * (bins - mean[1]).square()).sum().sqrt()) == pytest.approx(losses.SPREAD, rel=1e-3)
    assert p[2].argmax() == 0  # beyond the bins is the outermost
    best = losses.supervised(logits, position, "bins")
    assert float(best) == pytest.approx(float(-(p * logits.log_softmax(-1)).sum(-1).mean()))
    assert losses.supervised(logits.roll(1, -1), position, "bins") > best


@pytest.mark.parametrize(("task", "n_outputs"), [("hr", 1), ("bins", 9), ("af", 2)])
def test_unlabelled_windows_do_not_count(task, n_outputs):
    prediction = normal(4, n_outputs).requires_grad_()
    target = torch.tensor([1.0, math.nan, 0.0, math.nan], dtype=torch.float64)
    value = losses.supervised(prediction, target, task)
    torch.testing.assert_close(value, losses.supervised(prediction[::2], target[::2], task))
    value.backward()
    assert (prediction.grad[1::2] == 0).all()
    assert (prediction.grad[::2] != 0).all()
    assert losses.supervised(prediction, target * math.nan, task) == 0.0


def test_logit_laplace_is_a_density_on_the_unit_interval():
    x = torch.linspace(1e-6, 1 - 1e-6, 2_000_001, dtype=torch.float64)
    for mu, log_b in ((0.3, -0.5), (-1.0, -1.0)):
        zeros = torch.zeros_like(x)
        log_density = torch.stack(
            [-logit_laplace(zeros[:1] + mu, zeros[:1] + log_b, value[None]) for value in x[::2000]]
        )
        assert float(torch.trapezoid(log_density.exp(), x[::2000])) == pytest.approx(1.0, abs=2e-2)
    extreme = logit_laplace(torch.tensor([80.0]), torch.tensor([-30.0]), torch.tensor([0.1]))
    assert torch.isfinite(extreme)


def tiny(seed, **options):
    torch.manual_seed(seed)
    return build("gpt50k", n_patches=6, patch=8, d_model=16, n_heads=2, n_layers=3, dropout=0.0, **options)


def reached(module, tap, term, task="hr", adapter="student"):
    """Modules of the student with a gradient of this one term: those where every weight has one, and some."""
    x = torch.rand(5, 6, 8, generator=torch.Generator().manual_seed(3))
    teacher = tiny(1, n_outputs=module.config.n_outputs)
    loss = DistillationLoss(task, (16, 16), (16, 16), {term: 1.0}, adapter=adapter)
    total, _ = loss(module(x, tap=tap), teacher(x), torch.tensor([0.0, 1.0, 1.0, 0.0, 1.0]))
    total.backward()
    assert all(p.grad is None for p in teacher.parameters())
    parts = {f"layer.{i}": layer for i, layer in enumerate(module.layer)}
    parts |= {"patch": module.patch, "head": module.head, "generative": module.generative}
    moved = {
        name: [p.grad is not None and bool((p.grad != 0).any()) for p in part.parameters()]
        for name, part in parts.items()
    }
    return {name for name, some in moved.items() if all(some)}, {
        name for name, some in moved.items() if any(some)
    }


LAYERS = {"layer.0", "layer.1", "layer.2"}


@pytest.mark.parametrize("term", ["supervised", "prediction"])
@pytest.mark.parametrize("task", ["hr", "af"])
def test_output_terms_train_everything_but_the_generative_head(term, task):
    wholly, partly = reached(tiny(0, n_outputs=1 if task == "hr" else 2), "last", term, task)
    assert wholly == partly == LAYERS | {"patch", "head"}


@pytest.mark.parametrize("term", ["feature", "morphology", "rhythm"])
@pytest.mark.parametrize("adapter", ["student", "teacher"])
def test_vector_terms_train_every_layer_up_to_their_tap(term, adapter):
    assert reached(tiny(0), "last", term, adapter=adapter) == (LAYERS | {"patch"},) * 2
    assert reached(tiny(0), "layer.1", term, adapter=adapter) == ({"layer.0", "layer.1", "patch"},) * 2


@pytest.mark.parametrize("term", ["feature", "morphology", "rhythm"])
def test_the_embedding_tap_trains_no_transformer_layer(term):
    assert reached(tiny(0), "embedding", term) == ({"patch"}, {"patch"})


def outputs(batch, n, d, seed, n_outputs=1):
    return Outputs(
        normal(batch, n_outputs, seed=seed),
        normal(batch, d, seed=seed + 1),
        normal(batch, n, d, seed=seed + 2),
    )


def test_the_total_is_the_weighted_sum_of_the_named_terms():
    weights = {"supervised": 1.0, "prediction": 0.5, "feature": 0.25, "morphology": 2.0, "rhythm": 3.0}
    loss = DistillationLoss("hr", (16, 16), (24, 24), weights).double()
    total, terms = loss(outputs(4, 6, 16, 0), outputs(4, 6, 24, 10), normal(4))
    assert tuple(terms) == losses.TERMS
    assert float(total.detach()) == pytest.approx(
        sum(weights[term] * float(value) for term, value in terms.items())
    )


def test_a_term_of_weight_zero_is_reported_and_harmless():
    loss = DistillationLoss("hr", (16, 16), (16, 16), {"supervised": 1.0}).double()
    teacher = outputs(4, 6, 16, 10)._replace(feature=torch.full((4, 16), torch.nan, dtype=torch.float64))
    total, terms = loss(outputs(4, 6, 16, 0), teacher, normal(4))
    assert torch.isnan(terms["feature"])
    assert total == terms["supervised"]


def test_the_projector_moves_the_student_and_standardises_the_teacher():
    loss = DistillationLoss("hr", (4, 4), (3, 3), {"feature": 1.0}).double()
    teacher = 50.0 + 7.0 * normal(400, 5, 3)
    teacher[..., 2] = 9.0
    loss.fit(teacher[:, 0], teacher)
    student, standard = loss.patch_map(normal(400, 5, 4), teacher)
    assert student.shape == standard.shape
    torch.testing.assert_close(standard.mean((0, 1)), torch.zeros(3, dtype=torch.float64), atol=1e-5, rtol=0)
    spread = standard.reshape(-1, 3).std(0, correction=0)
    torch.testing.assert_close(spread, torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64), atol=1e-5, rtol=0)
    assert {name for name, _ in loss.named_parameters()} == {
        f"{which}_map.linear.{kind}" for which in ("feature", "patch") for kind in ("weight", "bias")
    }
    again = Projector(4, 3).double()
    again.load_state_dict(loss.patch_map.state_dict())  # the statistics travel with the state
    torch.testing.assert_close(again(normal(1, 1, 4), teacher)[1], standard)


def test_students_of_other_widths_learn_from_the_teacher():
    torch.manual_seed(0)
    student, teacher = build("mlp", n_patches=6, patch=8), tiny(1)
    x = torch.rand(5, 6, 8)
    loss = DistillationLoss("hr", (128, 128), (16, 16), dict.fromkeys(losses.TERMS, 1.0))
    total, _ = loss(student(x), teacher(x), torch.zeros(5), mask=torch.rand(5, 6) > 0.3)
    total.backward()
    assert all(torch.isfinite(p.grad).all() for p in [*student.parameters(), *loss.parameters()])
    assert isinstance(loss, nn.Module)


def test_wrong_settings_are_refused():
    with pytest.raises(
        ValueError, match=r"unknown loss term 'contrast': expected some of supervised, .*rhythm"
    ):
        DistillationLoss("hr", (4, 4), (4, 4), {"contrast": 1.0})
    with pytest.raises(ValueError, match="unknown task 'rr': expected hr, bins or af"):
        DistillationLoss("rr", (4, 4), (4, 4), {})
    with pytest.raises(ValueError, match="unknown adapter 'both': expected student or teacher"):
        DistillationLoss("hr", (4, 4), (4, 4), {}, adapter="both")
    with pytest.raises(
        ValueError, match=r"widths differ: student \(4, 4\), teacher \(512, 128\); use adapter"
    ):
        DistillationLoss("hr", (4, 4), (512, 128), {}, adapter="teacher")
