"""Measuring on a made-up GPU whose launches take known times: graphs, rotation, clocks, peers."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import ml_dtypes
import numpy as np
import pytest
from cuda_build import NEEDS_COMPILER
from cuda_device import aligned
from cuda_made_cublas import MadeUpCublas

from bitnet_perf.bench import gpu_clocks, gpu_measure
from bitnet_perf.bench.gpu_cases import small_cases, ternary_case
from bitnet_perf.bench.gpu_clocks import Clock, clocks_of
from bitnet_perf.bench.gpu_cublas import Cublas
from bitnet_perf.bench.gpu_measure import measure_case, measure_gpu_ceilings
from bitnet_perf.bench.gpu_timing import copies_for, time_calls
from bitnet_perf.errors import EnvironmentRefused, MeasurementError
from bitnet_perf.kernels.cuda.launch import on_device

pytestmark = NEEDS_COMPILER

L2 = 4096  # of the made-up device


class Scripted:
    """Clocks that answer this; the last for ever."""

    source = "scripted"

    def __init__(self, *mhz, default=1000):
        self.mhz, self.default = list(mhz), default

    def read(self):
        return Clock(self.mhz.pop(0) if len(self.mhz) > 1 else self.mhz[0], self.default)


class Slow(Scripted):
    """As nvidia-smi is: the answer comes when some replays are over, and is that of the load."""

    def __init__(self, cupy, replays):
        super().__init__(1000)
        self.cupy, self.replays = cupy, replays

    def read(self):
        def done():
            return sum(graph.replayed for graph in self.cupy.graphs)

        before = done()
        while done() < before + self.replays:
            time.sleep(0)
        return super().read()


def test_replays_go_on_while_the_clock_is_looked_at(cupy):
    cupy.costs = {"copy": 7e-6}
    found = time_calls(copies(cupy, 1), 1000, Slow(cupy, 80), "copy")
    assert (found.samples, found.seconds) == (50, pytest.approx(7e-6))
    assert sum(graph.replayed for graph in cupy.graphs) >= 80


def copies(cupy, count, size=1000):
    pairs = [(cupy.empty(size, "uint8"), cupy.zeros(size, "uint8")) for _ in range(count)]
    return [lambda pair=pair: cupy.copyto(*pair) for pair in pairs]


@pytest.mark.parametrize(
    ("sets", "graphs", "launches"), [(1, 1, 20), (20, 1, 20), (30, 1, 30), (250, 3, 100)]
)
def test_graphs_go_round_all_buffers(cupy, sets, graphs, launches):
    cupy.costs = {"copy": 7e-6}
    calls = copies(cupy, sets)
    found = time_calls(calls, 1000, Scripted(1000), "copy")
    assert (found.low, found.seconds, found.high) == pytest.approx((7e-6,) * 3)
    assert found.flushed == pytest.approx(7e-6)
    assert found.samples == 50
    assert (len(cupy.graphs), found.launches) == (graphs, launches)
    assert all(len(graph.launches) == launches for graph in cupy.graphs)
    assert found.cold == (sets * 1000 >= 5 * L2)
    assert found.host > 0


def test_how_many_buffers_fill_five_times_the_cache():
    assert copies_for(1000, 200) == 1
    assert copies_for(100, 200) == 10
    assert copies_for(1, 1 << 20) == 1000


def test_replays_at_a_low_clock_are_thrown_away(cupy):
    found = time_calls(copies(cupy, 1), 1000, Scripted(700, 740, 800, 760), "copy")
    assert found.samples == 50
    assert found.discarded >= 20
    assert (found.clock in (760, 800), found.default) == (True, 1000)
    with pytest.raises(MeasurementError, match=r"copy: the clock .* below 75% .*700 of 1000 MHz"):
        time_calls(copies(cupy, 1), 1000, Scripted(700), "copy")
    unknown = time_calls(copies(cupy, 1), 1000, Scripted(0, default=0), "copy")
    assert (unknown.clock, unknown.discarded) == (0, 0)


def test_a_case_is_checked_then_timed_with_its_peers(cupy):
    case = next(case for case in small_cases() if "cuda_gemv" in case.name and case.peers)
    cupy.carried_out = 2  # for the check of either row
    cupy.costs = {"gemv_w2a8/m1_f16_f16": 4e-6, "cublas.f16": 12e-6, "matmul_naive/f16": 40e-6}
    cublas = Cublas(cupy, MadeUpCublas(cupy))
    row = measure_case(case, on_device(), Scripted(1000), cublas)
    assert row.kernels == ("gemv_w2a8/m1_f16_f16",)
    assert row.seconds == pytest.approx(4e-6)
    assert row.peers == pytest.approx({"cublas.f16": 12e-6, "naive.f16": 40e-6})
    assert row.checked == 40
    assert row.packed_gb_per_s == pytest.approx(case.packed / 4e-6 / 1e9)
    assert row.top_per_s == pytest.approx(2 * 40 * 300 / 4e-6 / 1e12)
    assert row.to_dict()["gb_per_s"] == row.gb_per_s
    cupy.launches.clear()
    row = measure_case(case, on_device(), Scripted(1000), "cuBLAS is missing")
    assert row.absent == {"cublas.f16": "cuBLAS is missing"}
    assert set(row.peers) == {"naive.f16"}


def test_many_tokens_have_unpacked_weights_and_cublas_as_a_peer(cupy):
    case = replace(ternary_case(5, 40, 300, "f16"), shape=(512, 40, 300), peers=())
    cupy.carried_out = 1
    cupy.costs = {"unpack_weights/frag16x32_s8": 2e-6, "cublas.int8": 5e-6}
    row = measure_case(case, on_device(), Scripted(1000), Cublas(cupy, MadeUpCublas(cupy)))
    assert row.peers == pytest.approx({"cublas.int8": 7e-6})
    odd = replace(case, shape=(512, 42, 300))
    cupy.launches.clear()
    row = measure_case(odd, on_device(), Scripted(1000), Cublas(cupy, MadeUpCublas(cupy)))
    assert row.absent == {
        "cublas.int8": "cuBLAS int8: found N, K = 42, 384, accepted are multiples of 4"
    }
    cupy.launches.clear()
    row = measure_case(case, on_device(), Scripted(1000), "cuBLAS is missing")
    assert (row.peers, row.absent) == ({}, {"cublas.int8": "cuBLAS is missing"})


def test_a_wrong_case_has_no_time(cupy):
    case = small_cases()[0]
    broken = replace(case, plan=lambda machine: replace(case.plan(machine), launches=()))
    with pytest.raises(MeasurementError, match="40 of 40 values are wrong, nothing was timed"):
        measure_case(broken, on_device(), Scripted(1000), "none")
    assert not cupy.graphs


def test_a_wrong_peer_has_no_time(cupy):
    class Wrong(MadeUpCublas):
        def cublasGemmEx(self, *_):  # noqa: N802
            return 0

    case = next(case for case in small_cases() if case.peers)
    cupy.carried_out = 1
    with pytest.raises(MeasurementError, match=r"cublas\.f16.* values are wrong"):
        measure_case(case, on_device(), Scripted(1000), Cublas(cupy, Wrong(cupy)))


@pytest.mark.parametrize("kind", ["f32", "f16", "bf16"])
def test_cublas_is_asked_for_rows_times_rows(cupy, kind):
    rng = np.random.default_rng(1)
    dtype = {"f32": np.float32, "f16": np.float16, "bf16": ml_dtypes.bfloat16}[kind]
    x = cupy.asarray(rng.standard_normal((3, 8)).astype(dtype))
    w = cupy.asarray(rng.standard_normal((5, 8)).astype(dtype))
    y = aligned((3, 5), np.float32)
    Cublas(cupy, MadeUpCublas(cupy)).matmul(x, w, y, (kind, "f32"))
    assert np.allclose(y, np.asarray(x, np.float64) @ np.asarray(w, np.float64).T, atol=1e-5)
    with pytest.raises(MeasurementError, match="cublasCreate_v2: cuBLAS answers status 3"):
        Cublas(cupy, MadeUpCublas(cupy, status=3))


def test_limits_of_the_device(cupy, monkeypatch):
    monkeypatch.setattr(gpu_measure, "COPIED", 1 << 16)
    monkeypatch.setattr(gpu_measure, "SIDE", 32)
    cupy.costs = {"copy": 2e-6, "cublas.bf16": 1e-6, "empty/launch": 1.4e-6}
    found = measure_gpu_ceilings(
        on_device(), Scripted(1, default=1), Cublas(cupy, MadeUpCublas(cupy))
    )
    assert found.copy_gb_per_s == pytest.approx(2 * (1 << 16) / 2e-6 / 1e9)
    assert found.launch == pytest.approx(1.4e-6)
    assert found.bf16_tflop_per_s == pytest.approx(2 * 32**3 / 1e-6 / 1e12)
    found = measure_gpu_ceilings(on_device(), Scripted(1, default=1), "cuBLAS is missing")
    assert (found.bf16_tflop_per_s, found.why) == (None, "cuBLAS is missing")


def test_clocks_by_nvidia_smi(monkeypatch):
    answers = {"text": "1755, 1980, 1980\n", "status": 0}
    monkeypatch.setitem(sys.modules, "pynvml", None)
    monkeypatch.setattr(gpu_clocks.shutil, "which", lambda _: "/usr/bin/nvidia-smi")

    def run(command, **_):
        assert command[:3] == ["/usr/bin/nvidia-smi", "-i", "0000:01:00.0"]
        return subprocess.CompletedProcess(command, answers["status"], answers["text"])

    monkeypatch.setattr(gpu_clocks.subprocess, "run", run)
    clocks = clocks_of("0000:01:00.0")
    assert clocks.source == "nvidia-smi"
    assert clocks.read() == Clock(1755, 1980)
    answers["text"] = "1200, [N/A], 1980"
    assert clocks.read() == Clock(1200, 1980)
    assert clocks.read().below(0.75)
    answers["status"] = 9
    assert clocks.read() == Clock(0, 0)
    assert not clocks.read().below(0.75)


def test_clocks_by_nvml_and_by_nothing(monkeypatch):
    class NVMLError(Exception):
        pass

    def refuse(*_):
        raise NVMLError

    nvml = SimpleNamespace(
        NVMLError=NVMLError, NVML_CLOCK_SM=1, NVML_CLOCK_GRAPHICS=0, nvmlInit=lambda: None,
        nvmlDeviceGetHandleByPciBusId=lambda bus: bus, nvmlDeviceGetMaxClockInfo=lambda *_: 1980,
        nvmlDeviceGetDefaultApplicationsClock=refuse, nvmlDeviceGetClockInfo=lambda *_: 1500,
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    clocks = clocks_of("0000:01:00.0")
    assert clocks.source == "pynvml"
    assert clocks.read() == Clock(1500, 1980)
    nvml.nvmlDeviceGetClockInfo = refuse
    assert clocks.read() == Clock(0, 1980)
    nvml.nvmlInit = refuse
    monkeypatch.setattr(gpu_clocks.shutil, "which", lambda _: None)
    assert clocks_of("0000:01:00.0").source.startswith("not observed")


def test_without_cublas_it_says_how_to_get_it(monkeypatch):
    from cuda import pathfinder

    def missing(_):
        raise pathfinder.DynamicLibNotFoundError("no libcublas")

    monkeypatch.setattr(pathfinder, "load_nvidia_dynamic_lib", missing)
    with pytest.raises(EnvironmentRefused, match=r"cuBLAS is missing: pip install 'nvidia-cublas"):
        Cublas(SimpleNamespace())
