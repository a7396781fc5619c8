"""The checks on generation accept what is right, however written; mistakes: test_checks."""

import numpy as np
import pytest
import torch
from torch import Tensor

from gemma3_edu.generation.generate import decode, prefill
from gemma3_edu.generation.sampling import keep_top_k, keep_top_p
from gemma3_edu.lessons.checks.loop import check_loop
from gemma3_edu.lessons.checks.sampling import check_draw, check_top_p
from gemma3_edu.model.cache import KVCache
from gemma3_edu.model.layout import Batch
from tests.lessons.checks.messages import message

# check_top_p


def by_counting(logits: Tensor, p: float) -> Tensor:
    """How many tokens it takes, by torch's own search; then the package's top-k, row by row."""
    if p == 1:
        return logits.clone()
    upto = logits.softmax(-1).sort(descending=True).values.cumsum(-1)
    counts = torch.searchsorted(upto, torch.full((len(logits), 1), p))[:, 0] + 1
    rows = [keep_top_k(row[None], int(k)) for row, k in zip(logits, counts, strict=True)]
    return torch.cat(rows)


def by_sets(logits: Tensor, p: float) -> Tensor:
    """The likeliest of those that are left, again and again."""
    out = torch.full_like(logits, -torch.inf)
    for row, new in zip(logits, out, strict=True):
        shares = row.double().softmax(-1).tolist()
        mass, kept = 0.0, []
        while len(kept) < len(row) and (mass < p or p == 1):
            rest = [token for token in range(len(row)) if token not in kept]
            kept.append(max(rest, key=lambda token: row[token].item()))
            mass += shares[kept[-1]]
        new[kept] = row[kept]
    return out


@pytest.mark.parametrize("answer", [keep_top_p, by_counting, by_sets])
def test_right_top_p(answer):
    check_top_p(answer)


# check_draw


def by_search(row: Tensor, u: float) -> int:
    upto = row.double().cumsum(0)
    return min(int((upto <= u).sum()), int(row.nonzero()[-1]))


def by_torch(row: Tensor, u: float) -> int:
    upto = row.double().cumsum(0)
    found = int(torch.searchsorted(upto, torch.tensor(u).double(), right=True))
    return found if found < len(row) and row[found] > 0 else int(row.nonzero().max())


def by_dictionary(row: Tensor, u: float) -> int:
    """Only the tokens that may be drawn, from the last to the first."""
    kept = {token: share for token, share in enumerate(row.tolist()) if share}
    left = sum(kept.values())
    for token in reversed(kept):
        left -= kept[token]
        if u >= left:
            return token
    raise AssertionError("u below 0")


@pytest.mark.parametrize("answer", [by_search, by_torch, by_dictionary])
def test_right_draws(answer):
    check_draw(answer)


# check_loop


def cached_loop(model, batch, choose, stop_tokens, limit):
    """As the package does it: the prompt first, then one column at a time."""
    cache, layout = KVCache(model.config.text), batch.layout
    logits = prefill(model, batch, cache)
    for left in reversed(range(limit)):
        token = choose(logits[0])
        yield token
        if token in stop_tokens or not left:
            return
        layout = layout.next_column()
        logits = decode(model, torch.tensor([token]), layout, cache)


def one_by_one(model, batch, choose, stop_tokens, limit, cache=None):
    """A loop that calls itself."""
    cache = KVCache(model.config.text) if cache is None else cache
    token = choose(model(batch, cache)[0, -1])
    yield token
    if token not in stop_tokens and limit > 1:
        new = Batch(torch.tensor([[token]]), batch.layout.next_column())
        yield from one_by_one(model, new, choose, stop_tokens, limit - 1, cache)


class Steps:
    """An iterator without yield, with a cache of the size that is needed."""

    def __init__(self, model, batch, choose, stop_tokens, limit):
        self.model, self.batch, self.choose = model, batch, choose
        self.stops, self.left, self.layout = stop_tokens, limit, batch.layout
        self.cache = KVCache(model.config.text, 1, batch.layout.length + limit)

    def __iter__(self):
        return self

    def __next__(self):
        if self.left == 0:
            raise StopIteration
        with torch.no_grad():
            token = self.choose(self.model(self.batch, self.cache)[0, -1])
        self.left = 0 if token in self.stops else self.left - 1
        self.layout = self.layout.next_column()
        self.batch = Batch(torch.tensor([[token]]), self.layout)
        return np.int64(token)


@pytest.mark.parametrize("answer", [cached_loop, one_by_one, Steps])
def test_right_loops(answer):
    check_loop(answer)


def test_nano_must_answer_too():
    def forgetful(model, *given):
        """Right for small models alone."""
        return iter([]) if model.config.text.vocab_size > 512 else cached_loop(model, *given)

    assert message(check_loop, forgetful).startswith("with this loop nano answers ''")


# answers that no mistake explains


def grows_with_a_cache(model, batch, choose, stop_tokens, limit):
    cache, tokens = KVCache(model.config.text), batch.tokens
    for _ in range(limit):
        token = choose(model(Batch.from_ids(tokens, model.config), cache)[0, -1])
        yield token
        tokens = torch.cat([tokens, torch.tensor([[token]])], dim=1)


def new_cache_each_step(model, batch, choose, stop_tokens, limit):
    for _ in range(limit):
        token = choose(model(batch, KVCache(model.config.text))[0, -1])
        yield token
        batch = Batch(torch.tensor([[token]]), batch.layout.next_column())


def one_less_if_no_stop(model, batch, choose, stop_tokens, limit):
    yield from cached_loop(model, batch, choose, stop_tokens, max(1, limit - 1))


def endless_after_two(model, batch, choose, stop_tokens, limit):
    yield from cached_loop(model, batch, choose, (), limit + 2)


def twice_at_once(model, batch, *given):
    model(batch)
    yield from cached_loop(model, batch, *given)


@pytest.mark.parametrize(
    ("check", "answer", "words"),
    [
        (check_draw, lambda row, u: 7, "drew an id that does not exist; rounding left the sum bel"),
        (check_draw, lambda row, u: 2, "drew an id whose probability is 0 (probabilities = [0, 0."),
        (check_loop, lambda *_: None, "gave NoneType; yield one id after another (prompt = [2,"),
        (check_loop, grows_with_a_cache, "the whole text was given to a cache that has most"),
        (check_loop, new_cache_each_step, "the cache does not end where the new token begins"),
        (check_loop, one_less_if_no_stop, "the ids are right, but it ended after 3 of 4"),
        (check_loop, endless_after_two, "the first 4 ids are right, and there it had to end"),
        (check_loop, lambda *_: iter([1]), "other ids came than choose took from the logits of"),
        (check_loop, twice_at_once, "the ids are right, but the model was called in other ste"),
        (
            check_loop,
            lambda model, batch, choose, *_: iter([choose(model(batch)[0])]),
            "choose takes one row of logits, those of the last column: `[0, -1]` (prompt = [2,",
        ),
    ],
)
def test_an_answer_that_no_mistake_explains(check, answer, words: str):
    assert message(check, answer).startswith(words)


def test_an_id_of_numpy_is_an_id():
    check_draw(lambda row, u: np.int64(by_search(row, u)))
