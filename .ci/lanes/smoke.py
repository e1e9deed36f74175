"""Uses an installed bitnet_perf: import time and one exact product."""

import statistics
import subprocess
import sys
import time

import numpy as np


def milliseconds(code: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-I", "-c", code], check=True)
    return 1e3 * (time.perf_counter() - start)


imports, bare = (
    statistics.median(milliseconds(code) for _ in range(9))
    for code in ("import bitnet_perf", "pass")
)
print(f"import bitnet_perf: {imports - bare:.0f} ms (median of 9, interpreter start taken off)")

from bitnet_perf import _native  # noqa: E402

ones = np.full(64 * 256 // 4, 0b10101010, np.uint8)
q = np.arange(256).astype(np.int8)
np.testing.assert_array_equal(_native.gemv(ones, "i2_s", 64, 256, q), np.full(64, q.sum()))
print("gemv of an i2_s matrix is exact")
