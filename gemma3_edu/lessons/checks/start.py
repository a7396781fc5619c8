"""Checks of the first exercises: the token of a pixel, a judge of answers, and where nano fails.

>>> from gemma3_edu.lessons.nb import attempt
>>> attempt("Exercise 2", check_is_right, lambda answer, right: str(right) in answer)
Exercise 2: accepts a number of the working, or a part of a longer number; only the last counts
    (answer = '53 + 22 = 73 + 2 = 75', right = 73: got True, expected False)
"""

import re
from typing import Any

from ...generation.chat import chat
from ...generation.sampling import Sampler
from ...hub import load
from .grading import Check, CheckError, Function, ask, require, standard_torch

_NOTHING = "returned nothing; end the function with `return`, print only shows"

# Finding a pixel's token


def _token(x: int, y: int, side: int, square: int, group: int) -> int:
    edge = square * group
    return y // edge * (side // edge) + x // edge + 1


check_token = Check(
    "`fn(x, y, side, square, group)` is which token of a picture comes from a pixel, from 1.",
    "x y side square group",
    _token,
    lambda: [
        (60, 20, 112, 14, 2),
        (20, 60, 112, 14, 2),
        (0, 0, 112, 14, 2),
        (111, 28, 112, 14, 2),
        (500, 300, 896, 14, 4),
        (89, 71, 90, 6, 3),
    ],
    {
        "counts from 0; the first token is number 1": lambda *given: _token(*given) - 1,
        "goes down the columns; read from left to right, then down": lambda x, y, *sizes: _token(
            y, x, *sizes
        ),
        "goes down the columns, and counts from 0": lambda x, y, *sizes: _token(y, x, *sizes) - 1,
        "counts squares; a group of them makes one token": lambda x, y, side, square, _: _token(
            x, y, side, square, 1
        ),
        "counts squares, and from 0; a group of them makes one token, the first is number 1": (
            lambda x, y, side, square, _: _token(x, y, side, square, 1) - 1
        ),
        "makes groups of pixels; first come squares, then groups of squares": (
            lambda x, y, side, _, group: _token(x, y, side, 1, group)
        ),
        "has nano's numbers in it; use `side`, `square` and `group`": lambda x, y, *_: _token(
            x, y, 112, 14, 2
        ),
        "multiplies by the squares along a side; a row has fewer tokens": (
            lambda x, y, side, square, group: (
                y // (square * group) * (side // square) + x // (square * group) + 1
            )
        ),
        "multiplies by `group`; how many tokens has a whole row?": (
            lambda x, y, side, square, group: (
                y // (square * group) * group + x // (square * group) + 1
            )
        ),
        "adds row and column; each row above the pixel holds a whole row of tokens": (
            lambda x, y, side, square, group: y // (square * group) + x // (square * group) + 1
        ),
        "gives the column alone; add the tokens of the rows above": (
            lambda x, y, side, square, group: x // (square * group) + 1
        ),
        "gives the row alone; how far along it is the pixel?": (
            lambda x, y, side, square, group: y // (square * group) + 1
        ),
        "counts the pixel's own row as a row above it": (
            lambda x, y, side, square, group: _token(x, y + square * group, side, square, group)
        ),
        "counts pixels in the order of reading; the pixels of one token do not follow each other": (
            lambda x, y, side, square, group: (y * side + x) // (square * group) ** 2 + 1
        ),
        _NOTHING: lambda *_: None,
    },
)


# Judging an answer


def _numbers(answer: str) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", answer)]


def _is_right(answer: str, right: int) -> bool:
    return _numbers(answer)[-1:] == [right]


