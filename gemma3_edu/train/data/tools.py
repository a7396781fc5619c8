"""Calls of functions: two or three are described in the prompt, one of them fits the request.

A function has a name of several, so that the name has to be read where it is described; what it
does is recognised by the description. What is held out is the request's content.

>>> from gemma3_edu.train.data.draw import Draw
>>> example = tool(Draw("1", "test"))
>>> print(example.given[0], example.conversations[0][0].question, example.answer, sep="\\n")
Functions:
weather(place): tells the weather in a place
temperature(degrees): heats the room to some degrees
Will it rain in the village?
{"name": "weather", "parameters": {"place": "village"}}
"""

import json
from collections.abc import Callable
from typing import NamedTuple

from .draw import Draw
from .examples import Conversation, Example, ask
from .words import ANIMALS, FOODS, NAMES, PLACES, THINGS


class Tool(NamedTuple):
    """Names to choose from, a parameter, a description, requests, and values of the parameter."""

    names: tuple[str, ...]
    parameter: str
    description: str
    requests: tuple[str, ...]
    values: Callable[[Draw], str | int]


def _of(words: tuple[str, ...]) -> Callable[[Draw], str]:
    return lambda draw: draw.choice(words)


def _number(draw: Draw) -> int:
    return draw.random.randint(2, 99)


TOOLS = (
    Tool(
        ("get_weather", "weather", "forecast"),
        "place",
        "tells the weather in a place",
        ("How is the weather in the {}?", "Will it rain in the {}?"),
        _of(PLACES),
    ),
    Tool(
        ("set_timer", "timer", "start_timer"),
        "minutes",
        "rings after some minutes",
        ("Ring in {} minutes.", "Set a timer of {} minutes."),
        _number,
    ),
    Tool(
        ("call", "phone", "ring_up"),
        "name",
        "calls a person",
        ("Call {}.", "I want to talk to {}."),
        _of(NAMES),
    ),
    Tool(
        ("order", "buy", "add_to_cart"),
        "food",
        "buys food",
        ("Buy {}, please.", "We need more {}."),
        _of(FOODS),
    ),
    Tool(
        ("find", "search", "locate"),
        "thing",
        "finds a lost thing",
        ("Where is my {}?", "I lost my {}."),
        _of(THINGS),
    ),
    Tool(
        ("show_picture", "picture", "photo"),
        "animal",
        "shows a picture of an animal",
        ("Show me a {}.", "What does a {} look like?"),
        _of(ANIMALS),
    ),
    Tool(
        ("set_heating", "heating", "temperature"),
        "degrees",
        "heats the room to some degrees",
        ("Heat the room to {} degrees.", "I want {} degrees in here."),
        _number,
    ),
)


def tool(draw: Draw) -> Example:
    """Functions to choose from, and a request for one of them; in training, up to three."""

    def make() -> tuple[str, tuple[Conversation, ...]]:
        lines, asked = [], []
        for each in draw.several(TOOLS, 2, 3):
            name, value = draw.choice(each.names), each.values(draw)
            lines.append(f"{name}({each.parameter}): {each.description}")
            call = json.dumps({"name": name, "parameters": {each.parameter: value}})
            asked.append(ask(draw.choice(each.requests).format(value), call))
        return "\n".join(["Functions:", *lines]), tuple(draw.shuffled(asked))

    given, asked = draw.until_own(make, "tool:{}".format)
    return Example("tool", (given,), asked, f"tool:{(given, asked)}")
