"""`try my.cu`: executed on the CPU, inspected, and on a (made-up) GPU compared."""

from __future__ import annotations

import json

import numpy as np
import pytest
from cuda_build import NEEDS_COMPILER, NEEDS_DISASSEMBLER

from bitnet_perf.analyze.paired.verdict import Decision
from bitnet_perf.bench import gpu_candidate
from bitnet_perf.bench.gpu_candidate import check_on_cpu, replaced
from bitnet_perf.bench.gpu_cases import small_cases
from bitnet_perf.bench.gpu_cycles import Stamps
from bitnet_perf.cli import main
from bitnet_perf.errors import ConfigError, MeasurementError
from bitnet_perf.kernels.cuda import device, emulate
from bitnet_perf.kernels.cuda.catalog import find
from bitnet_perf.kernels.cuda.device import Gpu
from bitnet_perf.kernels.cuda.geometry import Geometry
from bitnet_perf.kernels.cuda.launch import on_device
from bitnet_perf.kernels.cuda.plans.plan import H200
from bitnet_perf.kernels.cuda.toolchain import sources
from bitnet_perf.review import try_cuda as review
from bitnet_perf.review.try_cuda import try_cuda

SHAPE = "48x256"


@pytest.fixture
def mine(tmp_path):
    """A copy of a kernel's file, one word of it replaced."""

    def copy(name="gemv_w2a8", word="", other=""):
        text = (sources() / f"{name}.cu").read_text()
        assert word in text
        file = tmp_path / "mine.cu"
        file.write_text(text.replace(word, other, 1) if word else text)
        return file

    return copy


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(device, "gpu", lambda: Gpu((), "", "no NVIDIA driver"))


@NEEDS_COMPILER
@NEEDS_DISASSEMBLER
@pytest.mark.usefixtures("no_gpu")
def test_without_a_gpu_it_is_checked_and_inspected(mine, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["try", str(mine()), "--family", "gemv_w2a8", "--shape", SHAPE])
    assert ended.value.code == 6
    text = capsys.readouterr().out
    assert "check on the CPU: right (8 launches)" in text
    assert "base, sm_90a: 128 registers, 0 bytes spilled" in text
    assert "mine, sm_90a: 128 registers" in text
    assert "time: skipped (no-gpu-available): no NVIDIA driver" in text
    assert "verdict: skipped" in text


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize(
    ("word", "other", "said"),
    [
        ("sum += __shfl_xor_sync(all_lanes, sum, 1);", "", "values are wrong"),
        ("  __syncthreads();\n\n  gemv_sums", "\n  gemv_sums", "that nobody wrote"),
        ("blockIdx.x * 16 + threadIdx.x % 16;\n  if (m >= M || row >= N)",
         "blockIdx.x * 16 + threadIdx.x % 16;\n  if (m >= M)", "y"),
    ],
)  # fmt: skip
def test_a_wrong_candidate_is_told_and_not_timed(mine, monkeypatch, word, other, said):
    monkeypatch.setattr(review.nvrtc, "why_not", lambda: "NVRTC is missing")
    found = try_cuda(mine(word=word, other=other), "gemv_w2a8", SHAPE)
    assert (found.verdict, found.exit_code) == ("wrong", 1)
    assert said in found.checked.reason
    assert found.code == "NVRTC is missing"
    assert found.to_dict()["slowdown"] is None


@pytest.mark.parametrize(
    ("family", "file", "shape"),
    [
        ("gemm_w2a8", "gemm_w2a8", "5x48x256"),
        ("matmul_fp16", "matmul", "5x48x256"),
        ("gemm_w2a16", "gemm_w2a16", "5x48x256"),
        ("gemm_w2a16", "gemm_w2a16", "5x48x257"),
        ("convert/f32_bf16", "convert", "1024"),
    ],
)
def test_other_families(family, file, shape, monkeypatch):
    monkeypatch.setattr(gpu_candidate, "SHAPES", ((16, 128), (24, 136)))
    found = replaced(sources() / f"{file}.cu", family, shape)
    assert found.candidate.name.startswith(family)
    ran = [x.kernel for x in found.case(found.candidate).plan(H200).launches]
    assert ran.count(found.candidate) == 1
    assert found.base not in ran
    assert check_on_cpu(found).right


