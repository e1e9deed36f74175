"""Oracle of `qk256`: GGML I2_S blocks of 256 codes in 64 bytes, decode only.

Codes {-2, -1, 1, 2}; the legacy scalar function has another map and uses scales. What a run does
follows from its parameters: a byte count to check, codes to unpack, blocks to decode, or a
product with a vector.
"""

from __future__ import annotations

import numpy as np

from bitnet_perf.peers.bitnet_rs.common import (
    F32,
    Call,
    Outcome,
    Refusal,
    flat_f32,
    fold_lanes,
    fused_add,
    sequential_dot,
    unpack2,
)

BLOCK = 256
BYTES = 64
TOLERANCE = 128  # bytes that a buffer may be off, as alignment padding
VALUES = np.array([-2, -1, 1, 2], np.float32)
LEGACY = np.array([-1, 0, 1, -1], np.float32)
STEP = 32  # columns per step of the AVX2 product: 4 accumulators of 8 lanes


def qk256(call: Call) -> Outcome:
    """Outputs of one run: y, dequantized, codes and values, or meta alone."""
    if "bytes" in call.params:
        return _storage(call)
    if "block_size" in call.params:
        return _dequantize(call)
    if "rows" in call.params:
        return _gemv(call)
    codes = unpack2(call.inputs["qs"])
    return Outcome({"codes": codes, "values": VALUES[codes]})


def _storage(call: Call) -> Outcome:
    rows, cols, got = call.number("rows", 0), call.number("cols", 0), call.number("bytes", 0)
    stride = -(-cols // BLOCK) * BYTES
    if abs(got - rows * stride) > TOLERANCE:
        raise Refusal(
            f"I2SQk256NoScale: data size mismatch: got {got} bytes, expected {rows * stride} "
            f"for {rows}\N{MULTIPLICATION SIGN}{cols} matrix. "
            "Check tensor orientation: QK256 requires [out_dim, in_dim] layout."
        )
    return Outcome(meta={"bytes_kept": got, "row_stride_bytes": stride})


def _dequantize(call: Call) -> Outcome:
    raw, scales = call.inputs["qs"].reshape(-1), flat_f32(call.inputs["scales"])
    prefix = "Kernel error: Invalid arguments: QK256"
    if call.number("block_size", BLOCK) != BLOCK:
        raise Refusal(f"{prefix} requires block_size=256, got {call.params['block_size']}")
    need = scales.size * BYTES
    if abs(raw.size - need) > TOLERANCE:
        raise Refusal(
            f"{prefix} size mismatch: got {raw.size} bytes, expected {need} "
            f"for {scales.size} blocks"
        )
    if (scales.size - 1) * BYTES > raw.size:
        start = (raw.size // BYTES + 1) * BYTES
        raise Refusal(f"slice index starts at {start} but ends at {raw.size}", "panic")
    data = np.zeros(need, np.uint8)
    data[: raw.size] = raw.view(np.uint8)[:need]
    values = VALUES[unpack2(data)].reshape(-1, BLOCK) * scales[:, None]
    if call.level == "scalar" or call.function.endswith("_scalar"):
        values.reshape(-1)[4 * min(raw.size, need) :] = 0  # missing bytes are not code 0
    return Outcome({"dequantized": values.reshape(-1)})


def _gemv(call: Call) -> Outcome:
    rows, cols = call.number("rows", 0), call.number("cols", 0)
    qs, x = call.inputs["qs"].reshape(-1), flat_f32(call.inputs["x"])
    if call.function.startswith("qk256_gemv"):
        return _legacy(call, rows, cols)
    vector = call.function.endswith("_avx2") or (
        call.function == "gemv_qk256" and call.level != "scalar"
    )
    stride = call.number("row_stride_bytes", -(-cols // BLOCK) * BYTES)
    word = "AVX2" if vector else "I2S_QK256"
    y_len = call.number("y_len", rows)
    if y_len != rows:
        raise Refusal(f"{word}: y_out length {y_len} != rows {rows}")
    if x.size < cols:
        raise Refusal(f"{word}: x length {x.size} < cols {cols}")
    if qs.size < rows * stride:
        raise Refusal(f"{word}: data too short: {qs.size} < {rows * stride}")
    codes = unpack2(qs[: rows * stride]).reshape(rows, -1)
    return Outcome({"y": _product(VALUES[codes], x, cols, vector=vector)})


def _product(w: F32, x: F32, cols: int, *, vector: bool) -> F32:
    """w [rows, >= cols] times x -> [rows]."""
    if not vector:
        return sequential_dot(w[:, :cols], x[:cols, None])[:, 0]
    lanes = np.zeros((4, w.shape[0], 8), np.float32)
    tail = np.zeros(w.shape[0], np.float32)
    for start in range(0, cols, BLOCK):
        end = min(start + BLOCK, cols)
        whole = start + (end - start) // STEP * STEP
        eights = start + (end - start) // 8 * 8
        for at in range(start, eights, 8):
            bank = (at - start) % STEP // 8 if at < whole else 0
            product = w[:, at : at + 8].astype(np.float64) * x[at : at + 8]
            lanes[bank] = fused_add(lanes[bank], product)
        for at in range(eights, end):
            tail += w[:, at] * x[at]
    return fold_lanes((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + tail


def _legacy(call: Call, rows: int, cols: int) -> Outcome:
    qs, x = call.inputs["qs"].reshape(-1), flat_f32(call.inputs["x"])
    scales = flat_f32(call.inputs["scales"])
    blocks = cols // BLOCK
    for left, right, text in (
        (call.number("y_len", rows), rows, "Output length mismatch"),
        (x.size, cols, "Activation length mismatch"),
        (cols % BLOCK, 0, "Cols must be multiple of QK256=256"),
        (qs.size, rows * cols // 4, "Packed weight size mismatch"),
        (scales.size, rows * blocks, "Scales length mismatch"),
    ):
        if left != right:
            raise Refusal(
                f"assertion `left == right` failed: {text}\n  left: {left}\n right: {right}",
                "panic",
            )
    codes = unpack2(qs).reshape(rows, cols)
    if call.function == "qk256_gemv":
        vector = call.level != "scalar"
        return Outcome({"y": _product(VALUES[codes], x, cols, vector=vector)})
    y = np.zeros(rows, np.float32)
    for number in range(blocks):
        part = slice(number * BLOCK, (number + 1) * BLOCK)
        dot = sequential_dot(LEGACY[codes[:, part]], x[part, None])[:, 0]
        y += dot * scales.reshape(rows, blocks)[:, number]
    return Outcome({"y": y})
