"""The digest of a figure: a few lines of text that change when what is drawn changes.

Notebook checkers never compare pixels, and a reader without the picture needs the numbers anyway.
One text serves both. It is a summary: a curve keeps its count, first, last, extremes and mean, so
a swap of two points inside it passes; what matters that much is stated by a verdict as well.

>>> fig = Figure()
>>> ax = fig.subplots()
>>> _ = ax.plot([1, 2, 3], [2, 4, 9], label="cache")
>>> _ = ax.imshow([[1, 0, 0], [1, 1, 0]])
>>> print(describe(fig))
axes 0 '' x='' linear y='' linear
  line 'cache' over 1..3: n=3 first=2 last=9 min=2 max=9 mean=5
  image mask
    #..
    ##.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.category import StrCategoryLocator
from matplotlib.collections import LineCollection, PathCollection, PolyCollection, QuadMesh
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, ScalarFormatter

_MASK_CELLS = 400  # a mask of at most this many cells is written out


def describe(fig: Figure) -> str:
    """The digest: one block for each axes, naming its title, labels and scales, then what it holds.

    Whole numbers are exact, other numbers have three significant digits, and values under a
    millionth of their series' range print as 0, so that rounding noise does not show.
    ValueError if an axes holds an artist that has no words here, or if nothing is drawn at all.
    """
    lines, title = [], fig.get_suptitle()
    for number, ax in enumerate(_all_axes(fig)):
        if ax.get_label() == "<colorbar>":
            low, high = ax.get_ylim()
            name = ax.get_ylabel() or ax.get_xlabel()
            lines.append(f"axes {number} colour bar {name!r} {_span(low, high)}")
            continue
        lines.append(
            f"axes {number} {ax.get_title()!r} x={ax.get_xlabel()!r} {ax.get_xscale()}"
            f" y={ax.get_ylabel()!r} {ax.get_yscale()}"
        )
        lines += [f"  {line}" for line in _contents(ax, number)]
    if not any(line.startswith("  ") for line in lines):
        raise ValueError("fig is empty: draw something that can be put in words before showing it")
    return "\n".join([f"title {title!r}"] * bool(title) + lines)


def _all_axes(fig: Figure) -> Iterator[Axes]:
    for ax in fig.axes:
        yield ax
        # insets, which a figure does not list
        yield from (child for child in ax.child_axes if isinstance(child, Axes))


def _contents(ax: Axes, number: int) -> Iterator[str]:
    if ax.name == "3d":
        raise ValueError(f"axes {number} is three-dimensional: depth is read wrongly; draw slices")
    for axis in (ax.xaxis, ax.yaxis):
        names = _tick_names(axis)
        if names:
            yield f"{axis.axis_name} ticks {' | '.join(names)}"
    bars = [c for c in ax.containers if isinstance(c, BarContainer)]
    for bar in bars:
        yield f"bars {bar.get_label()!r}: {_series(bar.datavalues)}"
    in_bars = {id(patch) for bar in bars for patch in bar}
    for artist in [*ax.lines, *ax.collections, *ax.images, *ax.tables, *ax.artists]:
        yield from _words(artist, number)
    shapes: dict[tuple[str, str], list[Any]] = {}  # a diagram of forty boxes is one entry
    for patch in ax.patches:
        if id(patch) not in in_bars:
            corners = patch.get_patch_transform().transform_path(patch.get_path()).vertices
            kind = type(patch).__name__.lower(), repr(patch.get_label())
            shapes.setdefault(kind, []).append(corners)
    for (name, label), pieces in shapes.items():
        yield from _outline(name, label, pieces)
    if ax.texts:
        yield f"text {' | '.join(text.get_text() for text in ax.texts)}"


def _tick_names(axis: Axis) -> list[str]:
    """Tick labels an author wrote; those that matplotlib makes from numbers say nothing new."""
    locator, formatter = axis.get_major_locator(), axis.get_major_formatter()
    named = isinstance(locator, (FixedLocator, StrCategoryLocator))
    if not named or isinstance(formatter, ScalarFormatter):
        return []
    return [name for name in formatter.format_ticks(list(axis.get_majorticklocs())) if name]


def _words(artist: Artist, number: int) -> Iterator[str]:
    label = repr(artist.get_label())
    if isinstance(artist, Line2D):
        x, y = (np.asarray(v, dtype=float) for v in artist.get_data(orig=False))
        drawn = np.asarray(artist.get_ydata())  # as given: whole numbers stay whole
        span = f" over {_span(x[0], x[-1])}" if len(x) else ""
        yield f"line {label}{span}: {_series(drawn if drawn.dtype.kind in 'biuf' else y)}"
    elif isinstance(artist, PathCollection):
        offsets: np.ndarray = np.ma.asarray(artist.get_offsets())
        for name, values in [("x", offsets[:, 0]), ("y", offsets[:, 1])]:
            yield f"points {label} {name}: {_series(values)}"
        if artist.get_array() is not None:
            yield f"points {label} colour: {_series(artist.get_array())}"
    elif isinstance(artist, (QuadMesh, AxesImage)):
        yield f"image {_image(artist.get_array())}"
    elif isinstance(artist, (LineCollection, PolyCollection)):
        kind = "segments" if isinstance(artist, LineCollection) else "area"
        yield from _outline(kind, label, [path.vertices for path in artist.get_paths()])
    else:
        raise ValueError(
            f"axes {number} holds a {type(artist).__name__}, which has no words here; draw with"
            " plot, step, bar, scatter, imshow, pcolormesh, fill_between, vlines or patches"
        )


def _outline(kind: str, label: str, pieces: list[Any]) -> Iterator[str]:
    corners = np.concatenate([np.empty((0, 2)), *pieces])
    for name, values in [("x", corners[:, 0]), ("y", corners[:, 1])]:
        yield f"{kind} {label} {name}: {_series(values)}"


def _finite(values: Any) -> np.ndarray:
    """Floats, with everything masked or infinite as NaN."""
    plain = np.ma.filled(np.ma.asarray(values).astype(float), np.nan)
    return np.where(np.isfinite(plain), plain, np.nan)


def _span(first: float, last: float) -> str:
    noise = 1e-6 * max(abs(first), abs(last))
    return f"{_number(first, noise)}..{_number(last, noise)}"


def _number(value: float, noise: float) -> str:
    """Three significant digits; 0 for what is only rounding noise, and never -0."""
    return f"{0.0 if abs(value) <= noise else value:.3g}"


def _series(values: Any) -> str:
    whole = np.ma.asarray(values).dtype.kind in "biu"
    numbers = _finite(values).ravel()
    numbers = numbers[np.isfinite(numbers)]
    if not numbers.size:
        return "n=0"
    noise = 1e-6 * np.abs(numbers).max()
    told = [f"n={numbers.size}"]
    for name, value in [
        ("first", numbers[0]),
        ("last", numbers[-1]),
        ("min", numbers.min()),
        ("max", numbers.max()),
        ("mean", numbers.mean()),
    ]:
        exact = whole and name != "mean"
        told.append(f"{name}={int(value) if exact else _number(value, noise)}")
    return " ".join(told)


def _image(values: Any) -> str:
    pixels = _finite(values)
    if pixels.ndim == 2 and pixels.size <= _MASK_CELLS and np.isin(pixels, (0.0, 1.0)).all():
        return "\n    ".join(["mask", *("".join(".#"[int(x)] for x in row) for row in pixels)])
    # The centre of weight moves when a picture is transposed or flipped; the statistics do not.
    weight = np.abs(pixels) if np.isfinite(pixels).all() else np.isfinite(pixels)
    weight = weight.reshape(*pixels.shape[:2], -1).sum(-1)
    total = weight.sum() or 1.0
    row, column = (float((weight * place).sum() / total) for place in np.indices(weight.shape))
    return f"shape={pixels.shape} {_series(values)} centre=({row:.1f}, {column:.1f})"
