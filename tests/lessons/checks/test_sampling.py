"""The checks on generation accept what is right, however written; mistakes: test_checks."""

import numpy as np
import pytest
import torch
from torch import Tensor

from gemma3_edu.generation.sampling import keep_top_k, keep_top_p
from gemma3_edu.lessons.checks.sampling import check_draw, check_render, check_top_p
from gemma3_edu.prompt.chat_template import Message, render
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


# check_render

Messages = list[tuple[str, str]]
START, END = "<start_of_turn>", "<end_of_turn>"


def by_template(messages: Messages) -> str:
    return render([Message(role, text) for role, text in messages])[0]


def by_joining(messages: Messages) -> str:
    messages = list(messages)
    system = messages.pop(0)[1] + "\n\n" if messages[0][0] == "system" else ""
    said = [(role, text.strip()) for role, text in messages]
    said[0] = (said[0][0], system + said[0][1])
    turns = [f"{START}{role}\n{text}{END}" for role, text in said]
    return "\n".join([*turns, f"{START}model\n"])


def by_turns(messages: Messages) -> str:
    """The last turn first, each in front of what follows."""
    text = f"{START}model\n"
    for n, (role, said) in reversed(list(enumerate(messages))):
        before = messages[n - 1] if n else ("", "")
        opening = f"{before[1]}\n\n" if before[0] == "system" else ""
        text = text if role == "system" else f"{START}{role}\n{opening}{said.strip()}{END}\n{text}"
    return text


@pytest.mark.parametrize("answer", [by_template, by_joining, by_turns])
def test_right_texts(answer):
    check_render(answer)


# answers that no mistake explains


@pytest.mark.parametrize(
    ("check", "answer", "words"),
    [
        (check_draw, lambda row, u: 7, "drew an id that does not exist; rounding left the sum bel"),
        (check_draw, lambda row, u: 2, "drew an id whose probability is 0 (probabilities = [0, 0."),
        (
            check_render,
            lambda messages: "<bos>" + by_joining(messages),
            "the text spells <bos>; that is an id, which the tokenizer puts in front (messages = [",
        ),
    ],
)
def test_an_answer_that_no_mistake_explains(check, answer, words: str):
    assert message(check, answer).startswith(words)


def test_an_id_of_numpy_is_an_id():
    check_draw(lambda row, u: np.int64(by_search(row, u)))
