"""Routing takes the first row that holds; every row is reached; worse is never routed better."""

from __future__ import annotations

import datetime
import itertools
from dataclasses import dataclass, replace
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitnet_perf.analyze.accepted import Accept, accept_rows
from bitnet_perf.analyze.numbers import EVIDENCE, RAW, REVIEW
from bitnet_perf.analyze.paired.comparison import Row, overall
from bitnet_perf.analyze.routing import (
    ROUTES,
    Baseline,
    Situation,
    decided,
    route,
    situation_of,
)

GEMV = "forward/gemv/i2_s/2560x2560/t1"
PACK = "quantization/pack/i2_s/2560x2560/t1"
GPU = "forward/mixed_matmul/f16/256x256x256/t1"
GROUP = "matmul_64x64/precision_comparison/modern_gpu_64_FP16"
DAY = datetime.date(2027, 3, 1)

row = partial(
    Row, case=GEMV, verdict="pass", slowdown=0.0, low=-0.01, high=0.01, mde=0.01, pairs=8,
    reason="inside", look=1, gate="pass", notes=(), class_="core", bound="unknown", clock="cpu",
    wall=None, cpu=None, clocks=None, canaries=(),
)  # fmt: skip
alarm = partial(row, verdict="action", slowdown=0.12, low=0.1, high=0.14, gate="fail")
unknown = partial(row, verdict="inconclusive", gate="closed", low=-0.02, high=0.08)
within = partial(row, slowdown=0.02, low=0.01, high=0.03, notes=("measurably slower",))


@dataclass(frozen=True)
class Target:
    name: str
    status: str


MISSED = Target("inference throughput", "missed now")
LOSS = Target("quantization accuracy of TL1", "missed now")
OUTPUT = Target("model output against the base", "missed now")
BUDGETS = Target("budgets", "missed now")
BEFORE = Target("inference throughput", "not met before or after")

shifted = partial(within, slowdown=0.004, low=0.003, high=0.005)  # by less than the guard

# Rows, what else is known, and the row of the table by its number.
CASES = {
    "nothing": ([], {}, 0),
    "new cases alone": ([row(verdict="new", gate="neutral", pairs=0)], {}, 0),
    "no baseline": ([row()], {"baseline": Baseline(there=False)}, 1),
    "refused": ([alarm()], {"baseline": Baseline(refused=("kernel 'mock'",))}, 1),
    "slower by less than the guard": ([shifted(), row()], {}, 9),
    "GPU": ([alarm(case=GPU), row()], {}, 2),
    "GPU groups": ([alarm(case=GROUP)], {}, 2),
    "quantization": ([alarm(case=PACK), row()], {}, 3),
    "quantization groups": ([alarm(case="quantization_sizes/I2S_quantize/1024")], {}, 3),
    "accuracy": ([row()], {"targets": [LOSS]}, 3),
    "accuracy and what follows": ([row()], {"targets": [OUTPUT, LOSS]}, 3),
    "budgets are those of the rows": ([alarm(case=PACK)], {"targets": [BUDGETS]}, 3),
    "GPU budgets": ([alarm(case=GPU)], {"targets": [BUDGETS]}, 2),
    "output alone": ([row()], {"targets": [OUTPUT]}, 6),
    "speed and accuracy": ([alarm(case=PACK)], {"targets": [LOSS]}, 3),
    "localized": ([alarm()], {"localized": ("gemv/i2_s/x86_avx2", 0.9)}, 4),
    "GPU and CPU": ([alarm(), alarm(case=GPU)], {"localized": ("bitnet-kernels", 0.9)}, 4),
    "spread": ([alarm(), alarm(case=PACK)], {}, 5),
    "core and accuracy": ([alarm()], {"targets": [LOSS]}, 5),
    "target": ([row()], {"targets": [MISSED]}, 6),
    "target and accuracy": ([row()], {"targets": [LOSS, MISSED]}, 6),
    "inconclusive": ([unknown(), within(case=PACK)], {}, 7),
    "slower": ([within(), row(case=PACK)], {}, 8),
    "concern of another class": ([row(case=PACK, gate="note", verdict="concern")], {}, 8),
    "all met": ([row(), row(case=PACK, verdict="identical", pairs=0)], {"targets": [BEFORE]}, 9),
}


def situation(name: str) -> Situation:
    rows, known, _ = CASES[name]
    return situation_of(rows, known.get("localized"), **{
        key: value for key, value in known.items() if key != "localized"
    })  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_row_of_a_situation(name):
    assert ROUTES.index(route(situation(name))) == CASES[name][2]


def test_every_row_is_reached():
    assert {expected for *_, expected in CASES.values()} == set(range(len(ROUTES)))


def test_the_words_are_those_of_the_specification():
    words = [(each.verdict, each.agent) for each in ROUTES]
    slow = ("significant regression detected", "perf-fixer")
    assert words == [
        ("skipped", "none"),
        ("baseline establishment needed", "review-summarizer"),
        ("GPU performance issues", "gpu-optimizer"),
        ("quantization performance issues", "quantization-optimizer"),
        slow,
        slow,
        slow,
        ("not known yet", "none"),
        ("regression detected within threshold", "promotion-validator"),
        ("performance validation complete", "test-finalizer"),
    ]


