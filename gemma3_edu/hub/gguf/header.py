"""The head of a GGUF file: its settings, and where each tensor is.

The file begins with two counts, then come that many settings (a name, a type, a value) and that
many descriptions of tensors (a name, a shape, a type, an offset), then the tensors' bytes. A head
is read here and not with the `gguf` library, whose reader makes several arrays for each word of the
vocabulary, ten seconds' work with Gemma's 262,144, and believes every length that a file states.
Here no length is believed before it was compared with what is left of the file.

>>> import tempfile
>>> from gguf import GGUFWriter
>>> with tempfile.TemporaryDirectory() as folder:
...     writer = GGUFWriter(Path(folder, "a.gguf"), "gemma3")
...     writer.add_array("some.words", ["a", "b"])
...     writer.add_tensor("some.matrix", np.zeros((3, 2), np.float32))
...     writer.write_header_to_file()
...     writer.write_kv_data_to_file()
...     writer.write_tensors_to_file()
...     writer.close()
...     head = read_head(Path(folder, "a.gguf"))
>>> head.settings
{'general.architecture': 'gemma3', 'some.words': ['a', 'b']}
>>> head.tensors["some.matrix"].shape
(3, 2)
"""

import math
import struct
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFValueType, dequantize
from numpy.typing import NDArray

Value: TypeAlias = int | float | bool | str | list[str] | NDArray[Any]
T = TypeVar("T", int, float, bool, str)

MAGIC = b"GGUF"
VERSIONS = (2, 3)
ALIGNMENT = 32  # of the tensors' bytes, where the file does not say otherwise
LARGEST = 1 << 20  # no size in a Gemma 3 comes near it, and products of three of them fit 64 bits
_MAX_DIMENSIONS = 4
_SHORTEST_ENTRY = 13  # bytes of a setting: the length of its name, its type and a value of a byte
_FORMATS = {
    GGUFValueType.UINT8: "B",
    GGUFValueType.INT8: "b",
    GGUFValueType.UINT16: "H",
    GGUFValueType.INT16: "h",
    GGUFValueType.UINT32: "I",
    GGUFValueType.INT32: "i",
    GGUFValueType.FLOAT32: "f",
    GGUFValueType.BOOL: "?",
    GGUFValueType.UINT64: "Q",
    GGUFValueType.INT64: "q",
    GGUFValueType.FLOAT64: "d",
}


class TensorInfo(NamedTuple):
    """What the head says of a tensor; rows come first in `shape`, as in PyTorch."""

    kind: GGMLQuantizationType
    shape: tuple[int, ...]
    data: NDArray[np.uint8]  # its bytes in the mapped file

    def blocks(self) -> NDArray[np.uint8]:
        """The bytes, a row for each row of the tensor, as the `gguf` library takes them."""
        rows = math.prod(self.shape[:-1])
        return self.data.reshape(rows, -1)


@dataclass(frozen=True)
class Head:
    """One file's settings and tensors, both by name."""

    path: Path
    settings: dict[str, Value]
    tensors: dict[str, TensorInfo]

    def setting(self, name: str, default: T | type[T]) -> T:
        """One setting, of the type of `default`; a type in its place means that it must be there.

        >>> Head(Path("a.gguf"), {"a.b": 3}, {}).setting("a.b", int)
        3
        """
        kind = default if isinstance(default, type) else type(default)
        value: Any = self.settings.get(name, default)
        if isinstance(value, type):
            raise ValueError(
                f"{self.path.name}: the setting {name} is missing, which llama.cpp's converter "
                "always writes; get another conversion of the model"
            )
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind:
            raise ValueError(
                f"{self.path.name}: the setting {name} is {_shown(value)}, but must be of type "
                f"{kind.__name__}; get another conversion of the model"
            )
        return value

    def size(self, name: str, default: int | type[int] = int) -> int:
        """A setting that counts something: from 1 to LARGEST."""
        value = self.setting(name, default)
        if not 1 <= value <= LARGEST:
            raise ValueError(
                f"{self.path.name}: the setting {name} is {value}; a Gemma 3 has 1 to {LARGEST:,} "
                "there; get another conversion of the model"
            )
        return value


