"""Pictures show what they say: answers are worked out anew from marks and pixels."""

import re
from collections import Counter
from itertools import combinations, pairwise

import numpy as np
import pytest
from PIL import Image

from gemma3_edu.prompt.images import ImageSettings, pan_and_scan
from gemma3_edu.train.data.draw import Draw
from gemma3_edu.train.data.drawing import COLOURS, FONTS, KINDS, SHAPES, Canvas, font
from gemma3_edu.train.data.mixture import TASKS
from gemma3_edu.train.data.paper import PALETTE, contrast, ground_and_ink, pale_ground
from gemma3_edu.train.data.scenes import PAIRS
from gemma3_edu.train.data.shapes import outline
from gemma3_edu.train.data.splits import SPLITS
from gemma3_edu.train.data.words import FOODS

from .reading import (
    asked,
    box,
    drawn,
    entries,
    lines,
    overlap,
    pairs,
    row_by_row,
    things,
    working,
)

SCENES = ("colour", "shape", "place", "count", "position", "description")
SQUARE = (*SCENES, "which_has", "motion", "number", "word", "price", "sum")
DOCUMENTS = ("wide", "tall")
ORDINARY = [(task, split) for task in (*SQUARE, *DOCUMENTS, "crop") for split in SPLITS]


def article(pair):
    return f"{'an' if pair[0] in 'aeiou' else 'a'} {pair}"


def singular(name):
    return next(w for end in ("es", "s") if (w := name.removesuffix(end)) in (*SHAPES, "thing"))


def about_scene(question, seen):
    """The answer by what was seen: colours, shapes and centres."""
    if found := re.fullmatch(r"What colour is the (\w+)\?", question):
        (colour,) = [c for c, s, _, _ in seen if s == found[1]]
        return f"The {found[1]} is {colour}."
    if found := re.fullmatch(r"What shape is the (\w+) thing\?", question):
        (shape,) = [s for c, s, _, _ in seen if c == found[1]]
        return f"The {found[1]} thing is {article(shape)}."
    if found := re.fullmatch(r"What is the ([\w ]+) thing\?", question):
        words = found[1].split()
        row = 0 if "top" in words else 2 if "bottom" in words else 1
        column = 0 if "left" in words else 2 if "right" in words else 1
        ((c, s),) = [(c, s) for c, s, x, y in seen if (int(3 * x), int(3 * y)) == (column, row)]
        return f"The {found[1]} thing is {article(f'{c} {s}')}."
    if found := re.fullmatch(r"Where is the (\w+ \w+)\?", question):
        ((x, y),) = [(x, y) for c, s, x, y in seen if f"{c} {s}" == found[1]]
        return f"The {found[1]} is {place(x, y)}."
    if found := re.fullmatch(r"How many (?:(\w+) )?(\w+) are there\?", question):
        shape = singular(found[2])
        fitting = [
            in_words(x, y, (0.39, 0.61))  # between the rows of either grid that things are put in
            for c, s, x, y in row_by_row(seen)
            if found[1] in (None, c) and shape in (s, "thing")
        ]
        assert len(set(fitting)) == len(fitting), "two things at one place cannot be told apart"
        counted = ", ".join(f"{i + 1} {where}" for i, where in enumerate(fitting))
        return f"{counted or 'none'}: {len(fitting)}"
    pattern = r"Is the (\w+ \w+) (left or right of|above or below) the (\w+ \w+)\?"
    one, words, other = re.fullmatch(pattern, question).groups()
    ((ax, ay),), ((bx, by),) = (
        [(x, y) for c, s, x, y in seen if f"{c} {s}" == name] for name in (one, other)
    )
    apart, way = (bx - ax, "left of") if "left" in words else (by - ay, "above")
    assert abs(apart) > 0.09, "neither clearly on one side nor on the other"
    opposite = {"left of": "right of", "above": "below"}
    where = f"The {one} is {place(ax, ay)}, the {other} is {place(bx, by)}"
    return f"{where}: {way if apart > 0 else opposite[way]} it."


def place(x, y):
    """In thirds, as one says it; nothing that is asked for is near a border."""
    assert all(abs(at - border) > 0.02 for at in (x, y) for border in (1 / 3, 2 / 3))
    return in_words(x, y, (1 / 3, 2 / 3))


