"""A model run by the `xtask benchmark` of a Cargo workspace, with a stand-in for cargo."""

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from workspaces import crate, repository, use_stand_in

from bitnet_perf.analyze.targets import Target
from bitnet_perf.config.settings import Settings
from bitnet_perf.peers.cargo import driver
from bitnet_perf.peers.cargo.runs import Runner
from bitnet_perf.review.compare import Comparison
from bitnet_perf.review.gate import Review, plan_gate, review

CASE = "generation/xtask/benchmark/m"


def checkout_of(folder: Path, *orders: object) -> Path:
    """A workspace whose xtask does on each side what the stand-in is ordered."""
    files = (crate("xtask", {}) | {"crates/xtask/rate.json": json.dumps(each)} for each in orders)
    return repository(folder / "r", *files)


def compared(root: Path, budget: float | None = None) -> Comparison:
    plan = plan_gate("HEAD~1", "HEAD", "quick", root, Settings(), model=str(root / "m.gguf"))
    return plan.compare(budget, lambda _share, _what: None)


def reviewed(root: Path) -> Review:
    plan = plan_gate("HEAD~1", "HEAD", "quick", root, Settings(), model=str(root / "m.gguf"))
    return review(plan, None, None)


def target_of(found: Review, name: str) -> Target:
    return next(target for target in found.judged.targets if target.name.startswith(name))


def test_it_is_run_or_said_to_be_missing(tmp_path, monkeypatch):
    use_stand_in(tmp_path, monkeypatch)
    root = checkout_of(tmp_path, 40.0, 30.0)
    found = plan_gate("HEAD~1", "HEAD", "full", root, Settings()).compare(None, lambda *_: None)
    (row,) = found.rows()
    assert (row.case, row.verdict) == ("generation/xtask/benchmark", "skipped")
    assert row.reason == "no model given"
    found = compared(root)
    (row,) = found.rows()
    assert (row.case, row.verdict, row.class_) == (CASE, "action", "core")
    assert row.slowdown == pytest.approx(40 / 30 - 1)
    words = shlex.split(found.commands[row.case])
    assert words[:5] == ["cargo", "run", "--release", "-p", "xtask"]
    model = str(root / "m.gguf")
    assert words[5:] == [
        "--no-default-features", "--", "benchmark", "--model", model, "--tokens", "128",
        "--no-output",
    ]  # fmt: skip


def test_fewer_tokens_where_a_run_takes_long(tmp_path, monkeypatch):
    use_stand_in(tmp_path, monkeypatch)
    monkeypatch.setattr(driver, "CASE_PART", 0.0)
    root = checkout_of(tmp_path, 40.0, 30.0)
    found = compared(root, 600.0)
    assert "--tokens 32 --no-output" in found.commands[CASE]
    assert found.annotations[CASE][0].startswith("32 tokens a run: of 128 the first 8 pairs would")


def test_a_model_that_is_too_slow_is_skipped(tmp_path, monkeypatch):
    use_stand_in(tmp_path, monkeypatch)
    monkeypatch.setattr(driver, "CASE_SECONDS", 0.0)
    (row,) = compared(checkout_of(tmp_path, 40.0, 30.0)).rows()
    assert row.verdict == "skipped"
    assert row.reason.endswith("its 8 first pairs more than 0 s")


@pytest.mark.parametrize(
    ("orders", "verdict", "reason"),
    [
        ([{"rate": 200.0, "kernels": ["mock_inference"]}] * 2, "skipped",
         "it is no measurement: kernel 'mock_inference'"),
        ([50.0, {"rate": 50.0, "kernels": ["mock_inference"]}], "inconclusive",
         "candidate: it is no measurement: kernel 'mock_inference'"),
        ([{"rate": 50.0, "text": "[MOCK] a b c"}, 50.0], "skipped",
         "base: it is no measurement: generated_text: '[MOCK] a b c'"),
    ],
)  # fmt: skip
def test_a_mock_run_is_no_measurement(orders, verdict, reason, tmp_path, monkeypatch):
    use_stand_in(tmp_path, monkeypatch)
    (row,) = compared(checkout_of(tmp_path, *orders)).rows()
    assert (row.verdict, row.reason) == (verdict, reason)


def test_its_speed_is_held_against_the_target(tmp_path, monkeypatch):
    use_stand_in(tmp_path, monkeypatch)
    found = reviewed(checkout_of(tmp_path, 50.0, 30.0))
    target = target_of(found, "inference throughput")
    assert target.name == "inference throughput, m, xtask benchmark, 1 thread"
    assert target.status == "missed now"
    assert (target.base, target.candidate) == pytest.approx((50.0, 30.0))
    assert found.evidence[0].startswith("perf: inference: 30.0 tokens/sec; Δ vs baseline: -40%")
    assert found.exit_code == 1
    assert "is not compared with the forward benches" in found.report("markdown")


def test_runs_of_a_model_tell_whether_its_text_stays(tmp_path, monkeypatch):
    use_stand_in(tmp_path, monkeypatch)
    root = checkout_of(tmp_path, 50.0, {"rate": 50.0, "text": "each its own"})
    (root / "m.gguf").write_bytes(bytes(1000))
    found = reviewed(root)
    target = target_of(found, "deterministic output")
    assert target.status == "missed now"
    assert target.sentence.startswith("Tokens and logits over ")
    assert target_of(found, "quantization accuracy").status == "not measured"
    assert "no more memory" in target_of(found, "peak memory against the base").sentence


def test_runs_of_a_model_tell_its_peak_of_memory(tmp_path, monkeypatch):
    use_stand_in(tmp_path, monkeypatch)
    root = checkout_of(tmp_path, 50.0, 50.5)
    (root / "m.gguf").write_bytes(bytes(1000))
    peaks = {0: 200_000_000, 1: 230_000_000}
    run = Runner.run
    monkeypatch.setattr(Runner, "run", lambda me, what: replace(run(me, what), peak=peaks[me.side]))
    found = reviewed(root)
    target = target_of(found, "peak memory against the base")
    assert target.status == "missed now"
    assert (target.base, target.candidate) == (200.0, 230.0)
    assert target_of(found, "deterministic output").status == "met"


def test_without_a_model_the_target_says_how_to_measure_it(tmp_path, monkeypatch):
    use_stand_in(tmp_path, monkeypatch)
    root = checkout_of(tmp_path, 50.0, 30.0)
    found = review(plan_gate("HEAD~1", "HEAD", "full", root, Settings()), None, None)
    assert "no model was run `bitnet-perf gate --model FILE`" in " ".join(found.evidence[0].split())
