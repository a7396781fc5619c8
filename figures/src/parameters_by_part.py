"""Where the parameters of the five sizes are, as shares of each size's total."""

from matplotlib.figure import Figure

from gemma3_edu.lessons.figures.text_model import parameter_shares
from gemma3_edu.model.presets import PRESETS

TITLE = "Parameters by part in five sizes"
ALT = (
    "Five bars cut by share of parameters: the embedding shrinks from 63 % in 270M to 5 % in 27B,"
    " the MLPs grow from 26 to 78 %, and norms are too thin to see."
)
LONG = """Five horizontal bars of equal length, one a size, with its total beside it: 270M has
268 million parameters, 1B 1,000, 4B 4,300, 12B 12,187 and 27B 27,432 million. Each bar is cut into
embedding, attention, MLP, norms, and vision with its projector. The embedding takes 63, 30, 16, 8
and 5 % of the five sizes, attention 11, 8, 12, 19 and 15 %, the MLPs 26, 62, 62, 70 and 78 %. The
norms take 0.02 % or less and are too thin to see. The text-only sizes, 270M and 1B, have no vision
part; in 4B it takes 10 %, in 12B 3 % and in 27B 2 %."""

SIZES = ("270m", "1b", "4b", "12b", "27b")


def draw() -> Figure:
    """Shares by the package's formula."""
    return parameter_shares({name.upper(): PRESETS[name] for name in SIZES})
