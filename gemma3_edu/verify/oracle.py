"""The Gemma 3 of transformers, for comparison; the only place that knows its interface.

transformers is not a dependency: every function here raises ValueError if it is not installed.

>>> import torch
>>> from gemma3_edu.model.presets import PRESETS
>>> batch = Batch.from_ids(torch.tensor([[2, 7, 8]]), PRESETS["tiny-text"])
>>> sorted(their_arguments(batch))
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
            "transformers: it is needed for the comparison and is not installed; "
            "pip install transformers"
        ) from error
    return transformers


def their_model(folder: str | Path) -> nn.Module:
    """Their model of a checkpoint folder, with its parameters on the meta device, without values.

    Each parameter is moved there as soon as it is made. Buffers are not in the files, so they stay.
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


def their_arguments(batch: Batch) -> dict[str, Any]:
    """A batch as the arguments of their model, without a cache."""
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
    """The ids and pixels that their processor makes from a question about a photograph."""
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
