"""Activations quantized to int8, one scale a row or a block of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitnet_perf import _native

__all__ = ["Activations", "quantize_activations"]


@dataclass(frozen=True, eq=False)
class Activations:
    """int8 activations.

    Attributes:
        values: int8[K] or int8[M, K], as x was given.
        scale: q8_act: float32[M] (M = 1 for one row), s = 127 / amax of each row, and x is about
            values / scale. q8_k and q8_0: float32[M, K / block], d of each block, and x is about
            values * scale.
        sum: int32, shaped like scale: the sum of the values under each scale.
        format: q8_act, q8_k (blocks of 256) or q8_0 (blocks of 32).
    """

    values: NDArray[np.int8]
    scale: NDArray[np.float32]
    sum: NDArray[np.int32]
    format: str = "q8_act"


def quantize_activations(
    x: ArrayLike, *, format: str = "q8_act", isa: str | None = None, threads: int = 1
) -> Activations:
    """Quantizes each row of x, by default as BitNet b1.58 does at run time (`q8_act`).

    q8_act: amax = max(1e-5, max |x|), s = 127 / amax, values = round_half_even(x * s), in float32;
    a row of zeros gives zeros. q8_k, q8_0: blocks of 256 and of 32 as ggml's quantize_row_q8_K_ref
    and quantize_row_q8_0_ref, whose scale is rounded to float16 (infinite for amax >= 8321040).
    The same bits on every ISA and for every number of threads.

    Args:
        x: float32, float16 or bfloat16 (of ml_dtypes), [K] or [M, K]; strided, Fortran-ordered and
            big-endian arrays are copied.
        format: q8_act, q8_k or q8_0; the last two want K in multiples of 256 and 32.
        isa: an instruction set of `isas()`; None is the best of this host.
        threads: 1 or more; rows are divided among them.

    Raises:
        FormatError: NaN or infinity, with its place; unknown format.
        ShapeError: wrong dtype or rank, an empty array, K that the format does not admit,
            threads < 1.
        IsaError: unknown ISA, or one that this host cannot run.
    """
    return Activations(*_native.quantize_activations(x, isa or "", threads, format), format)
