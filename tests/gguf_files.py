"""GGUF files taken apart, changed and put together again byte by byte, with any fault in them.

>>> draft = Draft({"general.architecture": "gemma3"}, {})
>>> draft.content()[:4]
b'GGUF'
"""

import dataclasses
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFValueType as Type

from gemma3_edu.hub.gguf.header import read_head

ALIGNMENT = 32


@dataclasses.dataclass(frozen=True)
class Stored:
    """One tensor: GGUF's number of its type, its shape with rows first, its bytes."""

    kind: int
    shape: tuple[int, ...]
    data: bytes
    offset: int | None = None  # None: where it belongs

    @classmethod
    def of(cls, numbers: np.ndarray) -> "Stored":
        """As float32."""
        return cls(0, numbers.shape, numbers.astype("<f4").tobytes())


@dataclasses.dataclass
class Draft:
    """A whole file; a value of a setting may be the bytes of its type and itself."""

    settings: dict[str, Any]
    tensors: dict[str, Stored]
    version: int = 3
    more_settings: bytes = b""  # and how many they are
    more_settings_count: int = 0
    more_tensors: bytes = b""
    more_tensors_count: int = 0

    @classmethod
    def read(cls, path: Path) -> "Draft":
        """The draft of a file."""
        head = read_head(path)
        tensors = {
            name: Stored(int(info.kind), info.shape, info.data.tobytes())
            for name, info in head.tensors.items()
        }
        return cls(dict(head.settings), tensors)

    def content(self) -> bytes:
        """The bytes of the file."""
        counts = (
            len(self.tensors) + self.more_tensors_count,
            len(self.settings) + self.more_settings_count,
        )
        head = b"GGUF" + struct.pack("<IQQ", self.version, *counts)
        head += b"".join(text(name) + value(each) for name, each in self.settings.items())
        head += self.more_settings
        at, data = 0, b""
        for name, tensor in self.tensors.items():
            offset = at if tensor.offset is None else tensor.offset
            head += described(name, tensor, offset)
            padded = math.ceil(len(tensor.data) / ALIGNMENT) * ALIGNMENT
            data += tensor.data.ljust(padded, b"\0")
            at += padded
        head += self.more_tensors
        return head.ljust(math.ceil(len(head) / ALIGNMENT) * ALIGNMENT, b"\0") + data

    def write(self, path: Path) -> None:
        """Write it."""
        path.write_bytes(self.content())


def described(name: str, tensor: Stored, offset: int) -> bytes:
    """What the head says of a tensor."""
    shape = b"".join(struct.pack("<Q", n) for n in reversed(tensor.shape))
    numbers = struct.pack("<IQ", tensor.kind, offset)
    return text(name) + struct.pack("<I", len(tensor.shape)) + shape + numbers


def text(string: str) -> bytes:
    """A length and the UTF-8."""
    content = string.encode()
    return struct.pack("<Q", len(content)) + content


def value(each: Any) -> bytes:
    """A setting's type and value."""
    if isinstance(each, bytes):
        return each
    if isinstance(each, list):
        items = b"".join(map(text, each))
        return struct.pack("<IIQ", Type.ARRAY, Type.STRING, len(each)) + items
    if isinstance(each, np.ndarray):
        kind = {"f": Type.FLOAT32, "i": Type.INT32, "b": Type.BOOL}[each.dtype.kind]
        return struct.pack("<IIQ", Type.ARRAY, kind, len(each)) + each.tobytes()
    if isinstance(each, str):
        return struct.pack("<I", Type.STRING) + text(each)
    kind, code = {
        bool: (Type.BOOL, "?"),
        int: (Type.UINT32, "I"),
        float: (Type.FLOAT32, "f"),
    }[type(each)]
    return struct.pack("<I" + code, kind, each)


def split(draft: Draft, folder: Path, name: str, count: int) -> list[Path]:
    """The parts of a model, as llama.cpp's tool splits it: the settings are in the first."""
    paths = [folder / f"{name}-{i + 1:05d}-of-{count:05d}.gguf" for i in range(count)]
    names = list(draft.tensors)
    for number, path in enumerate(paths):
        settings = dict(draft.settings) if number == 0 else {}
        settings |= {"split.no": number, "split.count": count}
        settings |= {"split.tensors.count": len(names)}
        Draft(settings, {n: draft.tensors[n] for n in names[number::count]}).write(path)
    return paths
