"""Rows of whole files, and the verdict of them all, as cases. Shared by the tests and by the
mutants that these answers must kill.

Each function takes the module under test and raises AssertionError where it answers otherwise.
"""

from __future__ import annotations

import math
from dataclasses import replace
from types import ModuleType
from typing import Any

from analyze.paired.synthetic import case, meta, raw, record

from bitnet_perf.analyze.paired.estimate import Estimate
from bitnet_perf.analyze.paired.rules import Budget, Rules
from bitnet_perf.analyze.paired.verdict import Decision
from bitnet_perf.bench.paired.raw import Raw, clock_of

SLOW = [0.07, 0.075, 0.065, 0.07] * 5
MAYBE = [0.0, 0.1] * 4


def row_of(module: ModuleType, file: Raw, rules: Rules | None = None) -> Any:
    (row,) = module.judge(file, rules)
    return row


def comparison_table(module: ModuleType) -> None:
    """Rows, clocks, canaries and exit codes from whole files."""
    _check_rows(module)
    _check_cross_check(module)
    _check_canaries(module)
    _check_clocks(module)
    _check_overall(module)
    _check_processes(module)


def _check_rows(module: ModuleType) -> None:
    alarm = {(0, 0): MAYBE, (0, 1): SLOW}
    row = row_of(module, raw([case()], alarm))
    assert (row.verdict, row.look, row.pairs, row.clock) == ("concern", 1, 20, "cpu")
    assert row.canaries == ()
    first = row_of(module, raw([case()], {(0, 0): [0.001, -0.001] * 4, (0, 1): SLOW}))
    assert (first.verdict, first.look, first.pairs) == ("pass", 0, 8)
    assert first.wall is not None
    assert abs(first.wall) < 1e-9
    same = row_of(module, raw([case(identical=True)], {}))
    assert (same.verdict, same.look, same.pairs, same.slowdown) == ("identical", -1, 0, None)
    assert (same.wall, same.cpu, same.clocks) == (None, None, None)
    timed = row_of(module, raw([case(identical=False)], alarm))
    assert timed.verdict == "concern"
    assert row_of(module, raw([case(only="base")], {})).verdict == "gone"
    assert row_of(module, raw([case(only="candidate")], {})).verdict == "new"
    nothing = row_of(module, raw([case()], {}))
    assert (nothing.verdict, nothing.reason) == ("inconclusive", "nothing was measured")
    _check_failed(module)
    one = row_of(module, raw([case()], {(0, 0): [0.01]}))
    assert (one.pairs, one.low, one.high, one.mde) == (1, None, None, None)
    two = row_of(module, raw([case()], {(0, 0): [0.01, 0.02]}))
    assert two.low is not None
    budget = row_of(module, raw([case()], {(0, 0): [0.0450, 0.0455] * 4}))
    assert (budget.verdict, budget.notes) == ("pass", ("at the budget", "measurably slower"))
    wider = Rules(core=Budget(0.2, 0.3))
    assert row_of(module, raw([case()], alarm), wider).verdict == "pass"
    assert row_of(module, raw([case()], alarm, rules=wider.to_dict())).verdict == "pass"


def _check_failed(module: ModuleType) -> None:
    """A side that failed in one process of many: its other times are no verdict."""
    died = row_of(module, raw([case(error="the worker died\n\x1b[31m")], {}))
    assert died.reason == "the worker died  [31m"
    inside = {(0, 0): [0.001, -0.001] * 4}
    for class_ in ("core", "other"):
        for keys in ({}, {"identical": True}, {"only": "base"}):
            file = raw([case(error="it crashed", **{"class": class_}, **keys)], inside)
            row = row_of(module, file)
            shown = (row.verdict, row.gate, row.reason, row.notes, row.slowdown)
            assert shown == ("inconclusive", "closed", "it crashed", ("error",), None)
            assert module.overall([row]) == ("inconclusive", 4)
    file = raw([case(bound="compute", error="it crashed")], inside)
    assert [canary.kind for canary in module.canaries(file, Rules())] == ["compute", "streaming"]
    file = raw([case(bound="compute")], {(0, 0): MAYBE, (0, 1): SLOW})
    assert row_of(module, file).canaries == ()
    cases = [{**each, "error": "it crashed"} if "canary" in each else each for each in file.cases()]
    row = row_of(module, replace(file, meta={**file.meta, "cases": cases}))
    assert (row.verdict, row.canaries) == ("inconclusive", ("compute",))


def process_case(class_: str = "core", change: object = 0.06, **keys: Any) -> dict[str, Any]:
    """A case of whole processes whose candidate has so many more instructions."""
    counted = {"instructions": {"change": change}} if change is not None else {}
    return case(**{"evidence": "whole processes", "class": class_} | counted | keys)


