"""Checks of the exercises on the cache: storing a chunk in a ring, and going back.

>>> from gemma3_edu.lessons.nb import attempt
>>> attempt("Exercise 3", check_can_rewind, lambda length, slots, window, back: True)
Exercise 3: always yes; once the ring has gone round, old tokens are overwritten for good
    (length = 6, slots = 5, window = 5, back = 2: got True, expected False)
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from ...hub.checkpoint import ASSETS, load
from ...model.cache import KVCache
from ...model.layout import Batch
from ...naive.cache import RuleCache, ring
from .grading import Case, Check, CheckError, Function, ask, require, require_tensor, standard_torch

# Storing a chunk in a ring

_H = 3


def _rows(tokens: Sequence[int | None]) -> Tensor:
    """Column c as numbers that tell it: c, c + 1/4, c + 1/2; NaN where none is stored."""
    first = torch.tensor([float("nan") if c is None else float(c) for c in tokens])
    return first[:, None] + torch.arange(_H) / 4


def _tokens(rows: Tensor, known: int) -> list[str]:
    """The numbers of the tokens that these rows are, of those below `known`."""
    numbers = rows[:, 0].nan_to_num(0.0).round().long().clamp(0, known - 1).tolist()
    told = [
        str(c) if row.equal(_rows([c])[0]) else "?" for row, c in zip(rows, numbers, strict=True)
    ]
    return ["unwritten" if row.isnan().all() else c for row, c in zip(rows, told, strict=True)]


def _stored(fn: Function, store: Tensor, new: Tensor, length: int) -> dict[str, str]:
    """The tokens that came back, in order, and those in each slot afterwards.

    The oldest token of a full ring is needed by no query, and may come back or not.
    """
    with _EachPlaceOnce():
        answer = ask(fn, store, new, length)
    back = require_tensor(answer, (None, _H), torch.float32)
    known = length + len(new)
    unneeded = str(length - len(store))
    seen = [c for c in _tokens(back, known) if c != unneeded]
    seen.sort(key=lambda c: (len(c), c))
    return {"tokens back": " ".join(seen), "tokens stored": " ".join(_tokens(store, known))}


class _EachPlaceOnce(TorchDispatchMode):
    """Refuses a write that names a place twice: with several threads, either row may stay."""

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        count = _COUNTS.get(operation.overloadpacket.__name__.rstrip("_"))
        if count and isinstance(args[-1], Tensor):  # a number that is set twice is the same
            written = count(torch.zeros_like(args[0]), *args[1:-1], torch.ones_like(args[-1]))
            require(written.max() < 2, _ONE_WRITE)
        return operation(*args, **(kwargs or {}))


_ONE_WRITE = (
    "one write named a slot twice, and PyTorch does not promise which row stays; write only the"
    " last rows of a long chunk, or one row after another"
)
_COUNTS: dict[str, Callable[..., Tensor]] = {
    "index_put": lambda into, places, ones: into.index_put_(places, ones, accumulate=True),
    "index_copy": Tensor.index_add_,
    "scatter": Tensor.scatter_add_,
}


def _store_cases() -> dict[str, Case]:
    sizes = [(5, 0, 3), (5, 3, 1), (5, 4, 3), (5, 8, 1), (5, 8, 3), (7, 12, 5), (5, 7, 5)]
    sizes += [(5, 9, 12), (4, 0, 9)]
    return {
        f"ring of {slots}, {length} tokens stored, {added} new": (
            _rows(ring(length, slots)),
            _rows(range(length, length + added)),
            length,
        )
        for slots, length, added in sizes
    }


def _one_by_one(store: Tensor, new: Tensor, length: int) -> Tensor:
    seen = torch.cat([store[: min(length, len(store))], new])
    for token, row in enumerate(new, start=length):
        store[token % len(store)] = row
    return seen


def _written_first(store: Tensor, new: Tensor, length: int) -> Tensor:
    _one_by_one(store, new, length)
    return store[: min(length + len(new), len(store))].clone()


def _storing(write: Callable[[Tensor, Tensor, Tensor, int], None]) -> Callable[..., Tensor]:
    """Right in what comes back; `write(store, seen, new, length)` puts the chunk into the store."""

    def fn(store: Tensor, new: Tensor, length: int) -> Tensor:
        seen = _one_by_one(store.clone(), new, length)
        write(store, seen, new, length)
        return seen

    return fn


def _from_slot_0(store: Tensor, seen: Tensor, new: Tensor, length: int) -> None:
    kept = new[-len(store) :]
    store[: len(kept)] = kept


def _first_ones(store: Tensor, seen: Tensor, new: Tensor, length: int) -> None:
    for token, row in enumerate(new[: len(store)], start=length):
        store[token % len(store)] = row


def _oldest_first(store: Tensor, seen: Tensor, new: Tensor, length: int) -> None:
    kept = seen[seen[:, 0].argsort()][-len(store) :]
    store[: len(kept)] = kept


def _from_slot(first: Callable[[int, int], int]) -> Callable[..., None]:
    """Right but for the slot, `first(length, slots)`, in which the chunk begins."""

    def write(store: Tensor, seen: Tensor, new: Tensor, length: int) -> None:
        for slot, row in enumerate(new, start=first(length, len(store))):
            store[slot % len(store)] = row

    return write


def _last_ones_early(store: Tensor, seen: Tensor, new: Tensor, length: int) -> None:
    for token, row in enumerate(new[-len(store) :], start=length):
        store[token % len(store)] = row


def _read_late(store: Tensor, new: Tensor, length: int) -> Tensor:
    old = store[: min(length, len(store))]  # a view
    for token, row in enumerate(new, start=length):
        store[token % len(store)] = row
    return torch.cat([old, new])


def _needed(store: Tensor, length: int) -> list[int]:
    """The slots of the old tokens that the chunk's first query needs, oldest first."""
    return [c % len(store) for c in range(max(0, length - len(store) + 1), length)]


