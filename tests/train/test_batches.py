"""What counts in a lesson, read back as text."""

import pytest
from PIL import Image

from gemma3_edu.prompt.processor import Processor
from gemma3_edu.train.batches import of_conversations, of_texts
from gemma3_edu.train.data.drawing import Picture
from gemma3_edu.train.data.examples import Example, Turn
from tests.tokenizers import small_config, small_tokenizer

PICTURE = Picture(Image.new("RGB", (40, 30), "white"), (), "nothing")
TWO_TURNS = Example("sum", (Turn(("2 + 3?",), "It is 5."), Turn(("And 1 more?",), "6")), ())
SEEN = Example("see", (Turn((PICTURE, "What is it?"), "a model\nof a boat"),), ())


@pytest.fixture(scope="module")
def processor():
    return Processor(small_tokenizer(), small_config())


def counted_text(lesson, row, processor):
    return processor.decode(lesson.batch.tokens[row][lesson.counted[row]], skip_special=False)


def test_in_conversations_the_answers_count(processor):
    lesson = of_conversations([TWO_TURNS, SEEN], processor)
    assert counted_text(lesson, 0, processor) == "It is 5.<end_of_turn>6<end_of_turn>"
    assert counted_text(lesson, 1, processor) == "a model\nof a boat<end_of_turn>"
    assert lesson.batch.images.shape == (1, 3, 36, 36)


def test_a_user_who_says_model_is_not_answering(processor):
    example = Example("say", (Turn(("model\nmodel",), "yes"),), ())
    assert counted_text(of_conversations([example], processor), 0, processor) == "yes<end_of_turn>"


def test_in_documents_all_counts_but_soft_tokens_and_padding(processor):
    captioned = Example("caption", (Turn((PICTURE,), "a model\nof a boat"),), ())
    page = Example("page", (Turn((), "It was a long way home, and the sea was rough."),), ())
    lesson = of_texts([captioned, page], processor)
    layout = lesson.batch.layout
    assert lesson.counted.sum() == (layout.position >= 0).sum() - 9
    assert (lesson.batch.tokens[:, -1] == processor.tokenizer.eos_id).all()
    assert counted_text(lesson, 1, processor) == f"<bos>{page.turns[0].answer}<eos>"
    assert not lesson.counted[layout.image_id > 0].any()
    again = lesson.to("cpu")
    assert (again.counted == lesson.counted).all()


def test_in_questions_as_plain_text_the_answers_count(processor):
    behind = Example("see", (Turn(("What is it?", PICTURE), "a model\nof a boat"),), ())
    lesson = of_texts([TWO_TURNS, SEEN, behind], processor)
    assert counted_text(lesson, 0, processor) == " It is 5.\nQuestion: 6\n<eos>"
    for row in (1, 2):  # the picture before the question, and behind it
        assert counted_text(lesson, row, processor) == " a model\nof a boat\n<eos>"


@pytest.mark.parametrize("make", [of_texts, of_conversations])
def test_long_documents_can_come_with_their_crops(make, processor):
    wide = Picture(Image.new("RGB", (900, 300), "white"), (), "nothing")
    example = Example("wide", (Turn((wide, "What stands there?"), "5"),), ())
    assert len(make([example], processor).batch.images) == 1
    assert len(make([example], processor, pan_and_scan=True).batch.images) == 4
