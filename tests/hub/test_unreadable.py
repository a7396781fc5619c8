"""Files that may not be read, or are nested too deep, are named in a message of our own.

The tests may run as a user who may read everything, so the refusal is planted.
"""

from pathlib import Path

import pytest

import gemma3_edu.hub.weights as weights
from gemma3_edu.hub.config_json import load_json
from gemma3_edu.hub.processor_files import processor_from_folder
from gemma3_edu.hub.weights import CheckpointFiles
from tests.tokenizers import DATA, small_config

DEEP = '{"a": ' + "[" * 100_000


def refuse(*_: object, **__: object):
    raise PermissionError(13, "Permission denied")


def test_a_config_that_may_not_be_read(tmp_path, monkeypatch):
    (tmp_path / "config.json").write_text("{}")
    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(ValueError, match=r"config.json cannot be read: Permission denied"):
        load_json(tmp_path)


def test_a_tokenizer_that_may_not_be_read(monkeypatch):
    config = small_config()
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(ValueError, match=r"tokenizer.model cannot be read: Permission denied"):
        processor_from_folder(DATA, config)


def test_weights_that_may_not_be_read_are_not_called_damaged(tmp_path, monkeypatch):
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match="damaged or cut short"):
        CheckpointFiles(tmp_path)
    monkeypatch.setattr(weights, "safe_open", refuse)
    with pytest.raises(ValueError, match="cannot be read: you may not open it"):
        CheckpointFiles(tmp_path)


def test_an_index_that_may_not_be_read(tmp_path, monkeypatch):
    (tmp_path / "model.safetensors.index.json").write_text("{}")
    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(ValueError, match=r"index.json cannot be read: Permission denied"):
        CheckpointFiles(tmp_path)


def test_json_nested_too_deep(tmp_path):
    (tmp_path / "config.json").write_text(DEEP)
    with pytest.raises(ValueError, match=r"config.json is not JSON"):
        load_json(tmp_path)
    (tmp_path / "model.safetensors.index.json").write_text(DEEP)
    with pytest.raises(ValueError, match="is not an index of shards"):
        CheckpointFiles(tmp_path)
