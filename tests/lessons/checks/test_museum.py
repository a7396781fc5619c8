"""The checks of appendix A2 accept a mistake however planted, and the ports have what they say."""

import copy
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from gemma3_edu.hub.checkpoint import ASSETS, load
from gemma3_edu.lessons.checks.museum import PORTS, check_late_norms, check_names, like_27b
from gemma3_edu.lessons.mistakes import losses, while_it_runs
from gemma3_edu.model import Attention, AttentionType, Batch
from gemma3_edu.model.rope import apply_rope
from gemma3_edu.study.capture import capture
from gemma3_edu.train.data.prose import passages
from gemma3_edu.train.scores import margin
from gemma3_edu.verify import relative_error
from tests.lessons.checks.messages import message


def in_a_closure(attention: Attention) -> None:
    def late(q, k, v, mask, scale, right=attention.attend):
        return right(norms[0](q), norms[1](k), v, mask, scale)

    norms = attention.q_norm, attention.k_norm
    attention.q_norm, attention.k_norm = nn.Identity(), nn.Identity()
    attention.attend = late


def written_anew(attention: Attention) -> None:
    """A forward of its own, for a text without a cache."""

    def forward(x, mask, rope, cache=None):
        parts = [attention.q_proj, attention.k_proj, attention.v_proj]
        q, k, v = (part(x).unflatten(-1, (-1, attention.head_dim)) for part in parts)
        q = attention.q_norm(apply_rope(q, *rope)).transpose(1, 2)
        k = attention.k_norm(apply_rope(k, *rope)).transpose(1, 2)
        out = attention.attend(q, k, v.transpose(1, 2), mask, attention.scale)
        return attention.o_proj(out.transpose(1, 2).flatten(2))

    attention.forward = forward


@pytest.mark.parametrize("right", [in_a_closure, written_anew])
def test_a_norm_may_be_late_in_several_ways(right):
    check_late_norms(right)


def test_norms_that_are_looked_up_too_late_are_gone():
    def plant(attention):
        right = attention.attend
        attention.attend = lambda q, k, *rest: right(
            attention.q_norm(q), attention.k_norm(k), *rest
        )
        attention.q_norm = attention.k_norm = nn.Identity()

    assert "both norms are gone" in message(check_late_norms, plant)


@pytest.mark.parametrize("answer", [(12, 17, 10), [12, 17, 10]])
def test_the_right_names(answer):
    check_names(lambda: answer)


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("got 12, expected three numbers", 12),
        ("port A: got '12', expected the number", ("12", 17, 10)),
        ("port A: got True, expected the number", (True, 17, 10)),
        ("port A: got 20, expected the number", (20, 17, 10)),
        ("port A: plant each form of 13", (13, 17, 10)),
        ("port A: not 18; look which test", (18, 17, 10)),
        ("port B: 16 changes who sees a picture", (12, 16, 10)),
        ("port C: 7 is wrong in every block", (12, 17, 7)),
        ("port C: the scale of the global layers", (12, 17, 8)),
        ("port C: it is an angle", (12, 17, 11)),
        ("port C: W - 1 shows at", (12, 17, 12)),
        ("port C: not 4; look", (12, 17, 4)),
    ],
)
def test_wrong_names(words: str, answer):
    assert message(check_names, lambda: answer).startswith(words)


def test_the_ports_have_the_mistakes_that_the_check_names():
    nano, _ = load("nano-it")
    ids = torch.randint(500, 1000, (1, 66), generator=torch.Generator().manual_seed(0))
    batch = Batch.from_ids(ids, nano.config)
    first_wrong = {}
    for name, plant in PORTS.items():
        port = copy.deepcopy(nano)
        plant(port)
        assert port.config == nano.config == load("nano-it")[0].config
        with torch.no_grad(), capture(nano, "language_model.layers.*[0-9]") as ours:
            right = nano(batch)
        with torch.no_grad(), capture(port, "language_model.layers.*[0-9]") as theirs:
            differ = (port(batch) - right).abs().amax(-1)[0] > 1e-4
        block = next((k for k in ours if not torch.equal(ours[k][0], theirs[k][0])), None)
        first_wrong[name] = (int(differ.int().argmax()) if differ.any() else None, block)
    assert first_wrong == {
        "port A": (64, "language_model.layers.0"),
        "port B": (None, None),
        "port C": (1, "language_model.layers.5"),
    }


