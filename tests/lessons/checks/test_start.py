"""The first exercises' checks accept what is right, however written."""

import re

import pytest

from gemma3_edu.lessons.checks.start import check_is_right, check_picture_tokens, check_two_sums
from tests.lessons.checks.messages import message


@pytest.mark.parametrize(
    "answer",
    [
        lambda side, square, group: (side // (square * group)) ** 2,
        lambda side, square, group: side**2 // square**2 // group**2,
        lambda side, square, group: len(
            [(x, y) for x in range(0, side, square * group) for y in range(0, side, square * group)]
        ),
    ],
)
def test_right_numbers_of_tokens(answer):
    check_picture_tokens(answer)


def by_words(answer: str, right: int) -> bool:
    words = [word.strip(".,:") for word in answer.split()]
    return [int(word) for word in words if word.isdigit()][-1:] == [right]


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


@pytest.mark.parametrize("check", [check_picture_tokens, check_is_right])
def test_printing_is_not_returning(check):
    assert message(check, lambda *_: None).startswith("returned nothing; end the function with")


def test_a_side_is_divided_by_one_side_of_a_group():
    said = message(
        check_picture_tokens, lambda side, square, group: (side // square // group**2) ** 2
    )
    assert said.startswith("divided one side by all squares of a group; along a side it has only")


def test_an_empty_answer_comes_with_its_case():
    with pytest.raises(IndexError) as caught:
        check_is_right(lambda answer, right: int(re.findall(r"\d+", answer)[-1]) == right)
    assert caught.value.__notes__ == ["answer = 'There is none.', right = 0"]


@pytest.mark.parametrize(
    "sums", [((52, 22), (52, 222)), [[61, 27], [661, 27]], ((5, 9), (5, 123_456))]
)
def test_one_change_beyond_what_nano_learnt(sums):
    check_two_sums(lambda: sums)


@pytest.mark.parametrize(
    ("sums", "said"),
    [
        (((52, 22), (52, 23)), "nano has the second sum right too ('52 + 23 ="),
        (((152, 222), (152, 22)), "nano has the first sum wrong ('152 + "),
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
