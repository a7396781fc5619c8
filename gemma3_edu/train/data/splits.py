"""Which content belongs to training, which to validation, which to the test.

Held-out means *unseen content*, not merely another seed: a number, a word, a sum, a whole scene or
a whole receipt is assigned once, by a hash of what it is, and its split is the same in every run
and on every machine. About eight tenths are for training. What a scene is made of is not held out:
every colour occurs with every shape in training. If red squares never did, the model would learn
that there are none, and be tested on what it has good reason to rule out.

Content is named by a key, `kind:what`, such as `word:river`.

>>> part_of("word:river"), part_of("word:boat"), part_of("word:owl")
('train', 'validation', 'test')
"""

import hashlib

SPLITS = ("train", "validation", "test")


def part_of(key: str) -> str:
    """The split that this content belongs to: 8 in 10 "train", 1 "validation", 1 "test"."""
    # Python's own hash of a str differs from run to run.
    digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
    return SPLITS[max(0, int.from_bytes(digest, "big") % 10 - 7)]


def check_split(split: str) -> None:
    """Raise ValueError for a split that does not exist."""
    if split not in SPLITS:
        raise ValueError(f"split: {split!r} is unknown; choose one of {', '.join(SPLITS)}")
