"""The formats of embeddings and LM heads: float32, float16, bfloat16 and GGML's block formats."""

from __future__ import annotations

from dataclasses import dataclass

from bitnet_perf import _native
from bitnet_perf.errors import FormatError

__all__ = ["DenseFormat", "dense_format", "dense_formats"]


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
