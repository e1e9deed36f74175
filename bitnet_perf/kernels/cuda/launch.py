"""Plans carried out: on the GPU through CuPy, or on the CPU by the emulator.

Both do the same up to the last call, so that what runs on a device was tested on the CPU. Nothing
here waits for the device.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bitnet_perf.errors import EnvironmentRefused, IsaError
from bitnet_perf.kernels.cuda import copies, device, emulate, nvrtc, overlap
from bitnet_perf.kernels.cuda.catalog import KERNELS, CudaKernel, expressions
from bitnet_perf.kernels.cuda.host_program import program
from bitnet_perf.kernels.cuda.plans.plan import H200, Array, Launch, Machine, Plan
from bitnet_perf.kernels.cuda.toolchain import choose_architecture, compile_file, sources

__all__ = ["Bound", "Emulated", "OnDevice", "Replay", "Runner", "bind", "host_dtype", "on_device",
           "poisoned"]  # fmt: skip

POISON = 0xA5
EMULATED_MEMORY = 1 << 34  # bytes: what a plan may ask of the emulator


class Runner(Protocol):
    """Where launches go. `machine` is what plans are made for, `name` what people call it."""

    machine: Machine
    name: str

    def make(self, array: Array) -> Any:
        """A new array of this kind there."""

    def zeros(self, name: str, array: Array) -> Any:
        """Zeros that every launch leaves as they are; launches of one stream share them."""

    def launch(
        self, launch: Launch, arrays: Mapping[str, Any], constant: frozenset[str] = frozenset()
    ) -> None:
        """Begin one launch; `arrays` by the names that its arguments have. constant: with some, it
        may begin before the end of the one before, as `Plan` says."""

    def put(self, host: NDArray[Any]) -> Any:
        """A copy of `host` there."""

    def write(self, array: Any, host: NDArray[Any]) -> None:
        """`host`, of the same shape and type, into an array there."""

    def get(self, array: Any) -> NDArray[Any]:
        """A copy of an array there on the host; waits for the stream."""

    def copy_rows(self, target: Any, source: Any, width: int, rows: int) -> None:
        """As `copies.copy_rows`, there."""

    def free(self) -> int:
        """Bytes that arrays can still take."""

    def stream(self) -> AbstractContextManager[Any]:
        """A stream of its own, the current one inside of `with`, as often as one likes."""

    def captured(self, bound: Bound) -> Replay:
        """All launches of `bound` as one, on the current stream; every kernel ran before."""

    def timed(self, bound: Bound) -> list[float] | None:
        """`bound.launch()` to its end, and for each launch the seconds from the end of the one
        before to its own; None where there is no clock."""


@dataclass(frozen=True)
class Bound:
    """A plan with all of its arrays: `launch` carries it out, as often as one likes. Whoever
    captures it in a graph keeps it as long as the graph."""

    plan: Plan
    arrays: Mapping[str, Any]
    runner: Runner

    def launch(self) -> None:
        """Begin all launches, in order, on the current stream."""
        for i, launch in enumerate(self.plan.launches):
            constant = self.plan.constant if i > 0 else frozenset[str]()
            self.runner.launch(launch, self.arrays, constant)


Replay = Callable[[], None]


def bind(plan: Plan, arrays: Mapping[str, Any], runner: Runner) -> Bound:
    """The plan with the caller's arrays and those that it needs beside them."""
    made = {
        name: runner.zeros(name, array) if array.zeros else runner.make(array)
        for name, array in plan.scratch.items()
    }
    return Bound(plan, {**arrays, **made}, runner)


def poisoned(array: Array) -> np.ndarray[Any, Any]:
    """In host memory, of bytes that no result has."""
    made = np.empty(array.shape, host_dtype(array.dtype))
    made.reshape(-1).view(np.uint8)[:] = POISON
    return made


