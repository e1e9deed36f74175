"""A file that is named as a baseline: read as it stands, judged, refused or forced."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from analyze.paired.synthetic import raw
from reference.results_files import FILES, GATE_CHECK, XTASK_RECEIPT

import bitnet_perf as bp
from bitnet_perf.analyze.assessed import assess_review
from bitnet_perf.analyze.baselines import judge_baseline, why_refused
from bitnet_perf.analyze.evidence import BaselineFile, Evidence, SideEvidence
from bitnet_perf.peers.results import RATE, SECOND, Claims, ResultRow
from bitnet_perf.review.baseline import read_baseline

HOST = {"cpu": "A CPU @ 2 GHz"}
CASE = "forward/gemv/i2_s/64x64/t1"
GOLDEN = os.environ.get("BITNET_PERF_GOLDEN", "")
SOUND = ResultRow(CASE, (2e-4, 2e-4), SECOND, HOST, "f", (1, 1), Claims(commit="0a1b2c3d"))


def file(*rows, **fields):
    return BaselineFile(name="b.json", rows=rows, **fields)


def written(tmp_path, value, name="b.json"):
    path = tmp_path / name
    path.write_text(json.dumps(value) if not isinstance(value, str) else value)
    return path


def test_a_sound_one_of_this_host_is_a_trend_and_no_more():
    compared = raw([{"name": CASE, "class": "core"}], {(0, 0): [0.0] * 8})
    found = judge_baseline(file(SOUND), compared, HOST)
    assert (found.used, found.refused) == (True, ())
    (trend,) = found.trends
    assert (trend.case, trend.change) == (CASE, pytest.approx(1.0))
    assert "never gates" in found.sentence


@pytest.mark.parametrize(
    ("host", "says"),
    [
        ({"cpu": "Another"}, "measured on 'Another', this host is 'A CPU @ 2 GHz'"),
        ({}, "it names no CPU"),
        ({"cpu": 7}, "it names no CPU"),
    ],
)
def test_a_foreign_one_is_refused(host, says):
    found = judge_baseline(file(replace(SOUND, host=host)), None, HOST)
    assert not found.used
    assert says in found.sentence
    assert why_refused(replace(SOUND, host=host)) == ()


def test_blanks_make_no_other_host():
    row = replace(SOUND, host={"cpu": " A  CPU @ 2 GHz "})
    assert judge_baseline(file(row), None, HOST).used


def test_one_invented_figure_refuses_the_file():
    mock = replace(SOUND, case="x", claims=replace(SOUND.claims, kernels=("mock_gemv",)))
    found = judge_baseline(file(SOUND, mock), None, HOST)
    assert found.refused == ("x: kernel 'mock_gemv'",)
    assert found.trends == ()


def test_more_than_the_memory_of_this_host_gives():
    class Limits:
        reads = (type("R", (), {"level": "memory", "gb_per_s": 10.0})(),)

    fast = Claims(commit="0a1b2c3d", bytes_per_token=10**9)
    row = ResultRow("x", (45.0,), RATE, HOST, "f", (1,), fast)
    (reason,) = judge_baseline(file(row), None, HOST, Limits()).refused
    assert "more than the 10 of its host" in reason
    other = judge_baseline(file(replace(row, host={"cpu": "B"})), None, HOST, Limits())
    assert "of its host" not in other.sentence  # what that one gives is not known


def test_force_takes_it_and_says_so():
    found = judge_baseline(file(replace(SOUND, host={}), forced=True), None, HOST)
    assert found.used
    assert found.sentence.startswith("b.json is used because that was forced, although: ")


def test_the_same_reason_is_told_once():
    rows = [replace(SOUND, case=f"c{n}", claims=Claims()) for n in range(100)]
    (reason,) = judge_baseline(file(*rows), None, HOST).refused
    assert reason == "c0 and 99 more: no commit of the code that was measured: names none"


def test_a_refused_one_is_no_baseline_of_a_review():
    sides = SideEvidence(label="x")
    refused = Evidence(base=sides, candidate=sides, baseline=file(replace(SOUND, host={})))
    assert "refused as a baseline" in assess_review(refused, None, ()).refused
    forced = refused.model_copy(update={"baseline": file(SOUND, forced=True)})
    assert assess_review(forced, None, ()).refused == ""
    none = refused.model_copy(update={"baseline": None})
    assert assess_review(none, None, ()).refused == ""


@pytest.mark.parametrize("name", FILES)
def test_every_kind_of_file_is_read_and_kept(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(FILES[name][1])
    found = read_baseline(path)
    assert found.rows == bp.read_results(path).rows
    assert BaselineFile.model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        (XTASK_RECEIPT | {"kernels": ["mock_inference"]}, "kernel 'mock_inference'"),
        (
            GATE_CHECK | {"metrics": GATE_CHECK["metrics"] | {"tokens_per_second": 0.0}},
            "0 tokens/s, and calls that a pass",
        ),
        ({"nothing": "known"}, "no known form"),
        ("{", "no known form"),
    ],
)
def test_look_alikes_are_refused(tmp_path, value, rule):
    found = judge_baseline(read_baseline(written(tmp_path, value)), None, HOST)
    assert not found.used
    assert rule in found.sentence
    assert str(tmp_path) not in found.sentence


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("running 0 tests\nexit status 0\n", "measured nothing: 0 tests run"),
        ("gemv  time:   [1.0 ms 1.1 ms 1.2 ms]\nexit status 0\n", "names no commit and no host"),
    ],
)
def test_consoles(tmp_path, text, says):
    found = judge_baseline(read_baseline(written(tmp_path, text, "console.txt")), None, HOST)
    assert not found.used
    assert says in found.sentence


def test_a_missing_file_is_wrong_use_and_force_needs_a_readable_one(tmp_path):
    with pytest.raises(bp.ConfigError, match="baseline: found no file"):
        read_baseline(tmp_path / "nosuch.json")
    with pytest.raises(bp.MeasurementError, match="no known form"):
        read_baseline(written(tmp_path, {}), force=True)


@pytest.mark.parametrize("folder", ["bitnet_rs_records", "cargo_console"])
def test_the_real_ones_are_all_refused(folder):
    if not GOLDEN:
        pytest.skip("BITNET_PERF_GOLDEN is not set: these records may not be copied")
    paths = sorted(Path(GOLDEN, folder).iterdir())
    assert len(paths) >= 8
    for path in paths:
        read = read_baseline(path)
        found = judge_baseline(read, None, HOST)
        assert not found.used, path.name
        assert found.sentence.count(path.name) >= 1
        assert BaselineFile.model_validate_json(read.model_dump_json()) == read
