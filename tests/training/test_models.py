"""The models: shapes, sizes, what depends on what, and what they refuse."""

from dataclasses import asdict

import pytest
import torch
from torch import nn

from training.models import NAMES, Outputs, as_patches, build, from_channels, from_config, widths
from training.models.gpt import rotate

TINY = {
    "gpt": {"d_model": 16, "n_layers": 2, "n_heads": 2},
    "papagei": {"base_filters": 4, "d_classifier": 8},
}
SMALL = ["gpt50k", "stream50k", "papagei", "tcn5k", "mlp", "linear"]


def small(name, n_patches=6, **options):
    torch.manual_seed(0)
    return build(name, n_patches=n_patches, **{**TINY.get(name.rstrip("0123456789mk"), {}), **options}).eval()


def size(module, *, at_inference=False):
    """Weights and rotary frequencies; at inference, without the latter and the generative head."""
    kept = dict(module.named_parameters())
    if at_inference:
        return sum(value.numel() for name, value in kept.items() if not name.startswith("generative."))
    rotary = [value for name, value in module.named_buffers() if name.endswith("rotary")]
    return sum(value.numel() for value in [*kept.values(), *rotary])


@pytest.mark.parametrize(
    ("name", "n_patches", "n_outputs", "expected"),
    [
        ("gpt19m", 30, 1, 19_018_417),
        ("gpt19m", 30, 2, 19_034_290),
        ("gpt1m", 30, 1, 1_017_721),
        ("gpt1m", 30, 2, 1_021_690),
        ("gpt1m", 8, 1, 1_009_273),
        ("papagei", 8, 1, 5_917_197),
        ("papagei", 30, 2, 5_917_454),
        ("tcn5k", 8, 1, 4_993),
        ("tcn5k", 30, 2, 5_010),
        ("mlp", 8, 1, 41_473),
        ("mlp", 30, 2, 154_242),
        ("linear", 8, 1, 321),
    ],
)
def test_sizes_are_the_published_ones(name, n_patches, n_outputs, expected):
    options = {"published_heads": True} if name == "papagei" else {}
    assert size(build(name, n_patches=n_patches, n_outputs=n_outputs, **options)) == expected


@pytest.mark.parametrize(
    ("name", "n_patches", "expected"),
    [
        ("gpt1m", 30, 1_007_361),
        ("gpt19m", 8, 18_943_489),
        ("gpt1m", 8, 998_913),
        ("gpt250k", 8, 253_697),
        ("gpt50k", 8, 52_769),
        ("stream50k", 8, 52_001),
        ("stream50k", 30, 52_001),
    ],
)
def test_sizes_at_inference(name, n_patches, expected):
    assert size(build(name, n_patches=n_patches), at_inference=True) == expected


@pytest.mark.parametrize("name", NAMES)
def test_every_model_answers_alike(name):
    module = build(name, n_patches=8, n_outputs=2).eval()
    x = torch.rand(3, 8, 40)
    with torch.no_grad():
        answer, flat = module(x), module(x.flatten(1))
    assert isinstance(answer, Outputs)
    feature, patch = widths(module)
    assert answer.prediction.shape == (3, 2)
    assert answer.feature.shape == (3, feature)
    assert answer.patches.shape == (3, 8, patch)
    for one, other in zip(answer, flat, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("name", SMALL)
def test_the_seed_decides_the_weights(name):
    one, same = small(name), small(name)
    torch.manual_seed(1)
    other = build(name, n_patches=6, **asdict_options(one))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def asdict_options(module):
    fixed = ("kind", "n_patches", "patch", "channels", "n_outputs")
    return {key: value for key, value in asdict(module.config).items() if key not in fixed}


@pytest.mark.parametrize("name", SMALL)
def test_a_config_rebuilds_the_model(name):
    module = small(name, patch=20, n_outputs=3)
    again = from_config(asdict(module.config))
    again.load_state_dict(module.state_dict())
    x = torch.rand(2, 6, 20)
    assert torch.equal(again.eval()(x).prediction, module(x).prediction)


@pytest.mark.parametrize("name", SMALL)
def test_a_last_batch_of_one_trains(name):
    module = small(name, n_patches=1, patch=8).train()
    module(torch.rand(1, 1, 8)).prediction.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in module.parameters() if p.grad is not None)


