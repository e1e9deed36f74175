"""What goes with each route: steps whose commands exist."""

from __future__ import annotations

import shlex
import subprocess
from functools import partial

import pytest
from analyze.command_lines import parse

from bitnet_perf.analyze import commands
from bitnet_perf.analyze.facts import Facts
from bitnet_perf.analyze.paired.comparison import Row
from bitnet_perf.analyze.routing import Baseline, situation_of
from bitnet_perf.analyze.steps import steps

GEMV = "forward/gemv/i2_s/2560x2560/t1"
PACK = "quantization/pack/i2_s/2560x2560/t1"

row = partial(
    Row, case=GEMV, verdict="pass", slowdown=0.0, low=-0.01, high=0.01, mde=0.01, pairs=8,
    reason="inside", look=1, gate="pass", notes=(), class_="core", bound="unknown", clock="cpu",
    wall=None, cpu=None, clocks=None, canaries=(),
)  # fmt: skip
alarm = partial(row, verdict="action", slowdown=0.12, low=0.1, high=0.14, gate="fail")
unknown = partial(row, verdict="inconclusive", gate="closed", low=-0.02, high=0.08)


class Missed:
    status = "missed now"

    def __init__(self, name):
        self.name = name


def taken(rows, place=None, candidate="tree", lines=None, **known):
    facts = Facts(
        tuple(rows), base="abc", candidate=candidate, localized=place, model="m.gguf",
        commands=lines or {},
    )  # fmt: skip
    found = steps(situation_of(rows, place, **known), facts, {GEMV: 40.0}, "CPU c")
    for each in found:
        parse(each.command)
        assert each.to_dict()["text"] == each.text
    return [each.command for each in found], " ".join(each.text for each in found)


def test_nothing_measured_says_what_would_measure():
    lines, _ = taken([])
    assert lines[0] == "bitnet-perf gate --base abc --suite quick"


def test_no_baseline_proposes_this_run():
    assert taken([row()], baseline=Baseline(there=False))[0] == ["bitnet-perf import results"]


@pytest.mark.parametrize(("place", "candidate", "bad"), [
    (None, "tree", "HEAD"), (None, "def", "def"), (("gemv/i2_s/x86_avx2", 0.9), "def", None),
])  # fmt: skip
def test_what_is_in_no_one_place_is_bisected(place, candidate, bad):
    lines, _ = taken([alarm(), row(case=PACK)], place, candidate)
    assert f"compare abc {candidate} --cases {GEMV}" in lines[0]
    bisections = [line for line in lines if "bisect" in line]
    assert bisections == ([f"bitnet-perf bisect abc {bad} --case {GEMV}"] if bad else [])


def test_a_missed_target_is_measured_again():
    lines, _ = taken([row()], targets=[Missed("accuracy of TL1"), Missed("throughput")])
    assert lines == [
        "bitnet-perf accuracy --model m.gguf",
        "bitnet-perf benchmark --model m.gguf --tokens 128 --no-output",
    ]


def test_what_is_not_known_says_what_to_run_where_and_for_how_long():
    lines, text = taken([unknown(), row(case=PACK)])
    assert lines == [f"bitnet-perf compare abc tree --cases {GEMV}"]
    assert "about 2 minutes" in text
    assert "this one: CPU c" in text


def test_what_is_slower_within_its_budget_is_watched():
    lines, _ = taken([row(gate="note"), row(case=PACK)])
    assert lines == [f"bitnet-perf history --case {GEMV}"]


def test_all_met_needs_no_step():
    assert taken([row()]) == ([], "")


BENCH, MODEL = "quantization/bitnet-quantization/quantization/g/a b", "generation/xtask/benchmark/m"
CARGO = {
    BENCH: "cargo bench -p bitnet-quantization --bench quantization --no-default-features "
    "--features cpu -- --exact 'g/a b'",
    MODEL: "cargo run -p xtask -- benchmark --model m.gguf --tokens 128 --no-output",
}


def test_steps_of_a_cargo_workspace_are_lines_that_run_there():
    over = [alarm(case=BENCH), alarm(case=MODEL)]
    lines, text = taken(over, candidate="def", lines=CARGO, targets=[Missed("throughput")])
    again, model, bisection, target = lines
    assert (again, model, target) == (CARGO[BENCH], CARGO[MODEL], CARGO[MODEL])
    words = shlex.split(bisection)
    assert words[:5] == ["git", "bisect", "start", "def", "abc"]
    gate = ["bitnet-perf", "gate", "--base", "abc", "--suite", "one", "--set"]
    assert shlex.split(words[-1].partition(";")[0]) == [*gate, f"suites.one={BENCH}"]
    assert f"{BENCH}: the first bad commit" in text
    lines, _ = taken([unknown(case=BENCH)], lines=CARGO)
    assert lines == ["bitnet-perf gate --base abc --suite quick"]
    lines, _ = taken([row(case=BENCH, gate="note")], lines=CARGO)
    assert lines == [f"bitnet-perf history --case '{BENCH}'"]


@pytest.mark.parametrize(("code", "answer"), [(0, 0), (1, 1), (3, 1), (4, 125), (6, 125)])
def test_git_is_told_what_a_gate_found(code, answer):
    line = commands.bisect_workspace("abc", "def", BENCH)
    judge = shlex.split(line)[-1].partition(";")[2]
    done = subprocess.run(["sh", "-c", f"(exit {code}); {judge}"], check=False)
    assert done.returncode == answer
