"""A folder with the name of a bundled model; a file of its own, since it needs that model."""

from pathlib import Path

import pytest

from gemma3_edu.hub.checkpoint import load, save
from gemma3_edu.model.presets import PRESETS

from .test_weights import random_model


def test_an_existing_folder_is_loaded_and_a_warning_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bundled_layers = load("nano-it")[0].config.text.num_hidden_layers
    save(random_model("tiny-text"), None, "nano-it")
    with pytest.warns(UserWarning, match="the folder .*nano-it is loaded, not the bundled"):
        model, _ = load("nano-it")
    assert model.config == PRESETS["tiny-text"]
    assert load(Path("nano-it"))[0].config == PRESETS["tiny-text"]  # no doubt, no warning
    assert load("./nano-it")[0].config == PRESETS["tiny-text"]
    assert bundled_layers != model.config.text.num_hidden_layers


def test_a_path_is_never_a_bundled_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="neither a folder, a GGUF file"):
        load(Path("nano-it"))