@pytest.mark.parametrize("name", SMALL)
def test_a_batch_is_its_windows(name):
    module = small(name)
    x = torch.rand(4, 6, 40)
    with torch.no_grad():
        batch = module(x)
        for i in range(4):
            for whole, alone in zip(batch, module(x[i : i + 1]), strict=True):
                torch.testing.assert_close(whole[i], alone[0], atol=1e-5, rtol=1e-5)


def test_gpt_sees_no_future_patch():
    module = small("gpt50k")
    x = torch.rand(1, 6, 40)
    changed = x.clone()
    changed[:, 4] += 0.5
    with torch.no_grad():
        before, after = module.tokens(x), module.tokens(changed)
        mu, mu_changed = module.next_patch(x)[0], module.next_patch(changed)[0]
    assert torch.equal(before[:, :5], after[:, :5])  # SEP and patches 0 to 3
    assert (before[:, 5:] != after[:, 5:]).any(-1).all()
    assert mu.shape == x.shape
    assert torch.equal(mu[:, :5], mu_changed[:, :5])  # patch 4 itself is predicted without seeing it
    assert (mu[:, 5] != mu_changed[:, 5]).any()


def test_gpt_taps_name_the_layers():
    module = small("gpt50k", n_layers=3)
    x = torch.rand(2, 6, 40)
    states = module.hidden_states(x)
    taps = ["embedding", "layer.0", "layer.1", "layer.2"]
    for tap, state in zip(taps, states, strict=True):
        answer = module(x, tap=tap)
        assert torch.equal(answer.patches, state[:, 1:])
        assert torch.equal(answer.feature, state[:, 1:].mean(1))
        assert torch.equal(answer.prediction, module(x).prediction)
    assert torch.equal(module.tokens(x, "last"), module.tokens(x, "layer.2"))
    assert torch.equal(states[0][:, 0], module.sep.expand(2, -1))


def test_rotary_scores_depend_on_the_distance_alone():
    torch.manual_seed(0)
    q, k = torch.randn(8), torch.randn(8)
    turned = [rotate(v.expand(1, 1, 9, 8), torch.tensor([1.0, 0.01]))[0, 0] for v in (q, k)]
    scores = turned[0] @ turned[1].T
    for distance in range(-3, 4):
        torch.testing.assert_close(
            *torch.broadcast_tensors(scores.diagonal(distance), scores.diagonal(distance)[0])
        )
    assert torch.equal(turned[0][0], q)  # position 0 stays
    assert torch.equal(turned[0][:, 4:], q[4:].expand(9, 4))  # so does the second half


def test_an_mlp_is_the_sum_of_its_patches():
    for module, bias in ((small("mlp"), "hidden"), (small("linear", n_outputs=2), "out")):
        answer = module(torch.rand(3, 6, 40), tap="embedding")
        whole = answer.patches.sum(1) + getattr(module, bias).bias
        torch.testing.assert_close(whole, answer.feature, atol=1e-5, rtol=1e-5)


def test_papagei_pools_the_deepest_map_with_room_for_every_patch():
    module = small("papagei")
    x = torch.rand(2, 6, 40)
    maps = module.feature_maps(x.flatten(1))
    assert [m.shape[-1] for m in maps[10:13]] == [8, 8, 4]  # after the fifth halving: 1.25 positions a patch
    expected = nn.functional.adaptive_avg_pool1d(maps[11], 6).transpose(1, 2)
    assert torch.equal(module(x).patches, expected)
    with pytest.raises(
        ValueError, match=r"tap 'layer.17' has 1 positions for 6 patches: take an earlier layer"
    ):
        module(x, tap="layer.17")


def test_tcn_taps_name_the_maps():
    module = small("tcn5k", n_patches=8)
    x = torch.rand(2, 8, 40)
    maps = module.feature_maps(x.flatten(1)[:, None])
    assert [m.shape[-1] for m in maps] == [80, 40, 20, 20]
    for tap, m in zip(["embedding", "layer.0", "layer.1", "last"], maps, strict=True):
        answer = module(x, tap=tap)
        assert torch.equal(answer.feature, m.mean(-1))
        assert torch.equal(answer.patches, nn.functional.adaptive_avg_pool1d(m, 8).transpose(1, 2))
    assert torch.equal(module(x).prediction, module.head(module(x).feature))


