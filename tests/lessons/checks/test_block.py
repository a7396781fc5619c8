"""The checks on the MLP and the block accept what is right, however written, and name each slip."""

import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gemma3_edu import naive
from gemma3_edu.lessons.checks.block import AFTER, BEFORE, NONE, check_block, check_diagnosis
from gemma3_edu.lessons.checks.layers import check_gated_mlp
from gemma3_edu.model.gemma3 import Block
from gemma3_edu.model.layers import GatedMLP
from tests.tiny import tiny_config

# check_gated_mlp


def by_package(x, w_gate, w_up, w_down):
    module = GatedMLP(x.shape[-1], len(w_gate)).to(x.dtype)
    names = ("gate_proj.weight", "up_proj.weight", "down_proj.weight")
    module.load_state_dict(dict(zip(names, (w_gate, w_up, w_down), strict=True)))
    flat = x.reshape(1, -1, x.shape[-1])
    return module(flat).reshape(x.shape).detach()


def by_einsum(x, w_gate, w_up, w_down):
    gate = F.gelu(torch.einsum("...d,fd->...f", x, w_gate), approximate="tanh")
    return torch.einsum("...f,...f,df->...d", gate, torch.einsum("...d,fd->...f", x, w_up), w_down)


def by_fused_matrix(x, w_gate, w_up, w_down):
    """One matrix for both, as some checkpoints store it; GELU from its formula."""
    gate, up = (x @ torch.cat([w_gate, w_up]).T).chunk(2, dim=-1)
    inner = (2 / torch.pi) ** 0.5 * (gate + 0.044715 * gate.pow(3))
    return (gate * torch.sigmoid(2 * inner) * up) @ w_down.T  # tanh a = 2 sigmoid(2 a) - 1


@pytest.mark.parametrize("answer", [by_package, naive.layers.gated_mlp, by_einsum, by_fused_matrix])
def test_right_mlps(answer):
    check_gated_mlp(answer)


def mlp_with(middle: Callable[[Tensor, Tensor], Tensor]):
    return lambda x, w_gate, w_up, w_down: middle(x @ w_gate.T, x @ w_up.T) @ w_down.T


def gelu(a: Tensor) -> Tensor:
    return F.gelu(a, approximate="tanh")


def wide(x, w_gate, w_up, w_down):
    return by_einsum(x.float(), w_gate.float(), w_up.float(), w_down.float())


def down_in_place(x, w_gate, w_up, w_down):
    got = by_einsum(x, w_gate, w_up, w_down)
    w_down.zero_()
    return got


MLP_MUTANTS: list[tuple[Callable[..., object], str]] = [
    (
        mlp_with(lambda gate, up: gate * gelu(up)),
        "gate and up are swapped: the gate goes through GELU, up does not",
    ),
    (mlp_with(lambda gate, up: F.gelu(gate) * up), "used GELU by erf; Gemma uses the tanh form"),
    (
        mlp_with(lambda gate, up: gate * gate.sigmoid() * up),
        "used SiLU, as Llama does; Gemma uses GELU",
    ),
    (
        mlp_with(lambda gate, up: F.glu(torch.cat([up, gate], -1))),
        "used a sigmoid alone, as the first gated units did; use GELU",
    ),
    (mlp_with(lambda gate, up: gate.clamp_min(0) * up), "used ReLU; Gemma uses GELU"),
    (mlp_with(lambda gate, up: gate * up), "left out GELU"),
    (
        mlp_with(lambda gate, up: gelu(gate * up)),
        "put the product through GELU; only the gate goes through it",
    ),
    (
        mlp_with(lambda gate, up: gelu(gate) * gelu(up)),
        "put up through GELU as well; only the gate goes through it",
    ),
    (mlp_with(lambda gate, up: gelu(gate) + up), "added gate and up; multiply them"),
    (mlp_with(lambda gate, up: gelu(gate)), "left out up; multiply the gate by it"),
    (wide, "dtype torch.float32, expected torch.bfloat16"),
    (down_in_place, "changed an argument in place; return a new tensor"),
    (lambda *a: by_einsum(*a).flatten(0, -2), "shape (10, 6), expected (2, 5, 6)"),
]


@pytest.mark.parametrize(("answer", "sentence"), MLP_MUTANTS)
def test_wrong_mlps(answer, sentence: str):
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}$"):
        check_gated_mlp(answer)


