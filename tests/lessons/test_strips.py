"""Lesson 13's papers and cuts: what changes in a question, and what does not."""

import numpy as np

from gemma3_edu import Message, load
from gemma3_edu.lessons.strips import about, cut_by, on_strip
from gemma3_edu.prompt.images import Image
from gemma3_edu.train.data.draw import Setting
from gemma3_edu.train.data.mixture import Mixture

NUMBER = Mixture("instruct", "test", setting=Setting(side=280)).of_task("number", 0)


def test_only_the_picture_is_another():
    (asked,) = about([NUMBER], [Image.new("RGB", (7, 5))])
    assert asked.pictures[0].image.size == (7, 5)
    assert (asked.answer, asked.conversations) == (NUMBER.answer, NUMBER.conversations)


def test_a_number_is_in_the_middle_of_its_strip_with_all_its_ink():
    def ink(image):
        grey = np.asarray(image.convert("L"), dtype=float)
        return np.abs(grey - grey[0, 0]) > 60

    strip = ink(on_strip(NUMBER, (1120, 280)))
    assert strip.sum() == ink(NUMBER.pictures[0].image).sum()
    columns = np.flatnonzero(strip.any(0))
    assert abs((columns[0] + columns[-1]) / 2 - 560) <= 5


def test_crops_are_the_boxes_of_what_comes_first():
    _, processor = load("nano-it")
    picture = Image.linear_gradient("L").resize((280, 280)).convert("RGB")

    def halves(width, height):
        return [(0, 0, width, height // 2), (0, height // 2, width, height)]

    def turned(image):
        return image.rotate(180)

    def seen(first=lambda image: image):
        ours = cut_by(processor, halves, first)
        return ours([Message.user(picture, "Which number do you see?")], pan_and_scan=True).images

    plain, upside_down = seen(), seen(turned)
    assert len(plain) == 3
    assert np.allclose(plain[0], upside_down[0])  # the whole is not touched
    assert [float(crop.mean()) > 0 for crop in plain] == [bool(plain[0].mean() > 0), False, True]
    assert [float(crop.mean()) > 0 for crop in upside_down[1:]] == [True, False]
    assert processor.image_settings.crops(picture) == []  # the given one is as it was
