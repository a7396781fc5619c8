"""Figures of appendix A2: where each mistake is in the model, and how much harm it does unseen.

>>> [number for room in ROOMS.values() for number in room][:6]
[1, 2, 3, 4, 5, 6]
>>> written(torch.arange(8).view(1, 2, 2, 2), transposed=False).tolist()
[[0, 1, 2, 3], [4, 5, 6, 7]]
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import log10
from typing import Any

import matplotlib.pyplot as plt
import torch
from jaxtyping import Bool
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle
from torch import Tensor

from .alt import listed, with_alt
from .parts import arrow, say

ROOMS = {
    "the way in": {
        1: "<bos> missing, or twice",
        2: "embedding not scaled, or scale rounded",
        3: "rows of no token",
    },
    "norms": {4: "gain w for 1 + w", 5: "cast before the gain", 6: "norms named as in Llama"},
    "attention": {
        7: "heads glued without the transpose",
        8: "query scale of 27B",
        9: "RoPE backwards, or of neighbours",
        10: "one base for all layers",
        11: "factor 8 on the wrong layers",
    },
    "masks": {12: "window off by one", 13: "window ignored, in blocks, everywhere"},
    "MLP": {14: "another curve", 15: "gate and up exchanged"},
    "pictures": {16: "who sees a picture", 17: "soft tokens scaled like words"},
    "cache": {18: "ring written too early", 19: "position asked of a ring"},
    "words": {20: "top-p before temperature", 21: "a forged turn", 22: "no stop at <end_of_turn>"},
}
"""The exhibits by the part of the model that they are in."""

# fmt: off
_PINS = {  # where on the plan; x from 0 to 10, y from 0 to 12
    1: (5.7, 0.55), 21: (6.4, 0.55), 2: (5.7, 1.65), 3: (6.4, 1.65), 17: (0.25, 2.52),
    4: (5.7, 2.95), 5: (6.4, 2.95), 9: (5.0, 3.95), 10: (5.7, 3.95), 11: (6.4, 3.95),
    8: (4.3, 4.95), 12: (5.0, 4.95), 13: (5.7, 4.95), 16: (6.4, 4.95), 7: (6.4, 5.95),
    6: (6.4, 7.85), 14: (5.7, 8.7), 15: (6.4, 8.7), 18: (8.25, 4.05), 19: (8.95, 4.05),
    20: (5.7, 11.4), 22: (6.4, 11.4),
}
# fmt: on
_BOXES = [  # middle, width, words
    (4, 0.55, 5.7, "prompt, with its turns"),
    (4, 1.65, 5.7, "embedding"),
    (4, 2.95, 5.4, "norm"),
    (4, 3.95, 5.4, "QK-norm, RoPE"),
    (4, 4.95, 5.4, "scores, mask"),
    (4, 5.95, 5.4, "heads, o_proj"),
    (4, 6.85, 5.4, "norm"),
    (4, 7.85, 5.4, "norm"),
    (4, 8.7, 5.4, "GeGLU"),
    (4, 9.55, 5.4, "norm"),
    (4, 10.5, 5.7, "final norm, head"),
    (4, 11.4, 5.7, "sampler, stop"),
]
_BLUE, _ORANGE, _GREEN, _GREY = "#CFE3F1", "#F8DDCB", "#CBE7DD", "#EEEEEE"
LEAST = 0.01
"""Less harm than this, in nats a token, is drawn at this, or below it where many are."""
_SLOTS = (-0.13, 0.13, -0.39, 0.39)
_LOST = {
    "few": "at most a tenth of the answers lost",
    "up to half": "at most half of them",
    "more": "more than half",
    "none": "no answer uses a cache",
}


def floor_plan() -> Figure:
    """The decoder on a page, with a numbered pin for each exhibit, and their names."""
    fig, (plan, names) = plt.subplots(
        1, 2, figsize=(9.2, 7.4), layout="constrained", width_ratios=[1.35, 1]
    )
    for ax in (plan, names):
        ax.set_axis_off()
    plan.set(xlim=(-0.4, 10), ylim=(0, 12))
    _box(plan, 3.95, 6.25, 6.4, 7.6, "none", dashed=True)
    say(plan, 7.3, 9.4, "a block,\nmany times", ha="left", size=9)
    for x, y, width, words in _BOXES:
        fill = _BLUE if "norm" in words and "QK" not in words else _GREY
        _box(plan, x, y, width, 0.62, fill)
        say(plan, x - width / 2 + 0.2, y, words, ha="left", size=9.5)
    for (_, low, *_), (_, high, *_) in pairwise(_BOXES):
        arrow(plan, (4, low + 0.31), (4, high - 0.31), "black", 1.0)
    for low, high in [(2.52, 7.36), (7.36, 9.98)]:  # the stream past each branch
        way = [4, 0.98, 0.98, 4], [low, low, high, high]
        plan.plot(*way, color="C0", ls="-", lw=2.4, zorder=1, label="the stream")
        say(plan, 4.3, high, "+", color="C0", weight="bold", size=13)
    _box(plan, 0.25, 2.75, 1.2, 1.0, _GREEN)
    say(plan, 0.25, 3.0, "pictures", size=9)
    arrow(plan, (0.25, 2.25), (1.12, 1.75), "C2", 1.2)
    _box(plan, 8.6, 4.45, 2.3, 1.6, _ORANGE)
    say(plan, 8.6, 4.95, "cache", size=9.5)
    arrow(plan, (7.45, 4.6), (6.75, 4.85), "C1", 1.2)
    plan.scatter(*zip(*_PINS.values(), strict=True), s=190, color="black", label="pins", zorder=5)
    for number, place in _PINS.items():
        plan.text(*place, str(number), color="white", ha="center", va="center", size=8, zorder=6)
    names.set(xlim=(0, 10), ylim=(0, 31))
    line = 30.4
    for room, exhibits in ROOMS.items():
        say(names, 0, line, room, ha="left", weight="bold", size=9.5)
        for number, name in exhibits.items():
            line -= 1
            say(names, 1.1, line, str(number), ha="right", size=9)
            say(names, 1.5, line, name, ha="left", size=9)
        line -= 1.05
    told = "; ".join(f"{listed(room)} at {name}" for name, room in ROOMS.items())
    return with_alt(
        fig,
        "A decoder on a page, from the prompt through embedding, a block of attention and MLP with"
        f" four norms, and head to the sampler, with {len(_PINS)} numbered pins: {told}.",
    )


def _box(
    ax: Axes, x: float, y: float, width: float, height: float, fill: str, dashed: bool = False
) -> None:
    ax.add_patch(
        FancyBboxPatch(
            (x - width / 2, y - height / 2),
            width,
            height,
            boxstyle="round,pad=0,rounding_size=0.12",
            facecolor=fill,
            edgecolor="black",
            linestyle="--" if dashed else "-",
            linewidth=1.0,
            label="block" if dashed else "box",
            zorder=0 if dashed else 3,
        )
    )


def written(heads: Tensor, transposed: bool) -> Tensor:
    """What each token's row holds when the heads, B N T H, are put side by side: T, N * H."""
    return (heads.transpose(1, 2) if transposed else heads).reshape(heads.shape[2], -1)


