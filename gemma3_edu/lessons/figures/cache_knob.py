"""The knobs of lesson 08: what a cache takes when pattern, window, batch or precision change.

>>> Setting().bytes_at(32_768), Setting(local=0).bytes_at(32_768)
(3120562176, 16642998272)
"""

from dataclasses import dataclass

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...model.presets import PRESETS
from ...study import cost
from .cache import CONTEXTS, label_bytes, label_contexts, with_pattern


@dataclass(frozen=True)
class Setting:
    """What the knobs are set to; `local` layers stand before each global one."""

    size: str = "27b"
    local: int = 5
    window: int = 1024
    context: int = 32_768
    batch: int = 1
    bytes_per_value: int = 2

    def bytes_at(self, context: int, local: int | None = None) -> int:
        """Bytes of the cache for that many tokens; `local` asks for another pattern."""
        text = PRESETS[self.size].text
        text = with_pattern(text, self.local if local is None else local, self.window)
        return cost.cache_bytes(text, context, self.batch, self.bytes_per_value)


def what_if(*settings: Setting) -> Figure:
    """A panel for each setting: its curve, that of all layers global, and its own cache.

    The widget's callback: with one setting, one panel.
    """
    rows, across = (len(settings) + 1) // 2, min(2, len(settings))
    size = (7.0, 2.5 * rows + 0.4) if across > 1 else (6.4, 3.6)
    fig, axes = plt.subplots(rows, across, figsize=size, squeeze=False, sharex=True, sharey=True)
    # By hand: the automatic layout draws everything twice, too slow under a slider.
    fig.subplots_adjust(
        left=0.72 / size[0],
        right=0.98,
        bottom=0.5 / size[1],
        top=1 - 0.62 / size[1],
        hspace=0.2,
        wspace=0.05,
    )
    for ax, setting in zip(axes.flat, settings, strict=False):
        _what_if(ax, setting)
        ax.label_outer()
    curves = [line for line in axes[0, 0].lines if line.get_label() != "here"]
    fig.legend(handles=curves, loc="upper center", ncols=3, frameon=False)
    return fig


def _what_if(ax: Axes, setting: Setting) -> None:
    for local, look, name in [(0, "C0-", "all global"), (setting.local, "C1--", "with windows")]:
        sizes = [setting.bytes_at(context, local) for context in CONTEXTS]
        ax.plot(CONTEXTS, sizes, look, label=name)
    here = setting.bytes_at(setting.context)
    times = setting.bytes_at(setting.context, local=0) / here
    ax.plot([setting.context], [here], "C1o", ms=7, label="here")
    weights = 2 * cost.parameters(PRESETS[setting.size])
    ax.axhline(weights, color="black", ls="-.", lw=1, label="weights in bfloat16")
    told = f"{here / 1e9:.2f} GB, {times:.1f} times smaller"
    ax.text(0.97, 0.06, told, ha="right", transform=ax.transAxes)
    bytes_each = f"{setting.bytes_per_value} byte{'s' if setting.bytes_per_value > 1 else ''}"
    knobs = f"{setting.local}:1, W = {setting.window:,}, batch {setting.batch}, {bytes_each}"
    ax.set_title(f"{setting.size.upper()}, {knobs}", fontsize=10)
    ax.set(xscale="log", yscale="log", ylim=(1e6, 3e13), xlabel="context, tokens")
    label_bytes(ax, [1e7, 1e9, 1e11, 1e13])
    label_contexts(ax)
