"""Hosts with and without a GPU, made up: a CuPy that answers as the real one does there."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest
from cuda_build import NEEDS_COMPILER, SOURCES

from bitnet_perf.errors import EnvironmentRefused, IsaError, MeasurementError
from bitnet_perf.kernels.cuda import device, nvrtc
from bitnet_perf.kernels.cuda.catalog import KERNELS
from bitnet_perf.kernels.cuda.device import ContextLost, guarded
from bitnet_perf.kernels.cuda.toolchain import Cubin, compile_file


class CUDARuntimeError(RuntimeError):
    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


class CUDADriverError(CUDARuntimeError):
    pass


class OutOfMemoryError(MemoryError):
    pass


def fake_cupy(*, devices=((9, 0),), driver=13000, error=None, load=None):
    """A CuPy on a host with devices of these capabilities, or whose runtime answers `error`."""

    def count():
        if error is not None:
            raise error
        return len(devices)

    def properties(number):
        major, minor = devices[number]
        return {"name": b"Card", "major": major, "minor": minor, "totalGlobalMem": 1 << 30}

    def raw_module(path):
        def get_function(name):
            if load is not None:
                raise load
            return path, name

        return SimpleNamespace(get_function=get_function)

    module = ModuleType("cupy")
    runtime = SimpleNamespace(
        driverGetVersion=lambda: driver,
        runtimeGetVersion=lambda: 13020,
        getDeviceCount=count,
        getDeviceProperties=properties,
    )
    module.cuda = SimpleNamespace(
        runtime=runtime, driver=SimpleNamespace(CUDADriverError=CUDADriverError)
    )
    module.RawModule = raw_module
    return module


@pytest.fixture
def host(monkeypatch):
    """Makes this host one with the given CuPy; None: without CuPy."""

    def make(cupy):
        monkeypatch.setitem(sys.modules, "cupy", cupy)
        device.gpu.cache_clear()

    monkeypatch.setattr(device, "_lost", [])
    yield make
    device.gpu.cache_clear()


NO_DRIVER = CUDARuntimeError(35, "cudaErrorInsufficientDriver: driver version is insufficient")
NO_DEVICE = CUDARuntimeError(100, "cudaErrorNoDevice: no CUDA-capable device is detected")
BROKEN = CUDARuntimeError(999, "cudaErrorUnknown: unknown error\nsecond line")


@pytest.mark.parametrize(
    ("cupy", "reason"),
    [
        (None, "CuPy is not installed: pip install 'bitnet_perf[gpu]'"),
        (fake_cupy(driver=0, error=NO_DRIVER), "no NVIDIA driver"),
        (
            fake_cupy(driver=12040, error=NO_DRIVER),
            "the NVIDIA driver is too old: it serves CUDA 12.4",
        ),
        (fake_cupy(error=NO_DEVICE), "no NVIDIA GPU, or none that this process may use"),
        (fake_cupy(devices=()), "the driver finds no GPU"),
        (fake_cupy(error=BROKEN), "CUDA does not start: cudaErrorUnknown: unknown error"),
        (fake_cupy(error=OSError("gone")), "CUDA does not start: gone"),
        (
            fake_cupy(driver=12040),
            "the NVIDIA driver is too old: it serves CUDA 12.4, needed is 13.",
        ),
    ],
)
def test_a_host_without_a_gpu_says_why(host, cupy, reason):
    host(cupy)
    there, said = device.available()
    assert not there
    assert said.startswith(reason)
    assert "\n" not in said
    assert device.why_no_gpu() == "no-gpu-available"
    assert all(device.why_not(kernel) == said for kernel in KERNELS)
    with pytest.raises(EnvironmentRefused, match="no GPU to run it"):
        device.load(Cubin("x.cubin", "sm_90", {"f": "f"}, {}, ""), "f")


class _Broken:
    """An import of CuPy fails for want of a library."""

    def find_spec(self, name, *_):
        if name == "cupy":
            raise ImportError("libcublas.so.13: cannot open shared object file")


def test_a_cupy_that_is_broken(host, monkeypatch):
    host(None)
    monkeypatch.delitem(sys.modules, "cupy")
    monkeypatch.setattr(sys, "meta_path", [_Broken(), *sys.meta_path])
    reason = "CuPy cannot be imported: libcublas.so.13: cannot open shared object file"
    assert device.available() == (False, reason)


def test_the_real_cupy_of_this_host():
    cupy = pytest.importorskip("cupy", reason="CuPy is missing: pip install 'bitnet_perf[gpu]'")
    device.gpu.cache_clear()
    found = device.gpu()
    if found.reason:
        assert "CUDA does not start" not in found.reason
    else:
        assert found.devices[0].capability[0] >= 7
    assert cupy.cuda.driver.CUDADriverError
    assert issubclass(cupy.cuda.memory.OutOfMemoryError, MemoryError)


@NEEDS_COMPILER
def test_a_host_with_a_gpu(host):
    host(fake_cupy(devices=((9, 0), (8, 6))))
    assert device.available() == (True, "")
    assert device.gpu().driver == "13.0"
    first, second = device.gpu().devices
    assert (first.name, first.capability, first.memory) == ("Card", (9, 0), 1 << 30)
    assert (second.number, second.capability) == (1, (8, 6))
    assert device.why_no_gpu() == device.UNMEASURED
    assert device.why_not(KERNELS[0]) == ""


@NEEDS_COMPILER
def test_a_gpu_that_is_too_old_for_every_kernel(host):
    host(fake_cupy(devices=((6, 1),)))
    there, reason = device.available()
    assert not there
    assert "Card: architecture: found a device of compute capability 6.1" in reason


def test_a_gpu_without_the_compiler(host, monkeypatch):
    host(fake_cupy())
    monkeypatch.setitem(sys.modules, "cuda.bindings", None)
    nvrtc.nvrtc.cache_clear()
    try:
        assert device.gpu().reason == ""
        assert device.available()[1].startswith("cuda-bindings is missing")
    finally:
        nvrtc.nvrtc.cache_clear()


@pytest.fixture
def cubin():
    return compile_file(SOURCES / "saxpy.cu", ["saxpy<64>"], "sm_90a")


@NEEDS_COMPILER
def test_a_kernel_is_loaded_by_its_name_in_the_cubin(host, cubin):
    host(fake_cupy())
    path, name = device.load(cubin, "saxpy<64>")
    assert (path, name) == (str(cubin.path), cubin.names["saxpy<64>"])
    with pytest.raises(IsaError, match=r"found 'saxpy<65>', .*cubin has saxpy<64>"):
        device.load(cubin, "saxpy<65>")


@NEEDS_COMPILER
@pytest.mark.parametrize(
    ("status", "said"),
    [
        (200, "it is no cubin, or it is damaged"),
        (209, "it has no code for this GPU"),
        (222, "the driver is too old for it"),
        (301, "there is no such file"),
        (500, "it has no kernel of this name"),
    ],
)
def test_a_cubin_that_cannot_be_loaded(host, cubin, status, said):
    host(fake_cupy(load=CUDADriverError(status, "CUDA_ERROR: it says")))
    with pytest.raises(EnvironmentRefused, match=rf"for sm_90a cannot be loaded: {said} .*it says"):
        device.load(cubin, "saxpy<64>")


@pytest.mark.usefixtures("host")
def test_errors_of_a_launch():
    with pytest.raises(EnvironmentRefused, match="gemv: the GPU is out of memory"), guarded("gemv"):
        raise OutOfMemoryError("Out of memory allocating 512 bytes")
    with (
        pytest.raises(MeasurementError, match="gemv: CUDA says: cudaErrorInvalidValue"),
        guarded("gemv"),
    ):
        raise CUDARuntimeError(1, "cudaErrorInvalidValue: invalid argument")
    with pytest.raises(RuntimeError, match=r"^plain$"), guarded("gemv"):
        raise RuntimeError("plain")
    with pytest.raises(IsaError), guarded("gemv"):
        raise IsaError("ours")
    with guarded("gemv"):
        pass


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize("status", [700, 715, 716, 719])
def test_a_lost_context_is_said_to_be_lost_from_then_on(status):
    lost = "gemv: the CUDA context of this process is lost"
    with pytest.raises(ContextLost, match=lost), guarded("gemv"):
        raise CUDADriverError(status, "CUDA_ERROR_ILLEGAL_ADDRESS: an illegal access")
    ran = []
    again = r"gemm: .*in gemv or in .*start a new process"
    with pytest.raises(ContextLost, match=again), guarded("gemm"):
        ran.append("gemm")
    assert not ran