class Emulated:
    """Launches over NumPy arrays on the CPU; done when `launch` returns."""

    def __init__(self, machine: Machine = H200, schedule: str = "in_order") -> None:
        self.machine = machine
        self.name = "emulator"
        self.schedule = schedule

    def make(self, array: Array) -> Any:
        return poisoned(array)

    def zeros(self, name: str, array: Array) -> Any:  # noqa: ARG002
        return np.zeros(array.shape, host_dtype(array.dtype))

    def launch(
        self, launch: Launch, arrays: Mapping[str, Any], constant: frozenset[str] = frozenset()
    ) -> None:
        early = [i for i, name in enumerate(launch.arguments) if name in constant]
        arguments = [arrays[a] if isinstance(a, str) else a for a in launch.arguments]
        own = launch.kernel in KERNELS
        emulate.launch(
            launch.kernel, launch.geometry, arguments, schedule=self.schedule,
            early=early if constant else None, of=None if own else program((launch.kernel,)),
        )  # fmt: skip

    def put(self, host: NDArray[Any]) -> Any:
        return np.array(host)

    def write(self, array: Any, host: NDArray[Any]) -> None:
        array[...] = host

    def get(self, array: Any) -> NDArray[Any]:
        return np.array(array)

    def copy_rows(self, target: Any, source: Any, width: int, rows: int) -> None:
        parts = (each.view(np.uint8).reshape(rows, -1)[:, :width] for each in (target, source))
        np.copyto(*parts)

    def free(self) -> int:
        return EMULATED_MEMORY

    def stream(self) -> AbstractContextManager[Any]:
        return nullcontext()

    def captured(self, bound: Bound) -> Replay:
        return bound.launch

    def timed(self, bound: Bound) -> None:
        bound.launch()


@dataclass
class _Loaded:
    """A `cupy.RawKernel`, and the dynamic shared memory that its launches may ask for, in bytes."""

    cubin: Path
    kernel: Any
    most_shared: int