def in_words(x, y, borders):
    column, row = (
        (words[0] if at < borders[0] else words[2] if at > borders[1] else words[1])
        for at, words in ((x, ("left", "", "right")), (y, ("top", "", "bottom")))
    )
    return f"{row} {column}".strip() or "middle"


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("task", SCENES)
def test_scenes(task, split):
    first = {"colour": "What colour", "shape": r"What (shape )?is the", "count": "How many"}
    first |= {"position": "Is the", "description": "What is in", "place": "Where is"}
    for example in drawn(task, split, 20):
        (picture,) = example.pictures
        assert re.match(first[task], asked(example)[0][0])
        for question, answer in asked(example):
            if question == "What is in the picture?":
                assert answer == picture.caption
            else:
                assert answer == about_scene(question, things(picture)), question


@pytest.mark.parametrize("task", SCENES)
def test_a_picture_is_asked_up_to_eight_different_questions(task):
    for example in drawn(task, "train", 60):
        assert len(set(asked(example))) == len(asked(example)) <= 8


@pytest.mark.parametrize("split", SPLITS)
def test_captions_of_scenes_count_everything_in_reading_order(split):
    numbers = {"a": 1, "an": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6}
    for example in drawn("description", split, 20):
        (picture,) = example.pictures
        said, places = Counter(), []
        for part in re.split(", | and ", picture.caption):
            number, colour, shape = part.split()
            pair = f"{colour} {shape if numbers[number] == 1 else singular(shape)}"
            assert number not in ("a", "an") or part == article(pair)
            said[pair] += numbers[number]
            in_order = [f"{c} {s}" for c, s, _, _ in row_by_row(things(picture))]
            places.append(in_order.index(pair))
        assert said == Counter(pairs(picture))
        assert all(a < b for a, b in pairwise(places))


def test_scenes_are_varied_and_training_shows_every_pair():
    examples = [(task, example) for task in SCENES for example in drawn(task, "train", 60)]
    answers = {task: set() for task in SCENES}
    for task, example in examples:
        answers[task] |= {answer for _, answer in asked(example)}
    assert {a.split(": ")[-1] for a in answers["count"] if ": " in a} >= set("0123456")
    for words in (COLOURS[1:], ("left of", "right of", "above", "below")):
        assert all(any(f" {word}" in a for a in answers["position"]) for word in words)
    assert {pair for _, example in examples for pair in pairs(*example.pictures)} == set(PAIRS)
    assert len(PAIRS) == 64


@pytest.mark.parametrize("task", ["colour", "count"])
def test_colours_look_like_their_names_and_things_do_not_touch(task):
    """At the middle of a shape, the nearest colour of the palette is the one that it is called."""
    palette = np.array(list(PALETTE.values()))
    for example in drawn(task, "test", 20):
        (picture,) = example.pictures
        pixels = np.asarray(picture.image, float)
        assert not any(overlap(*two) for two in combinations(picture.marks, 2))
        for mark in picture.marks:
            x, y = np.mean(mark.outline, axis=0) if mark.what != "moon" else mark.outline[10]
            x, y = int(x + 3 * (mark.what == "moon")), int(y)
            seen = pixels[y - 1 : y + 2, x - 1 : x + 2].mean((0, 1))
            assert list(PALETTE)[np.abs(palette - seen).sum(1).argmin()] == mark.colour


@pytest.mark.parametrize("split", SPLITS)
def test_which_of_two_pictures(split):
    said = set()
    for example in drawn("which_has", split, 20):
        first, second = map(pairs, example.pictures)
        for question, answer in asked(example):
            pair = re.fullmatch(r"Which picture has an? (\w+ \w+)\?", question)[1]
            assert (pair in first) != (pair in second)
            word = "first" if pair in first else "second"
            assert (question, answer) == (
                f"Which picture has {article(pair)}?",
                f"{article(pair)}: {word}",
            )
            said.add(word)
    assert said == {"first", "second"}


@pytest.mark.parametrize("split", SPLITS)
def test_which_way_it_moved(split):
    ways = set()
    for example in drawn("motion", split, 24):
        frames = [dict(zip(pairs(p), p.marks, strict=True)) for p in example.pictures]
        assert len(frames) == 4
        begin, end = ({name: np.array(m.place) for name, m in f.items()} for f in frames[::3])
        (moved,) = [pair for pair in begin if np.abs(begin[pair] - end[pair]).max() > 0.1 * 112]
        across, down = (end[moved] - begin[moved]) / 112
        assert max(abs(across), abs(down)) > 0.4  # to be seen at a glance
        sideways = "right" if across > 0 else "left"
        way = sideways if abs(across) > abs(down) else "down" if down > 0 else "up"
        for frame in frames:  # what stands still is never in its way
            still = [mark for pair, mark in frame.items() if pair != moved]
            assert not any(overlap(frame[moved], mark) for mark in still)
        first, last = (place(*(at[moved] / 112)) for at in (begin, end))
        answer = f"The {moved} goes from {first} to {last}: it moves {way}."
        assert asked(example) == [("Which way does it move?", answer), ("What moves?", answer)]
        ways.add(way)
    assert ways == {"left", "right", "up", "down"}


