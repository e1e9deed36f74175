"""Uses an installed bitnet_perf: import time, exact products, CUDA sources, one command."""

import statistics
import subprocess
import sys
import time
from pathlib import Path

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

import bitnet_perf as bp  # noqa: E402

rng = np.random.default_rng(0)
ternary = rng.integers(-1, 2, (64, 256)).astype(np.int8)
q = bp.quantize_activations(rng.standard_normal((3, 256)).astype(np.float32))
wanted = q.values.astype(np.int32) @ ternary.T.astype(np.int32)
for form in ("i2_s", "tl1", "tl2", "tq1_0", "tq2_0"):
    np.testing.assert_array_equal(bp.matmul_int(q, bp.pack(ternary, form)), wanted)
print("matmul_int is exact in every format")

from bitnet_perf.kernels.cuda.catalog import KERNELS  # noqa: E402
from bitnet_perf.kernels.cuda.toolchain import sources  # noqa: E402

assert sources().parent == Path(bp.__file__).parent, f"{sources()} is not in the package"
missing = {kernel.file for kernel in KERNELS} - {path.name for path in sources().glob("*.cu")}
assert not missing, f"not installed: {missing}"
print(f"CUDA sources: {len(list(sources().rglob('*.cu*')))} files")

command = Path(sys.executable).with_name("bitnet-perf")
done = subprocess.run([command, "info"], check=True, capture_output=True, text=True)
assert "gemv" in done.stdout
print(f"bitnet-perf info: {len(done.stdout.splitlines())} lines")
