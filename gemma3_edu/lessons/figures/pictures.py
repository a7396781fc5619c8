"""Pictures with a question above and an answer below.

>>> fig = asked([np.zeros((8, 8, 3))], ["What is this?"], ["nothing"])
>>> fig.axes[0].get_title(), fig.axes[0].get_xlabel()
('What is this?', 'nothing')
"""

import textwrap
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from .alt import with_alt

COLUMNS = 28  # of a question's line


def asked(
    pictures: Sequence[ArrayLike], questions: Sequence[str], answers: Sequence[str]
) -> Figure:
    """One column a picture, Y X 3 each; ValueError unless there are as many of all three."""
    if not len(pictures) == len(questions) == len(answers) > 0:
        raise ValueError(
            f"pictures, questions, answers: {len(pictures)}, {len(questions)} and {len(answers)}; "
            "give as many of each, and at least one"
        )
    fig, axes = plt.subplots(1, len(pictures), figsize=(3 * len(pictures), 3.6), squeeze=False)
    for ax, picture, question, answer in zip(axes[0], pictures, questions, answers, strict=True):
        ax.imshow(np.asarray(picture))
        ax.set_title(textwrap.fill(question, COLUMNS), fontsize=11)
        ax.set_xlabel(textwrap.fill(answer, COLUMNS), fontsize=13, weight="bold")
        ax.set_xticks([])
        ax.set_yticks([])
    fig.tight_layout()
    pairs = zip(questions, answers, strict=True)
    told = "; ".join(f"{question} {answer}" for question, answer in pairs)
    count = f"{len(pictures)} picture{'s' if len(pictures) > 1 else ''}"
    return with_alt(fig, f"{count} with a question above and the answer below: {told}.")