def _spared(store: Tensor, added: int, length: int) -> list[int]:
    """The slots in use that a chunk of `added` tokens does not write."""
    written = {c % len(store) for c in range(length, length + added)}
    return [slot for slot in range(min(length, len(store))) if slot not in written]


def _as_a_list(store: Tensor, new: Tensor, length: int) -> Tensor:
    seen = torch.cat([store[: min(length, len(store))], new])
    kept = seen[-len(store) :]
    store[: len(kept)] = kept
    return seen


def _back(returned: Callable[[Tensor, Tensor, int], Tensor]) -> Callable[..., Tensor]:
    """Right in what is stored; what comes back is made of the old store, `new` and `length`."""

    def fn(store: Tensor, new: Tensor, length: int) -> Tensor:
        seen = returned(store.clone(), new, length)
        _one_by_one(store, new, length)
        return seen

    return fn


_TWICE = "a token came back twice; it would count double"
_UNWRITTEN = "slots that were never written came back; take those that are stored"


def _strange_rows(back: Sequence[str], wanted: Sequence[str], length: int) -> str | None:
    if "?" in back:
        return "what came back holds rows that are no token of the ring or the chunk"
    if "unwritten" in back:
        return _UNWRITTEN
    if len(set(back)) < len(back):
        return _TWICE
    for token in sorted(map(int, set(wanted) - set(back))):
        return f"token {token} did not come back, but query {max(token, length)} needs it"
    return None


def _misplaced(stored: Sequence[str], wanted: Sequence[str]) -> str | None:
    for slot, (got, want) in enumerate(zip(stored, wanted, strict=True)):
        if got != want:
            names = {"unwritten": "nothing", "?": "a row that is no token's"}
            holds, should = (names.get(each, f"token {each}") for each in (got, want))
            return f"after the chunk slot {slot} holds {holds}, and should hold {should}"
    return None


