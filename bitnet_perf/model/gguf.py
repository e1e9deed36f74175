"""GGUF files: metadata and tensors of a model, read without trusting a byte.

Nothing is mapped into memory: a file that shrinks while it is used gives ModelError.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bitnet_perf import _native
from bitnet_perf.errors import ModelError, ShapeError
from bitnet_perf.model.gguf_types import decide_type
from bitnet_perf.model.reading import open_file, read_into
from bitnet_perf.spans import span

__all__ = ["GgufFile", "GgufTensor", "Value", "read_gguf"]

# Arrays of strings are tuples, other arrays read-only ndarrays, however long they are.
Value: TypeAlias = bool | int | float | str | tuple[str, ...] | NDArray[Any]

_FIRST_PREFIX = 1 << 20


@dataclass(frozen=True)
class GgufTensor:
    """One tensor of a file.

    shape: in NumPy's order, rows first: (N, K) of a matrix with N outputs and K inputs.
    type: name of the format, "i2_s", "q6_k", "f16", ...; `ggml_<number>` where it is unknown.
    ggml_type: the number in the file.
    offset: of its bytes, from the beginning of the file.
    nbytes: its bytes without padding; of an unknown type, all up to the next tensor.
    """

    name: str
    shape: tuple[int, ...]
    type: str
    ggml_type: int
    offset: int
    nbytes: int


@dataclass(frozen=True, eq=False, repr=False)
class GgufFile:
    """An open GGUF file, made by `read_gguf`; closed when nothing refers to it any more.

    version: 2 or 3. alignment: of the tensors, in bytes. metadata: the keys in the order of the
    file. tensors: in the order of the file. nbytes: size of the file. handle: its descriptor,
    for native readers, valid as long as this object lives: the path may lead elsewhere by then.
    """

    path: Path
    version: int
    alignment: int
    metadata: Mapping[str, Value]
    tensors: tuple[GgufTensor, ...]
    nbytes: int
    handle: int
    by_name: Mapping[str, GgufTensor] = field(init=False)

    def __post_init__(self) -> None:
        by_name = {tensor.name: tensor for tensor in self.tensors}
        object.__setattr__(self, "by_name", MappingProxyType(by_name))

    def tensor(self, name: str) -> GgufTensor:
        """The tensor of that name. Raises ModelError naming what there is."""
        if name not in self.by_name:
            raise ModelError(f"{self.path}: no tensor {name!r}; there are {_some(self.by_name)}")
        return self.by_name[name]

    def tensor_data(self, name: str, out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """The bytes of a tensor, uint8[nbytes], read from the file now.

        out: a writable, C-contiguous uint8[nbytes] to read into.
        Raises ModelError (no such tensor, unknown type, the file shrank or cannot be read) or
        ShapeError (`out`).
        """
        tensor = self.tensor(name)
        if tensor.type == f"ggml_{tensor.ggml_type}":
            raise ModelError(
                f"{self.path}: tensor {name!r} is of the unknown type {tensor.ggml_type}, whose "
                "size in bytes is not known"
            )
        if out is None:
            out = np.empty(tensor.nbytes, np.uint8)
        elif (
            out.dtype != np.uint8
            or out.shape != (tensor.nbytes,)
            or not (out.flags.c_contiguous and out.flags.writeable)
        ):
            raise ShapeError(
                f"out: found {out.dtype}{list(out.shape)}, accepted is a writable, contiguous "
                f"uint8[{tensor.nbytes}]"
            )
        read_into(self.path, self.handle, tensor.offset, out, f"tensor {name!r}")
        return out

    def __repr__(self) -> str:
        return f"GgufFile({str(self.path)!r}, {len(self.tensors)} tensors, {self.nbytes} bytes)"


def _some(names: Mapping[str, Any], most: int = 12) -> str:
    shown = ", ".join(repr(name) for name in list(names)[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "") or "none"


def _parse(path: Path, handle: int, size: int) -> tuple[Any, ...]:
    """The header, from a prefix that grows until it holds all of it."""
    length = min(size, _FIRST_PREFIX)
    while True:
        prefix = np.empty(length, np.uint8)
        read_into(path, handle, 0, prefix, "the header")
        found = _native.parse_gguf(prefix, size)
        if found is not None:
            return found
        length = min(size, 4 * length)


def _tensor(
    entry: tuple[str, tuple[int, ...], int, int, int, int], alignment: int, architecture: Any
) -> GgufTensor:
    name, dims, ggml_type, offset, room, place = entry
    shape = dims[::-1]
    known = architecture if isinstance(architecture, str) else None
    try:
        format, nbytes = decide_type(ggml_type, shape, room, alignment, known)
    except ModelError as error:
        raise ModelError(
            f"tensor {name!r:.90} (described at byte {place}, data at byte {offset}): {error}"
        ) from None
    return GgufTensor(name, shape, format, ggml_type, offset, nbytes)


def read_gguf(path: str | os.PathLike[str]) -> GgufFile:
    """Open a GGUF file (version 2 or 3, little-endian) and check its whole header.

    Raises ModelError naming the path, and the key or tensor and byte offset that is wrong: of a
    file that is truncated, holds duplicates, overlapping or misplaced tensors, or sizes that do
    not fit; and where a tensor's type cannot be told for certain.
    """
    place = Path(path)
    handle, size = open_file(place)
    try:
        with span("parse_header"):
            version, alignment, _, metadata, entries = _parse(place, handle, size)
            architecture = metadata.get("general.architecture")
            tensors = tuple(_tensor(entry, alignment, architecture) for entry in entries)
        file = GgufFile(
            place, version, alignment, MappingProxyType(metadata), tensors, size, handle
        )
    except BaseException as error:
        os.close(handle)
        if isinstance(error, ModelError) and not str(error).startswith(f"{place}: "):
            raise ModelError(f"{place}: {error}") from None
        raise
    weakref.finalize(file, os.close, handle)
    return file
