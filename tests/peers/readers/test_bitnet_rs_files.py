"""The files of BitNet.rs: `xtask benchmark`, both receipts, baselines and records of gates."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from reference.results_files import (
    BITNET_RECEIPT,
    CI_BASELINE,
    CROSSVAL,
    GATE_CHECK,
    GATE_RUN,
    METRICS,
    PARITY,
    XTASK_BENCHMARK,
    XTASK_RECEIPT,
)

import bitnet_perf as bp
from bitnet_perf.peers.results import Stated


@pytest.fixture
def read(tmp_path):
    def read(value, **changes) -> bp.Results:
        path = tmp_path / "x.json"
        path.write_text(json.dumps(value | changes))
        return bp.read_results(path)

    return read


def short(found: bp.Results) -> list[tuple[str, float, str]]:
    return [(row.case, *row.samples, row.unit) for row in found]


def test_xtask_benchmark(read):
    found = read(XTASK_BENCHMARK)
    assert short(found) == [
        ("tiny-i2_s.gguf/decode/cpu", 40.0, "token/second"),
        ("tiny-i2_s.gguf/prefill/cpu", 0.08, "second"),
    ]
    claims = found[0].claims
    assert (claims.commit, claims.tokens, claims.passed) == ("0a1b2c3", 64, True)
    assert claims.mean == Stated("performance.ms_per_token", 0.025)
    assert claims.total == Stated("timing.total_ms", 1.81)
    assert claims.statements == {"generated_text": "Once upon a time"}
    assert found[0].source.endswith("x.json: performance.tokens_per_sec")
    assert found.dropped == (
        "timing.warmup_ms: warming up is no measurement", "timing.total_ms: holds the warm-up",
    )  # fmt: skip


@pytest.mark.parametrize("version", ["0.1.0", None, "main"])
def test_xtask_benchmark_of_a_build_that_knows_no_commit(read, version):
    assert read(XTASK_BENCHMARK, version=version)[0].claims.commit is None


def test_xtask_benchmark_below_its_resolution(read):
    found = read(XTASK_BENCHMARK, timing=dict.fromkeys(XTASK_BENCHMARK["timing"], 0))
    assert [row.case for row in found] == ["tiny-i2_s.gguf/decode/cpu"]
    assert "timing.prefill_ms: below its resolution" in found.dropped


def test_the_receipts_are_told_apart(read):
    """Both say version 1.0.0."""
    found = read(XTASK_RECEIPT)
    assert found.kind == "xtask_receipt"
    assert short(found) == [("tiny-i2_s.gguf/decode/cpu", 12.5, "token/second")]
    assert found[0].claims.kernels == ("i2s_gemv", "rope_apply")
    assert found[0].claims.statements == {"compute_path": "real"}
    assert found[0].host == {"os": "linux-x86_64"}
    found = read(BITNET_RECEIPT)
    assert found.kind == "bitnet_receipt"
    assert short(found) == [
        ("tiny-i2_s.gguf/decode/cpu", 10.0, "token/second"),
        ("tiny-i2_s.gguf/first-token/cpu", 0.15, "second"),
    ]
    assert found[0].claims.mean == Stated("performance_baseline.average_token_latency_ms", 0.1)
    assert found[0].host == {"os": "linux-x86_64", "cpu": "A CPU"}


def test_receipts_without_a_speed(read):
    """The command line of BitNet.rs writes the one, a receipt by its builder is the other."""
    without = {key: value for key, value in XTASK_RECEIPT.items() if key != "tokens_per_second"}
    for value, reason in (
        (without, "tokens_per_second: a receipt without tokens_per_second holds no measurement"),
        (BITNET_RECEIPT | {"performance_baseline": {}}, "tokens_per_second: missing"),
    ):
        with pytest.raises(bp.MeasurementError, match=f"nothing was measured: .*{reason}"):
            read(value)


@pytest.mark.parametrize("rate", [0.0, -1.0])
def test_rates_are_read_as_they_stand(read, rate):
    assert read(XTASK_RECEIPT, tokens_per_second=rate)[0].samples == (rate,)


def test_baselines(read):
    found = read(METRICS)
    assert short(found) == [("tiny/decode/cpu", 45.0, "token/second")]
    assert found[0].claims.commit == "0a1b2c3d"
    assert found[0].claims.middle == Stated("metrics.latency_p50_ms", 0.02)
    assert found.dropped == (
        "metrics.ppl: is no speed, or of what is not said (and 2 more)",
        "metrics.latency_p50_ms: stated beside the rate, which it has to agree with (and 1 more)",
    )
    found = read(CI_BASELINE)
    assert short(found) == [
        ("tiny_cpu/decode/cpu", 30.0, "token/second"),
        ("tiny_cpu/rss/cpu", 500 * 2**20, "byte"),
        ("tiny_gpu/decode/gpu", 200.0, "token/second"),
    ]
    assert [row.host for row in found][1:] == [{"cpu": "A CPU"}, {"cpu": "A CPU", "gpu": "A GPU"}]
    found = read(CROSSVAL)
    assert short(found) == [("rust_implementation/decode/linux-x86_64", 50.0, "token/second")]
    assert "baselines.linux-x86_64.cpp_legacy: nothing is recorded" in found.dropped


def test_a_parity_record_times_nothing(read):
    with pytest.raises(bp.MeasurementError, match="nothing was measured: parity: a parity record"):
        read(PARITY)


def test_records_of_gates(read):
    found = read(GATE_CHECK)
    assert short(found) == [
        ("some:gate/decode/cpu", 20.0, "token/second"), ("some:gate/prefill/cpu", 0.3, "second"),
    ]  # fmt: skip
    claims = found[0].claims
    assert (claims.commit, claims.passed) == ("0a1b2c3d4e5f", True)
    assert claims.statements == {"compute_path": "real", "summary": "inference: 20 tok/s"}
    found = read(GATE_RUN)
    assert short(found)[0] == ("tiny-i2_s.gguf/decode/cpu", 20.0, "token/second")
    assert found[0].claims.part == Stated("performance_baseline.generation_ms", 0.5)


WRONG = [
    (XTASK_BENCHMARK, {"performance": {"tokens_per_sec": "4"}}, "performance.tokens_per_sec: '4'"),
    (XTASK_BENCHMARK, {"timing": []}, "timing: list of 0; accepted: a JSON object"),
    (XTASK_BENCHMARK, {"device": None}, "device: nothing; accepted: a non-empty string"),
    (XTASK_BENCHMARK, {"samples": []}, "samples: list of 0; accepted: one or more runs"),
    (XTASK_BENCHMARK, {"samples": [{"prefill": 1, "decode": 0}]}, "samples[0].decode: 0"),
    (XTASK_BENCHMARK, {"samples": [{"prefill": 1}], "tokens_generated": 2}, "decode: nothing"),
    (XTASK_RECEIPT, {"schema_version": "1.1.0"}, "schema_version: '1.1.0'; accepted: 1.0.0, 1.0"),
    (XTASK_RECEIPT, {"kernels": "x"}, "kernels: 'x'; accepted: a list"),
    (XTASK_RECEIPT, {"kernels": [3]}, "kernels[0]: 3; accepted: a non-empty string"),
    (XTASK_RECEIPT, {"kernels": ["k"] * 10_001}, "kernels: list of 10001; accepted: at most"),
    (XTASK_RECEIPT, {"tokens_per_second": 10**400}, "tokens_per_second: an integer of 1329 bits"),
    (
        XTASK_RECEIPT,
        {"tokens_per_second": float("nan")},
        "tokens_per_second: nan; accepted",
    ),
    (XTASK_RECEIPT, {"backend": 3}, "backend: 3"),
    (BITNET_RECEIPT, {"schema_version": "1.0"}, "schema_version: '1.0'; accepted: 1.0.0"),
    (BITNET_RECEIPT, {"environment": None}, "environment: nothing; accepted: a JSON object"),
    (METRICS, {"metrics": {"tok_s": None}}, "metrics.tok_s: nothing; accepted: a finite number"),
    (CI_BASELINE, {"cpu": {"a": {"tok_s": True}}}, "cpu.a.tok_s: True"),
    (CROSSVAL, {"baselines": {"p": {"q": 3}}}, "baselines.p.q: 3; accepted: a JSON object"),
    (GATE_CHECK, {"metrics": {}}, "metrics.tokens_generated: nothing; accepted: a whole number"),
    (GATE_RUN, {"cpu_benchmarks": {}}, "cpu_benchmarks.backend: nothing"),
]


@pytest.mark.parametrize(("value", "changes", "message"), WRONG)
def test_wrong_field(read, value, changes, message):
    with pytest.raises(bp.MeasurementError) as caught:
        read(value, **changes)
    assert message in str(caught.value)


def test_the_records_that_bitnet_rs_keeps():
    golden = os.environ.get("BITNET_PERF_GOLDEN")
    if not golden:
        pytest.skip("BITNET_PERF_GOLDEN is not set: bitnet_rs_records may not be copied")
    kinds, rates = {}, {}
    for path in sorted(Path(golden, "bitnet_rs_records").glob("*.json")):
        if "parity-bitnetcpp" in path.name:
            with pytest.raises(bp.MeasurementError, match="parity record"):
                bp.read_results(path)
            continue
        found = bp.read_results(path)
        kinds[path.name] = found.kind
        rates[path.name] = found[0].samples[0]
        assert found[0].unit == "token/second"
    assert len(kinds) == 11
    assert set(kinds.values()) == {
        "bitnet_rs_baseline", "bitnet_rs_gate", "bitnet_receipt", "xtask_benchmark",
        "xtask_receipt",
    }  # fmt: skip
    assert {1625.0, 8500.0, 64000.0, 0.0, 200.0, 0.12} < set(rates.values())
