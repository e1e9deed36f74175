"""Oracle of `quant.tl2`: `TL2Quantizer`, whose default block size follows the CPU.

Code of x is looked up at index round(x / s * 128 + 128): 1 up to 64, 3 from 192 on, else 2. The
SIMD paths compute the index as x * (128 / s) + 128, halves to even, and an index that is NaN,
infinite or beyond int32 becomes 0.
"""

from __future__ import annotations

import numpy as np

from bitnet_perf.peers.bitnet_rs.common import (
    F32,
    Call,
    Ints,
    Outcome,
    flat_f32,
    pack2,
    per_element,
    round_away,
    saturate,
)
from bitnet_perf.peers.bitnet_rs.ids import TL2_BLOCK
from bitnet_perf.peers.bitnet_rs.quant import grouped_scales, quant_outcome

LANES = {"avx2": 8, "avx512": 16}


def quant_tl2(call: Call) -> Outcome:
    """Outputs of one run: data, scales, dequantized."""
    x = flat_f32(call.inputs["x"])
    block, bits = block_of(call), call.number("precision_bits", 2)
    scales = grouped_scales(x, block, bits)
    codes = codes_of(x, scales, block, bits, lanes_of(call))
    levels = (codes & 3) - (1 << bits) // 2
    return quant_outcome(call, "TL2", block=block, data=pack2(codes), scales=scales, levels=levels)


def block_of(call: Call) -> int:
    """Block size of the run: given, or the default of its CPU level."""
    return call.number("block_size", TL2_BLOCK.get(call.level, TL2_BLOCK["scalar"]))


def lanes_of(call: Call) -> int:
    """Elements per SIMD group of the run, 0 where the scalar path is taken."""
    allowed = call.params.get(f"use_{call.level}", True) is True
    return LANES.get(call.level, 0) if allowed else 0


def indices(x: F32, s: F32) -> tuple[F32, F32]:
    """(scalar, SIMD) table index before rounding."""
    offset = np.float32(128)
    return x / s * offset + offset, x * (offset / s) + offset


def in_group(n: int, block: int, lanes: int) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Whether each element lies in a whole SIMD group of its block."""
    index = np.arange(n)
    place = index % block
    length = np.minimum(block, n - (index - place))
    return place < length // lanes * lanes if lanes else np.zeros(n, np.bool_)


def codes_of(x: F32, scales: F32, block: int, bits: int, lanes: int) -> Ints:
    """Codes of x [n] with `lanes` elements per SIMD group (0: scalar), int64[n]."""
    step = np.float32((1 << bits) // 2 - 1)
    table_scale = scales * step / step
    factor = per_element(table_scale, block, x.size)
    exact, _ = indices(x, factor)
    index = saturate(round_away(exact), 0, 255)
    if lanes:
        _, wide = indices(x, per_element(scales, block, x.size))
        rounded = np.rint(wide)
        fits = np.abs(rounded) < np.float32(2**31)
        vector = saturate(np.where(fits, rounded, np.float32(0)), 0, 255)
        index = np.where(in_group(x.size, block, lanes), vector, index)
    ramp = np.arange(256, dtype=np.float32) - np.float32(128)
    tables = round_away(ramp * table_scale[:, None] / np.float32(128) / table_scale[:, None])
    half = (1 << bits) // 2
    codes = np.clip(saturate(tables, -(2**31), 2**31 - 1) + half, 0, 2 * half - 1)
    return codes[np.arange(x.size) // block, index]
