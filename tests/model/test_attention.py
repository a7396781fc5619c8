"""Attention: written out, fused and in loops, all the same; the module around it."""

import dataclasses

import pytest
import torch

from gemma3_edu import naive
from gemma3_edu.model.attention import Attention, attend, attend_fused, visible_attention
from gemma3_edu.model.masks import attention_mask
from gemma3_edu.model.presets import PRESETS
from gemma3_edu.model.rope import rope_table
from gemma3_edu.study.capture import capture
from tests.tiny import LOCAL, prompts, tiny_config, tiny_model

B, T, S, H = 2, 5, 7, 6
RATIOS = [(3, 3), (4, 2), (6, 1), (8, 2)]  # query heads N, key/value heads K
SCALE = 0.4


def inputs(heads: int, kv_heads: int, seed: int = 0, dtype: torch.dtype = torch.float32):
    """q, k, v and a ragged mask in which every query sees at least one key."""
    generator = torch.Generator().manual_seed(seed)
    q = torch.randn(B, T, heads, H, generator=generator).transpose(1, 2)  # as the layer has it
    k, v = torch.randn(2, B, kv_heads, S, H, generator=generator)
    mask = torch.rand(B, T, S, generator=generator) < 0.5
    mask[:, torch.arange(T), torch.arange(T)] = True
    return q.to(dtype), k.to(dtype), v.to(dtype), mask


@pytest.mark.parametrize(("heads", "kv_heads"), RATIOS)
@pytest.mark.parametrize("seed", range(3))
def test_written_out_fused_and_loops_agree(heads, kv_heads, seed):
    q, k, v, mask = inputs(heads, kv_heads, seed)
    out, weights = attend(q, k, v, mask, SCALE)
    want, want_weights = naive.attention.attend(q, k, v, mask, SCALE)
    torch.testing.assert_close(out, want, rtol=0, atol=1e-6)
    torch.testing.assert_close(weights, want_weights, rtol=0, atol=1e-6)
    torch.testing.assert_close(attend_fused(q, k, v, mask, SCALE), want, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("heads", "kv_heads"), RATIOS)
def test_in_bfloat16(heads, kv_heads):
    """bfloat16 rounds by up to 2 ** -8 of a number. A score of 10 is then off by 0.03 and, times
    the scale, its weight by 1 %; so are outputs of order one. Over 200 seeds the worst was 0.016.
    """
    q, k, v, mask = inputs(heads, kv_heads, dtype=torch.bfloat16)
    want, _ = naive.attention.attend(q.float(), k.float(), v.float(), mask, SCALE)
    for got in (attend(q, k, v, mask, SCALE)[0], attend_fused(q, k, v, mask, SCALE)):
        assert got.dtype == torch.bfloat16
        torch.testing.assert_close(got.float(), want, rtol=0, atol=2**-5)


@pytest.mark.parametrize(("heads", "kv_heads"), RATIOS)
def test_weights_are_shares(heads, kv_heads):
    q, k, v, mask = inputs(heads, kv_heads)
    _, weights = attend(q, k, v, mask, SCALE)
    assert weights.shape == (B, heads, T, S)
    torch.testing.assert_close(weights.sum(-1), torch.ones(B, heads, T))
    hidden = ~mask[:, None].expand(-1, heads, -1, -1)
    assert (weights[hidden] == 0).all()
    assert (weights[~hidden] > 0).all()


