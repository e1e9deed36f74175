"""Activations quantized to int8, one scale a row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitnet_perf import _native

__all__ = ["Activations", "quantize_activations"]


@dataclass(frozen=True, eq=False)
class Activations:
    """int8 activations: x is about values / scale.

    Attributes:
        values: int8[K] or int8[M, K], as x was given.
        scale: float32[M] (M = 1 for one row): s = 127 / amax of each row.
        sum: int32[M]: the sum of each row of values.
    """

    values: NDArray[np.int8]
    scale: NDArray[np.float32]
    sum: NDArray[np.int32]


def quantize_activations(x: ArrayLike, *, isa: str | None = None, threads: int = 1) -> Activations:
    """Quantizes each row of x as BitNet b1.58 does at run time (`q8_act`).

    amax = max(1e-5, max |x|), s = 127 / amax, values = round_half_even(x * s), in float32; a row of
    zeros gives zeros. The same bits on every ISA and for every number of threads.

    Args:
        x: float32, float16 or bfloat16 (of ml_dtypes), [K] or [M, K]; strided, Fortran-ordered and
            big-endian arrays are copied.
        isa: an instruction set of `isas()`; None is the best of this host.
        threads: 1 or more; rows are divided among them.

    Raises:
        FormatError: NaN or infinity, with its place.
        ShapeError: wrong dtype or rank, an empty array, threads < 1.
        IsaError: unknown ISA, or one that this host cannot run.
    """
    return Activations(*_native.quantize_activations(x, isa or "", threads))