def test_a_wrong_conversion_is_found(mine):
    file = mine("convert", "from_float<Y>(", "from_float<Y>(1.0f + ")
    checked = check_on_cpu(replaced(file, "convert/f32_f16", "1024"))
    assert not checked.right
    assert "values are wrong" in checked.reason


def test_every_family_of_a_case_can_be_replaced():
    """Each case that runs a kernel once, alone or behind another."""
    launched = {
        launch.kernel.family for case in small_cases() for launch in case.plan(H200).launches
    }
    assert launched <= set(gpu_candidate.cuda_families())


@pytest.mark.usefixtures("no_gpu")
def test_what_is_no_candidate(mine, tmp_path):
    for family, shape, said in (
        ("gemv_i2_s", SHAPE, "accepted for a .cu file are gemv_w2a8, gemm_w2a8"),
        ("gemm_w2a8", "1x48x256", "gemm_w2a8 does not run for 1x48x256, there gemv_w2a8 does"),
        ("gemv_w2a8", "48", "shape: found '48', accepted for gemv is NxK"),
        ("gemv_w2a8", "", "shape: found '', accepted for gemv_w2a8 is MxNxK, NxK for gemv"),
        ("convert", "1024", "several kernels for 1024, accepted are convert/f32_f16, convert/"),
        ("convert/f32_f16", "77", "shape: found '77', accepted for convert/f32_f16 are 1001"),
        ("convert/f16_f16", "1024", "accepted for convert/f16_f16 are none: no case runs it"),
    ):
        with pytest.raises(ConfigError, match=said):
            try_cuda(mine(), family, shape)
    with pytest.raises(ConfigError, match="there is no such file"):
        try_cuda(tmp_path / "none.cu", "gemv_w2a8", SHAPE)
    with pytest.raises(ConfigError, match="does not compile for the CPU"):
        try_cuda(mine(word="constexpr int gemv_depth", other="nonsense"), "gemv_w2a8", SHAPE)


BASE = "gemv_w2a8/m1_bf16_bf16"


@pytest.fixture
def timed(cupy, mine, monkeypatch):
    """A function of seconds and cycles of a candidate, by the base's 10 us and 10 000 cycles."""
    monkeypatch.setattr(review, "_code", lambda *_: "not asked for")
    monkeypatch.setattr(review, "check_on_cpu", lambda _: gpu_candidate.Checked(True, "", 1, 0.0))
    file = mine()

    def costs(time, cycles):
        cupy.carried_out = 1
        cupy.costs = {BASE: 1e-5, f"{BASE} of mine.cu": 1e-5 * time}
        cupy.cycle_costs = {BASE: 1e4, f"{BASE} of mine.cu": 1e4 * cycles}
        return file

    return costs


@NEEDS_COMPILER
@pytest.mark.parametrize(
    ("time", "cycles", "expected"),
    [
        (1.0, 1.0, ("pass", 0)),
        (2.0, 2.0, ("action", 1)),
        (0.5, 0.5, ("improved", 0)),
        (1.07, 2.0, ("concern", 3)),
        (2.0, 1.07, ("concern", 3)),
        (0.5, 1.0, ("pass", 0)),
        (2.0, 1.0, ("inconclusive", 4)),
        (1.0, 2.0, ("inconclusive", 4)),
        (0.5, 2.0, ("inconclusive", 4)),
    ],
)
def test_on_a_gpu_it_is_compared_on_time_and_cycles(timed, time, cycles, expected):
    found = try_cuda(timed(time, cycles), "gemv_w2a8", SHAPE, pairs=20)
    assert (found.verdict, found.exit_code) == expected
    told = json.loads(json.dumps(found.to_dict()))
    assert told["slowdown"] == pytest.approx(time - 1)
    assert told["slowdown_cycles"] == pytest.approx(cycles - 1, rel=1e-3)
    assert told["pairs"] == 20
    contradict = (time > 1.05) != (cycles > 1.05)
    assert ("so the clock of the GPU moved" in told["reason"]) == contradict
    assert found.lines[-1] == f"verdict: {expected[0]}"


def test_a_side_that_is_not_known_gives_no_verdict():
    known = Decision("pass", "pass", 0, (), "inside", True, None)
    other = Decision("inconclusive", "closed", 0, (), "holds the margin", False, None)
    for pair in ((known, other), (other, known)):
        found = review.agreed(*pair)
        assert (found.verdict, found.gate, found.settled) == ("inconclusive", "closed", False)
        assert "holds the margin" in found.reason


