"""What CUDA's runtime copies and fills, and what is said where CuPy itself fails."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from bitnet_perf.errors import EnvironmentRefused, MeasurementError
from bitnet_perf.kernels.cuda import copies, device
from bitnet_perf.kernels.cuda.launch import on_device

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


@pytest.mark.parametrize("count", [1, 2, 5, 64, 100])
def test_one_number_for_all_rows(cupy, count):
    one = cupy.asarray(np.array([0.3], np.float32))
    made = copies.repeated(cupy, one, count)
    assert np.asarray(made).tolist() == [np.float32(0.3)] * count
    assert cupy.waits == 0
    assert set(cupy.launches) == {"copy"}


def test_rows_of_two_widths(cupy):
    source = cupy.asarray(np.arange(12, dtype=np.int8).reshape(3, 4))
    target = cupy.zeros((3, 6), np.int8)
    on_device().copy_rows(target, source, 3, 3)
    expected = np.zeros((3, 6), np.int8)
    expected[:, :3] = np.arange(12).reshape(3, 4)[:, :3]
    assert np.array_equal(np.asarray(target), expected)


def test_bytes_are_filled(cupy):
    array = cupy.empty((3, 5), np.uint32)
    copies.fill_bytes(array, 0x55)
    assert (np.asarray(array) == 0x55555555).all()


@pytest.mark.parametrize(
    "act", [lambda a: a.fill(1), lambda a: a.sum(), lambda a: a + 1,
            lambda a: a.__setitem__(slice(2), 0)]
)  # fmt: skip
def test_the_made_up_cupy_refuses_what_compiles(cupy, act, monkeypatch):
    array = cupy.zeros(4, np.float32)
    monkeypatch.setitem(globals(), "__name__", "bitnet_perf.any")
    with pytest.raises(AssertionError, match="compiles a kernel of CuPy"):
        act(array)


def of_cupy(name, base):
    return type(name, (base,), {"__module__": "cupy.cuda.compiler"})


@pytest.mark.parametrize("base", [Exception, RuntimeError])
def test_a_fault_of_cupy_itself_is_told(monkeypatch, base):
    monkeypatch.setattr(device, "_lost", [])
    error = of_cupy("CompileException", base)("cannot open source file: cuda_fp16.h\nmore")
    with (
        pytest.raises(MeasurementError, match="x: CuPy fails: CompileException: cannot open"),
        device.guarded("x"),
    ):
        raise error
    with (
        pytest.raises(EnvironmentRefused, match=r"x: CuPy lacks a part: no libnvrtc.*pip install"),
        device.guarded("x"),
    ):
        raise ImportError("no libnvrtc")
    with pytest.raises(ZeroDivisionError), device.guarded("x"):
        raise ZeroDivisionError
    with pytest.raises(RuntimeError, match="ours"), device.guarded("x"):
        raise RuntimeError("ours")


def test_what_the_extras_bring():
    """Headers match the compiler; a GPU host gets the peer and the clocks without being told."""
    extras = tomllib.loads(PYPROJECT.read_text())["project"]["optional-dependencies"]
    for name in ("nvrtc", "runtime", "crt"):
        assert f"nvidia-cuda-{name}==13.0.*" in extras["cuda"]
    brought = " ".join(extras["gpu"])
    assert "nvidia-cublas" in brought
    assert "nvidia-ml-py" in brought


def test_every_call_of_cupy_is_one_of_this_version():
    """Where the real CuPy is installed; it imports without a driver."""
    code = (
        "import cupy; r = cupy.cuda.runtime\n"
        "assert r.memcpyDeviceToDevice == 3\n"
        "assert 'size_t dpitch' in r.memcpy2DAsync.__doc__\n"
        "assert 'memset_async(self, int value, size_t size' in "
        "cupy.cuda.MemoryPointer.memset_async.__doc__\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if "No module named 'cupy'" in done.stderr:
        pytest.skip("no CuPy")
    assert done.returncode == 0, done.stderr
