"""Launches that begin before the end of the one before: what the driver gets, and when."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace

import numpy as np
import pytest
from cuda_build import NEEDS_COMPILER, NEEDS_DISASSEMBLER
from cuda_device import MadeUpCupy
from cuda_models import PROMPT, make_mini

import bitnet_perf as bp
from bitnet_perf.errors import MeasurementError
from bitnet_perf.kernels.cuda import device, overlap, sass
from bitnet_perf.kernels.cuda.catalog import family, find
from bitnet_perf.kernels.cuda.device import ContextLost
from bitnet_perf.kernels.cuda.geometry import Geometry
from bitnet_perf.kernels.cuda.plans import step
from bitnet_perf.kernels.cuda.plans.plan import H200
from bitnet_perf.kernels.cuda.toolchain import compile_file, sources

HOW = Geometry((3, 4, 5), (32, 2, 1), 4096)
FUNCTION = SimpleNamespace(kernel=SimpleNamespace(ptr=0xABCD))
# Loads of weights that are under way before a launch waits, at least.
BEFORE = {"gemv_w2a8_q8": 8, "norm_q8": 4, "gemm_w2a8": 3}


class Driver:
    """Takes the place of the driver's cuLaunchKernelEx; keeps what it is handed."""

    def __init__(self, driver, status=0):
        self.driver, self.status = driver, status

    def __call__(self, config, function, parameters, extra):
        self.config = {
            "grid": (config.gridDimX, config.gridDimY, config.gridDimZ),
            "block": (config.blockDimX, config.blockDimY, config.blockDimZ),
            "shared": config.sharedMemBytes, "stream": int(config.hStream),
        }  # fmt: skip
        # CUlaunchConfig ends in a pointer to attributes of 72 bytes, and their number.
        attributes, count = (ctypes.c_uint64 * 2).from_address(config.getPtr() + 40)
        assert count & 0xFFFFFFFF == 1
        attribute = (ctypes.c_uint32 * 18).from_address(attributes)
        self.attribute = attribute[0], attribute[2]
        self.function, self.extra = int(function), extra
        pointers = (ctypes.c_uint64 * 3).from_address(parameters)
        kinds = ctypes.c_uint64, ctypes.c_float, ctypes.c_int32
        self.values = [
            kind.from_address(each).value for kind, each in zip(kinds, pointers, strict=True)
        ]
        return (self.driver.CUresult(self.status),)


@pytest.fixture
def driver(monkeypatch):
    """Makes the driver answer this status."""
    bindings = pytest.importorskip("cuda.bindings.driver", reason="cuda-bindings is missing")

    def make(status=0):
        made = Driver(bindings, status)
        monkeypatch.setattr(bindings, "cuLaunchKernelEx", made)
        return made

    return make


def begin():
    array = MadeUpCupy().zeros(8, np.float32)
    overlap.begin(FUNCTION, HOW, (array, np.float32(0.5), np.int32(-7)), 0x1234)
    return array


def test_what_the_driver_gets(driver):
    found = driver()
    array = begin()
    wanted = {"grid": HOW.grid, "block": HOW.block, "shared": HOW.shared, "stream": 0x1234}
    assert found.config == wanted
    assert found.attribute == (6, 1)  # programmatic stream serialization: allowed
    assert (found.function, found.extra) == (0xABCD, 0)
    assert found.values == [array.data.ptr, 0.5, -7]


def test_what_the_driver_refuses(driver, monkeypatch):
    monkeypatch.setattr(device, "_lost", [])
    driver(1)
    said = "gemv: CUDA says: CUDA_ERROR_INVALID_VALUE"
    with pytest.raises(MeasurementError, match=said), device.guarded("gemv"):
        begin()
    driver(700)
    with pytest.raises(ContextLost, match="an illegal address"), device.guarded("gemv"):
        begin()


@NEEDS_COMPILER
def test_all_launches_of_a_step_but_the_first_overlap(cupy, tmp_path):
    model = bp.Model.load(make_mini(tmp_path), device="cuda", threads=1)
    cupy.launches.clear()
    model.forward(PROMPT[:1])
    assert cupy.launches[0].startswith("embed/")
    (graph,) = cupy.graphs  # of the same launches, once more
    assert cupy.early == 2 * cupy.launches[1:]
    assert [name for name, _ in graph.launches] == cupy.launches
    assert find(cupy.early[-1]).family == "advance"


@NEEDS_COMPILER
def test_a_product_alone_begins_behind_what_made_its_weights(cupy):
    w = bp.gpu.prepare(bp.pack(np.eye(16, 128, dtype=np.int8), "i2_s", scale=1.0))
    bp.gpu.matmul(cupy.ones((3, 128), np.float32), w)
    assert len(cupy.launches) >= 3
    assert cupy.early == []


@NEEDS_COMPILER
def test_gpus_that_cannot_overlap(cupy, monkeypatch, tmp_path):
    monkeypatch.setattr(overlap, "FIRST_CAPABILITY", (9, 1))
    model = bp.Model.load(make_mini(tmp_path), device="cuda", threads=1)
    model.forward(PROMPT[:1])
    assert cupy.launches
    assert cupy.early == []


@NEEDS_COMPILER
@NEEDS_DISASSEMBLER
def test_kernels_of_a_step_wait_and_let_the_next_begin():
    """griddepcontrol is ACQBULK and PREEXIT in the machine code; without the first a launch could
    end before the ones that it needs. What it may load before, it does."""
    sizes = step.Sizes(1, 128, 256, 2, 1, 64, 260, 64, False, "relu2", 1e-5, 0.125, 96, "f16")
    launches = step.decode(sizes, 96, H200).plan.launches
    kernels = {launch.kernel.name: launch.kernel for launch in launches}
    kernels |= {kernel.name: kernel for kernel in family("gemm_w2a8")[:1]}
    for kernel in kernels.values():
        cubin = compile_file(sources() / kernel.file, [kernel.expression], H200.architecture)
        function = sass.disassemble(cubin.path)[cubin.names[kernel.expression]]
        opcodes = [each.opcode for each in function.instructions]
        assert "PREEXIT" in opcodes, kernel.name
        before = opcodes[: opcodes.index("ACQBULK")]
        loads = sum(opcode.startswith("LDG.E") for opcode in before)
        assert loads >= BEFORE.get(kernel.family, 0), kernel.name
