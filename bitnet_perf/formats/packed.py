"""Packed weights: bytes with the format, shape, scale and tile that give them meaning."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitnet_perf import _native
from bitnet_perf.errors import FormatError, ShapeError
from bitnet_perf.formats.tiling import Tiling

__all__ = ["Packed", "Prepared"]

_LARGEST = 2**62
NO_TILE = (0, 0, 0)
NATIVE = "native_i2_r4"  # the layout of our own for all kernels, scales of blocks beside it


@dataclass(frozen=True, eq=False, repr=False)
class Packed:
    """Ternary weights W[N, K] in a packed format. Made by `pack`, `quantize` and `from_bytes`,
    which check everything; compared by identity.

    data: uint8[nbytes], read-only, the exact bytes of the format, scale and padding included.
    shape: (N, K), the true K; in `data` K is padded to the block of the format.
    scale: W is scale * ternary; None where the blocks of tq1_0 or tq2_0 differ.
    block_scales: then float32[N, blocks]; None where `scale` says it all.
    tiling: of tl1 and tl2, None elsewhere.
    """

    data: NDArray[np.uint8]
    format: str
    shape: tuple[int, int]
    scale: float | None = 1.0
    tiling: Tiling | None = None
    block_scales: NDArray[np.float32] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        self.data.flags.writeable = False
        if self.block_scales is not None:
            self.block_scales.flags.writeable = False

    @classmethod
    def from_bytes(
        cls,
        buffer: Any,
        format: str,
        shape: Sequence[int],
        scale: float | None = None,
        tiling: Tiling | Mapping[str, int] | None = None,
    ) -> Packed:
        """Weights from the bytes of a packed format (a copy), every code and scale checked.

        buffer: bytes, or uint8 of any shape. i2_s, tl1 and tl2 hold their scale; with `scale`
        the codes alone are accepted too. tl1 and tl2 without `tiling` are read with the tiling
        that `pack` would choose.
        Codes of weights beyond K must be codes of the format and are otherwise ignored. Every
        byte of tq1_0 means some weights; the sign of a zero triple of tl2 means nothing.
        Raises FormatError (format, tiling, codes, scales) or ShapeError (shape, sizes).
        """
        N, K = checked_shape(shape)
        wanted = Tiling.of(tiling)
        tile = wanted.tile if wanted else NO_TILE
        given = None if scale is None else checked_scale(scale)
        data, found, blocks = _native.read(_bytes_of(buffer), format, N, K, tile, given)
        return cls(
            data, format, (N, K), found, chosen_tiling(format, N, K, tile), block_scales=blocks
        )

    @property
    def nbytes(self) -> int:
        """Bytes of `data`."""
        return self.data.nbytes

    @property
    def tile(self) -> tuple[int, int, int]:
        """(BM, BK, bm), zeros where there is no tiling."""
        return self.tiling.tile if self.tiling else NO_TILE

    def to_dict(self) -> dict[str, Any]:
        """What the bytes are, without the bytes: plain values, for JSON."""
        return {
            "format": self.format,
            "shape": list(self.shape),
            "nbytes": self.nbytes,
            "scale": self.scale,
            "tiling": None if self.tiling is None else vars(self.tiling),
        }

    def __repr__(self) -> str:
        N, K = self.shape
        scale = "per block" if self.scale is None else f"{self.scale:.6g}"
        tile = "" if self.tiling is None else f", {self.tiling}"
        name = type(self).__name__
        return f"{name}({self.format} [{N}, {K}], {self.nbytes} bytes, scale {scale}{tile})"


@dataclass(frozen=True, eq=False, repr=False)
class Prepared(Packed):
    """The same weights in a layout of our own (`format` is native_*), made by `prepare`; accepted
    wherever a Packed is. Scales stand beside the bytes.

    source: the format they came from.
    """

    source: str = field(default="", kw_only=True)

    def to_dict(self) -> dict[str, Any]:
        """What the bytes are, without the bytes: plain values, for JSON."""
        return {**super().to_dict(), "source": self.source}


def chosen_tiling(format: str, N: int, K: int, tile: tuple[int, int, int]) -> Tiling | None:
    """The tiling used for these weights: the one asked for, or the one found."""
    found = _native.layout(format, N, K, tile)[1]
    return Tiling(*found) if any(found) else None


def checked_shape(shape: Any) -> tuple[int, int]:
    """(N, K) as ints of a size that native code can be asked about."""
    try:
        N, K = (operator.index(n) for n in shape)
    except (TypeError, ValueError):
        raise ShapeError(f"shape: found {shape!r}, accepted is (N, K)") from None
    if abs(N) > _LARGEST or abs(K) > _LARGEST:
        raise ShapeError(f"shape: found {(N, K)}, accepted are at most 2^46 weights")
    return N, K


def checked_scale(scale: Any) -> float:
    """`scale` as a float; whether it is one that the format can keep is checked natively."""
    try:
        return float(scale)
    except (TypeError, ValueError, OverflowError):
        raise FormatError(f"scale: found {scale!r}, accepted is a finite number") from None


def _bytes_of(buffer: Any) -> NDArray[np.uint8]:
    if not hasattr(buffer, "__array_interface__"):
        try:
            return np.frombuffer(buffer, np.uint8)
        except (TypeError, ValueError, BufferError):
            kind = type(buffer).__name__
            raise ShapeError(f"buffer: found {kind}, accepted are bytes or uint8") from None
    array = np.asarray(buffer)
    if array.dtype != np.uint8:
        raise ShapeError(f"buffer: found dtype {array.dtype}, accepted is uint8")
    return array.reshape(-1)
