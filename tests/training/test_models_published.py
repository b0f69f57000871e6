"""Published states load by their own names and give the published numbers."""

import numpy as np
import pytest
import torch

from training.models import from_published

STATES = [
    "gpt_1m_n8_c1",
    "gpt_1m_n30_c2",
    "gpt_d256_l2_h8_n12_c3",
    "mlp_320_c1",
    "mlp_1200_c2",
    "papagei_f8_n8_c1",
    "papagei_f8_n30_c2",
]


def state_of(arrays):
    return {key.removeprefix("state/"): value for key, value in arrays.items() if key.startswith("state/")}


@pytest.mark.parametrize("name", STATES)
def test_outputs_are_the_published_ones(golden, name):
    arrays = golden(name)
    kind = name.split("_")[0]
    module = from_published(kind, state_of(arrays))
    assert not module.training
    x = torch.from_numpy(arrays["input"])
    with torch.no_grad():
        answer = module(x)
        got = {"prediction": answer.prediction}
        if kind == "gpt":
            got |= {"tokens_embedded": module.tokens(x, "embedding"), "tokens_last": module.tokens(x)}
        elif kind == "papagei":
            got |= {"global_features": answer.feature, "patch_features": answer.patches}
        else:
            got |= {"hidden": answer.feature}
    assert {f"output/{key}" for key in got} == {key for key in arrays if key.startswith("output/")}
    for key, value in got.items():
        np.testing.assert_allclose(value.numpy(), arrays[f"output/{key}"], atol=1e-5, rtol=0, err_msg=key)


def test_every_published_weight_is_used(golden):
    for name in ("gpt_1m_n8_c1", "mlp_320_c1", "papagei_f8_n8_c1"):
        state = state_of(golden(name))
        module = from_published(name.split("_")[0], state)
        held = sorted(float(value.double().abs().sum()) for value in module.state_dict().values())
        given = sorted(float(np.abs(value.astype(np.float64)).sum()) for value in state.values())
        np.testing.assert_allclose(held, given, rtol=1e-12)


def test_tensors_and_prefixes_of_parallel_training_load_too(golden):
    arrays = golden("gpt_1m_n8_c1")
    state = {f"module.{key}": torch.from_numpy(value) for key, value in state_of(arrays).items()}
    module = from_published("gpt", state, n_patches=8, dropout=0.0)
    assert module.config.dropout == 0.0
    assert module.config.n_heads == 4


def test_the_module_does_not_share_the_arrays(golden):
    state = state_of(golden("mlp_320_c1"))
    module = from_published("mlp", state)
    before = module.out.weight.detach().clone()
    state["network.4.weight"][:] = 0
    assert torch.equal(module.out.weight, before)


def test_papagei_takes_pooled_patches_on_request(golden):
    arrays = golden("papagei_f8_n30_c2")
    module = from_published("papagei", state_of(arrays), n_patches=30, patch_mode="pooled")
    answer = module(torch.from_numpy(arrays["input"]))
    np.testing.assert_allclose(answer.prediction.detach(), arrays["output/prediction"], atol=1e-5)
    assert answer.patches.shape == (len(arrays["input"]), 30, 32)


def test_what_does_not_fit_is_refused(golden):
    state = state_of(golden("gpt_1m_n8_c1"))
    with pytest.raises(ValueError, match="unknown kind 'cnn': expected one of gpt, mlp, papagei"):
        from_published("cnn", state)
    with pytest.raises(ValueError, match=r"unknown key 'gpt.patch_embedding.sep' in the published state"):
        from_published("mlp", state)
    with pytest.raises(ValueError, match="n_layers=6 was given, the weights say 5"):
        from_published("gpt", state, n_layers=6)
    with pytest.raises(TypeError, match="width"):
        from_published("gpt", state, width=6)
    without = {key: value for key, value in state.items() if key != "linear.weight"}
    with pytest.raises(ValueError, match=r"lacks the weight we call 'head.linear.weight'"):
        from_published("gpt", without)
    without = {key: value for key, value in state.items() if "w_k" not in key}
    with pytest.raises(ValueError, match=r"lacks the weight we call 'layer.0.attention.key.weight'"):
        from_published("gpt", without)
    narrow = {**state, "norm1.bias": state["norm1.bias"][:-1]}
    with pytest.raises(ValueError, match=r"'head.norm.bias' has shape \(1151,\), expected \(1152,\)"):
        from_published("gpt", narrow)