class OnDevice:
    """Launches on one GPU, on the stream that is CuPy's current one there."""

    def __init__(self, number: int) -> None:
        import cupy

        self.cupy = cupy
        self.number = number
        self.name = device.gpu().devices[number].name
        found = cupy.cuda.runtime.getDeviceProperties(number)
        known = {name for kernel in KERNELS for name in kernel.architectures}
        capability = (int(found["major"]), int(found["minor"]))
        self.machine = Machine(
            int(found["multiProcessorCount"]),
            int(found["sharedMemPerBlockOptin"]),
            choose_architecture(capability, [a for a in nvrtc.nvrtc().architectures if a in known]),
        )
        self._overlaps = capability >= overlap.FIRST_CAPABILITY
        self.l2 = int(found["l2CacheSize"])
        self._functions: dict[str, _Loaded] = {}
        # Never freed: a captured graph may still use what a larger case has outgrown.
        self._zeros: dict[tuple[int, str, str], list[Any]] = {}

    def make(self, array: Array) -> Any:
        with device.guarded(f"an array of {array.dtype}{list(array.shape)}"):
            return self.cupy.empty(array.shape, host_dtype(array.dtype))

    def zeros(self, name: str, array: Array) -> Any:
        stream = int(self.cupy.cuda.get_current_stream().ptr)
        kept = self._zeros.setdefault((stream, name, array.dtype), [])
        count = int(np.prod(array.shape))
        if not kept or kept[-1].size < count:
            with device.guarded(f"an array of {array.dtype}{list(array.shape)}"):
                kept.append(self.cupy.zeros(count, host_dtype(array.dtype)))
        return kept[-1][:count].reshape(array.shape)

    def launch(
        self, launch: Launch, arrays: Mapping[str, Any], constant: frozenset[str] = frozenset()
    ) -> None:
        kernel, how = launch.kernel, launch.geometry
        how.check(kernel.name)
        function = self._function(kernel)
        arguments = tuple(
            arrays[a] if isinstance(a, str) else np.uint64(0) if a is None else a
            for a in launch.arguments
        )
        with device.guarded(kernel.name):
            if how.shared > function.most_shared:
                function.kernel.max_dynamic_shared_size_bytes = how.shared
                function.most_shared = how.shared
            if constant and self._overlaps:
                stream = int(self.cupy.cuda.get_current_stream().ptr)
                overlap.begin(function.kernel, how, arguments, stream)
            else:
                function.kernel(how.grid, how.block, arguments, shared_mem=how.shared)

    def put(self, host: NDArray[Any]) -> Any:
        with device.guarded(f"an array of {host.dtype}{list(host.shape)}"):
            return self.cupy.asarray(host)

    def write(self, array: Any, host: NDArray[Any]) -> None:
        with device.guarded("a copy to the GPU"):
            array.set(host)

    def get(self, array: Any) -> NDArray[Any]:
        with device.guarded("a copy from the GPU"):
            found: NDArray[Any] = self.cupy.asnumpy(array)
            return found

    def copy_rows(self, target: Any, source: Any, width: int, rows: int) -> None:
        copies.copy_rows(self.cupy, target, source, width, rows)

    def free(self) -> int:
        with device.guarded("the memory of the GPU"):
            pool = self.cupy.get_default_memory_pool().free_bytes()
            return int(self.cupy.cuda.runtime.memGetInfo()[0]) + int(pool)

    def stream(self) -> AbstractContextManager[Any]:
        with device.guarded("a stream"):
            return _OwnStream(self.cupy, self.number)

    def captured(self, bound: Bound) -> Replay:
        with device.guarded("capturing launches"):
            stream = self.cupy.cuda.get_current_stream()
            stream.begin_capture()
            try:
                bound.launch()
            finally:
                graph = stream.end_capture()

        def replay() -> None:
            with device.guarded(f"a graph of {len(bound.plan.launches)} launches"):
                graph.launch()

        return replay

    def timed(self, bound: Bound) -> list[float] | None:
        event = self.cupy.cuda.Event
        with device.guarded("timing launches"):
            marks = [event()]
            marks[0].record()
            for launch in bound.plan.launches:
                self.launch(launch, bound.arrays)
                marks.append(event())
                marks[-1].record()
            marks[-1].synchronize()
            return [self.cupy.cuda.get_elapsed_time(*both) / 1e3 for both in pairwise(marks)]

    def _function(self, kernel: CudaKernel) -> _Loaded:
        """The kernel on this device, compiled and loaded once; a candidate once for each text."""
        known = self._functions.get(kernel.name)
        if known is not None and kernel in KERNELS:
            return known
        architecture = self.machine.architecture
        if architecture not in kernel.architectures:
            raise IsaError(
                f"{kernel.name}: found a GPU of {architecture}, accepted are "
                f"{', '.join(kernel.architectures)}"
            )
        own = kernel in KERNELS  # with its whole file, as a report has it; a candidate alone
        wanted = expressions(kernel.file, architecture) if own else [kernel.expression]
        cubin = compile_file(sources() / kernel.file, wanted, architecture)
        if known is None or known.cubin != cubin.path:
            made = device.load(cubin, kernel.expression)
            # 48 KiB less what the kernel has of its own.
            known = _Loaded(cubin.path, made, int(made.max_dynamic_shared_size_bytes))
            self._functions[kernel.name] = known
        return known


class _OwnStream(AbstractContextManager[None]):
    """A stream of one GPU; inside of `with` both are the current ones."""

    def __init__(self, cupy: Any, number: int) -> None:
        self._gpu = cupy.cuda.Device(number)
        with self._gpu:
            self._stream = cupy.cuda.Stream(non_blocking=True)

    def __enter__(self) -> None:
        self._gpu.__enter__()
        self._stream.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._stream.__exit__(*error)
        self._gpu.__exit__(*error)


def on_device() -> OnDevice:
    """The runner of CuPy's current device. Raises EnvironmentRefused where there is no GPU."""
    there, reason = device.available()
    if not there:
        raise EnvironmentRefused(f"no GPU: {reason}")
    import cupy

    with device.guarded("the current device"):
        return _runner(int(cupy.cuda.runtime.getDevice()))


@functools.cache
def _runner(number: int) -> OnDevice:
    return OnDevice(number)


def host_dtype(name: str) -> Any:
    """NumPy's type of this name, bfloat16 included."""
    if name != "bfloat16":
        return np.dtype(name)
    try:
        import ml_dtypes
    except ImportError as error:
        raise EnvironmentRefused(
            "bfloat16 needs ml_dtypes: pip install 'bitnet_perf[gpu]'"
        ) from error
    return np.dtype(ml_dtypes.bfloat16)
