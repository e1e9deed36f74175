"""3. Impact Assessment: evidence, targets with what decides them, what decided each case."""

from __future__ import annotations

from bitnet_perf.analyze.targets import Target
from bitnet_perf.report.document import Block, Lines, Table, Text, Words
from bitnet_perf.report.figures import NONE, SETTINGS, Source, words
from bitnet_perf.report.judged import EVIDENCE, Judged, case_source

__all__ = ["impact", "target_source"]

_ORDER = ("missed now", "not met before or after", "not measured", "met")


def impact(judged: Judged, lines: tuple[Words, ...]) -> list[Block]:
    """The evidence lines, the gate's aside, and what stands behind them."""
    return [
        Lines(language="evidence", lines=lines[:-1]),
        *_targets(judged),
        *_decided(judged),
        *_trends(judged),
        *_accuracy(judged),
    ]


def target_source(target: Target) -> Source:
    """The first place that a target was decided by."""
    file, _, row = (target.sources or (EVIDENCE,))[0].partition(": ")
    return Source(file, row or target.name)


def _targets(judged: Judged) -> list[Block]:
    rows: list[tuple[Words, ...]] = []
    for target in sorted(judged.targets, key=lambda each: _ORDER.index(each.status)):
        source = target_source(target)
        goal = Source(SETTINGS, f"settings.targets: {target.name}")
        none = NONE if target.status == "not measured" else ""
        values = (
            source.number(each, target.unit, none=none) for each in (target.base, target.candidate)
        )
        rows.append(
            (
                source.told(target.name),
                target.status,
                *values,
                goal.number(target.goal, target.unit, none=""),
                source.told(target.sentence),
            )
        )
    columns = ("target", "status", ">base", ">candidate", ">asked", "what decides")
    return [Table(title="Targets", columns=columns, rows=tuple(rows))]


def _decided(judged: Judged) -> list[Block]:
    """Of cases that do not just pass, why."""
    rows: list[tuple[Words, ...]] = []
    for row in judged.worst_first:
        if row.gate != "pass" or row.notes or row.case in judged.annotations:
            source = case_source(row.case)
            text = "; ".join((row.reason, *row.notes, *judged.annotations.get(row.case, ())))
            rows.append((source.told(row.case), row.verdict, source.told(text)))
    columns = ("case", "verdict", "why")
    return [Table(title="What decided the cases", columns=columns, rows=tuple(rows))]


def _trends(judged: Judged) -> list[Block]:
    """The candidate beside the file that was named as a baseline, the largest change first."""
    stored = judged.baseline
    if stored is None or not stored.used:
        return []
    source = Source(EVIDENCE, "baseline")
    if not stored.trends:
        text = words(source.told(stored.name), " has no case that was compared here.")
        return [Text(text=text)]
    rows: list[tuple[Words, ...]] = []
    for trend in sorted(stored.trends, key=lambda each: -abs(each.change)):
        before, now = Source(EVIDENCE, f"baseline {trend.case}"), case_source(trend.case)
        rows.append(
            (
                now.told(trend.case),
                before.seconds(trend.baseline),
                now.seconds(trend.candidate),
                now.percent(trend.change),
            )
        )
    columns = ("case", ">baseline", ">candidate", ">slowdown, of another run")
    title = f"Against the baseline {stored.name}: a trend, which never gates"
    return [Table(title=title, columns=columns, rows=tuple(rows))]


def _accuracy(judged: Judged) -> list[Block]:
    """Round trips of every format, both sides."""
    if judged.evidence is None or not judged.evidence.candidate.round_trips:
        return []
    before = {(each.format, each.data): each for each in judged.evidence.base.round_trips}
    rows: list[tuple[Words, ...]] = []
    for trip in judged.evidence.candidate.round_trips:
        source = Source(EVIDENCE, f"round_trips {trip.format}, {trip.data}")
        old = before.get((trip.format, trip.data))
        rows.append(
            (
                source.told(trip.format),
                NONE if old is None else source.number(old.accuracy, "%", ".2f"),
                source.number(trip.accuracy, "%", ".2f"),
                source.bare(trip.cosine, "", ".5f"),
                source.told(trip.data),
            )
        )
    columns = ("format", ">accuracy, base", ">candidate", ">cosine", "data")
    return [Table(title="Accuracy of the formats", columns=columns, rows=tuple(rows), detail=True)]
