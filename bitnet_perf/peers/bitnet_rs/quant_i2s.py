"""Oracle of `quant.i2s`: `I2SQuantizer` and `simd_ops::QuantizationKernels`.

Code of x is 2 + clamp(round(x / s), -2, 1). The AVX2 path multiplies by 1 / s, rounds halves to
even, and stores the codes of elements 0-3 of each 8 in a block twice (a defect of the crate).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bitnet_perf.peers.bitnet_rs.common import (
    F32,
    Call,
    Ints,
    Outcome,
    Refusal,
    flat_f32,
    pack2,
    per_element,
    round_away,
    saturate,
)
from bitnet_perf.peers.bitnet_rs.quant import decode, grouped_scales, quant_outcome, refuse_decode

ALL_NON_FINITE = (
    "Security error: Malformed data structure: "
    "All input values are NaN or infinite - cannot quantize"
)
STRATEGIES = {"avx512": ("AVX512", 256), "avx2": ("AVX2", 128)}


def quant_i2s(call: Call) -> Outcome:
    """Outputs of one run: data, scales, dequantized; levels instead of data for the kernels."""
    x = flat_f32(call.inputs["x"])
    if "bits" in call.params:
        return _kernels(call, x)
    block = max(call.number("block_size", 32), 4)
    if x.size and not np.isfinite(x).any():
        raise Refusal(ALL_NON_FINITE)
    scales = grouped_scales(x, block, 2)
    levels = levels_of(x, scales, block, 2, vector=call.level == "avx2")
    data = pack2(np.clip(levels, -2, 1) + 2)
    refused = refuse_decode(call.inputs["x"].shape, block)
    return quant_outcome(
        call,
        "I2_S",
        block=block,
        data=data,
        scales=scales,
        levels=levels,
        refused=refused,
        other_minimum=4,
    )


def _kernels(call: Call, x: F32) -> Outcome:
    block, bits = call.number("block_size", 32), call.number("bits", 2)
    level = simd_level(call)
    scales = grouped_scales(x, block, bits)
    exact = levels_of(x, scales, block, bits, vector=False)
    levels = levels_of(x, scales, block, bits, vector=level == "avx2")
    fallback = ("SSE4_1", 64) if call.params.get("has_sse4_1") is True else ("Scalar", 32)
    strategy, optimal = STRATEGIES.get(level, fallback)
    return Outcome(
        {
            "levels": levels.astype(np.int8),
            "levels_scalar": exact.astype(np.int8),
            "scales": scales,
            "dequantized": decode(levels, scales, block),
        },
        {"optimal_block_size": optimal, "strategy": strategy},
    )


def simd_level(call: Call) -> str:
    """CPU level of a run whose capabilities were passed in."""
    if call.run_params.get("has_avx512", call.level == "avx512") is True:
        return "avx512"
    return "avx2" if call.run_params.get("has_avx2", call.level == "avx2") is True else "scalar"


def levels_of(x: F32, scales: F32, block: int, bits: int, *, vector: bool) -> Ints:
    """Signed levels of x [n] in -2^(bits-1) .. 2^(bits-1) - 1, int64[n]."""
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    s = per_element(scales, block, x.size)
    levels = saturate(np.where(np.isfinite(x), round_away(x / s), np.float32(0)), low, high)
    if vector:
        source, grouped = repeated_from(x.size, block)
        rounded = np.rint(x * (np.float32(1) / s))
        # minps and maxps give their second operand for NaN
        clamped = np.where(rounded < high, rounded, np.float32(high))
        clamped = np.where(clamped > low, clamped, np.float32(low))
        levels = np.where(grouped, clamped.astype(np.int64)[source], levels)
    return levels


def repeated_from(n: int, block: int) -> tuple[Ints, NDArray[np.bool_]]:
    """(element whose code each element gets, whether it lies in a whole group of 8)."""
    index = np.arange(n)
    place = index % block
    length = np.minimum(block, n - (index - place))
    return np.where(place % 8 >= 4, index - 4, index).clip(0), place // 8 < length // 8
