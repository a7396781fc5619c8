"""Bytes of the key/value cache against context for the five sizes, with and without windows."""

from matplotlib.figure import Figure

from gemma3_edu.lessons.figures.cache import bytes_against_context
from gemma3_edu.model.presets import PRESETS

TITLE = "What a cache takes, with and without windows"
ALT = (
    "Cache bytes against context in five sizes, log-log: with all layers global they rise straight,"
    " with five local layers in six they bend; at 128K tokens they are 5.8 to 6.5 times smaller."
)
LONG = """Six panels. Five of them show, for 270M, 1B, 4B, 12B and 27B, the bytes of keys and values
in bfloat16 against the context from 1,024 to 131,072 tokens, both axes logarithmic. With all layers
global a straight line rises by a factor of 128, in 27B from 520 MB to 66.6 GB. With five local
layers to one global, a dashed line leaves it at the window, 512 tokens in 270M and 1B and 1,024 in
the others, runs flatter, and ends parallel below it, in 27B at 11.2 GB. Circles on all lines are
bytes measured on a cache laid out for that many tokens. Grey marks lengths past 32,768, which 270M
and 1B are not made for. The sixth panel shows how many times smaller the second line is: from 1.7
or 1 at 1,024 tokens to 5.9, 6.4, 6.5, 5.8 and 6.0 at 131,072."""

SIZES = ("270m", "1b", "4b", "12b", "27b")


def draw() -> Figure:
    """By formula, with what the package's cache measures on the meta device."""
    return bytes_against_context({name.upper(): PRESETS[name].text for name in SIZES})
