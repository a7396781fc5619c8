"""The report's Figures 5 and 6 from the formula, for an assumed shape of its 2B model."""

from dataclasses import replace

from matplotlib.figure import Figure

from gemma3_edu import cost
from gemma3_edu.lessons.figures.cache import CONTEXTS, report_figures, with_pattern
from gemma3_edu.model.presets import PRESETS

TITLE = "Figures 5 and 6 of the technical report, recomputed with assumptions"
ALT = (
    "Recomputed with assumptions: at 32K tokens the cache is 67 % of the weights with global layers"
    " only and 17 % at 3:1 with W = 1024; at 128K it is 6,979 MB against 1,120 MB at 5:1."
)
LONG = """Assumed is the shape of Gemma 2's 2B model, 26 layers with 4 key/value heads of 256 and
2,614 million parameters, and one byte for each number. Left, bars of weights and cache at 32,768
tokens. The weights take 2,614 MB in all of them; the cache adds 67 % of that with global layers
only, 38 % and 34 % with one local layer for each global one and windows of 4096 and 1024, 22 % and
17 % with three, 12 % with five and 1024. Right, the cache against context from 1,024 to 131,072
tokens: global layers only rise to 6,979 MB, 5:1 with a window of 1024 to 1,120 MB."""

BARS = {
    "global only": (0, 1024),
    "1:1, W = 4096": (1, 4096),
    "1:1, W = 1024": (1, 1024),
    "3:1, W = 4096": (3, 4096),
    "3:1, W = 1024": (3, 1024),
    "5:1, W = 1024": (5, 1024),
}


def draw() -> Figure:
    """In 8 bits, cache and weights; Gemma 2 has no QK-norm, so its two vectors a layer are off."""
    two_b = replace(
        PRESETS["4b"].text,
        hidden_size=2304,
        intermediate_size=9216,
        vocab_size=256_000,
        layer_types=PRESETS["1b"].text.layer_types,
    )
    weights = cost.parameters(two_b) - 26 * 2 * 256
    models = {name: with_pattern(two_b, *how) for name, how in BARS.items()}
    overhead = {name: cost.cache_bytes(text, 32_768, 1, 1) for name, text in models.items()}
    curves = {
        name: [cost.cache_bytes(models[name], n, 1, 1) for n in CONTEXTS]
        for name in ("global only", "5:1, W = 1024")
    }
    return report_figures(overhead, weights, curves)