@pytest.mark.parametrize("name", CASES)
def test_a_decision_tells_the_numbers_it_saw_and_where_they_stand(name):
    seen = situation(name)
    found = decided(seen)
    assert found.rule == route(seen).rule
    assert found.numbers[0].value == seen.measured_cases
    assert {number.file for number in found.numbers} <= {RAW, EVIDENCE, REVIEW}
    named = {number.row for number in found.numbers}
    for case in seen.over if 2 <= CASES[name][2] <= 5 else ():
        assert case in named
    assert all(name in found.why for name in seen.missed)


def test_why_a_baseline_is_refused_and_why_nothing_was_measured():
    assert decided(situation("refused")).why == "kernel 'mock'"
    failed = row(pairs=0, verdict="inconclusive", gate="neutral", reason="time budget")
    found = decided(situation_of([failed], None))
    assert (found.verdict, found.why) == ("skipped", "time budget")
    assert decided(situation_of([], None, why="no case is left")).why == "no case is left"


def test_an_accepted_case_goes_to_the_validator_and_gates_again_when_it_expired():
    entry = Accept(case="gemv/*", limit=0.2, reason="better accuracy", expires=DAY)
    rows, _ = accept_rows([alarm()], [entry], DAY)
    found = decided(situation_of(rows, None))
    assert (found.agent, overall(rows)[1]) == ("promotion-validator", 0)
    assert "accepted trade-offs: 1" in map(str, found.numbers)
    rows, said = accept_rows([alarm()], [entry], DAY + datetime.timedelta(days=1))
    found = decided(situation_of(rows, None))
    assert (found.agent, overall(rows)[1]) == ("perf-fixer", 1)
    assert "expired on 2027-03-01" in said[0]


ROWS = st.lists(
    st.builds(
        lambda case, make: make(case=case),
        st.sampled_from([GEMV, PACK, GPU, GROUP, "somebody/else"]),
        st.sampled_from([row, alarm, unknown, within]),
    ),
    max_size=5,
)
PLACES = st.sampled_from([None, ("gemv/i2_s/x86_avx2", 0.8)])
TARGETS = st.lists(st.sampled_from([MISSED, LOSS, BEFORE, OUTPUT, BUDGETS]), max_size=2)


def severity(found: Situation) -> int:
    """0 all met, 1 slower within, 2 not known, 3 somebody has to act."""
    return {"test-finalizer": 0, "promotion-validator": 1, "none": 2, "review-summarizer": 2}.get(
        route(found).agent, 3
    )


@settings(deadline=None)
@given(ROWS, PLACES, TARGETS)
def test_it_is_the_first_row_that_holds(rows, place, targets):
    found = situation_of(rows, place, targets=targets)
    assert route(found) is next(itertools.dropwhile(lambda each: not each.holds(found), ROUTES))


@settings(deadline=None)
@given(ROWS, PLACES, TARGETS, st.sampled_from([alarm(), alarm(case=PACK), unknown(), within()]))
def test_one_more_bad_case_never_gets_a_better_route(rows, place, targets, more):
    before = situation_of([row(), *rows], place, targets=targets)
    after = situation_of([row(), *rows, more], place, targets=targets)
    assert severity(after) >= severity(before)


@settings(deadline=None)
@given(ROWS, PLACES, TARGETS, st.sampled_from([MISSED, LOSS]))
def test_one_more_missed_target_never_gets_a_better_route(rows, place, targets, more):
    before = situation_of(rows, place, targets=targets)
    after = situation_of(rows, place, targets=[*targets, more])
    assert severity(after) >= severity(before)


@settings(deadline=None)
@given(ROWS, PLACES)
def test_a_row_that_becomes_worse_never_gets_a_better_route(rows, place):
    steps = [row, within, unknown, alarm]
    routes = [severity(situation_of([make(), *rows], place)) for make in steps]
    assert routes == sorted(routes)


@settings(deadline=None)
@given(ROWS, PLACES)
def test_the_route_and_the_exit_code_agree(rows, place):
    code = overall(rows)[1]
    found = severity(situation_of(rows, place))
    assert found == {1: 3, 3: 3, 4: 2, 6: 2}.get(code, found)
    assert code != 0 or found < 2


def test_a_situation_is_plain_json():
    found = replace(situation("localized"), missed=("x",))
    assert found.to_dict()["over"] == (GEMV,)
    assert decided(found).to_dict()["numbers"][0]["file"] == RAW


def test_the_crate_and_the_module_that_hold_all_of_it_are_named():
    both = [alarm(), alarm(case="forward/gemv/i2_s/640x2560/t1")]
    why = decided(situation_of(both, None)).why
    assert why == "all over budget is of crate bitnet-kernels and module csrc/kernels/gemv, gemm"
    rope = alarm(case="forward/rope/f32/20x128/t1")
    assert decided(situation_of([*both, rope], None)).why == ""
    assert decided(situation_of([row()], None)).why == ""
