"""Model files from one ternary type to another, and float weights to ternary ones."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitnet_perf import _native
from bitnet_perf.errors import ConfigError, ModelError
from bitnet_perf.formats import Packed, dequantize, pack, quantize, unpack
from bitnet_perf.formats.dense import dense_format, pack_dense
from bitnet_perf.model.gguf import GgufFile, GgufTensor, read_gguf
from bitnet_perf.model.gguf_write import TensorSource, write_gguf
from bitnet_perf.model.synthetic import TYPES
from bitnet_perf.model.weights import (
    DENSE_FORMATS,
    EMBEDDING,
    FLOATS,
    HEAD,
    MATRICES,
    TERNARY_FORMATS,
    as_floats,
    naming,
)

__all__ = ["Conversion", "TensorChange", "quantize_file"]

_ROWS = 4096  # of an embedding that are converted at a time
_MATRIX = re.compile(rf"blk\.\d+\.({'|'.join(MATRICES)})\.weight")


@dataclass(frozen=True, slots=True)
class TensorChange:
    """One converted tensor. error: rms(x - x^) / rms(x), 0 where every weight is what it was."""

    name: str
    source: str
    target: str
    shape: tuple[int, int]
    error: float


@dataclass(frozen=True)
class Conversion:
    """A converted file: its tensors of another type, and the bytes of both files.

    type: of the ternary matrices. The errors are those of the file's own weights, no other
    distribution.
    """

    path: Path
    type: str
    changes: tuple[TensorChange, ...]
    bytes_before: int
    bytes_after: int

    @property
    def exact(self) -> bool:
        """Every weight is what it was, to the last bit."""
        return all(change.error == 0 for change in self.changes)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "path": str(self.path), "exact": self.exact}


def quantize_file(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    type: str,
    *,
    head: str | None = None,
    rule: str = "absmean",
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Conversion:
    """Write `source` again with its ternary matrices as `type` and, where `head` is given,
    embedding and head as that; all other tensors and keys stay.

    Ternary matrices keep every weight where the type can hold their scales: tq1_0 and tq2_0 keep a
    float16 scale a block, the others one float32 a tensor. Float matrices are quantized by `rule`
    (see `quantize`), embedding and head by `pack_dense`. The result's `changes` say what each cost.
    Raises ConfigError for a type, or where both names are one file; ModelError for a file that is
    no model, or a matrix whose shape the type does not admit (named).
    """
    if type not in TYPES:
        raise ConfigError(f"type: found {type!r}, accepted are {', '.join(TYPES)}")
    if head is not None and head not in DENSE_FORMATS:
        raise ConfigError(f"head: found {head!r}, accepted are {', '.join(DENSE_FORMATS)}")
    file = read_gguf(source)
    if Path(target).exists() and Path(target).samefile(file.path):
        raise ConfigError(
            f"target: found {str(target)!r}, accepted is another file than the source"
        )
    team = _native.default_threads() if threads is None else threads
    changes: list[TensorChange] = []
    tensors = [
        _head_source(file, tensor, head, threads=team, changes=changes)
        if head is not None and tensor.name in (EMBEDDING, HEAD)
        else _source(file, tensor, type=type, rule=rule, threads=team, changes=changes)
        for tensor in file.tensors
    ]
    total, done = sum(tensor.nbytes for tensor in tensors), 0

    def report(nbytes: int) -> None:
        nonlocal done
        done += nbytes
        if progress is not None:
            progress(done, total)

    metadata = {**file.metadata, "general.file_type": TYPES[type][1]}
    path = write_gguf(target, metadata, tensors, report)
    return Conversion(path, type, tuple(changes), file.nbytes, path.stat().st_size)


def _source(
    file: GgufFile,
    tensor: GgufTensor,
    *,
    type: str,
    rule: str,
    threads: int,
    changes: list[TensorChange],
) -> TensorSource:
    matrix = _MATRIX.fullmatch(tensor.name) and len(tensor.shape) == 2
    if not matrix or tensor.type == type:
        return _same(file, tensor)
    if tensor.type not in TERNARY_FORMATS and tensor.type not in FLOATS:
        raise ModelError(
            f"tensor {tensor.name}: found type {tensor.type}, accepted are "
            f"{', '.join(sorted(TERNARY_FORMATS | FLOATS.keys()))}"
        )
    N, K = tensor.shape
    with naming(tensor):
        padded, _, _, _, nbytes = _native.layout(type, N, K)
    if padded != K:
        raise ModelError(
            f"tensor {tensor.name}: found rows of {K} weights, {type} has whole blocks in files"
        )

    def pieces() -> Iterator[NDArray[np.uint8]]:
        with naming(tensor):
            data, error = _converted(file, tensor, (N, K), type=type, rule=rule, threads=threads)
        changes.append(TensorChange(tensor.name, tensor.type, type, (N, K), error))
        yield data

    number = {row[0]: row[1] for row in _native.formats()}[type]
    return TensorSource(tensor.name, tensor.shape, number, nbytes, pieces)


def _same(file: GgufFile, tensor: GgufTensor) -> TensorSource:
    return TensorSource(
        tensor.name, tensor.shape, tensor.ggml_type, tensor.nbytes,
        lambda: [file.tensor_data(tensor.name)],
    )  # fmt: skip


def _head_source(
    file: GgufFile, tensor: GgufTensor, head: str, *, threads: int, changes: list[TensorChange]
) -> TensorSource:
    """Embedding or head in another dense format, some rows at a time."""
    if tensor.type == head:
        return _same(file, tensor)
    if tensor.type not in DENSE_FORMATS or len(tensor.shape) != 2:
        raise ModelError(
            f"tensor {tensor.name}: found {tensor.type} {tensor.shape}, accepted are matrices of "
            f"{', '.join(DENSE_FORMATS)}"
        )
    N, K = tensor.shape
    new = dense_format(head)
    with naming(tensor):
        nbytes = new.nbytes(N, K)

    def pieces() -> Iterator[NDArray[np.uint8]]:
        data = file.tensor_data(tensor.name).reshape(N, -1)
        power = lost = 0.0
        for begin in range(0, N, _ROWS):
            with naming(tensor):
                x = _dense_rows(data[begin : begin + _ROWS], tensor.type, K, threads)
                packed = pack_dense(x, head, threads=threads)
                kept = _dense_rows(packed.reshape(len(x), -1), head, K, threads)
            power += float(np.sum(np.square(x, dtype=np.float64)))
            lost += float(np.sum(np.square(x - kept, dtype=np.float64)))
            yield packed
        changes.append(TensorChange(tensor.name, tensor.type, head, (N, K), _error(lost, power)))

    return TensorSource(tensor.name, tensor.shape, new.ggml_type, nbytes, pieces)


def _dense_rows(data: NDArray[np.uint8], format: str, K: int, threads: int) -> NDArray[np.float32]:
    """Every row of uint8[rows, bytes] as float32[rows, K]."""
    rows = len(data)
    ids = np.arange(rows, dtype=np.int32)
    return _native.embed(data.reshape(-1), format, rows, K, ids, threads=threads)


def _error(lost: float, power: float) -> float:
    """rms(x - x^) / rms(x) from the two sums of squares."""
    return 0.0 if lost == 0 else float(np.sqrt(lost / power)) if power > 0 else np.inf


def _converted(
    file: GgufFile,
    tensor: GgufTensor,
    shape: tuple[int, int],
    *,
    type: str,
    rule: str,
    threads: int,
) -> tuple[NDArray[np.uint8], float]:
    """(bytes of the new type, error)."""
    data = file.tensor_data(tensor.name)
    if tensor.type in FLOATS:
        weights = as_floats(data, tensor.type).reshape(shape)
        return _requantized(weights, type, rule, threads)
    old = Packed.from_bytes(data, tensor.type, shape)
    codes = unpack(old, threads=threads)
    if old.scale is not None:
        new = pack(codes, type, old.scale, threads=threads)
        kept = 1.0 if new.scale is None else new.scale
        return new.data, 0.0 if old.scale == kept else abs(kept / old.scale - 1)
    if type in ("tq1_0", "tq2_0"):
        return _with_block_scales(pack(codes, type, threads=threads), old), 0.0
    return _requantized(dequantize(old, threads=threads), type, rule, threads)


def _with_block_scales(new: Packed, old: Packed) -> NDArray[np.uint8]:
    """The blocks of `new` with the scales of `old`: both keep them as float16 at the end."""
    N, K = new.shape
    scales = old.block_scales
    assert scales is not None
    blocks = new.data.reshape(N * K // 256, -1).copy()
    blocks[:, -2:] = scales.astype(np.float16).reshape(-1, 1).view(np.uint8)
    return blocks.reshape(-1)


def _requantized(
    weights: NDArray[np.float32],
    type: str,
    rule: str,
    threads: int,
) -> tuple[NDArray[np.uint8], float]:
    new = quantize(weights, type, rule, threads=threads)
    x = weights.astype(np.float64)
    power = float(np.sum(x * x))
    lost = float(np.sum((x - dequantize(new, threads=threads)) ** 2))
    return new.data, _error(lost, power)
