"""The pictures in the package are those that the generators draw."""

import pytest
from PIL import Image, ImageChops

from gemma3_edu.hub.checkpoint import ASSETS
from gemma3_edu.train.data.drawing import SHAPES
from gemma3_edu.train.samples import SAMPLES, main, sample


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_what_the_test_split_draws(name, tmp_path):
    assert main([str(tmp_path)]) == 0
    with Image.open(tmp_path / f"{name}.png") as fresh:
        assert ImageChops.difference(fresh, sample(name).pictures[0].image).getbbox() is None
        with Image.open(ASSETS / "pictures" / f"{name}.png") as shipped:
            # Another FreeType may shade an edge differently.
            extremes = ImageChops.difference(shipped, fresh).getextrema()
    assert max(high for _, high in extremes) < 64


def test_no_file_lies_there_that_nothing_draws():
    assert {file.stem for file in (ASSETS / "pictures").iterdir()} == set(SAMPLES)


def test_names_say_what_is_shown():
    shown = {name: sample(name).pictures[0].caption for name in SAMPLES}
    assert "hearts" in shown["hearts"]
    assert shown["number"].startswith("the number ")
    assert shown["receipt"].startswith("a receipt: ")
    assert len([shape for shape in SHAPES if shape in shown["shapes"]]) > 1
