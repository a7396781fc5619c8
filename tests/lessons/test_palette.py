"""The palette of STYLE is told apart by every eye.

Colours are sRGB; colour-blind eyes are simulated after Machado, Oliveira and Fernandes (2009) at
full severity; differences are CIE 1976.
"""

import numpy as np
from cycler import cycler

from gemma3_edu.lessons.nb import COLOURS, STYLE

EYES = {
    "any": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
MATPLOTLIB = ["#1f77b4", "#ff7f0e", "#2ca02c", "#d62728"]  # its first four: the control


def linear(colour: str) -> np.ndarray:
    channels = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def contrast_on_white(colour: str) -> float:
    return float(1.05 / (linear(colour) @ [0.2126, 0.7152, 0.0722] + 0.05))


def lab(colour: str, eye: str) -> np.ndarray:
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    xyz = to_xyz @ np.clip(np.array(EYES[eye]) @ linear(colour), 0, 1) / to_xyz.sum(1)
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def closest(colours: list[str]) -> float:
    pairs = [(a, b) for a in colours for b in colours if a < b]
    return min(float(np.linalg.norm(lab(a, e) - lab(b, e))) for a, b in pairs for e in EYES)


def test_the_palette_stands_out_on_white_and_apart_for_every_eye():
    assert min(map(contrast_on_white, COLOURS)) >= 3.4
    assert round(closest(COLOURS)) >= 17  # blue and green under tritanopia: 16.97
    assert closest(MATPLOTLIB) < 5  # so the measure does find confusable colours


def test_style_pairs_each_colour_with_a_line_style_of_its_own():
    pairs = list(STYLE["axes.prop_cycle"])
    assert isinstance(STYLE["axes.prop_cycle"], type(cycler(color=COLOURS)))
    assert [pair["color"] for pair in pairs] == COLOURS
    assert len({pair["linestyle"] for pair in pairs}) == len(COLOURS)
