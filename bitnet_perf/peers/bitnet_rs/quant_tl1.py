"""Oracle of `quant.tl1`: `TL1Quantizer`, which has no SIMD path on x86.

A table of 256 codes is built per block from its smallest and largest value; index
clamp(round(x / t + 128), 0, 255). Scales are those of `quant.i2s`, so encoder and decoder only
fit together where both see the same absmax.
"""

from __future__ import annotations

import numpy as np

from bitnet_perf.peers.bitnet_rs.common import (
    F32,
    Call,
    Ints,
    Outcome,
    blocks_of,
    flat_f32,
    pack2,
    per_element,
    round_away,
    saturate,
)
from bitnet_perf.peers.bitnet_rs.quant import grouped_scales, quant_outcome

INT32 = (-(2**31), 2**31 - 1)


def quant_tl1(call: Call) -> Outcome:
    """Outputs of one run: data, scales, dequantized, and zero_points when asymmetric."""
    x = flat_f32(call.inputs["x"])
    block, bits = call.number("block_size", 64), call.number("precision_bits", 2)
    asymmetric = call.params.get("use_asymmetric") is True
    scales = grouped_scales(x, block, bits)
    codes = _codes(x, block, bits, asymmetric)
    stored = codes & 3
    zero = (1 << bits) // 2
    if asymmetric:
        _, zeros = _table_scale(x.reshape(1, -1), bits, asymmetric=True)
        zero = int(zeros[0])
    levels = (stored.astype(np.int32) - np.int32(zero)).astype(np.int64)
    outcome = quant_outcome(
        call, "TL1", block=block, data=pack2(codes), scales=scales, levels=levels
    )
    if asymmetric:
        outcome.outputs["zero_points"] = np.full(scales.size, zero, np.int32)
    return outcome


def _table_scale(blocks: F32, bits: int, *, asymmetric: bool) -> tuple[F32, Ints]:
    """(t, zero point) of each row of [rows, width]; NaN counts as absent."""
    top, absent = np.float32(np.inf), np.isnan(blocks)
    low = np.where(absent, top, blocks).min(axis=1, initial=top)
    high = np.where(absent, -top, blocks).max(axis=1, initial=-top)
    levels = 1 << bits
    if not asymmetric:
        peak = np.maximum(np.abs(high), np.abs(low))
        t = np.where(peak == 0, np.float32(1), peak / np.float32(max(levels // 2 - 1, 0)))
        return t, np.zeros(len(t), np.int64)
    t = np.where(high == low, np.float32(1), (high - low) / np.float32(levels - 1))
    zero = saturate(round_away(-low / t), *INT32)
    return t, np.where(t == 0, 0, zero)


def _codes(x: F32, block: int, bits: int, asymmetric: bool) -> Ints:
    if x.size == 0:
        return np.zeros(0, np.int64)
    t, zero = _table_scale(blocks_of(x, block, np.nan), bits, asymmetric=asymmetric)
    top = (1 << bits) - 1
    ramp = (np.arange(256, dtype=np.float32) - np.float32(128)) * t[:, None] / t[:, None]
    if asymmetric:
        table = saturate(round_away(ramp + zero.astype(np.float32)[:, None]), 0, top)
    else:
        table = np.clip(saturate(round_away(ramp), *INT32) + (1 << bits) // 2, 0, top)
    index = saturate(round_away(x / per_element(t, block, x.size) + np.float32(128)), 0, 255)
    return table[np.arange(x.size) // block, index]
