"""Loading copies the weights once or not at all: measured on a checkpoint of more than 1 GB."""

import dataclasses
import json
import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file

from gemma3_edu.hub.checkpoint import save
from gemma3_edu.hub.config_json import config_to_hf
from gemma3_edu.hub.weights import export_weights
from gemma3_edu.model.config import Gemma3Config, layer_pattern
from gemma3_edu.model.gemma3 import Gemma3
from gemma3_edu.model.presets import PRESETS

CONFIG = dataclasses.replace(
    PRESETS["270m"], text=dataclasses.replace(PRESETS["270m"].text, hidden_size=1280)
)
MEASURE = """
import json, sys, torch
from gemma3_edu.hub.checkpoint import load

def anonymous():
    for line in open("/proc/self/status"):
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024

load_dtype = {"bfloat16": torch.bfloat16, "float32": torch.float32, "None": None}[sys.argv[2]]
torch.zeros(8, 8) @ torch.zeros(8, 8)  # start PyTorch's threads before the first reading
seen, peak, before, normal = 0, 0, anonymous(), torch.Tensor.to

def watched(*args, **kwargs):  # every tensor passes here once it is made
    global peak, seen
    seen += 1
    out = normal(*args, **kwargs)
    peak = max(peak, anonymous())
    return out

torch.Tensor.to = watched
model, _ = load(sys.argv[1], dtype=load_dtype)
weights = sum(p.nbytes for p in model.parameters())
growth = max(peak, anonymous()) - before
print(json.dumps({"weights": weights, "growth": growth, "seen": seen}))
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="reads Linux's /proc")
@pytest.mark.parametrize(("dtype", "copies"), [("None", 0), ("bfloat16", 0), ("float32", 1)])
def test_anonymous_memory_grows_by_copies_of_the_weights_alone(dtype, copies, tmp_path):
    """In the file's own dtype there are none: its pages are the weights."""
    with torch.device("meta"):
        shapes = export_weights(Gemma3(CONFIG))
    tensors = {name: torch.zeros(t.shape, dtype=torch.bfloat16) for name, t in shapes.items()}
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    del tensors
    (tmp_path / "config.json").write_text(json.dumps(config_to_hf(CONFIG)))
    measured = measure(tmp_path, dtype)
    assert measured["weights"] > 1e9
    assert measured["seen"] >= len(shapes)
    share = measured["growth"] / measured["weights"]
    assert copies <= share < copies + 0.15


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="reads Linux's /proc")
@pytest.mark.parametrize(("kind", "copies"), [("Q8_0", 1), (None, 0)])
def test_blocks_become_numbers_without_a_second_copy(kind, copies, tmp_path):
    """The matrices of a GGUF file are turned into numbers in place, or are mapped."""
    text = dataclasses.replace(
        PRESETS["270m"].text, layer_types=layer_pattern(6), vocab_size=32_768
    )
    with torch.device("meta"):
        model = Gemma3(Gemma3Config(text=text))
    model.to_empty(device="cpu")
    for parameter in model.parameters():
        parameter.detach().zero_()
    save(model, None, tmp_path / "model.gguf", quantization=kind)
    measured = measure(tmp_path, "float32")
    assert measured["weights"] > 2e8
    share = measured["growth"] / measured["weights"]
    assert copies <= share < copies + 0.2  # the library too is loaded in between


def measure(folder, dtype: str) -> dict[str, int]:
    """What loading a folder takes, in a process of its own."""
    command = [sys.executable, "-c", MEASURE, str(folder), dtype]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(run.stdout)
