"""The first exercises' checks accept what is right, however written."""

import re

import numpy as np
import pytest

from gemma3_edu.lessons.checks.start import check_is_right, check_token, check_two_sums
from tests.lessons.checks.messages import message


def in_a_table(x, y, side, square, group):
    edge = square * group
    numbers = 1 + np.arange((side // edge) ** 2).reshape(side // edge, -1)
    return int(numbers.repeat(edge, 0).repeat(edge, 1)[y, x])


def by_squares_first(x, y, side, square, group):
    column, row = x // square, y // square
    return 1 + column // group + row // group * (side // square // group)


def in_a_loop(x, y, side, square, group):
    edge, number = square * group, 1
    while y >= edge:
        y, number = y - edge, number + side // edge
    while x >= edge:
        x, number = x - edge, number + 1
    return number


@pytest.mark.parametrize("answer", [in_a_table, by_squares_first, in_a_loop])
def test_right_tokens_of_a_pixel(answer):
    check_token(answer)


def by_words(answer: str, right: int) -> bool:
    return re.sub(r"\D", " ", answer).split()[-1:] == [str(right)]


def backwards(answer: str, right: int) -> bool:
    found = re.match(r"\D*(\d+)", answer[::-1])
    return found is not None and found[1][::-1] == str(right)


def by_search(answer: str, right: int) -> bool:
    return bool(re.search(rf"(?<!\d){right}\D*$", answer))


def with_minus(answer: str, right: int) -> bool:
    found = re.findall(r"-?\d+", answer)
    return bool(found) and int(found[-1]) == right


@pytest.mark.parametrize("answer", [by_words, backwards, by_search, with_minus])
def test_right_judges(answer):
    check_is_right(answer)


@pytest.mark.parametrize("check", [check_token, check_is_right])
def test_printing_is_not_returning(check):
    assert message(check, lambda *_: None).startswith("returned nothing; end the function with")


def test_nanos_numbers_are_not_those_of_other_models():
    said = message(check_token, lambda x, y, *_: 1 + x // 28 + 4 * (y // 28))
    assert said.startswith("has nano's numbers in it; use `side`, `square` and `group` (x = 500")


def test_an_empty_answer_comes_with_its_case():
    with pytest.raises(IndexError) as caught:
        check_is_right(lambda answer, right: int(re.findall(r"\d+", answer)[-1]) == right)
    assert caught.value.__notes__ == ["answer = 'There is none.', right = 0"]


@pytest.mark.parametrize(
    "sums", [((52, 22), (52, 222)), [[61, 27], [661, 27]], ((5, 9), (5, 123_456))]
)
def test_one_change_beyond_what_nano_learnt(sums):
    first, second = check_two_sums(lambda: sums).splitlines()
    assert first.startswith(f"{sums[0][0]} + {sums[0][1]} -> '{sums[0][0]} + ")
    assert second.startswith(f"{sums[1][0]} + {sums[1][1]} -> '")


@pytest.mark.parametrize(
    ("sums", "said"),
    [
        (((52, 22), (52, 23)), "nano has the second sum right too ('52 + 23 ="),
        (((152, 222), (152, 22)), "nano has the first sum wrong (152 + 222 -> '152 + "),
        (((52, 22), (523, 23)), "52 + 22 and 523 + 23 have no number in the same place; change"),
        (((52, 22), (122, 52)), "52 + 22 and 122 + 52 have no number in the same place; change"),
        (((52, 22), (52, 22)), "both sums are 52 + 22; change one of the numbers"),
        (((52, 22), (52, 1_000_000)), "1000000 is not from 0 to 999,999; choose another number"),
        (((52, 22), (52, -1)), "-1 is not from 0 to 999,999; choose another number"),
        (((52, 22), (52, 2.0)), "one of the sums is not two whole numbers; return two sums of"),
        (None, "returned nothing; end the function with `return`, print only shows"),
        ((52, 22), "one of the sums is not two whole numbers; return two sums of two whole"),
        ("52 + 22", "got str; return two sums of two whole numbers, as in ((1, 2), (1, 3))"),
    ],
)
def test_other_sums_are_refused_with_the_reason(sums, said):
    assert message(check_two_sums, lambda: sums).startswith(said)
