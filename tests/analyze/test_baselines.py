"""Which records are refused as baselines, and why: by rule, and the real ones of BitNet.rs."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from reference.results_files import FILES, GATE_CHECK, GOLDEN, XTASK_BENCHMARK, XTASK_RECEIPT

import bitnet_perf as bp
from bitnet_perf.analyze.baselines import why_refused
from bitnet_perf.peers.cargo_console import classify
from bitnet_perf.peers.results import RATE, Claims, ResultRow, Stated

SOUND = Claims(
    commit="0a1b2c3d",
    kernels=("i2s_gemv", "rope_apply"),
    statements={"compute_path": "real", "generated_text": "They mock him"},
    mean=Stated("ms_per_token", 0.025),
    middle=Stated("p50_ms", 0.024),
    tokens=64,
    total=Stated("total_ms", 1.9),
    part=Stated("generation_ms", 1.7),
    bytes_per_token=500_000_000,
    passed=True,
)


def row(rate: float = 40.0, unit: str = RATE, **claims: object) -> ResultRow:
    return ResultRow("case", (rate,), unit, {}, "file", (1,), replace(SOUND, **claims))


def refused(record: ResultRow, **limits: object) -> list[tuple[str, str]]:
    return [(each.rule, str(each)) for each in why_refused(record, **limits)]


def test_a_sound_record_may_be_one():
    assert refused(row()) == []
    assert refused(row(), gb_per_s=20.5) == []
    assert refused(row(0.02, "second", tokens=None)) == []


@pytest.mark.parametrize("kernels", [("mock_inference",), ("i2s_gemv", "Mock_GEMV"), ("x_mock",)])
def test_a_kernel_that_says_mock(kernels):
    assert refused(row(kernels=kernels)) == [("mock", f"kernel {kernels[-1]!r}")]


def test_a_kernel_of_another_word():
    assert refused(row(kernels=("hammock_gemv",))) == []


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("compute_path", "mock"),
        ("compute_path", "mocked"),
        ("compute_path", "simulated"),
        ("summary", "inference: 0.0 tok/s (mock-mode)"),
        ("generated_text", "Once [Mock inference: 64 tokens generated]"),
    ],
)
def test_a_run_that_says_mock(field, text):
    ((rule, words),) = refused(row(statements={field: text}))
    assert rule == "mock"
    assert words.startswith(f"{field}: ")


@pytest.mark.parametrize(("claims", "text"), [
    ({"error": "no model"}, "the run failed: no model"),
    ({"passed": False}, "the run failed: it says so"),
])  # fmt: skip
def test_a_run_that_failed(claims, text):
    assert refused(row(**claims)) == [("failed", text)]


def test_no_speed():
    assert refused(row(0.0)) == [("no speed", "0 tokens/s, and calls that a pass")]
    assert refused(row(-1.0, passed=None)) == [("no speed", "-1 tokens/s")]


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (51.0, "51 tokens/s, but ms_per_token 25 a token are 40 tokens/s"),
        (31.0, "31 tokens/s, but ms_per_token 25 a token are 40 tokens/s"),
    ],
)
def test_a_rate_that_its_mean_contradicts(rate, text):
    found = refused(row(rate, total=None))
    assert found == [("contradiction", text)]
    assert refused(row(49.0, total=None)) == refused(row(33.0, total=None)) == []


def test_a_rate_that_its_median_contradicts():
    """Half of the tokens took the median or longer: no rate is above two of them a median."""
    claims = {"mean": None, "total": None, "middle": Stated("latency_p50_ms", 0.02)}
    assert refused(row(99.0, **claims)) == []
    text = "101 tokens/s, but latency_p50_ms 20 allow at most 100 tokens/s"
    assert refused(row(101.0, **claims)) == [("contradiction", text)]
    assert refused(row(1.0, **claims)) == []  # a few slow tokens may take any time


def test_a_rate_that_its_total_contradicts():
    claims = {"mean": None, "middle": None, "part": None, "total": Stated("total_ms", 1.0)}
    assert refused(row(52.0, **claims)) == []
    text = "40 tokens/s: 64 tokens would take 1.6 s, but total_ms 1000 hold them"
    assert refused(row(40.0, **claims)) == [("contradiction", text)]
    assert refused(row(200.0, **claims)) == []  # the total holds more than these tokens


def test_a_part_longer_than_its_total():
    found = refused(row(total=Stated("total_ms", 1.65)))
    assert found == [("contradiction", "generation_ms 1700 are part of total_ms 1650")]


def test_more_than_the_memory_gives():
    text = "40 tokens/s of 0.5 GB read 20 GB/s, more than the 19 of its host"
    assert refused(row(), gb_per_s=19.0) == [("roofline", text)]
    assert refused(row(bytes_per_token=None), gb_per_s=19.0) == []
    assert refused(row(bytes_per_token=None), gb_per_s=19.0, bytes_per_token=500_000_000)


def test_a_time_of_many_tokens_has_a_rate():
    """As llama-bench gives it: seconds of a whole test."""
    claims = {"mean": None, "middle": None, "total": None, "part": None}
    found = refused(row(1.6, "second", **claims), gb_per_s=19.0)
    assert [rule for rule, _ in found] == ["roofline"]


@pytest.mark.parametrize("commit", [None, "", "baseline", "unknown", "0a1b2c", "v1.0", "x" * 5000])
def test_no_commit(commit):
    ((rule, text),) = refused(row(commit=commit))
    assert rule == "no commit"
    assert len(text) < 150


def test_rates_of_several_runs():
    several = replace(row(), samples=(40.0, 0.0, 300.0), runs=(3,))
    assert [rule for rule, _ in refused(several)] == ["no speed", *["contradiction"] * 2]


def read(tmp_path: Path, value: object) -> bp.Results:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(value))
    return bp.read_results(path)


def rules(found: bp.Results) -> set[str]:
    return {reason.rule for each in found for reason in why_refused(each)}


def test_look_alikes(tmp_path):
    """Records as some projects keep them."""
    assert rules(read(tmp_path, XTASK_BENCHMARK)) == set()
    assert rules(read(tmp_path, GATE_CHECK)) == set()
    assert rules(read(tmp_path, XTASK_RECEIPT)) == {"no commit"}
    mock = XTASK_RECEIPT | {"kernels": ["mock_inference"], "tokens_per_second": 200.0}
    assert rules(read(tmp_path, mock)) == {"mock", "no commit"}
    metrics = GATE_CHECK["metrics"] | {"tokens_per_second": 0.0}
    assert rules(read(tmp_path, GATE_CHECK | {"metrics": metrics})) == {"no speed"}


@pytest.mark.parametrize("name", FILES)
def test_every_sample_file_is_judged(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(FILES[name][1])
    assert rules(bp.read_results(path)) <= {"no commit"}


# File -> the rules that its rate breaks.
RECORDS = {
    "baselines_cpu-main.json": {"contradiction", "no commit"},
    "baselines_cuda-main.json": {"contradiction", "no commit"},
    "ci_baseline.json": {"no commit"},
    "ci_inference.json": {"no speed", "no commit"},
    "ci_inference_gpu.json": {"mock", "contradiction", "no commit"},
    "ci_receipts_pr-466_gate-benchmarks.json": {"mock", "no speed"},
    "crossval_baselines.json": {"contradiction", "no commit"},
    "docs_baselines_20251015-cpu.json": {"no speed", "no commit"},
    "docs_tdd_receipts_baseline_parity_cpu.json": {"contradiction", "no commit"},
    "docs_tdd_receipts_cpu_positive.json": {"contradiction", "no commit"},
    "xtask_ci_inference.json": {"mock", "no commit"},
}


@pytest.mark.parametrize("name", RECORDS)
def test_records_of_bitnet_rs(name):
    golden = os.environ.get("BITNET_PERF_GOLDEN")
    if not golden:
        pytest.skip("BITNET_PERF_GOLDEN is not set: bitnet_rs_records may not be copied")
    found = bp.read_results(Path(golden) / "bitnet_rs_records" / name)
    assert rules(found) == RECORDS[name]
    assert all(why_refused(each) for each in found)


CONSOLES = {
    "kernels-mixed_precision_bench-features-cpu.txt": "measured nothing: 0 tests run",
    "kernels-mixed_precision_bench-features-gpu.txt": "measured nothing: does not link: libcuda",
    "quantization-comprehensive_tests-accuracy.txt": "measured nothing: test failed: integration",
    "quantization-comprehensive_tests.txt": "measured nothing: test failed: integration",
    "quantization-simd_comparison.txt": "measured nothing: only ignored tests (1)",
    "quantization-simd_comparison-features-cpu.txt": "measured nothing: only ignored tests (1)",
    "quantization-quantization.txt": None,
    "quantization-quantization-t1.txt": None,
}


@pytest.mark.parametrize("name", CONSOLES)
def test_consoles_that_measured_nothing(name):
    found = why_refused(classify((GOLDEN.parent / "cargo_console" / name).read_text()))
    expected = CONSOLES[name]
    if expected is None:
        assert found == ()
    else:
        (reason,) = found
        assert reason.rule == "nothing measured"
        assert str(reason).startswith(expected)
