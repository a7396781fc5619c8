"""What is measured: the rows of a run, the contestants, and the quantities a row gives.

A row is one kind of work on one shape in one dtype. Nothing here imports torch.

>>> [row.name for row in choose(["prefill-270m-*"], every_row())][:2]
['prefill-270m-float32-128', 'prefill-270m-float32-2048']
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

OURS = "gemma3_edu"
COMPILED = f"{OURS} compiled"
IN_SIXES = f"{OURS} compiled in sixes"
KEPT = f"{OURS} compiled, bits kept"
LLAMA = "llama.cpp"
QUANTIZED = ("Q4_0", "Q8_0")  # types of GGUF files; activations are bfloat16
STEPS = 32  # decoded a repetition


@dataclass(frozen=True)
class Contestant:
    """One way to do the work: a library, and in transformers an attention and a chunk size."""

    library: str
    attention: str = "sdpa"
    chunk: int | None = None  # of a prefill; None is the library's default
    compiled: bool = False  # the decode step


@dataclass(frozen=True)
class Variant:
    """One way to run gemma3_edu: with weights in so many bits, with a compiled decode step."""

    bits: int | None = None
    compiled: int | None = None  # so many blocks to a graph
    keep_bits: bool = False  # of a GGUF file's matrices


PACKED = {
    f"{OURS} int8": Variant(bits=8),
    f"{OURS} int4": Variant(bits=4),
    f"{OURS} int8 compiled": Variant(bits=8, compiled=1),
}
VARIANTS = {
    OURS: Variant(),
    COMPILED: Variant(compiled=1),
    IN_SIXES: Variant(compiled=6),
    KEPT: Variant(compiled=1, keep_bits=True),
    **PACKED,
}
CONTESTANTS = {
    **{name: Contestant(name) for name in VARIANTS},  # each has a process of its own
    "transformers sdpa": Contestant("transformers"),
    "transformers eager": Contestant("transformers", "eager"),
    # its way to a prefill in chunks, for prompts that are longer than ours takes at once
    "transformers sdpa in chunks": Contestant("transformers", "sdpa", 1024),
    "transformers compiled": Contestant("transformers compiled", compiled=True),
    LLAMA: Contestant(LLAMA),
}
_BOTH = (OURS, "transformers sdpa", "transformers eager")


@dataclass(frozen=True)
class Quantity:
    """A number that a repetition gives: its name, its unit, and whether more of it is better."""

    name: str
    unit: str
    more_is_better: bool = False


TIME = Quantity("time", "s")
SPEED = Quantity("speed", "tokens/s", more_is_better=True)
PEAK = Quantity("peak memory", "MiB")
CACHE = Quantity("cache", "MiB")
FIRST = Quantity("time to first logits", "s")

# A repetition of these is a process of its own: for the others, one process a library is kept.
IN_FRESH_PROCESSES = ("load", "memory", "long")
QUANTITIES: dict[str, tuple[Quantity, ...]] = {
    "load": (TIME, FIRST, PEAK),
    "prefill": (SPEED,),
    "first-token": (TIME,),
    "decode": (SPEED,),
    "memory": (PEAK, CACHE),
    "tower": (TIME,),
    "long": (SPEED, PEAK, CACHE),
}


@dataclass(frozen=True)
class Row:
    """One line of work. `tokens` is the prompt's length, `steps` how many are decoded after it."""

    kind: str
    size: str
    dtype: str
    tokens: int = 0
    steps: int = 0
    contestants: tuple[str, ...] = _BOTH

    @property
    def name(self) -> str:
        """How the command line and the results call it."""
        parts = [self.kind, self.size, self.dtype, *([str(self.tokens)] if self.tokens else [])]
        return "-".join(parts)

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """What each repetition gives."""
        return QUANTITIES[self.kind]

    @property
    def positions(self) -> int:
        """How many positions the model must have."""
        return self.tokens + self.steps + 1


# The longest prompts leave room for what is decoded after them; nano's context ends at 2,048.
_LENGTHS = {"nano": (128, 1_024), "270m": (128, 2_048, 8_192), "1b": (128, 2_048, 8_192)}
_ALONE = (OURS,)


