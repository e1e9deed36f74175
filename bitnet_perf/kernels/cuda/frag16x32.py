"""The layout frag16x32 of ternary weights, made and read on the host; cuda/device/frag16x32.cuh
draws it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ROWS", "pack", "shape_of", "unpack"]

ROWS, COLUMNS = 16, 128  # of 512 words
# Rows are [tile, r & 1, g], columns [step, word, r >> 1, t, b]; bytes of the result are
# [tile, step, g, t, word, b] with the code of r at bit 2 r.
_SPLIT_ROWS, _SPLIT_COLUMNS = (2, 8), (4, 2, 4, 4)


def shape_of(N: int, K: int) -> tuple[int, int, int, int]:
    """Of the uint32 array that holds W[N, K]."""
    return -(-N // ROWS), -(-K // COLUMNS), 32, 4


def pack(ternary: NDArray[np.int8]) -> NDArray[np.uint32]:
    """int8[N, K] of -1, 0, 1 to uint32[ceil(N / 16), ceil(K / 128), 32, 4]."""
    N, K = ternary.shape
    tiles, steps, _, _ = shape_of(N, K)
    codes = np.ones((tiles * ROWS, steps * COLUMNS), np.uint8)
    codes[:N, :K] = ternary + 1
    axes = codes.reshape(tiles, *_SPLIT_ROWS, steps, *_SPLIT_COLUMNS)
    made = np.zeros((tiles, steps, 8, 4, 4, 4), np.uint8)
    for r in range(4):
        # [tile, g, step, word, t, b] -> [tile, step, g, t, word, b]
        part = axes[:, r & 1, :, :, :, r >> 1].transpose(0, 2, 1, 4, 3, 5)
        made |= part << np.uint8(2 * r)
    return made.reshape(tiles, steps, 32, 16).view("<u4").astype(np.uint32, copy=False)


def unpack(words: NDArray[np.uint32], shape: tuple[int, int]) -> NDArray[np.int8]:
    """The int8[N, K] that `words` hold."""
    N, K = shape
    tiles, steps, _, _ = shape_of(N, K)
    given = np.ascontiguousarray(words, "<u4").view(np.uint8).reshape(tiles, steps, 8, 4, 4, 4)
    codes: NDArray[Any] = np.empty((tiles, *_SPLIT_ROWS, steps, *_SPLIT_COLUMNS), np.int8)
    for r in range(4):
        codes[:, r & 1, :, :, :, r >> 1] = ((given >> np.uint8(2 * r)) & np.uint8(3)).transpose(
            0, 2, 1, 4, 3, 5
        )
    return np.ascontiguousarray((codes.reshape(tiles * ROWS, steps * COLUMNS) - 1)[:N, :K])
