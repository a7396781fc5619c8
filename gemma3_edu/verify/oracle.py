"""The Gemma 3 of transformers, for comparison; the only place that knows its interface.

transformers is not a dependency: every function here raises ValueError if it is not installed. No
Python of a checkpoint is ever run: files that ask for it are read without it, or refused.

>>> import torch
>>> from gemma3_edu.model.presets import PRESETS
>>> batch = Batch.from_ids(torch.tensor([[2, 7, 8]]), PRESETS["tiny-text"])
>>> sorted(their_arguments(batch))
['attention_mask', 'input_ids', 'use_cache']
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ..hub.processor_files import CHAT_TEMPLATE
from ..model.layout import Batch

SECONDS = 20.0
"""How long a checkpoint's own chat template may take; the released one takes far below one."""


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
    config = library.AutoConfig.from_pretrained(folder, trust_remote_code=False)
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
    """The ids and pixels that their processor makes from a question about a photograph.

    A chat template is a program, which can be made to run for ever. One that is not ours runs in a
    process of its own, and after `SECONDS` or an error there is a ValueError.
    """
    processor = _processor(folder)
    if processor.chat_template == CHAT_TEMPLATE.read_text(encoding="utf-8"):
        return _inputs(processor, photo, question)
    with tempfile.TemporaryDirectory() as home:
        result, errors = Path(home) / "inputs.pt", Path(home) / "errors.txt"
        command = [sys.executable, "-m", __name__, str(folder), str(photo), question, str(result)]
        options: dict[str, Any] = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "env": {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        }
        with errors.open("wb") as log, subprocess.Popen(command, stderr=log, **options) as process:
            try:
                assert process.stdout is not None
                process.stdout.readline()  # all is imported and read; the clock starts
                process.communicate(timeout=SECONDS)
            except subprocess.TimeoutExpired:
                raise ValueError(
                    f"chat template: that of {folder} has not ended after {SECONDS:g} s; it is "
                    "damaged or malicious"
                ) from None
            finally:
                process.kill()
        if process.returncode:
            last = errors.read_text(encoding="utf-8", errors="replace").splitlines()[-1:]
            raise ValueError(f"chat template: that of {folder} fails in transformers: {last}")
        ids, pixels = torch.load(result, weights_only=True)
    return ids, pixels


def _processor(folder: str | Path) -> Any:
    library = _transformers()
    try:
        return library.Gemma3Processor.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # of many kinds, some of no kind at all
        first = str(error).partition("\n")[0]
        raise ValueError(
            f"processor: transformers cannot read that of {folder} ({first}); Python of a "
            "checkpoint is never run here"
        ) from error


def _inputs(processor: Any, photo: Path, question: str) -> tuple[Tensor, Tensor]:
    content = [{"type": "image", "path": str(photo)}, {"type": "text", "text": question}]
    given = processor.apply_chat_template(
        [{"role": "user", "content": content}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )
    return given["input_ids"], given["pixel_values"]


if __name__ == "__main__":
    theirs = _processor(sys.argv[1])
    print(flush=True)
    torch.save(_inputs(theirs, Path(sys.argv[2]), sys.argv[3]), sys.argv[4])
