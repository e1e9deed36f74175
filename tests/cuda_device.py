"""A CuPy made up over NumPy, whose kernels run on the emulator: all of a device but its speed.

Its arrays say on which device they are, its launches refuse what CUDA would refuse (numbers of
another width than the parameter, dynamic shared memory that was not asked for) and count what
waits for the device.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np

from bitnet_perf.kernels.cuda import emulate
from bitnet_perf.kernels.cuda.catalog import KERNELS
from bitnet_perf.kernels.cuda.geometry import Geometry
from bitnet_perf.kernels.cuda.host_program import program, program_of
from bitnet_perf.kernels.cuda.toolchain import Cubin

STATIC_SHARED = 1024  # bytes that a kernel has beside what a launch asks for


class CUDARuntimeError(RuntimeError):
    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


class Stream:
    """`with stream:` makes it the current one; what is launched while it captures is kept."""

    def __init__(self, ptr=0, cupy=None):
        self.ptr, self.cupy = ptr, cupy
        self.captured = None

    def __enter__(self):
        self.before, self.cupy.stream = self.cupy.stream, self
        return self

    def __exit__(self, *_):
        self.cupy.stream = self.before

    def begin_capture(self):
        assert self.ptr, "the default stream cannot be captured"
        self.captured = []

    def end_capture(self):
        graph, self.captured = Graph(self.cupy, self.captured), None
        return graph

    def synchronize(self):
        assert self.captured is None, "a stream that captures cannot be waited for"
        if self.cupy is not None:
            self.cupy.waits += 1


class Chosen:
    """`with device:` makes it the current one."""

    def __init__(self, cupy, number):
        self.cupy, self.id, self.pci_bus_id = cupy, number, f"0000:0{number}:00.0"

    def __enter__(self):
        self.before, self.cupy.current = self.cupy.current, self.id

    def __exit__(self, *_):
        self.cupy.current = self.before


class Graph:
    """Replays take the time of their launches; as many as `cupy.replays` are carried out."""

    def __init__(self, cupy, launches):
        self.cupy, self.launches, self.replayed = cupy, launches, 0
        cupy.graphs.append(self)

    def launch(self):
        if self.cupy.fail is not None:
            raise self.cupy.fail
        self.replayed += 1
        for name, _ in self.launches:
            self.cupy.spend(name)
        for _, work in self.launches if self.replayed <= self.cupy.replays else ():
            work()


class Event:
    def __init__(self, cupy):
        self.cupy = cupy

    def record(self):
        self.at = self.cupy.now

    def synchronize(self):
        self.cupy.waits += 1


def refuse(what):
    """What CuPy makes a kernel of, which it compiles at first use: nothing of ours may ask it."""
    caller = sys._getframe(2).f_globals["__name__"]
    assert not caller.startswith("bitnet_perf"), f"{what} compiles a kernel of CuPy"


class Memory:
    def __init__(self, array):
        self.array, self.ptr = array, array.ctypes.data

    def memset_async(self, value, size):
        assert size == self.array.nbytes
        assert self.array.flags.c_contiguous
        to = self.array.view(np.ndarray).reshape(-1).view(np.uint8)
        sys.modules["cupy"].begin("memset", lambda: to.fill(value))


class MadeUpArray(np.ndarray):
    """An array of device `number`, in memory aligned as cudaMalloc aligns it."""

    number = 0
    reads = 0  # of single values by the host, which wait for the device

    def __array_finalize__(self, other):
        self.number = getattr(other, "number", 0)

    @property
    def device(self):
        return SimpleNamespace(id=self.number)

    @property
    def data(self):
        return Memory(self)

    def __setitem__(self, at, value):
        refuse("assignment")
        super().__setitem__(at, value)

    def fill(self, value):
        refuse("fill")
        super().fill(value)

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **how):
        refuse(ufunc.__name__)
        parts = [np.asarray(each) if isinstance(each, MadeUpArray) else each for each in inputs]
        to = {"out": tuple(np.asarray(each) for each in out)} if out else {}
        return getattr(ufunc, method)(*parts, **to, **how)

    def sum(self, *given, **how):
        refuse("sum")
        return np.asarray(self).sum(*given, **how)

    def set(self, host):
        assert (host.shape, host.dtype) == (self.shape, self.dtype)
        assert self.flags.c_contiguous
        self.view(np.ndarray)[...] = host


def _read(name):
    def read(array, *given):
        MadeUpArray.reads += 1
        return getattr(np.ndarray, name)(array, *given)

    return read


for _name in ("__bool__", "__float__", "__index__", "__int__", "item", "tolist"):
    setattr(MadeUpArray, _name, _read(_name))


def aligned(shape, dtype, number=0):
    dtype = np.dtype(dtype)
    count = int(np.prod(shape)) * dtype.itemsize
    memory = np.full(count + 256, 0xA5, np.uint8)
    start = -memory.ctypes.data % 256
    made = memory[start : start + count].view(dtype).reshape(shape).view(MadeUpArray)
    made.number = number
    return made


class MadeUpCupy(ModuleType):
    """`devices`: compute capabilities. `waits` counts what waits; `launches` lists the kernels,
    `graphs` those captured, `early` those that may overlap; `fail`: raised by the next launch;
    `costs`: seconds by kernel, `cycle_costs`: cycles where it is not one a nanosecond, which stamps
    of the clock read; `carried_out`: how often each kernel does its work, all others are
    only counted."""

    ndarray = MadeUpArray

    def __init__(self, devices=((9, 0),), shared=227 * 1024):
        super().__init__("cupy")
        self.current, self.stream = 0, Stream(0, self)
        self.waits, self.launches, self.fail = 0, [], None
        self.early = []
        self.room, self.carried_out = 1 << 32, 1 << 32
        self.now, self.costs, self.graphs, self.replays = 0.0, {}, [], 0
        self.cycles, self.cycle_costs = 1.0, {}

        def properties(number):
            major, minor = devices[number]
            return {
                "name": b"Card", "major": major, "minor": minor, "totalGlobalMem": 1 << 30,
                "multiProcessorCount": 132, "sharedMemPerBlockOptin": shared,
                "l2CacheSize": 4096,
            }  # fmt: skip

        runtime = SimpleNamespace(
            driverGetVersion=lambda: 13000, runtimeGetVersion=lambda: 13000,
            getDeviceCount=lambda: len(devices), getDeviceProperties=properties,
            getDevice=lambda: self.current, memGetInfo=lambda: (self.room, 1 << 40),
            memcpy2DAsync=self.copy_rows, memcpyDeviceToDevice=3,
        )  # fmt: skip
        self.cuda = SimpleNamespace(
            runtime=runtime,
            driver=SimpleNamespace(CUDADriverError=CUDARuntimeError),
            get_current_stream=lambda: self.stream,
            Stream=lambda non_blocking: Stream(1 + int(non_blocking), self),
            Event=lambda: Event(self),
            get_elapsed_time=lambda begin, end: 1e3 * (end.at - begin.at),
            Device=lambda number: Chosen(self, number),
        )

    def spend(self, name):
        cost = self.costs.get(name, 0.0)
        self.now += cost
        self.cycles += self.cycle_costs.get(name, 1e9 * cost)

    def get_default_memory_pool(self):
        return SimpleNamespace(free_bytes=lambda: 0)

    def empty(self, shape, dtype):
        made = aligned(shape, dtype, self.current)
        if made.nbytes > self.room:
            raise MemoryError(f"Out of memory allocating {made.nbytes} bytes")
        return made

    def zeros(self, shape, dtype):
        made = self.empty(shape, dtype)
        made[...] = 0
        return made

    def copy_rows(self, *call):
        to, to_pitch, of, of_pitch, width, rows, kind, stream = call
        assert (kind, stream) == (3, self.stream.ptr)
        assert width <= min(to_pitch, of_pitch)

        def work():
            for row in range(rows):
                ctypes.memmove(to + row * to_pitch, of + row * of_pitch, width)

        self.begin("copy of rows", work)

    def asarray(self, array):
        made = self.empty(np.shape(array), np.asarray(array).dtype)
        made[...] = array
        return made

    def asnumpy(self, array):
        self.waits += 1
        return np.array(array, subok=False)

    def from_dlpack(self, holder):
        """CuPy asks for the current stream; 1 is the default one."""
        assert holder.__dlpack_device__()[0] == 2
        return holder.__dlpack__(stream=self.stream.ptr or 1)

    def copyto(self, target, source):
        self.begin("copy", lambda: np.copyto(target, source))

    def begin(self, name, work):
        """A launch on the current stream: kept where it captures, else carried out."""
        if self.fail is not None:
            raise self.fail
        if self.stream.captured is not None:
            self.stream.captured.append((name, work))
            return
        self.launches.append(name)
        self.spend(name)
        if self.launches.count(name) <= self.carried_out:
            work()

    def begin_early(self, function, how, arguments, stream):
        """In the place of `overlap.begin`."""
        assert stream == self.stream.ptr
        self.early.append(function.kernel.name)
        function(how.grid, how.block, arguments, shared_mem=how.shared)

    def RawModule(self, path):  # noqa: N802
        return SimpleNamespace(get_function=lambda name: Function(self, name, path))


class Function:
    """A kernel of a loaded cubin; its name there is its expression."""

    def __init__(self, cupy, expression, path):
        self.cupy = cupy
        self.kernel = next(k for k in KERNELS if k.expression == expression)
        self.of = None
        file = Path(path).with_suffix("").with_suffix(".cu")
        if file.name != self.kernel.file:  # a candidate
            variant = f"{self.kernel.variant} of {file.name}"
            self.kernel = replace(self.kernel, variant=variant, file=str(file))
            self.of = program((self.kernel,))
        self.max_dynamic_shared_size_bytes = 48 * 1024 - STATIC_SHARED

    def __call__(self, grid, block, arguments, *, shared_mem=0):
        assert shared_mem <= self.max_dynamic_shared_size_bytes, "shared memory not asked for"
        kinds = parameters(self.kernel, self.of)
        assert len(kinds) == len(arguments)
        given = []
        for kind, argument in zip(kinds, arguments, strict=True):
            if kind.kind in b"pc":
                null = not isinstance(argument, MadeUpArray)
                assert not null or argument == np.uint64(0)
                given.append(None if null else argument.view(np.ndarray))
            else:
                assert isinstance(argument, np.generic), "a plain Python number has no width"
                assert argument.dtype.itemsize == kind.bytes
                assert argument.dtype.kind.encode() == kind.kind
                given.append(argument)
        if self.kernel.family == "clock_stamp":
            given[0][...] = int(self.cupy.cycles)
            return
        how = Geometry(grid, block, shared_mem)
        self.cupy.begin(
            self.kernel.name, lambda: emulate.launch(self.kernel, how, given, of=self.of)
        )


@functools.cache
def parameters(kernel, of):
    entry = (of or program_of(kernel)).entry(kernel)[1]
    kinds = []
    while entry.parameters[len(kinds)].bytes:
        kinds.append(entry.parameters[len(kinds)])
    return kinds


def cubin_without_compiling(file, expressions, architecture, options=()):  # noqa: ARG001
    """Of a name of its own for each text."""
    names = {expression: expression for expression in expressions}
    text = hashlib.sha256(Path(file).read_bytes()).hexdigest()[:8]
    return Cubin(Path(file).with_suffix(f".{text}.cubin"), architecture, names, {}, "")


class Tensor:
    """What speaks DLPack and is no CuPy array, as a PyTorch tensor is."""

    def __init__(self, array, kind=2, refusal=None):
        self.array, self.kind, self.refusal, self.streams = array, kind, refusal, []
        self.dtype = f"torch.{array.dtype}"

    def __dlpack_device__(self):
        return self.kind, self.array.number

    def __dlpack__(self, *, stream):
        if self.refusal is not None:
            raise self.refusal
        self.streams.append(stream)
        return self.array