check_store_columns = Check(
    """`fn(store, new, length)` writes T new tokens into a ring; gives all its queries may need.

    `store` is Float[slots H], `new` Float[T H]. Columns 0 to `length` - 1 were stored before,
    token c in slot c mod slots; slots not yet written hold NaN. Afterwards the store, changed in
    place, holds the last ones of `length` + T tokens by the same rule. What comes back,
    Float[S H], has each token once, in any order: the new ones, and the slots - 1 before each.
    A write that names a slot twice is refused, since PyTorch leaves open which row stays.
    """,
    "store new length",
    _one_by_one,
    _store_cases,
    {
        "a token is gone before the chunk's first query has read it; read the ring first, then"
        " write": _written_first,
        "nothing was stored; write into `store` itself, in place": _storing(lambda *_: None),
        "the chunk begins in slot 0; token c belongs in slot c mod slots": _storing(_from_slot_0),
        "the chunk's first tokens were kept; the last ones are those that later tokens need": (
            _storing(_first_ones)
        ),
        "the last tokens lie in order, oldest first; token c belongs in slot c mod slots": (
            _storing(_oldest_first)
        ),
        "token c went into slot c + 1; it belongs in slot c mod slots, counted from 0": (
            _storing(_from_slot(lambda length, slots: length + 1))
        ),
        "token c went into slot c - 1; it belongs in slot c mod slots, and the chunk's first token"
        " is number `length`": _storing(_from_slot(lambda length, slots: length - 1)),
        "the chunk began in slot min(`length`, slots); in a full ring too, token c belongs in slot"
        " c mod slots": _storing(_from_slot(min)),
        "the last rows of a long chunk were kept, but counted from `length`; the first of them is a"
        " later token": _storing(_last_ones_early),
        "the old rows were joined after the chunk had gone over them; a slice of `store` is a view,"
        " so join first, then write": _read_late,
        "only the last rows came back, one for each slot; the chunk's first query needs the slots"
        " - 1 tokens before it": _back(
            lambda store, new, length: torch.cat([store[: min(length, len(store))], new])[
                -len(store) :
            ]
        ),
        _UNWRITTEN: _back(lambda store, new, length: torch.cat([store, new])),
        "an old row is missing; the chunk's first query needs all slots - 1 before it": _back(
            lambda store, new, length: torch.cat([store[_needed(store, length)[1:]], new])
        ),
        "the rows that the chunk goes over were left out, but its first queries need them: read"
        " first, then write": _back(
            lambda store, new, length: torch.cat([store[_spared(store, len(new), length)], new])
        ),
        "only `length` mod slots old rows came back; once the ring is full, all its slots are in"
        " use": _back(lambda store, new, length: torch.cat([store[: length % len(store)], new])),
        "a long chunk's first rows did not come back; each of its queries needs its own row": _back(
            lambda store, new, length: torch.cat(
                [store[: min(length, len(store))], new[-len(store) :]]
            )
        ),
        "the store was treated as a list in the order of the text, where the newest row is last;"
        " token c belongs in slot c mod slots": _as_a_list,
        "only the chunk came back; its first query needs slots - 1 older tokens": _back(
            lambda store, new, length: new.clone()
        ),
        "the chunk did not come back; its queries see each other": _back(
            lambda store, new, length: store[: min(length, len(store))]
        ),
        _TWICE: _back(
            lambda store, new, length: torch.cat([_one_by_one(store, new, length), new[-1:]])
        ),
    },
    call=_stored,
    explain=lambda got, want, store, new, length: (
        _strange_rows(got["tokens back"].split(), want["tokens back"].split(), length)
        or _misplaced(got["tokens stored"].split(), want["tokens stored"].split())
    ),
    may_change="store",
)


class _RuleCache(RuleCache, KVCache):  # type: ignore[misc]  # their lists differ in shape
    """A `RuleCache` where the model's types ask for a `KVCache`."""


@standard_torch()
def check_ring(fn: Function) -> None:
    """As `check_store_columns`; then nano reads with `fn` in the stores of all its layers.

    The logits of 150 tokens of text, in chunks of 50, of 70, and in all sizes, must be those
    without a cache.
    """
    check_store_columns(fn)
    nano, processor = load("nano-pt")
    window = nano.config.text.sliding_window
    require(processor is not None, "nano-pt is here without its tokenizer")
    novel = (ASSETS / "prose" / "moby-dick.txt").read_text(encoding="utf-8")
    ids = processor.tokenizer.encode(novel[:1200])[:150] if processor else []
    text = Batch.from_ids(torch.tensor([ids]), nano.config)
    for sizes in ([50, 50, 50], [70, 70, 10], [40, 1, 1, 1, 29, 1, 1, 76]):
        cache = _RuleCache(nano.config.text, partial(ask, fn), len(ids), window)
        stops = list(accumulate(sizes, initial=0))
        with torch.no_grad():
            parts = [nano(text.columns(*ends), cache) for ends in pairwise(stops)]
            differ = (torch.cat(parts, 1) - nano(text)).abs().amax(-1)[0]
        wrong = [c for c, difference in enumerate(differ.tolist()) if not difference < 1e-3]
        if wrong:
            raise CheckError(
                f"right on small cases, but nano gives other logits from token {wrong[0]} on",
                f"a text of {len(ids)} tokens, in chunks of {', '.join(map(str, sizes))}",
            )


