"""Figures of the cache: what a ring holds over time, and bytes against context.

Blue and solid is a model whose layers are all global, vermilion and dashed one with windows; open
circles are measured on a `KVCache`.

>>> from gemma3_edu.model.presets import PRESETS
>>> text = PRESETS["27b"].text
>>> bytes_of(text, [1024, 131_072]), bytes_of(with_pattern(text, local=0), [1024, 131_072])
([520093696, 11173625856], [520093696, 66571993088])
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...model.cache import KVCache
from ...model.config import AttentionType, TextConfig, layer_pattern
from ...model.layout import TokenLayout
from ...study import cost
from .alt import listed, with_alt

CONTEXTS = [2**n for n in range(10, 18)]  # 1K to 128K
_UNITS = {1e6: "1 MB", 1e7: "10 MB", 1e8: "100 MB", 1e9: "1 GB", 1e10: "10 GB", 1e11: "100 GB"}
# Of five sizes in one panel; all of them differ in line style or marker as well as in colour.
_SIZE_LOOKS = [
    ("C3", ":", ""),
    ("C0", "-", ""),
    ("C1", "--", ""),
    ("C2", "-.", ""),
    ("C3", "-", "o"),
]


def with_pattern(text: TextConfig, local: int, window: int | None = None) -> TextConfig:
    """The same model with `local` local layers before each global one; 0 makes all global.

    >>> from gemma3_edu.model.presets import PRESETS
    >>> [kind.name[0] for kind in with_pattern(PRESETS["tiny-text"].text, local=2).layer_types]
    ['L', 'L', 'G', 'L', 'L', 'G', 'L']
    """
    kinds = layer_pattern(text.num_hidden_layers, local + 1)
    return replace(text, layer_types=kinds, sliding_window=window or text.sliding_window)


def bytes_of(text: TextConfig, contexts: Sequence[int], batch_size: int = 1) -> list[int]:
    """By formula, in bfloat16."""
    return [cost.cache_bytes(text, context, batch_size) for context in contexts]


def measured(text: TextConfig, contexts: Sequence[int]) -> list[int]:
    """By laying the cache out, in bfloat16, on torch's meta device: shapes without memory."""
    return [
        KVCache(text, max_length=context, dtype=torch.bfloat16, device="meta").nbytes
        for context in contexts
    ]


def slots_over_time(held: Mapping[str, Sequence[Sequence[int]]], window: int) -> Figure:
    """One panel a cache: which column (the number) each slot holds after each step; -1 is empty.

    `held` maps a name to a list of steps, each a list of slots. Darker is newer, what is `window`
    or more columns old is grey, and bold is what the step wrote.
    """
    heights = [max(len(step) for step in steps) for steps in held.values()]
    fig, axes = plt.subplots(
        len(held),
        1,
        figsize=(7, 0.26 * sum(heights) + 0.85 * len(held)),
        layout="constrained",
        height_ratios=heights,
        squeeze=False,
    )
    for ax, (name, steps) in zip(axes[:, 0], held.items(), strict=True):
        _slots(ax, name, steps, window)
    told = [f"{name} holds {listed(steps[-1])}" for name, steps in held.items()]
    return with_alt(
        fig,
        "Slots by steps, each with the number of the column it holds, the newest in bold. At the"
        f" end {'; '.join(told)}.",
    )


def _slots(ax: Axes, name: str, steps: Sequence[Sequence[int]], window: int) -> None:
    count = max(len(step) for step in steps)
    table = np.array([[*step, *[-1] * (count - len(step))] for step in steps]).T  # slots, steps
    newest = table.max(0)
    age = np.minimum(newest - table, window)
    shown = np.ma.masked_where(table < 0, age)
    hues = plt.get_cmap("cividis").with_extremes(over="0.88")
    ax.pcolormesh(shown, cmap=hues, vmin=0, vmax=window - 1, edgecolors="white", linewidth=0.6)
    before = np.concatenate([[-1], newest[:-1]])
    for slot, step in zip(*np.nonzero(table >= 0), strict=True):
        column, old = table[slot, step], age[slot, step] >= window / 2
        ax.text(
            step + 0.5,
            slot + 0.5,
            str(column),
            color="black" if old else "white",
            weight="bold" if column > before[step] else "normal",
            ha="center",
            va="center",
            fontsize=10,
        )
    ax.set(title=name, xlabel="columns written", ylabel="slot", ylim=(count, 0))
    ax.set_xticks([n + 0.5 for n in range(len(steps))], [str(n + 1) for n in newest])
    ax.set_yticks([n + 0.5 for n in range(count)], [str(n) for n in range(count)])
    ax.tick_params(length=0)


