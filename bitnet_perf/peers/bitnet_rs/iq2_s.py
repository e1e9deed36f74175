"""Oracle of `iq2_s`: blocks of 256 codes in 82 bytes, float16 scale in front, decode only.

The 16 bytes behind the codes are not read.
"""

from __future__ import annotations

import numpy as np

from bitnet_perf.peers.bitnet_rs.common import Call, Outcome, Refusal, unpack2

BLOCK = 256
BYTES = 82
VALUES = np.array([-2, -1, 1, 2], np.float32)


def iq2_s(call: Call) -> Outcome:
    """Output of one run: dequantized [product of the shape]."""
    dims = [int(v) for v in call.params.get("shape", [])]
    n = int(np.prod(dims, dtype=np.int64))
    data = call.inputs["qs"].reshape(-1).view(np.uint8)
    blocks = -(-n // BLOCK)
    if data.size != blocks * BYTES:
        raise Refusal(
            f"IQ2_S byte length mismatch: got {data.size} expected {blocks * BYTES} "
            f"(dims={dims}, qk={BLOCK}, block_bytes={BYTES})"
        )
    rows = data.reshape(blocks, BYTES)
    d = np.ascontiguousarray(rows[:, :2]).view("<f2").astype(np.float32)
    values = d * VALUES[unpack2(rows[:, 2:66])].reshape(blocks, BLOCK)
    return Outcome({"dequantized": values.reshape(-1)[:n]})
