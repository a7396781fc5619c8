"""Check of the exercise on the loop that writes: one token at a time, with a cache, to a stop.

>>> from gemma3_edu.lessons.nb import attempt
>>> attempt("Exercise 3", check_loop_steps, lambda *given: iter([]))  # doctest: +ELLIPSIS
Exercise 3: the ids are right, but it ended after 0 of 4 (prompt = [2, 7, 6, 9, 6, 11], ...
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from numbers import Integral
from typing import Any

import torch
from torch import Tensor

from ...generation.generate import generate
from ...generation.sampling import Sampler
from ...hub.checkpoint import load
from ...model.cache import KVCache
from ...model.gemma3 import Gemma3
from ...model.layout import Batch
from ...model.presets import PRESETS
from ...prompt.chat_template import Message
from .difference import show
from .grading import Case, Check, CheckError, Function, ask, require, standard_torch

_PROMPT = [2, 7, 6, 9, 6, 11]


def _loop_cases() -> list[Case]:
    ends: list[tuple[tuple[int, ...], int]] = [((), 4), ((6,), 1), ((22, 500), 9), ((500, 263), 9)]
    return [(_PROMPT, stops, limit) for stops, limit in [*ends, ((77, 6), 12)]]


def _third_best(logits: Any) -> int:
    """A choice that depends on all logits and does not run in circles."""
    one_row = isinstance(logits, Tensor) and logits.dim() == 1
    require(one_row, "choose takes one row of logits, those of the last column: `[0, -1]`")
    return int(logits.argsort(descending=True, stable=True)[2])


def _refusals(steps: Iterable[Any], widths: list[int]) -> Iterator[Any]:
    """The steps; where the cache refuses a batch, what the learner can do about it."""
    try:
        yield from steps
    except ValueError as error:
        if "columns in order" not in str(error):
            raise
        many = widths[-1] > 1
        raise CheckError(_GIVEN_TWICE if many else _NOT_NEXT) from error


_GIVEN_TWICE = (
    "the whole text was given to a cache that has most of it already; after the prompt, give the"
    " model the new token alone"
)
_NOT_NEXT = (
    "the cache does not end where the new token begins; make one cache, before the loop, and take"
    " `next_column()` of the layout of the batch before"
)


def _ran(fn: Function, prompt: list[int], stops: Any, limit: int) -> dict[str, list[int]]:
    """The ids that came, the columns of each call of the model, and how many calls they took."""
    with torch.random.fork_rng():
        torch.manual_seed(10)
        model = Gemma3(PRESETS["tiny-text"]).eval().requires_grad_(False)
    ids: list[int] = []
    columns: list[int] = []
    calls: list[int] = []
    model.language_model.norm.register_forward_hook(lambda _, __, out: columns.append(out.shape[1]))
    widths: list[int] = []  # of what was given, also where the cache refuses it
    model.language_model.register_forward_pre_hook(lambda _, x: widths.append(x[0].shape[1]))
    batch = Batch.from_ids(torch.tensor([prompt]), model.config)
    steps = ask(fn, model, batch, _third_best, stops, limit)
    one_by_one = isinstance(steps, Iterable) and not isinstance(steps, Tensor)
    require(one_by_one, f"gave {type(steps).__name__}; yield one id after another")
    for token in islice(_refusals(steps, widths), 2 * limit):
        whole = isinstance(token, Integral) or (isinstance(token, Tensor) and token.shape == ())
        whole = whole and not (isinstance(token, Tensor) and token.dtype.is_floating_point)
        require(whole, f"yielded {show(token)}; yield ids, one at a time")
        ids.append(int(token))
        calls.append(len(columns))
    return {"ids": ids, "columns of each call": columns, "calls before each id": calls}


def _loop(
    ends: Callable[[int, Any], bool] = lambda token, stops: token in stops,
    *,
    keep: bool = True,
    reread: bool = False,
    cached: bool = True,
    more: int = 0,
    wasteful: bool = False,
) -> Callable[..., Iterator[int]]:
    """The loop, with one thing changed."""

    def fn(model: Any, batch: Batch, choose: Any, stops: Any, limit: int) -> Iterator[int]:
        cache = KVCache(model.config.text) if cached and not reread else None
        layout, tokens = batch.layout, batch.tokens
        for _ in range(limit + more):
            token = choose(model(batch, cache)[0, -1])
            if keep or not ends(token, stops):
                yield token
            if ends(token, stops):
                return
            new = torch.tensor([[token]])
            tokens = torch.cat([tokens, new], dim=1)
            layout = layout.next_column()
            batch = Batch.from_ids(tokens, model.config) if reread else Batch(new, layout)
        if wasteful:
            model(batch, cache)

    return fn


def _at_once(*given: Any) -> Iterator[int]:
    return iter(list(_loop()(*given)))


def _stops_in_the_prompt(model: Any, batch: Batch, choose: Any, stops: Any, limit: int) -> Any:
    here = bool(set(stops) & set(batch.tokens[0].tolist()))
    return iter([]) if here else _loop()(model, batch, choose, stops, limit)


def _which(got: Any, want: Any, *_: Any) -> str | None:
    ids, right = got["ids"], want["ids"]
    if ids != right and ids == right[: len(ids)]:
        return f"the ids are right, but it ended after {len(ids)} of {len(right)}"
    if ids != right and right == ids[: len(right)]:
        return f"the first {len(right)} ids are right, and there it had to end"
    if ids != right:
        return "other ids came than choose took from the logits of prompt and text so far"
    return "the ids are right, but the model was called in other steps: prompt, then new tokens"


check_loop_steps = Check(
    """`fn(model, batch, choose, stop_tokens, limit)` yields what `choose` takes, token by token.

    It ends after a stop token, which is yielded, or after `limit` tokens. The model reads the
    prompt once, then each new token alone, with a cache; no call is made whose logits nobody reads.
    """,
    "prompt stop_tokens limit",
    _loop(),
    _loop_cases,
    {
        "the whole text is read again for each token; give the model the new token alone, and a"
        " cache that remembers the others": _loop(reread=True),
        "the new token was read without a cache, so the model had forgotten the text": (
            _loop(cached=False)
        ),
        "it never stops before the limit; a stop token ends the text": (
            _loop(lambda token, stops: False)
        ),
        "only the first of the stop tokens ends the text; any of them does": (
            _loop(lambda token, stops: bool(stops) and token == stops[0])
        ),
        "the stop token itself was not yielded; the one who reads must see why it ended": (
            _loop(keep=False)
        ),
        "a stop token in the prompt ended the text; only one that is written does": (
            _stops_in_the_prompt
        ),
        "one token more than the limit": _loop(more=1),
        "one token fewer than the limit": _loop(more=-1),
        "after the last token of the limit the model is called once more, for logits that nobody"
        " reads": _loop(wasteful=True),
        "all tokens were computed before the first came out; yield each when it is chosen": (
            _at_once
        ),
    },
    call=_ran,
    explain=_which,
)


@standard_torch()
def check_loop(fn: Function) -> None:
    """`check_loop_steps`, and then nano-it answers a question with the learner's loop."""
    check_loop_steps(fn)
    nano, processor = load("nano-it")
    require(processor is not None, "nano-it is here without its tokenizer")
    if processor:
        nano.requires_grad_(False)
        asked, stops = processor([Message.user("What is 17 + 25?")]), processor.stop_tokens
        wanted = generate(nano, asked, Sampler(temperature=0), 40, stops)
        want = processor.decode([int(ids) for ids in wanted])
        ids = ask(fn, nano, asked, lambda logits: int(logits.argmax()), stops, 40)
        got = processor.decode([int(token) for token in ids])
        require(got == want, f"with this loop nano answers {got!r}, expected {want!r}")
