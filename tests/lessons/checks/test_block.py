"""The checks on the block accept what is right, however written; mistakes: test_checks."""

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gemma3_edu import naive
from gemma3_edu.lessons.checks.block import AFTER, BEFORE, NONE, check_block, check_diagnosis
from gemma3_edu.model import Block
from tests.lessons.checks.messages import message
from tests.tiny import tiny_config

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


def by_turns() -> Callable[..., str]:
    turn = itertools.cycle([NONE, BEFORE, AFTER])
    return lambda make_block: next(turn)


DIAGNOSIS_MUTANTS: list[tuple[Callable[..., object], str]] = [
    (by_turns(), "said 'none' of a block with its second norms after the add"),
    (
        lambda make_block: BEFORE,
        "said 'before the add' of a block with no second norms; a larger last matrix makes a larger"
        " sum there",
    ),
    (
        lambda make_block: {BEFORE: AFTER}.get(*[by_factor_and_size(make_block)] * 2),
        "said 'after the add' of a block with its second norms before the add; a larger last matrix"
        " changes nothing there, to three digits",
    ),
    (
        lambda make_block: {AFTER: NONE}.get(*[by_factor_and_size(make_block)] * 2),
        "said 'none' of a block with its second norms after the add; a larger stream does"
        " not come out larger there, though sizes may differ by the gains",
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
    assert message(check_diagnosis, answer).startswith(sentence)


def in_float64_with_batches(make_block) -> str:
    def wide(factor: float) -> Callable[[Tensor], Tensor]:
        return lambda x: make_block(factor)(x.double()[None])[0]

    return by_factor_and_size(wide)


def test_a_diagnosis_may_use_float64_and_batches():
    check_diagnosis(in_float64_with_batches)


@pytest.mark.parametrize(
    ("x", "named"), [(torch.ones(8), "(8,)"), (torch.ones(5, 7), "(5, 7)"), ([1.0], "list")]
)
def test_a_block_says_what_it_takes(x, named: str):
    sentence = f"gave the block {named}; it takes a tensor (T, 8), such as torch.randn(5, 8)"
    assert message(check_diagnosis, lambda make_block: make_block(1.0)(x)) == sentence