def slots_while_reading(text: TextConfig, count: int) -> dict[str, list[list[int]]]:
    """The token in each slot of a local and a global layer after each of `count` tokens."""
    cache = KVCache(text, max_length=count, device="cpu")
    names = {AttentionType.LOCAL: "a local layer", AttentionType.GLOBAL: "a global layer"}
    held: dict[str, list[list[int]]] = {name: [] for name in names.values()}
    for position in range(count):
        token = TokenLayout(torch.tensor([[position]]), torch.tensor([[0]]))
        for kind, layout in cache.begin(token).items():
            held[names[kind]].append(layout.position[0].tolist())
        cache.commit(token)
    return held


def slots_by_token(held: Mapping[str, Sequence[Sequence[int]]]) -> Figure:
    """As `slots_over_time`, without numbers, for many slots: the token in each, as a colour.

    All panels have one scale, so that areas may be compared. White is a slot not used yet, and
    grey where a cache has no more slots.
    """
    most = max(len(step) for steps in held.values() for step in steps)
    fig, axes = plt.subplots(
        1, len(held), figsize=(7, 3.3), layout="constrained", sharey=True, squeeze=False
    )
    told = []
    for ax, (name, steps) in zip(axes[0], held.items(), strict=True):
        table = np.full((max(map(len, steps)), len(steps)), np.nan)  # slots, steps
        for n, step in enumerate(steps):
            table[: len(step), n] = step
        hues = plt.get_cmap("cividis").with_extremes(bad="white")
        shades = ax.imshow(table, cmap=hues, vmin=0, vmax=most - 1, aspect="auto")
        ax.set(title=name, xlabel="tokens read", ylim=(most - 0.5, -0.5), facecolor="0.88")
        if len(table) < most:
            ax.text(len(steps) / 2, (most + len(table)) / 2, "no more slots", ha="center")
        else:
            ax.text(0.28, 0.25, "not used yet", transform=ax.transAxes, ha="center")
        told.append(f"{name} in the end holds tokens {min(steps[-1])} to {max(steps[-1])}")
    axes[0, 0].set_ylabel("slot")
    fig.colorbar(shades, ax=axes).set_label("the token in the slot")
    return with_alt(fig, f"Slots against tokens read, a colour for each token: {'; '.join(told)}.")


def bytes_against_context(sizes: Mapping[str, TextConfig]) -> Figure:
    """A panel for each size: all layers global, and the model's own pattern; then the saving.

    Lines are the formula, circles what a `KVCache` laid out for that many tokens takes. Grey is
    past the context that a size is made for.
    """
    fig, axes = plt.subplots(2, 3, figsize=(7, 4.7), layout="constrained", sharex=True)
    panels = list(axes.flat)
    for ax, (name, text) in zip(panels, sizes.items(), strict=False):
        _two_curves(ax, text, with_pattern(text, local=0), CONTEXTS)
        for model, colour in [(with_pattern(text, local=0), "C0"), (text, "C1")]:
            found = measured(model, CONTEXTS)
            ax.plot(CONTEXTS, found, "o", color=colour, mfc="white", ms=4, label="measured")
        if text.max_position_embeddings < CONTEXTS[-1]:
            ax.axvspan(text.max_position_embeddings, CONTEXTS[-1] * 1.5, color="0.9", zorder=0)
        ax.set(title=name, ylim=(6e6, 2e11))
        label_bytes(ax, [1e7, 1e8, 1e9, 1e10, 1e11])
    for ax in panels[1:3] + panels[4:5]:
        ax.set_yticklabels([])
    _savings(panels[5], sizes)
    label_contexts(panels[5])
    handles = [panels[0].lines[0], panels[0].lines[1], panels[0].lines[2]]
    names = ["all global", "5 local : 1 global", "measured"]
    fig.legend(handles, names, loc="outside upper center", ncols=3)
    fig.supxlabel("context, tokens", fontsize=10)
    saved = [
        [
            bytes_of(with_pattern(text, 0), [n])[0] / bytes_of(text, [n])[0]
            for text in sizes.values()
        ]
        for n in (CONTEXTS[0], CONTEXTS[-1])
    ]
    first, last = (f"{min(times):.1f} to {max(times):.1f}" for times in saved)
    return with_alt(
        fig,
        f"Cache bytes against context in {len(sizes)} panels, log-log: all global rises straight,"
        f" 5:1 bends from the window on; the last panel shows the saving, {first} times at 1K"
        f" tokens and {last} times at 128K.",
    )


def _two_curves(
    ax: Axes, mixed: TextConfig, plain: TextConfig, contexts: Sequence[int], batch_size: int = 1
) -> None:
    ax.plot(contexts, bytes_of(plain, contexts, batch_size), "C0-", lw=1.6, label="all global")
    ax.plot(contexts, bytes_of(mixed, contexts, batch_size), "C1--", lw=1.6, label="with windows")
    ax.set(xscale="log", yscale="log")
    ax.minorticks_off()


