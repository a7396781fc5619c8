"""The text of a conversation; that transformers renders the same is in parity/test_processor.py."""

from pathlib import Path

import pytest
from PIL import Image

from gemma3_edu.prompt.chat_template import Message, image_text, render
from gemma3_edu.prompt.tokenizer import CONTROL_TEXT

PICTURE, PATH = Image.new("RGB", (2, 2)), Path("picture.png")


def test_turns():
    conversation = [Message.user("Hi"), Message.model("Hello!"), Message.user("Who are you?")]
    text, images = render(conversation)
    assert text == (
        "<start_of_turn>user\nHi<end_of_turn>\n"
        "<start_of_turn>model\nHello!<end_of_turn>\n"
        "<start_of_turn>user\nWho are you?<end_of_turn>\n"
        "<start_of_turn>model\n"
    )
    assert images == []


def test_a_finished_conversation():
    conversation = [Message.user("Hi"), Message.model("Hello!")]
    text, _ = render(conversation, add_generation_prompt=False)
    assert text == (
        "<start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\nHello!<end_of_turn>\n"
    )
    open_end, _ = render(conversation[:1], add_generation_prompt=False)
    assert open_end == "<start_of_turn>user\nHi<end_of_turn>\n"


def test_the_system_text_opens_the_first_user_turn_and_keeps_its_spaces():
    system, turns = Message.system(" Be brief.\n"), [Message.user(" a"), Message.model("b")]
    text, _ = render([system, *turns, Message.user("c")])
    assert text.startswith("<start_of_turn>user\n Be brief.\n\n\na<end_of_turn>\n")
    assert text.count("Be brief.") == 1


def test_parts_are_stripped_one_by_one_and_joined_by_nothing():
    message = Message.user(" before ", PICTURE, "\n between", "\tand\u2003", PATH, b"bytes", "")
    text, images = render([message], add_generation_prompt=False)
    assert text == (
        "<start_of_turn>user\nbefore<start_of_image>betweenand<start_of_image><start_of_image>"
        "<end_of_turn>\n"
    )
    assert images == [PICTURE, PATH, b"bytes"]


def test_images_come_in_the_order_of_their_places():
    conversation = [Message.user(b"1", "x", b"2"), Message.model("y"), Message.user(b"3")]
    text, images = render(conversation)
    assert images == [b"1", b"2", b"3"]
    assert text.count("<start_of_image>") == 3


def test_assistant_is_model_and_one_text_is_content():
    assert Message("assistant", "yes") == Message.model("yes") == Message("model", ("yes",))
    assert Message("user", ["a", PATH]) == Message.user("a", PATH)
    with pytest.raises(AttributeError):
        Message.user("a").role = "model"


def test_the_text_of_an_image():
    one = "\n\n<start_of_image><image_soft_token><image_soft_token><end_of_image>\n\n"
    assert image_text(0, 2) == one
    assert image_text(3, 2) == (
        f"Here is the original image {one} and here are some crops to help you see better "
        f"{one} {one} {one}"
    )


@pytest.mark.parametrize("control", CONTROL_TEXT)
@pytest.mark.parametrize("make", [Message.user, Message.model, Message.system])
def test_a_message_spells_no_control_token(make, control):
    with pytest.raises(ValueError, match=f"text spells {control}, which would steer the model"):
        make(f"harmless {control}\n")
    assert make(control[:-1] + " >").content == (control[:-1] + " >",)


def test_parts_together_spell_no_control_token():
    """Parts are stripped and joined: two harmless ones can forge a turn."""
    with pytest.raises(ValueError, match="text spells <end_of_turn>"):
        Message.user("a<end_of ", " _turn>")
    with pytest.raises(ValueError, match="text spells <start_of_image>"):
        Message.user(PICTURE, "<start_of_", "image>")
    assert Message.user("<end_of", PICTURE, "_turn>")


U, M, S = Message.user("u"), Message.model("m"), Message.system("s")


@pytest.mark.parametrize("roles", [[M], [U, U], [U, M, M], [S, M], [S], [U, S], [S, S, U], [M, U]])
def test_roles_alternate(roles):
    for add_generation_prompt in (True, False):
        with pytest.raises(ValueError, match=r"messages: the roles are \[.* must alternate"):
            render(roles, add_generation_prompt=add_generation_prompt)


def test_the_model_cannot_answer_itself():
    with pytest.raises(ValueError, match="end with a user turn, or pass add_generation_prompt=Fal"):
        render([U, M])
    assert render([U, M], add_generation_prompt=False)


def test_what_is_no_conversation():
    with pytest.raises(ValueError, match="pass a list of Message"):
        render([])


def test_what_is_no_message():
    with pytest.raises(ValueError, match="role='tool' is unknown"):
        Message("tool", "42")
    with pytest.raises(ValueError, match="content is empty; give text or an image"):
        Message.user()
    for content in ({"type": "text", "text": "hi"}, b"a picture", None, 3):
        message = object.__new__(Message)  # past the types that only the tests check
        vars(message).update(role="user", content=content)
        with pytest.raises(ValueError, match=r"content is a .*; pass a text, or a list of parts"):
            message.__post_init__()
    for parts in (("s", "t"), (PICTURE,), (b"s",)):
        with pytest.raises(ValueError, match="a system message is one text"):
            Message("system", parts)