check_is_right = Check(
    "`fn(answer, right)` is whether the last whole number in an answer is the right one.",
    "answer right",
    _is_right,
    lambda: [
        ("53 + 22 = 73 + 2 = 75", 75),
        ("53 + 22 = 73 + 2 = 75", 73),
        ("9 + 13 = 19 + 3 = 122", 22),
        ("53 + 22 = 5", 3),
        ("The total is 75.", 75),
        ("75 coins", 75),
        ("75kg", 75),
        ("3,4", 4),
        ("7", 7),
        ("9 + 0 = 9", 9),
        ("52 - 22 = 30", 30),
        ("There is none.", 0),
        ("", 7),
    ],
    {
        "accepts a number of the working, or a part of a longer number; only the last counts": (
            lambda answer, right: str(right) in answer
        ),
        "accepts an answer whose last digits fit; compare whole numbers, and in any place": (
            lambda answer, right: answer.endswith(str(right))
        ),
        "accepts longer numbers whose last digits fit; compare whole numbers": (
            lambda answer, right: answer.rstrip(". abcdefghijklmnopqrstuvwxyz").endswith(
                str(right)
            ),
            lambda answer, right: answer.strip(".").endswith(str(right)),
        ),
        "accepts every number of the working; only the last counts": (
            lambda answer, right: right in _numbers(answer),
            lambda answer, right: str(right) in answer.split(),
        ),
        "sees a number only where nothing touches it; `\\d+` finds one in 75kg, too": (
            lambda answer, right: re.findall(r"\b\d+\b", answer)[-1:] == [str(right)]
        ),
        "joins numbers at a comma; 3,4 ends with 4": (
            lambda answer, right: re.findall(r"\d[\d,]*", answer)[-1:] == [str(right)]
        ),
        "takes the largest number; the last one counts": (
            lambda answer, right: max(_numbers(answer), default=-1) == right
        ),
        "wants nothing but the number; nano also writes words and its working": (
            lambda answer, right: answer.strip() == str(right)
        ),
        "compares the first number; the working comes first, the result last": (
            lambda answer, right: _numbers(answer)[:1] == [right]
        ),
        "compares the last word; after the number there may be a full stop or another word": (
            lambda answer, right: answer.split(" ")[-1] == str(right)
        ),
        "compares the last word; after the number there may be another word": (
            lambda answer, right: answer.rstrip(".").split(" ")[-1] == str(right)
        ),
        "looks for words of nothing but digits; a full stop may stick to the number": (
            lambda answer, right: (
                [int(word) for word in answer.split() if word.isdigit()][-1:] == [right]
            )
        ),
        "joined all digits to one number; find the separate numbers": lambda answer, right: (
            "".join(filter(str.isdigit, answer)) == str(right)
        ),
        "took single digits for numbers": lambda answer, right: (
            re.findall(r"\d", answer)[-1:] == [str(right)]
        ),
        "calls every answer right": lambda *_: True,
        "calls every answer wrong; did you compare text and number? '75' == 75 is False": (
            lambda *_: False
        ),
        _NOTHING: lambda *_: None,
        "accepts an answer without a number": lambda answer, right: (
            not _numbers(answer) or _is_right(answer, right)
        ),
    },
)


# Finding what nano cannot do

_LARGEST = 999_999  # longer numbers only make longer answers


@standard_torch()
def check_two_sums(fn: Function) -> str:
    """`fn()` is two sums of two numbers: nano has the first right, and the second wrong.

    The sums share a number, so that one change made the difference. Returns nano's answers.
    """
    first, second = _pairs(ask(fn))
    same = sum(one == other for one, other in zip(first, second, strict=True))
    told = f"{_said(first)} and {_said(second)}"
    require(same < 2, f"both sums are {_said(first)}; change one of the numbers")
    require(
        same, f"{told} have no number in the same place; change one and leave the other where it is"
    )
    answer = _nano(first)
    right = _is_right(answer, sum(first))
    require(
        right,
        f"nano has the first sum wrong ({_said(first)} -> {answer!r}); begin with one it can do",
    )
    shown = f"{_said(first)} -> {answer!r}"
    answer = _nano(second)
    right = _is_right(answer, sum(second))
    require(
        not right, f"nano has the second sum right too ({answer!r}); try another kind of number"
    )
    return f"{shown}\n{_said(second)} -> {answer!r}"


def _pairs(got: Any) -> list[tuple[int, int]]:
    wanted = "return two sums of two whole numbers, as in ((1, 2), (1, 3))"
    two = isinstance(got, tuple | list) and len(got) == 2
    require(got is not None, _NOTHING)
    require(two, f"got {type(got).__name__}; {wanted}")
    pairs = []
    for pair in got:
        fits = isinstance(pair, tuple | list) and len(pair) == 2
        fits = fits and all(type(number) is int for number in pair)
        require(fits, f"one of the sums is not two whole numbers; {wanted}")
        for number in pair:
            if not 0 <= number <= _LARGEST:
                raise CheckError(f"{number} is not from 0 to {_LARGEST:,}; choose another number")
        pairs.append((pair[0], pair[1]))
    return pairs


def _said(pair: tuple[int, int]) -> str:
    return f"{pair[0]} + {pair[1]}"


def _nano(pair: tuple[int, int]) -> str:
    model, processor = load("nano-it")
    question = f"What is {_said(pair)}?"
    return chat(model, processor, question, Sampler(temperature=0), max_new_tokens=40)
