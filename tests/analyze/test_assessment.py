"""Every target by example, and what no figures can break. Nothing is measured here."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from analyze.paired.synthetic import CANARIES, meta, record
from analyze.surveyed import FLAT, evidence, held, loaded, target, trip, trips
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bitnet_perf.analyze.assessed import assess_review
from bitnet_perf.analyze.assessment import assess, budgets_target, codec_accuracy
from bitnet_perf.analyze.evidence import (
    Agreement,
    Answer,
    Evidence,
    Held,
    Loaded,
    SideEvidence,
)
from bitnet_perf.analyze.paired.comparison import Row, judge
from bitnet_perf.analyze.targets import Goals, decided
from bitnet_perf.bench.paired.raw import Raw

DECODE = "generation/decode/i2_s/small-n32/t1"
NAMED = "generation/decode/i2_s/mine.0123abcd-n33/t2"
ORDER = ("missed now", "not met before or after", "not measured", "met")

ROW = partial(
    Row, verdict="pass", slowdown=0.0, low=-0.01, high=0.01, mde=0.01, pairs=8, reason="r", look=1,
    gate="pass", notes=(), class_="core", bound="unknown", clock="cpu", wall=None, cpu=None,
    clocks=None, canaries=(),
)  # fmt: skip


def test_unknown_is_never_met_and_missed_needs_a_base_that_met_it():
    states = {(b, c): decided(b, c) for b in (None, False, True) for c in (None, False, True)}
    assert {c for (_, c), state in states.items() if state == "met"} == {True}
    assert [key for key, state in states.items() if state == "missed now"] == [(True, False)]
    assert states[False, False] == "not met before or after"
    assert states[None, False] == states[True, None] == "not measured"


# Inference throughput


def speed(base, candidate, *, name=DECODE, spread=0.0, pairs=8):
    """A comparison in which a token takes 1 / base and 1 / candidate seconds."""
    noise = np.random.default_rng(1).normal(0, spread, (pairs, 2))
    pairs_ = [
        record(0, 0, np.log(base / candidate) + b, base=1e9 / base * np.exp(a)) for a, b in noise
    ]
    canaries = [record(n, -1, v) for n in (1, 2) for v in [0.001, -0.001] * 8]
    cases = [{"name": name, "class": "core"}, *CANARIES]
    return Raw.build(meta(cases, rules={}), [*pairs_, *canaries])


def rate(raw, **goals):
    found = assess(evidence(), raw, judge(raw), Goals(**goals))
    return next(each for each in found if each.name.startswith("inference throughput"))


@pytest.mark.parametrize(
    ("base", "candidate", "status"),
    [
        (50, 50, "met"),
        (50, 46, "met"),
        (50, 40, "missed now"),
        (30, 50, "met"),
        (30, 29, "not met before or after"),
    ],
)
def test_a_rate_against_its_target(base, candidate, status):
    found = rate(speed(base, candidate))
    assert found.status == status
    assert found.base == pytest.approx(base)
    assert found.candidate == pytest.approx(candidate)
    assert found.name.endswith("small-n32, 1 thread, synthetic weights")
    assert found.sources == (f"raw.npz: {DECODE}",)
    assert f"{found.candidate:.1f}" in found.sentence


def test_the_host_is_named():
    raw = speed(50, 50)
    named = Raw({**raw.meta, "fingerprint": {"cpu": "A CPU"}}, raw.columns, raw.pairs)
    assert rate(named).sentence.endswith("asked are 45 on A CPU.")


def test_the_lower_bound_decides():
    assert rate(speed(46, 46)).status == "met"
    wide = rate(speed(46, 46, spread=0.1))
    assert wide.candidate < 45
    assert wide.status == "not met before or after"


def test_noise_around_the_target_does_not_gate():
    raw = speed(45.4, 44.6, spread=0.0)
    row = replace(judge(raw)[0], low=-0.01)
    found = assess(evidence(), raw, (row,))[0]
    assert (found.status, found.gates) == ("not measured", False)
    assert "no change between the sides was seen" in found.sentence


def test_a_named_model_takes_all_its_tokens_in_an_iteration():
    raw = speed(1.0, 1.0, name=NAMED)  # 32 tokens a second
    found = assess(evidence(synthetic=False, model="mine.gguf"), raw, judge(raw))[0]
    assert found.candidate == pytest.approx(32.0)
    assert found.name == "inference throughput, mine.0123abcd-n33, 2 threads"


def test_a_named_model_on_most_threads_comes_first():
    names = (DECODE, NAMED.replace("/t2", "/t1"), NAMED, DECODE.replace("/t1", "/t2"))
    cases = [{"name": name, "class": "core", "error": "it died"} for name in names]
    raw = Raw.build(meta([*cases, *CANARIES]), [])
    found = assess(evidence(), raw, judge(raw))
    titles = [each.name.split(", ")[1:3] for each in found if each.name.startswith("inference")]
    mine = "mine.0123abcd-n33"
    assert titles == [[mine, "2 threads"], [mine, "1 thread"], ["small-n32", "2 threads"],
                      ["small-n32", "1 thread"]]  # fmt: skip


def test_a_decode_case_without_times_says_why():
    raw = Raw.build(meta([{"name": DECODE, "class": "core", "error": "it died"}, *CANARIES]), [])
    found = rate(raw)
    assert found.status == "not measured"
    assert "it died" in found.sentence


def test_without_a_decode_case_nothing_is_claimed():
    found = target(evidence(), "inference throughput")
    assert (found.status, found.candidate) == ("not measured", None)


# Accuracy


@pytest.mark.parametrize(
    ("base", "candidate", "status"),
    [
        (99, 99, "met"),
        (99, 94, "missed now"),
        (90, 94, "not met before or after"),
        (90, 96, "met"),
        (95, 95, "not met before or after"),  # a loss of less than 5 % is asked
    ],
)
def test_accuracy_against_its_target(base, candidate, status):
    found = target(evidence(trips(trip(base)), trips(trip(candidate))), "quantization accuracy on")
    assert found.status == status
    assert found.name == "quantization accuracy on d"
    assert f"i2_s {candidate:.2f} %" in found.sentence


def test_the_worst_format_decides_and_all_are_told():
    base = trips(trip(99), trip(50, "tl1"), trip(98, "tl2"))
    candidate = trips(trip(99), trip(50, "tl1"), trip(93, "tl2"))
    found = target(evidence(base, candidate), "quantization accuracy on")
    assert found.status == "missed now"
    for text in ("tl2 93.00 % (base 98.00)", "met: i2_s 99.00 %", "tl1 50.00 %"):
        assert text in found.sentence


def test_a_format_that_the_base_lacks_is_not_judged():
    found = target(evidence({}, trips(trip(50))), "quantization accuracy on")
    assert found.status == "not measured"
    assert "base not measured" in found.sentence


@pytest.mark.parametrize(
    ("base", "candidate", "gates"),
    [
        (trip(50), trip(49.4), True),
        (trip(50), trip(49.6), False),
        (trip(50), trip(70), False),
        (trip(99, codes=0.95), trip(99, codes=0.94), True),
        (trip(99, codes=0.95), trip(99, codes=0.948), False),
        (trip(99, codes=0.95), trip(99), False),
    ],
)
def test_a_drop_against_the_base_gates_whatever_the_target(base, candidate, gates):
    found = target(evidence(trips(base), trips(candidate)), "quantization accuracy against")
    assert found.gates is gates
    assert found.status == ("missed now" if gates else "met")


def test_a_drop_in_one_of_many_is_found():
    names = [f"f{n}" for n in range(9)]
    base = trips(*(trip(90, name) for name in names))
    candidate = trips(*(trip(80 if name == "f4" else 95, name) for name in names))
    equal = Agreement(format="f4", data="d", values=10, equal=0.25)
    found = target(evidence(base, candidate, agreements=(equal,)), "quantization accuracy against")
    assert found.gates
    for text in ("1 lose more than 0.5 points (f4)", "10.00 points", "90.00 % before, 80.00 now",
                 "25.00 % of the restored"):  # fmt: skip
        assert text in found.sentence


def test_other_data_are_not_compared():
    found = evidence(trips(trip(99, data="a")), trips(trip(9, data="b")))
    assert target(found, "quantization accuracy against").status == "not measured"


def test_the_evidence_line_takes_the_model_or_the_gaussian_data():
    all_ = [trip(n, f"quant.{c}", d) for n, d in ((90, "own"), (40, "Gaussian")) for c in
            ("i2s", "tl1", "tl2")]  # fmt: skip
    assert codec_accuracy(evidence(trips(*all_)))["I2S"].accuracy == pytest.approx(40)
    named = codec_accuracy(evidence(trips(*all_), model="m.gguf"))
    assert list(named) == ["I2S", "TL1", "TL2"]
    assert named["TL1"].accuracy == pytest.approx(90)
    assert named["TL1"].distribution == "own"
    assert codec_accuracy(evidence()) == {}


# Budgets


def test_budgets_in_one_row():
    rows = [
        ROW(case="a"),
        ROW(case="b", verdict="concern", gate="fail", slowdown=0.12),
        ROW(case="c", verdict="inconclusive", gate="closed", slowdown=None),
        ROW(case="d", class_="other", gate="note", verdict="concern"),
        ROW(case="e", verdict="new", gate="pass"),
    ]
    found = budgets_target(rows)
    assert found.gates
    assert found.sentence == (
        "core: 1 of 3 cases within, 1 over (b +12.0 %), 1 inconclusive; "
        "other: 1 of 1 cases within, 1 noted."
    )
    assert budgets_target(rows[:1]).status == "met"
    assert budgets_target([rows[0], rows[2]]).status == "not measured"
    assert budgets_target([]).status == budgets_target(rows[-1:]).status == "not measured"


# Together


def test_a_missed_target_is_exit_code_1_and_budgets_are_apart():
    found = assess_review(evidence(trips(trip(99)), trips(trip(50))), None, ())
    assert [each.name.partition(" on ")[0] for each in found.missed] == [
        "quantization accuracy",
        "quantization accuracy against the base",
    ]
    assert [found.exit_code(code) for code in (0, 3, 4)] == [1, 1, 1]
    over = [ROW(case="b", verdict="concern", gate="fail", slowdown=0.07)]
    held_ = assess_review(evidence(), None, over)
    assert (held_.missed, held_.budgets.gates, held_.exit_code(3)) == ((), True, 3)
    assert {each["status"] for each in held_.to_dict()["targets"]} <= set(ORDER)


def test_goals_are_those_of_the_settings():
    base = evidence(trips(trip(90)))
    assert target(base, "quantization accuracy on", goals=Goals(accuracy_loss=0.2)).status == "met"
    assert rate(speed(30, 30), tokens_per_second=20.0).status == "met"


small = st.integers(1, 1 << 40)


def once(each, key, most):
    """Tuples of what may stand once."""
    return st.lists(each, max_size=most, unique_by=key).map(tuple)


a_trip = st.builds(
    trip, st.floats(-1e3, 100), st.sampled_from("ab"), st.sampled_from("xy"),
    st.none() | st.floats(0, 1),
)  # fmt: skip
a_load = st.builds(Loaded, layers=st.integers(1, 9), model=small, before=small, peak=small)
a_held = st.builds(
    Held, what=st.sampled_from("ab"), kind=st.sampled_from(["resident", "python"]),
    sizes=st.lists(small, min_size=4, max_size=9).map(tuple),
)  # fmt: skip
an_answer = st.builds(
    Answer, what=st.sampled_from(["logits", "tokens", "gemv/x", "gemm/y"]),
    isa=st.sampled_from(["", "scalar", "avx"]), threads=st.integers(1, 4), run=st.integers(0, 3),
    digest=st.sampled_from("pq"),
)  # fmt: skip
a_side = st.builds(
    SideEvidence,
    label=st.just("x"),
    round_trips=once(a_trip, lambda each: (each.format, each.data), 6),
    loaded=once(a_load, lambda each: each.model, 6),
    held=once(a_held, lambda each: (each.what, each.kind), 3),
    answers=once(an_answer, lambda each: (each.what, each.isa, each.threads, each.run), 8),
)


@given(a_side, a_side)
def test_whatever_was_measured_is_assessed(base, candidate):
    found = assess_review(Evidence(base=base, candidate=candidate), None, ())
    for each in (*found.targets, found.budgets):
        assert each.status in ORDER
        assert each.sentence.endswith(".")
        if each.status == "missed now":
            assert each.base is not None
            assert each.candidate is not None


@given(a_side)
def test_a_side_misses_nothing_against_itself(side):
    found = assess_review(Evidence(base=side, candidate=side), None, ())
    assert found.missed == ()


@given(a_side, st.floats(0, 40), st.integers(0, 5))
def test_every_large_drop_of_accuracy_gates(side, extra, place):
    if not side.round_trips:
        return
    worse = [*side.round_trips]
    at = place % len(worse)
    error = worse[at].error + 0.0051 + extra / 100
    worse[at] = worse[at].model_copy(update={"error": error})
    candidate = side.model_copy(update={"round_trips": tuple(worse)})
    found = assess_review(Evidence(base=side, candidate=candidate), None, ())
    assert "quantization accuracy against the base" in {each.name for each in found.missed}


def test_what_stands_twice_is_refused():
    for fields in (trips(trip(1), trip(2)), loaded(lambda n: n, sizes=(1, 1)),
                   {"held": held(FLAT)["held"] * 2}):  # fmt: skip
        with pytest.raises(ValidationError, match="twice"):
            evidence(fields)
