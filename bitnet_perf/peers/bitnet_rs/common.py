"""What every oracle of the BitNet.rs codecs shares: the call, the outcome, and float32 arithmetic.

An oracle is a function `Call -> Outcome`. It computes from the inputs and parameters alone, in the
float32 operations of the crates (EffortlessMetrics/BitNet-rs at f2ae3ad), and raises `Refusal`
where the crate returns an error or panics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
Ints = NDArray[np.int64]
Arrays = dict[str, NDArray[Any]]
LEVELS = ("scalar", "avx2", "avx512", "any")


@dataclass(frozen=True, eq=False)
class Call:
    """One recorded run, without its results.

    `hidden` says that the CPU offered no SIMD level, whatever provider was asked for.
    """

    codec: str
    run: str
    inputs: Mapping[str, NDArray[Any]]
    params: Mapping[str, Any] = field(default_factory=dict)
    run_params: Mapping[str, Any] = field(default_factory=dict)
    hidden: bool = False

    @property
    def function(self) -> str:
        """Name of the crate's function, for runs that are named after one."""
        return self.run.partition("@")[0]

    @property
    def level(self) -> str:
        """CPU level of the run: scalar, avx2, avx512 or any."""
        name = str(self.run_params.get("provider", self.run.partition("@")[2] or self.run))
        if name == "fallback":
            return "scalar"
        return name if name in LEVELS else "any"

    def number(self, name: str, default: int) -> int:
        """Parameter `name` as an integer, `default` where it is absent or a remark."""
        value = self.params.get(name, default)
        return value if isinstance(value, int) and not isinstance(value, bool) else default


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a run gives: arrays by name, and what else it says about itself."""

    outputs: Arrays = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)


class Refusal(Exception):
    """The crate returns an error, or panics, with this text."""

    def __init__(self, text: str, kind: Literal["error", "panic"] = "error") -> None:
        super().__init__(text)
        self.kind = kind


Oracle = Callable[[Call], Outcome]


def flat_f32(x: NDArray[Any]) -> F32:
    """`x` as contiguous float32[n]."""
    return np.ascontiguousarray(x, dtype=np.float32).reshape(-1)


def blocks_of(x: NDArray[Any], block: int, fill: float = 0.0) -> NDArray[Any]:
    """`x` [n] as [ceil(n/block), min(block, n)], the last row padded with `fill`."""
    width = min(block, max(x.size, 1))
    padded = np.full(-(-x.size // width) * width, fill, dtype=x.dtype)
    padded[: x.size] = x
    return padded.reshape(-1, width)


def per_element(values: NDArray[Any], block: int, n: int) -> NDArray[Any]:
    """One value per block -> one per element, for elements 0..n-1."""
    return values[np.arange(n) // block]


def round_away(x: F32) -> F32:
    """Nearest integer, halves away from zero (Rust `f32::round`)."""
    whole = np.trunc(x)
    half = (np.abs(x - whole) >= 0.5).astype(np.float32)
    return whole + np.copysign(half, x)


def saturate(x: F32, low: int, high: int) -> Ints:
    """Float to integer as Rust's `as` does it, then clamped: NaN is 0."""
    wide = np.nan_to_num(x.astype(np.float64), nan=0.0, posinf=2.0**31, neginf=-(2.0**31))
    whole: Ints = np.clip(wide, max(low, -(2**31)), min(high, 2**31 - 1)).astype(np.int64)
    return np.clip(whole, low, high)


def absmax(x: F32, block: int) -> F32:
    """Largest magnitude of each block; NaN is skipped, an infinity stays."""
    if x.size == 0:
        return np.zeros(0, np.float32)
    # not `fmax`, which returns a signalling NaN instead of skipping it
    magnitude: F32 = np.where(np.isnan(x), np.float32(0), np.abs(x))
    peak: F32 = blocks_of(magnitude, block).max(axis=1)
    return peak


def pack2(codes: NDArray[Any]) -> NDArray[np.uint8]:
    """Codes 0..3 [n] -> uint8[ceil(n/4)], element i in bits 2(i mod 4) of byte i/4."""
    padded = np.zeros(-(-codes.size // 4) * 4, np.uint8)
    padded[: codes.size] = codes.astype(np.int64) & 3
    quads = padded.reshape(-1, 4)
    packed: NDArray[np.uint8] = (
        quads[:, 0] | quads[:, 1] << 2 | quads[:, 2] << 4 | quads[:, 3] << 6
    ).astype(np.uint8)
    return packed


def unpack2(data: NDArray[Any]) -> NDArray[np.uint8]:
    """uint8[m] -> 4 m codes 0..3, the inverse of `pack2`."""
    raw = data.reshape(-1).view(np.uint8)
    return ((raw[:, None] >> np.array([0, 2, 4, 6], np.uint8)) & np.uint8(3)).reshape(-1)


def sequential_dot(a: F32, b: F32) -> F32:
    """a [m, k], b [k, n] -> [m, n]: products rounded, then summed one after another in float32."""
    total = np.zeros((a.shape[0], b.shape[1]), np.float32)
    for column, row in zip(a.T, b, strict=True):
        total += column[:, None] * row
    return total


def fused_add(total: F32, product: NDArray[Any]) -> F32:
    """float32 total + exact product, rounded once.

    `product` is float64 and holds 25 significant bits at most, so rounding the float64 sum to
    float32 is the same as rounding the exact sum (53 >= 2 * 24 + 2 bits).
    """
    summed: F32 = (total.astype(np.float64) + product).astype(np.float32)
    return summed


def fold_lanes(lanes: F32) -> F32:
    """[..., 8 or 16] -> [...]: halves added until 4 lanes are left, then (0 + 1) + (2 + 3)."""
    while lanes.shape[-1] > 4:
        half = lanes.shape[-1] // 2
        lanes = lanes[..., :half] + lanes[..., half:]
    return (lanes[..., 0] + lanes[..., 1]) + (lanes[..., 2] + lanes[..., 3])
