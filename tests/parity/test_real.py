"""The released 270M: what we read, compute, write and spell is what other programs do.

The weights are under the Gemma Terms of Use and are no part of this project; without them all of
this is skipped. `make real` downloads them, names the file in GEMMA3_EDU_REAL, and runs it.
"""

import json
import os
import random
from pathlib import Path

import pytest
import tokenizers
import torch
from transformers import Gemma3ForCausalLM, Gemma3TextConfig
from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

from gemma3_edu import PRESETS, Batch, Sampler, config_to_hf, generate, load, save
from gemma3_edu.hub.checkpoint import ASSETS
from gemma3_edu.hub.tokenizer_json import tokenizer_json
from gemma3_edu.verify.verify import verify

from .test_tokenizer import SCRIPTS, texts_in_many_scripts

FILE = Path(os.environ.get("GEMMA3_EDU_REAL", ""))
pytestmark = [
    pytest.mark.parity,
    pytest.mark.skipif(
        not FILE.is_file(), reason="GEMMA3_EDU_REAL names no GGUF file (Gemma Terms of Use)"
    ),
]
PROMPTS = ("The capital of France is", "Once upon a time", "def fibonacci(n):")
NEW = 30


@pytest.fixture(scope="module")
def real():
    """The model in float32, and its processor."""
    return load(FILE)


@pytest.fixture(scope="module")
def theirs(real):
    """The same file as transformers reads it, by its own table of names and settings."""
    config = config_to_hf(real[0].config)
    with torch.device("meta"):
        model = Gemma3ForCausalLM(Gemma3TextConfig.from_dict(config))
    read = load_gguf_checkpoint(str(FILE), return_tensors=True, model_to_load=model)
    known = read["config"].keys() & config.keys()
    assert {"sliding_window", "head_dim", "num_key_value_heads", "intermediate_size"} <= known
    assert {key: read["config"][key] for key in known} == pytest.approx(
        {key: config[key] for key in known}
    )
    model = Gemma3ForCausalLM(Gemma3TextConfig.from_dict(config))
    tensors = {name: torch.as_tensor(array) for name, array in read["tensors"].items()}
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    assert (missing, unexpected) == (["lm_head.weight"], [])  # which is the embedding
    model.tie_weights()
    model.set_attn_implementation("eager")
    return model.eval()


def test_config(real):
    assert real[0].config == PRESETS["270m"]


@torch.no_grad()
def test_logits(real, theirs):
    """Past the window, which is 512."""
    model, processor = real
    text = (ASSETS / "prose" / "moby-dick.txt").read_text(encoding="utf-8")
    ids = processor.tokenizer.encode(text[:9000])[:640]
    batch = Batch.from_ids(torch.tensor([ids]), model.config)
    assert batch.layout.length == 640
    ours, wanted = model(batch), theirs(input_ids=batch.tokens, use_cache=False).logits
    assert (ours - wanted).abs().max() < 1e-4 * wanted.std()


@pytest.mark.parametrize("prompt", PROMPTS)
@torch.no_grad()
def test_greedy_text(real, theirs, prompt):
    model, processor = real
    batch = processor.text(prompt)
    ours = [int(ids[0]) for ids in generate(model, batch, Sampler(temperature=0), NEW)]
    wanted = theirs.generate(
        batch.tokens,
        attention_mask=torch.ones_like(batch.tokens),
        max_new_tokens=NEW,
        do_sample=False,
        eos_token_id=None,
    )
    assert ours == wanted[0, batch.layout.length :].tolist()


def test_verify(real, tmp_path):
    """As a folder in the public layout, which `verify` compares stage by stage."""
    save(*real, tmp_path)
    stages = list(verify(tmp_path))
    (tmp_path / "model.safetensors").unlink()  # a gigabyte, which pytest would keep
    assert {stage.case for stage in stages} == {"text", "cache"}
    assert [stage for stage in stages if not stage.equal] == []


def test_vocabulary(real):
    tokenizer = real[1].tokenizer
    engine = tokenizers.Tokenizer.from_str(json.dumps(tokenizer_json(tokenizer)))
    texts = texts_in_many_scripts(random.Random(0), each=100)
    assert len(texts) > 5000
    assert len(SCRIPTS) == 38
    for text in texts:
        ids = tokenizer.encode(text)
        assert ids == engine.encode(text).ids
        assert tokenizer.decode(ids) == engine.decode(ids)


def test_published_ids(real):
    """Those of facts that others published."""
    tokenizer = real[1].tokenizer
    for text, ids in {
        "Hello, my dog is cute": [9259, 236764, 1041, 4799, 563, 12864],
        "12345": [236770, 236778, 236800, 236812, 236810],
        "  two  spaces\n\n\ttab": [138, 13498, 138, 35220, 108, 255968, 4823],
        "[BOS]": [236840, 236799, 3354, 236842],
    }.items():
        assert tokenizer.encode(text, add_bos=False) == ids