def test_an_mlp_that_is_wrong_in_a_way_of_its_own():
    answer = mlp_with(lambda gate, up: F.softplus(gate) * up)
    with pytest.raises(AssertionError, match=r"^60 of 60 values differ by more than 1e-05, first"):
        check_gated_mlp(answer)


# check_block

NAMES = ("input", "post_attention", "pre_feedforward", "post_feedforward")


def norms_of(w: dict[str, Tensor]) -> list[Callable[[Tensor], Tensor]]:
    def norm(weight: Tensor) -> Callable[[Tensor], Tensor]:
        return lambda x: F.rms_norm(x, weight.shape, 1 + weight, 1e-6)

    return [norm(w[f"{name}_layernorm.weight"]) for name in NAMES]


class Part(nn.Module):
    """A function of the stream where the package has a module with more arguments."""

    def __init__(self, function: Callable[[Tensor], Tensor]):
        super().__init__()
        self.function = function

    def forward(self, x: Tensor, *unused: object) -> Tensor:
        return self.function(x)


def mask_and_rope(x: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    b, t = x.shape[:2]
    return torch.ones(b, t, t, dtype=torch.bool), (torch.ones(b, t, 5), torch.zeros(b, t, 5))


def block_by_package(x, w, attention, mlp):
    block = Block(tiny_config(hidden_size=x.shape[-1]).text, 0)
    block.self_attn, block.mlp = Part(attention), Part(mlp)
    block.load_state_dict(w)
    return block(x, *mask_and_rope(x)).detach()


def block_in_loops(x, w, attention, mlp):
    """The naive block, with its attention and its MLP replaced by those given."""
    unused = {f"mlp.{name}_proj.weight": torch.zeros(1) for name in ("gate", "up", "down")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(naive.model, "attention", lambda x, *unused: attention(x))
        patch.setattr(naive.model, "gated_mlp", lambda x, *unused: mlp(x))
        return naive.model.block(x, {**w, **unused}, *mask_and_rope(x), tiny_config().text)


def block_by_sums(x, w, attention, mlp):
    """What is added, collected first."""
    read, write, read_again, write_again = norms_of(w)
    heard = write(attention(read(x)))
    thought = write_again(mlp(read_again(torch.add(x, heard))))
    return torch.stack([x, heard, thought]).sum(0)


@pytest.mark.parametrize("answer", [block_by_package, block_in_loops, block_by_sums])
def test_right_blocks(answer):
    check_block(answer)


def wrong_block(build):
    """A block from a function of x, the four norms, attention and MLP."""
    return lambda x, w, attention, mlp: build(x, norms_of(w), attention, mlp)


def right(x, n, attention, mlp):
    x = x + n[1](attention(n[0](x)))
    return x + n[3](mlp(n[2](x)))


def after_the_add(x, n, attention, mlp):
    x = n[1](x + attention(n[0](x)))
    return n[3](x + mlp(n[2](x)))


def before_alone(x, n, attention, mlp):
    x = x + attention(n[0](x))
    return x + mlp(n[2](x))


def llama(x, n, attention, mlp):
    x = x + attention(n[0](x))
    return x + mlp(n[1](x))


def without(place: int):
    def build(x, n, attention, mlp):
        return right(x, [*n[:place], lambda x: x, *n[place + 1 :]], attention, mlp)

    return build


def stream_normed(x, n, attention, mlp):
    x = n[0](x)
    x = x + n[1](attention(x))
    x = n[2](x)
    return x + n[3](mlp(x))


def side_by_side(x, n, attention, mlp):
    return x + n[1](attention(n[0](x))) + n[3](mlp(n[2](x)))


def mlp_first(x, n, attention, mlp):
    x = x + n[3](mlp(n[2](x)))
    return x + n[1](attention(n[0](x)))


def no_first_sum(x, n, attention, mlp):
    x = n[1](attention(n[0](x)))
    return x + n[3](mlp(n[2](x)))


def no_second_sum(x, n, attention, mlp):
    x = x + n[1](attention(n[0](x)))
    return n[3](mlp(n[2](x)))


def in_place(x, n, attention, mlp):
    x += n[1](attention(n[0](x)))
    x += n[3](mlp(n[2](x)))
    return x


BLOCK_MUTANTS: list[tuple[Callable[..., object], str]] = [
    (
        after_the_add,
        "the second norm of each pair stands after the sum; it norms the branch, before it",
    ),
    (before_alone, "left out both norms after the branches"),
    (llama, "a block of Llama: two norms, and what they are named there; Gemma 3 has four"),
    (
        lambda x, n, *parts: right(x, [n[0], n[2], n[1], n[3]], *parts),
        "post_attention_layernorm and pre_feedforward_layernorm are swapped: the first norms what"
        " attention gives, the second what the MLP reads",
    ),
    (without(0), "left out the norm before attention"),
    (without(1), "left out the norm after attention"),
    (without(2), "left out the norm before the MLP"),
    (without(3), "left out the norm after the MLP"),
    (
        stream_normed,
        "added the branches to the normed stream; add them to the stream itself",
    ),
    (
        side_by_side,
        "the MLP does not hear attention: it reads the stream after the first sum",
    ),
    (mlp_first, "the MLP comes first; attention does"),
    (no_first_sum, "left out the first sum"),
    (no_second_sum, "left out the second sum"),
    (
        in_place,
        "changed x or w in place (+= does that); who holds the stream before this block sees it"
        " change",
    ),
    (lambda x, *rest: right(x, *rest)[0], "shape (5, 7), expected (2, 5, 7)"),
]


@pytest.mark.parametrize(("build", "sentence"), BLOCK_MUTANTS)
def test_wrong_blocks(build, sentence: str):
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}$"):
        check_block(wrong_block(build))


def test_a_block_that_is_wrong_in_a_way_of_its_own():
    answer = wrong_block(lambda x, n, *parts: right(x, n[::-1], *parts))
    with pytest.raises(AssertionError, match=r"^70 of 70 values differ by more than 1e-05, first"):
        check_block(answer)


# check_diagnosis


def probe() -> Tensor:
    return torch.arange(40.0).sin().reshape(5, 8)


def by_factor_and_size(make_block) -> str:
    small, large = make_block(1.0)(probe()), make_block(100.0)(probe())
    if torch.allclose(small, large, atol=1e-3):
        return BEFORE
    return AFTER if make_block(1.0)(1000 * probe()).norm() < 10 * small.norm() else NONE


def by_what_is_added(make_block) -> str:
    """A huge stream gets through unless it is normed; what is added then shows by difference."""
    x = 1e4 * probe()
    added = [make_block(factor)(x) - x for factor in (1.0, 10.0)]
    if added[0].norm() > 0.5 * x.norm():
        return AFTER
    return NONE if added[1].norm() > 3 * added[0].norm() else BEFORE


@pytest.mark.parametrize("answer", [by_factor_and_size, by_what_is_added])
def test_right_diagnoses(answer):
    check_diagnosis(answer)


DIAGNOSIS_MUTANTS: list[tuple[Callable[..., object], str]] = [
    (
        lambda make_block: BEFORE,
        "said 'before the add' of a block with no second norms; a larger last matrix makes a larger"
        " sum there",
    ),
    (
        lambda make_block: {BEFORE: AFTER}.get(*[by_factor_and_size(make_block)] * 2),
        "said 'after the add' of a block with its second norms before the add; a larger last matrix"
        " changes nothing there",
    ),
    (
        lambda make_block: {AFTER: NONE}.get(*[by_factor_and_size(make_block)] * 2),
        "said 'none' of a block with its second norms after the add; a larger stream cannot get"
        " through there",
    ),
    (
        lambda make_block: "before",
        "gave 'before'; answer with 'before the add', 'after the add' or 'none'",
    ),
    (
        lambda make_block: None,
        "gave None; answer with 'before the add', 'after the add' or 'none'",
    ),
]


@pytest.mark.parametrize(("answer", "sentence"), DIAGNOSIS_MUTANTS)
def test_wrong_diagnoses(answer, sentence: str):
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}$"):
        check_diagnosis(answer)


# all


def stub(*arguments: object) -> Tensor:
    raise NotImplementedError("your turn")


@pytest.mark.parametrize("check", [check_gated_mlp, check_block, check_diagnosis])
def test_an_empty_stub_passes_through(check):
    with pytest.raises(NotImplementedError, match="your turn"):
        check(stub)
