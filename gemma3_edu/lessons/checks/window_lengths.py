"""The check of the exercise on the prompt that is just long enough to show a mistake.

It asks about nano's first five layers, which are enough for it and save time.

>>> from gemma3_edu.lessons.nb import attempt
>>> attempt("Exercise 2", check_shortest, lambda one, other: one.config.text.sliding_window)
Exercise 2: got 64, expected 65 (window 64 and none)
"""

import dataclasses
import functools
from collections.abc import Callable

import torch
from torch import Tensor

from ...hub.checkpoint import load
from ...model.config import Gemma3Config, RopeConfig
from ...model.gemma3 import Gemma3
from ...model.layout import Batch
from .grading import Case, Check

LONGEST = 80
STEP = 0.01
"""Moves four logits by about that much, so their mean over the vocabulary by less than 0.0001."""


def _from_differences(pick: Callable[[Tensor], int | None]) -> Callable[..., int | None]:
    """An answer made of the differences between the logits of each place, without their sign."""

    def fn(one: Gemma3, other: Gemma3) -> int | None:
        ids = torch.randint(500, 1000, (1, LONGEST), generator=torch.Generator().manual_seed(0))
        batch = Batch.from_ids(ids, one.config)
        with torch.no_grad():
            return pick((one(batch) - other(batch)).abs()[0])

    return fn


def _from_settings(one: Gemma3, other: Gemma3) -> int | None:
    windows = [model.config.text.sliding_window for model in (one, other)]
    return None if windows[0] == windows[1] else min(windows) + 1


def _first(differ: Tensor) -> int | None:
    return int(differ.nonzero()[0]) + 1 if differ.any() else None


@functools.cache
def _cases() -> dict[str, Case]:
    nano = load("nano-it")[0]
    short = dataclasses.replace(nano.config.text, layer_types=nano.config.text.layer_types[:5])

    def twin(window: int, rope: RopeConfig = short.rope_local) -> Gemma3:
        text = dataclasses.replace(short, sliding_window=window, rope_local=rope)
        with torch.device("meta"):  # only shapes: the weights are shared
            other = Gemma3(Gemma3Config(text=text))
        weights = {name: nano.state_dict()[name] for name in other.state_dict()}
        other.load_state_dict(weights, assign=True)
        return other.eval().requires_grad_(False)

    rounded = twin(64)
    gain = rounded.language_model.norm.weight
    rounded.language_model.norm.weight = torch.nn.Parameter(gain * (1 + 2**-23))
    four_rows = twin(64)  # of words outside 500 to 999; two go up where two go down
    words = four_rows.language_model.embed_tokens.weight.clone()
    for place, row in enumerate([2_000, 2_001]):
        words[row, place] += STEP
        words[row + 100, place] -= STEP
    four_rows.language_model.embed_tokens.weight = torch.nn.Parameter(words)
    return {
        "window 64 and none": (twin(64), twin(1_024)),
        "window 64 and 63": (twin(64), twin(63)),
        "windows 64 and 40": (twin(64), twin(40)),
        "local layers with base 1M": (twin(64), twin(64, RopeConfig(1e6))),
        "the logits of four words": (twin(64), four_rows),
        "twice the same, but for rounding": (twin(64), rounded),
        "twice the same": (twin(64), twin(64)),
    }


def _why(got: object, want: int | None, one: Gemma3, other: Gemma3) -> str | None:
    if want is None:
        return f"no prompt tells these two apart, so the answer is None, not {got}"
    if got is None:
        return (
            f"got None, expected {want}: after {want} tokens one of their logits differs by more"
            " than 0.0001"
        )
    if type(got) is int and want < got <= LONGEST:
        return (
            f"{want} tokens are enough: compare each logit there, not their mean or the likeliest"
            " token"
        )
    return None


check_shortest = Check(
    "`fn(one, other)`: the least number of random tokens (ids from 500 to 999, 80 at most) after\n"
    "which the logits of two models differ; None if they never do.",
    "one other",
    _from_differences(lambda far: _first(far.amax(-1) > 1e-4)),
    _cases,
    {
        "read the windows in the settings; models can differ in other ways, so compare logits": (
            _from_settings
        ),
        "gave 1 whatever the models, as if each got ids of its own; both get the same": (
            lambda one, other: 1
        ),
        "took rounding for a difference; logits of one model differ by less than 0.0001": (
            _from_differences(lambda far: _first(far.amax(-1) > 0))
        ),
        "gave 1 where nothing differs; without a True, argmax is 0, and the answer None": (
            _from_differences(lambda far: int((far.amax(-1) > 1e-4).int().argmax()) + 1)
        ),
        "compared means; a few logits that differ hardly move a mean, so compare each": (
            _from_differences(lambda far: _first(far.mean(-1) > 1e-4))
        ),
        "gave the place, counted from 0; the prompt that ends there has one token more": (
            _from_differences(
                lambda far: None if (n := _first(far.amax(-1) > 1e-4)) is None else n - 1
            )
        ),
        "gave the length up to which they agree; it is the next token that shows it": (
            _from_differences(lambda far: (_first(far.amax(-1) > 1e-4) or LONGEST + 1) - 1)
        ),
        "gave how many places differ; the first of them is wanted": _from_differences(
            lambda far: int((far.amax(-1) > 1e-4).sum())
        ),
        "gave the place where they differ most; the first that differs at all is wanted": (
            _from_differences(lambda far: int(far.amax(-1).argmax()) + 1)
        ),
        "looked at the last token alone; every shorter prompt is a question too": _from_differences(
            lambda far: LONGEST if far[-1].amax() > 1e-4 else None
        ),
    },
    explain=_why,
)
