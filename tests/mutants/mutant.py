"""One known mistake, as an edit of one file."""

from dataclasses import dataclass

PARITY = "parity/test_logits.py::test_float32"


@dataclass(frozen=True)
class Mutant:
    """Put `new` in the place of `old`, which stands once in `file`; `tests` must then fail.

    `tests` are what pytest takes, below tests/, divided by spaces.
    """

    name: str
    file: str
    old: str
    new: str
    tests: str

    def applied(self, source: str) -> str:
        """The file's text with the mistake in it; ValueError where the text has moved on."""
        if source.count(self.old) != 1:
            raise ValueError(
                f"mutant {self.name!r}: the old text stands {source.count(self.old)} times in "
                f"{self.file}, not once; bring it up to date"
            )
        if self.old == self.new:
            raise ValueError(f"mutant {self.name!r} changes nothing")
        return source.replace(self.old, self.new)
