"""Oracle of `kernel.*`: `KernelProvider::quantize` of the providers fallback, avx2 and avx512.

Codes are ORed into the caller's buffer; only `kernel.tl2` has SIMD code, which clears the buffer
first, takes the absmax per lane (a NaN forgets what the lane held) and, with AVX-512, picks the
code by threshold instead of by distance. The providers have no decoder.
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
    absmax,
    blocks_of,
    flat_f32,
    pack2,
    per_element,
)

#: codec -> (name in the crate's errors, block size, values by code)
FAMILY: dict[str, tuple[str, int, tuple[float, ...]]] = {
    "kernel.i2s": ("I2_S", 32, (0.0, 1.0, 0.0, -1.0)),
    "kernel.tl1": ("TL1", 64, (-1.0, -0.33, 0.33, 1.0)),
    "kernel.tl2": ("TL2", 128, (-1.2, -0.4, 0.4, 1.2)),
}
LANES = {"avx2": 8, "avx512": 16}


def kernel(call: Call) -> Outcome:
    """Outputs of one run: data and scales, as long as the caller's buffers."""
    x = flat_f32(call.inputs["x"])
    block = call.number("block_size", FAMILY[call.codec][1])
    data, scales = buffers(call, x.size, block)
    level = simd_level(call)
    _refuse_short(call, x.size, data.size, scales.size, block)
    blocks = -(-x.size // block)
    scales[:blocks] = _scales(x, block, LANES.get(level, 0))
    n = normalized(x, scales, block)
    codes = buckets(n) if level == "avx512" else nearest(call.codec, n)
    if level == "avx2":
        data[:] = 0
    elif level == "avx512":
        data[: -(-x.size // 4)] = 0
    packed = pack2(codes)[: data.size]
    data[: packed.size] |= packed
    provider = call.run_params.get("provider", "fallback" if level == "scalar" else level)
    available = provider == "fallback" or not call.hidden
    return Outcome(
        {"data": data, "scales": scales}, {"available": available, "provider_name": provider}
    )


def buffers(call: Call, n: int, block: int) -> tuple[NDArray[np.uint8], F32]:
    """The caller's output buffers as they are before the call."""
    size = int(call.run_params.get("out_len", call.number("output_bytes", -(-n // 4))))
    scales = np.zeros(call.number("scales_len", -(-n // block)), np.float32)
    if "out_init" in call.inputs:
        return call.inputs["out_init"].reshape(-1).astype(np.uint8), scales
    return np.zeros(size, np.uint8), scales


def simd_level(call: Call) -> str:
    """The level whose code runs: SIMD for `kernel.tl2` alone, on a CPU that has it."""
    return "scalar" if call.codec != "kernel.tl2" or call.hidden else call.level


def _refuse_short(call: Call, n: int, out_len: int, scales_len: int, block: int) -> None:
    simd = simd_level(call) != "scalar"
    reason = "Invalid arguments" if simd else "Kernel execution failed"
    need = -(-n // 4) if simd else n // 4
    if out_len < need:
        name = FAMILY[call.codec][0]
        raise Refusal(
            f"Kernel error: {reason}: Output buffer too small for {name}: "
            f"expected {need}, got {out_len}"
        )
    if scales_len < -(-n // block):
        raise Refusal(
            f"Kernel error: {reason}: Scales buffer too small: "
            f"expected {-(-n // block)}, got {scales_len}"
        )


def _scales(x: F32, block: int, lanes: int) -> F32:
    peak = _lane_absmax(x, block, lanes) if lanes and x.size else absmax(x, block)
    scales: F32 = np.where(peak > np.float32(1e-8), peak / np.float32(1.5), np.float32(1))
    return scales


def _lane_absmax(x: F32, block: int, lanes: int) -> F32:
    """absmax by `maxps`, which gives its second operand when either one is NaN."""
    rows = blocks_of(np.abs(x), block)
    rows = np.pad(rows, ((0, 0), (0, -rows.shape[1] % lanes)))
    steps = rows.reshape(rows.shape[0], -1, lanes)
    # the last block stops at its own last group, not at the padding of a whole block
    used = np.full(rows.shape[0], steps.shape[1])
    used[-1] = -(-(x.size - (rows.shape[0] - 1) * block) // lanes)
    best = np.zeros((rows.shape[0], lanes), np.float32)
    for step in range(steps.shape[1]):
        values = steps[:, step]
        best = np.where((step < used)[:, None] & ~(best > values), values, best)
    while best.shape[1] > 1:
        half = best.shape[1] // 2
        low, high = best[:, :half], best[:, half:]
        best = np.where(low > high, low, high)
    return best[:, 0]


def normalized(x: F32, scales: F32, block: int) -> F32:
    """x over the scale of its block."""
    return x / per_element(scales, block, x.size) if x.size else x


def nearest(codec: str, n: F32) -> Ints:
    """Codes of the scalar path: a threshold for i2s, else the nearest value, first one wins."""
    if codec == "kernel.i2s":
        return np.where(n > 0.5, 1, np.where(n < -0.5, 3, 0))
    values = np.array(FAMILY[codec][2], np.float32)
    best, distance = np.zeros(n.size, np.int64), np.abs(n - values[0])
    for code in range(1, values.size):
        candidate = np.abs(n - values[code])
        closer = candidate < distance
        best, distance = np.where(closer, code, best), np.where(closer, candidate, distance)
    return best


def buckets(n: F32) -> Ints:
    """Codes of the AVX-512 path of `kernel.tl2`."""
    edge = np.float32(0.8)
    return np.where(n < -edge, 0, np.where(n < 0, 1, np.where(n < edge, 2, 3)))