@NEEDS_COMPILER
def test_time_that_is_spent_ends_it(timed):
    found = try_cuda(timed(2.0, 2.0), "gemv_w2a8", SHAPE, time_budget=1e-9)
    assert (found.verdict, found.exit_code) == ("inconclusive", 4)
    assert found.to_dict()["pairs"] == 0
    assert found.slowdown is None


@NEEDS_COMPILER
def test_the_raw_file_holds_every_sample(timed, tmp_path, capsys):
    raw = tmp_path / "raw.npz"
    with pytest.raises(SystemExit) as ended:
        main(["try", str(timed(1.0, 1.0)), "--family", "gemv_w2a8", "--shape", SHAPE, "--pairs",
              "8", "--time-budget", "5m", "-o", str(raw), "--json", "-"])  # fmt: skip
    assert ended.value.code == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == "pass"
    with np.load(raw) as kept:
        shapes = {name: kept[name].shape for name in kept.files}
        assert shapes == {"look": (160,), **dict.fromkeys(("side", "milliseconds", "cycles"),
                                                          (160, 4))}  # fmt: skip
        assert np.allclose(kept["cycles"], 1e6 * kept["milliseconds"], rtol=1e-3)


@pytest.mark.parametrize("option", [("--threads", "2"), ("--against", "x86_avx2")])
def test_options_that_mean_nothing_are_refused(mine, capsys, option):
    with pytest.raises(SystemExit) as ended:
        main(["try", str(mine()), "--family", "gemv_w2a8", "--shape", SHAPE, *option])
    assert ended.value.code == 2
    said = " ".join(capsys.readouterr().err.split())
    assert f"{option[0]}: found" in said
    assert "means nothing for a .cu file; accepted there are --family" in said


@NEEDS_COMPILER
def test_multiprocessors_that_no_stamp_reached_are_left_out(cupy):
    stamps = Stamps(on_device())
    stamps.clear()
    for moment in range(stamps.MOMENTS):
        cupy.cycles += 100 * moment
        stamps.put(moment)
        stamps.cycles[moment, moment] = 0
    assert list(stamps.between()) == [100, 200, 300, 400]
    stamps.cycles[2] = 0
    with pytest.raises(MeasurementError, match="no multiprocessor has a stamp before and after"):
        stamps.between()


@NEEDS_COMPILER
def test_a_stamp_on_the_cpu():
    """On the emulator blocks have multiprocessors of their own, and the clock counts."""
    stamp = find("clock_stamp/u64")
    cycles = np.zeros(7, np.uint64)
    emulate.launch(stamp, Geometry((9, 1, 1), (32, 1, 1), 0), [cycles[:6], np.int32(6)])
    assert len(set(cycles[:6])) == 6
    assert cycles[:6].min() > 0
    assert cycles[6] == 0


@NEEDS_COMPILER
def test_a_file_that_was_edited_is_another_candidate(cupy, mine, monkeypatch):
    monkeypatch.setattr(review, "_code", lambda *_: "not asked for")
    monkeypatch.setattr(review, "check_on_cpu", lambda _: gpu_candidate.Checked(True, "", 1, 0.0))
    cupy.carried_out = 1
    cupy.costs = dict.fromkeys(
        ("gemv_w2a8/m1_bf16_bf16", "gemv_w2a8/m1_bf16_bf16 of mine.cu"), 1e-5
    )
    assert try_cuda(mine(), "gemv_w2a8", SHAPE, pairs=10).exit_code == 0
    cupy.launches.clear()
    wrong = mine(word="sum += __shfl_xor_sync(all_lanes, sum, 1);")
    assert try_cuda(wrong, "gemv_w2a8", SHAPE, pairs=10).verdict == "wrong"


@NEEDS_COMPILER
def test_a_candidate_that_is_wrong_on_the_gpu_alone(cupy, mine, monkeypatch):
    monkeypatch.setattr(review, "_code", lambda *_: "not asked for")
    monkeypatch.setattr(review, "check_on_cpu", lambda _: gpu_candidate.Checked(True, "", 1, 0.0))
    file = mine(word="sum += __shfl_xor_sync(all_lanes, sum, 1);")
    found = try_cuda(file, "gemv_w2a8", SHAPE)
    assert found.exit_code == 1
    assert "nothing was timed" in found.checked.reason
    assert not cupy.graphs
