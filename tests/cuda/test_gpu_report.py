"""`gpu-report`, `bench_gpu.py` and the evidence line, with and without a (made-up) GPU."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from cuda_build import NEEDS_COMPILER, NEEDS_DISASSEMBLER
from cuda_device import CUDARuntimeError
from cuda_made_cublas import MadeUpCublas

from bitnet_perf.bench import gpu_session
from bitnet_perf.bench.gpu_cases import mixed_case, small_cases
from bitnet_perf.bench.gpu_cublas import Cublas
from bitnet_perf.bench.gpu_measure import ready
from bitnet_perf.bench.gpu_model import Compared
from bitnet_perf.bench.gpu_rows import GpuCeilings, GpuModelRow, GpuRow
from bitnet_perf.bench.gpu_session import Mixed, mixed_precision
from bitnet_perf.bench.gpu_timing import SlowClock, replayer, singles
from bitnet_perf.cli import main
from bitnet_perf.errors import MeasurementError
from bitnet_perf.kernels.cuda import catalog, device
from bitnet_perf.kernels.cuda.launch import on_device
from bitnet_perf.report.document import text_of
from bitnet_perf.report.gpu import GpuReport, gpu_words, markdown
from bitnet_perf.review import gpu_report as review

ROOT = Path(__file__).parents[2]
SKIPPED = "perf: gpu: mixed precision: skipped (no-gpu-available)"


@pytest.fixture
def short(monkeypatch):
    """One kernel for one architecture, one case on the CPU and on the GPU."""
    few = tuple(k for k in catalog.KERNELS if k.family == "quantize_activations")[:1]
    monkeypatch.setattr(review, "KERNELS", few)
    monkeypatch.setattr(review, "small_cases", lambda: small_cases()[:1])
    monkeypatch.setattr(review, "gpu_cases", lambda _: small_cases()[:2])
    monkeypatch.setattr(review, "check_model", lambda *_: Compared(16, 1e-4, 2e-4))
    monkeypatch.setattr(review, "measure_model", lambda *_: MODEL)
    monkeypatch.setattr(review, "computed_rows", lambda _: ())
    monkeypatch.setattr(review, "model_sizes", lambda _: None)


MODEL = GpuModelRow(
    model="2b4t", checked=16, median=1e-4, worst=2e-4, launches=9, seconds=5e-4, low=4e-4,
    high=6e-4, samples=50, host_tokens_per_second=1500.0, prefill_tokens_per_second=9000.0,
    operations={"qkv": 1e-4, "down": 2e-4}, bytes=10**9, clock=0, default=0, discarded=0,
)  # fmt: skip
NOT_ON_A_GPU = "model decode on a GPU: skipped (no-gpu-available)"


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    device.gpu.cache_clear()
    yield
    device.gpu.cache_clear()


@pytest.fixture
def session(cupy, monkeypatch):
    """A GPU with cuBLAS."""
    cupy.carried_out = 1
    monkeypatch.setattr(gpu_session, "Cublas", lambda made: Cublas(made, MadeUpCublas(made)))
    monkeypatch.setattr(review.GpuSession, "ceilings", lambda _: None)
    return cupy


def run(tmp_path, *arguments):
    with pytest.raises(SystemExit) as ended:
        main(["gpu-report", "-o", str(tmp_path), *arguments])
    found = json.loads((tmp_path / "gpu-report.json").read_text())
    return ended.value.code, found, (tmp_path / "gpu-report.md").read_text()


@NEEDS_COMPILER
@NEEDS_DISASSEMBLER
@pytest.mark.usefixtures("short", "no_gpu")
def test_without_a_gpu_it_checks_what_it_can_and_states_no_time(tmp_path, capsys):
    code, found, page = run(tmp_path)
    assert code == 6
    assert found["verdict"] == "skipped"
    assert found["evidence"] == SKIPPED
    assert found["gate"] == "review:gate:perf = skipped (no-gpu-available)"
    assert found["gate"] in page
    assert found["rows"] == []
    assert found["skipped"].startswith("CuPy is not installed")
    assert {(c["place"], c["fault"]) for c in found["checks"]} == {
        ("machine code", ""),
        ("CPU", ""),
    }
    assert page.startswith("# GPU report: skipped (no-gpu-available)\n")
    assert "quantize_activations/q8_act_f32 for sm_90a" in page
    assert " us" not in page
    assert f"- Not checked: {NOT_ON_A_GPU}" in page
    assert "model decode, tiny" in [check["name"] for check in found["checks"]]
    assert "skipped: 4 checks, 0 faults, 0 cases measured" in capsys.readouterr().out


@pytest.mark.usefixtures("short", "no_gpu")
def test_a_fault_is_told_and_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(review.nvrtc, "why_not", lambda: "NVRTC is missing")
    broken = replace(
        small_cases()[0], plan=lambda machine: replace(small_cases()[0].plan(machine), launches=())
    )
    monkeypatch.setattr(review, "small_cases", lambda: (broken,))
    code, found, page = run(tmp_path, "--quiet")
    assert code == 1
    assert found["verdict"] == "fail"
    assert found["unchecked"] == [NOT_ON_A_GPU, "machine code: NVRTC is missing"]
    assert "40 of 40 values are wrong" in page


@NEEDS_COMPILER
@pytest.mark.usefixtures("short")
def test_a_gpu_is_measured(session, tmp_path, monkeypatch):
    monkeypatch.setattr(review, "_machine_code", lambda *_: iter(()))
    session.costs = {k.name: 5e-6 for k in catalog.KERNELS} | {"cublas.f16": 1e-5}
    code, found, page = run(tmp_path)
    assert (code, found["verdict"], found["device"]) == (0, "pass", "Card")
    first, second = found["rows"]
    assert [first["seconds"], second["seconds"]] == pytest.approx([5e-6, 5e-6])
    assert second["peers"]["cublas.f16"] == pytest.approx(1e-5)
    assert found["model"]["seconds"] == 5e-4
    assert "2b4t: 2000 tokens/s on the device" in page
    assert page.index("| down | 200.0 |") < page.index("| qkv | 100.0 |")
    assert "| 5.00 | 5.00 to 5.00 | 5.00 |" in page.replace("*", "")
    assert found["evidence"] == "perf: gpu: mixed precision: skipped (not measured)"


@NEEDS_COMPILER
@pytest.mark.usefixtures("short")
def test_a_lost_context_ends_the_measuring(session, tmp_path, monkeypatch):
    monkeypatch.setattr(review, "_machine_code", lambda *_: iter(()))
    session.fail = CUDARuntimeError(700, "CUDA_ERROR_ILLEGAL_ADDRESS: an illegal access")
    code, found, _ = run(tmp_path, "--quiet")
    assert code == 1
    assert len(found["left_out"]) == 1
    lost = [c["fault"] for c in found["checks"] if c["place"] == "GPU" and c["fault"]]
    assert "the CUDA context of this process is lost" in lost[-1]


@NEEDS_COMPILER
@pytest.mark.usefixtures("short", "session")
def test_what_the_time_does_not_reach_is_left_out(monkeypatch):
    monkeypatch.setattr(review, "_machine_code", lambda *_: iter(()))
    found = review.gpu_report(seconds=-1)
    assert found.exit_code == 6
    first, second = (case.name for case in small_cases()[:2])
    assert found.left_out == (
        "model decode, 2b4t", first, second, f"on the CPU: {first}, in_order",
        f"on the CPU: {first}, greedy_reversed", "on the CPU: model decode, tiny",
    )  # fmt: skip
    page = markdown(found)
    assert page.startswith("# GPU report: skipped")
    assert f"## Left out\n\n- model decode, 2b4t\n- {first}\n" in page


@NEEDS_COMPILER
@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("slow", ["measure", "measure_model"])
def test_a_report_that_leaves_something_out_does_not_pass(session, monkeypatch, slow):
    """A low clock is no fault of a case, and no time either."""
    session.costs = {k.name: 5e-6 for k in catalog.KERNELS}
    monkeypatch.setattr(review, "_machine_code", lambda *_: iter(()))

    def refuse(*_):
        raise SlowClock("this case: the clock was below 75%")

    if slow == "measure_model":
        monkeypatch.setattr(review, slow, refuse)
    else:
        own = review.GpuSession.measure
        monkeypatch.setattr(
            review.GpuSession, slow,
            lambda s, case: refuse() if case.name == small_cases()[1].name else own(s, case),
        )  # fmt: skip
    found = review.gpu_report()
    assert (found.verdict, found.exit_code) == ("incomplete", 6)
    assert found.left_out == ("this case: the clock was below 75%",)
    assert not any(check.fault for check in found.checks)
    assert markdown(found).startswith("# GPU report: incomplete")


@NEEDS_COMPILER
@pytest.mark.usefixtures("short")
def test_the_second_gpu_is_called_by_its_name(session, monkeypatch):
    """Whatever the first one is: here one that nothing is compiled for."""
    monkeypatch.setattr(review, "_machine_code", lambda *_: iter(()))
    known = session.cuda.runtime.getDeviceProperties
    old = {"name": b"Old", "major": 3, "minor": 5}
    session.cuda.runtime.getDeviceProperties = lambda n: {**known(n), **(old if n == 0 else {})}
    device.gpu.cache_clear()
    session.costs = {k.name: 5e-6 for k in catalog.KERNELS}
    session.current = 1
    found = review.gpu_report()
    assert (found.device, found.verdict) == ("Card", "pass")
    session.current = 0
    assert not device.available()[0]
    session.current = 1
    assert device.available()[0]


def row(peers, seconds=2e-4):
    return GpuRow(
        case=mixed_case().name, kernels=("k",), seconds=seconds, low=1e-4, high=3e-4, samples=50,
        launches=20, cold=True, flushed=2e-4, host=3e-4, clock=0, default=0, discarded=0, checked=1,
        bytes=1, packed=0, ops=1, peers=peers, absent={},
    )  # fmt: skip


def test_share_of_floor_and_launch():
    limits = GpuCeilings(copy_gb_per_s=1000.0, bf16_tflop_per_s=None, launch=2e-6)
    case = row({}, seconds=10e-6).model_copy(update={"bytes": 6_000_000})
    assert case.of_floor(limits) == pytest.approx(0.8)


def test_the_evidence_line_is_the_ratio_of_one_row():
    found = gpu_words(row({"cublas.f32": 1.5e-3}), "", "r1", "run.json")
    assert text_of(found) == "perf: gpu: mixed precision: FP16 7.5x speedup vs FP32"
    found = gpu_words(row({}), "", "r1", "run.json")
    assert text_of(found) == "perf: gpu: mixed precision: skipped (FP32 was not measured)"
    assert text_of(gpu_words(None, "no-gpu-available", "r1", "run.json")) == SKIPPED
    report = GpuReport(
        run="r", date="2026-01-01", tool="0", seconds=1, device="Card", driver="13.0",
        nvrtc="13", clocks="pynvml", skipped="", checks=(), unchecked=(), ceilings=None,
        rows=(row({"cublas.f32": 1e-3}),), left_out=(),
    )  # fmt: skip
    assert report.evidence == "perf: gpu: mixed precision: FP16 5.0x speedup vs FP32"
    assert GpuReport.model_validate_json(report.model_dump_json()) == report
    assert "cublas.f32 1000.0 (5.00x)" in markdown(report)


@NEEDS_COMPILER
def test_mixed_precision_is_measured_or_says_why_not(session, monkeypatch):
    small = next(c for c in small_cases() if "mixed_matmul/f16" in c.name)
    monkeypatch.setattr(gpu_session, "mixed_case", lambda: replace(small, peers=("f16", "f32")))
    session.costs = {"matmul_fp16/n64_m64": 1e-6, "cublas.f32": 3e-6}
    found = mixed_precision()
    assert found.why == ""
    assert found.row.speedup("cublas.f32") == pytest.approx(3)
    session.launches.clear()
    monkeypatch.setattr(gpu_session, "mixed_case", lambda: small)
    assert mixed_precision() == Mixed(None, "FP32 was not measured")
    session.fail = CUDARuntimeError(1, "cudaErrorInvalidValue: invalid (argument)")
    found = mixed_precision()
    assert found.row is None
    assert "(" not in found.why


@pytest.mark.usefixtures("no_gpu")
def test_mixed_precision_without_a_gpu():
    assert mixed_precision() == Mixed(None, "no-gpu-available")


@NEEDS_COMPILER
def test_a_pyperf_value_is_the_time_of_launches(cupy):
    case = small_cases()[0]
    cupy.costs = {"gemv_w2a8/m1_f32_f32": 4e-6}
    bounds, checked = ready(case, on_device())
    assert checked == 40
    cupy.carried_out = 1
    assert replayer([b.launch for b in bounds], "x")(7) == pytest.approx(7 * 4e-6)
    calls = [b.launch for b in bounds]
    assert singles(calls, "flushed", "x")(5) == pytest.approx(5 * 4e-6)
    assert singles(calls, "host", "x")(5) > 0
    broken = replace(case, plan=lambda machine: replace(case.plan(machine), launches=()))
    with pytest.raises(MeasurementError, match="nothing was timed"):
        ready(broken, on_device())


def test_a_mode_that_is_none_is_told():
    code = "from bitnet_perf.bench.gpu_suite import run_gpu_suite; run_gpu_suite()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--modes", "graph,cold"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "modes: found 'graph,cold', accepted are graph, flushed, host" in done.stderr


def test_the_suite_is_skipped_without_a_gpu():
    code = (
        "import sys; sys.modules['cupy'] = None\n"
        "from bitnet_perf.bench.gpu_suite import run_gpu_suite; run_gpu_suite()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 6
    assert done.stderr.startswith("skipped (no-gpu-available): CuPy is not installed")
    assert done.stdout == ""
