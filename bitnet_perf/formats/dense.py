"""The formats of embeddings and LM heads: float32, float16, bfloat16 and GGML's block formats."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitnet_perf import _native
from bitnet_perf.errors import FormatError

__all__ = ["DenseFormat", "dense_format", "dense_formats", "pack_dense"]


@dataclass(frozen=True)
class DenseFormat:
    """One format of an N x K matrix whose rows are stored one after the other.

    ggml_type: the type number in GGUF files.
    block: weights in a block; K is a multiple of it.
    block_bytes: bytes of a block.
    """

    name: str
    ggml_type: int
    block: int
    block_bytes: int

    def nbytes(self, n: int, k: int) -> int:
        """Bytes of n x k weights. Raises ShapeError where the format admits no such shape."""
        return _native.dense_bytes(self.name, n, k)


def dense_formats() -> tuple[DenseFormat, ...]:
    """Every format of this build, in the order of the native list."""
    return tuple(DenseFormat(*row) for row in _native.dense_formats())


def dense_format(name: str) -> DenseFormat:
    """The format of that name. Raises FormatError, listing the names, where there is none."""
    known = {each.name: each for each in dense_formats()}
    if name not in known:
        raise FormatError(f"format: found {name!r}, accepted are {', '.join(known)}")
    return known[name]


def pack_dense(weights: ArrayLike, format: str, *, threads: int = 1) -> NDArray[np.uint8]:
    """float32[N, K] as the bytes of a format, uint8[nbytes(N, K)].

    f16 and bf16 round half to even; q8_0 and q4_0 are the bytes of ggml's reference. q6_k and q4_k
    are made in one pass, without ggml's search for better scales: no weight is clipped, so that
    each is at most half a step off (the steps are those of csrc/formats/dense_pack.hpp).

    Raises:
        FormatError: unknown format; NaN, infinity, or a weight beyond what the format holds.
        ShapeError: another dtype or rank, K that is no multiple of the block, threads < 1.
    """
    return _native.pack_dense(weights, format, threads)
