"""What the three `quant.*` oracles share: grouped scales, the decoder and what a tensor says."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitnet_perf.peers.bitnet_rs.common import (
    F32,
    Call,
    Ints,
    Outcome,
    Refusal,
    blocks_of,
    per_element,
)

MAX_BLOCK = 1024
MAX_RANK = 8


def grouped_scales(x: F32, block: int, bits: int) -> F32:
    """absmax of the finite values of each block over 2^(bits-1) - 1, float32[ceil(n/block)].

    No finite value, 0 or below 1e-30 gives 1; the absmax is capped at 1e30.
    """
    if block < 1:
        raise Refusal("attempt to divide by zero", "panic")
    if x.size == 0:
        return np.zeros(0, np.float32)
    peak = np.abs(blocks_of(np.where(np.isfinite(x), x, np.float32(0)), block)).max(axis=1)
    scale = np.minimum(peak, np.float32(1e30)) / np.float32((1 << (bits - 1)) - 1)
    good = (peak >= np.float32(1e-30)) & (peak > 0) & np.isfinite(scale) & (scale > 0)
    out: F32 = np.where(good, scale, np.float32(1))
    return out


def decode(levels: Ints, scales: F32, block: int) -> F32:
    """levels[i] * scale of its block; elements behind the last scale stay 0."""
    values = np.zeros(levels.size, np.float32)
    n = min(levels.size, scales.size * block)
    values[:n] = levels[:n].astype(np.float32) * per_element(scales, block, n)
    return values


def refuse_decode(shape: tuple[int, ...], block: int) -> str | None:
    """Why `I2SQuantizer::dequantize_tensor` refuses a tensor of this shape and block size."""
    text = None
    if not shape:
        text = "Quantized tensor shape cannot be empty"
    elif len(shape) > MAX_RANK:
        return (
            "Security error: Resource limit exceeded: "
            f"quantized_tensor_dimensions = {len(shape)} exceeds limit {MAX_RANK}"
        )
    elif 0 in shape:
        text = f"Quantized tensor dimension {shape.index(0)} cannot be zero"
    elif not 1 <= block <= MAX_BLOCK:
        text = f"Invalid block size: {block}"
    return None if text is None else f"Security error: Malformed data structure: {text}"


def tensor_meta(
    qtype: str, block: int, data: NDArray[Any], scales: NDArray[Any], shape: tuple[int, ...]
) -> dict[str, Any]:
    """What a `QuantizedTensor` says of itself, as recorded."""
    compressed = data.size + 4 * scales.size
    values = int(np.prod(shape, dtype=np.int64))
    ratio = np.float32(values * 4) / np.float32(compressed) if compressed else np.float32(1)
    return {
        "block_size": block,
        "compression_ratio": float(max(ratio, np.float32(1))),
        "qtype": qtype,
        "shape": list(shape),
    }


def quant_outcome(
    call: Call,
    qtype: str,
    *,
    block: int,
    data: NDArray[np.uint8],
    scales: F32,
    levels: Ints,
    refused: str | None = None,
    other_minimum: int = 1,
) -> Outcome:
    """The recorded form of a tensor that was quantized with `block` and decoded again.

    `dequantize_block_size` decodes the same tensor a second time with a quantizer of that size.
    """
    shape = call.inputs["x"].shape
    outputs: dict[str, NDArray[Any]] = {"data": data, "scales": scales}
    meta = tensor_meta(qtype, block, data, scales, shape)
    if refused is not None:
        return Outcome(outputs, meta | {"dequantize_error": refused})
    outputs["dequantized"] = decode(levels, scales, block).reshape(shape)
    if "dequantize_block_size" in call.params:
        other = max(call.number("dequantize_block_size", block), other_minimum)
        outputs["dequantized_other"] = decode(levels, scales, other).reshape(shape)
    return Outcome(outputs, meta)
