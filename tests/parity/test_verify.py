"""`verify` calls equal what is equal, and names the first stage that is not."""

import json
import shutil
import sys

import pytest
import torch

from gemma3_edu import KVCache, Processor, save
from gemma3_edu.__main__ import main
from gemma3_edu.model import masks
from gemma3_edu.model.attention import Attention
from gemma3_edu.prompt import processor
from gemma3_edu.prompt.chat_template import image_text
from gemma3_edu.prompt.images import resize_and_normalize
from gemma3_edu.verify.verify import LIMIT, relative_error, verify
from tests.parity.oracle import ours_from, transformers_model
from tests.tokenizers import small_config, small_tokenizer

pytestmark = pytest.mark.parity


@pytest.fixture(scope="module", params=["tiny", "tiny-text"])
def folder(request, tmp_path_factory):
    """A checkpoint with a tokenizer: transformers' weights, our processor files."""
    config = small_config(request.param)
    target = tmp_path_factory.mktemp(request.param)
    torch.manual_seed(1)
    save(
        ours_from(transformers_model(config), config), Processor(small_tokenizer(), config), target
    )
    return target


@pytest.fixture
def multimodal(folder):
    if folder.name.startswith("tiny-text"):
        pytest.skip("text-only: no picture to go wrong")
    return folder


def first_wrong(folder):
    return next(((s.case, s.name) for s in verify(folder) if not s.equal), None)


def scaled_in_layer_3(self, config, layer, made=Attention.__init__):
    made(self, config, layer)
    self.scale *= 1.1 if layer == 3 else 1


def test_equal_at_every_stage(folder):
    stages = list(verify(folder))
    config = json.loads((folder / "config.json").read_text())
    layers = config.get("text_config", config)["num_hidden_layers"]
    assert max(stage.error for stage in stages) < 1e-4 < LIMIT
    assert sum(stage.case == "text" for stage in stages) == layers + 2  # the norm, the logits
    cases = {stage.case for stage in stages}
    wanted = {"text", "cache"} | ({"image", "ids", "pixels"} if "text_config" in config else set())
    assert cases == wanted


def test_a_wrong_scale_is_found_at_its_layer(folder, monkeypatch):
    monkeypatch.setattr(Attention, "__init__", scaled_in_layer_3)
    assert first_wrong(folder) == ("text", "language_model.layers.3")


def test_a_window_one_too_wide_is_found(folder, monkeypatch):
    right = masks.within_window
    monkeypatch.setattr(masks, "within_window", lambda q, k, w: right(q, k, w + 1))
    assert first_wrong(folder) == ("text", "language_model.layers.0")


def test_a_cache_that_forgets_is_found_in_the_cache(folder, monkeypatch):
    right = KVCache.update

    def update(self, layer, k, v):
        keys, values = right(self, layer, k, v)
        return keys, values.roll(1, 2)

    monkeypatch.setattr(KVCache, "update", update)
    assert first_wrong(folder) == ("cache", "logits")


def test_wrong_pixels_and_wrong_ids_are_found(multimodal, monkeypatch):
    monkeypatch.setattr(
        processor, "resize_and_normalize", lambda *a: resize_and_normalize(*a) * 0.99
    )
    assert first_wrong(multimodal) == ("pixels", "photograph")
    monkeypatch.undo()
    monkeypatch.setattr(processor, "image_text", lambda *a: image_text(*a).strip())
    assert first_wrong(multimodal) == ("ids", "chat with a photograph")


def test_without_a_tokenizer_the_models_are_compared(folder, tmp_path):
    bare = shutil.copytree(folder, tmp_path / "bare")
    for file in bare.glob("tokenizer*"):
        file.unlink()
    stages = list(verify(bare))
    assert all(stage.equal for stage in stages)
    assert not {stage.case for stage in stages} & {"ids", "pixels"}


