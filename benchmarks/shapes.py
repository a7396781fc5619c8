"""The models that are measured: a released shape, random weights, saved once for both libraries.

>>> config_of("270m", positions=131_073).text.max_position_embeddings
131073
"""

import dataclasses
import json
import shutil
from pathlib import Path

import torch

from gemma3_edu import cost
from gemma3_edu.hub.checkpoint import load, save
from gemma3_edu.hub.config_json import config_to_hf
from gemma3_edu.model.config import Gemma3Config, layer_pattern
from gemma3_edu.model.gemma3 import Gemma3
from gemma3_edu.model.presets import PRESETS
from gemma3_edu.prompt.processor import Processor

from . import memory
from .rows import QUANTIZED

BYTES = {"float32": 4, "bfloat16": 2}


def config_of(size: str, positions: int = 1) -> Gemma3Config:
    """The config of a row's size, with at least so many positions.

    `siglip` is 4B's vision tower and projector on a language model of one thin layer.
    """
    config = _tower_alone() if size == "siglip" else PRESETS[size]
    most = max(positions, config.text.max_position_embeddings)
    return dataclasses.replace(
        config, text=dataclasses.replace(config.text, max_position_embeddings=most)
    )


def _tower_alone() -> Gemma3Config:
    whole = PRESETS["4b"]
    text = dataclasses.replace(
        whole.text, vocab_size=576, intermediate_size=64, layer_types=layer_pattern(1)
    )
    return dataclasses.replace(
        whole, text=text, boi_token_index=510, eoi_token_index=511, image_token_index=512
    )


def random_model(config: Gemma3Config, dtype: torch.dtype, seed: int = 0) -> Gemma3:
    """Weights drawn once, in their own dtype; equal seeds give equal weights.

    No norm is idle, branches are half as wide as the residual stream, and the gains of the final
    norm have both signs, or else the tied head would repeat the last token for ever.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.device("meta"):
        model = Gemma3(config)
    model.to(dtype).to_empty(device="cpu")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            std = 0.2 if parameter.ndim == 1 else parameter.shape[-1] ** -0.5
            parameter.normal_(0.0, std, generator=generator)
            if name.endswith(
                ("post_attention_layernorm.weight", "post_feedforward_layernorm.weight")
            ):
                parameter.sub_(0.5)
            elif "layer_norm" in name and name.endswith("weight"):
                parameter.add_(1.0)  # SigLIP's are plain gains
            elif name == "language_model.norm.weight":
                parameter.mul_(2.5).sub_(1.0)
    return model.eval()


def check_room(config: Gemma3Config, dtype: str, folder: Path) -> None:
    """ValueError when the disk cannot hold the weights, or memory both contestants' copies."""
    size, gigabyte = weight_bytes(config, dtype), 1e9
    if not folder.is_dir():
        raise ValueError(f"scratch={str(folder)!r} is no folder; make it, or name another")
    for what, free, needed, way_out in [
        ("disk", shutil.disk_usage(folder).free, 1.1 * size, "name another folder with --scratch"),
        ("memory", memory.available(), 2.5 * size, "end other programs"),
    ]:
        if free < needed:
            raise ValueError(
                f"{what}: {free / gigabyte:.1f} GB are free, and the weights need "
                f"{needed / gigabyte:.1f}; {way_out}, or choose rows of a smaller size"
            )


def weight_bytes(config: Gemma3Config, dtype: str) -> int:
    """Bytes of all parameters, as they are drawn."""
    return cost.parameters(config) * BYTES.get(dtype, BYTES["bfloat16"])


def save_random(config: Gemma3Config, dtype: str, folder: str | Path) -> None:
    """Write a checkpoint of random weights, as both libraries read it.

    For llama.cpp it is a GGUF file, with nano's vocabulary filled up, since it wants one, and
    config.json besides, which tells the contestants what the shape is.
    """
    if dtype not in QUANTIZED:
        save(random_model(config, getattr(torch, dtype)), None, folder)
        return
    nano = load("nano-it")[1]
    assert nano is not None
    model, processor = random_model(config, torch.bfloat16), Processor(nano.tokenizer, config)
    save(model, processor, Path(folder) / "model.gguf", quantization=dtype)
    (Path(folder) / "config.json").write_text(json.dumps(config_to_hf(config)), encoding="utf-8")


def prompt_ids(config: Gemma3Config, tokens: int, seed: int = 0) -> torch.Tensor:
    """The same random text for every contestant, BOS first: ids of shape (1, tokens)."""
    generator = torch.Generator().manual_seed(seed)
    special = {config.boi_token_index, config.eoi_token_index, config.image_token_index}
    most = min(config.text.vocab_size, *special) if config.vision else config.text.vocab_size
    ids = torch.randint(5, most, (1, tokens), generator=generator)
    ids[0, 0] = 2
    return ids
