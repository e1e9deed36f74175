"""Profiles of real worker processes; no time is judged."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import bitnet_perf
from bitnet_perf.analyze.attribution import tree
from bitnet_perf.bench.cases import gate_cases, select
from bitnet_perf.bench.paired import process, profiled
from bitnet_perf.bench.paired.profiled import profile_cases, record_profiles
from bitnet_perf.bench.paired.sides import Side, prepare_side
from bitnet_perf.errors import ConfigError
from bitnet_perf.review.attribution import load_profiles
from bitnet_perf.stages.table import STAGES

GEMV = "forward/gemv/i2_s/64x256/t1"
LOAD = "load/gguf/i2_s/tiny/t1"
ENCODE = "tokenization/tokenize/gpt2/tiny-n16/t1"


@pytest.fixture(scope="module")
def scalar():
    return prepare_side(Side.isa("scalar"))


@pytest.fixture(scope="module")
def recorded(scalar):
    best = prepare_side(Side.isa(""))
    heard = []
    cases = [GEMV, LOAD, ENCODE]
    found = record_profiles(
        scalar, best, cases, pairs=2, seed=7, on_case=lambda *step: heard.append(step)
    )
    return found, heard


def test_every_stage_has_a_case_and_every_case_is_in_the_table():
    cases = profile_cases()
    assert {case.partition("/")[0] for case in cases} == set(STAGES)
    assert set(cases) <= {case.name for case in select()}
    assert len(set(cases)) == len(cases)
    stages = ("load", "tokenization", "generation")
    timed = [case for case in gate_cases("quick") if case.partition("/")[0] in stages]
    assert timed
    assert set(timed) <= set(cases)


def test_both_sides_are_recorded_in_fresh_pairs(recorded):
    found, heard = recorded
    assert found.sides == ("isa scalar", "isa best")
    assert [case.case for case in found.cases] == [GEMV, LOAD, ENCODE]
    assert [case.missing for case in found.cases] == [""] * 3
    for case in found.cases:
        assert len(case.pairs) == 2
        for pair in case.pairs:
            assert re.fullmatch("(ABBA|BAAB)+", pair.pattern)
            whole = [sum(row) + n for row, n in zip(pair.self_ns, pair.away_ns, strict=True)]
            assert whole == list(pair.wall_ns)
            assert (pair.lost, pair.elsewhere) == (0, 0)
    assert [share for share, _ in heard] == pytest.approx([n / 6 for n in range(6)])
    assert heard[1][1] == f"profile: {LOAD}"
    assert 0 < found.seconds < sum(case.seconds for case in found.cases) + 1


def test_the_kernel_of_each_side_is_told(recorded):
    case = recorded[0].cases[0]
    assert case.isas[0] == "scalar"
    kernels = {stack[-1]: n for n, stack in enumerate(case.stacks) if stack}
    assert f"gemv/i2_s/{case.isas[1]}" in kernels
    base, candidate = case.pairs[0].counts
    if case.isas[1] != "scalar":
        assert base[kernels["gemv/i2_s/scalar"]].calls == 1.0
        assert candidate[kernels["gemv/i2_s/scalar"]].calls == 0.0


def test_a_load_is_recorded_by_operation_and_function(recorded):
    case = recorded[0].cases[1]
    assert {("model_load", "open"), ("model_load", "page_in")} <= set(case.stacks)
    for side in case.pairs[0].functions:
        files = {function.name: function.file for function in side}
        assert files["load_weights"] == "bitnet_perf/model/weights.py"
    page_in = case.pairs[0].counts[0][case.stacks.index(("model_load", "page_in"))]
    assert page_in.calls > 1
    assert page_in.bytes > 0
    assert tree.case_nodes(case)[0].base > 0


def test_a_native_case_has_no_functions(recorded):
    assert recorded[0].cases[0].pairs[0].functions == ((), ())


def test_the_file_is_read_back(recorded, tmp_path):
    assert load_profiles(recorded[0].save(tmp_path / "profile.json")) == recorded[0]


def test_a_case_that_no_side_has_is_missing_with_the_reason(scalar):
    names = ["forward/gemv/no_format/64x256/t1", "load/gguf/i2_s/no_shape/t1"]
    found = record_profiles(scalar, scalar, names, pairs=1)
    for case, word in zip(found.cases, ("no_format", "no_shape"), strict=True):
        assert case.pairs == ()
        assert word in case.missing


def side_with(folder, old, new):
    """The side with one text of its recording file replaced by another."""
    paired = Path(process.SCRIPT).parent
    copy = folder / "bitnet_perf" / "bench" / "paired"
    copy.mkdir(parents=True)
    for name in ("worker.py", "calls.py", "recorded.py"):
        shutil.copy(paired / name, copy / name)
    shutil.copy(Path(bitnet_perf.__file__).parent / "memory.py", folder / "bitnet_perf")
    text = (copy / "recorded.py").read_text()
    assert old in text
    (copy / "recorded.py").write_text(text.replace(old, new))
    return copy / "worker.py"


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (('"begin_span", "end_span"', '"of_the_future"'), "base and candidate: this side records"),
        (('"wall_ns": [sample.wall', '"wall_ns": [-1'), "a side sent no profile"),
        (('"lost": self._lost', '"lost": "many"'), "base: it sent no profile: lost "),
        (('"stacks": stacks', '"stacks": []'), "base: it sent no profile: .* the 0 stacks"),
        (("gc.freeze()", "os._exit(3)"), r"(base|candidate): the worker died \(exit status 3\)"),
    ],
)
def test_a_side_that_cannot_be_recorded_says_why(scalar, tmp_path, monkeypatch, texts, said):
    monkeypatch.setattr(process, "SCRIPT", side_with(tmp_path, *texts))
    (case,) = record_profiles(scalar, scalar, [GEMV], pairs=1).cases
    assert case.pairs == ()
    assert re.match(said, case.missing), case.missing


def test_a_time_budget_leaves_what_was_reached(scalar):
    found = record_profiles(scalar, scalar, [GEMV], pairs=50, time_budget=0.001)
    assert found.cases[0].missing == "not reached: the time budget of 0.001 s"
    assert found.stopped == "the time budget of 0.001 s"
    json.dumps(found.model_dump(mode="json"))


def test_ctrl_c_leaves_what_was_recorded(scalar, monkeypatch):
    real = profiled.start_workers
    calls = []

    def start(*arguments):
        calls.append(1)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(profiled, "start_workers", start)
    found = record_profiles(scalar, scalar, [GEMV, LOAD], pairs=3)
    assert (len(found.cases[0].pairs), found.stopped) == (1, "Ctrl-C")
    assert found.cases[1].missing == "not reached: Ctrl-C"


def test_no_pairs_are_refused(scalar):
    with pytest.raises(ConfigError, match="pairs: found 0, accepted is 1 or more"):
        record_profiles(scalar, scalar, [GEMV], pairs=0)


def test_a_side_of_another_package_runs_its_own_code(scalar, tmp_path):
    """What a worker runs is the side's; one that finds another package is told, not recorded."""
    assert scalar.environment is not None
    foreign = tmp_path / "foreign"
    shutil.copytree(
        Path(bitnet_perf.__file__).parent, foreign / "bitnet_perf",
        ignore=shutil.ignore_patterns("*.so", "__pycache__"),
    )  # fmt: skip
    other = replace(scalar, options={**scalar.options, "root": str(foreign)})
    (case,) = record_profiles(scalar, other, [LOAD], pairs=1).cases
    if case.missing:
        assert case.missing.startswith("candidate: ImportError: ")