def glued(tokens: int, heads: int) -> Figure:
    """The rows that o_proj gets, with the transpose and without; a cell is one head's answer."""
    pair = torch.arange(heads * tokens).view(1, heads, tokens, 1)
    fig, axes = plt.subplots(1, 2, figsize=(7.6, 0.36 * tokens + 0.8), layout="constrained")
    shades = ListedColormap(["#CFE3F1", "#F8DDCB", "#CBE7DD", "#EEEEEE", "#F6EFB0", "#E3D3EA"])
    wrong = 0
    for ax, transposed in zip(axes, (True, False), strict=True):
        rows = written(pair, transposed)
        token, head = rows % tokens, rows // tokens
        ax.imshow(token.numpy(), cmap=shades, vmin=0, vmax=5, aspect="auto")
        for row in range(tokens):
            for column in range(heads):
                t, h = int(token[row, column]), int(head[row, column])
                weight = "normal" if t == row else "bold"
                words = f"{t}, head {h}"
                ax.text(column, row, words, ha="center", va="center", size=9, weight=weight)
                wrong += not transposed and t != row
        ax.set_yticks(range(tokens), [f"token {row}" for row in range(tokens)])
        ax.set_xticks([])
        ax.set_title("transposed first" if transposed else "not transposed")
    return with_alt(
        fig,
        f"The rows of {tokens} tokens, {heads} heads each, by token. Transposed first, each row"
        f" holds the answers for its own token; not transposed, {wrong} of {tokens * heads} cells"
        " hold another token's.",
    )


