"""Weights by name: one table, used in both directions, strictly.

The modules have the names of the public checkpoints, so the table is a handful of prefixes. Loading
checks every name and shape before it copies anything, and reports all problems at once.

>>> our_name("model.language_model.layers.0.mlp.up_proj.weight")
'language_model.layers.0.mlp.up_proj.weight'
>>> hub_name("language_model.layers.0.mlp.up_proj.weight", multimodal=True)
'language_model.model.layers.0.mlp.up_proj.weight'
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from .folder import current

# Prefix here -> the prefixes that mean the same elsewhere: first the hub's, then those of other
# files and of transformers in memory. Versions 4.52 to 4.57 put "model." before all of them;
# version 5 leaves out "vision_model." too, and writes files without "model.".
WEIGHT_MAP: dict[str, tuple[str, ...]] = {
    "language_model.": (
        "language_model.model.",
        "model.language_model.",
    ),
    "vision.projector.": (
        "multi_modal_projector.",
        "model.multi_modal_projector.",
    ),
    "vision.encoder.patch_embedding.": (
        "vision_tower.vision_model.embeddings.patch_embedding.",
        "model.vision_tower.vision_model.embeddings.patch_embedding.",
        "vision_tower.embeddings.patch_embedding.",
        "model.vision_tower.embeddings.patch_embedding.",
    ),
    "vision.encoder.position_embedding.": (
        "vision_tower.vision_model.embeddings.position_embedding.",
        "model.vision_tower.vision_model.embeddings.position_embedding.",
        "vision_tower.embeddings.position_embedding.",
        "model.vision_tower.embeddings.position_embedding.",
    ),
    "vision.encoder.layers.": (
        "vision_tower.vision_model.encoder.layers.",
        "model.vision_tower.vision_model.encoder.layers.",
        "vision_tower.encoder.layers.",
        "model.vision_tower.encoder.layers.",
    ),
    "vision.encoder.post_layernorm.": (
        "vision_tower.vision_model.post_layernorm.",
        "model.vision_tower.vision_model.post_layernorm.",
        "vision_tower.post_layernorm.",
        "model.vision_tower.post_layernorm.",
    ),
}
# The language model's prefix in text-only files (270M, 1B). It is tried last, since other prefixes
# begin with it.
TEXT_ONLY = "model."
# Tensors that are left out: the tied head, which some tools write although it is the embedding, and
# SigLIP's pooling head, which Gemma 3 never runs.
IGNORED = (
    "lm_head.",
    "language_model.lm_head.",
    "vision_tower.vision_model.head.",
    "model.vision_tower.vision_model.head.",
    "vision_tower.head.",
    "model.vision_tower.head.",
)

LISTED, LONGEST = 20, 120  # problems in one message, characters of a name


def our_name(name: str) -> str | None:
    """Our name of a tensor in a file; None if Gemma 3 has no such parameter."""
    for ours, spellings in WEIGHT_MAP.items():
        for theirs in spellings:
            if name.startswith(theirs):
                return ours + name.removeprefix(theirs)
    if name.startswith(TEXT_ONLY):
        return "language_model." + name.removeprefix(TEXT_ONLY)
    return None


def hub_name(name: str, multimodal: bool) -> str:
    """The name of one of our parameters in the released checkpoints."""
    if not multimodal:
        return TEXT_ONLY + name.removeprefix("language_model.")
    for ours, (theirs, *_) in WEIGHT_MAP.items():
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    raise ValueError(f"name={name!r} is not a parameter of Gemma3")


def export_weights(model: nn.Module) -> dict[str, Tensor]:
    """All parameters under the names of the hub, without copies; the tied head has no entry."""
    names = dict(model.named_parameters())
    multimodal = any(name.startswith("vision.") for name in names)
    return {hub_name(name, multimodal): p.detach() for name, p in names.items()}


def load_weights(
    model: nn.Module,
    source: "Mapping[str, Tensor] | Path | str",
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> None:
    """Fill all parameters of `model` from tensors, a checkpoint folder or one safetensors file.

    Parameters on the meta device get `dtype` and `device` (None: the dtype of the file, the CPU),
    one tensor at a time; others keep theirs. If dtype and device are those of the file, a parameter
    is the mapped file itself: it is read when it is first needed, and copied page by page when it
    is written to, so that the file does not change. A text-only model takes its part of a
    multimodal checkpoint. Raises one ValueError about all unknown, missing, doubled, empty (on the
    meta device) and misshapen tensors; whatever the error, the parameters on the meta device are
    then unchanged, and all others too unless a file fails while it is read.
    """
    tensors = source if isinstance(source, Mapping) else CheckpointFiles(source)
    copy = not isinstance(tensors, TensorFiles)  # never share memory with the caller's tensors
    parameters, fresh = dict(model.named_parameters()), {}
    for ours, theirs in matched(parameters, tensors).items():
        tensor, parameter = tensors[theirs], parameters[ours]
        if parameter.is_meta:
            loaded = tensor.to(device or "cpu", dtype or tensor.dtype, copy=copy)
            fresh[ours] = nn.Parameter(loaded)
        else:
            with torch.no_grad():
                parameter.copy_(tensor)
    for ours, made in fresh.items():
        parent, _, name = ours.rpartition(".")
        setattr(model.get_submodule(parent), name, made)


def matched(parameters: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Our name -> the name in the file, for every parameter; the ValueError lists all problems."""
    found: dict[str, str] = {}
    problems = []
    text_only = not any(name.startswith("vision.") for name in parameters)
    files = tensors if isinstance(tensors, TensorFiles) else None
    name_of, shape_of = (files.our_name, files.shape_of) if files else (our_name, None)
    their_name = files.their_name if files else hub_name
    for theirs in tensors:
        ours = name_of(theirs)
        if theirs.startswith(IGNORED) or (text_only and (ours or "").startswith("vision.")):
            continue
        if ours is None or ours not in parameters:
            problems.append(f"unknown tensor {shown(theirs)}")
        elif ours in found:
            problems.append(f"{shown(theirs)} and {shown(found[ours])} are the same parameter")
        else:
            found[ours] = theirs
            shape = shape_of(theirs) if shape_of else tuple(tensors[theirs].shape)
            want = tuple(parameters[ours].shape)
            if shape != want:
                problems.append(f"{shown(theirs)} has shape {shape}, the config asks for {want}")
            elif files is None and tensors[theirs].is_meta:
                problems.append(f"{shown(theirs)} is on the meta device, so it has no numbers")
    missing = [name for name in parameters if name not in found]
    problems += [f"missing tensor {their_name(name, not text_only)}" for name in missing]
    if problems:
        more = [f"and {len(problems) - LISTED} more"] if len(problems) > LISTED else []
        raise ValueError(
            f"weights: {len(problems)} problems; the config and the files must be of one "
            "checkpoint:\n  " + "\n  ".join(problems[:LISTED] + more)
        )
    return found


