"""Answers are right: each kind of question is parsed and answered anew, by other means."""

import json
import re

import pytest

from gemma3_edu.train.data import dialogues, facts, needles, text_tasks, tools
from gemma3_edu.train.data.draw import Draw, Setting
from gemma3_edu.train.data.examples import Example, Turn
from gemma3_edu.train.data.prose import ASSETS, passages
from gemma3_edu.train.data.splits import SPLITS
from gemma3_edu.train.data.words import ANIMALS, FOODS, NAMES, PLACES, THINGS, WORDS, invented

from .reading import asked, drawn, working

split_by_split = pytest.mark.parametrize("split", SPLITS)


@split_by_split
def test_arithmetic(split):
    signs = set()
    for example in drawn("arithmetic", split, 40):
        assert example.given == ()
        assert len(example.conversations) == 8
        for question, answer in asked(example):
            a, b = map(int, re.findall(r"\d+", question))
            minus = " - " in question or question.startswith("Take")
            a, b = (b, a) if question.startswith("Take") else (a, b)
            assert {a, b} <= set(range(100))
            result = a - b if minus else a + b
            assert working(answer) == (a, "-" if minus else "+", b, result)
            assert result >= 0
            signs.add(minus)
    assert signs == {True, False}


@split_by_split
def test_facts(split):
    relations = set()
    for example in drawn("facts", split, 40):
        (text,) = example.given
        told = re.findall(r"(\w+) (is in the|has|likes|is afraid of the) ([\w ]+)\.", text)
        said = {name: (relation, value) for name, relation, value in told}
        assert 2 <= len(told) == len(said) <= 6
        assert len(set(asked(example))) == len(example.conversations) == min(len(told), 5)
        for question, answer in asked(example):
            (name,) = [name for name in said if re.search(rf"\b{name}\b", question)]
            relation, value = said[name]
            assert answer == f"{name} {relation} {value}."
            word, rest = {
                "is in the": ("Where", "is"),
                "likes": ("What", "like?"),
                "is afraid of the": ("What", "afraid of?"),
                "has": ("How many", value.split()[-1]),
            }[relation]
            assert question.startswith(word)
            assert rest in question
            relations.add(relation)
    assert len(relations) == 4


@split_by_split
def test_pairs(split):
    for example in drawn("pairs", split, 20):
        said = dict(entry.split() for entry in example.given[0].split(", "))
        assert 2 <= len(said) <= 8
        assert len(set(asked(example))) == len(example.conversations) == min(len(said), 5)
        for question, answer in asked(example):
            assert answer == f"{question[:-1]} {said[question[:-1]]}"


@split_by_split
def test_copying(split):
    for example in drawn("copying", split, 30):
        for question, answer in asked(example):
            assert re.sub(r"^(Repeat|Copy this exactly|Say this again):\n", "", question) == answer
            assert question != answer


@split_by_split
def test_listing(split):
    forms = set()
    for example in drawn("listing", split, 30):
        for question, answer in asked(example):
            if found := re.fullmatch(r"Count from (\d+) to (\d+)\.", question):
                numbers = range(int(found[1]), int(found[2]) + 1)
                assert answer == ", ".join(map(str, numbers))
                assert 3 <= len(numbers) <= 8
            else:
                form, items = re.fullmatch(r"Write as a (.+): (.+)", question).groups()
                mark = {"list with dashes": "-", "numbered list": "{}."}[form]
                made = [f"{mark.format(i)} {each}" for i, each in enumerate(items.split(", "), 1)]
                assert answer.split("\n") == made
            forms.add(question.split()[3])
    assert len(forms) > 2


@split_by_split
def test_tools(split):
    """The call names a function that is described, and the one for what was asked."""
    for example in drawn("tool", split, 40):
        head, *described = example.given[0].split("\n")
        assert head == "Functions:"
        assert 2 <= len(described) <= 3
        functions = {
            name: (parameter, meaning)
            for name, parameter, meaning in (
                re.fullmatch(r"(\w+)\((\w+)\): (.+)", line).groups() for line in described
            )
        }
        assert len(functions) == len(described) == len(example.conversations)
        for question, answer in asked(example):
            call = json.loads(answer)
            assert list(call) == ["name", "parameters"]
            parameter, meaning = functions[call["name"]]
            ((key, value),) = call["parameters"].items()
            assert key == parameter
            (tool,) = [tool for tool in tools.TOOLS if tool.description == meaning]
            assert call["name"] in tool.names
            assert question in {request.format(value) for request in tool.requests}


def test_requests_tell_which_function_is_meant():
    for one in tools.TOOLS:
        for other in tools.TOOLS:
            shared = {*one.names, *one.requests, one.parameter, one.description} & {
                *other.names,
                *other.requests,
                other.parameter,
                other.description,
            }
            assert one is other or not shared


@split_by_split
def test_chat_needs_the_first_turn(split):
    kinds = set()
    for example in drawn("chat", split, 60):
        assert len(example.conversations) == dialogues.MOST
        for first, second in example.conversations:
            kinds.add(first.question.split()[0])
            answers = first.answer, second.answer
            if first.question.startswith("What is"):
                answers = (*map(working, answers),)
            assert answers == two_answers(first.question, second.question), (first, second)
    assert kinds == {"What", "My", "Write", "Remember:"}