def _savings(ax: Axes, sizes: Mapping[str, TextConfig]) -> None:
    for (name, text), (colour, style, marker) in zip(sizes.items(), _SIZE_LOOKS, strict=False):
        plain = bytes_of(with_pattern(text, local=0), CONTEXTS)
        times = [a / b for a, b in zip(plain, bytes_of(text, CONTEXTS), strict=True)]
        ax.plot(CONTEXTS, times, color=colour, ls=style, marker=marker, ms=3, lw=1.4, label=name)
    ax.set(title="times smaller", xscale="log", ylim=(0.8, 7))
    ax.yaxis.tick_right()
    ax.set_yticks([1, 2, 3, 4, 5, 6])
    ax.legend(handlelength=2.0, borderpad=0.2, labelspacing=0.1, loc="lower right", frameon=False)


def label_contexts(ax: Axes) -> None:
    """Ticks in K, 1,024 tokens, on an axis of contexts."""
    ax.minorticks_off()
    ax.set_xticks([1024, 8192, 32_768, 131_072], ["1K", "8K", "32K", "128K"])
    ax.set_xlim(CONTEXTS[0] / 1.4, CONTEXTS[-1] * 1.4)


def label_bytes(ax: Axes, ticks: Sequence[float]) -> None:
    """Ticks in MB and GB at these powers of ten."""
    ax.set_yticks(ticks, [_UNITS[tick] for tick in ticks])


def saved_by_windows(name: str, text: TextConfig, weights: int) -> Figure:
    """The bytes of one size, with windows and without, and how many times smaller they are.

    `weights` are the bytes of that size's parameters, drawn as a line. On the right the contexts
    double, and a line is the limit that the saving approaches.
    """
    fig, (ax, right) = plt.subplots(
        1, 2, figsize=(7, 3.5), layout="constrained", width_ratios=[1.5, 1]
    )
    contexts = [CONTEXTS[0], *range(16_384, CONTEXTS[-1] + 1, 16_384)]  # evenly, as the axis is
    curves = {"all layers global": with_pattern(text, local=0), "with windows": text}
    sizes = [[b / 1e9 for b in bytes_of(model, contexts)] for model in curves.values()]
    for label, gigabytes, look in zip(curves, sizes, ("C0-", "C1--"), strict=True):
        ax.plot(contexts, gigabytes, look, label=label)
    circles = [found / 1e9 for found in measured(text, contexts)]
    ax.plot(contexts, circles, "C1o", mfc="white", ms=6, label="measured")
    ax.axhline(weights / 1e9, color="black", ls="-.", lw=1.2, label="weights of the model")
    ax.set(title=f"the cache of {name}", xlabel="context, tokens", ylabel="GB", ylim=(0, 95))
    ax.set_xlim(0, CONTEXTS[-1] * 1.03)
    ax.set_xticks([1024, 32_768, 65_536, 131_072], ["1K", "32K", "64K", "128K"])
    ax.legend(loc="upper left", frameon=False, fontsize=9)
    pairs = zip(*(bytes_of(model, CONTEXTS) for model in curves.values()), strict=True)
    saved = [above / below for above, below in pairs]
    right.plot(CONTEXTS, saved, "C2-", marker="s", ms=4, label="saved")
    limit = text.num_hidden_layers / text.layer_types.count(AttentionType.GLOBAL)
    right.axhline(limit, color="black", ls=":", lw=1.4, label="limit")
    right.text(CONTEXTS[0], limit + 0.12, f"{limit:.1f}", va="bottom")
    right.set(title="times smaller", xlabel="context, tokens", xscale="log", ylim=(0, 7))
    label_contexts(right)
    ends = [listed(f"{each[n]:.2f} GB" for n in (0, -1)) for each in sizes]
    times = listed(f"{each:.1f}" for each in saved[-3:])
    return with_alt(
        fig,
        f"The cache of {name} at 1K and 128K tokens: {ends[0]} if all layers are global, {ends[1]}"
        f" with windows, which is {times} times smaller at 32K, 64K and 128K, below a"
        f" line at {limit:.1f}; the weights take {weights / 1e9:.1f} GB.",
    )


def size_table(
    sizes: Mapping[str, TextConfig], formula: Callable[[TextConfig, int], int], context: int
) -> str:
    """A line a size: what the cache depends on, and its gigabytes at `context` tokens."""
    lines = [f"size  local global      W   K    H   {context:,} tokens   without windows"]
    for name, text in sizes.items():
        local = text.layer_types.count(AttentionType.LOCAL)
        now, without = (formula(t, context) / 1e9 for t in (text, with_pattern(text, local=0)))
        lines.append(
            f"{name:>4} {local:>6} {text.num_hidden_layers - local:>6} {text.sliding_window:>6,}"
            f" {text.num_key_value_heads:>3} {text.head_dim:>4} {now:>12.2f} GB {without:>14.2f} GB"
        )
    return "\n".join(lines)
