"""Pictures that nano never saw, a question about each, and what it answers."""

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from gemma3_edu import Message, Sampler, chat, load
from gemma3_edu.hub.checkpoint import ASSETS
from gemma3_edu.lessons.figures.pictures import asked as pictured
from gemma3_edu.train.samples import SAMPLES, sample


def asked(name: str) -> str:
    """The sample's question, in words alone."""
    return sample(name).conversations[0][0].question


def answered() -> dict[str, str]:
    """What nano-it says about each picture, always choosing the likeliest token."""
    model, processor = load("nano-it")
    return {
        name: chat(
            model,
            processor,
            [Message.user(ASSETS / "pictures" / f"{name}.png", asked(name))],
            Sampler(temperature=0),
        )
        for name in SAMPLES
    }


ANSWERS = answered()
TITLE = f"Asking nano-it about {len(ANSWERS)} pictures"
ALT = f"{len(ANSWERS)} pictures with a question and nano-it's answer: " + "; ".join(
    f"{asked(name)} {answer}" for name, answer in ANSWERS.items()
)
LONG = "Side by side, each with the question above and the answer below: " + " ".join(
    f"{sample(name).pictures[0].caption}. Asked: {asked(name)} Answered: {answer}. "
    f"Right: {sample(name).answer}."
    for name, answer in ANSWERS.items()
)


def draw() -> Figure:
    """The pictures as they lie in the package; a wrong answer is shown as it is."""
    files = [ASSETS / "pictures" / f"{name}.png" for name in ANSWERS]
    pictures = [np.asarray(Image.open(file).convert("RGB")) for file in files]
    return pictured(pictures, [asked(name) for name in ANSWERS], [*ANSWERS.values()])
