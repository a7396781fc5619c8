"""Whole folders: what transformers writes we read, what we write transformers reads."""

import dataclasses
import shutil

import pytest
import torch
from PIL import Image
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText, AutoProcessor

from gemma3_edu.__main__ import main
from gemma3_edu.generation.chat import chat, stream
from gemma3_edu.generation.sampling import Sampler
from gemma3_edu.hub.checkpoint import ASSETS, load, save
from gemma3_edu.model.layout import Batch
from gemma3_edu.prompt.chat_template import Message
from tests.parity.oracle import transformers_model
from tests.tokenizers import DATA, small_config

pytestmark = pytest.mark.parity
PHOTO = ASSETS / "photos" / "french-alpine-landscape.jpg"
GREEDY = Sampler(temperature=0)


@pytest.fixture(scope="module", params=["tiny", "tiny-text"])
def written(request, tmp_path_factory):
    """A folder in the public layout, written by transformers; its config and the oracle."""
    config = small_config(request.param)
    folder = tmp_path_factory.mktemp(request.param)
    oracle = transformers_model(config)
    oracle.save_pretrained(folder)
    shutil.copy(DATA / "tokenizer.model", folder)
    if config.vision:
        size = config.vision.image_size
        (folder / "preprocessor_config.json").write_text(
            '{"image_processor_type": "Gemma3ImageProcessor", "do_pan_and_scan": true, '
            f'"size": {{"height": {size}, "width": {size}}}, "image_mean": [0.5, 0.5, 0.5], '
            '"image_std": [0.5, 0.5, 0.5], "resample": 2, "do_resize": true}'
        )
    return folder, config, oracle


def question(config):
    with Image.open(PHOTO) as photo:
        parts = [photo.copy(), "What is higher?"] if config.vision else ["What is higher?"]
    return [Message.system("Be brief."), Message.user(*parts)]


def oracle_logits(oracle, batch: Batch):
    given = {"input_ids": batch.tokens, "attention_mask": (batch.layout.position >= 0).long()}
    if batch.images is not None:
        given["pixel_values"] = batch.images
        given["token_type_ids"] = (batch.layout.image_id > 0).long()
    with torch.no_grad():
        return oracle(**given).logits


def test_we_read_what_transformers_writes(written):
    folder, config, oracle = written
    model, processor = load(folder)
    assert (model.config.text, model.config.vision) == (config.text, config.vision)
    batch = processor(question(config))
    if config.vision:  # the photograph is wide: itself and two crops, since the folder says so
        assert batch.layout.image_id.max() == 3
    with torch.no_grad():
        torch.testing.assert_close(model(batch), oracle_logits(oracle, batch), rtol=0, atol=1e-5)


def test_chat_streams_an_answer_about_a_photograph(written, capsys):
    folder, config, oracle = written
    model, processor = load(folder)
    heard = []
    reply = chat(model, processor, question(config), GREEDY, 24, on_text=heard.append)
    assert (
        reply == "".join(heard) == "".join(stream(model, processor, question(config), GREEDY, 24))
    )
    batch = processor(question(config))
    ids = oracle.generate(
        batch.tokens,
        max_new_tokens=24,
        do_sample=False,
        eos_token_id=list(processor.stop_tokens),
        **({"pixel_values": batch.images} if config.vision else {}),
        **({"token_type_ids": (batch.layout.image_id > 0).long()} if config.vision else {}),
    )
    assert reply == processor.decode(ids[0, batch.layout.length :])
    said = ids[0, batch.layout.length :].tolist()
    stop = next(n for n, index in enumerate(said) if n and index not in said[:n])
    stopping = dataclasses.replace(processor, stop_tokens=(said[stop],))
    cut = chat(model, stopping, question(config), GREEDY, 24)
    assert cut == processor.decode(said[: stop + 1]) != reply
    image = ["--image", str(PHOTO)] if config.vision else []
    command = ["chat", "--model", str(folder), "--temperature", "0", "--max-new-tokens", "24"]
    assert main([*command, *image, "--system", "Be brief.", "What is higher?"]) == 0
    assert capsys.readouterr().out == reply + "\n"


def test_transformers_reads_what_we_write(written, tmp_path):
    folder, config, _ = written
    model, processor = load(folder)
    save(model, processor, tmp_path)
    kind = AutoModelForImageTextToText if config.vision else AutoModelForCausalLM
    theirs = kind.from_pretrained(tmp_path, attn_implementation="eager").eval()
    conversation = [{"role": "user", "content": [{"type": "text", "text": "What is higher?"}]}]
    if config.vision:
        conversation[0]["content"].insert(0, {"type": "image", "path": str(PHOTO)})
    inputs = AutoProcessor.from_pretrained(tmp_path).apply_chat_template(
        conversation,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        add_generation_prompt=True,
        # its processor overrides what preprocessor_config.json says, so it is told
        **({"processor_kwargs": {"do_pan_and_scan": True}} if config.vision else {}),
    )
    parts = [PHOTO, "What is higher?"] if config.vision else ["What is higher?"]
    batch = processor([Message.user(*parts)])
    assert torch.equal(inputs["input_ids"], batch.tokens)
    with torch.no_grad():
        torch.testing.assert_close(theirs(**inputs).logits, model(batch), rtol=0, atol=1e-5)
    again, _ = load(tmp_path)
    assert torch.equal(again(batch), model(batch))


def test_a_folder_without_tokenizer_loads_but_does_not_chat(written, tmp_path):
    folder, _, _ = written
    shutil.copytree(folder, tmp_path / "bare")
    (tmp_path / "bare" / "tokenizer.model").unlink()
    model, processor = load(tmp_path / "bare")
    assert processor is None
    with pytest.raises(ValueError, match="tokenizer=PATH"):
        chat(model, processor, "Hello")
    assert load(tmp_path / "bare", tokenizer=DATA / "tokenizer.model")[1] is not None
    (tmp_path / "bare" / "tokenizer.json").write_text("{}")
    with pytest.raises(ValueError, match="tokenizer=PATH"):
        load(tmp_path / "bare")


def test_the_terminal_says_what_is_wrong(capsys):
    assert main(["chat", "--model", "nowhere", "Hello"]) == 2
    assert "neither a folder" in capsys.readouterr().err
