"""A model's GGUF files found, checked and read: its config, its processor and its weights.

Nothing in a file is run: a chat template in it, which is a program, is not looked at.

>>> part_of(Path("gemma-00002-of-00003.gguf"))
('gemma', 2, 3)
"""

import dataclasses
import re
from pathlib import Path

import torch

from ...model.config import Gemma3Config
from ...prompt.processor import Processor
from ...prompt.tokenizer import Tokenizer
from .header import Head, read_head
from .names import VISION, as_llama_cpp
from .settings import OLLAMA_VISION, TEXT, read_config
from .vocabulary import tokenizer_of
from .weights import GGUFWeights

_PART = re.compile(r"(.+)-(\d{5})-of-(\d{5})\.gguf")
_PICTURES = "clip"  # the architecture of a vision half


def read_gguf(
    source: Path,
    *,
    vision: Path | None = None,
    text_only: bool = False,
    tokenizer: str | Path | None = None,
    dtype: torch.dtype | None = None,
) -> tuple[Gemma3Config, Processor | None, GGUFWeights]:
    """Config, processor and weights of a text file, or of the files in a folder.

    Of a folder, the one text file is read and the one vision file if there is one. `tokenizer` is a
    tokenizer.model in place of the file's own vocabulary. Raises ValueError for whatever is
    missing, damaged or not Gemma 3, before any tensor is read.
    """
    if source.is_dir():
        source, found = _in_folder(source, wanted=not text_only and vision is None)
        vision = vision or found
    text = _text(source)
    pictures = None if vision is None or text_only else _vision(vision)
    words = Tokenizer(tokenizer) if tokenizer else tokenizer_of(text)
    config = read_config(text, pictures, words)
    processor = None if words is None else Processor(words, config)
    return config, processor, GGUFWeights(text, pictures, dtype)


def _in_folder(folder: Path, wanted: bool) -> tuple[Path, Path | None]:
    """The text file, and the vision file if it is wanted and there is one."""
    texts: list[Path] = []
    visions: list[Path] = []
    for file in sorted(folder.glob("*.gguf")):
        part = part_of(file)
        if part is None or part[1] == 1:
            is_vision = read_head(file).settings.get("general.architecture") == _PICTURES
            (visions if is_vision else texts).append(file)
    if len(texts) != 1:
        names = ", ".join(file.name for file in texts) or "none with text"
        raise ValueError(
            f"source: {folder} contains {len(texts)} GGUF models ({names}); pass the path of one "
            "file in place of the folder"
        )
    if wanted and len(visions) > 1:
        names = ", ".join(file.name for file in visions)
        raise ValueError(
            f"vision: {folder} contains several vision files ({names}); pass the path of one with "
            "vision=PATH, or text_only=True"
        )
    return texts[0], visions[0] if wanted and visions else None


def part_of(path: Path) -> tuple[str, int, int] | None:
    """The name, the number and the count that the name of a split file's part states."""
    found = _PART.fullmatch(path.name)
    return (found[1], int(found[2]), int(found[3])) if found else None


def _text(path: Path) -> Head:
    head = _joined(path)
    kind = head.setting("general.architecture", str)
    if kind == _PICTURES:
        raise ValueError(
            f"source: {path.name} is the vision half of a model; give the path of its text file, "
            "and this one with vision=PATH"
        )
    if kind != TEXT:
        raise ValueError(
            f"source: {path.name} is a model of the architecture {kind!r}, not {TEXT!r}; only "
            "Gemma 3 is read here"
        )
    if (use := head.setting("general.type", "model")) != "model":
        raise ValueError(
            f"source: {path.name} is of type {use!r}, not a whole model; merge an adapter into its "
            "model with llama.cpp's llama-export-lora, or give the model's own file"
        )
    return head


def _vision(path: Path) -> Head:
    """The vision half, its tensors with llama.cpp's names, without tensors of a text half."""
    head = _joined(path)
    if f"{OLLAMA_VISION}.block_count" not in head.settings:
        kind = head.setting("general.architecture", str)
        if kind != _PICTURES:
            raise ValueError(
                f"vision: {path.name} is a text model ({kind}), not a vision half; give the path "
                "of the mmproj file"
            )
        projector = head.setting("clip.vision.projector_type", "")  # in files with several halves
        projector = head.setting("clip.projector_type", projector)
        if projector != TEXT:
            raise ValueError(
                f"vision: {path.name} is the vision half of another model (projector "
                f"{projector!r}, not {TEXT!r}); give Gemma 3's mmproj file"
            )
    tensors = {as_llama_cpp(name): tensor for name, tensor in head.tensors.items()}
    kept = {name: tensor for name, tensor in tensors.items() if name.startswith(VISION)}
    return dataclasses.replace(head, tensors=kept)


def _joined(path: Path) -> Head:
    """One file's head, or that of all parts of a split file together, with the first's settings."""
    part = part_of(path)
    if part is None:
        head = read_head(path)
        if (count := head.setting("split.count", 1)) > 1:
            raise ValueError(
                f"{path.name}: is one of {count} parts of a model; their names must end in "
                f"-00001-of-{count:05d}.gguf and so on: rename them"
            )
        return head
    name, _, count = part
    paths = [path.with_name(f"{name}-{i:05d}-of-{count:05d}.gguf") for i in range(1, count + 1)]
    if missing := [each.name for each in paths if not each.is_file()]:
        raise ValueError(
            f"{path.name}: is one of {count} parts, and {len(missing)} are missing: "
            f"{', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''}; put all parts into "
            f"{path.parent}"
        )
    first, *others = heads = [read_head(each) for each in paths]
    tensors = dict(first.tensors)
    for number, head in enumerate(heads):
        if (head.setting("split.no", -1), head.setting("split.count", -1)) != (number, count):
            raise ValueError(
                f"{head.path.name}: its settings split.no and split.count are not {number} and "
                f"{count}, as its name says; get the file again"
            )
    for head in others:
        if twice := sorted(tensors.keys() & head.tensors.keys()):
            raise ValueError(
                f"{head.path.name}: has the tensor {twice[0]} that another part has too; get all "
                "parts of one conversion"
            )
        tensors |= head.tensors
    if (stated := first.setting("split.tensors.count", len(tensors))) != len(tensors):
        raise ValueError(
            f"{path.name}: its parts have {len(tensors)} tensors in place of {stated}; get all "
            "parts of one conversion"
        )
    return dataclasses.replace(first, tensors=tensors)
