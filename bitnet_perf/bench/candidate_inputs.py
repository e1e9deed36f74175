"""What a candidate is checked on: shapes around every edge of its format, and data that is random
or extreme. Made from a fixed seed, so that a finding comes back.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["KINDS", "Product", "Tile", "extreme", "product_data", "product_shapes", "row_shapes",
           "seconds_for"]  # fmt: skip

Tile = tuple[int, int, int]
NO_TILE: Tile = (0, 0, 0)
GROUPS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 20)  # of weights in a row
ROWS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 33)
TILED_ROWS = (32, 64, 96, 160, 352)
BATCHES = (1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 33)
# Tilings other than the default, with a shape that admits them.
TILES = {
    "tl1": ((64, 64, (64, 32, 32)), (128, 256, (64, 128, 64)), (320, 192, (160, 64, 32))),
    "tl2": ((64, 96, (32, 96, 32)), (96, 288, (96, 192, 32)), (64, 224, (64, 96, 32))),
}
SLOWEST = 50e6  # multiply-adds a second of the slowest candidate that is waited for
RUNS = 5  # of the whole shape in one check: whole, in two ranges, three times on threads
LONG = {False: 1 << 20, True: 1 << 17}  # K of the longest rows, tiled or not

# name -> (low, high) of weights and of activations
KINDS: dict[str, tuple[tuple[int, int], tuple[int, int]]] = {
    "random": ((-1, 1), (-128, 127)),
    "all weights 1, all activations 127": ((1, 1), (127, 127)),
    "all weights 1, all activations -128": ((1, 1), (-128, -128)),
    "all weights -1, all activations 127": ((-1, -1), (127, 127)),
    "all weights -1, all activations -128": ((-1, -1), (-128, -128)),
    "all weights 0": ((0, 0), (-128, 127)),
    "all activations 0": ((-1, 1), (0, 0)),
}


@dataclass(frozen=True, slots=True)
class Product:
    """One gemv (M = 1) or gemm to check; `deep`: also in ranges and on threads."""

    M: int
    N: int
    K: int
    tile: Tile
    kind: str
    deep: bool

    @property
    def words(self) -> str:
        """For messages: "shape 7x257 (all weights 0)"."""
        shape = f"{self.N}x{self.K}" if self.M == 1 else f"{self.M}x{self.N}x{self.K}"
        tile = "" if self.tile == NO_TILE else ", BM={}, BK={}, bm={}".format(*self.tile)
        return f"shape {shape}{tile} ({self.kind})"


def product_shapes(
    family: str, format: str, group: int, asked: tuple[int, ...], sparse: bool
) -> Iterator[Product]:
    """Every check of a product, the smallest shapes first, `asked` last (NxK, or MxNxK for gemm).

    K runs through every remainder of the group. `sparse` leaves out three quarters, for functions
    that are not compiled.
    """
    tiled = format in TILES
    kinds = list(KINDS)
    number = 0
    for groups in GROUPS:
        for rows in TILED_ROWS if tiled else ROWS:
            number += 1
            if sparse and number % 4 != 1:
                continue
            M = 1 if family == "gemv" else BATCHES[number % len(BATCHES)]
            K = groups * group - number % group
            yield Product(M, rows, K, NO_TILE, "random", number % 4 == 1)
            yield Product(M, rows, K, NO_TILE, kinds[number % len(kinds)], False)
    M = 1 if family == "gemv" else 5
    for N, K, tile in TILES.get(format, ()):
        yield Product(M, N, K, tile, "random", True)
    long = 2048 if sparse else LONG[tiled]
    for kind in kinds:
        yield Product(min(M, 2), 32 if tiled else 1, long, NO_TILE, kind, False)
    if asked:
        M, N, K = (1, *asked) if family == "gemv" else asked
        for kind in kinds[: 1 if sparse else 3]:
            yield Product(M, N, K, NO_TILE, kind, kind == "random")


def seconds_for(work: int, least: int) -> int:
    """The time limit of one check with so many multiply-adds (or elements), in seconds."""
    return max(least, math.ceil(RUNS * work / SLOWEST))


def product_data(check: Product, seed: int) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """Weights int8[N, K] and activations int8[M, K] of one check."""
    weights, values = KINDS[check.kind]
    rng = np.random.default_rng(seed)

    def make(low: int, high: int, rows: int) -> NDArray[np.int8]:
        return rng.integers(low, high, (rows, check.K), np.int8, endpoint=True)

    return make(*weights, check.N), make(*values, check.M)


def row_shapes(group: int, tiled: bool, asked: tuple[int, ...]) -> Iterator[tuple[int, int, bool]]:
    """(rows, columns, deep) for quantize_activations, pack and unpack, `asked` last."""
    number = 0
    for groups in GROUPS:
        for rows in TILED_ROWS if tiled else ROWS:
            number += 1
            yield rows, groups * group - number % group, number % 4 == 1
    if asked:
        rows, columns = asked
        yield rows, columns, True


def extreme(rng: np.random.Generator, M: int, K: int) -> NDArray[np.float32]:
    """Values whose codes are +-127, ties to even, and rows of the smallest and largest floats."""
    x = rng.choice(np.array([-1, -0.5, 0.5, 1], np.float32), (M, K))
    x[::3] *= np.float32(1e-30)
    x[1::3] *= np.float32(1e30)
    return x
