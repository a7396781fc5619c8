"""Lesson 10: what the ranks of tokens are worth, how many top-p keeps, and a box to talk in.

>>> import torch
>>> counts(torch.tensor([0.5, 0.25, 0.125, 0.125]), [0.4, 0.6])
[1, 2]
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise

import matplotlib.pyplot as plt
import torch
from ipywidgets import (  # type: ignore[import-untyped]
    Button,
    FloatSlider,
    HBox,
    IntSlider,
    Layout,
    Text,
    Textarea,
    VBox,
)
from jaxtyping import Float, Int
from matplotlib.figure import Figure
from torch import Tensor

from ...generation.sampling import Sampler, keep_top_p
from ...prompt.chat_template import Message
from .alt import listed, with_alt

PS = [n / 200 - 0.0005 for n in range(1, 201)]  # off the borders of even distributions
_LOOKS = [("C0", "-"), ("C1", "--"), ("C2", ":"), ("C3", "-.")]


def counts(probabilities: Float[Tensor, "V"], ps: Sequence[float]) -> list[int]:
    """For each p, how many tokens top-p keeps."""
    logits = probabilities.log()[None]
    return [int(keep_top_p(logits, p).isfinite().sum()) for p in ps]


def kept_tokens(
    named: Mapping[str, Float[Tensor, "V"]], ps: Sequence[float] = PS, k: int | None = None
) -> Figure:
    """How many tokens top-p keeps against p, a staircase for each distribution.

    `k` draws how many top-k would keep, as a level line. An upright one is at p = 0.9.
    """
    fig, ax = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
    for (name, probabilities), (colour, style) in zip(named.items(), _LOOKS, strict=False):
        ax.step(ps, counts(probabilities, ps), where="pre", color=colour, ls=style, label=name)
    ax.set(xlabel="p", ylabel="tokens kept", xlim=(0, 1), yscale="log")
    ax.yaxis.set_major_formatter("{x:,.0f}")
    if k is not None:
        ax.axhline(k, color="0.45", ls="-", lw=1, label=f"k = {k}")
    ax.axvline(0.9, color="0.45", ls="-.", lw=1, label="p = 0.9")
    fig.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=2, fontsize=9)
    takes = listed(f"{counts(each, [0.9])[0]:,} for {name}" for name, each in named.items())
    return with_alt(
        fig,
        "Number of kept tokens against p, a staircase for each distribution: p = 0.9 takes"
        f" {takes}.",
    )


def by_rank(
    probabilities: Float[Tensor, "P V"], came: Int[Tensor, "P"], ends: Sequence[int]
) -> Figure:
    """Two bars for each group of ranks: nano's mean probability, and how often Melville's token.

    Rank 1 is the likeliest token of a place; `ends` are the last ranks of all groups but the last.
    """
    places, size = probabilities.shape
    ranked = probabilities.double().sort(dim=-1, descending=True).values.mean(0)
    rank = (probabilities > probabilities.gather(1, came[:, None])).sum(-1) + 1
    groups = list(pairwise((0, *ends, size)))
    given = [100 * float(ranked[low:high].sum()) for low, high in groups]
    wrote = [100 * int(((rank > low) & (rank <= high)).sum()) / places for low, high in groups]
    fig, ax = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
    looks = [("nano's probability", given, "C0", ""), ("Melville's next token", wrote, "C1", "//")]
    for side, (label, shares, colour, hatch) in enumerate(looks):
        at = [n + 0.4 * side - 0.2 for n in range(len(groups))]
        look = {"color": colour, "hatch": hatch, "edgecolor": "white", "label": label}
        bars = ax.bar(at, shares, 0.38, **look)  # type: ignore[arg-type]
        ax.bar_label(bars, [f"{share:.0f}%" for share in shares], fontsize=9)
    names = [f"{low + 1:,} to {high:,}" if high > low + 1 else f"{high:,}" for low, high in groups]
    ax.set_xticks(range(len(groups)), names)
    ax.set(xlabel="rank of the token, the likeliest first", ylabel="% of the whole")
    ax.spines[["top", "right"]].set_visible(False)
    ax.margins(y=0.3)
    ax.legend(fontsize=9, frameon=False, ncols=2)
    told = listed(
        f"{a:.0f}% and {b:.0f}% at {name}" for a, b, name in zip(given, wrote, names, strict=True)
    )
    return with_alt(
        fig, f"By rank, the shares of nano's probability and of Melville's next tokens: {told}."
    )


def words(sampler: Sampler) -> str:
    """A sampler's settings as a title.

    >>> words(Sampler()), words(Sampler(temperature=0)), words(Sampler(2.0, None, 0.9))
    ('temperature 1, k = 64, p = 0.95', 'temperature 0', 'temperature 2, p = 0.9')
    """
    told = [f"temperature {sampler.temperature:g}"]
    if sampler.temperature > 0:
        told += [f"k = {sampler.top_k}"] if sampler.top_k is not None else []
        told += [f"p = {sampler.top_p:g}"] if sampler.top_p is not None else []
    return ", ".join(told)


Answer = Callable[[Sequence[Message], Sampler, torch.Generator], Iterator[str]]
"""Conversation, sampler and source of chance in; the pieces of the reply out."""

_DESCRIPTION = {"description_width": "90px"}


class ChatBox:
    """A line to write in, a slider each for temperature, k, p and the seed, and two buttons.

    Show `view`, and answers come in piece by piece. Without a front end it is an ordinary object:
    set `question.value`, call `ask()`, read `transcript.value`. Every answer draws from a generator
    seeded anew, so on one machine the same conversation with the same sliders gets the same answer.

    >>> box = ChatBox(lambda messages, sampler, generator: iter(["4", "2"]), "What is 17 + 25?")
    >>> box.ask()
    >>> print(box.transcript.value, end="")
    you: What is 17 + 25?
    model (temperature 0.7, k = 64, p = 0.95): 42
    """

    def __init__(self, answer: Answer, question: str = "") -> None:
        self._answer = answer
        self.messages: list[Message] = []
        wide = Layout(width="95%")
        self.question = Text(question, description="you", layout=wide, style=_DESCRIPTION)
        self.temperature = _slider(FloatSlider, "temperature", 0.7, 0.0, 2.0, 0.1)
        self.top_k = _slider(IntSlider, "k", 64, 1, 64, 1)
        self.top_p = _slider(FloatSlider, "p", 0.95, 0.05, 1.0, 0.05)
        self.seed = _slider(IntSlider, "seed", 0, 0, 99, 1)
        self.send = Button(description="Send")
        self.again = Button(description="New chat")
        # Not disabled: a disabled field's grey can hardly be read.
        self.transcript = Textarea("", rows=9, placeholder="the conversation", layout=wide)
        self.send.on_click(self.ask)
        self.again.on_click(self.start_over)
        self.view = VBox(
            [
                HBox([self.temperature, self.top_k]),
                HBox([self.top_p, self.seed]),
                self.question,
                HBox([self.send, self.again]),
                self.transcript,
            ]
        )

    @property
    def sampler(self) -> Sampler:
        """What the sliders say."""
        return Sampler(self.temperature.value, self.top_k.value, self.top_p.value)

    def ask(self, _button: Button | None = None) -> None:
        """Send the question and write the answer into the transcript as it comes.

        What cannot be sent, such as text that spells a control token, is told there too.
        """
        text, sampler = self.question.value.strip(), self.sampler
        if not text or self.send.disabled:
            return
        self.send.disabled = True
        try:
            turns = [*self.messages, Message.user(text)]
            generator = torch.Generator().manual_seed(self.seed.value)
            pieces = self._answer(turns, sampler, generator)
            self._write(f"you: {text}\nmodel ({words(sampler)}): ")
            reply = ""
            for piece in pieces:
                reply += piece
                self._write(piece)
            self._write("\n")
            self.messages = [*turns, Message.model(reply)]
        except ValueError as error:
            self._write(f"[{error}]\n")
        finally:
            self.send.disabled = False

    def start_over(self, _button: Button | None = None) -> None:
        """Forget the conversation."""
        self.messages = []
        self.transcript.value = ""

    def _write(self, text: str) -> None:
        self.transcript.value += text


def _slider(
    kind: type[FloatSlider] | type[IntSlider],
    name: str,
    value: float,
    low: float,
    high: float,
    step: float,
) -> FloatSlider | IntSlider:
    return kind(
        value=value, min=low, max=high, step=step, description=name, style=dict(_DESCRIPTION)
    )