def _rows_of(size: str, dtype: str) -> list[Row]:
    lengths = _LENGTHS[size]
    rows = [Row("load", size, dtype, contestants=_BOTH[:2])]
    for kind, steps, chosen in [
        ("prefill", 0, lengths),
        ("first-token", 0, lengths[:2]),
        ("decode", STEPS, lengths),
        ("memory", 0, lengths[1:]),
    ]:
        for tokens in chosen:
            chunked = kind in ("prefill", "memory") and tokens > 1024
            names = (*_BOTH, "transformers sdpa in chunks") if chunked else _BOTH
            if kind in ("prefill", "decode"):
                names = (*names, COMPILED)
            if kind == "decode":
                names = (*names, IN_SIXES, "transformers compiled")
            if kind == "decode" and dtype == "bfloat16":
                names = (*names, *PACKED)
            rows.append(Row(kind, size, dtype, tokens, steps, names))
    if size == "270m":
        rows.append(Row("decode", size, dtype, 32_000, STEPS, (OURS, COMPILED)))
    return rows


def every_row() -> list[Row]:
    """All rows, those of one shape and dtype together, so that its weights are made once."""
    dtypes = ("float32", "bfloat16")
    rows = [row for size in _LENGTHS for dtype in dtypes for row in _rows_of(size, dtype)]
    for kind in QUANTIZED:
        for what, tokens, steps in (("prefill", 512, 0), ("decode", 128, STEPS)):
            rows.append(Row(what, "270m", kind, tokens, steps, (OURS, COMPILED, KEPT, LLAMA)))
    rows += [Row("tower", "siglip", dtype) for dtype in dtypes]
    return [*rows, Row("long", "270m", "bfloat16", 131_072, contestants=_ALONE)]


def quick(rows: Sequence[Row]) -> list[Row]:
    """The rows that take minutes in all: nano, and 270M with its shortest prompt."""
    small = {"nano": 1_024, "270m": 128}
    return [
        row for row in rows if row.tokens <= small.get(row.size, -1) and row.dtype not in QUANTIZED
    ]


def comparisons(names: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of which the first is ours: plain and compiled beside others, variants beside plain.

    >>> comparisons(["gemma3_edu", "transformers sdpa", "gemma3_edu int8"])
    [('gemma3_edu', 'transformers sdpa'), ('gemma3_edu int8', 'gemma3_edu')]
    """
    names = list(names)
    return [
        (own, other)
        for own in VARIANTS
        for other in names
        if own in names
        and own != other
        and (other == OURS or (other not in VARIANTS and own not in PACKED))
    ]


def without(left_out: Sequence[str], rows: Sequence[Row]) -> list[Row]:
    """The rows without some contestants, of whom ours is none.

    >>> without(["* eager"], every_row()[:2])[1].contestants
    ('gemma3_edu', 'transformers sdpa', 'gemma3_edu compiled')
    """
    names = [name for name in CONTESTANTS if name != OURS]
    for pattern in left_out:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise ValueError(
                f"without={pattern!r} matches no contestant; those that can be left out are {names}"
            )
    gone = {name for name in names if any(fnmatchcase(name, p) for p in left_out)}
    return [
        replace(row, contestants=tuple(name for name in row.contestants if name not in gone))
        for row in rows
    ]


def choose(patterns: Sequence[str], rows: Sequence[Row]) -> list[Row]:
    """The rows that a pattern names (`*` stands for anything); without one, all but the long.

    >>> [row.name for row in choose(["long-*"], every_row())]
    ['long-270m-bfloat16-131072']
    """
    for pattern in patterns:
        if not any(fnmatchcase(row.name, pattern) for row in rows):
            raise ValueError(
                f"row={pattern!r} matches none of {len(rows)} rows; --list prints them, and "
                "'decode-*' or '*-270m-*' names several"
            )
    if not patterns:
        return [row for row in rows if row.kind != "long"]
    return [row for row in rows if any(fnmatchcase(row.name, p) for p in patterns)]
