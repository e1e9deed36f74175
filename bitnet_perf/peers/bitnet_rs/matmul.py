"""Oracle of `matmul`: float32 [m, k] times packed columns, the functions of bitnet-kernels.

Codes {0, 1, 0, -1}, four per byte and one row of bytes per output column, one scale per (column,
block of k). The functions differ in the order of their float32 sums alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bitnet_perf.peers.bitnet_rs.common import (
    F32,
    Call,
    Outcome,
    Refusal,
    flat_f32,
    fold_lanes,
    fused_add,
    per_element,
    sequential_dot,
    unpack2,
)

VALUES = np.array([0, 1, 0, -1], np.float32)
LARGEST_BLOCK = 256  # the blocked function keeps one block in a fixed array
LANES = 8


def matmul(call: Call) -> Outcome:
    """Output c [m, n] of one run."""
    m, n, k = call.number("m", 0), call.number("n", 0), call.number("k", 0)
    block = call.number("block_size", 0)
    simd = call.function == "simd_matmul_i2s"
    _refuse(call, (m, n, k), block, "need" if simd else "expected")
    x = flat_f32(call.inputs["x"])[: m * k].reshape(m, k)
    packed = call.inputs["w"].reshape(-1)[: n * -(-k // 4)]
    w = VALUES[unpack2(packed).reshape(n, -1)[:, :k]]
    scales = flat_f32(call.inputs["scales"])[: n * -(-k // block)].reshape(n, -1)
    if call.function == "i2s_matmul_blocked":
        if min(block, k) > LARGEST_BLOCK:
            raise Refusal(
                f"index out of bounds: the len is {LARGEST_BLOCK} "
                f"but the index is {LARGEST_BLOCK}", "panic",
            )  # fmt: skip
        return Outcome({"c": _by_block(x, w, scales, block, vector=False)})
    if simd and call.level != "scalar":
        return Outcome({"c": _by_block(x, w, scales, block, vector=True)})
    scaled = w * per_element(scales.T, block, k).T
    return Outcome({"c": sequential_dot(x, scaled.T)})


def _refuse(call: Call, shape: tuple[int, int, int], block: int, word: str) -> None:
    m, n, k = shape
    if block < 1:
        reason = "block_size must be > 0"
    elif 0 in shape:
        reason = f"dimensions must be > 0: m={m}, n={n}, k={k}"
    else:
        for name, need, got in (
            ("activations", m * k, call.inputs["x"].size),
            ("weights_packed", n * -(-k // 4), call.inputs["w"].size),
            ("scales", n * -(-k // block), call.inputs["scales"].size),
            ("output", m * n, call.number("c_len", m * n)),
        ):
            if got < need:
                reason = f"{name} too small: {word} {need}, got {got}"
                break
        else:
            return
    raise Refusal(f"Kernel error: Kernel execution failed: {reason}")


def _by_block(x: F32, w: F32, scales: F32, block: int, *, vector: bool) -> F32:
    """Sum over blocks of (dot of the block) * scale, x [m, k], w [n, k] -> [m, n]."""
    total = np.zeros((x.shape[0], w.shape[0]), np.float32)
    for number, start in enumerate(range(0, x.shape[1], block)):
        part = slice(start, min(start + block, x.shape[1]))
        scale = scales[:, number]
        if vector:
            total += _lane_dot(x[:, part], w[:, part], scale)
        else:
            total += sequential_dot(x[:, part], w[:, part].T) * scale
    return total


def _lane_dot(x: F32, w: F32, scale: NDArray[np.float32]) -> F32:
    """8 fused lanes, times the scale, lanes summed, then the tail one value after another."""
    whole = x.shape[1] // LANES * LANES
    lanes = np.zeros((x.shape[0], w.shape[0], LANES), np.float32)
    for at in range(0, whole, LANES):
        wide = x[:, None, at : at + LANES].astype(np.float64)
        lanes = fused_add(lanes, wide * w[None, :, at : at + LANES])
    total = fold_lanes(lanes * scale[:, None])
    for at in range(whole, x.shape[1]):
        total += x[:, at, None] * w[:, at] * scale
    return total