@torch.no_grad()
def test_what_the_answers_say_of_weaker_forms_of_13_and_of_another_scale():
    """Said by the check: a window ignored in one layer is not A, the global layers' scale not C."""
    nano, processor = load("nano-it")
    novel = "\n".join(passages(ASSETS / "prose", "test"))
    ids = processor.tokenizer.encode(novel, add_bos=False)[:100]
    batch = Batch.from_ids(torch.tensor([[2, *ids]]), nano.config)
    ports = {name: copy.deepcopy(nano) for name in PORTS}
    for name, plant in PORTS.items():
        plant(ports[name])
    wanted = {name: port(batch) for name, port in ports.items()}
    causal = torch.ones(101, 101).tril().bool()
    for n, block in enumerate(nano.language_model.layers):
        if nano.config.text.layer_types[n] is AttentionType.LOCAL:
            right = block.self_attn.attend
            block.self_attn.attend = lambda q, k, v, mask, scale, right=right: right(
                q, k, v, causal.expand_as(mask), scale
            )
            assert relative_error(nano(batch), wanted["port A"]) > 0.01
            block.self_attn.attend = right
    usual = nano.language_model.layers[5].self_attn.scale
    for factor in (0.5, 0.8, 0.9, 1.1, 1.2, 2):
        for block in nano.language_model.layers[5::6]:
            block.self_attn.scale = factor * usual
        assert relative_error(nano(batch), wanted["port C"]) > 0.01


def test_the_small_27b_takes_the_branch_of_its_scale():
    attention = like_27b().language_model.layers[0].self_attn
    assert attention.scale == 15**-0.5 != attention.head_dim**-0.5


def test_nanos_gates_are_so_large_that_their_curve_does_not_matter():
    """Said under exhibit 14: median size about 6, and even ReLU costs no more than SiLU."""
    nano, processor = load("nano-it")
    novel = "\n".join(passages(ASSETS / "prose", "test"))
    ids = processor.tokenizer.encode(novel, add_bos=False)
    prose = torch.tensor([[2, *ids[n : n + 200]] for n in (0, 1200)])
    found = []

    def loss(curve):
        model = copy.deepcopy(nano)
        for block in model.language_model.layers:
            block.mlp.forward = partial(gated, block.mlp, curve)
        logits = model(Batch.from_ids(prose, nano.config))
        return float(F.cross_entropy(logits[:, :-1].mT, prose[:, 1:]))

    def gated(mlp, curve, x):
        found.append(mlp.gate_proj(x).abs().flatten())
        return mlp.down_proj(curve(mlp.gate_proj(x)) * mlp.up_proj(x))

    with torch.no_grad():
        usual = loss(partial(F.gelu, approximate="tanh"))
        assert 5.5 < torch.cat(found).median() < 6.5
        for curve in (F.silu, F.relu):
            assert abs(loss(curve) - usual) < 0.002
        assert loss(lambda x: x / 2) - usual > 1  # the gate itself does matter


def test_a_window_in_blocks_costs_more_than_none():
    """Said under exhibit 13: on the same 54 pieces, 0.02 ± 0.01 nats a token more."""
    nano, processor = load("nano-it")
    novel = "\n".join(passages(ASSETS / "prose", "test"))
    ids = processor.tokenizer.encode(novel, add_bos=False)
    pieces = torch.tensor([[2, *ids[n : n + 200]] for n in range(0, len(ids) - 199, 200)])
    assert len(pieces) == 54
    found = []
    for sees in (
        lambda q, k, w: q.position[:, :, None] // w == k.position[:, None, :] // w,
        lambda q, k, w: k.position[:, None, :] > q.position[:, :, None] - 10**6,
    ):
        model = copy.deepcopy(nano)
        while_it_runs("masks.within_window", sees)(model)
        with torch.no_grad():
            found.append(losses(model, pieces))
    more = found[0] - found[1]
    assert f"{more.mean():.2f} ± {margin(more):.2f}" == "0.02 ± 0.01"
