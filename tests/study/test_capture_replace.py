"""Reading activations and changing layers from outside leave all else as it was."""

import pytest
import torch
from torch import nn

from gemma3_edu.model.attention import visible_attention
from gemma3_edu.model.gemma3 import Gemma3
from gemma3_edu.model.layers import RMSNorm
from gemma3_edu.model.layout import Batch
from gemma3_edu.study.capture import attention_weights, capture
from gemma3_edu.study.replace import replace_linears, with_head, with_norm
from tests.tiny import prompts, tiny_config, tiny_model

CONFIG = tiny_config(vision=True)
LINEARS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@pytest.fixture
def model() -> Gemma3:
    return tiny_model(CONFIG)


@pytest.fixture(scope="module")
def batch() -> Batch:
    return prompts(CONFIG, "t#tt", "tttt")


def logits(model: Gemma3, batch: Batch) -> torch.Tensor:
    with torch.no_grad():
        return model(batch)


class TestCapture:
    def test_names_in_the_order_of_the_calls(self, model, batch):
        with capture(model, "language_model.layers.*.mlp") as seen:
            logits(model, batch)
        assert list(seen) == [f"language_model.layers.{i}.mlp" for i in range(3)]
        assert all(len(outputs) == 1 for outputs in seen.values())

    def test_outputs_are_what_the_model_computes_on(self, model, batch):
        with capture(model, "language_model.*norm") as seen:
            want = logits(model, batch)
        [hidden] = seen["language_model.norm"]
        assert model.logits(hidden).equal(want)

    def test_every_call_is_kept(self, model, batch):
        with capture(model, "language_model.embed_tokens") as seen:
            for _ in range(3):
                logits(model, batch)
        assert len(seen["language_model.embed_tokens"]) == 3

    def test_outputs_are_detached(self, model, batch):
        with capture(model, "*.q_proj") as seen:
            model(batch).sum().backward()
        assert not any(x.requires_grad for outputs in seen.values() for x in outputs)
        assert model.language_model.layers[0].self_attn.q_proj.weight.grad is not None

    def test_nothing_changes_and_nothing_stays(self, model, batch):
        want = logits(model, batch)
        with capture(model, "*") as seen:
            assert logits(model, batch).equal(want)
        count = {name: len(outputs) for name, outputs in seen.items()}
        assert logits(model, batch).equal(want)
        assert {name: len(outputs) for name, outputs in seen.items()} == count
        assert not any(module._forward_hooks for module in model.modules())

    def test_an_error_inside_takes_the_hooks_off_too(self, model):
        with pytest.raises(RuntimeError, match="inside"), capture(model, "*"):
            raise RuntimeError("inside")
        assert not any(module._forward_hooks for module in model.modules())

    def test_a_pattern_that_matches_nothing(self, model):
        wanted = r"pattern='layers.0' matches no submodule; .* language_model, vision"
        with pytest.raises(ValueError, match=wanted), capture(model, "layers.0"):
            pass


class Doubled(nn.Module):
    """A wrapper, as LoRA's or a quantizer's would be."""

    def __init__(self, linear: nn.Linear):
        super().__init__()
        self.linear = linear

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * self.linear(x)


