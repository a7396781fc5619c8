"""Alternative texts: a figure carries the words for what there is to see on it.

They are written by the function that draws the figure, and not in a notebook's cell, where they
would answer the question that the reader has been asked about the picture. The functions take them
from the numbers they draw wherever these are the caller's.

>>> alt_of(with_alt(Figure(), "The square of three is nine, the cube twenty-seven."))
'The square of three is nine, the cube twenty-seven.'
"""

from collections.abc import Iterable

from matplotlib.figure import Figure

FEWEST_WORDS = 6


def with_alt(fig: Figure, alt: str) -> Figure:
    """The same figure, carrying `alt`, which says what there is to see, with a number.

    ValueError if `alt` has fewer than six words.
    """
    if len(alt.split()) < FEWEST_WORDS:
        raise ValueError(f"alt={alt!r} is too short: say in six words or more what there is to see")
    fig.set_label(" ".join(alt.split()))  # on one line, as a caption is
    return fig


def alt_of(fig: Figure) -> str:
    """The words a figure carries; ValueError if it carries none."""
    if not (alt := str(fig.get_label())):
        raise ValueError("fig carries no alternative text: give it one by with_alt(fig, alt=...)")
    return alt


def listed(items: Iterable[object]) -> str:
    """The items as one says them.

    >>> listed([16]), listed([16, 1024]), listed("ABC")
    ('16', '16 and 1024', 'A, B and C')
    """
    *first, last = map(str, items)
    return f"{', '.join(first)} and {last}" if first else last