def test_tcn_takes_patches_too_short_for_its_last_map_from_an_earlier_one():
    module = small("tcn5k", n_patches=20, patch=8)  # 160 samples: 40, 20, 10 and 10 positions
    x = torch.rand(2, 20, 8)
    assert torch.equal(module(x).patches, module(x, tap="layer.0").patches)
    with pytest.raises(ValueError, match=r"tap 'layer.2' has 10 positions for 20 patches: take an earlier"):
        module(x, tap="layer.2")


def test_tcn_sees_every_channel_at_its_own_time():
    module = small("tcn5k", channels=2)
    signals = torch.rand(1, 2, 240)
    before = module.feature_maps(signals)[0]
    torch.testing.assert_close(module(from_channels(signals, 40), tap="embedding").feature, before.mean(-1))
    for channel in (0, 1):
        changed = signals.clone()
        changed[:, channel, 100] += 1.0
        moved = (module.feature_maps(changed)[0] != before).any(1)[0].nonzero().flatten()
        assert moved.numel()
        assert set(moved.tolist()) <= {24, 25, 26}  # nine samples in steps of four


def test_papagei_isolated_patches_do_not_see_each_other():
    module = small("papagei", patch_mode="isolated")
    x = torch.rand(1, 6, 40)
    changed = x.clone()
    changed[:, 2] += 0.5
    differs = (module(x).patches != module(changed).patches).any(-1)
    assert differs.tolist() == [[False, False, True, False, False, False]]


def test_papagei_has_the_published_heads():
    module = small("papagei", published_heads=True)
    embedding, one, two = module.published_heads(module(torch.rand(3, 6, 40)).feature)
    assert embedding.shape == (3, 512)
    assert one.shape == two.shape == (3, 1)


@pytest.mark.parametrize("name", ["gpt50k", "tcn5k", "mlp", "linear"])
def test_channels_share_a_patch(name):
    module = small(name, channels=4)
    signals = torch.rand(2, 4, 240)
    x = from_channels(signals, 40)
    assert torch.equal(x[1, 2, 40:80], signals[1, 1, 80:120])  # patch 2 of the second channel
    assert module(x).prediction.shape == (2, 1)
    with pytest.raises(
        ValueError, match=r"shape \(2, 240\), expected \(B, 6, 160\) \(training.models.from_ch"
    ):
        module(signals[:, 0])


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.zeros(2, 6, 41), r"shape \(2, 6, 41\), expected \(B, 6, 40\) or \(B, 6 \* 40\)"),
        (torch.zeros(2, 5, 40), r"shape \(2, 5, 40\)"),
        (torch.zeros(2, 200), r"shape \(2, 5, 40\)"),
        (torch.zeros(2, 0), r"shape \(2, 0\)"),
        (torch.zeros(240), r"shape \(240,\)"),
        (torch.zeros(1, 1, 6, 40), r"shape \(1, 1, 6, 40\)"),
    ],
)
def test_wrong_shapes_are_refused(x, message):
    with pytest.raises(ValueError, match=message):
        small("gpt50k")(x)
    with pytest.raises(ValueError, match=message):
        as_patches(x, 6, 40)


def test_whole_numbers_are_refused():
    with pytest.raises(TypeError, match=r"torch.int64, expected a floating-point tensor: convert"):
        small("mlp")(torch.zeros(2, 240, dtype=torch.int64))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "gpt2"}, r"unknown model 'gpt2': expected one of gpt19m, gpt1m, .* linear"),
        (
            {"name": "gpt1m", "width": 3},
            r"'width' is no option of a gpt model: expected n_patches, .*d_model",
        ),
        ({"name": "mlp", "d_model": 64}, r"'d_model' is no option of a mlp model"),
        ({"name": "gpt1m", "n_layers": 0}, r"n_layers is 0, expected a positive whole number"),
        ({"name": "gpt1m", "n_heads": 3}, r"d_model 128 and n_heads 3 give heads of 42.6667"),
        ({"name": "papagei", "patch_mode": "none"}, r"patch_mode is 'none', expected 'pooled' or 'isolated'"),
        ({"name": "papagei", "channels": 4}, r"one channel, got channels=4"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        build(**{"n_patches": 8, **options})


@pytest.mark.parametrize("tap", ["first", "layer.2", "layer.-1", "layer.x", "layer", ""])
def test_unknown_taps_are_refused(tap):
    with pytest.raises(ValueError, match=r"unknown tap '.*': expected embedding, last, layer.0 ... layer.1"):
        small("gpt50k", n_layers=2)(torch.zeros(1, 6, 40), tap=tap)
