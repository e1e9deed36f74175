"""One GPU case: launches, their input, their independent result and their work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bitnet_perf.kernels.cuda.plans.plan import Array, Machine, Plan

__all__ = ["ROUNDED", "Arrays", "Expected", "GpuCase", "planned"]

Arrays = dict[str, Any]

# What rounding to a number type is off by: relative, absolute.
ROUNDED = {"f32": (2.0**-24, 2.0**-148), "f16": (2.0**-11, 2.0**-25), "bf16": (2.0**-8, 2.0**-134)}


@dataclass(frozen=True)
class Expected:
    """The right rows `rows` of array `name`: `values` float64 or exact, and how far each may be
    off."""

    name: str
    rows: np.ndarray[Any, Any]
    values: np.ndarray[Any, Any]
    off: np.ndarray[Any, Any] | float = 0.0

    @classmethod
    def whole(cls, name: str, values: Any, off: Any = 0.0) -> Expected:
        """Of all rows of an array that begins with these."""
        return cls(name, np.arange(len(values)), np.asarray(values), off)


@dataclass(frozen=True)
class GpuCase:
    """One case.

    Attributes:
        name: its identity.
        plan: the launches, for a device.
        inputs: arrays of the host by name, random and the same every time.
        results: arrays that it writes and does not read.
        expected: right results of these inputs, after one launch.
        bytes: read and written, once; `packed` of them are packed weights.
        ops: operations of a product, a multiply-add two; 0 elsewhere.
        shape: M, N, K of a product.
        peers: which peers do the same: types of dense operands, for cuBLAS and the naive kernel.
    """

    name: str
    plan: Callable[[Machine], Plan]
    inputs: Callable[[], Arrays]
    results: Mapping[str, Array]
    expected: Callable[[Arrays], tuple[Expected, ...]]
    bytes: int
    ops: int = 0
    packed: int = 0
    shape: tuple[int, int, int] = (0, 0, 0)
    peers: tuple[str, ...] = field(default=())


def planned(make: Callable[..., Plan], *arguments: Any, **named: Any) -> Callable[[Machine], Plan]:
    """Of a maker that asks nothing of the device."""
    return lambda _machine: make(*arguments, **named)
