"""The weights of a GGUF file, handed to the engine tensor by tensor."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bitnet_perf import _native
from bitnet_perf.errors import FormatError, ModelError, ShapeError
from bitnet_perf.formats import Tiling
from bitnet_perf.formats.dense import dense_formats
from bitnet_perf.formats.packed import NATIVE, NO_TILE
from bitnet_perf.model.engine import Engine
from bitnet_perf.model.gguf import GgufFile, GgufTensor
from bitnet_perf.spans import span

__all__ = [
    "AS_STORED",
    "DENSE_FORMATS",
    "EMBEDDING",
    "FLOATS",
    "HEAD",
    "MATRICES",
    "NORMS",
    "SUB_NORMS",
    "TERNARY_FORMATS",
    "as_floats",
    "check_names",
    "load_weights",
    "naming",
    "set_norm",
]

TERNARY_FORMATS = frozenset(row[0] for row in _native.formats() if row[1] >= 0)
DENSE_FORMATS = tuple(each.name for each in dense_formats())
AS_STORED = ""  # the layout of matrices as the file has them
FLOATS = {"f32": "<f4", "f16": "<f2", "bf16": "<u2"}

EMBEDDING, HEAD = "token_embd.weight", "output.weight"
# What stands in a file: norms and matrices of a layer, the tensors outside layers.
NORMS = ("attn_norm", "attn_sub_norm", "ffn_norm", "ffn_sub_norm")
SUB_NORMS = ("attn_sub_norm", "ffn_sub_norm")
MATRICES = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")

_LAYER = re.compile(r"blk\.(\d+)\.(\w+)\.(weight|scale)")


def load_weights(
    engine: Engine,
    file: GgufFile,
    layers: int,
    tilings: Mapping[tuple[int, int], Tiling] | None = None,
    *,
    threads: int = 1,
    layout: str = NATIVE,
) -> int:
    """Give the engine every tensor of the file.

    tilings: (N, K) -> tiling of tl1 and tl2 tensors of that shape; others are read with the tiling
    that `pack` would choose.
    layout: how ternary matrices are held, or AS_STORED; those of a shape that it does
    not admit, and those with a scale a block, in NATIVE.
    Returns the bytes of memory that the weights take.
    Raises ModelError for a tensor that is missing, unknown, of a type that does not fit, or whose
    bytes are no weights.
    """
    with span("tensor_table"):
        table = file.by_name
        check_names(table, layers)
        matrices = [
            (layer, name, _matrix(table[f"blk.{layer}.{name}.weight"], TERNARY_FORMATS))
            for layer in range(layers)
            for name in MATRICES
        ]
        held = [_held(layout or each.type, *_shape(each)) for _, _, each in matrices]
        memory = _native.empty(sum(each.nbytes for each in held))  # huge pages have no gaps
    begin = 0
    for (layer, name, tensor), wanted in zip(matrices, held, strict=True):
        N, K = _shape(tensor)
        tiling = (tilings or {}).get((N, K))
        tile = NO_TILE if tiling is None else tiling.tile
        to, part = wanted, memory[begin : begin + wanted.nbytes]
        begin += wanted.nbytes
        with naming(tensor):
            source = (file.handle, tensor.offset, tensor.type, N, K, tile)
            scale, blocks = _native.load_native(*source, to.name, part, threads)
            if blocks is not None and to.name != NATIVE:
                to = _held(NATIVE, N, K)
                part = _native.empty(to.nbytes)
                scale, blocks = _native.load_native(*source, to.name, part, threads)
            factor = _factor(file, table.get(f"blk.{layer}.{name}.scale"))
            engine.set_ternary(
                layer, name, part, to.name, N, K, to.tile,
                None if scale is None else scale * factor,
                None if blocks is None else blocks * np.float32(factor),
            )  # fmt: skip
    for layer in range(layers):
        for name in NORMS:
            _load_norm(engine, file, table.get(f"blk.{layer}.{name}.weight"), layer, name)
    _load_norm(engine, file, table["output_norm.weight"], -1, "output_norm")
    return memory.nbytes + _load_dense(engine, file.handle, table, threads)


class _Held(NamedTuple):
    """How a matrix is held in memory."""

    name: str
    tile: tuple[int, int, int]
    nbytes: int


def _held(layout: str, N: int, K: int) -> _Held:
    try:
        found = _native.layout(layout, N, K)
    except (FormatError, ShapeError):  # NATIVE admits every shape
        layout, found = NATIVE, _native.layout(NATIVE, N, K)
    return _Held(layout, found[1], found[4])


def _required(layers: int) -> Iterator[str]:
    yield from (EMBEDDING, "output_norm.weight")
    for layer in range(layers):
        for name in (*NORMS, *MATRICES):
            if name not in SUB_NORMS:
                yield f"blk.{layer}.{name}.weight"


def check_names(names: Collection[str], layers: int) -> None:
    """Raises ModelError where a tensor is missing, or one is there that this engine leaves out."""
    missing = [name for name in _required(layers) if name not in names]
    if missing:
        raise ModelError(
            f"tensor {missing[0]}: not in the file ({len(missing)} are missing); it has "
            f"{', '.join(list(names)[:8])} and so on, {len(names)} tensors"
        )
    for name in names:
        found = _LAYER.fullmatch(name)
        known = found and int(found[1]) < layers and found[2] in (*NORMS, *MATRICES)
        if not known and name not in (EMBEDDING, "output_norm.weight", HEAD):
            raise ModelError(
                f"tensor {name}: no part of a model of {layers} layers as this engine runs it; its "
                "result would be wrong without that tensor"
            )


def as_floats(data: NDArray[np.uint8], type: str) -> NDArray[np.float32]:
    """The bytes of an f32, f16 or bf16 tensor as float32. Raises FormatError for other types."""
    if type not in FLOATS:
        raise FormatError(f"found type {type}, accepted are {', '.join(FLOATS)}")
    values = data.view(FLOATS[type])
    if type == "bf16":
        return (values.astype(np.uint32) << 16).view(np.float32)
    return values.astype(np.float32, copy=False)


def _floats(file: GgufFile, tensor: GgufTensor) -> NDArray[np.float32]:
    with naming(tensor):
        return as_floats(file.tensor_data(tensor.name), tensor.type)


def _load_norm(
    engine: Engine, file: GgufFile, tensor: GgufTensor | None, layer: int, name: str
) -> None:
    if tensor is None:
        return  # a sub norm that this model does not have
    set_norm(engine, layer, name, tensor.name, _floats(file, tensor))


def set_norm(
    engine: Engine, layer: int, name: str, tensor: str, values: NDArray[np.float32]
) -> None:
    """Give the engine a norm that was read from `tensor`. Raises ModelError where it cannot be."""
    if not np.isfinite(values).all():
        at = int(np.flatnonzero(~np.isfinite(values))[0])
        raise ModelError(f"tensor {tensor}: found {values[at]} at [{at}], accepted is finite")
    try:
        engine.set_norm(layer, name, values)
    except (ModelError, ShapeError) as error:
        raise ModelError(f"tensor {tensor}: {error}") from None


def _factor(file: GgufFile, tensor: GgufTensor | None) -> float:
    """What the scale of a matrix is multiplied by: some converters keep it in another tensor."""
    if tensor is None:
        return 1.0
    values = _floats(file, tensor)
    if values.size != 1 or not np.isfinite(values[0]):
        raise ModelError(f"tensor {tensor.name}: found {values[:4]}, accepted is one finite number")
    return float(values[0])


def _load_dense(engine: Engine, opened: int, table: Mapping[str, GgufTensor], threads: int) -> int:
    """Embedding and head; returns their bytes."""
    total = 0
    tensors = [("token_embd", table[EMBEDDING])]
    head = table.get(HEAD)
    if head is not None:
        tensors.append(("output", head))
    for name, tensor in tensors:
        _matrix(tensor, DENSE_FORMATS)
        data = _native.empty(tensor.nbytes)
        total += data.nbytes
        with naming(tensor):
            _native.read_into(opened, tensor.offset, data, threads)
            engine.set_dense(name, data, tensor.type, *_shape(tensor))
            if head is None:
                engine.set_dense("output", data, tensor.type, *_shape(tensor))
    return total


def _matrix(tensor: GgufTensor, accepted: Collection[str]) -> GgufTensor:
    if tensor.type not in accepted:
        raise ModelError(
            f"tensor {tensor.name}: found type {tensor.type}, accepted are "
            f"{', '.join(sorted(accepted))}; `bitnet-perf quantize` converts"
        )
    if len(tensor.shape) != 2:
        raise ModelError(f"tensor {tensor.name}: found shape {tensor.shape}, accepted is (N, K)")
    return tensor


def _shape(tensor: GgufTensor) -> tuple[int, int]:
    N, K = tensor.shape
    return N, K


@contextmanager
def naming(tensor: GgufTensor) -> Iterator[None]:
    """Errors inside are ModelErrors that begin with the tensor's name."""
    try:
        yield
    except (ModelError, FormatError, ShapeError) as error:
        raise ModelError(f"tensor {tensor.name}: {error}") from None