def window_mistakes(tokens: int, window: int) -> dict[str, Tensor]:
    """The mask of a window, and those of three mistakes that plan it otherwise.

    >>> {name: int(mask.sum()) for name, mask in window_mistakes(12, 4).items()}
    {'right': 42, 'W + 1': 50, 'window ignored': 78, 'in blocks': 30}
    """
    query, key = torch.arange(tokens)[:, None], torch.arange(tokens)
    causal = key <= query
    return {
        "right": causal & (query - key < window),
        "W + 1": causal & (query - key < window + 1),
        "window ignored": causal,
        "in blocks": causal & (query // window == key // window),
    }


def bands(masks: Mapping[str, Bool[Tensor, "T S"]], window: int) -> Figure:
    """A panel a mask: dark where the query may see the key; a frame around the first W tokens."""
    fig, axes = plt.subplots(
        1, len(masks), figsize=(2.0 * len(masks), 2.5), layout="constrained", squeeze=False
    )
    right = next(iter(masks.values()))
    told = []
    for ax, (name, mask) in zip(axes[0], masks.items(), strict=True):
        ax.imshow(mask.float().numpy(), cmap=ListedColormap(["white", "#0072B2"]), vmin=0, vmax=1)
        frame = {"fill": False, "edgecolor": "#D55E00", "lw": 2, "label": "first W"}
        ax.add_patch(Rectangle((-0.5, -0.5), window, window, **frame))  # type: ignore[arg-type]
        ax.set_title(name, fontsize=10)
        ax.set_xticks([])
        ax.set_yticks([])
        same = torch.equal(mask[:window, :window], right[:window, :window])
        other = int((mask != right).sum())
        told.append(f"{name}: {other} cells other, {'none' if same else 'some'} among the first")
    axes[0, 0].set_ylabel("query")
    axes[0, 0].set_xlabel("key")
    return with_alt(
        fig,
        f"Masks of {len(right)} tokens with W = {window}, a frame around the first {window}; "
        f"{'; '.join(told)} {window}.",
    )


def harm_and_visibility(found: Mapping[str, Mapping[str, Any]], tests: Sequence[str]) -> Figure:
    """A point a mistake: the first test that catches it, from left to right, and its harm.

    `found` holds, for each mistake, `more`, what it costs in nats a token of prose; `right`, the
    right answers of ten in each task, or None if no task can show it; and `caught`, the test. The
    name of a mistake begins with its number and letter, which are written in the point. It is white
    if the loss is exactly the same.
    """
    fig, ax = plt.subplots(figsize=(9, 4.6), layout="constrained")
    looks = {"few": ("#CFE3F1", "o"), "up to half": ("#F8DDCB", "s"), "more": ("#F09A5B", "D")}
    looks["none"] = ("#DDDDDD", "h")
    points: dict[tuple[str, bool], list[tuple[float, float]]] = {
        (look, moved): [] for look in looks for moved in (True, False)
    }
    for column, test in enumerate(tests):
        rows = [(name, row) for name, row in found.items() if row["caught"] == test]
        free = _SLOTS if len(rows) > 1 else (0.0,)
        taken: list[tuple[float, float]] = []
        for name, row in sorted(rows, key=lambda item: -item[1]["more"]):
            x, y = _place([column + slot for slot in free], max(LEAST, row["more"]), taken)
            taken.append((x, y))
            points[_look(row["right"]), row["more"] != 0].append((x, y))
            ax.text(x, y, name.split()[0], ha="center", va="center", size=7, zorder=6)
    for (look, moved), places in points.items():
        if places:
            colour, marker = looks[look]
            said = _LOST[look] if moved else f"_{_LOST[look]}, and the loss is the same"
            style = {"color": colour if moved else "white", "edgecolor": "black", "s": 190}
            ax.scatter(*zip(*places, strict=True), label=said, marker=marker, zorder=5, **style)  # type: ignore[arg-type]
    ax.axhspan(LEAST / 8, 1.4 * LEAST, color="#F3F3F3", zorder=0, label="_at most 0.01 nats")
    for column in range(1, len(tests)):
        ax.axvline(column - 0.5, color="#BBBBBB", ls="-", lw=0.8, label="_border")
    ax.set_yscale("log")
    ax.set(ylim=(LEAST / 8, 30), xlim=(-0.5, len(tests) - 0.5))
    ax.set_yticks([0.01, 0.1, 1, 10], ["≤ 0.01", "0.1", "1", "10"])
    ax.minorticks_off()
    ax.set_xticks(range(len(tests)), [test.replace(" ", "\n", 1) for test in tests])
    ax.set(ylabel="harm on prose, nats a token", xlabel="the first test that catches it")
    legend = ax.legend(loc="upper right", fontsize=9, markerscale=0.6, labelspacing=0.7)
    legend.set_title("white: this loss cannot show it")
    legend.get_title().set_fontsize(9)
    more = [row["more"] for row in found.values()]
    quiet = sum(0 != harm <= LEAST for harm in more)
    late = sum(row["caught"] != tests[0] for row in found.values())
    return with_alt(
        fig,
        f"{len(found)} mistakes as points, by the first test that catches them and by harm in nats:"
        f" {quiet} cost prose at most {LEAST} nats, {more.count(0)} leave its loss exactly as it is"
        f" and are white, and {late} pass the first test.",
    )


def _look(right: Sequence[int] | None) -> str:
    if right is None:
        return "none"
    lost = 1 - sum(right) / (10 * len(right))
    return "more" if lost > 0.5 else "up to half" if lost > 0.1 else "few"


def _place(
    columns: Sequence[float], y: float, taken: Sequence[tuple[float, float]]
) -> tuple[float, float]:
    """The first place where the point touches none; a quiet one may also go further down."""
    for lower in (0.0, 0.3, 0.6, 0.9) if y <= LEAST else (0.0,):
        for x in columns:
            at = y / 10**lower
            if all(abs(x - a) > 0.2 or abs(log10(at / b)) > 0.28 for a, b in taken):
                return x, at
    return columns[0], y