def two_answers(first, second):
    if found := re.fullmatch(r"What is (\d+) ([+-]) (\d+)\?", first):
        a, b = int(found[1]), int(found[3])
        result = a + b if found[2] == "+" else a - b
        way, number = re.fullmatch(r"Now (add|take away) (\d+)\.", second).groups()
        sign, then = ("+", int(number)) if way == "add" else ("-", -int(number))
        assert result + then >= 0
        return (a, found[2], b, result), (result, sign, int(number), result + then)
    if found := re.fullmatch(r"My name is (\w+)\. I like (\w+)\.", first):
        answers = {"What is my name?": "Your name is {}.", "What do I like?": "You like {}."}
        asks_name = second == "What is my name?"
        return f"Hello, {found[1]}!", answers[second].format(found[1 if asks_name else 2])
    if found := re.fullmatch(r"Write a list: (.+)\.", first):
        items = found[1].split(" and ")
        new = re.fullmatch(r"Add (\w+)\.", second)[1]
        assert new not in items
        return ", ".join(items), ", ".join([*items, new])
    thing, number = re.fullmatch(r"Remember: the (\w+) costs (\d+)\.", first).groups()
    assert second == f"What does the {thing} cost?"
    return "I will remember it.", f"The {thing} costs {number}."


def by_words(text):
    return len(text.split())


@pytest.mark.parametrize("others", [0, 2, 5])
@pytest.mark.parametrize("depth", [0.0, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("length", [130, 500, 2000])
def test_needles_lie_where_they_should(depth, length, others):
    draw = Draw(f"{depth} {length}", "test", Setting(count=by_words))
    example = needles.needle(draw, length, depth, others)
    (text,) = example.given
    said = dict(re.findall(r"The secret number of the (\w+) is (\d+)\.", text))
    assert len(said) == 1 + others
    for question, answer in asked(example):
        owner = re.fullmatch(r"What is the secret number of the (\w+)\?", question)[1]
        assert answer == f"The secret number of the {owner} is {said[owner]}."
    before, after = map(by_words, text.split(example.answer))
    assert length - needles.ROOM - 20 <= by_words(text) <= length - needles.ROOM
    # how deep among the filling alone: the other needles may all stand on one side
    off = (8 * others + 20) / (before + after)
    assert before / (before + after) == pytest.approx(depth, abs=off)


def test_needles_of_training_have_all_depths_and_lengths_among_others():
    count = Setting().count
    lengths, depths, others = [], [], set()
    for example in drawn("needle", "train", 60):
        (text,) = example.given
        lengths.append(count(text) + needles.ROOM)
        depths.append(text.index(example.answer) / (len(text) - len(example.answer)))
        others.add(len(example.conversations) - 1)
    assert 120 < min(lengths) < 200
    assert 400 < max(lengths) <= 512
    assert min(depths) < 0.05
    assert max(depths) > 0.95
    assert others == {2, 3, 4, 5}


def test_needles_that_cannot_be_hidden_are_named():
    draw = Draw("0", "train")
    with pytest.raises(ValueError, match=r"needle: depth=1.5 must be between 0"):
        needles.needle(draw, 500, 1.5, 1)
    with pytest.raises(ValueError, match=r"needle: length=50 leaves no room"):
        needles.needle(draw, 50, 0.5, 1)


def test_words_are_fit_to_be_read():
    assert all(3 <= len(word) <= 6 and word.isalpha() and word.islower() for word in WORDS)
    assert not set(WORDS) & set(FOODS)
    for words in (WORDS, FOODS, ANIMALS, THINGS, NAMES, PLACES):
        assert len(set(words)) == len(words) >= 40
    draw = Draw("invented", "train")
    made = [invented(draw.random) for _ in range(300)]
    assert all(3 <= len(word) <= 6 and word.isalpha() for word in made)
    assert len(set(made)) > 250
    assert all(facts.plural(noun) != noun for noun in THINGS)


@split_by_split
@pytest.mark.parametrize("length", [20, 512])
def test_prose_fills_the_setting_with_text_of_its_split(split, length):
    setting = Setting(length=length, count=lambda text: len(text.encode()) // 3)
    example = text_tasks.prose(Draw("1", split, setting))
    (text,) = example.given
    assert 0.5 * length < setting.count(text) < length
    assert any(text in passage for passage in passages(ASSETS, split))
    with pytest.raises(ValueError, match="'prose' is a page of text, and asks nothing"):
        example.messages()


def test_the_first_conversation_becomes_messages():
    first, second = (Turn("Hi?", "Yes."), Turn("So?", "No.")), (Turn("Well?", "Maybe."),)
    example = Example("t", ("Some text.",), (first, second), "t:t")
    assert [(m.role, m.content) for m in example.messages()] == [
        ("user", ("Some text.\nHi?",)),
        ("model", ("Yes.",)),
        ("user", ("So?",)),
        ("model", ("No.",)),
    ]
    assert example.answer == "No."