def shown(name: str) -> str:
    r"""A name from a stranger's file: short, and without what would steer a terminal.

    >>> print(shown("\x1b[2Jlayer"), shown("model.norm.weight"))
    '\x1b[2Jlayer' model.norm.weight
    """
    cut = name[:LONGEST]
    return (cut if cut.isprintable() else repr(cut)) + ("..." if cut != name else "")


class TensorFiles(Mapping[str, Tensor]):
    """Tensors in files, read when they are asked for, and shared with nobody."""

    def shape_of(self, name: str) -> tuple[int, ...]:
        """The shape, without the numbers."""
        raise NotImplementedError

    def our_name(self, name: str) -> str | None:
        """Our name of a tensor; None if Gemma 3 has no such parameter."""
        return our_name(name)

    def their_name(self, name: str, multimodal: bool) -> str:
        """The name in the files of one of our parameters."""
        return hub_name(name, multimodal)


class CheckpointFiles(TensorFiles):
    """The tensors of a checkpoint folder, or of one safetensors file, read when asked for.

    Files are mapped, not read: a tensor costs memory only while it is in use. Raises
    ValueError for files that are missing, cut short, outside the folder, or of another kind.
    """

    def __init__(self, path: Path | str):
        self._handles: dict[str, Any] = {}
        for file in _safetensors_files(Path(path)):
            try:
                handle = safe_open(file, framework="pt")
                names: list[str] = list(handle.keys())
            except PermissionError as error:
                raise ValueError(f"weights: {file} cannot be read: you may not open it") from error
            except (SafetensorError, OSError, RuntimeError) as error:
                raise ValueError(
                    f"weights: {file} is damaged or cut short ({error}); download it again"
                ) from error
            for name in names:
                if name in self._handles:
                    raise ValueError(f"weights: tensor {shown(name)} is in two files of {path}")
                self._handles[name] = handle

    def __getitem__(self, name: str) -> Tensor:
        return self._handles[name].get_tensor(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._handles)

    def __len__(self) -> int:
        return len(self._handles)

    def dtypes(self) -> set[str]:
        """The dtypes of the parameters, as safetensors names them: BF16, F32, F16."""
        return {
            handle.get_slice(name).get_dtype()
            for name, handle in self._handles.items()
            if not name.startswith(IGNORED)
        }

    def shape_of(self, name: str) -> tuple[int, ...]:
        """The shape, from the file's header alone."""
        return tuple(self._handles[name].get_slice(name).get_shape())


def _safetensors_files(path: Path) -> list[Path]:
    if path.is_file():
        _refuse_other_kinds([path])
        return [path]
    path = current(path)
    if not path.is_dir():
        raise ValueError(f"weights: {path} does not exist")
    index, single = path / "model.safetensors.index.json", path / "model.safetensors"
    if index.is_file():
        return _indexed_files(index)
    if single.is_file():
        return [single]
    if (path / "adapter_config.json").is_file():
        raise ValueError(
            f"weights: {path} contains only an adapter; merge it into its base model, or load "
            "the base model's folder"
        )
    _refuse_other_kinds(sorted(path.iterdir()))
    raise ValueError(f"weights: {path} contains no model.safetensors and no index of shards")


def _refuse_other_kinds(files: list[Path]) -> None:
    for file in files:
        if file.suffix in (".bin", ".pt", ".pth", ".ckpt", ".pkl"):
            raise ValueError(
                f"weights: {file.name} is a pickle, which can run code when it is read; "
                "convert it to safetensors"
            )
        if file.suffix == ".gguf":
            raise ValueError(
                f"weights: {file.name} is GGUF (its norms are stored as 1 + w, its matrices may be "
                "quantized), which gemma3_edu.load reads; safetensors are wanted here"
            )


def _indexed_files(index: Path) -> list[Path]:
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except OSError as error:
        raise ValueError(f"weights: {index} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise ValueError(f"weights: {index} is not an index of shards; get it again") from error
    outside = [n for n in names if not isinstance(n, str) or Path(n).name != n or len(n) > 255]
    if outside:
        raise ValueError(f"weights: {index} names files outside its folder: {outside}; refused")
    missing = [name for name in names if not (index.parent / name).is_file()]
    if missing:
        raise ValueError(f"weights: {index.parent} lacks the shards {missing}; download them")
    return [index.parent / name for name in names]