@pytest.mark.parametrize("core", [lambda *x: attend(*x)[0], attend_fused])
@pytest.mark.parametrize(("heads", "kv_heads"), RATIOS)
def test_neighbouring_query_heads_share(core, heads, kv_heads):
    """The values of key/value head n are all n, so each query head says whom it reads."""
    q, k, v, mask = inputs(heads, kv_heads)
    v = torch.arange(float(kv_heads))[None, :, None, None].expand_as(v)
    read = core(q, k, v, mask, SCALE)[0, :, 0, 0].round().int().tolist()
    assert read == [n // (heads // kv_heads) for n in range(heads)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("core", [lambda *x: attend(*x)[0], attend_fused])
def test_a_query_that_sees_nothing_makes_no_nan(core, dtype):
    """The one thing promised of such rows is that they are finite, forwards and backwards; the
    written-out version averages all values there, PyTorch's kernel gives zeros."""
    q, k, v, mask = inputs(4, 2, dtype=dtype)
    want = core(q, k, v, mask, SCALE)
    mask[0, 1:3] = False
    for tensor in (q, k, v):
        tensor.requires_grad_()
    got = core(q, k, v, mask, SCALE)
    assert got.isfinite().all()
    got.sum().backward()
    assert all(tensor.grad.isfinite().all() for tensor in (q, k, v))
    real = mask.any(-1)[:, None].expand(-1, 4, -1)
    torch.testing.assert_close(got[real], want[real])


@pytest.mark.parametrize("window", [None, 3])
def test_the_layer(window):
    """N * H is not D, the query scale is not H ** -0.5, norms and rotation are not trivial."""
    config = tiny_config().text
    layer = tiny_model(tiny_config()).language_model.layers[0].self_attn
    assert (config.num_attention_heads * config.head_dim) != config.hidden_size
    x = torch.randn(B, T, config.hidden_size, generator=torch.Generator().manual_seed(5))
    layout = prompts(tiny_config(), "ttttt", "tttt").layout
    mask = attention_mask(layout, layout, window)
    rope = rope_table(layout.position, config.head_dim, config.rope(LOCAL))
    with torch.no_grad():
        got = layer(x, mask, rope)
    want = naive.attention.attention(x, layer.state_dict(), mask, rope, config)
    real = layout.position >= 0
    torch.testing.assert_close(got[real], want[real], rtol=0, atol=1e-5)


def test_the_query_scale_of_27b_is_that_of_168():
    scales = {}
    for size in ("270m", "1b", "4b", "12b", "27b"):
        text = PRESETS[size].text
        with torch.device("meta"):
            scales[size] = Attention(dataclasses.replace(text, hidden_size=8), 0).scale
    assert scales.pop("27b") == 168**-0.5
    assert set(scales.values()) == {1 / 16}


def test_no_biases():
    layer = Attention(tiny_config().text, 0)
    names = {"q_proj", "k_proj", "v_proj", "o_proj", "q_norm", "k_norm"}
    assert set(layer.state_dict()) == {f"{name}.weight" for name in names}


def test_visible_attention_changes_nothing_but_the_view():
    config = tiny_config()
    model, batch = tiny_model(config), prompts(config, "t" * 12, "t" * 5)
    real = batch.layout.position >= 0
    with torch.no_grad():
        want = model(batch)[real]
        with visible_attention(model), capture(model, "*.self_attn.attention_weights") as seen:
            got = model(batch)[real]
    torch.testing.assert_close(got, want, rtol=0, atol=1e-5)
    assert len(seen) == config.text.num_hidden_layers
    for (weights,), kind in zip(seen.values(), config.text.layer_types, strict=True):
        window = config.text.sliding_window if kind is LOCAL else None
        mask = attention_mask(batch.layout, batch.layout, window)
        hidden = ~mask[:, None].expand_as(weights) & real[:, None, :, None]
        assert (weights[hidden] == 0).all()


def test_visible_attention_puts_back_what_was_there():
    model = tiny_model(tiny_config())
    layers = [block.self_attn for block in model.language_model.layers]
    own = layers[0].attend = lambda *x: attend_fused(*x)

    def fails_inside() -> None:
        with visible_attention(model):
            with visible_attention(model):
                pass
            # The outer one still holds.
            assert not {own, attend_fused} & {layer.attend for layer in layers}
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        fails_inside()
    assert [layer.attend for layer in layers] == [own, attend_fused, attend_fused]