@pytest.mark.parametrize("side", [112, 168])
@pytest.mark.parametrize(("task", "split"), ORDINARY)
def test_pictures_have_their_size_and_their_marks_inside(task, split, side):
    for example in drawn(task, split, 6, side):
        for picture in example.pictures:
            width, height = picture.image.size
            if task in SQUARE:
                assert (width, height) == (side, side)
            lefts, tops, rights, bottoms = zip(*map(box, picture.marks), strict=True)
            assert min(*lefts, *tops) > -1
            assert max(rights) < width + 1
            assert max(bottoms) < height + 1


@pytest.mark.parametrize("side", [112, 168])
@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("task", ["number", "word"])
def test_writing(task, split, side):
    for example in drawn(task, split, 20, side):
        (picture,) = example.pictures
        text = "".join(mark.what for mark in picture.marks)
        assert re.fullmatch(r"[1-9]\d{1,3}" if task == "number" else "[a-z]{3,6}", text)
        assert picture.caption == f"the {task} {text}"
        ((question, answer),) = asked(example)
        numbered = [f"{place} {letter}" for place, letter in enumerate(text, 1)]
        assert answer == (text if task == "number" else " ".join(numbered))
        assert ("number" if task == "number" else "Spell") in question
        # legible: each character has pixels to it, and stands out from the paper
        lefts, tops, rights, bottoms = zip(*map(box, picture.marks), strict=True)
        assert max(b - t for t, b in zip(tops, bottoms, strict=True)) >= 0.06 * side
        assert (max(rights) - min(lefts)) / len(text) >= 0.045 * side
        inside = picture.image.crop((min(lefts), min(tops), max(rights), max(bottoms)))
        darkest, brightest = inside.convert("L").getextrema()
        assert brightest - darkest > 60


@pytest.mark.parametrize("side", [112, 168])
@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("task", ["price", "sum"])
def test_receipts(task, split, side):
    for example in drawn(task, split, 16, side):
        (picture,) = example.pictures
        prices = entries(picture)
        assert 2 <= len(prices) == len(set(prices.values())) <= 4
        assert set(prices) <= set(FOODS)
        assert np.mean([b - t for _, t, _, b in digits(picture)]) >= 0.045 * side
        text = ", ".join(f"{food} {price}" for food, price in prices.items())
        assert picture.caption == f"a receipt: {text}"
        (first, _), *_ = asked(example)
        assert first.startswith("What is the total" if task == "sum" else "What does")
        for question, answer in asked(example):
            if question == "What is the total?":
                assert max(prices.values()) <= 20
                check_working(answer, list(prices.values()))
            elif question == "Read the receipt.":
                assert answer == text
            else:
                food = re.fullmatch(r"What does (\w+) cost\?", question)[1]
                assert answer == f"{food} {prices[food]}"


def check_working(answer, terms):
    """Each step adds the next number to what came out before."""
    total = terms[0]
    for step, term in zip(answer.split(", "), terms[1:], strict=True):
        assert working(step) == (total, "+", term, total + term)
        total += term


def test_training_shows_every_food_with_small_and_large_prices():
    shown = {
        (food, price > 49)
        for example in drawn("price", "train", 400)
        for food, price in entries(*example.pictures).items()
    }
    assert shown == {(food, large) for food in FOODS for large in (False, True)}


def digits(picture):
    return [box(mark) for mark in picture.marks if mark.what.isdigit()]


def legible_height(picture, side):
    """The mean height of a digit in pixels, once squeezed to the encoder's square."""
    return np.mean([b - t for _, t, _, b in digits(picture)]) * side / picture.image.height


def legible_width(picture, side):
    """The same for how far a digit lies from the next."""
    return np.mean([r - left for left, _, r, _ in digits(picture)]) * side / picture.image.width


