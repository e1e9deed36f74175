"""Oracle of `device.*`: `CPUQuantizer` of the device-aware quantizer, the same on every CPU.

The scale of a block is its absmax: NaN skipped, an infinity kept, 0 kept (every code then that
of zero). Values are compared after v = x / s.
"""

from __future__ import annotations

import numpy as np

from bitnet_perf.peers.bitnet_rs.common import (
    F32,
    Call,
    Ints,
    Outcome,
    absmax,
    flat_f32,
    pack2,
    per_element,
    saturate,
)

DIGITS = (0.0667, 0.2, 0.3333, 0.4667, 0.6, 0.7333, 0.8667, 1.0)
#: codec -> (name in the crate, block size, values by code)
FAMILY: dict[str, tuple[str, int, tuple[float, ...]]] = {
    "device.i2s": ("I2_S", 32, (0.0, 1.0, 0.0, -1.0)),
    "device.tl1": ("TL1", 16, (*(-d for d in reversed(DIGITS)), *DIGITS)),
    "device.tl2": ("TL2", 32, (-1.0, -0.33, 0.33, 1.0)),
}


def device(call: Call) -> Outcome:
    """Outputs of one run: data (per block), scales, dequantized."""
    qtype, default, values = FAMILY[call.codec]
    block = call.number("block_size", default)
    x = flat_f32(call.inputs["x"])
    scales = absmax(x, block)
    s = per_element(scales, block, x.size)
    codes = _codes(call.codec, np.where(s > 0, x / s, np.float32(0)))
    return Outcome(
        {
            "data": codes.astype(np.uint8) if call.codec == "device.tl1" else pack2(codes),
            "scales": scales,
            "dequantized": np.array(values, np.float32)[codes] * s,
        },
        {"block_size": block, "qtype": qtype, "shape": [x.size]},
    )


def _codes(codec: str, v: F32) -> Ints:
    if codec == "device.i2s":
        return np.where(v > 0.5, 1, np.where(v < -0.5, 3, 0))
    unit = np.clip(v, np.float32(-1), np.float32(1)) + np.float32(1)
    if codec == "device.tl1":
        return saturate(unit * np.float32(7.5), 0, 255)
    return saturate(unit * np.float32(1.5), 0, 3)
