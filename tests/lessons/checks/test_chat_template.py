"""The check on the chat template accepts what is right and tells each slip by its name."""

import re

import pytest

from gemma3_edu import naive
from gemma3_edu.lessons.checks.chat_template import check_render
from gemma3_edu.prompt.chat_template import Message, render

Messages = list[tuple[str, str]]
START, END = "<start_of_turn>", "<end_of_turn>"


def by_package(messages: Messages) -> str:
    return render([Message(role, text) for role, text in messages])[0]


def by_oracle(messages: Messages) -> str:
    return naive.chat_template.render([(role, [text]) for role, text in messages])


def by_joining(messages: Messages) -> str:
    messages = list(messages)
    system = messages.pop(0)[1] + "\n\n" if messages[0][0] == "system" else ""
    said = [(role, text.strip()) for role, text in messages]
    said[0] = (said[0][0], system + said[0][1])
    turns = [f"{START}{role}\n{text}{END}" for role, text in said]
    return "\n".join([*turns, f"{START}model\n"])


@pytest.mark.parametrize("answer", [by_package, by_oracle, by_joining])
def test_right_texts(answer):
    check_render(answer)


def system_turn(messages: Messages) -> str:
    return "".join(f"{START}{r}\n{t.strip()}{END}\n" for r, t in messages) + f"{START}model\n"


def no_system(messages: Messages) -> str:
    return by_joining([each for each in messages if each[0] != "system"])


def system_everywhere(messages: Messages) -> str:
    prefix = "".join(text + "\n\n" for role, text in messages if role == "system")
    return no_system(messages).replace(f"{START}user\n", f"{START}user\n{prefix}")


def unstripped(messages: Messages) -> str:
    text = by_joining([(role, f"[{n}]") for n, (role, _) in enumerate(messages)])
    for n, (_, said) in enumerate(messages):
        text = text.replace(f"[{n}]", said)
    return text


@pytest.mark.parametrize(
    ("sentence", "answer"),
    [
        (
            "the system message has a turn of its own; there is no such role: its text and an"
            " empty line open the first user turn",
            system_turn,
        ),
        ("the system message is missing; its text opens the first user turn", no_system),
        ("the system message opens every user turn; the first alone", system_everywhere),
        (
            "between system text and question stand two newlines, an empty line",
            lambda m: by_joining(m).replace("\n\n", "\n"),
        ),
        (
            "the model's turn is not opened at the end; without that, the model may go on with the"
            " user's",
            lambda m: by_joining(m).removesuffix(f"{START}model\n"),
        ),
        (
            "the model's turn is opened without its newline; the model would have to write it",
            lambda m: by_joining(m)[:-1],
        ),
        (
            "an empty model turn is closed at the end; leave it open, to be written",
            lambda m: by_joining(m) + f"{END}\n",
        ),
        (
            "the role is spelled model, not assistant",
            lambda m: by_joining(
                [("assistant" if role == "model" else role, text) for role, text in m]
            ),
        ),
        (
            "a newline follows the role, not a space",
            lambda m: re.sub(r"(user|model)\n(?!$)", r"\1 ", by_joining(m)),
        ),
        (
            "after <end_of_turn> a newline is missing",
            lambda m: by_joining(m).replace(f"{END}\n", END),
        ),
        (
            "what a user or the model says is stripped of the whitespace around it",
            unstripped,
        ),
        (
            "the text spells <bos>; that is an id, which the tokenizer puts in front",
            lambda m: "<bos>" + by_joining(m),
        ),
        ("expected a str, got list", lambda m: [by_joining(m)]),
        # no slip of its own
        (
            "differs from character 24 on: got 'has written ', expected 'wrote it?<en', after"
            " 'rn>user\\nWho '",
            lambda m: by_joining(m).replace("Who wrote", "Who has written"),
        ),
    ],
)
def test_wrong_texts(sentence, answer):
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}"):
        check_render(answer)


def test_a_stub_is_let_through():
    def stub(messages: Messages) -> str:
        raise NotImplementedError("your turn")

    with pytest.raises(NotImplementedError, match="your turn"):
        check_render(stub)
