"""transformers' Gemma 3, as far as we compare with it; the only place that knows its interface.

It is no dependency: every function here raises ValueError where it is not installed.

>>> import torch
>>> from gemma3_edu.model.presets import PRESETS
>>> batch = Batch.from_ids(torch.tensor([[2, 7, 8]]), PRESETS["tiny-text"])
>>> sorted(as_they_want(batch))
['attention_mask', 'input_ids', 'use_cache']
"""

from pathlib import Path
from types import ModuleType
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor, nn

from ..model.layout import Batch


def _transformers() -> ModuleType:
    try:
        import transformers
    except ImportError as error:
        raise ValueError(
            "transformers: it is what this compares with, and it is not installed; "
            "pip install transformers"
        ) from error
    return transformers


def their_model(folder: str | Path) -> nn.Module:
    """Their model of a checkpoint folder without weights, which lie on the meta device.

    Parameters move there one by one as they are made. Buffers stay: they are no part of the files.
    """
    library = _transformers()
    config = library.AutoConfig.from_pretrained(folder)
    multimodal = hasattr(config, "vision_config")
    kind = library.Gemma3ForConditionalGeneration if multimodal else library.Gemma3ForCausalLM
    normal = nn.Module.register_parameter

    def register(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        normal(module, name, None if parameter is None else nn.Parameter(parameter.to("meta")))

    nn.Module.register_parameter = register  # type: ignore[assignment, method-assign]
    try:
        model: nn.Module = kind(config)
    finally:
        nn.Module.register_parameter = normal  # type: ignore[method-assign]
    return model.eval()


def as_they_want(batch: Batch) -> dict[str, Any]:
    """A batch as their model's arguments, without a cache."""
    given: dict[str, Any] = {
        "input_ids": batch.tokens,
        "attention_mask": (batch.layout.position >= 0).long(),
        "use_cache": False,
    }
    if batch.images is not None:
        given["pixel_values"] = batch.images
        given["token_type_ids"] = (batch.layout.image_id > 0).long()
    return given


def their_inputs(
    folder: str | Path, photo: Path, question: str
) -> tuple[Int[Tensor, "1 T"], Float[Tensor, "I 3 Y X"]]:
    """Ids and pixels that their processor makes of a question about a photograph."""
    content = [{"type": "image", "path": str(photo)}, {"type": "text", "text": question}]
    given = (
        _transformers()
        .AutoProcessor.from_pretrained(folder)
        .apply_chat_template(
            [{"role": "user", "content": content}],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        )
    )
    return given["input_ids"], given["pixel_values"]
