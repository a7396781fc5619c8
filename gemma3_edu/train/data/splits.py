"""Which content belongs to training, which to validation, which to the test.

Held-out means *unseen content*, not merely another seed: a number, a word, a sum, a pair of colour
and shape is assigned once, by a hash of what it is, and its split is the same in every task, run
and machine. About eight tenths are for training.

Content is named by a key, `kind:what`, such as `word:river` or `pair:red star`.

>>> part_of("word:river"), part_of("word:boat"), part_of("word:owl")
('train', 'validation', 'test')
"""

import functools
import hashlib

SPLITS = ("train", "validation", "test")


def part_of(key: str) -> str:
    """The split that this content belongs to: 8 in 10 "train", 1 "validation", 1 "test"."""
    # Python's own hash of a str differs from run to run.
    digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
    return SPLITS[max(0, int.from_bytes(digest, "big") % 10 - 7)]


def may_show(key: str, split: str) -> bool:
    """Whether content may appear, beside what is asked, in examples of a split.

    Training shows nothing held out. A held-out example asks about content of its own split, amid
    things that may also be known from training.
    """
    return part_of(key) in ("train", split)


@functools.cache
def members(kind: str, items: tuple[str, ...], split: str) -> tuple[str, ...]:
    """Those of `items` that may be shown in a split, in their order.

    >>> members("word", ("river", "boat", "owl"), "test")
    ('river', 'owl')
    """
    check_split(split)
    found = tuple(item for item in items if may_show(f"{kind}:{item}", split))
    if not found:
        raise ValueError(
            f"items: none of these {len(items)} of kind {kind!r} may be shown in {split!r}; give "
            "more of them"
        )
    return found


def check_split(split: str) -> None:
    """Raise ValueError for a split that does not exist."""
    if split not in SPLITS:
        raise ValueError(f"split: {split!r} is unknown; choose one of {', '.join(SPLITS)}")