# Going back

check_can_rewind = Check(
    """`fn(length, slots, window, back)`: may a ring forget its last `back` tokens and go on?

    `length` tokens were written one by one, token c into slot c mod `slots`; `slots` is `window`
    or more, `window` is 2 or more, `back` less than `length`. True where the next query, at token
    `length` - `back`, finds the `window` - 1 tokens before it, or all that there ever were.
    """,
    "length slots window back",
    lambda n, s, w, back: set(range(max(0, n - back - w + 1), n - back)) <= set(ring(n, s)),
    lambda: [
        (length, slots, window, back)
        for slots, window in [(5, 5), (7, 4), (8, 7), (6, 2)]
        for length in range(1, 2 * slots + 4)
        for back in range(length)
    ],
    {
        "always yes; once the ring has gone round, old tokens are overwritten for good": (
            lambda n, s, w, back: True
        ),
        "always no; in the first round nothing was overwritten, and one token back is always"
        " right": lambda n, s, w, back: False,
        "asked for one token; the next query needs all `window` - 1 before it: ask for the oldest"
        " of them": [
            lambda n, s, w, back: n <= s or back < s,
            lambda n, s, w, back: n <= s or back <= s,
        ],
        "refused whenever the ring has gone round; with spare slots, and always for one token, it"
        " can still go back": [lambda n, s, w, back: n <= s, lambda n, s, w, back: n < s],
        "going back by one was refused; it is always right, since the next query brings its own"
        " token": lambda n, s, w, back: back == 0,
        "asked whether the text fits into the window; a longer one can go back too, by one token"
        " always and further with spare slots": lambda n, s, w, back: n <= w,
        "asked whether the text fits into the window; nothing is overwritten before it is longer"
        " than the ring has slots": [
            lambda n, s, w, back: n <= w or back <= s - w + 1,
            lambda n, s, w, back: n <= w or back <= 1,
        ],
        "near the beginning the next query needs fewer tokens: none is below 0": (
            lambda n, s, w, back: max(0, n - s) <= n - back - w + 1
        ),
        "asked whether `window` - 1 tokens come before; they must still be in the ring, too": (
            lambda n, s, w, back: n - back >= w - 1
        ),
        "compared with the window alone; what counts is whether the ring still holds the `window`"
        " - 1 tokens before the next query": [
            lambda n, s, w, back: back < w,
            lambda n, s, w, back: n <= s or back < w,
            lambda n, s, w, back: back <= w,
        ],
        "refused in the first round; nothing was overwritten yet": (
            lambda n, s, w, back: back <= s - w + 1
        ),
        "one token too strict: the next query brings its own token and needs window - 1 others": (
            lambda n, s, w, back: n <= s or back <= s - w
        ),
        "one token too generous: the oldest key of the next query's window is gone": (
            lambda n, s, w, back: n <= s or back <= s - w + 2
        ),
        "refused for a ring that is just full; its last slot was free, so nothing is overwritten": (
            lambda n, s, w, back: n < s or back <= s - w + 1
        ),
        "one token back is always right; more are too, in the first round and with spare slots": (
            lambda n, s, w, back: back <= 1
        ),
        "one token back is always right, but after the first round too each spare slot allows one"
        " more": lambda n, s, w, back: n <= s or back <= 1,
        "asked whether the ring has gone round after going back; what it overwrote is lost": [
            lambda n, s, w, back: n - back <= s,
            lambda n, s, w, back: n - back <= s or back <= s - w + 1,
            lambda n, s, w, back: n - back <= w or back <= s - w + 1,
        ],
        "True and False are swapped": lambda n, s, w, back: n > s and back > s - w + 1,
    },
)
