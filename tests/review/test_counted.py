"""Instruction counts beside times: what they add, and which alarms they contest; no timing."""

from __future__ import annotations

import json

import pytest
from analyze.paired.synthetic import record

import bitnet_perf as bp
from bitnet_perf.bench.counters import Counts, Unavailable
from bitnet_perf.bench.paired import driver
from bitnet_perf.cli import main
from bitnet_perf.review import counted
from bitnet_perf.review.compare import Comparison, compare

GEMV = "forward/gemv/i2_s/64x256/t1"
SLOW = (0.07, 0.071, 0.069, 0.07)


@pytest.fixture
def measured(monkeypatch):
    """Runs a comparison whose pairs say `looks`, and whose sides take so many instructions."""

    def run(looks, instructions, **options):
        number = iter(range(10_000))

        def pair(_sides, _plan, place, *_):
            case, look = place
            values = looks[look] if look >= 0 else (0.001, -0.001)
            return record(case, look, values[next(number) % len(values)])

        counts = [
            Unavailable("no tool") if n is None else Counts(n, "callgrind", "scalar")
            for n in instructions
        ]
        asked = []
        monkeypatch.setattr(driver, "measure_pair", pair)
        monkeypatch.setattr(counted, "count_both", lambda *_, **__: asked.append(1) or counts)
        side = bp.Side.isa("scalar")
        return compare(side, side, [GEMV], **options), len(asked)

    return run


def test_an_alarm_without_more_instructions_has_to_show_once_more(measured, tmp_path):
    found, asked = measured([SLOW, SLOW, (0.001, -0.001)], (1e6, 1e6))
    (row,) = found.rows()
    assert (row.verdict, row.look) == ("pass", 2)
    assert asked == 1
    again = Comparison.load(found.save(tmp_path / "raw.npz")).replay()
    assert again.rows() == found.rows()
    assert again.annotations == found.annotations == {}


def test_an_alarm_that_shows_again_stands(measured):
    found, asked = measured([SLOW, SLOW, SLOW], (1e6, 1e6))
    (row,) = found.rows()
    assert (row.verdict, row.look, found.exit_code) == ("concern", 2, 3)
    assert asked == 1
    assert "layout, memory or noise: +0.00% instructions" in found.annotations[GEMV]


@pytest.mark.parametrize(
    ("instructions", "line"),
    [
        ((1e6, 1.07e6), "instructions: 1,000,000 -> 1,070,000 (+7.00%, callgrind)"),
        ((1e6, None), "instructions: unavailable (candidate: no tool)"),
        ((None, None), "instructions: unavailable (no tool)"),
    ],
)
def test_other_alarms_stand_at_once(measured, instructions, line):
    found, _ = measured([SLOW, SLOW, SLOW], instructions)
    (row,) = found.rows()
    assert (row.verdict, row.look) == ("concern", 1)
    assert line in found.annotations[GEMV]
    json.dumps(found.to_dict(), allow_nan=False)


def test_what_passes_is_counted_on_request(measured):
    quiet = [(0.001, -0.001)] * 3
    found, asked = measured(quiet, (1e6, 1.03e6))
    assert (asked, found.annotations) == (0, {})
    found, asked = measured(quiet, (1e6, 1.03e6), counts="all")
    assert asked == 1
    assert found.verdict == "pass"
    assert any(line.startswith("latent: +3.00%") for line in found.annotations[GEMV])
    found, asked = measured([SLOW] * 3, (1e6, 1e6), counts="off")
    assert (asked, found.annotations, found.rows()[0].look) == (0, {}, 1)


def test_only_native_loops_are_counted(measured, tmp_path):
    file = tmp_path / "functions.py"
    file.write_text("def a():\n    pass\n")
    side = bp.Side.function(f"{file}:a")
    measured([SLOW] * 3, (1e6, 1e6))
    found = compare(side, side, counts="all")
    (lines,) = found.annotations.values()
    assert lines == ("instructions: unavailable (function a runs no native loop)",)


def test_a_word_that_is_no_mode_is_refused(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["compare", "scalar", "scalar", "--cases", GEMV, "--counts", "some"])
    assert ended.value.code == 2
    assert "counts: found 'some', accepted is alarms, changed, all, off" in capsys.readouterr().err


def test_what_calls_python_is_not_counted():
    found = counted.Counting((), "all", lambda *_: None)._both({"name": "load/gguf/i2_s/tiny/t1"})
    assert found.why == "it calls Python, no native loop"
