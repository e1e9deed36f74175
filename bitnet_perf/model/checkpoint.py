"""The weights of a Hugging Face checkpoint, handed to the engine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bitnet_perf.errors import FormatError, ModelError, ShapeError
from bitnet_perf.formats import Packed
from bitnet_perf.formats.convert import held_in
from bitnet_perf.formats.dense import pack_dense
from bitnet_perf.model.engine import Engine
from bitnet_perf.model.safetensors import Checkpoint
from bitnet_perf.model.weights import (
    EMBEDDING,
    HEAD,
    MATRICES,
    NORMS,
    SUB_NORMS,
    check_names,
    set_norm,
)
from bitnet_perf.spans import span

__all__ = ["load_checkpoint"]


def load_checkpoint(
    engine: Engine, checkpoint: Checkpoint, layers: int, layout: str, threads: int
) -> int:
    """Give the engine every tensor of the checkpoint; the bytes of memory that the weights take.

    Ternary matrices stand in `layout`, one of ours, embedding and head as the narrowest of bf16,
    f16 and f32 that keeps every value. Raises ModelError for a missing, unknown or wrong tensor.
    """
    with span("tensor_table"):
        check_names(checkpoint.names, layers)
    total = 0
    for layer in range(layers):
        for name in NORMS:
            full = f"blk.{layer}.{name}.weight"
            if full in checkpoint.names or name not in SUB_NORMS:
                set_norm(engine, layer, name, full, _floats(checkpoint, full))
        for name in MATRICES:
            total += _load_matrix(engine, checkpoint, (layer, name), layout, threads)
    norm = "output_norm.weight"
    set_norm(engine, -1, "output_norm", norm, _floats(checkpoint, norm))
    embedding = _floats(checkpoint, EMBEDDING)
    head = _floats(checkpoint, HEAD) if HEAD in checkpoint.names else None
    data, format = _narrowest(embedding, threads)
    engine.set_dense("token_embd", data, format, *embedding.shape)
    if head is None:
        engine.set_dense("output", data, format, *embedding.shape)
        return total + data.nbytes
    own, own_format = _narrowest(head, threads)
    engine.set_dense("output", own, own_format, *head.shape)
    return total + data.nbytes + own.nbytes


def _load_matrix(
    engine: Engine,
    checkpoint: Checkpoint,
    place: tuple[int, str],
    layout: str,
    threads: int,
) -> int:
    layer, name = place
    full = f"blk.{layer}.{name}.weight"
    with span("page_in"):
        packed = checkpoint.tensor(full, threads=threads)
    if not isinstance(packed, Packed):
        raise ModelError(f"tensor {full}: found floats, accepted is a matrix of a layer")
    with span("weight_repack"):
        w = held_in(packed, layout, threads)
    N, K = w.shape
    try:
        engine.set_ternary(layer, name, w.data, layout, N, K, w.tile, w.scale, None)
    except (FormatError, ShapeError) as error:
        raise ModelError(f"tensor {full}: {error}") from None
    return w.nbytes


def _floats(checkpoint: Checkpoint, name: str) -> NDArray[np.float32]:
    with span("page_in"):
        found = checkpoint.tensor(name)
    if isinstance(found, Packed):
        raise ModelError(f"tensor {name}: found a packed matrix, accepted are floats")
    return found


def _narrowest(values: NDArray[np.float32], threads: int) -> tuple[NDArray[np.uint8], str]:
    """The values as bf16, f16 or f32, whichever is the first that keeps them."""
    bits = values.view(np.uint32)
    if not (bits & 0xFFFF).any():
        return pack_dense(values, "bf16", threads=threads), "bf16"
    half = values.astype(np.float16)
    if np.array_equal(half.astype(np.float32), values):
        return pack_dense(values, "f16", threads=threads), "f16"
    return pack_dense(values, "f32", threads=threads), "f32"