class TestReplaceLinears:
    def test_every_linear_of_the_language_model_is_one(self, model):
        """13 tensors a layer, and of them seven are matrices; the embedding is no Linear."""
        seen = []
        replace_linears(model, lambda name, linear: seen.append(name) or linear, "language_model.*")
        parts = {name.rpartition(".")[2] for name in seen}
        assert (len(seen), parts) == (3 * len(LINEARS), set(LINEARS))
        assert not any("embed" in name for name in seen)

    def test_wrapping_changes_what_is_computed(self, model, batch):
        plain = tiny_model(CONFIG)
        want = logits(plain, batch)
        changed = replace_linears(model, lambda _, linear: Doubled(linear), "*.0.mlp.up_proj")
        assert changed == ["language_model.layers.0.mlp.up_proj"]
        assert isinstance(model.language_model.layers[0].mlp.up_proj, Doubled)
        assert not logits(model, batch).equal(want)
        with torch.no_grad():
            plain.language_model.layers[0].mlp.up_proj.weight.mul_(2)
        torch.testing.assert_close(logits(model, batch), logits(plain, batch))

    def test_another_linear_of_the_same_weight_changes_nothing(self, model, batch):
        def copied(name: str, linear: nn.Linear) -> nn.Linear:
            new = nn.Linear(linear.in_features, linear.out_features, linear.bias is not None)
            new.load_state_dict(linear.state_dict())
            return new

        want = logits(model, batch)
        names = replace_linears(model, copied)
        assert any(name.startswith("vision.encoder.") for name in names)
        assert len(names) == sum(isinstance(m, nn.Linear) for m in model.modules())
        assert logits(model, batch).equal(want)

    def test_returning_the_layer_leaves_it(self, model):
        before = dict(model.named_modules())
        assert replace_linears(model, lambda _, linear: linear) == []
        assert dict(model.named_modules()) == before

    def test_the_name_tells_layers_apart(self, model):
        asked = []
        replace_linears(model, lambda name, linear: asked.append((name, linear)) or linear)
        for name, linear in asked:
            assert model.get_submodule(name) is linear

    def test_a_linear_at_the_top(self):
        model = nn.Sequential(nn.Linear(2, 2))
        assert replace_linears(model, lambda _, linear: Doubled(linear)) == ["0"]
        assert isinstance(model[0], Doubled)

    @pytest.mark.parametrize("pattern", ["", "q_proj", "*.embed_tokens", "*.patch_embedding"])
    def test_a_pattern_that_matches_nothing(self, model, pattern):
        with pytest.raises(ValueError, match="matches no Linear"):
            replace_linears(model, lambda _, linear: linear, pattern)


class TestWithNorm:
    def test_the_same_norm_gives_the_same_logits(self, model, batch):
        def norm(x, w, eps):
            return torch.nn.functional.rms_norm(x, w.shape, 1 + w, eps)

        torch.testing.assert_close(logits(with_norm(model, norm), batch), logits(model, batch))

    def test_every_norm_is_replaced_in_a_copy_and_parameters_keep_their_names(self, model, batch):
        want, seen = logits(model, batch), []
        changed = with_norm(model, lambda x, w, eps: seen.append((w, eps)) or x)
        assert not logits(changed, batch).equal(want)
        norms = [part for part in model.modules() if isinstance(part, RMSNorm)]
        assert len(seen) == len(norms)
        assert not any(isinstance(part, RMSNorm) for part in changed.modules())
        assert list(changed.state_dict()) == list(model.state_dict())
        assert logits(model, batch).equal(want)

    def test_a_model_without_one_is_refused(self):
        for model in (nn.Linear(2, 3), RMSNorm(2)):
            with pytest.raises(ValueError, match="holds no RMSNorm; give one that does"):
                with_norm(model, lambda x, w, eps: x)


class TestWithHead:
    def test_the_formula_for_one_head_gives_the_same_logits(self, model):
        batch = prompts(CONFIG, "tttt", "tttt")  # no padding, which may see nothing

        def head(q, k, v, mask, scale):
            return (q @ k.T * scale).masked_fill(~mask, -1e9).softmax(-1) @ v

        torch.testing.assert_close(logits(with_head(model, head), batch), logits(model, batch))

    def test_every_head_is_replaced_in_a_copy(self, model, batch):
        want, seen = logits(model, batch), []
        logits(with_head(model, lambda q, *others: seen.append(q) or 0 * q), batch)
        text = CONFIG.text
        rows = len(batch.tokens)
        assert len(seen) == rows * text.num_hidden_layers * text.num_attention_heads
        assert all(q.shape[1] == text.head_dim for q in seen)
        assert logits(model, batch).equal(want)

    def test_a_model_without_attention_is_refused(self):
        with pytest.raises(ValueError, match="holds no Attention; give one that does"):
            with_head(nn.Linear(2, 3), lambda q, *others: q)


def test_attention_weights_are_the_shares_of_each_query(model, batch):
    weights = attention_weights(model, batch)
    text, (texts, tokens) = model.config.text, batch.tokens.shape
    shape = (text.num_hidden_layers, texts, text.num_attention_heads, tokens, tokens)
    assert weights.shape == shape
    torch.testing.assert_close(weights.sum(-1), torch.ones(shape[:-1]))
    with visible_attention(model), capture(model, "*.layers.1.self_attn.attention_weights") as seen:
        model(batch)
    ((second,),) = seen.values()
    assert torch.equal(weights[1], second)
