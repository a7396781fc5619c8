"""The check of the exercise on the chat template: a conversation as one text.

>>> check_render(lambda messages: "<bos>" + messages[0][1])
Traceback (most recent call last):
AssertionError: the text spells <bos>; that is an id, which the tokenizer puts in front
"""

from collections.abc import Callable
from typing import Any

from ...naive.chat_template import render


def check_render(fn: Callable[[list[tuple[str, str]]], Any]) -> None:
    """`fn(messages)` is the text of a conversation of (role, text) pairs, the model's turn opened.

    Roles are system, which may come first only, user and model, by turns; the last is a user's.

    >>> check_render(lambda messages: render([(role, [text]) for role, text in messages]))
    """
    cases = [
        [("user", "Who wrote it?")],
        [("user", "  Who wrote it?\n"), ("model", "Melville. "), ("user", "When?")],
        [("system", "Be brief."), ("user", "Who wrote it?")],
        [("system", "Be brief."), ("user", " Who?"), ("model", "Melville."), ("user", "When?")],
    ]
    answers = [fn(list(case)) for case in cases]
    for answer in answers:
        assert isinstance(answer, str), f"expected a str, got {type(answer).__name__}"
        assert "<bos>" not in answer, (
            "the text spells <bos>; that is an id, which the tokenizer puts in front"
        )
    wants = [render([(role, [text]) for role, text in case]) for case in cases]
    if answers == wants:
        return
    for sentence, changes in _RENDER_SLIPS:
        assert answers != [_render(case, **changes) for case in cases], sentence
    for answer, want in zip(answers, wants, strict=True):
        same = [a == b for a, b in zip(answer, want, strict=False)]
        place = same.index(False) if False in same else min(len(answer), len(want))
        assert answer == want, (
            f"differs from character {place} on: got {answer[place : place + 12]!r},"
            f" expected {want[place : place + 12]!r}, after {want[max(0, place - 12) : place]!r}"
        )


def _render(
    messages: list[tuple[str, str]],
    system: str = "first",
    join: str = "\n\n",
    after_role: str = "\n",
    after_turn: str = "\n",
    opened: str = "<start_of_turn>model\n",
    name: str = "model",
    strip: bool = True,
) -> str:
    """The template with one thing changed."""
    text, prefix = "", ""
    for role, content in messages:
        if role == "system" and system != "turn":
            prefix = content + join if system != "dropped" else ""
            continue
        told = name if role == "model" else role
        words = content.strip() if strip else content
        text += f"<start_of_turn>{told}{after_role}"
        text += (prefix if role == "user" else "") + f"{words}<end_of_turn>{after_turn}"
        prefix = prefix if system == "every" else ""
    return text + opened


_RENDER_SLIPS: list[tuple[str, dict[str, Any]]] = [
    (
        "the system message has a turn of its own; there is no such role: its text and an empty"
        " line open the first user turn",
        {"system": "turn"},
    ),
    ("the system message is missing; its text opens the first user turn", {"system": "dropped"}),
    ("the system message opens every user turn; the first alone", {"system": "every"}),
    ("between system text and question stand two newlines, an empty line", {"join": "\n"}),
    (
        "the model's turn is not opened at the end; without that, the model may go on with the"
        " user's",
        {"opened": ""},
    ),
    (
        "the model's turn is opened without its newline; the model would have to write it",
        {"opened": "<start_of_turn>model"},
    ),
    (
        "an empty model turn is closed at the end; leave it open, to be written",
        {"opened": "<start_of_turn>model\n<end_of_turn>\n"},
    ),
    ("the role is spelled model, not assistant", {"name": "assistant"}),
    ("a newline follows the role, not a space", {"after_role": " "}),
    ("after <end_of_turn> a newline is missing", {"after_turn": ""}),
    ("what a user or the model says is stripped of the whitespace around it", {"strip": False}),
]
