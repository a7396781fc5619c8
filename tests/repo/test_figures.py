"""The static figures are what their scripts draw, they have words, and what is shown exists."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import make_figures
import pytest
from lessons import ROOT
from make_figures import FIGURES, draw_all, main, out_of_date, users

SCRIPT = '''
import matplotlib.pyplot as plt

TITLE = "Squares & cubes"
ALT = "The square of three is nine, the cube twenty-seven."
LONG = """Two curves over whole numbers from zero to three: the square ends at nine, the cube at
twenty-seven, three times as high."""

def draw():
    fig, ax = plt.subplots()
    ax.plot([0, 1, 2, 3], [0, 1, 4, 9], label="square")
    ax.plot([0, 1, 2, 3], [0, 1, 8, 27], label="cube")
    ax.legend()
    return fig
'''
BOTH_STALE = "manifest.json is out of date: powers.svg, powers.svg is out of date"
BY_HAND = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><text y="9">norm</text></svg>'


def test_the_figures_of_this_repository_are_current():
    if not any((FIGURES / "src").glob("*.py")):
        pytest.skip("figures/src holds no script yet: nothing of this repository was compared")
    assert out_of_date(draw_all(FIGURES), FIGURES) == [], "run `make figures`"


def missing_figures(root: Path) -> set[str]:
    pages = [*root.glob("*.md"), *(root / "notebooks").rglob("*.ipynb")]
    text = "\n".join(page.read_text("utf-8") for page in pages)
    names = set(re.findall(r"figures/([\w-]+\.\w+)", text))
    return {name for name in names if not (root / "figures" / name).exists()}


def test_every_figure_shown_exists():
    assert missing_figures(ROOT) == set()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "figures"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "powers.py").write_text(SCRIPT)
    assert main(["--folder", str(folder)]) == 0
    return folder


def test_drawing_twice_gives_the_same_bytes(folder: Path):
    before = {path.name: path.read_bytes() for path in folder.glob("*.*")}
    assert sorted(before) == ["manifest.json", "powers.png", "powers.svg"]
    assert [picture.svg.encode() for picture in draw_all(folder)] == [before["powers.svg"]]
    assert main(["--folder", str(folder)]) == 0
    assert {path.name: path.read_bytes() for path in folder.glob("*.*")} == before


def test_a_picture_carries_its_words(folder: Path):
    root = ElementTree.parse(folder / "powers.svg").getroot()
    words = [child.text for child in root[:2]]
    assert words[0] == "Squares & cubes"
    assert "twenty-seven, three times" in str(words[1])
    (entry,) = json.loads((folder / "manifest.json").read_text())["figures"]
    assert entry["alt"] == "The square of three is nine, the cube twenty-seven."
    assert "  line 'cube' over 0..3: n=4 first=0 last=27 min=0 max=27 mean=9" in entry["digest"]
    assert ">cube</text>" in (folder / "powers.svg").read_text()  # text stays text


def test_users_are_found(folder: Path):
    (folder.parent / "README.md").write_text("![Squares](figures/powers.svg)")
    assert missing_figures(folder.parent) == set()
    (folder.parent / "MORE.md").write_text("![Cubes](figures/cubes.svg)")
    assert missing_figures(folder.parent) == {"cubes.svg"}
    assert users("powers", folder.parent) == ["README.md"]
    assert users("power", folder.parent) == []
    assert out_of_date(draw_all(folder), folder) == ["manifest.json is out of date: powers.svg"]


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("9]", "8]", BOTH_STALE),
        ('"cube"', '"third"', BOTH_STALE),
        ("The square of", "Square of", "manifest.json is out of date: powers.svg"),
        ("subplots()", "subplots(figsize=(3, 3))", "powers.svg is out of date"),
    ],
)
def test_a_changed_script_makes_its_figure_stale(folder: Path, old: str, new: str, complaint: str):
    assert old in SCRIPT
    (folder / "src" / "powers.py").write_text(SCRIPT.replace(old, new))
    assert ", ".join(out_of_date(draw_all(folder), folder)) == complaint
    assert main(["--check", "--folder", str(folder)]) == 1
    assert main(["--folder", str(folder)]) == 0
    assert main(["--check", "--folder", str(folder)]) == 0


def test_a_file_without_script_and_a_missing_picture_are_reported(folder: Path):
    (folder / "powers.png").unlink()
    (folder / "old.svg").write_text(BY_HAND)
    told = out_of_date(draw_all(folder), folder)
    assert told[0] == "powers.png is missing"
    assert told[1] == "old.svg has no script in src/; delete it or write one"


def test_another_matplotlib_compares_words_and_digests_only(folder: Path, monkeypatch):
    monkeypatch.setattr(make_figures.matplotlib, "__version__", "4.0")
    (folder / "powers.svg").write_text("moved a label")
    assert out_of_date(draw_all(folder), folder) == []


def test_svg_text_is_kept_and_gets_its_words(folder: Path):
    script = SCRIPT.split("def draw")[0] + f"def draw():\n    return {BY_HAND!r}\n"
    (folder / "src" / "powers.py").unlink()
    (folder / "src" / "block.py").write_text(script)
    (picture,) = draw_all(folder)
    assert picture.png is None
    assert '<text y="9">norm</text>' in picture.svg
    assert "<title>Squares &amp; cubes</title>" in picture.svg


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ALT = ", "NONE = ", "powers.py: ALT needs 6 words or more"),
        ("LONG = ", "NONE = ", "powers.py: LONG needs 15 words or more"),
        ("return fig", "return 3", "powers.py: draw() gave int"),
        ("return fig", "return 'no picture'", "without an <svg> element"),
    ],
)
def test_a_script_without_words_is_refused(folder: Path, old: str, new: str, message: str):
    (folder / "src" / "powers.py").write_text(SCRIPT.replace(old, new))
    with pytest.raises(ValueError, match=re.escape(message)):
        draw_all(folder)
