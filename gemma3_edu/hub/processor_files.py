"""The files of a checkpoint that determine how prompts are made, read and written.

>>> from gemma3_edu import PRESETS, Processor, Tokenizer
>>> import dataclasses
>>> tokenizer = Tokenizer("tests/data/tokenizer.model")
>>> text = dataclasses.replace(PRESETS["tiny-text"].text, vocab_size=tokenizer.vocab_size)
>>> processor = Processor(tokenizer, dataclasses.replace(PRESETS["tiny-text"], text=text))
>>> sorted(processor_to_files(processor))[:3]
['chat_template.jinja', 'generation_config.json', 'tokenizer.json']
"""

import json
from pathlib import Path
from typing import Any

from ..model.config import Gemma3Config
from ..prompt.images import ImageSettings
from ..prompt.processor import Processor
from ..prompt.tokenizer import Tokenizer
from .config_json import load_json
from .folder import current
from .ranges import check
from .tokenizer_json import tokenizer_files

CHAT_TEMPLATE = Path(__file__).parents[1] / "assets" / "chat_template.jinja"
"""The rules of `prompt.chat_template` in the language that transformers reads."""

PROCESSOR_FILES = (
    "tokenizer.model",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "generation_config.json",
    "processor_config.json",
    "preprocessor_config.json",
)
"""All files that `processor_to_files` writes, for one model or another."""


def processor_from_folder(
    folder: str | Path, config: Gemma3Config, tokenizer: str | Path | None = None
) -> Processor | None:
    """Read a checkpoint's tokenizer and settings; None if it has no tokenizer files.

    `tokenizer` is the path of a `tokenizer.model` to read instead of the folder's. Raises
    ValueError for a folder with only a `tokenizer.json`, as transformers writes it today, since
    SentencePiece cannot read that.
    """
    folder = current(folder)
    model = Path(tokenizer) if tokenizer else folder / "tokenizer.model"
    if not tokenizer and not model.is_file():
        if not (folder / "tokenizer.json").is_file():
            return None
        raise ValueError(
            f"tokenizer: {folder} has a tokenizer.json but no tokenizer.model, which is what "
            "is read here; pass one with tokenizer=PATH (it is in the original checkpoint)"
        )
    processor = _json(folder / "processor_config.json")
    check(processor, "processor_config")
    length = processor.get("image_seq_length", config.mm_tokens_per_image)
    if config.vision and length != config.mm_tokens_per_image:
        raise ValueError(
            f"processor_config: image_seq_length={length}, but the config's "
            f"mm_tokens_per_image is {config.mm_tokens_per_image}"
        )
    settings = ImageSettings()
    if config.vision:
        images = processor.get("image_processor") or _json(folder / "preprocessor_config.json")
        check(images, "preprocessor_config")
        settings = ImageSettings.from_hf(images, config.vision.image_size)
    try:
        pieces = Tokenizer(model)
    except OSError as error:
        raise ValueError(f"tokenizer: {model} cannot be read: {error.strerror}") from error
    return Processor(pieces, config, settings, _stop_tokens(folder, config))


def processor_to_files(processor: Processor) -> dict[str, bytes]:
    """The files that `processor_from_folder` and transformers' AutoProcessor read, by name.

    A text-only model has no image settings; transformers reads its files with AutoTokenizer.
    """
    stop_tokens = {"eos_token_id": list(processor.stop_tokens)}
    contents: dict[str, dict[str, Any]] = {"generation_config.json": stop_tokens}
    config, name = processor.config, None
    if config.vision:
        name = "Gemma3Processor"
        length = config.mm_tokens_per_image
        contents["processor_config.json"] = {"processor_class": name, "image_seq_length": length}
        settings = processor.image_settings.to_hf(config.vision.image_size)
        contents["preprocessor_config.json"] = settings
    return {
        **tokenizer_files(processor.tokenizer, config.text.max_position_embeddings, name),
        "chat_template.jinja": CHAT_TEMPLATE.read_bytes(),
        **{file: json.dumps(each, indent=2).encode() for file, each in contents.items()},
    }


def _json(path: Path) -> dict[str, Any]:
    return load_json(path) if path.is_file() else {}


def _stop_tokens(folder: Path, config: Gemma3Config) -> tuple[int, ...]:
    """The ids that end an answer, from the folder's files; () if they name none."""
    top, generation = _json(folder / "config.json"), _json(folder / "generation_config.json")
    check(top, "config")
    check(generation, "generation_config")
    for source in (generation, top, top.get("text_config")):
        ids = (source or {}).get("eos_token_id")
        if ids is None:
            continue
        ids = ids if isinstance(ids, list) else [ids]
        if outside := [index for index in ids if index >= config.text.vocab_size]:
            raise ValueError(
                f"eos_token_id: {outside} in {folder} are outside the vocabulary of "
                f"{config.text.vocab_size} tokens; no answer would end there"
            )
        return tuple(ids)
    return ()
