"""What the lane `gpu` runs, on a made-up device: it launches kernels and sees wrong results."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from cuda_build import NEEDS_COMPILER
from cuda_on_device import compare, run_kernels, sanitizer

from bitnet_perf.errors import EnvironmentRefused, MeasurementError
from bitnet_perf.kernels.cuda import device
from bitnet_perf.kernels.cuda.catalog import KERNELS, find
from bitnet_perf.kernels.cuda.launch import on_device

ROOT = Path(__file__).parents[2]
SOME = ("gemv_w2a8/m2_f16_f16", "gemm_w2a8/n16_m8", "matmul_fp16/n64_m64", "convert/f32_f16",
        "gemm_w2a16/fp16_n64_m16", "rms_norm/f32", "weight_scale/tensor")  # fmt: skip


@NEEDS_COMPILER
def test_kernels_run_there_and_on_the_emulator(cupy):
    assert run_kernels(on_device(), [find(name) for name in SOME]) == list(SOME)
    assert cupy.launches == list(SOME)


@NEEDS_COMPILER
def test_kernels_that_this_gpu_has_not_are_left_out(monkeypatch, cupy):  # noqa: ARG001
    runner = on_device()
    monkeypatch.setattr(runner, "machine", runner.machine.__class__(8, 99 * 1024, "sm_89"))
    warpgroups = [k for k in KERNELS if "warpgroups" in k.family]
    assert run_kernels(runner, [find(SOME[0]), *warpgroups]) == [SOME[0]]


@NEEDS_COMPILER
def test_results_that_are_wrong_or_missing_are_seen(cupy):
    cupy.carried_out = 0
    with pytest.raises(
        MeasurementError, match=r"quantize_activations/.*: argument 1: 8192 of 8192 v"
    ):
        run_kernels(on_device(), [find("quantize_activations/q8_act_f32")])
    with pytest.raises(MeasurementError, match="y: 1 of 4 values are wrong"):
        compare("y", np.array([1, 1, 1, 1.01]), np.ones(4))
    compare("y", np.array([1, np.nan]), np.array([1 + 1e-5, np.nan]))


def test_where_there_is_no_sanitizer(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}")
    assert sanitizer() == "/bin/compute-sanitizer"
    pathfinder = pytest.importorskip("cuda.pathfinder", reason="cuda-pathfinder is missing")
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.setattr(pathfinder, "find_nvidia_binary_utility", lambda _: None)
    with pytest.raises(EnvironmentRefused, match="compute-sanitizer is missing: 'apt-get"):
        sanitizer()


@pytest.mark.skipif(device.available()[0], reason="there is a GPU: the lane itself runs")
def test_the_lane_says_why_it_is_skipped():
    done = subprocess.run(
        ["bash", ".ci/lanes/gpu.sh"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (77, f"no GPU: {device.available()[1]}\n")
