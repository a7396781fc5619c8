"""Answers are right: each kind of question is parsed and answered anew, by other means."""

import contextlib
import datetime
import io
import re
from itertools import pairwise

import pytest

from gemma3_edu.train.data import facts, languages, needles, text_tasks
from gemma3_edu.train.data.draw import Draw, Setting
from gemma3_edu.train.data.examples import Example, Turn
from gemma3_edu.train.data.lists import ORDINALS
from gemma3_edu.train.data.words import ANIMALS, FOODS, NAMES, PLACES, THINGS, WORDS, invented

SPLITS = ("train", "test")


def questions(task, number=60):
    """(question, answer) of single-turn examples, half of them held out."""
    for split in SPLITS:
        for seed in range(number // 2):
            example = text_tasks.QUESTIONS[task](Draw(f"{task} {seed}", split))
            ((question,), answer), *others = ((t.question, t.answer) for t in example.turns)
            assert not others
            yield question, answer


def english(text):
    """The number that English words name."""
    small = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
    small += " fifteen sixteen seventeen eighteen nineteen"
    tens = "- ten twenty thirty forty fifty sixty seventy eighty ninety".split()
    parts = text.split("-")
    return sum(
        10 * tens.index(part) if part in tens[2:] else small.split().index(part) for part in parts
    )


def test_arithmetic():
    signs = {"plus": "+", "minus": "-", "times": "x", "Add": "+", "Take": "-", "Multiply": "x"}
    signs |= {"more": "+", "away": "-", "boxes": "x", "+": "+", "-": "-", "x": "x"}
    forms = set()
    for question, answer in questions("arithmetic", 300):
        tokens = [token.strip(".?,") for token in question.split()]
        (sign,) = {signs[token] for token in tokens if token in signs}
        numbers = [int(token) for token in tokens if token.isdigit()]
        in_words = not numbers
        if in_words:
            numbers = [
                english(t) for t in re.findall(r"[a-z]+(?:-[a-z]+)?", question) if is_number(t)
            ]
        a, b = reversed(numbers) if "Take" in tokens else numbers
        result = {"+": a + b, "-": a - b, "x": a * b}[sign]
        assert (english(answer) if in_words else int(answer)) == result, question
        assert {a, b} <= set(range(100))
        assert result >= 0
        forms.add((sign, in_words))
    assert len(forms) == 6


def is_number(text):
    try:
        english(text)
    except ValueError:
        return False
    return True


def test_facts():
    for question, answer in questions("facts", 200):
        asked = re.search(r"(?:Who|Where|What|How)[^?.]*\?", question).group()
        told = re.findall(r"(\w+) (is in the|has|likes|is afraid of the) ([\w ]+)\.", question)
        assert 2 <= len(told) <= 6
        right = set()
        for name, relation, value in told:
            if asked == f"Who {relation} {value}?":
                right.add(name)
            if re.search(rf"\b{name}\b", asked):
                if relation == "has":
                    assert value.split()[1] in asked
                right.add(
                    {"is in the": f"in the {value}", "is afraid of the": f"the {value}"}.get(
                        relation, value.split()[0]
                    )
                )
        assert right == {answer}, question


def test_stories():
    asked_about = set()
    for question, answer in questions("story_question", 200):
        text, asked = question.split("\n")
        place, holder, lies_in = {}, None, None
        for sentence in re.findall(r"[^.]+\.", text):
            if found := re.search(r"(\w+) found an? (\w+) in the (\w+)", sentence):
                holder, thing, place[holder] = found.groups()
            elif (found := re.search(r"(\w+) was in the (\w+)", sentence)) or (
                found := re.search(r"(\w+) (?:walked|ran|went|hurried|came) to the (\w+)", sentence)
            ):
                place[found[1]] = found[2]
            elif found := re.search(r"(\w+) gave the \w+ to (\w+)", sentence):
                assert holder == found[1]
                assert place[found[1]] == place[found[2]]
                holder = found[2]
            elif found := re.search(r"(\w+) (?:put|left) the \w+ (?:down|there)", sentence):
                assert holder == found[1]
                holder, lies_in = None, place[found[1]]
            elif found := re.search(r"(\w+) (?:took|picked up) the \w+", sentence):
                assert holder is None
                assert lies_in == place[found[1]]
                holder = found[1]
        who = re.search(r"is (\w+) now", asked)
        if asked.startswith("Who"):
            right = holder or "nobody"
        elif who and who[1] in place:
            right = f"in the {place[who[1]]}"
        else:
            assert thing in asked
            right = f"in the {place[holder] if holder else lies_in}"
        assert answer == right, question
        asked_about.add(asked.split()[0])
    assert asked_about == {"Who", "Where"}


def test_dates():
    months = [datetime.date(2000, m, 1).strftime("%B") for m in range(1, 13)]
    weekdays = [datetime.date(2001, 1, d).strftime("%A") for d in range(1, 8)]
    for question, answer in questions("dates", 150):
        far = re.search(r"(\d+) (?:days?|months?)", question)
        steps = int(far[1]) if far else 1
        if "Today is" in question and (date := re.search(r"is (\d+) (\w+) (\d{4})", question)):
            first = datetime.date(int(date[3]), months.index(date[2]) + 1, int(date[1]))
            then = first.toordinal() + steps
            day = datetime.date.fromordinal(then)
            assert answer == f"{day.day} {months[day.month - 1]} {day.year}"
        elif "Today" in question:
            steps = -steps if "was it" in question else steps
            first = weekdays.index(re.search(r"Today is (\w+)", question)[1])
            assert answer == weekdays[(first + steps) % 7]
        else:
            first = months.index(next(m for m in months if m in question))
            assert answer == months[(first + steps) % 12]


def test_copying():
    for question, answer in questions("copying"):
        rest = re.sub(r"^(Repeat|Copy this exactly|Say this again): |\nRepeat\.$", "", question)
        assert answer == rest


def test_sorting_and_reversing():
    for question, answer in questions("sorting"):
        items = question.split(": ")[1].split(", ")
        got = answer.split(", ")
        assert sorted(items) == sorted(got)
        keys = [int(item) if item.isdigit() else item.lower() for item in got]
        down = "largest first" in question
        assert all((a >= b) if down else (a <= b) for a, b in pairwise(keys))
    for question, answer in questions("reversing"):
        if "Write" in question:
            assert answer == "".join(reversed(re.search(r"\d+", question).group()))
        else:
            assert answer.split(", ") == question.split(": ")[1].split(", ")[::-1]


def test_counting_and_nth():
    for question, answer in questions("counting", 120):
        if "letters" in question:
            assert int(answer) == len(re.search('"(.*)"', question)[1])
        else:
            items = question.split("? ")[1].split(", ")
            wanted = re.search('"(.*)"', question)
            assert int(answer) == (items.count(wanted[1]) if wanted else len(items))
    for question, answer in questions("nth", 120):
        listed, asked = question.split("\n")
        items = listed.split(", ")
        if after := re.search('"(.*)"', asked):
            assert answer == items[items.index(after[1]) + 1]
        else:
            word = asked.split()[-1].strip("?")
            assert answer == (items[-1] if word == "last" else items[ORDINALS.index(word)])


def test_listing():
    for question, answer in questions("listing", 120):
        if "numbers from" in question:
            start, stop, *step = map(int, re.findall(r"\d+", question))
            wanted = range(start, stop + 1, step[0] if step else 1)
            assert [int(item) for item in answer.split(", ")] == list(wanted)
            assert wanted[-1] == stop
            continue
        items = question.split(": ")[1].split(", ")
        if "only" in question:
            kind = re.search(r"the (\w+):", question)[1]
            pool = {"animals": ANIMALS, "foods": FOODS, "people": NAMES}[kind]
            assert answer.split(", ") == [item for item in items if item in pool]
        else:
            mark = (lambda n: "-") if "dashes" in question else (lambda n: f"{n}.")
            assert answer.split("\n") == [f"{mark(n)} {item}" for n, item in enumerate(items, 1)]


def test_spelling():
    for question, answer in questions("spelling", 100):
        if "spelled" in question:
            assert (
                question.removeprefix("Which word is spelled ").strip("?").replace(" ", "")
                == answer
            )
            continue
        word = re.search('"(.*)"', question)[1]
        if "letter" in question:
            assert answer == (word[-1] if "last" in question else word[0])
        else:
            assert answer.split(" ") == list(word)


def test_code_prints_what_python_prints():
    for question, answer in questions("code", 150):
        source = question.removeprefix("What does this print?\n").removesuffix("\nWhat is printed?")
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(source, {})
        assert printed.getvalue() == answer + "\n", source


def test_code_pages_too():
    for seed in range(10):
        page = text_tasks.PAGES["code_page"](Draw(str(seed), "train")).text()[0]
        for program in re.split(r"(?<=\n)\n(?!print)", page.rstrip("\n") + "\n"):
            code = "\n".join(line for line in program.splitlines() if not line.startswith("#"))
            wanted = [line[2:] for line in program.splitlines() if line.startswith("# ")]
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(code, {})
            assert printed.getvalue().splitlines() == wanted, program


NUMBERS = {
    "German": {1: "eins", 16: "sechzehn", 17: "siebzehn", 30: "dreißig", 71: "einundsiebzig"},
    "French": {21: "vingt et un", 70: "soixante-dix", 71: "soixante et onze", 80: "quatre-vingts"}
    | {
        81: "quatre-vingt-un",
        90: "quatre-vingt-dix",
        99: "quatre-vingt-dix-neuf",
        61: "soixante et un",
    },
    "Spanish": {16: "dieciséis", 22: "veintidós", 23: "veintitrés", 26: "veintiséis"}
    | {31: "treinta y uno", 40: "cuarenta"},
    "Italian": {17: "diciassette", 21: "ventuno", 23: "ventitré", 28: "ventotto", 61: "sessantuno"}
    | {88: "ottantotto", 40: "quaranta"},
    "English": {0: "zero", 12: "twelve", 40: "forty", 99: "ninety-nine"},
}


def test_number_words():
    for language, known in NUMBERS.items():
        every = [languages.number_word(n, language) for n in range(100)]
        assert len(set(every)) == 100
        assert {n: every[n] for n in known} == known
    assert [english(languages.number_word(n)) for n in range(100)] == list(range(100))
    with pytest.raises(ValueError, match=r"number=100 in 'English'; numbers reach from 0 to 99"):
        languages.number_word(100)
    with pytest.raises(ValueError, match="'Latin'"):
        languages.number_word(1, "Latin")


def test_languages():
    table = {
        language: {languages.number_word(n, language): n for n in range(100)}
        for language in languages.LANGUAGES
    }
    seen = set()
    for question, answer in questions("languages", 200):
        if found := re.search(r"(?:What is|Write) (\d+) in (\w+)", question):
            assert table[found[2]][answer] == int(found[1])
        elif question.startswith("Which number"):
            word = re.search('"(.*)"', question)[1]
            assert int(answer) in {numbers.get(word) for numbers in table.values()}
        elif question.startswith("Write the"):
            language, word = re.search(r'the (\w+) "(.*)"', question).groups()
            assert int(answer) == table[language][word]
        elif question.startswith(("Say", "What does")):
            seen.add("phrase")
            assert len(answer.split()) == 3
        else:
            (language,) = [
                name
                for name, form in languages._HOW_MUCH.items()
                if re.fullmatch(re.escape(form).replace(r"\{\}", "(.+)"), question)
            ]
            pattern = re.escape(languages._HOW_MUCH[language]).replace(r"\{\}", "(.+)")
            a, b = re.fullmatch(pattern, question).groups()
            numbers = table[language]
            assert numbers[answer] == numbers[a] + numbers[b]
            seen.add(language)
    assert seen == {*languages.LANGUAGES, "phrase"}


def test_phrases_agree():
    assert languages.phrase("Italian", "shirt", "yellow") == "la camicia gialla"
    assert languages.phrase("Spanish", "hat", "white") == "el sombrero blanco"
    assert languages.phrase("French", "car", "green") == "la voiture verte"
    assert languages.phrase("German", "bread", "grey") == "das graue Brot"


@pytest.mark.parametrize("depth", [0.0, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("length", [130, 500, 2000])
def test_needles_lie_where_they_should(depth, length):
    draw = Draw(f"{depth} {length}", "test", Setting(count=lambda text: len(text.split())))
    question, answer, _ = needles.needle(draw, length, depth)
    owner = re.search(r"number of the (\w+)\?", question)[1]
    sentence = f"The secret number of the {owner} is {answer}."
    assert question.count(sentence) == 1
    before, after = (len(part.split()) for part in question.split(sentence))
    after -= 8  # the question
    assert length - needles.ROOM - 20 <= before + after + 8 <= length - needles.ROOM
    assert before / (before + after) == pytest.approx(depth, abs=40 / length + 0.02)


def test_needles_with_others_and_mistakes():
    seen = set()
    for question, answer in questions("needle", 40):
        said = dict(re.findall(r"The secret number of the (\w+) is (\d+)\.", question))
        assert said[re.search(r"number of the (\w+)\?", question)[1]] == answer
        seen.add(len(said))
    assert seen >= {1, 2}
    draw = Draw("0", "train")
    with pytest.raises(ValueError, match=r"needle: depth=1.5 must lie between 0"):
        needles.needle(draw, 500, 1.5)
    with pytest.raises(ValueError, match=r"needle: length=50 leaves no room"):
        needles.needle(draw, 50, 0.5)


def test_chat_needs_the_first_turn():
    kinds = set()
    for split in SPLITS:
        for seed in range(120):
            example = text_tasks.QUESTIONS["chat"](Draw(f"chat {seed}", split))
            (first, answer), (second, then) = ((t.question[0], t.answer) for t in example.turns)
            kinds.add(first.split()[0])
            assert then == second_answer(first, answer, second), (first, answer, second)
    assert kinds == {"What", "My", "I", "Write", "Say", "Remember:"}


def second_answer(first, answer, second):
    number = int(re.search(r"\d+", second)[0]) if re.search(r"\d", second) else 0
    items = answer.split(", ")
    if "Now add" in second or "Now take" in second:
        a, sign, b = re.search(r"(\d+) (.) (\d+)", first).groups()
        assert (
            int(answer) == {"+": int(a) + int(b), "-": int(a) - int(b), "x": int(a) * int(b)}[sign]
        )
        return str(int(answer) + (number if "add" in second else -number))
    if "What is my name" in second:
        return re.search(r"(?:is|am) (\w+)", first)[1]
    if "What do I like" in second:
        return re.search(r"like (\w+)", first)[1]
    if "cost" in second:
        assert re.search(r"the (\w+) costs", first)[1] in second
        return re.search(r"\d+", first)[0]
    if first.startswith("Say"):
        return {
            "Now in capital letters.": answer.upper(),
            "How many letters has it?": str(len(answer)),
            "Spell it.": " ".join(answer),
            "Say it twice.": f"{answer} {answer}",
        }[second]
    if second.startswith("Add"):
        return ", ".join([*items, second[4:-1]])
    if second.startswith("Which is"):
        return items[ORDINALS.index(second.split()[-1].strip("?"))]
    return ", ".join(items[::-1]) if "backwards" in second else str(len(items))


def test_stopping():
    for question, answer in questions("stopping", 100):
        quoted = re.findall('"(.*?)"', question)
        if question.startswith("Count"):
            assert answer == ", ".join(map(str, range(1, int(question.split()[2]) + 1)))
        elif "times" in question:
            assert answer.split() == quoted * int(re.search(r"\d+", question)[0])
        elif "longer" in question:
            a, b = quoted
            assert answer == ("neither" if len(a) == len(b) else max(quoted, key=len))
        else:
            assert answer == " ".join(quoted)


def test_words_are_fit_to_be_read():
    assert all(3 <= len(word) <= 7 and word.isalpha() and word.islower() for word in WORDS)
    assert not set(WORDS) & set(FOODS)
    for words in (WORDS, FOODS, ANIMALS, THINGS, NAMES, PLACES):
        assert len(set(words)) == len(words) >= 40
    draw = Draw("invented", "train")
    made = [invented(draw.random) for _ in range(300)]
    assert all(3 <= len(word) <= 7 and word.isalpha() for word in made)
    assert len(set(made)) > 250
    assert all(facts.plural(noun) != noun for noun in THINGS)


@pytest.mark.parametrize("task", text_tasks.PAGES)
def test_pages_ask_nothing(task):
    for split in SPLITS:
        example = text_tasks.PAGES[task](Draw("a page", split))
        text, images = example.text()
        assert len(text) > 30
        assert images == []
        with pytest.raises(ValueError, match=r"asks nothing; use text\(\)"):
            example.messages()


def test_pages_are_right():
    for seed in range(20):
        for line in text_tasks.PAGES["sums_page"](Draw(str(seed), "test")).text()[0].splitlines():
            problem, result = line.split(" = ")
            assert eval(problem.replace("x", "*")) == int(result)
        for line in (
            text_tasks.PAGES["calendar_page"](Draw(str(seed), "train")).text()[0].splitlines()
        ):
            weekday, date, _ = re.fullmatch(r"(\w+), (.+): (.+)", line).groups()
            assert datetime.datetime.strptime(date, "%d %B %Y").strftime("%A") == weekday


def test_prose_fills_the_setting():
    for split in SPLITS:
        for length in (20, 512):
            setting = Setting(length=length, count=lambda text: len(text.encode()) // 3)
            text = text_tasks.PAGES["prose"](Draw("1", split, setting)).text()[0]
            assert 0.5 * length < setting.count(text) < length


def test_conversation_and_plain_text():
    example = Example("t", (Turn(("Hi?",), "Yes."), Turn(("So?",), "No.")), ())
    assert [(m.role, m.content[0]) for m in example.messages()] == [
        ("user", "Hi?"),
        ("model", "Yes."),
        ("user", "So?"),
        ("model", "No."),
    ]
    assert example.text()[0] == "Question: Hi?\nAnswer: Yes.\nQuestion: So?\nAnswer: No.\n"
