"""What a side says of itself, and what is none."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

import bitnet_perf as bp
from bitnet_perf.bench.paired.process import Worker, wait_for
from bitnet_perf.bench.paired.sides import (
    CandidateWrong,
    Side,
    check_source,
    own_environment,
    parse_side,
    prepare_side,
    prepare_sides,
)
from bitnet_perf.bench.turns import Turn, take_turns
from bitnet_perf.kernels.tunables import tuned_with

ODD = "/tmp/\x1b[31m\udc80" + "x" * 1000


@pytest.mark.parametrize(
    "side", [Side.environment(ODD), Side.wheel(ODD), Side.source(ODD), Side.command([ODD])],
    ids=lambda side: side.kind,
)  # fmt: skip
def test_a_label_is_printable_whatever_a_path_holds(side):
    assert side.label.startswith(("environment", "wheel", "candidate", "command"))
    assert side.label.isprintable()
    assert len(side.label) <= 500


def test_canaries_need_the_native_entry_at_its_best(tmp_path):
    own = prepare_side(Side.isa(""))
    assert own.runs_canaries
    assert not prepare_side(Side.isa("scalar")).runs_canaries
    assert not prepare_side(Side.command("true")).runs_canaries
    candidate = tmp_path / "candidate.py"
    candidate.touch()
    assert not prepare_side(Side.source(candidate)).runs_canaries
    older = replace(own, environment=replace(own_environment(), package=tmp_path))
    assert not older.runs_canaries


def test_extra_work_is_taken_back():
    own = prepare_side(Side.isa(""))
    assert own.with_extra(0.05).options["extra"] == "0.05"
    assert own.with_extra(0.05).with_extra(0.0) == own


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("command:echo it's", 'command: found "echo it\'s".*quoted as in a shell'),
        ("environment:~nobody_here/x", "environment: .*accepted is"),
        ("command:", "command: found nothing"),
    ],
)
def test_what_is_no_side_is_refused(text, words):
    with pytest.raises(bp.ConfigError, match=words):
        prepare_side(parse_side(text))


def test_a_candidate_runs_in_a_process_of_its_own_alone(tmp_path):
    trace = tmp_path / "ran"
    for end in ("raise SystemExit(0)", "import os; os._exit(0)", "1"):
        file = tmp_path / "candidate.py"
        file.write_text(f"import os\nopen({str(trace)!r}, 'a').write(f'{{os.getpid()}} ')\n{end}\n")
        side = Side.source(file)
        prepare_side(side)
        assert not trace.exists()
        with pytest.raises((bp.ConfigError, CandidateWrong)):
            check_source(side, ["forward/gemv/i2_s/64x256/t1"])
        assert str(os.getpid()) not in trace.read_text().split()
        trace.unlink()


CASE = "forward/gemv/i2_s/64x256/t1"


def test_both_sides_get_the_tunables_of_this_process():
    with tuned_with({"gemv_isa": "scalar", "amx_tokens": 9}):
        sides, said = prepare_sides([Side.isa(""), Side.isa("")])
    assert said == "amx_tokens=9,gemv_isa=scalar"
    assert {side.options["tuned"] for side in sides} == {said}
    (found,) = take_turns([Turn(sides[0], CASE)], 3, 1e-5)
    assert found.isa == "scalar"
    assert prepare_sides([Side.isa("")])[1] == ""


def test_a_side_without_tunables_leaves_the_defaults_on_both(tmp_path, monkeypatch):
    own = own_environment()
    environments = iter([own, replace(own, package=tmp_path)])
    monkeypatch.setattr(
        "bitnet_perf.bench.paired.sides.own_environment", lambda: next(environments)
    )
    with tuned_with({"gemv_isa": "scalar"}):
        sides, said = prepare_sides([Side.isa(""), Side.isa("scalar")])
    assert said == "nothing on either side: isa scalar has no tunables"
    assert not any("tuned" in side.options for side in sides)


def test_a_side_that_refuses_a_value_says_so():
    own = prepare_side(Side.isa(""))
    odd = replace(own, options={**own.options, "tuned": "of_tomorrow=1"})
    with start_worker(odd) as worker:
        worker.ask("ready")
        isa, note = wait_for((worker,), 30)[0]
    assert isa
    assert note.startswith("it refuses what was tuned: defaults (tunables: found 'of_tomorrow'")


def start_worker(ready):
    ends = os.pipe()
    try:
        return Worker(0, ready.python, ready.for_case(CASE, 1), (ends[1], ends[0]))
    finally:
        for end in ends:
            os.close(end)