@pytest.mark.parametrize("side", [112, 168])
@pytest.mark.parametrize("task", DOCUMENTS)
def test_documents_need_their_crops(task, side):
    number_of_crops = set()
    for example in (e for split in SPLITS for e in drawn(task, split, 6, side)):
        (picture,) = example.pictures
        long, short = max(picture.image.size), min(picture.image.size)
        assert (picture.image.width == long) == (task == "wide")
        assert 2.75 <= long / short <= 4.05
        whole, *crops = picture.views(ImageSettings())
        assert whole is picture
        assert [crop.image for crop in crops] == pan_and_scan(picture.image)
        number_of_crops.add(len(crops))
        # Nothing is cut: the crops share the marks out among them, and each holds its own.
        assert sum(len(crop.marks) for crop in crops) == len(picture.marks)
        read = {}
        for crop in crops:
            lefts, tops, rights, bottoms = zip(*map(box, crop.marks), strict=True)
            assert min(*lefts, *tops) > -1
            assert max(rights) < crop.image.width + 1
            assert max(bottoms) < crop.image.height + 1
            assert legible_height(crop, side) >= 7
            read |= entries(crop)
        # Squeezed whole, a character is thinner or flatter than can be read.
        wide, high = legible_width(picture, side), legible_height(picture, side)
        assert wide < 3.6 if task == "wide" else high < 4.6
        assert picture.caption == "a list: " + ", ".join(f"{f} {n}" for f, n in read.items())
        assert 1 <= len(example.conversations) <= 5
        for question, answer in asked(example):
            food = re.fullmatch(r"Which number is next to (\w+)\?", question)[1]
            assert answer == f"{food} {read[food]}"
    assert number_of_crops == {3, 4}


@pytest.mark.parametrize("split", SPLITS)
def test_a_crop_is_read_as_what_it_shows(split):
    for example in drawn("crop", split, 8):
        (picture,) = example.pictures
        shown = ", ".join(" ".join(line) for line in lines(picture))
        assert picture.caption == f"a list: {shown}"
        assert asked(example) == [("Read the list.", shown)]
        assert min(picture.image.size) >= 250
        assert legible_height(picture, 112) >= 7


def test_labels_follow_the_crop():
    (picture,) = drawn("wide", "train")[0].pictures
    for view in picture.views(ImageSettings())[1:]:
        shown = {KINDS[index] for index in view.labels(112, 14)[0]} - {""}
        assert shown <= {mark.what for mark in view.marks}
        assert len(shown) >= 3


def test_labels_of_a_known_picture():
    canvas = Canvas(Image.new("RGB", (40, 40), "white"))
    canvas.polygon([(0, 0), (20, 0), (20, 20), (0, 20)], PALETTE["red"], "square", "red")
    canvas.text((21, 39), "w", "DejaVuSans", 24, (0, 0, 0))
    what, colour = canvas.picture("").labels(40, 20)
    assert [KINDS[index] for index in what] == ["square", "", "", "w"]
    assert [COLOURS[index] for index in colour] == ["red", "", "", ""]
    with pytest.raises(ValueError, match="patch: 15 does not divide side=40"):
        canvas.picture("").labels(40, 15)


def test_shapes():
    for shape in SHAPES:
        points = np.array(outline(shape, 5, 7, 2))
        assert np.abs(points - (5, 7)).max() <= 2.5
        assert np.ptp(points, axis=0).min() > 1.5
        np.testing.assert_allclose(outline(shape, 5, 7, 2, turn=360), points, atol=1e-9)
    with pytest.raises(ValueError, match="shape: 'cube' is unknown"):
        outline("cube", 0, 0, 1)


def test_fonts_are_found_and_inks_stand_out():
    assert [font(name, 20).getname()[0] for name in FONTS] == [
        "DejaVu Sans",
        "DejaVu Sans",
        "DejaVu Sans Mono",
        "DejaVu Serif",
    ]
    for seed in range(30):
        draw = Draw(str(seed), "train")
        paper, ink = ground_and_ink(draw, (4, 4))
        assert contrast(paper.getpixel((0, 0)), ink) > 120
        pale = pale_ground(draw, (4, 4)).getpixel((0, 0))
        assert min(contrast(pale, colour) for colour in PALETTE.values()) > 15


def test_every_task_with_pictures_is_read_here():
    with_pictures = {task for task in TASKS if drawn(task, "train", 1)[0].pictures}
    assert with_pictures == {task for task, _ in ORDINARY}
