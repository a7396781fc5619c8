"""Checks of the first exercises: tokens of a picture, a judge of answers, and where nano fails.

>>> check_picture_tokens(lambda side, square, group: (side // (square * group)) ** 2)
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

# Counting a picture's tokens

check_picture_tokens = Check(
    "`fn(side, square, group)` is how many tokens a picture takes.",
    "side square group",
    lambda side, square, group: (side // square // group) ** 2,
    lambda: [(112, 14, 2), (896, 14, 4), (90, 6, 3)],
    {
        "counted the squares; a group of them makes one token": lambda side, square, _: (
            (side // square) ** 2
        ),
        "counted along one side; the groups fill rows and columns": lambda side, square, group: (
            side // square // group
        ),
        "took a group for a row of squares; it is as high as it is wide": (
            lambda side, square, group: (side // square) ** 2 // group
        ),
        "made groups of pixels; first come squares, then groups of squares": (
            lambda side, _, group: (side // group) ** 2
        ),
        "counted the pixels; many of them make one token": lambda side, *_: side**2,
        "counted the squares in a group; how many groups are there?": lambda *sides: sides[2] ** 2,
        "divided one side by all squares of a group; along a side it has only `group` of them": (
            lambda side, square, group: (side // square // group**2) ** 2
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
        ("7", 7),
        ("9 + 0 = 9", 9),
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
def check_two_sums(fn: Function) -> None:
    """`fn()` is two sums of two numbers: nano has the first right, and the second wrong.

    The sums share a number, so that one change made the difference.
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
    require(right, f"nano has the first sum wrong ({answer!r}); begin with one it can do")
    answer = _nano(second)
    right = _is_right(answer, sum(second))
    require(
        not right, f"nano has the second sum right too ({answer!r}); try another kind of number"
    )


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
