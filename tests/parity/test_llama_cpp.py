"""nano in llama.cpp, a second oracle, in C++: it reads the files that we write and says the same.

llama.cpp rounds GELU to 16 bits, hence the tolerance. What a test would miss otherwise, such as a
window that is ignored, differs by more than 1 here.
"""

import base64
import io

import pytest
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from gemma3_edu import Batch, load, save
from gemma3_edu.prompt.images import resize_and_normalize

xllamacpp = pytest.importorskip("xllamacpp", reason="llama.cpp is not installed")
pytestmark = pytest.mark.parity
NEW = 200
TOLERANCE = 1e-2


@pytest.fixture(scope="module")
def nano():
    """The model in float32, and its processor."""
    return load("nano-it")


@pytest.fixture(scope="module")
def folder(nano, tmp_path_factory):
    """nano as GGUF: float32 in one file, its vision tower in another, and in blocks."""
    folder = tmp_path_factory.mktemp("nano")
    save(*nano, folder / "nano.gguf")
    for kind in ("Q8_0", "Q4_0"):
        save(*nano, folder / kind / "nano.gguf", quantization=kind)
    return folder


def server(text, vision=None):
    """llama.cpp with a cache in float32 and without its approximate attention."""
    settings = xllamacpp.CommonParams()
    settings.model.path = str(text)
    if vision:
        settings.mmproj.path = str(vision)
    settings.n_ctx = 1024
    settings.warmup = False
    settings.cpuparams.n_threads = 1
    settings.cache_type_k = settings.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    off = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    settings.flash_attn_type = off
    return xllamacpp.Server(settings)


def asked(count: int, vocabulary: int, **prompt: object) -> dict:
    """A greedy reply that does not end, with the log-probabilities of the whole vocabulary."""
    return {
        **prompt,
        "max_tokens": count,
        "n_predict": count,
        "temperature": 0,
        "samplers": ["temperature"],
        "n_probs": vocabulary,
        "ignore_eos": True,
        "cache_prompt": False,
    }


def reply(answer: dict, vocabulary: int) -> tuple[list[int], Tensor]:
    """The ids that llama.cpp chose, and the log-probabilities it chose from."""
    steps = answer["choices"][0]["logprobs"]["content"]
    rows = torch.full((len(steps), vocabulary), torch.nan)
    for row, step in zip(rows, steps, strict=True):
        top = step["top_logprobs"]
        row[[token["id"] for token in top]] = torch.tensor([token["logprob"] for token in top])
    assert not rows.isnan().any()
    return [step["id"] for step in steps], rows


def ours(model, prompt: list[int], chosen: list[int], images: Tensor | None = None) -> Tensor:
    """Our log-probabilities at the same places."""
    batch = Batch.from_ids(torch.tensor([prompt + chosen]), model.config, images)
    with torch.no_grad():
        return model(batch).log_softmax(-1)[0, len(prompt) - 1 : -1]


def story(processor) -> list[int]:
    """The ids of a text that is longer than the window."""
    prompt = processor.tokenizer.encode(
        "There was a red square in a blue room, and a circle that it knew. " * 6
    )
    assert len(prompt) > processor.config.text.sliding_window
    return prompt


def test_text_past_the_window(nano, folder):
    model, processor = nano
    vocabulary, prompt = model.config.text.vocab_size, story(processor)
    request = asked(NEW, vocabulary, prompt=prompt, logprobs=vocabulary)
    chosen, theirs = reply(server(folder / "nano.gguf").handle_completions(request), vocabulary)
    assert len(chosen) == NEW
    torch.testing.assert_close(theirs, ours(model, prompt, chosen), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0"])
def test_blocks(nano, folder, kind):
    """With blocks llama.cpp rounds activations to 8 bits, which moves a hundredth of probability.

    Rounding weights to 4 bits moves 17 hundredths, so that it is seen that both read the same ones.
    """
    model, processor = load(folder / kind)
    vocabulary, prompt = model.config.text.vocab_size, story(processor)
    request = asked(40, vocabulary, prompt=prompt, logprobs=vocabulary)
    llama = server(folder / kind / "nano.gguf")
    chosen, theirs = reply(llama.handle_completions(request), vocabulary)

    def moved(expected: Tensor) -> float:
        return float((theirs.exp() - expected.exp()).abs().sum(1).mean() / 2)

    assert moved(ours(model, prompt, chosen)) < 0.02
    if kind == "Q4_0":
        assert moved(ours(nano[0], prompt, chosen)) > 0.1


def test_a_picture(nano, folder):
    model, processor = nano
    vocabulary, size = model.config.text.vocab_size, model.config.vision.image_size
    picture = Image.new("RGB", (size, size), "white")
    draw = ImageDraw.Draw(picture)
    draw.rectangle((20, 20, 60, 70), fill="red")
    draw.ellipse((70, 60, 100, 90), fill="blue")
    file = io.BytesIO()
    picture.save(file, "PNG")
    url = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
    question = "What is in this picture?"
    content = [
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "text", "text": question},
    ]
    messages = [{"role": "user", "content": content}]
    request = asked(NEW, vocabulary, messages=messages, logprobs=True, top_logprobs=vocabulary)
    llama = server(folder / "nano.gguf", folder / "mmproj-nano.gguf")
    answer = llama.handle_chat_completions(request)
    chosen, theirs = reply(answer, vocabulary)
    # llama.cpp puts no newlines around an image.
    image = "<start_of_image>" + "<image_soft_token>" * model.config.mm_tokens_per_image
    text = f"<start_of_turn>user\n{image}<end_of_image>{question}<end_of_turn>\n"
    prompt = processor.tokenizer.encode(f"{text}<start_of_turn>model\n")
    assert answer["usage"]["prompt_tokens"] == len(prompt)
    pixels = resize_and_normalize(picture, size)[None]
    expected = ours(model, prompt, chosen, pixels)
    torch.testing.assert_close(theirs, expected, rtol=0, atol=TOLERANCE)
    blank = ours(model, prompt, chosen, torch.ones_like(pixels))
    assert (theirs - blank).abs().max() > 1  # it saw the picture
