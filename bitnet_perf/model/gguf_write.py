"""GGUF files, written: tensors as a stream, so that a model larger than the memory can be made.

The `gguf` package cannot name the types of bitnet.cpp; what is written here it reads back.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from bitnet_perf.errors import ModelError
from bitnet_perf.files import atomic_file

__all__ = ["ALIGNMENT", "TensorSource", "write_gguf"]

ALIGNMENT = 32
VERSION = 3

# GGUF's number of a value type and how struct packs it. Source: ggml, docs/gguf.md.
_UINT32, _FLOAT32, _BOOL, _STRING, _ARRAY, _INT64 = 4, 6, 7, 8, 9, 11
_NUMPY = {
    "u1": 0, "i1": 1, "u2": 2, "i2": 3, "u4": 4, "i4": 5, "f4": 6, "b1": 7, "u8": 10, "i8": 11,
    "f8": 12,
}  # fmt: skip


@dataclass(frozen=True)
class TensorSource:
    """A tensor to be written. shape: rows first. pieces: gives its bytes, `nbytes` in all."""

    name: str
    shape: tuple[int, ...]
    ggml_type: int
    nbytes: int
    pieces: Callable[[], Iterable[Any]]


def write_gguf(
    path: str | os.PathLike[str],
    metadata: Mapping[str, Any],
    tensors: Sequence[TensorSource],
    progress: Callable[[int], None] | None = None,
) -> Path:
    """Write a file whole or not at all: it takes its name when its last byte is on the disk.

    metadata: str, bool, int (written as uint32 where it fits), float (float32), NumPy scalars and
        arrays (as their dtype), lists of str, int (int32) or float (float32).
    progress: called with the number of bytes after each piece.
    Raises ModelError for a value of another type or pieces of another size; EnvironmentRefused
    where the file cannot be written.
    """
    header = _header(metadata, tensors)
    with atomic_file(path) as file:
        file.write(header)
        for tensor in tensors:
            _write_tensor(file, tensor, progress)
    return Path(path)


def _write_tensor(
    file: BinaryIO, tensor: TensorSource, progress: Callable[[int], None] | None
) -> None:
    written = 0
    for piece in tensor.pieces():
        view = memoryview(piece).cast("B")
        file.write(view)
        written += len(view)
        if progress is not None:
            progress(len(view))
    if written != tensor.nbytes:
        raise ModelError(f"tensor {tensor.name}: wrote {written} bytes, it has {tensor.nbytes}")
    file.write(bytes(-written % ALIGNMENT))


def _header(metadata: Mapping[str, Any], tensors: Sequence[TensorSource]) -> bytes:
    parts = [b"GGUF", struct.pack("<IQQ", VERSION, len(tensors), len(metadata))]
    for key, value in metadata.items():
        parts += [_text(key), _value(key, value)]
    offset = 0
    for tensor in tensors:
        dims = tensor.shape[::-1]
        parts.append(_text(tensor.name))
        parts.append(struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, tensor.ggml_type, offset))
        offset += tensor.nbytes + -tensor.nbytes % ALIGNMENT
    header = b"".join(parts)
    return header + bytes(-len(header) % ALIGNMENT)


def _text(text: str) -> bytes:
    data = text.encode("utf-8")
    return struct.pack("<Q", len(data)) + data


def _value(key: str, value: Any) -> bytes:
    if isinstance(value, np.ndarray | np.generic):
        return _numpy_value(key, value)
    if isinstance(value, str):
        return struct.pack("<I", _STRING) + _text(value)
    if isinstance(value, bool):
        return struct.pack("<I?", _BOOL, value)
    if isinstance(value, int):
        if 0 <= value < 2**32:
            return struct.pack("<II", _UINT32, value)
        return struct.pack("<Iq", _INT64, value)
    if isinstance(value, float):
        return struct.pack("<If", _FLOAT32, value)
    if isinstance(value, list | tuple) and value:
        if all(isinstance(each, str) for each in value):
            strings = b"".join(map(_text, value))
            return struct.pack("<IIQ", _ARRAY, _STRING, len(value)) + strings
        if all(isinstance(each, int) for each in value):
            return _numpy_value(key, np.asarray(value, np.int32))
        if all(isinstance(each, float) for each in value):
            return _numpy_value(key, np.asarray(value, np.float32))
    raise ModelError(
        f"key {key}: found {type(value).__name__}, accepted are text, numbers, and lists of one of "
        "these that are not empty"
    )


def _numpy_value(key: str, value: np.ndarray[Any, Any] | np.generic) -> bytes:
    kind = value.dtype.str[1:]
    if kind not in _NUMPY or value.ndim > 1:
        raise ModelError(f"key {key}: found {value.dtype} of {value.ndim} dimensions")
    data = value.astype(f"<{kind}").tobytes()
    if value.ndim == 0:
        return struct.pack("<I", _NUMPY[kind]) + data
    return struct.pack("<IIQ", _ARRAY, _NUMPY[kind], value.size) + data
