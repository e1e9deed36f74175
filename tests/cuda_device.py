"""A CuPy made up over NumPy, whose kernels run on the emulator: all of a device but its speed.

Its arrays say on which device they are, its launches refuse what CUDA would refuse (numbers of
another width than the parameter, dynamic shared memory that was not asked for) and count what
waits for the device.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np

from bitnet_perf.kernels.cuda import emulate
from bitnet_perf.kernels.cuda.catalog import KERNELS, family
from bitnet_perf.kernels.cuda.geometry import Geometry
from bitnet_perf.kernels.cuda.host_program import program
from bitnet_perf.kernels.cuda.toolchain import Cubin


class CUDARuntimeError(RuntimeError):
    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


class Stream:
    def __init__(self, ptr=0):
        self.ptr = ptr


class MadeUpArray(np.ndarray):
    """An array of device `number`, in memory aligned as cudaMalloc aligns it."""

    number = 0

    def __array_finalize__(self, other):
        self.number = getattr(other, "number", 0)

    @property
    def device(self):
        return SimpleNamespace(id=self.number)

    @property
    def data(self):
        return SimpleNamespace(ptr=self.ctypes.data)


def aligned(shape, dtype, number=0):
    dtype = np.dtype(dtype)
    count = int(np.prod(shape)) * dtype.itemsize
    memory = np.full(count + 256, 0xA5, np.uint8)
    start = -memory.ctypes.data % 256
    made = memory[start : start + count].view(dtype).reshape(shape).view(MadeUpArray)
    made.number = number
    return made


class MadeUpCupy(ModuleType):
    """`devices`: compute capabilities. `waits` counts what waits; `launches` lists the kernels;
    `fail`: raised by the next launch."""

    ndarray = MadeUpArray

    def __init__(self, devices=((9, 0),), shared=227 * 1024):
        super().__init__("cupy")
        self.current, self.stream = 0, Stream()
        self.waits, self.launches, self.fail = 0, [], None
        self.room = 1 << 32

        def properties(number):
            major, minor = devices[number]
            return {
                "name": b"Card", "major": major, "minor": minor, "totalGlobalMem": 1 << 30,
                "multiProcessorCount": 132, "sharedMemPerBlockOptin": shared,
            }  # fmt: skip

        runtime = SimpleNamespace(
            driverGetVersion=lambda: 13000, runtimeGetVersion=lambda: 13000,
            getDeviceCount=lambda: len(devices), getDeviceProperties=properties,
            getDevice=lambda: self.current,
        )  # fmt: skip
        self.cuda = SimpleNamespace(
            runtime=runtime,
            driver=SimpleNamespace(CUDADriverError=CUDARuntimeError),
            get_current_stream=lambda: self.stream,
        )

    def empty(self, shape, dtype):
        made = aligned(shape, dtype, self.current)
        if made.nbytes > self.room:
            raise MemoryError(f"Out of memory allocating {made.nbytes} bytes")
        return made

    def zeros(self, shape, dtype):
        made = self.empty(shape, dtype)
        made[...] = 0
        return made

    def ones(self, shape, dtype):
        made = self.empty(shape, dtype)
        made[...] = 1
        return made

    def asarray(self, array):
        made = self.empty(np.shape(array), np.asarray(array).dtype)
        made[...] = array
        return made

    def asnumpy(self, array):
        self.waits += 1
        return np.array(array, subok=False)

    def from_dlpack(self, holder):
        return holder.array

    def RawModule(self, path):  # noqa: N802
        return SimpleNamespace(get_function=lambda name: Function(self, name))


class Function:
    """A kernel of a loaded cubin; its name there is its expression."""

    def __init__(self, cupy, expression):
        self.cupy = cupy
        self.kernel = next(k for k in KERNELS if k.expression == expression)
        self.max_dynamic_shared_size_bytes = 48 * 1024

    def __call__(self, grid, block, arguments, *, shared_mem=0):
        if self.cupy.fail is not None:
            raise self.cupy.fail
        assert shared_mem <= self.max_dynamic_shared_size_bytes, "shared memory not asked for"
        self.cupy.launches.append(self.kernel.name)
        kinds = parameters(self.kernel)
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
        emulate.launch(self.kernel, Geometry(grid, block, shared_mem), given)


def parameters(kernel):
    entry = program(family(kernel.family)).entry(kernel)[1]
    kinds = []
    while entry.parameters[len(kinds)].bytes:
        kinds.append(entry.parameters[len(kinds)])
    return kinds


def cubin_without_compiling(file, expressions, architecture, options=()):  # noqa: ARG001
    names = {expression: expression for expression in expressions}
    return Cubin(Path(file).with_suffix(".cubin"), architecture, names, {}, "")


class Tensor:
    """What speaks DLPack and is no CuPy array, as a PyTorch tensor is."""

    def __init__(self, array, kind=2):
        self.array, self.kind = array, kind
        self.dtype = f"torch.{array.dtype}"

    def __dlpack_device__(self):
        return self.kind, self.array.number

    def __dlpack__(self, **_):
        raise AssertionError("the importer asks")
