"""The bundled models in transformers: both folders load there and give the same ids and logits."""

import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from gemma3_edu import Message, load
from gemma3_edu.hub.checkpoint import ASSETS, bundled
from gemma3_edu.model.presets import PRESETS
from gemma3_edu.train.data.mixture import Mixture

pytestmark = pytest.mark.parity
TEST = Mixture("instruct", "test")


def as_transformers_wants(messages: list[Message]) -> list[dict]:
    """The same conversation; pictures as PIL images."""
    return [
        {
            "role": "assistant" if message.role == "model" else message.role,
            "content": [
                {"type": "text", "text": part}
                if isinstance(part, str)
                else {"type": "image", "image": part}
                for part in message.content
            ],
        }
        for message in messages
    ]


@pytest.mark.parametrize("name", bundled())
def test_transformers_gives_the_same(name):
    model, processor = load(name)
    assert model.config == PRESETS["nano"]
    assert processor is not None
    oracle = AutoModelForImageTextToText.from_pretrained(ASSETS / name, dtype=torch.float32).eval()
    their_processor = AutoProcessor.from_pretrained(ASSETS / name)
    for task in ("sum", "motion", "wide", "needle", "chat"):
        for number in range(2):
            asked = TEST.of_task(task, number).messages()[:-1]
            batch = processor(asked, pan_and_scan=False)
            given = their_processor.apply_chat_template(
                as_transformers_wants(asked),
                add_generation_prompt=True,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
            )
            assert given["input_ids"].tolist() == batch.tokens.tolist()
            with torch.no_grad():
                ours, theirs = model(batch), oracle(**given).logits
            # Trained logits are of order ten: what counts is the error beside their spread.
            assert (ours - theirs).abs().max() < 1e-5 * theirs.std()
