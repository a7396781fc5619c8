"""Figures of lesson 02: what LayerNorm and RMSNorm keep of a cloud of points, and what eps does.

A point is a token of two or three numbers, in place of hundreds. The three groups A, B and C make
visible what a norm throws away: C is B with the same number added to every entry, nothing else.

>>> clouds = three_groups(2)
>>> {name: tuple(points.shape) for name, points in clouds.items()}
{'A': (14, 2), 'B': (14, 2), 'C': (14, 2)}
>>> difference = clouds["C"] - clouds["B"]
>>> float(difference.min()), float(difference.max())
(2.25, 2.25)
"""

from collections.abc import Sequence
from math import pi, sqrt

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional as F

from ...model.layers import RMSNorm
from .alt import listed, with_alt

_MARKERS = {"A": ("C0", "o", 34), "B": ("C1", "s", 50), "C": ("C2", "^", 22)}
# Multiples of 1/256, so that groups differ by exactly what was added, in float32 as well.
_SPREAD = torch.tensor([[k * a % 1 - 0.5 for a in (0.618, 0.755, 0.570)] for k in range(14)])
_SPREAD = (_SPREAD * 256).round() / 256
_SIZES = torch.logspace(-2, 1, 31)  # the rms of each point in the cloud of eps_effect


def three_groups(size: int) -> dict[str, Tensor]:
    """Groups A, B and C of 14 points with `size` entries, 2 or 3; C is B with 2.25 added to all.

    ValueError for another size.
    """
    directions = {2: ((1.0, -1.0), (-1.0, 1.0)), 3: ((1.25, -1.25, 0.0), (-0.75, -0.75, 1.5))}
    if size not in directions:
        raise ValueError(f"size={size}: a figure has room for points of 2 or 3 numbers")
    a, b = (torch.tensor(direction) for direction in directions[size])
    spread = _SPREAD[:, :size]
    return {"A": a + 0.625 + spread, "B": b - 0.5 + spread, "C": b + 1.75 + spread}


def rms_norm(x: Tensor, eps: float = 1e-6) -> Tensor:
    """A fresh RMSNorm, whose gain is 1."""
    with torch.no_grad():
        return RMSNorm(x.shape[-1], eps)(x).double()


def layer_norm(x: Tensor, eps: float = 1e-6) -> Tensor:
    """A fresh LayerNorm: it subtracts the mean, then divides by the rms of what is left."""
    return F.layer_norm(x, x.shape[-1:], eps=eps).double()


def groups_in_the_plane() -> Figure:
    """Points of two numbers, pale, and where each norm moves them."""
    fig, axes = plt.subplots(1, 2, figsize=(7, 3.7), layout="constrained")
    for ax, norm in zip(axes, (rms_norm, layer_norm), strict=True):
        before = three_groups(2)
        after = {name: norm(points) for name, points in before.items()}
        if norm is rms_norm:
            _circle(ax, sqrt(2), "rms 1")
        else:
            ax.plot([-3, 3], [3, -3], "k-.", linewidth=1, label="mean 0")
            ax.annotate("B, C", (-1, 1), xytext=(8, 3), textcoords="offset points")
            ax.annotate("A", (1, -1), xytext=(-16, -10), textcoords="offset points")
        ways = torch.stack([torch.cat([*group.values()]).double() for group in (before, after)], 1)
        lines = LineCollection([*ways.numpy()], colors="0.85", linewidths=1, label="way", zorder=0)
        ax.add_collection(lines)
        _scatter(ax, before, pale=True)
        _label(ax, before)
        _scatter(ax, after)
        ax.set(title=_name(norm), xlabel="first number", xlim=(-3.2, 3.2), ylim=(-2.8, 3.8))
    axes[0].set_ylabel("second number")
    return with_alt(
        fig,
        "Three groups of 14 points: RMSNorm moves them along rays to three places on a circle,"
        " LayerNorm moves all 42 to two places, B and C to the same.",
    )


def groups_in_space() -> Figure:
    """Points of three numbers after each norm, seen from the side and along the line of the mean.

    That line goes through 0 and (1, 1, 1). From the side it is upright.
    """
    up, right, away = torch.eye(3)  # of the viewer, in a frame turned so that (1, 1, 1) is up
    frame = torch.tensor([[1.0, 1.0, 1.0], [-1.0, 1.0, 0.0], [1.0, 1.0, -2.0]]).double()
    frame = frame / frame.norm(dim=1, keepdim=True)
    fig, axes = plt.subplots(2, 2, figsize=(6.4, 6.4), layout="constrained")
    for norm, (beside, above) in zip((rms_norm, layer_norm), axes.T, strict=True):
        turned = {name: norm(points) @ frame.T for name, points in three_groups(3).items()}
        for ax, view, upright in [(beside, "the side", up), (above, "above", away)]:
            _circle(ax, sqrt(3), "rms 1")
            seen = torch.stack([right, upright], dim=1).double()
            groups = {name: points @ seen for name, points in turned.items()}
            _scatter(ax, groups)
            _label(ax, groups)
            ax.set(title=f"{_name(norm)}, from {view}", xlim=(-2.4, 2.4), ylim=(-2.4, 2.4))
        beside.set(xlabel="across the mean", ylabel="mean, times √3")
        above.set(xlabel="across the mean", ylabel="across the mean")
    return with_alt(
        fig,
        "Points of three numbers: after RMSNorm three groups lie apart on a sphere; after LayerNorm"
        " 42 points lie on a ring seen edge-on, B and C in the same place.",
    )


