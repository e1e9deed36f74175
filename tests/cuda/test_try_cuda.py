"""`try my.cu`: executed on the CPU, inspected, and on a (made-up) GPU compared."""

from __future__ import annotations

import json

import pytest
from cuda_build import NEEDS_COMPILER, NEEDS_DISASSEMBLER

from bitnet_perf.bench import gpu_candidate
from bitnet_perf.bench.gpu_candidate import check_on_cpu, replaced
from bitnet_perf.cli import main
from bitnet_perf.errors import ConfigError
from bitnet_perf.kernels.cuda import device
from bitnet_perf.kernels.cuda.device import Gpu
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


@pytest.mark.parametrize("family", ["gemm_w2a8", "matmul_fp16"])
def test_other_families(family, monkeypatch):
    monkeypatch.setattr(gpu_candidate, "SHAPES", ((16, 128), (24, 136)))
    file = sources() / ("matmul.cu" if family == "matmul_fp16" else f"{family}.cu")
    found = replaced(file, family, (5, 48, 256))
    assert found.candidate.name.startswith(f"{family}/")
    assert check_on_cpu(found).right


@pytest.mark.usefixtures("no_gpu")
def test_what_is_no_candidate(mine, tmp_path):
    for family, shape, said in (
        ("gemv_i2_s", SHAPE, "accepted for a .cu file are gemv_w2a8, gemm_w2a8"),
        ("gemm_w2a8", "1x48x256", "gemm_w2a8 does not run for 1x48x256, there gemv_w2a8 does"),
        ("gemv_w2a8", "48", "shape: found '48', accepted for gemv is NxK"),
    ):
        with pytest.raises(ConfigError, match=said):
            try_cuda(mine(), family, shape)
    with pytest.raises(ConfigError, match="there is no such file"):
        try_cuda(tmp_path / "none.cu", "gemv_w2a8", SHAPE)
    with pytest.raises(ConfigError, match="does not compile for the CPU"):
        try_cuda(mine(word="constexpr int gemv_depth", other="nonsense"), "gemv_w2a8", SHAPE)


@NEEDS_COMPILER
@pytest.mark.parametrize(
    ("cost", "expected"), [(1e-5, ("pass", 0)), (2e-5, ("action", 1)), (5e-6, ("improved", 0))]
)
def test_on_a_gpu_it_is_compared(cupy, mine, monkeypatch, cost, expected):
    monkeypatch.setattr(review, "_code", lambda *_: "not asked for")
    monkeypatch.setattr(review, "check_on_cpu", lambda _: gpu_candidate.Checked(True, "", 1, 0.0))
    file = mine()
    base = "gemv_w2a8/m1_bf16_bf16"
    cupy.carried_out = 1
    cupy.costs = {base: 1e-5, f"{base} of mine.cu": cost}
    found = try_cuda(file, "gemv_w2a8", SHAPE, pairs=10)
    assert (found.verdict, found.exit_code) == expected
    assert found.slowdown == pytest.approx(cost / 1e-5 - 1)
    assert json.loads(json.dumps(found.to_dict()))["pairs"] == 10
    assert found.lines[-1] == f"verdict: {expected[0]}"


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
