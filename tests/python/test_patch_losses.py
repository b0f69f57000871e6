"""The patch losses: what they mean, their bits on every CPU and thread, and what is said of bad input."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ppgfast
from ppgfast.losses import morphology, rhythm

ISAS = [isa for isa, supported in ppgfast.cpu()["isas"].items() if supported]
SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 40), st.integers(1, 80), st.integers(0, 2**31))


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def same(first, second):
    """Equal bits of (value, gradients)."""
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("case", ["reg", "cls"])
def test_the_published_values(golden, case):
    arrays = golden("losses")
    given_ = {key.split("/")[2]: arrays[key] for key in arrays if key.startswith(f"{case}/in/")}
    mapped = given_["teacher_patches"] @ given_["adapter_weight"].T + given_["adapter_bias"]
    value, _, _ = morphology(given_["student_patches"], mapped, "auto")
    assert value == pytest.approx(float(arrays[f"{case}/out/patch_feature_distill_loss"]), rel=1e-5)
    value, _ = rhythm(given_["student_patches"], given_["teacher_patches"])
    assert value == pytest.approx(float(arrays[f"{case}/out/patch_distance_distill_loss"]), rel=1e-5)


def test_each_patch_at_its_own_place_is_the_lowest_morphology():
    teacher = normal(4, 8, 16)
    assert morphology(teacher, teacher, 0.01)[0] < 1e-3
    assert morphology(np.roll(teacher, 1, axis=1), teacher, 0.01)[0] > 10
    assert morphology(np.zeros_like(teacher), teacher)[0] == pytest.approx(
        np.log(8)
    )  # no direction: any place
    same(morphology(teacher, teacher, "auto"), morphology(teacher, teacher, 0.25))


def test_morphology_does_not_see_lengths():
    student, teacher = normal(4, 8, 16), normal(4, 8, 16, seed=1)
    _, d_student, d_teacher = morphology(student, teacher)
    for gradient, x in ((d_student, student), (d_teacher, teacher)):
        along = np.abs((gradient * x).sum(-1))
        assert (along < 1e-6 * np.linalg.norm(gradient, axis=-1) * np.linalg.norm(x, axis=-1)).all()
    assert morphology(7 * student, teacher / 9)[0] == pytest.approx(morphology(student, teacher)[0], rel=1e-6)


def test_rhythm_sees_nothing_but_the_pattern_of_distances():
    student, teacher = normal(4, 8, 16), normal(4, 8, 32, seed=1)
    turn = np.linalg.qr(normal(16, 16, seed=2))[0]
    moved = 7 * student @ turn + normal(1, 1, 16, seed=3)
    assert rhythm(moved, student)[0] < 1e-12
    assert rhythm(moved, teacher)[0] == pytest.approx(rhythm(student, teacher)[0], rel=1e-5)
    assert rhythm(np.roll(student, 1, axis=1), student)[0] > 1e-3
    gradient = rhythm(student, teacher)[1]
    assert (
        np.abs(gradient.sum(1)).max() < 1e-7 * np.abs(gradient).sum(1).max() * 8
    )  # no push on the whole window
    assert abs((gradient * (student - student.mean(1, keepdims=True))).sum()) < 1e-6  # and no change of scale


@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_nearly_equal_patches_keep_the_digits_of_their_distance(offset):
    fine = 1e-3 * normal(1, 8, 16)
    fine = (fine + np.float32(offset)) - np.float32(offset)  # what the offset leaves of it
    exact = rhythm(fine, normal(1, 8, 32, seed=1))
    got = rhythm(fine + np.float32(offset), normal(1, 8, 32, seed=1))
    assert got[0] == pytest.approx(exact[0], rel=1e-6)
    np.testing.assert_allclose(got[1], exact[1], rtol=1e-4, atol=1e-5 * np.abs(exact[1]).max())


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("masked", [False, True])
def test_bits_do_not_depend_on_the_cpu(monkeypatch, isa, masked):
    student, teacher, wide = normal(5, 30, 128), normal(5, 30, 128, seed=1), normal(5, 30, 60, seed=2)
    mask = normal(5, 30, seed=3) > 0 if masked else None
    results = []
    for forced in ("scalar", isa):
        monkeypatch.setenv("PPGFAST_FORCE_ISA", forced)
        results.append(morphology(student, teacher, mask=mask) + rhythm(student, wide, mask=mask))
    same(*results)


def test_an_isa_that_cannot_be_had_is_named(monkeypatch):
    monkeypatch.setenv("PPGFAST_FORCE_ISA", "sse9")
    with pytest.raises(ValueError, match=r"isa 'sse9'.*scalar"):
        rhythm(normal(1, 2, 3), normal(1, 2, 3))


@settings(max_examples=20, deadline=None)
@given(shape=SHAPES, threads=st.integers(2, 9))
def test_bits_do_not_depend_on_threads(shape, threads):
    *shape, seed = shape
    student, teacher, mask = normal(*shape, seed=seed), normal(*shape, seed=seed + 1), normal(*shape[:2]) > -1
    same(morphology(student, teacher, mask=mask), morphology(student, teacher, mask=mask, threads=threads))
    same(rhythm(student, teacher, mask=mask), rhythm(student, teacher, mask=mask, threads=threads))


@settings(max_examples=80, deadline=None)
@given(
    shape=SHAPES,
    kind=st.sampled_from(["zero", "flat", "one differs", "tiny", "huge", "random"]),
    masked=st.booleans(),
)
def test_finite_on_anything(shape, kind, masked):
    *shape, seed = shape
    x = normal(*shape, seed=seed)
    if kind in ("flat", "one differs"):
        x = np.repeat(x[:, :1], shape[1], axis=1)
    if kind == "one differs":
        x[:, -1] += 1
    x *= {"zero": 0.0, "tiny": 1e-18, "huge": 1e15}.get(kind, 1.0)
    mask = normal(*shape[:2], seed=seed + 1) > 0 if masked else None
    for teacher in (x.copy(), normal(*shape, seed=seed + 2)):
        for result in (morphology(x, teacher, mask=mask), rhythm(x, teacher, mask=mask)):
            assert all(np.isfinite(part).all() for part in result)
            assert result[0] >= 0
        if kind in ("zero", "flat", "tiny"):
            assert not rhythm(x, teacher, mask=mask)[1].any()  # equal patches have no direction to part in


@settings(max_examples=40, deadline=None)
@given(shape=SHAPES.filter(lambda shape: shape[2] >= 4))  # in one dimension no direction can change
def test_what_is_masked_is_as_if_it_were_not_there(shape):
    B, N, d, seed = shape
    student, teacher = normal(B, N, d, seed=seed), normal(B, N, d, seed=seed + 1)
    mask = normal(B, N, seed=seed + 2) > 0
    wild = np.where(mask[..., None], student, np.float32(np.nan))
    for loss, power in ((morphology, 1), (rhythm, 2)):
        value, gradient = loss(wild, teacher, mask=mask)[:2]
        assert not gradient[~mask].any()
        total, count = 0.0, (mask.sum(1).astype(float) ** power).sum()
        for b in np.flatnonzero(mask.any(1)):
            alone, part = loss(student[b, mask[b]][None], teacher[b, mask[b]][None])[:2]
            share = mask[b].sum() ** power / count
            total += share * alone
            np.testing.assert_allclose(gradient[b, mask[b]], share * part[0], rtol=1e-4, atol=1e-6)
        assert value == pytest.approx(total, rel=1e-5, abs=1e-12)


def test_a_mask_of_all_changes_no_bit():
    student, teacher, mask = normal(3, 8, 32), normal(3, 8, 32, seed=1), np.ones((3, 8), bool)
    same(morphology(student, teacher, mask=mask), morphology(student, teacher))
    same(rhythm(student, teacher, mask=mask), rhythm(student, teacher))


def test_the_teachers_gradient_may_be_left_out():
    student, teacher = normal(3, 8, 32), normal(3, 8, 32, seed=1)
    value, d_student, nothing = morphology(student, teacher, teacher_gradient=False)
    assert nothing is None
    same((value, d_student), morphology(student, teacher)[:2])


def test_memory_does_not_grow_with_the_matrices_of_a_batch():
    code = """
