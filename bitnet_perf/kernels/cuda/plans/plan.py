"""Launches as values: a kernel, its grid, its arguments by name, and the arrays it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bitnet_perf.errors import ShapeError
from bitnet_perf.kernels.cuda.catalog import CudaKernel
from bitnet_perf.kernels.cuda.geometry import Geometry

__all__ = ["DTYPES", "H200", "Array", "Launch", "Machine", "Plan", "Shape", "short"]

Shape = tuple[int, int, int]  # M, N, K of a product: tokens, outputs, inputs

# Names of number types in the catalog, in the order of `number_kind` of device/types.cuh.
DTYPES: Mapping[str, str] = {"f32": "float32", "f16": "float16", "bf16": "bfloat16"}


@dataclass(frozen=True, slots=True)
class Machine:
    """What a plan asks of a device: its multiprocessors, the bytes of shared memory that a block
    may have of it, and the architecture that kernels are compiled for."""

    multiprocessors: int
    shared: int
    architecture: str = "sm_90a"


H200 = Machine(132, 227 * 1024)  # where there is no device to ask


@dataclass(frozen=True, slots=True)
class Array:
    """An array that a plan wants made: `dtype` by NumPy's name; `zeros`: of zeros, and left so by
    every launch, so that it can be used again; else its content does not matter."""

    shape: tuple[int, ...]
    dtype: str
    zeros: bool = False


@dataclass(frozen=True, slots=True)
class Launch:
    """One launch. `arguments`, one for each parameter: the name of an array, None for a null
    pointer, or a NumPy number of the parameter's type."""

    kernel: CudaKernel
    geometry: Geometry
    arguments: tuple[Any, ...]

    def renamed(self, names: Mapping[str, str]) -> Launch:
        """The same over arrays of other names, where `names` has them."""
        arguments = (names.get(a, a) if isinstance(a, str) else a for a in self.arguments)
        return replace(self, arguments=tuple(arguments))


@dataclass(frozen=True, slots=True)
class Plan:
    """Launches one after another on one stream, and by name the arrays that they need beside those
    of the caller. `reads` and `writes` are the names of the caller's.

    constant: the names of arrays that nothing writes while launches of this plan are under way;
    with some, every launch but the first may begin before the end of the one before, and reads
    nothing but these until it has waited for that. None of its kernels may end without waiting."""

    launches: tuple[Launch, ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    scratch: Mapping[str, Array] = field(default_factory=dict)
    constant: frozenset[str] = frozenset()


def short(dtype: Any) -> str:
    """The catalog's name of a number type: f32, f16, bf16. ShapeError for any other."""
    for name, of_numpy in DTYPES.items():
        if str(dtype) == of_numpy:
            return name
    raise ShapeError(f"dtype: found {dtype}, accepted are {', '.join(DTYPES.values())}")
