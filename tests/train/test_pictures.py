"""Pictures show what they say: answers are worked out anew from marks and pixels."""

import re
import time

import numpy as np
import pytest
from PIL import Image

from gemma3_edu.prompt.images import ImageSettings, pan_and_scan
from gemma3_edu.train.data import clips, documents
from gemma3_edu.train.data.draw import Draw, Setting
from gemma3_edu.train.data.drawing import COLOURS, KINDS, SHAPES, Canvas, font
from gemma3_edu.train.data.mixture import Mixture
from gemma3_edu.train.data.paper import PALETTE, contrast
from gemma3_edu.train.data.pictures import QUESTIONS
from gemma3_edu.train.data.shapes import outline
from gemma3_edu.train.data.words import FOODS

from .reading import box, lines, pairs, things, words

SPLITS = ("train", "test")
SCENES = ("colour", "shape", "count", "position", "presence", "description")
RECEIPTS = ("price", "which", "line", "dearest", "sum")
TABLES = ("cell", "row")
DOCUMENTS = ("wide", "tall")


def examples(*tasks, number=20, side=112):
    """Half of them for training, where there may be several turns, half held out."""
    for task in tasks:
        for split in SPLITS:
            for seed in range(number // 2):
                yield QUESTIONS[task](Draw(f"{task} {seed}", split, Setting(side=side)))


def turns(example):
    """(question, answer) of each turn."""
    for turn in example.turns:
        (question,) = [part for part in turn.question if isinstance(part, str)]
        yield question, turn.answer


def singular(name):
    for ending in ("es", "s", ""):
        if (word := name.removesuffix(ending)) in SHAPES or word == "thing":
            return word
    raise AssertionError(name)


def about_scene(question, seen):
    """The answer by what was seen: colours, shapes and centres."""
    names = [f"{colour} {shape}" for colour, shape, _, _ in seen]
    where = dict(zip(names, seen, strict=True))
    asked = re.findall(rf"(?:{'|'.join(COLOURS[1:])}) (?:{'|'.join(SHAPES)})\b", question)
    if re.match("How many|Count", question):
        wanted = re.search(r"(?:How many|Count the) (?:(\w+) )?(\w+)(?: are| do|\.)", question)
        shape = singular(wanted[2])
        fits = [wanted[1] in (None, c) and shape in (s, "thing") for c, s, _, _ in seen]
        return str(sum(fits))
    if "colour" in question:
        (found,) = {c for c, s, _, _ in seen if re.search(rf"\b{s}\b", question)}
        return found
    if "shape" in question and "this" in question:
        return seen[0][1]
    if "shape" in question:
        (found,) = {s for c, s, _, _ in seen if re.search(rf"\b{c}\b", question)}
        return found
    if re.match("Is there|Do you see", question):
        return "yes" if asked[0] in names else "no"
    if question.startswith("What is"):
        (other,) = asked
        (name,) = set(names) - {other}
        assert relation(where[name], where[other], question)
        return f"the {name}"
    one, other = (where[name] for name in asked)
    if " or " in question:
        (found,) = [
            w
            for w in ("left", "right", "above", "below")
            if w in question and relation(one, other, w)
        ]
        return found
    return "yes" if relation(one, other, question) else "no"


def relation(one, other, words):
    """Whether it is so; the two must lie clearly apart in the direction asked for."""
    across, down = other[2] - one[2], other[3] - one[3]
    way, apart = next(
        (w, d)
        for w, d in {"left": across, "right": -across, "above": down, "below": -down}.items()
        if w in words
    )
    assert abs(apart) > 0.15, way
    return apart > 0


@pytest.mark.parametrize("task", [task for task in SCENES if task != "description"])
def test_scenes(task):
    for example in examples(task, number=60):
        (picture,) = example.pictures
        for question, answer in turns(example):
            if not question.startswith(("Describe", "What is in")):
                assert answer == about_scene(question, things(picture)), question


def test_scenes_are_varied():
    answers = {task: set() for task in SCENES}
    for example in examples(*SCENES, number=100):
        for question, answer in turns(example):
            if re.match("How many|Count", question):
                answers["count"].add(answer)
            elif "or" in question.split():
                answers["position"].add(answer)
            elif "colour" in question:
                answers["colour"].add(answer)
    assert answers["count"] == set("0123456")
    assert answers["position"] == {"left", "right", "above", "below"}
    assert answers["colour"] == set(COLOURS[1:])


def test_captions_of_scenes_count_everything():
    numbers = "a two three four five six".split()
    for example in examples("description", number=60):
        (picture,) = example.pictures
        said = []
        for part in re.split(", | and | left of | above ", picture.caption):
            number, colour, shape = part.split()
            times = 1 + numbers.index({"an": "a"}.get(number, number))
            said += [f"{colour} {singular(shape)}"] * times
        assert sorted(said) == sorted(pairs(picture))
        seen = {f"{c} {s}": (x, y) for c, s, x, y in things(picture)}
        if " left of " in picture.caption or " above " in picture.caption:
            (ax, ay), (bx, by) = (seen[pair] for pair in said)
            assert ax < bx if "left" in picture.caption else ay < by


def test_colours_look_like_their_names():
    """At the middle of a shape, the nearest colour of the palette is the one that it is called."""
    palette = np.array(list(PALETTE.values()))
    for example in examples("colour", number=40):
        (picture,) = example.pictures
        pixels = np.asarray(picture.image, float)
        for mark in picture.marks:
            xs, ys = np.mean(mark.outline, axis=0) if mark.what != "moon" else mark.outline[10]
            x, y = (int(xs), int(ys)) if mark.what != "moon" else (int(xs + 3), int(ys))
            seen = pixels[y - 1 : y + 2, x - 1 : x + 2].mean((0, 1))
            assert list(PALETTE)[np.abs(palette - seen).sum(1).argmin()] == mark.colour


@pytest.mark.parametrize("task", ["number", "word", "letters"])
@pytest.mark.parametrize("side", [112, 168])
def test_writing(task, side):
    for example in examples(task, number=40, side=side):
        (picture,) = example.pictures
        (text,) = words(picture)
        assert picture.image.size == (side, side)
        for question, answer in turns(example):
            if "Spell" in question:
                assert answer == " ".join(text)
            elif "first" in question or "last" in question:
                assert answer == (text[-1] if "last" in question else text[0])
            else:
                assert answer == text
        left, top, right, bottom = zip(*map(box, picture.marks), strict=True)
        assert min(left) > -1
        assert min(top) > -1
        assert max(right) < side + 1
        assert max(bottom) < side + 1
        # legible: each character has pixels to it, and stands out from the paper
        assert max(b - t for t, b in zip(top, bottom, strict=True)) >= 0.06 * side
        assert (max(right) - min(left)) / len(text) >= 0.045 * side
        inside = picture.image.crop((min(left), min(top), max(right), max(bottom))).convert("L")
        darkest, brightest = inside.getextrema()
        assert brightest - darkest > 60
        assert re.fullmatch(r"\d{2,4}" if task == "number" else "[a-z]{3,7}", text)


@pytest.mark.parametrize("side", [112, 168])
def test_receipts(side):
    for example in examples(*RECEIPTS, number=24, side=side):
        (picture,) = example.pictures
        read = [(food, int(price)) for food, price in lines(picture)]
        assert 2 <= len(read) <= 4
        assert {food for food, _ in read} <= set(FOODS)
        prices = dict(read)
        for question, answer in turns(example):
            if re.search("total|sum|in all", question):
                assert int(answer) == sum(prices.values())
                assert max(prices.values()) <= 20
            elif "most" in question:
                assert prices[answer] == max(prices.values())
            elif "Read" in question:
                row = re.search(r"the (\w+) line", question)[1]
                at = {"first": 0, "second": 1, "third": 2, "fourth": 3, "last": -1}[row]
                assert answer == f"{read[at][0]} {read[at][1]}"
            elif costs := re.search(r"costs (\d+)", question):
                assert prices[answer] == int(costs[1])
            else:
                (food,) = [food for food in prices if re.search(rf"\b{food}\b", question)]
                assert int(answer) == prices[food]


@pytest.mark.parametrize("side", [112, 168])
def test_tables(side):
    for example in examples(*TABLES, number=24, side=side):
        (picture,) = example.pictures
        head, *rows = lines(picture)
        columns = [name.upper() for name in head]
        table = {name: dict(zip(columns, row, strict=True)) for name, *row in rows}
        for question, answer in turns(example):
            (row,) = [name for name in table if re.search(rf"\b{name}\b", question)]
            if "Read" in question:
                assert answer.split() == list(table[row].values())
            else:
                column = re.search(r"\b([ABC])\b", question)[1]
                assert answer == table[row][column]


@pytest.mark.parametrize("task", DOCUMENTS)
@pytest.mark.parametrize("side", [112, 168])
def test_documents_need_their_crops(task, side):
    number_of_crops = set()
    for example in examples(task, number=12, side=side):
        (picture,) = example.pictures
        long, short = max(picture.image.size), min(picture.image.size)
        assert (picture.image.width == long) == (task == "wide")
        assert 2.45 <= long / short <= 4.05
        whole, *crops = picture.views(ImageSettings())
        assert whole is picture
        assert [c.image.tobytes() for c in crops] == [
            c.tobytes() for c in pan_and_scan(picture.image)
        ]
        number_of_crops.add(len(crops))
        # Nothing is cut: the crops share the marks out among them, and each holds its own.
        assert sum(len(crop.marks) for crop in crops) == len(picture.marks)
        read = {}
        for crop in crops:
            width, height = crop.image.size
            for left, top, right, bottom in map(box, crop.marks):
                assert left > -1
                assert top > -1
                assert right < width + 1
                assert bottom < height + 1
            assert legible_height(crop, side) >= 7
            read |= dict(lines(crop))
        # Squeezed whole, a character is thinner or flatter than can be read.
        wide, high = legible_width(picture, side), legible_height(picture, side)
        assert wide < 3.6 if task == "wide" else high < 4.6
        for question, answer in turns(example):
            if number := re.search(r"\d+", question):
                assert read[answer] == number[0]
            else:
                (food,) = [food for food in read if re.search(rf"\b{food}\b", question)]
                assert read[food] == answer
    assert number_of_crops == {3, 4}


def digits(picture):
    return [box(mark) for mark in picture.marks if mark.what.isdigit()]


def legible_height(picture, side):
    """The mean height of a digit in pixels, once squeezed to the encoder's square."""
    return np.mean([b - t for _, t, _, b in digits(picture)]) * side / picture.image.height


def legible_width(picture, side):
    """The same for how far a digit lies from the next."""
    return np.mean([r - left for left, _, r, _ in digits(picture)]) * side / picture.image.width


def test_a_crop_has_the_caption_of_what_it_shows():
    for seed in range(12):
        example = documents.crop(Draw(str(seed), SPLITS[seed % 2]))
        (picture,) = example.pictures
        shown = ", ".join(" ".join(line) for line in lines(picture))
        assert picture.caption == example.turns[0].answer == f"a list: {shown}"
        assert min(picture.image.size) >= 250


def test_which_of_two_pictures():
    for example in examples("which_has", "which_more", "which_larger", number=40):
        first, second = example.pictures
        for question, answer in turns(example):
            if "number" in question:
                one, other = (int(*words(p)) for p in (first, second))
                assert one != other
                right = (one > other) == ("larger" in question)
            elif "more" in question:
                shape = singular(question.split()[-1].strip("?"))
                count = [
                    sum(shape in (s, "thing") for _, s, _, _ in things(p)) for p in (first, second)
                ]
                assert count[0] != count[1]
                right = count[0] > count[1]
            else:
                pair = " ".join(question.strip("?").split()[-2:])
                assert (pair in pairs(first)) != (pair in pairs(second))
                right = pair in pairs(first)
            assert answer == ("first" if right else "second"), question


def test_which_way_it_moved():
    ways = set()
    for example in examples("motion", "what_moves", number=40):
        frames = [things(picture) for picture in example.pictures]
        assert len(frames) == clips.FRAMES == 4
        begin, end = ({(c, s): (x, y) for c, s, x, y in frame} for frame in (frames[0], frames[-1]))
        moved = [pair for pair in begin if np.abs(np.subtract(begin[pair], end[pair])).max() > 0.1]
        ((colour, shape),) = moved
        across, down = np.subtract(end[moved[0]], begin[moved[0]])
        sideways = "right" if across > 0 else "left"
        way = sideways if abs(across) > abs(down) else "down" if down > 0 else "up"
        for frame in frames:  # all stays in the picture
            assert all(0.03 < part < 0.97 for _, _, *centre in frame for part in centre)
        for question, answer in turns(example):
            assert answer == (f"the {colour} {shape}" if question == "What moves?" else way)
            assert (
                question == "What moves?" or " it " in question or f"{colour} {shape}" in question
            )
        ways.add(way)
    assert ways == set(clips.WAYS)


def test_labels_are_what_was_drawn():
    """Against a count, pixel by pixel, of the outlines drawn one at a time."""
    side, patch = 56, 14
    for example in examples("colour", "word", "sum", "wide", number=6):
        for picture in example.pictures:
            image = picture.image
            what, colour = picture.labels(side, patch)
            assert what.shape == colour.shape == (16,)
            area = np.zeros((len(picture.marks), 16))
            grid = (np.arange(side) + 0.5) / side
            for number, mark in enumerate(picture.marks):
                inside = contains(
                    mark.outline, *np.meshgrid(grid * image.width, grid * image.height)
                )
                area[number] = inside.reshape(4, patch, 4, patch).sum((1, 3)).ravel()
            for place in range(16):
                by_kind = {}
                for mark, size in zip(picture.marks, area[:, place], strict=True):
                    by_kind[mark.what] = by_kind.get(mark.what, 0) + size
                best = max(by_kind.values())
                if not what[place]:
                    assert best < 0.2 * patch**2
                else:  # Pillow fills pixels that an edge only touches: up to 8 of a small letter
                    assert by_kind[KINDS[what[place]]] >= min(0.7 * best, best - 8)
                    assert best > 2
                is_shape = KINDS[what[place]] in SHAPES
                assert bool(colour[place]) == is_shape


def contains(outline, x, y):
    """Whether points lie in a polygon: a ray from each crosses its edges an odd number of times."""
    inside = np.zeros(x.shape, bool)
    for (ax, ay), (bx, by) in zip(outline, (*outline[1:], outline[0]), strict=True):
        if ay != by:
            crosses = (ay > y) != (by > y)
            inside ^= crosses & (x < ax + (y - ay) * (bx - ax) / (by - ay))
    return inside


def test_labels_follow_the_crop():
    (picture,) = QUESTIONS["wide"](Draw("crop", "train")).pictures
    for view in picture.views(ImageSettings())[1:]:
        what, _ = view.labels(112, 14)
        shown = {KINDS[index] for index in what} - {""}
        assert shown <= {mark.what for mark in view.marks}
        assert len(shown) >= 3


def test_labels_of_a_known_picture():
    canvas = Canvas(Image.new("RGB", (40, 40), "white"))
    canvas.polygon([(0, 0), (20, 0), (20, 20), (0, 20)], PALETTE["red"], "square", "red")
    canvas.text((21, 39), "W", "DejaVuSans", 18, (0, 0, 0))
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
        turned = np.array(outline(shape, 5, 7, 2, turn=360))
        np.testing.assert_allclose(turned, points, atol=1e-9)
    with pytest.raises(ValueError, match="shape: 'cube' is unknown"):
        outline("cube", 0, 0, 1)


def test_fonts_are_found():
    assert font("DejaVuSansMono", 20).getname() == ("DejaVu Sans Mono", "Book")
    assert font("Pillow", 20).getname()[0] == "Aileron"
    assert min(contrast(PALETTE[name], (222, 222, 222)) for name in PALETTE) > 15


@pytest.mark.parametrize("task", QUESTIONS)
def test_the_same_seed_gives_the_same_bytes(task):
    first, second = (QUESTIONS[task](Draw("again", "train")) for _ in range(2))
    assert first == second
    assert [p.image.tobytes() for p in first.pictures] == [
        p.image.tobytes() for p in second.pictures
    ]
    other = QUESTIONS[task](Draw("another", "train"))
    assert [p.image.tobytes() for p in first.pictures] != [
        p.image.tobytes() for p in other.pictures
    ]


def test_throughput(capsys):
    """Printed, not judged: machines differ."""
    began, mixture = time.perf_counter(), Mixture("encoder", "train")
    for index in range(60):
        mixture.example(index)
    rate = 60 / (time.perf_counter() - began)
    with capsys.disabled():
        print(f"\n{rate:.0f} pictures a second")
