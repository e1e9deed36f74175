"""What instruction counts add to a verdict."""

from __future__ import annotations

import pytest

from bitnet_perf.analyze.counts import annotate, compare_counts, lines, short_name
from bitnet_perf.bench.counters import Counts, FunctionCount, Unavailable


def counts(total, isa="x86_avx2", note="", tool="callgrind", **functions):
    by_function = {name: FunctionCount(value, value) for name, value in functions.items()}
    return Counts(total, tool, isa, by_function, note)


@pytest.mark.parametrize(
    ("change", "verdict", "kind", "next_look"),
    [
        (0.0, "concern", "layout, memory or noise", True),
        (0.0009, "action", "layout, memory or noise", True),
        (0.05, "concern", "attributed", False),
        (-0.05, "concern", "", False),
        (0.03, "pass", "latent", False),
        (0.019, "pass", "", False),
        (0.03, "inconclusive", "", False),
    ],
)
def test_the_rules(change, verdict, kind, next_look):
    found = annotate(compare_counts(counts(1e6), counts(1e6 * (1 + change))), verdict)
    assert (found.kind, found.next_look) == (kind, next_look)
    assert (kind in found.text) or kind in {"", "attributed"}


def test_the_function_that_adds_most_is_named():
    base = counts(1000.0, gemv=900.0, sums=100.0)
    candidate = counts(1100.0, gemv=890.0, sums=100.0, pad=110.0)
    found = compare_counts(base, candidate)
    assert [(f.name, f.share) for f in found.functions] == [
        ("pad", pytest.approx(0.11)),
        ("gemv", pytest.approx(-0.01)),
    ]
    annotation = annotate(found, "action")
    assert annotation.text == "+10.00% instructions, pad adds 11.00%"
    assert lines(found, annotation) == (
        "instructions: 1,000 -> 1,100 (+10.00%, callgrind)",
        annotation.text,
        "  pad: 0 -> 110 (+11.00%)",
        "  gemv: 900 -> 890 (-1.00%)",
    )


def test_no_count_is_never_a_number():
    lost = Unavailable("no valgrind")
    assert compare_counts(lost, lost) == lost
    one = compare_counts(counts(1.0), Unavailable("it hangs"))
    assert one == Unavailable("candidate: it hangs")
    assert annotate(one, "action").kind == ""
    assert lines(one, annotate(one, "action")) == (
        "instructions: unavailable (candidate: it hangs)",
    )
    other = compare_counts(counts(1.0), counts(1.0, tool="perf"))
    assert other == Unavailable("counted by different tools: callgrind, perf")


def test_notes_say_whose_they_are():
    same = compare_counts(counts(1.0, note="weak"), counts(1.0, note="weak"))
    assert same.notes == ("weak",)
    differ = compare_counts(counts(1.0, isa="scalar", note="weak"), counts(1.0))
    assert differ.notes == ("base: weak", "instruction sets differ: scalar, x86_avx2")


def test_short_names():
    assert short_name("void bp::run<int, (x)3>(bp::args const&)") == "bp::run"
