"""Oracle of `inline10`: 2-bit codes with a float16 scale behind each block, decode only.

The block size is the first of 256, 128, 64 and 32 whose byte count fits; otherwise whole blocks
of 256 are decoded as far as the bytes reach and the rest is zero.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitnet_perf.peers.bitnet_rs.common import F32, Call, Outcome, Refusal, unpack2

SIZES = (256, 128, 64, 32)
SCALE_BYTES = 2
VALUES = np.array([-2, -1, 1, 2], np.float32)


def inline10(call: Call) -> Outcome:
    """Output of one run: dequantized [rows * cols], [cols, rows] where transposed."""
    shape = [int(v) for v in call.params.get("shape", [])]
    if not shape:
        raise Refusal("I2_S: empty tensor dims")
    rows, cols = int(np.prod(shape[:-1], dtype=np.int64)), shape[-1]
    data = call.inputs["qs"].reshape(-1).view(np.uint8)
    block = next((b for b in SIZES if _bytes(rows, cols, b) == data.size), None)
    transposed = "_transposed" in call.function
    out = np.zeros((rows, cols), np.float32)
    invert = call.params.get("inv") is True
    factor = np.float32(call.params.get("k", 1.0))
    for row, start, n, at in _places(data.size, rows, cols, block, transposed=transposed):
        codes = unpack2(data[at : at + -(-n // 4)])[:n]
        behind = at + -(-n // 4)
        scale = _scale(data[behind : behind + SCALE_BYTES], factor, invert=invert)
        out[row, start : start + n] = scale * VALUES[codes]
    return Outcome({"dequantized": (out.T if transposed else out).reshape(-1)})


def _bytes(rows: int, cols: int, block: int) -> int:
    return rows * -(-cols // block) * (block // 4 + SCALE_BYTES)


def _places(
    size: int, rows: int, cols: int, block: int | None, *, transposed: bool
) -> Iterator[tuple[int, int, int, int]]:
    """(row, first column, columns, first byte) of each block that is decoded, in order.

    Without a fitting block size the plain functions do not count the last block of a row against
    the number of blocks at hand, and stop where codes and scale of the next block do not fit;
    the transposed one counts every block and stops where a whole block does not fit.
    """
    width = block or SIZES[0]
    whole = width // 4 + SCALE_BYTES
    left = size // whole if block is None else -1
    at = 0
    for row in range(rows):
        for start in range(0, cols, width):
            n = min(width, cols - start)
            used = -(-n // 4) + SCALE_BYTES
            if left == 0 or at + (whole if transposed and block is None else used) > size:
                return
            yield row, start, n, at
            at += used
            left -= transposed or start + n < cols


def _scale(raw: NDArray[Any], factor: np.float32, *, invert: bool) -> np.float32:
    """abs of the float16, inverted on request, times the factor, within 1e-3 .. 1e3."""
    scale = np.abs(raw.view("<f2")[0]).astype(np.float32)
    if invert:
        scale = np.float32(1) if scale < np.float32(1e-8) else np.float32(1) / scale
    clamped: F32 = np.clip(scale * factor, np.float32(1e-3), np.float32(1e3))
    return np.float32(clamped)
