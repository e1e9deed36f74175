"""The comparison as a whole act, on real pairs; verdicts by time are not judged here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import bitnet_perf as bp
from bitnet_perf import _bench
from bitnet_perf.analyze.paired.rules import Rules
from bitnet_perf.bench.paired.sides import parse_side
from bitnet_perf.kernels.tunables import tuned_with
from bitnet_perf.review.compare import Comparison, compare, seconds_of

GEMV = "forward/gemv/i2_s/64x256/t1"


@pytest.fixture(scope="module")
def found():
    side = bp.Side.isa("scalar")
    return compare(side, side, [GEMV], pairs=2, seed=7, rules=Rules(canary_pairs=2))


def test_a_comparison_holds_cases_canaries_and_sides(found):
    (row,) = found.rows()
    assert row.case == GEMV
    assert row.class_ == "core"
    assert row.pairs == 2
    assert row.verdict == "inconclusive"  # two pairs never pass a core case
    assert "too few pairs" in row.reason
    assert found.exit_code == 4
    assert [case.get("canary") for case in found.raw.cases()] == ["compute", "streaming", None]
    side = found.raw.meta["sides"][0]
    assert (side["kind"], side["label"], side["isa"]) == ("isa", "isa scalar", "scalar")


def test_canaries_run_at_the_best_instruction_set_where_the_base_is_forced(found):
    for case in found.raw.cases()[:2]:
        best = _bench.work(case["case"]).isa
        assert case["isas"] == [best, best]


def test_a_replay_gives_the_same_rows(found, tmp_path):
    again = Comparison.load(found.save(tmp_path / "raw.npz")).replay()
    assert again.rows() == found.rows()
    assert again.verdict == found.verdict


def test_results_for_programs_and_notebooks(found):
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["rows"][0]["case"] == GEMV
    assert plain["verdict"] == "inconclusive"
    assert f'<td style="text-align:left">{GEMV}</td>' in found._repr_html_()


def test_a_case_that_neither_side_has_is_not_known():
    both = compare(
        bp.Side.isa(""), bp.Side.isa(""), ["forward/gemv/i2_s/0x0/t1"], pairs=2, canaries=False
    )
    (row,) = both.rows()
    assert row.verdict == "inconclusive"
    assert "neither side has it" in row.reason


def test_both_sides_run_what_is_tuned_in_this_process(tmp_path):
    with tuned_with({"gemv_isa": "scalar"}):
        both = compare(bp.Side.isa(""), bp.Side.isa(""), [GEMV], pairs=2, canaries=False)
    assert [case["isas"] for case in both.raw.cases()] == [["scalar", "scalar"]]
    again = Comparison.load(both.save(tmp_path / "raw.npz"))
    assert again.raw.meta["tuned"] == "gemv_isa=scalar"


def test_a_case_named_twice_is_measured_once():
    side = bp.Side.isa("scalar")
    both = compare(side, side, [GEMV, "forward/gemv/i2_s/0x0/t1", GEMV], pairs=2, canaries=False)
    assert [row.case for row in both.rows()] == [GEMV, "forward/gemv/i2_s/0x0/t1"]


def test_a_run_that_ends_with_the_canaries_names_what_it_did_not_reach():
    side = bp.Side.isa("scalar")
    both = compare(side, side, [GEMV], time_budget=0.01)
    (row,) = both.rows()
    assert (row.case, row.verdict, row.reason) == (GEMV, "inconclusive", "nothing was measured")
    assert both.exit_code == 4


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("scalar", "isa", "scalar"),
        ("tree", "revision", (".", None)),
        ("HEAD~1", "revision", (".", "HEAD~1")),
        ("x.whl", "wheel", "x.whl"),
        ("command:sleep 0.1", "command", ("sleep", "0.1")),
        ("isa:", "isa", ""),
    ],
)
def test_sides_of_the_command_line(text, kind, value):
    side = parse_side(text)
    assert (side.kind, side.value) == (kind, value)


def test_sides_that_do_not_fit_are_refused():
    with pytest.raises(bp.ConfigError, match="two of a kind"):
        compare(bp.Side.command("true"), bp.Side.isa(""))
    with pytest.raises(bp.ConfigError, match="accepted is one of"):
        parse_side("-x")
    with pytest.raises(bp.ConfigError, match="top level of a file"):
        bp.Side.function(lambda: None)
    with pytest.raises(bp.ConfigError, match="pairs: found 1"):
        compare(bp.Side.isa(""), bp.Side.isa(""), pairs=1)


def test_lengths_of_time():
    assert [seconds_of(t) for t in ("60s", "5m", "1h", "2.5")] == [60, 300, 3600, 2.5]
    for text in ("", "-1s", "0s", "soon"):
        with pytest.raises(bp.ConfigError, match="time: found"):
            seconds_of(text)


def test_a_picture_of_a_comparison(found, tmp_path):
    from bitnet_perf.cli.output import save_picture

    save_picture(found.plot, tmp_path / "x.svg")
    assert "<svg" in Path(tmp_path / "x.svg").read_text()


def test_a_command_is_named_with_the_threads_it_was_given():
    side = bp.Side.command("true")
    found = compare(side, side, pairs=2, threads=2, canaries=False, seed=1)
    assert [row.case for row in found.rows()] == ["forward/command/true/run/t2"]
    assert found.raw.meta["threads"] == [2]