def _shown(value: Value) -> str:
    text = repr(value)
    return text if len(text) < 60 else f"a {type(value).__name__} of {len(text)} characters"


def read_head(path: Path) -> Head:
    """Read everything but the tensors' bytes, which stay in the mapped file.

    Raises ValueError for a file that is missing, cut short, damaged, of another byte order or
    version, or with tensors of a type that the `gguf` library cannot turn into numbers.
    """
    if not path.is_file():
        raise ValueError(f"{path} is not a file; give the path of a .gguf file")
    if path.stat().st_size < 24:
        raise ValueError(f"{path.name}: {path.stat().st_size} bytes are no GGUF file; get it again")
    # A write to a tensor copies its page and leaves the file alone ("c"), as with safetensors.
    content = np.memmap(path, np.uint8, mode="c")
    cursor = _Cursor(path.name, content)
    tensors, settings = _counts(cursor)
    values: dict[str, Value] = {}
    for _ in range(settings):
        name = cursor.text("a setting's name")
        if name in values:
            raise ValueError(f"{path.name}: the setting {name} is there twice; get the file again")
        values[name] = cursor.value(name)
    return Head(path, values, _tensors(cursor, tensors, _alignment(path, values)))


def _counts(cursor: "_Cursor") -> tuple[int, int]:
    name = cursor.file
    if bytes(cursor.take(4, "its first bytes")) != MAGIC:
        raise ValueError(f"{name}: does not begin with {MAGIC.decode()}; it is no GGUF file")
    version = cursor.number("I", "its version")
    if version not in VERSIONS:
        if version & 0xFFFF == 0:
            raise ValueError(
                f"{name}: is for big-endian machines; convert it with gguf-convert-endian, which "
                "comes with the gguf library"
            )
        raise ValueError(
            f"{name}: is GGUF version {version}, and versions {VERSIONS} can be read; get a newer "
            "conversion of the model, or a newer gemma3_edu"
        )
    tensors, settings = cursor.number("Q", "its counts"), cursor.number("Q", "its counts")
    if (tensors + settings) * _SHORTEST_ENTRY > len(cursor.content):
        raise ValueError(
            f"{name}: {tensors} tensors and {settings} settings do not fit its "
            f"{len(cursor.content)} bytes; it is damaged or cut short: get it again"
        )
    return tensors, settings


def _alignment(path: Path, values: dict[str, Value]) -> int:
    alignment = Head(path, values, {}).setting("general.alignment", ALIGNMENT)
    if alignment < 1 or alignment & (alignment - 1) or alignment > LARGEST:
        raise ValueError(
            f"{path.name}: the setting general.alignment is {alignment}, not a power of two; "
            "get the file again"
        )
    return alignment


