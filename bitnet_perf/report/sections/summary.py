"""1. Regression Summary: every case with its verdict, the worst first, and the host."""

from __future__ import annotations

from bitnet_perf.analyze.paired.comparison import Row
from bitnet_perf.analyze.routing import BUDGETS
from bitnet_perf.peers.bitnet_rs.crates import owner_of
from bitnet_perf.report.document import Block, Table, Text, Words
from bitnet_perf.report.figures import NONE, Source, between, join, words
from bitnet_perf.report.judged import RAW, Judged, case_source

__all__ = ["interval", "summary"]

WORST = 3  # cases that the first sentence names


def summary(judged: Judged) -> list[Block]:
    """The verdict in a sentence, notes, the table of cases, what disagrees, the host."""
    base, candidate = judged.sides
    facts = Source("review.json", "sides")
    host = Source(RAW, "fingerprint")
    columns = ("case", "verdict", ">slowdown", ">bounds", ">MDE", ">pairs", "crate", "module")
    return [
        Text(
            text=words(
                facts.told(candidate), ", judged against ", facts.told(base),
                f": {judged.verdict}.", _worst(judged),
            )
        ),
        *(Text(text=Source("review.json", "notes").told(note)) for note in judged.notes),
        Table(title="Cases", columns=columns, rows=tuple(map(_cells, judged.worst_first))),
        *_cross_checks(judged),
        Table(
            title="Host",
            columns=("what", "value"),
            rows=tuple((name, host.told(value)) for name, value in judged.host.items()),
            detail=True,
        ),
    ]  # fmt: skip


def _worst(judged: Judged) -> Words:
    over = [row for row in judged.worst_first if row.gate == "fail"]
    missed = [each.name for each in judged.targets if each.gates and each.name != BUDGETS]
    found: list[Words] = []
    if over:
        named: list[Words] = [
            words(source.told(row.case), " ", source.percent(row.slowdown))
            for row in over[:WORST]
            for source in (case_source(row.case),)
        ]
        more = len(over) - len(named)
        found.append(
            words(" Over budget: ", join(", ", named), f" and {more} more." if more else ".")
        )
    if missed:
        told = Source("evidence.json", "targets").told(", ".join(missed))
        found.append(words(" Met before and missed now: ", told, "."))
    return words(*found)


def _cells(row: Row) -> tuple[Words, ...]:
    source = case_source(row.case)
    owner = owner_of(row.case)
    return (
        source.told(row.case),
        row.verdict,
        source.percent(row.slowdown, none=""),
        interval(source, row.low, row.high),
        source.percent(row.mde, ".1f", none=""),
        source.count(row.pairs) if row.pairs else "",
        owner.crate if owner else "",
        (owner.module or "none") if owner else "",
    )


def interval(source: Source, low: float | None, high: float | None) -> Words:
    """ "+1.2 % to +3.4 %", or nothing where there is no interval."""
    if low is None or high is None:
        return "" if low is None and high is None else NONE
    return between(source.percent(low), source.percent(high))


def _cross_checks(judged: Judged) -> list[Block]:
    """The kernel suite against runs end to end: first where the two disagree in direction."""
    found = sorted(judged.crosschecks, key=lambda check: not check.finding)
    return [
        Text(text=words("Finding: " if check.finding else "", source.told(check.sentence)))
        for check in found
        for source in (Source(check.file, check.case),)
    ]
