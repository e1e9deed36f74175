"""Into packed formats and out of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitnet_perf import _native
from bitnet_perf.errors import FormatError, IsaError
from bitnet_perf.formats.packed import (
    NATIVE,
    NO_TILE,
    Packed,
    Prepared,
    checked_scale,
    chosen_tiling,
)
from bitnet_perf.formats.tiling import Tiling
from bitnet_perf.spans import span

__all__ = ["dequantize", "pack", "prepare", "quantize", "unpack"]


def pack(
    ternary: ArrayLike,
    format: str,
    scale: float = 1.0,
    tiling: Tiling | Mapping[str, int] | None = None,
    *,
    isa: str | None = None,
    threads: int = 1,
) -> Packed:
    """int8[N, K] of -1, 0 and 1 in a packed format.

    scale: a finite number, kept as float32; tq1_0 and tq2_0 keep it as float16 in every block
    (`Packed.scale` is what was kept).
    tiling: of tl1 and tl2; None takes the largest BM <= 320 that divides N, with bm = 32 and BK =
    96 (tl2) or the largest of 256, 128, 64, 32 that divides K (tl1).
    K that is no multiple of the format's block is padded with zero weights.
    Raises FormatError for any other code (with its place), an unknown format, a tiling or scale
    that the format does not admit; ShapeError for rank, dtype or N; IsaError.
    """
    tile = _tile(tiling)
    with span("pack"):
        codes, kept = _native.pack(ternary, format, checked_scale(scale), tile, isa or "", threads)
    N, K = np.shape(ternary)
    return Packed(codes, format, (N, K), kept, chosen_tiling(format, N, K, tile))


def quantize(
    weights: ArrayLike,
    format: str,
    rule: str = "absmean",
    scale: float | None = None,
    tiling: Tiling | Mapping[str, int] | None = None,
    *,
    isa: str | None = None,
    threads: int = 1,
) -> Packed:
    """float32 or float16 [N, K] to ternary weights with one scale for the whole tensor.

    rule: "absmean" (BitNet b1.58): scale = mean of |w|, at least 1e-5; codes are w / scale rounded
    half to even (as torch.round does), clamped to -1 .. 1. "absmax_sign" (the converter of
    bitnet.cpp, for weights that are ternary already): scale = max |w|; 0 where |w| < 1e-6, else the
    sign. "given": `scale` (> 0), rounded and clamped as absmean.
    The result does not depend on the number of threads: the mean is a float64 sum in a fixed order.
    Codes are made with the float32 scale, also where tq1_0 and tq2_0 keep it as float16.
    Raises FormatError for NaN or infinity (with its place), rule, scale, format, tiling;
    ShapeError for rank, dtype or N; IsaError.
    """
    tile = _tile(tiling)
    given = None if scale is None else checked_scale(scale)
    with span("quantize"):
        data, kept = _native.quantize(weights, format, rule, given, tile, isa or "", threads)
    N, K = np.shape(weights)
    return Packed(data, format, (N, K), kept, chosen_tiling(format, N, K, tile))


def unpack(w: Packed, *, isa: str | None = None, threads: int = 1) -> NDArray[np.int8]:
    """int8[N, K] of -1, 0 and 1, what was packed."""
    N, K = _packed(w).shape
    return _native.unpack(w.data, w.format, N, K, w.tile, isa or "", threads)


def dequantize(w: Packed, *, isa: str | None = None, threads: int = 1) -> NDArray[np.float32]:
    """float32[N, K]: codes times the scale, or times the scale of their block."""
    N, K = _packed(w).shape
    scale = 1.0 if w.scale is None else w.scale
    with span("dequantize"):
        return _native.dequantize(
            w.data, w.format, N, K, w.tile, scale, w.block_scales, isa or "", threads
        )


def prepare(w: Packed, isa: str | None = None, *, threads: int = 1) -> Prepared:
    """The same weights in the layout that the kernels of one instruction set read fastest.

    isa: a name of `bp.isas()`; None is the best one here. Weights whose blocks have scales take the
    layout of four rows on every instruction set. Lossless: unpack(prepare(w)) is unpack(w), scales
    are kept. Made once, on load.
    Raises IsaError where the instruction set is unknown or cannot run here.
    """
    blocks = _packed(w).block_scales
    runnable = [row[0] for row in _native.isas() if row[3] and row[4]]
    if isa is not None and isa not in runnable:
        raise IsaError(f"isa: found {isa!r}, runnable here: {', '.join(runnable)}")
    return held_in(w, NATIVE if blocks is not None else _native.native_layout(isa or ""), threads)


def held_in(w: Packed, layout: str, threads: int) -> Prepared:
    """The same weights in that layout of ours."""
    N, K = w.shape
    source = w.source if isinstance(w, Prepared) else w.format
    data = _native.prepare(w.data, w.format, N, K, w.tile, layout, threads)
    return Prepared(data, layout, w.shape, w.scale, block_scales=w.block_scales, source=source)


def _tile(tiling: Tiling | Mapping[str, int] | None) -> tuple[int, int, int]:
    wanted = Tiling.of(tiling)
    return NO_TILE if wanted is None else wanted.tile


def _packed(w: Any) -> Packed:
    if not isinstance(w, Packed):
        raise FormatError(f"w: found {type(w).__name__}, accepted is a Packed")
    return w
