"""A candidate tried as a whole act; what the evidence says; no time is judged."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import bitnet_perf as bp
from bitnet_perf.analyze.counts import Difference
from bitnet_perf.analyze.paired.comparison import Row
from bitnet_perf.analyze.paired.rules import Rules
from bitnet_perf.analyze.roofline import Place
from bitnet_perf.bench.candidate_check import Checked
from bitnet_perf.bench.counters import Unavailable
from bitnet_perf.bench.paired.sides import CandidateWrong, Side, parse_side, prepare_side
from bitnet_perf.cli import main
from bitnet_perf.cli.try_ import _watch
from bitnet_perf.review import try_
from bitnet_perf.review.compare import Comparison, compare
from bitnet_perf.review.try_ import advice, try_candidate

FILES = Path(__file__).parents[1] / "candidates"
CASE = "forward/gemv/i2_s/64x256/t1"
ROW = Row(CASE, "pass", 0.01, -0.01, 0.02, 0.03, 8, "within", 0, "pass", (), "core", "compute",
          "cpu", 0.01, 0.01, "agree", ())  # fmt: skip
NONE = Unavailable("no tool")


@dataclass(frozen=True)
class ShortCanaries(Rules):
    canary_pairs: int = 2


@pytest.fixture(autouse=True)
def _short_canaries(monkeypatch):
    """No test here is about canaries or how much memory is walked."""
    monkeypatch.setattr(try_, "PROBED", 8 << 20)
    monkeypatch.setattr("bitnet_perf.review.compare.Rules", ShortCanaries)


def planted(folder: Path, plant: str) -> Path:
    file = folder / f"{plant.lower()}.cpp"
    file.write_text(f"#define PLANT_{plant}\n" + (FILES / "planted.cpp").read_text())
    return file


@pytest.mark.parametrize(
    ("text", "kind"),
    [("x.cpp", "source"), ("x.py", "source"), ("x.cu", "source"), ("source:x.so", "source")],
)
def test_a_candidate_is_a_side(text, kind):
    side = parse_side(text)
    assert (side.kind, side.isa_name, side.label) == (kind, "candidate", f"candidate {text[-4:]}" if
            text.startswith("source") else f"candidate {text}")  # fmt: skip


def test_a_cuda_file_is_refused_with_the_reason():
    with pytest.raises(bp.EnvironmentRefused, match="a CUDA kernel is tried by itself"):
        prepare_side(Side.source("x.cu"))


def test_what_fails_its_check_is_never_timed(tmp_path):
    with pytest.raises(CandidateWrong, match="nothing is timed: wrong sum in row 5"):
        compare(Side.isa(""), Side.source(planted(tmp_path, "WRONG_SUM")), [CASE], pairs=2)


def test_a_case_that_no_candidate_has_is_refused():
    with pytest.raises(bp.ConfigError, match="a candidate has gemv_i2_s, "):
        compare(
            Side.isa(""),
            Side.source(FILES / "own_layout.cpp"),
            ["quantization/block_quantize/q8_0/64x256/t1"],
            pairs=2,
        )


@pytest.mark.parametrize("name", ["own_layout.cpp", "numba_gemv.py"])
def test_a_right_candidate_is_timed(name):
    if name.endswith(".py"):
        pytest.importorskip("numba", reason="numba has no wheel for this Python")
    side = Side.source(FILES / name)
    found = compare(Side.isa("scalar"), side, [CASE], pairs=2, canaries=False)
    (case,) = found.raw.cases()
    assert case["isas"] == ["scalar", "candidate"]
    assert found.raw.meta["checks"][side.label]["gemv_i2_s"]["right"] is True
    assert found.rows()[0].pairs == 2


def test_a_trial_holds_check_verdict_place_and_counts():
    found = try_candidate(FILES / "own_layout.cpp", "gemv_i2_s", "64x256", pairs=2)
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["check"]["right"] is True
    assert plain["verdict"] not in {"pass", "improved"}  # two pairs never pass
    assert [each["isa"] for each in plain["places"]][1] == "candidate"
    assert plain["counts"].keys() & {"base", "why"}
    assert plain["next"]


def test_a_wrong_trial_has_a_finding_and_no_times(tmp_path, capsys):
    file = planted(tmp_path, "READ_AFTER")
    with pytest.raises(SystemExit) as ended:
        main(["try", str(file), "--family", "gemv_i2_s", "--shape", "64x256"])
    out = capsys.readouterr().out
    assert ended.value.code == 1
    assert "reads byte 3 past the end of w" in out
    assert "verdict: wrong (nothing was timed)" in out


@pytest.fixture
def right(monkeypatch):
    """Candidates pass their check, and two pairs are taken without canaries."""
    found = {"gemv_i2_s": Checked(True, "", 1, 0.1)}
    monkeypatch.setattr("bitnet_perf.review.compare.check_source", lambda *_: found)
    return ("gemv_i2_s", "64x256")


def interrupt(*_arguments, **_options):
    raise KeyboardInterrupt


@pytest.mark.parametrize("by", ["budget", "Ctrl-C"])
def test_a_run_that_ends_in_its_canaries_is_an_inconclusive_trial(right, monkeypatch, by):
    monkeypatch.setattr(try_, "count_both", lambda *_: (NONE, NONE))
    monkeypatch.setattr(try_, "_places", lambda *_: "none")
    if by == "Ctrl-C":
        monkeypatch.setattr("bitnet_perf.bench.paired.driver.measure_pair", interrupt)
    found = try_candidate(
        FILES / "own_layout.cpp", *right, time_budget=1e-3 if by == "budget" else None
    )
    assert found.verdict == "inconclusive"
    assert found.interrupted == (by == "Ctrl-C")
    assert found.comparison is not None
    assert by in found.comparison.raw.meta["stopped"]
    json.dumps(found.to_dict(), allow_nan=False)


@pytest.mark.parametrize("step", ["count_both", "_places"])
def test_ctrl_c_after_the_times_keeps_them(right, monkeypatch, step, capsys, tmp_path):
    monkeypatch.setattr(try_, "count_both", lambda *_: (NONE, NONE))
    monkeypatch.setattr(try_, "_places", lambda *_: "none")
    monkeypatch.setattr(try_, step, interrupt)
    words = ["--family", right[0], "--shape", right[1], "--pairs", "2"]
    with pytest.raises(SystemExit) as ended:
        main(["try", str(FILES / "own_layout.cpp"), *words, "-o", str(tmp_path / "raw.npz")])
    assert ended.value.code == 130
    out = capsys.readouterr().out
    assert "place: unavailable (interrupted)" in out
    counted = "no tool" if step == "_places" else "interrupted"
    assert f"instructions: unavailable ({counted})" in out
    row = Comparison.load(tmp_path / "raw.npz").rows()[0]
    assert row.pairs == 2
    assert f"verdict: {row.verdict}" in out


@pytest.mark.parametrize(
    ("family", "shape", "message"),
    [("nope", "64x256", "family: found 'nope'"), ("gemv_i2_s", "64", "accepted for gemv is NxK"),
     ("gemv_i2_s", "", "accepted is NxK")],
)  # fmt: skip
def test_wrong_use_is_refused(family, shape, message):
    with pytest.raises(bp.ConfigError, match=message):
        try_candidate(FILES / "own_layout.cpp", family, shape)


def place(memory: float, compute: float) -> Place:
    return Place(CASE, "candidate", 1.0, 1.0, "L2", memory, compute)


@pytest.mark.parametrize(
    ("row", "mine", "change", "words"),
    [
        ({}, place(0.95, 0.2), None, "at 95 % of its limit little is left"),
        ({}, place(0.5, 0.2), None, "memory-bound at 50 % of L2 bandwidth: prefetch"),
        ({}, place(0.1, 0.3), None, "compute-bound at 30 % of the peak: fewer instructions"),
        ({}, None, -0.1, "fewer instructions, yet no faster"),
        ({"slowdown": -0.1}, None, 0.1, "faster with more instructions"),
        ({"verdict": "inconclusive"}, None, None, "the times do not decide (within)"),
        ({"verdict": "improved"}, None, None, "it is faster: try other shapes"),
    ],
)
def test_advice_follows_from_evidence(row, mine, change, words):
    counts = NONE if change is None else Difference(1.0, 1.0 + change, change, (), "perf")
    (said,) = advice(replace(ROW, **row), "none" if mine is None else (mine, mine), counts)
    assert words in said


def test_without_evidence_there_is_no_advice():
    assert advice(ROW, "none", NONE) == ()


def test_watching_tries_again_on_every_save(tmp_path, monkeypatch):
    file = tmp_path / "mine.cpp"
    file.write_text("1")
    tried = []

    def once() -> int:
        tried.append(file.read_text())
        if len(tried) == 2:
            raise bp.ConfigError("does not compile")
        return 0

    def sleep(_seconds: float) -> None:
        if len(tried) == 3:
            raise KeyboardInterrupt
        file.write_text("1" * (len(tried) + 1))

    monkeypatch.setattr("bitnet_perf.cli.try_.time.sleep", sleep)
    assert _watch(file, once) == 0
    assert tried == ["1", "11", "111"]


def test_watching_ends_with_the_trial_that_ctrl_c_ends(tmp_path, monkeypatch):
    monkeypatch.setattr("bitnet_perf.cli.try_.time.sleep", lambda _: pytest.fail("it goes on"))
    file = tmp_path / "mine.cpp"
    file.touch()
    assert _watch(file, lambda: 130) == 130
    with pytest.raises(KeyboardInterrupt):
        _watch(file, interrupt)