import resource
import numpy as np
from ppgfast.losses import morphology, rhythm
student, teacher = np.ones((2, 1024, 128, 4), np.float32)
rhythm(student[:1], teacher[:1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
morphology(student, teacher), rhythm(student, teacher)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 20 * 1024  # KiB: gradients take 6 MB, one batch of matrices (B, N, N) 67 MB


def test_input_is_left_alone():
    student, teacher = normal(2, 5, 20), normal(2, 5, 20, seed=1)
    kept = student.copy(), teacher.copy()
    for x in (student, teacher):
        x.flags.writeable = False
    morphology(student, teacher)
    rhythm(student, teacher)
    same((student, teacher), kept)


GOOD = normal(2, 3, 4)
BAD_VECTORS = {
    "float64": (GOOD.astype(np.float64), TypeError, r"has dtype float64.*\.astype\(np\.float32\)"),
    "object": (GOOD.astype(object), TypeError, r"has dtype object"),
    "list": (GOOD.tolist(), TypeError, r"is a list.*np\.asarray"),
    "none": (None, TypeError, r"is a NoneType"),
    "rank 2": (GOOD[0], ValueError, r"has shape \(3, 4\), expected \(B, N, d\)"),
    "no window": (GOOD[:0], ValueError, r"has shape \(0, 3, 4\): it is empty"),
    "no patch": (GOOD[:, :0].copy(), ValueError, r"has shape \(2, 0, 4\): it is empty"),
    "no width": (GOOD[..., :0].copy(), ValueError, r"has shape \(2, 3, 0\): it is empty"),
    "strided": (normal(2, 3, 8)[..., ::2], ValueError, r"is not contiguous.*np\.ascontiguousarray"),
    "turned": (normal(3, 2, 4).transpose(1, 0, 2), ValueError, r"is not contiguous"),
}


@pytest.mark.parametrize("loss", [morphology, rhythm])
@pytest.mark.parametrize("case", BAD_VECTORS)
def test_bad_vectors(loss, case):
    bad, error, message = BAD_VECTORS[case]
    with pytest.raises(error, match="student " + message):
        loss(bad, GOOD)
    with pytest.raises(error, match="teacher " + message):
        loss(GOOD, bad)


def test_shapes_that_do_not_fit_each_other():
    with pytest.raises(
        ValueError, match=r"\(2, 3, 5\), student \(2, 3, 4\): expected the same shape, project"
    ):
        morphology(GOOD, normal(2, 3, 5))
    assert rhythm(GOOD, normal(2, 3, 5))[0] > 0
    for other in (normal(1, 3, 4), normal(2, 2, 4)):
        with pytest.raises(ValueError, match=r"student \(2, 3, 4\): expected the same windows and patches"):
            rhythm(GOOD, other)


@pytest.mark.parametrize(
    ("mask", "error", "message"),
    [
        (np.ones((2, 3)), TypeError, r"mask has dtype float64.*dtype=bool"),
        ([[True] * 3] * 2, TypeError, r"mask is a list"),
        (np.ones((3, 2), bool), ValueError, r"mask has shape \(3, 2\), expected \(2, 3\)"),
        (np.ones(3, bool), ValueError, r"mask has shape \(3,\), expected \(2, 3\)"),
        (np.ones((2, 6), bool)[:, ::2], ValueError, r"mask is not contiguous"),
    ],
)
@pytest.mark.parametrize("loss", [morphology, rhythm])
def test_bad_masks(loss, mask, error, message):
    with pytest.raises(error, match=message):
        loss(GOOD, GOOD, mask=mask)


@pytest.mark.parametrize("loss", [morphology, rhythm])
@pytest.mark.parametrize(("value", "name"), [(np.nan, "nan"), (np.inf, "inf"), (-np.inf, "-inf")])
def test_numbers_that_are_not_finite(loss, value, name):
    bad = GOOD.copy()
    bad[1, 2, 3] = value
    with pytest.raises(ValueError, match=rf"student\[1, 2, 3\] is {name}, expected finite.*mask"):
        loss(bad, GOOD)
    with pytest.raises(ValueError, match=rf"teacher\[1, 2, 3\] is {name}, expected finite.*mask"):
        loss(GOOD, bad)
    assert np.isnan(loss(bad, GOOD, check_finite=False)[0])
    with pytest.raises(ValueError, match="squares exceed float32: scale them down"):
        loss(GOOD * np.float32(1e25), GOOD)


@pytest.mark.parametrize("temperature", [0.0, -1.0, np.nan, np.inf, 1e-60, "fast"])
def test_bad_temperatures(temperature):
    with pytest.raises(ValueError, match=r"temperature is .*, expected a positive number"):
        morphology(GOOD, GOOD, temperature)


@pytest.mark.parametrize("threads", [0, -1, 100_000])
def test_bad_threads(threads):
    with pytest.raises(ValueError, match=f"threads is {threads}, expected 1 to 1024"):
        rhythm(GOOD, GOOD, threads=threads)
