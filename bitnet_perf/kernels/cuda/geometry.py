"""How many blocks a product takes, and what they need beside its operands."""

from __future__ import annotations

from dataclasses import dataclass

from bitnet_perf.errors import ShapeError
from bitnet_perf.kernels.cuda.catalog import CudaKernel

__all__ = ["STEP", "Geometry", "geometry"]

STEP = 128  # columns of frag16x32 that a lane's 16 bytes are part of
LARGEST_COLUMNS = 1 << 21  # where the sums of gemm_w2a8 stay in int32


@dataclass(frozen=True, slots=True)
class Geometry:
    """A launch: blocks in x, y, z, threads of each, and bytes of dynamic shared memory of each."""

    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    shared: int


def geometry(kernel: CudaKernel, M: int, N: int, K: int, parts: int = 1) -> Geometry:
    """The launch of `kernel` for M tokens, N rows and K columns of weights.

    `parts` divides the columns among blocks (gemm_w2a8); with more than one the kernel needs
    int32[M, N] and uint32[grid y, grid x] of zeros, and leaves them so.

    Raises ShapeError for sizes below 1, K above 2^21, and a number of tokens or parts that the
    kernel does not take.
    """
    if min(M, N, K, parts) < 1 or K > LARGEST_COLUMNS:
        raise ShapeError(
            f"{kernel.name}: found M, N, K, parts = {M}, {N}, {K}, {parts}, accepted are 1 and "
            f"more, K up to {LARGEST_COLUMNS}"
        )
    rows, tokens = kernel.tile
    if parts > 1 and kernel.family != "gemm_w2a8":
        raise ShapeError(f"{kernel.name}: parts: found {parts}, accepted is 1")
    if kernel.family.startswith("gemv_w2a8"):
        if tokens != M:
            raise ShapeError(f"{kernel.name}: M: found {M}, accepted is {tokens}")
        return Geometry((-(-N // rows), 1, 1), (kernel.threads, 1, 1), M * -(-K // STEP) * STEP)
    if not rows:  # a block a token
        return Geometry((M, 1, 1), (kernel.threads, 1, 1), kernel.shared)
    grid = (-(-N // rows), -(-M // tokens), parts)
    return Geometry(grid, (kernel.threads, 1, 1), kernel.shared)
