"""`info` and `doctor` tell what can be done with the CUDA kernels here, and why not."""

from __future__ import annotations

import json
import sys

import pytest
from cuda_build import NEEDS_COMPILER

from bitnet_perf.cli import main
from bitnet_perf.kernels.cuda import device, nvrtc
from bitnet_perf.kernels.cuda.catalog import KERNELS
from bitnet_perf.kernels.cuda.device import Device, Gpu
from bitnet_perf.kernels.cuda.status import cuda_status
from bitnet_perf.review.doctor import doctor


def info(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main(["info", *arguments])
    assert ended.value.code == 0
    return capsys.readouterr().out


@pytest.fixture
def gpu(monkeypatch):
    """Makes this host one on which CuPy finds this."""
    return lambda found: monkeypatch.setattr(device, "gpu", lambda: found)


HOPPER = Gpu((Device(0, "Card", (9, 0), 1 << 30),), "13.0", "")


@pytest.fixture
def no_compiler(monkeypatch):
    monkeypatch.setitem(sys.modules, "cuda.bindings", None)
    nvrtc.nvrtc.cache_clear()
    yield
    nvrtc.nvrtc.cache_clear()


@NEEDS_COMPILER
def test_every_kernel_is_told_with_its_reason(capsys, gpu):
    gpu(Gpu((), "", "no NVIDIA driver"))
    found = json.loads(info(capsys, "--json", "-"))["cuda"]
    assert found["nvrtc"] == nvrtc.nvrtc().version
    assert found["architectures"] == list(nvrtc.nvrtc().architectures)
    assert found["lacks"] == ""
    assert found["gpu"] == {"devices": [], "driver": "", "reason": "no NVIDIA driver"}
    assert [(row["family"], row["variant"]) for row in found["kernels"]] == [
        (kernel.family, kernel.variant) for kernel in KERNELS
    ]
    for row, kernel in zip(found["kernels"], KERNELS, strict=True):
        assert set(row["architectures"]) <= set(kernel.architectures)
        assert (row["runnable"], row["reason"]) == (False, "no NVIDIA driver")


@NEEDS_COMPILER
def test_the_text_names_compiler_gpu_and_kernels(capsys, gpu):
    gpu(HOPPER)
    text = info(capsys)
    assert nvrtc.nvrtc().version in text
    assert "Card, 1024 MiB, compute capability 9.0" in text
    assert "for CUDA 13.0" in text
    assert KERNELS[0].variant in text
    gpu(Gpu((), "", "no NVIDIA driver"))
    assert "no: no NVIDIA driver" in info(capsys)


@NEEDS_COMPILER
def test_a_gpu_runs_what_has_code_for_it(gpu):
    gpu(HOPPER)
    assert all(row.runnable and row.reason == "" for row in cuda_status().kernels)
    gpu(Gpu((Device(0, "Card", (7, 2), 1 << 30),), "13.0", ""))
    row = cuda_status().kernels[0]
    assert not row.runnable
    assert "compute capability 7.2" in row.reason


@pytest.mark.usefixtures("no_compiler")
def test_a_host_without_the_compiler(capsys, gpu):
    gpu(HOPPER)
    found = cuda_status()
    assert (found.nvrtc, found.architectures) == ("", ())
    assert found.lacks.startswith("cuda-bindings is missing")
    assert {row.architectures for row in found.kernels} == {()}
    assert {row.reason for row in found.kernels} == {found.lacks}
    assert "no: cuda-bindings is missing" in info(capsys)


def checks():
    return {finding.name: finding for finding in doctor()}


@NEEDS_COMPILER
def test_the_doctor_tells_compiler_and_gpu_apart(gpu):
    gpu(Gpu((), "", "no NVIDIA driver"))
    found = checks()
    assert found["CUDA compiler"].fine
    assert found["GPU"].lacks == "no NVIDIA driver"
    gpu(HOPPER)
    assert checks()["GPU"].fine


@pytest.mark.usefixtures("no_compiler")
def test_the_doctor_says_how_to_get_the_compiler(gpu):
    gpu(HOPPER)
    found = checks()["CUDA compiler"]
    assert found.lacks.startswith("cuda-bindings is missing (")
    assert found.lacks.endswith(")")
    assert found.bring == "pip install 'bitnet_perf[cuda]'"
    assert checks()["GPU"].lacks == f"{found.lacks}: {found.bring}"
