"""Traces of the paired profile: whole, nested, and equal in sum to what was measured."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report.samples import stacks

from bitnet_perf.report.traces import StackTime, as_chrome, as_folded, as_speedscope

NAMES = st.text(st.characters(codec="utf-8"), max_size=12)
STACKS = st.lists(
    st.builds(
        StackTime,
        st.sampled_from(["a", "b;c"]),
        st.lists(NAMES, max_size=4).map(tuple),
        st.tuples(st.floats(0, 10), st.floats(0, 10)),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda each: (each.case, each.names),
)


@pytest.mark.parametrize("write", [as_chrome, as_speedscope, as_folded])
def test_without_a_profile_there_is_no_trace(write):
    assert write(()) is None


@given(STACKS)
def test_chrome_events_nest_and_add_up(found):
    events = json.loads(as_chrome(found))["traceEvents"]
    spans = [event for event in events if event["ph"] == "X"]
    for pid in (1, 2):
        for tid in {event["tid"] for event in spans}:
            mine = [e for e in spans if (e["pid"], e["tid"]) == (pid, tid)]
            for a in mine:
                for b in mine:
                    inside = a["ts"] - 0.01 <= b["ts"] and (
                        b["ts"] + b["dur"] <= a["ts"] + a["dur"] + 0.01
                    )
                    apart = (
                        b["ts"] + b["dur"] <= a["ts"] + 0.01 or a["ts"] + a["dur"] <= b["ts"] + 0.01
                    )
                    around = b["ts"] - 0.01 <= a["ts"] and (
                        a["ts"] + a["dur"] <= b["ts"] + b["dur"] + 0.01
                    )
                    assert inside or apart or around
        total = max((e["ts"] + e["dur"] for e in spans if e["pid"] == pid), default=0)
        by_case = {}
        for each in found:
            by_case[each.case] = by_case.get(each.case, 0.0) + each.seconds[pid - 1]
        assert total == pytest.approx(1e6 * max(by_case.values()), rel=1e-6, abs=0.1)


@given(STACKS)
def test_speedscope_has_a_profile_for_each_case_and_side(found):
    told = json.loads(as_speedscope(found))
    frames = len(told["shared"]["frames"])
    assert len(told["profiles"]) == 2 * len({each.case for each in found})
    for profile in told["profiles"]:
        assert len(profile["samples"]) == len(profile["weights"])
        assert profile["endValue"] == pytest.approx(sum(profile["weights"]))
        assert all(0 <= place < frames for sample in profile["samples"] for place in sample)


@given(STACKS)
def test_folded_lines_are_stacks_and_a_number(found):
    lines = as_folded(found).splitlines()
    assert len(lines) == 2 * len(found)
    for line, each in zip(lines, found, strict=False):
        stack, _, number = line.rpartition(" ")
        assert int(number) == round(1e9 * each.seconds[0])
        assert len(stack.split(";")) == 2 + len(each.names)
        assert stack.startswith("base;")


def test_the_sample_reads_as_people_would_expect():
    line = (
        "candidate;generation/decode/i2_s/2b4t-n32/t2;Forward Pass;qkv;gemv/i2_s/x86_avx2 8500000"
    )
    assert line in as_folded(stacks()).splitlines()