def size_curves(eps: float = 1e-6) -> Figure:
    """The rms that comes out against the rms that goes in: eps under the root, and after it."""
    fig, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
    _size_curve(ax, eps)
    r = torch.logspace(-8, 1, 91).double()
    ax.plot(r, r / (r + eps), "C1--", label="eps after the root")
    ax.text(1.6 * eps, 0.4, "eps after the root", color="C1")
    ax.text(1.6 * sqrt(eps), 0.6, "eps under the root", color="C0")
    ax.set_xlim(1e-8, 10)
    return with_alt(
        fig,
        "The rms that comes out against the rms that goes in: with eps under the root it falls from"
        f" 1 to 0 around {sqrt(eps):g}, with eps after the root around {eps:g}.",
    )


def eps_effect(eps_values: Sequence[float]) -> Figure:
    """One row for each eps: a cloud after RMSNorm, and its points on the curve of sizes.

    The same 31 points each time, with an rms from 0.01 to 10.
    """
    fig, axes = plt.subplots(
        len(eps_values),
        2,
        squeeze=False,
        figsize=(6.4, 2.6 * len(eps_values)),
    )
    # By hand: the automatic layout draws everything twice, too slow under a slider.
    fig.subplots_adjust(hspace=0.45, wspace=0.25)
    angle = 2.4 * torch.arange(len(_SIZES))  # nearly the golden angle: evenly spread
    cloud = sqrt(2) * _SIZES[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1)
    for (left, right), eps in zip(axes, eps_values, strict=True):
        points = rms_norm(cloud, eps)
        _circle(left, sqrt(2), "rms 1")
        left.scatter(points[:, 0], points[:, 1], s=16, c="C2", label="after RMSNorm", zorder=3)
        left.set(title=f"eps = {eps:.3g}", xlim=(-1.8, 1.8), ylim=(-1.8, 1.8), aspect="equal")
        _size_curve(right, eps)
        size_out = points.pow(2).mean(-1).sqrt()
        right.scatter(_SIZES, size_out, s=16, c="C2", label="the points", zorder=3)
        right.set_xlim(1e-4, 1e3)
    short = [int((rms_norm(cloud, eps).pow(2).mean(-1) < 0.25).sum()) for eps in eps_values]
    counts = [f"{n} at eps {eps:.3g}" for n, eps in zip(short, eps_values, strict=True)]
    return with_alt(
        fig,
        f"{len(cloud)} points after RMSNorm, of which less than half way from the middle to the"
        f" circle are {listed(counts)}.",
    )


def _name(norm: object) -> str:
    return "RMSNorm" if norm is rms_norm else "LayerNorm"


def _scatter(ax: Axes, groups: dict[str, Tensor], pale: bool = False) -> None:
    for name, points in groups.items():
        colour, marker, area = _MARKERS[name]
        points = points.double().round(decimals=6)  # float32's noise differs between machines
        ax.scatter(
            points[:, 0],
            points[:, 1],
            s=area,
            marker=marker,
            facecolors="none" if pale else colour,
            edgecolors=colour if pale else "white",
            linewidths=0.6,
            label=f"{name} before" if pale else name,
        )
    ax.set_aspect("equal")


def _label(ax: Axes, groups: dict[str, Tensor]) -> None:
    """Names to the right of the groups; groups at one place share theirs."""
    places: dict[tuple[float, float], list[str]] = {}
    for name, points in groups.items():
        x, y = points[:, 0].max().item(), points[:, 1].mean().item()
        places.setdefault((round(x, 2), round(y, 2)), []).append(name)
    for place, names in places.items():
        words = ", ".join(names)
        ax.annotate(words, place, xytext=(8, 0), textcoords="offset points", va="center")


def _circle(ax: Axes, radius: float, label: str) -> None:
    turn = torch.linspace(0, 2 * pi, 73).double()
    ax.plot(radius * turn.cos(), radius * turn.sin(), "k-.", linewidth=1, label=label)


def _size_curve(ax: Axes, eps: float) -> None:
    r = torch.logspace(-8, 3, 111).double()
    ax.plot(r, r / (r.pow(2) + eps).sqrt(), "C0-", label="eps under the root")
    ax.axvline(sqrt(eps), color="k", linestyle=":", linewidth=1, label="√eps")
    ax.text(1.3 * sqrt(eps), 0.02, "√eps")
    ax.set(xscale="log", xlabel="rms that goes in", ylabel="rms that comes out", ylim=(-0.05, 1.1))