def test_the_command_says_equal_or_where_not(folder, tmp_path, monkeypatch, capsys):
    numbers = tmp_path / "verify.json"
    assert main(["verify", str(folder), "--json", str(numbers)]) == 0
    shown = capsys.readouterr()
    assert "EQUAL at all" in shown.out
    assert "transformers" in shown.out.splitlines()[0]
    assert "layers" in shown.err  # the bar
    assert json.loads(numbers.read_text())["limit"] == LIMIT
    monkeypatch.setattr(Attention, "__init__", scaled_in_layer_3)
    assert main(["verify", str(folder)]) == 1
    said = capsys.readouterr().out.splitlines()[-1]
    assert said.startswith("DIFFERENT, first in case 'text' at language_model.layers.3")


def test_bad_input(folder, tmp_path, monkeypatch, capsys):
    assert main(["verify", str(tmp_path)]) == 2
    assert main(["verify", str(folder), "--tokens", "100000"]) == 2
    assert "max_position_embeddings" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert main(["verify", str(folder)]) == 2
    assert "pip install transformers" in capsys.readouterr().err


def test_what_is_no_number_is_not_equal():
    x = torch.ones(2, 3)
    assert relative_error(x, x) == 0
    assert relative_error(x / 0, x) == float("inf")
    assert relative_error(x * float("nan"), x) == float("inf")
    assert relative_error(x[:1], x) == float("inf")


CODE = """
from pathlib import Path
Path("executed").touch()
class Bait:
    @classmethod
    def from_pretrained(cls, *a, **k): raise SystemExit("executed")
"""
AUTO = ("Config", "Processor", "Tokenizer", "ImageProcessor", "FeatureExtractor", "VideoProcessor")


@pytest.mark.parametrize("named", ["kept", "removed", "another"])
def test_python_in_a_checkpoint_is_never_run(named, multimodal, tmp_path, monkeypatch):
    """Whatever its files ask for, and even if somebody says yes to all questions."""
    bait = shutil.copytree(multimodal, tmp_path / "bait")
    (bait / "bait.py").write_text(CODE)
    for file in set(bait.glob("*.json")) - {bait / "tokenizer.json"}:
        content = json.loads(file.read_text())
        classes = ("processor_class", "tokenizer_class", "image_processor_type")
        if named == "removed":
            content = {key: value for key, value in content.items() if key not in classes}
        elif named == "another":
            content |= {key: "Bait" for key in classes if key in content}
        content["auto_map"] = {f"Auto{kind}": "bait.Bait" for kind in AUTO}
        file.write_text(json.dumps(content))
    asked = []
    monkeypatch.setattr("builtins.input", lambda *a: asked.append(a) or "y")
    monkeypatch.chdir(tmp_path)
    said = ""
    try:
        list(verify(bait, tokens=20))
    except ValueError as error:
        said = str(error)
    assert "trust_remote_code=True" not in said
    assert asked == []
    assert not (tmp_path / "executed").exists()


TEMPLATES = {
    "for ever": (
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "chat template: that of .* has not ended after 1 s",
    ),
    "undefined": ("{{ nothing.there }}", "chat template: that of .* fails in transformers"),
}


@pytest.mark.parametrize("case", TEMPLATES)
def test_a_chat_template_that_does_not_end(case, multimodal, tmp_path, monkeypatch):
    if case == "for ever":
        monkeypatch.setattr("gemma3_edu.verify.oracle.SECONDS", 1.0)
    folder = shutil.copytree(multimodal, tmp_path / "looping")
    template, message = TEMPLATES[case]
    (folder / "chat_template.jinja").write_text(template)
    with pytest.raises(ValueError, match=message):
        list(verify(folder, tokens=20))


def test_another_template_gives_the_same_inputs_in_a_process_of_its_own(multimodal, tmp_path):
    folder = shutil.copytree(multimodal, tmp_path / "other")
    template = folder / "chat_template.jinja"
    template.write_text("{# another #}" + template.read_text())
    assert all(stage.equal for stage in verify(folder, tokens=20))