def _check_processes(module: ModuleType) -> None:
    """Whole processes: what is not known by time is neutral, or a concern by instructions."""
    open_ = {(0, 0): MAYBE}
    row = row_of(module, raw([process_case(change=None)], open_))
    assert (row.verdict, row.gate) == ("inconclusive", "neutral")
    assert "whole processes" in row.notes
    assert module.overall([row]) == ("skipped", 6)
    passes = row_of(module, raw([process_case()], {(0, 0): [0.001, -0.001] * 4}))
    assert (passes.verdict, passes.tells) == ("pass", True)
    assert module.overall([row, passes]) == ("pass", 0)
    by_count = row_of(module, raw([process_case()], open_))
    assert (by_count.verdict, by_count.gate) == ("concern", "fail")
    assert module.overall([by_count]) == ("concern", 3)
    plain = row_of(module, raw([process_case(evidence=None)], open_))
    assert (plain.verdict, plain.gate) == ("inconclusive", "closed")
    died = row_of(module, raw([process_case(error="it crashed")], open_))
    assert (died.gate, died.notes) == ("closed", ("error",))
    skipped = row_of(module, raw([process_case(skipped="no tests", only="base")], {}))
    shown = (skipped.verdict, skipped.gate, skipped.reason, skipped.pairs)
    assert shown == ("skipped", "neutral", "no tests", 0)
    assert module.overall([skipped]) == ("skipped", 6)
    assert module.overall([skipped, passes]) == ("pass", 0)


def processes_table(module: ModuleType) -> None:
    """What whole processes make of a decision by time."""
    rules = Rules()
    unknown = Decision("inconclusive", "closed", 1, ("bimodal",), "who knows", True, None)
    passes = replace(unknown, verdict="pass", gate="pass")

    def found(decision: Decision = unknown, **keys: Any) -> tuple[str, str]:
        judged = module.of_processes(decision, process_case(**keys), rules)
        assert judged.notes[:2] == ("bimodal", "whole processes")
        return judged.verdict, judged.gate

    assert found() == ("concern", "fail")
    assert found(class_="other") == ("concern", "note")
    assert found(passes) == ("pass", "pass")
    for change in (0.05, -0.2, 0.0, None, "many", 1, True, math.nan, math.inf):
        assert found(change=change) == ("inconclusive", "neutral"), change
    assert found(change=0.0501) == ("concern", "fail")
    assert found(instructions={"unavailable": "why"}) == ("inconclusive", "neutral")
    assert found(instructions=["change"]) == ("inconclusive", "neutral")
    told = module.of_processes(unknown, process_case(), rules)
    assert told.reason == (
        "+6.0% instructions for the same work, budget +5.0%; not known by time: who knows"
    )
    assert told.notes == ("bimodal", "whole processes", "by instructions")


def _check_cross_check(module: ModuleType) -> None:
    """Two pairs in eight far beyond what Yuen's interval gives weight: resampled, they show."""
    values = [0.0, 0.002, 0.001, 0.003, 0.002, 0.001, 0.004, 0.3]
    rules = Rules(slow_part=0.2)
    file = raw([case()], {(0, 0): values})
    row = row_of(module, file, rules)
    assert (row.verdict, row.notes) == ("pass", ("bootstrap differs",))
    assert row_of(module, file, rules) == row
    quiet = row_of(module, raw([case()], {(0, 0): [0.001, -0.001] * 4}))
    assert (quiet.verdict, quiet.notes) == ("pass", ())


def _check_canaries(module: ModuleType) -> None:
    alarm = {(0, 0): MAYBE, (0, 1): SLOW}
    loud = {"streaming": SLOW}
    for bound, failed in (
        ("compute", ()),
        ("streaming", ("streaming",)),
        ("unknown", ("streaming",)),
        (None, ("streaming",)),
    ):
        row = row_of(module, raw([case(bound=bound)], alarm, canary=loud))
        assert row.canaries == failed
        assert row.verdict == ("inconclusive" if failed else "concern")
        assert ("environment" in row.notes) is bool(failed)
        assert row.reason.endswith("(streaming)") is bool(failed)
    absent = raw([case()], alarm, canary={"compute": [], "streaming": []})
    assert row_of(module, absent).canaries == ("compute", "streaming")
    assert module.canaries(absent, Rules()) == ()
    assert [c.kind for c in module.canaries(raw([case()], alarm), Rules())] == [
        "compute",
        "streaming",
    ]
    quiet = raw([case()], {(0, 0): [0.001] * 8}, canary={"compute": [], "streaming": []})
    assert row_of(module, quiet).verdict == "pass"