def _tensors(cursor: "_Cursor", count: int, alignment: int) -> dict[str, TensorInfo]:
    file = cursor.file
    described: dict[str, tuple[GGMLQuantizationType, tuple[int, ...], int]] = {}
    for _ in range(count):
        name = cursor.text("a tensor's name")
        if name in described:
            raise ValueError(f"{file}: the tensor {name} is there twice; get the file again")
        dimensions = cursor.number("I", f"the shape of {name}")
        if not 1 <= dimensions <= _MAX_DIMENSIONS:
            raise ValueError(
                f"{file}: the tensor {name} has {dimensions} dimensions; GGUF has 1 to "
                f"{_MAX_DIMENSIONS}; get the file again"
            )
        shape = tuple(cursor.number("Q", f"the shape of {name}") for _ in range(dimensions))[::-1]
        kind = _kind(cursor.number("I", f"the type of {name}"), name, file)
        described[name] = (kind, shape, cursor.number("Q", f"the offset of {name}"))
    tensors, at = {}, 0
    start = -(-cursor.at // alignment) * alignment
    for name, (kind, shape, offset) in described.items():
        block, bytes_each = GGML_QUANT_SIZES[kind]
        elements = math.prod(shape)
        if elements == 0 or shape[-1] % block:
            raise ValueError(
                f"{file}: the tensor {name} has shape {shape}, which cannot be of type {kind.name} "
                f"(rows of whole blocks of {block}); get the file again"
            )
        if offset != at:
            raise ValueError(
                f"{file}: the tensor {name} begins at {offset}, but the one before it ends at "
                f"{at}; the file is damaged: get it again"
            )
        size = elements // block * bytes_each
        if start + at + size > len(cursor.content):
            raise ValueError(
                f"{file}: is cut short: it has {len(cursor.content)} bytes, and the tensor {name} "
                f"ends at {start + at + size}; download it again"
            )
        tensors[name] = TensorInfo(kind, shape, cursor.content[start + at : start + at + size])
        at += -(-size // alignment) * alignment
    return tensors


def _kind(number: int, tensor: str, file: str) -> GGMLQuantizationType:
    """The type, if the library can make numbers of it."""
    if number not in GGMLQuantizationType._value2member_map_:
        raise ValueError(
            f"{file}: the tensor {tensor} is of type {number}, which the installed gguf library "
            "does not know; get the model in another type, such as Q4_0, or a newer gguf"
        )
    kind = GGMLQuantizationType(number)
    if not _can_dequantize(kind):
        raise ValueError(
            f"{file}: the tensor {tensor} is of type {kind.name}, which the gguf library cannot "
            "dequantize; get the model in another type, such as Q4_0"
        )
    return kind


@cache
def _can_dequantize(kind: GGMLQuantizationType) -> bool:
    try:
        dequantize(np.zeros((1, GGML_QUANT_SIZES[kind][1]), np.uint8), kind)
    except NotImplementedError:
        return False
    return True


class _Cursor:
    """A place in the file, and what can be read there."""

    def __init__(self, file: str, content: NDArray[np.uint8]) -> None:
        self.file, self.content, self.at = file, content, 0
        self._bytes = content.data

    def take(self, count: int, what: str) -> memoryview:
        """The next bytes, which are `what`."""
        if count > len(self._bytes) - self.at:
            raise ValueError(
                f"{self.file}: is damaged or cut short: at {self.at} of its {len(self._bytes)} "
                f"bytes {what} should be, of {count} bytes; get it again"
            )
        self.at += count
        return self._bytes[self.at - count : self.at]

    def number(self, code: str, what: str) -> int:
        """One number, by its letter in `struct`."""
        return int(struct.unpack("<" + code, self.take(struct.calcsize("<" + code), what))[0])

    def text(self, what: str) -> str:
        """A length and that many bytes of UTF-8."""
        content = bytes(self.take(self.number("Q", what), what))
        try:
            return content.decode()
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{self.file}: {what} is not UTF-8 ({error.reason} at {self.at}); it is damaged: "
                "get it again"
            ) from error

    def value(self, name: str) -> Value:
        """A type and a value of that type; `name` is the setting's."""
        what = f"the setting {name}"
        kind = self._type(what)
        if kind is GGUFValueType.ARRAY:
            kind, count = self._type(what), self.number("Q", what)
            if kind is GGUFValueType.STRING:
                if count * 8 > len(self._bytes) - self.at:  # each has a length
                    self.take(count * 8, what)
                return [self.text(what) for _ in range(count)]
            if kind is GGUFValueType.ARRAY:
                raise ValueError(
                    f"{self.file}: {what} is a list of lists, which no Gemma 3 file has; get "
                    "another conversion of the model"
                )
            dtype = np.dtype("<" + _FORMATS[kind]) if _FORMATS[kind] != "?" else np.dtype(bool)
            return np.frombuffer(self.take(count * dtype.itemsize, what), dtype).copy()
        if kind is GGUFValueType.STRING:
            return self.text(what)
        code = "<" + _FORMATS[kind]
        value: Any = struct.unpack(code, self.take(struct.calcsize(code), what))[0]
        # The shortest decimal of a float32, so that 1e-6 is the 1e-6 that was meant.
        return float(str(np.float32(value))) if kind is GGUFValueType.FLOAT32 else value

    def _type(self, what: str) -> GGUFValueType:
        number = self.number("I", f"the type of {what}")
        if number not in GGUFValueType._value2member_map_:
            raise ValueError(
                f"{self.file}: {what} is of the unknown type {number}; the file is damaged: "
                "get it again"
            )
        return GGUFValueType(number)
