"""CUDA kernels on the CPU: the same `.cu` files, compiled by the host's compiler.

Each CUDA thread runs on a stack of its own and the blocks of a launch one after another, under a
schedule. Found on the way, with the kernel, the block and the thread: accesses outside the arrays,
misaligned ones, shared memory read before it was written, two threads at the same shared byte with
no barrier between, two blocks at the same byte of an array with no fences and atomic between, data
of cp.async that was not waited for, barriers that not all threads reach, and dead-locks.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitnet_perf.errors import ConfigError, MeasurementError, ShapeError
from bitnet_perf.kernels.cuda.catalog import CudaKernel, family
from bitnet_perf.kernels.cuda.geometry import Geometry
from bitnet_perf.kernels.cuda.host_program import Entry, Parameter, Program, program, with_lines
from bitnet_perf.kernels.cuda.traces import Trace

__all__ = ["SCHEDULES", "EmulationError", "launch"]

SCHEDULES = ("in_order", "reversed", "random", "greedy", "greedy_reversed")  # as schedule.cpp
LARGEST_SHARED = 227 * 1024  # bytes of a block
LARGEST_BLOCK = 1024
# Arrays lie this far apart: an access beyond one meets no other.
GAP = 1 << 20
ALIGNMENT = 256  # of what cudaMalloc gives
_running = threading.Lock()


class EmulationError(MeasurementError):
    """A kernel did what it must not do; the message says what, and which thread where."""


class _Array(ctypes.Structure):
    _fields_ = (
        ("begin", ctypes.c_void_p), ("bytes", ctypes.c_ulonglong), ("argument", ctypes.c_int),
        ("only_read", ctypes.c_int), ("early", ctypes.c_int),
    )  # fmt: skip


class _Request(ctypes.Structure):
    _fields_ = (
        ("grid", ctypes.c_uint * 3), ("block", ctypes.c_uint * 3),
        ("dynamic_shared", ctypes.c_uint), ("schedule", ctypes.c_int),
        ("seed", ctypes.c_ulonglong), ("traced", ctypes.c_int), ("overlaps", ctypes.c_int),
        ("array_count", ctypes.c_int),
        ("arrays", ctypes.POINTER(_Array)), ("arguments", ctypes.POINTER(ctypes.c_void_p)),
    )  # fmt: skip


def launch(
    kernel: CudaKernel,
    geometry: Geometry,
    arguments: Sequence[Any],
    *,
    schedule: str = "in_order",
    seed: int = 0,
    trace: bool = False,
    early: Collection[int] | None = None,
    of: Program | None = None,
) -> Trace | None:
    """Run one launch of `kernel` on the CPU.

    Args:
        kernel: of the catalog.
        geometry: blocks, threads and dynamic shared memory.
        arguments: one for each parameter of the kernel: a number for a number; for a pointer None
            or a C-contiguous NumPy array, which is changed in place; a write to one that is
            read-only, or that the kernel takes as const, is an error.
        schedule: of SCHEDULES, in which order threads run between two points where they wait; in
            the reversed ones blocks come from the last to the first.
        seed: of the schedule "random".
        trace: whether to keep all addresses; then the result is a `Trace`.
        early: for a launch that begins before the end of the one before, the arguments that no
            launch near it writes: a thread that touches others before it has waited for earlier
            launches, or ends without, is an error. None: it begins after it.
        of: the compiled program; that of the kernel's family where it is None.

    Raises:
        EmulationError: what the kernel did wrong.
        ShapeError: grid, block, shared memory or arguments that no launch could have.
        ConfigError: an unknown schedule, or a file that does not compile.
        EnvironmentRefused: there is no compiler.
    """
    if schedule not in SCHEDULES:
        raise ConfigError(f"schedule: found {schedule!r}, accepted are {', '.join(SCHEDULES)}")
    _check_sizes(kernel, geometry)
    built = program(family(kernel.family)) if of is None else of
    library, entry = built.entry(kernel)
    placed = _Placed(kernel, entry, arguments, early or ())
    request = _Request(
        geometry.grid, geometry.block, geometry.shared, SCHEDULES.index(schedule), seed,
        int(trace), int(early is not None), len(placed.arrays), placed.arrays, placed.pointers,
    )  # fmt: skip
    run = library.bp_emu_launch
    run.restype = ctypes.c_char_p
    with _running:
        error = run(ctypes.byref(entry), ctypes.byref(request)).decode()
        if error:
            raise EmulationError(f"{kernel.name}: {with_lines(error, library, built.path)}")
        placed.take_back()
        return Trace.read(library) if trace else None


class _Placed:
    """Copies of the arguments where a launch finds them: arrays far apart in one piece of memory,
    which begins and ends with what belongs to nobody."""

    def __init__(
        self, kernel: CudaKernel, entry: Entry, arguments: Sequence[Any], early: Collection[int]
    ) -> None:
        kinds: list[Parameter] = []
        while entry.parameters[len(kinds)].bytes:
            kinds.append(entry.parameters[len(kinds)])
        if len(arguments) != len(kinds):
            raise ShapeError(
                f"{kernel.name}: found {len(arguments)} arguments, accepted are {len(kinds)}"
            )
        sizes = [a.nbytes if isinstance(a, np.ndarray) else 0 for a in arguments]
        self.memory = np.empty(sum(sizes) + (GAP + ALIGNMENT) * (len(sizes) + 1), np.uint8)
        self.copies: list[tuple[NDArray[Any], NDArray[np.uint8]]] = []
        self.scalars: list[Any] = []
        spans = []
        self.pointers = (ctypes.c_void_p * len(kinds))()
        at = GAP
        for i, (value, parameter) in enumerate(zip(arguments, kinds, strict=True)):
            if parameter.kind not in b"pc":
                held = _number(kernel, i, value, parameter)
            else:
                address = 0
                if value is not None:
                    array = _array(kernel, i, value, parameter)
                    at += -(self.memory.ctypes.data + at) % ALIGNMENT
                    view = self.memory[at : at + array.nbytes]
                    view[:] = array.reshape(-1).view(np.uint8)
                    only_read = parameter.kind == b"c" or not array.flags.writeable
                    if not only_read:
                        self.copies.append((array, view))
                    address = self.memory.ctypes.data + at
                    spans.append(_Array(address, array.nbytes, i, only_read, i in early))
                    at += array.nbytes + GAP
                held = ctypes.c_void_p(address)
            self.scalars.append(held)
            self.pointers[i] = ctypes.addressof(held)
        self.arrays = (_Array * len(spans))(*spans)

    def take_back(self) -> None:
        for array, view in self.copies:
            array.reshape(-1).view(np.uint8)[:] = view


def _array(kernel: CudaKernel, i: int, value: Any, parameter: Parameter) -> NDArray[Any]:
    if not isinstance(value, np.ndarray) or not value.flags.c_contiguous:
        raise ShapeError(
            f"{kernel.name}: argument {i}: found {type(value).__name__}, accepted is a "
            "C-contiguous NumPy array or None"
        )
    if value.nbytes % parameter.bytes:
        raise ShapeError(
            f"{kernel.name}: argument {i}: found {value.nbytes} bytes, accepted are multiples of "
            f"{parameter.bytes}"
        )
    return value


def _number(kernel: CudaKernel, i: int, value: Any, parameter: Parameter) -> Any:
    types: dict[tuple[bytes, int], Any] = {
        (b"f", 4): ctypes.c_float, (b"f", 8): ctypes.c_double, (b"i", 4): ctypes.c_int32,
        (b"i", 8): ctypes.c_int64, (b"u", 4): ctypes.c_uint32, (b"u", 8): ctypes.c_uint64,
    }  # fmt: skip
    made = types[parameter.kind, parameter.bytes]
    try:
        held = made(float(value) if parameter.kind == b"f" else int(value))
    except (TypeError, ValueError) as error:
        raise ShapeError(
            f"{kernel.name}: argument {i}: found {value!r}, accepted is a number"
        ) from error
    if parameter.kind != b"f" and held.value != value:
        raise ShapeError(
            f"{kernel.name}: argument {i}: found {value!r}, accepted is a whole number of "
            f"{parameter.bytes} bytes"
        )
    return held


def _check_sizes(kernel: CudaKernel, geometry: Geometry) -> None:
    grid, block, shared = geometry.grid, geometry.block, geometry.shared
    if min(grid) < 1 or max(grid[1:]) > 65535 or grid[0] >= 2**31:
        raise ShapeError(
            f"{kernel.name}: grid: found {grid}, accepted are three numbers from 1 to 2147483647, "
            "65535, 65535"
        )
    threads = int(np.prod(block))
    if min(block) < 1 or threads > LARGEST_BLOCK:
        raise ShapeError(
            f"{kernel.name}: block: found {block}, accepted are three numbers whose product is 1 "
            f"to {LARGEST_BLOCK}"
        )
    if not 0 <= shared <= LARGEST_SHARED:
        raise ShapeError(
            f"{kernel.name}: shared: found {shared} bytes, accepted are 0 to {LARGEST_SHARED}"
        )