def _check_clocks(module: ModuleType) -> None:
    for name, threads, keys, file, clock in (
        ("forward/gemv/i2_s/64x64/t1", 1, {}, {}, "cpu"),
        ("forward/gemv/i2_s/64x64/t2", 2, {}, {}, "wall"),
        ("forward/prefill/i2_s/2b4t-n128/t1", 1, {}, {}, "wall"),
        ("generation/decode/i2_s/2b4t-n32/t1", 1, {}, {}, "wall"),
        ("load/gguf/i2_s/2b4t/t1", 1, {}, {}, "wall"),
        ("forward/gemv/i2_s/64x64/t2", 2, {}, {"clock": "cpu"}, "cpu"),
        ("forward/gemv/i2_s/64x64/t1", 1, {"clock": "wall"}, {"clock": "cpu"}, "wall"),
    ):
        assert clock_of(file, case(name, **keys), threads) == clock, name
    records = [record(0, 0, 0.2, wall=0.001 * sign) for sign in (-1, 1) * 4]
    for clock, verdict in (("wall", "pass"), ("cpu", "inconclusive")):
        row = row_of(module, Raw.build(meta([case()], clock=clock), records))
        assert (row.clock, row.verdict, row.clocks) == (clock, verdict, "differ")
        assert row.cpu is not None
        assert abs(row.cpu - math.expm1(0.2)) < 1e-9
    stopped = [record(0, 0, 0.0, cpu_ns=[0.0] * 12) for _ in range(8)]
    row = row_of(module, Raw.build(meta([case()]), stopped))
    assert (row.verdict, row.pairs, row.cpu, row.clocks) == ("inconclusive", 0, None, None)
    a = Estimate((0.0,), 0.0, 3.0, 5, 0, 0, 0)
    for m, words in ((10.0, "agree"), (10.0 + 1e-9, "differ"), (-10.1, "differ"), (-9.9, "agree")):
        assert module._clocks(a, replace(a, m=m, se=4.0)) == words
    empty = replace(a, values=())
    for wall, cpu in ((empty, a), (a, empty), (None, a), (a, None)):
        assert module._clocks(wall, cpu) is None
    stop = module.decide_records(
        [[record(0, 0, v, wall=0.2) for v in (0.001, -0.001) * 4]], Rules(), "core",
        clock="cpu", last=False,
    )  # fmt: skip
    assert (stop.verdict, stop.settled) == ("pass", True)
    loud = [[record(0, 0, v) for v in MAYBE], [record(0, 1, v) for v in SLOW]]
    for sound, verdict in ((True, "concern"), (False, "inconclusive")):
        found = module.decide_records(loud, Rules(), "core", clock="cpu", last=True, sound=sound)
        assert found.verdict == verdict
    early = module.decide_records(loud, Rules(), "core", clock="cpu", last=False)
    assert (early.verdict, early.settled) == ("concern", True)
    waits = module.decide_records(loud, Rules(), "core", clock="cpu", last=False, contested=True)
    assert (waits.verdict, waits.settled) == ("concern", False)


def _check_overall(module: ModuleType) -> None:
    def row(verdict: str, class_: str = "core") -> Any:
        return replace(row_of(module, raw([case()], {})), verdict=verdict, class_=class_, pairs=8)

    words = ("identical", "improved", "pass", "inconclusive", "concern", "action")
    codes = {word: module.overall([row(word)]) for word in words}
    assert codes == {
        "identical": ("pass", 0),
        "improved": ("pass", 0),
        "pass": ("pass", 0),
        "inconclusive": ("inconclusive", 4),
        "concern": ("concern", 3),
        "action": ("action", 1),
    }
    others = {word: module.overall([row("pass"), row(word, "other")])[1] for word in words}
    assert others == dict.fromkeys(words, 0) | {"action": 1}
    assert module.overall([row("inconclusive"), row("concern")]) == ("concern", 3)
    untimed = {word: replace(row(word, "other"), pairs=0) for word in words}
    assert module.overall([untimed["inconclusive"]]) == ("skipped", 6)
    assert module.overall([untimed["identical"]]) == ("pass", 0)
    assert module.overall([untimed["inconclusive"], row("pass", "other")]) == ("pass", 0)
    assert module.overall([row("inconclusive"), row("concern"), row("action")]) == ("action", 1)
    assert module.overall([]) == ("skipped", 6)
    assert module.overall([row("new"), row("gone")]) == ("skipped", 6)
    assert module.overall([row("new"), row("pass")]) == ("pass", 0)
