"""4. Recommendations: the gate, who acts next by which rule, and what to try."""

from __future__ import annotations

from bitnet_perf.analyze.numbers import Number
from bitnet_perf.analyze.suggestions import Suggestion
from bitnet_perf.report.document import Block, Lines, Table, Text, Words
from bitnet_perf.report.figures import Source, join, words
from bitnet_perf.report.judged import RAW, Judged, case_source

__all__ = ["recommendations"]

SHOWN = 12  # suggestions
SAW = 40  # numbers of the rule


def recommendations(judged: Judged, lines: tuple[Words, ...]) -> list[Block]:
    """The gate's line, the route with its rule and the numbers that it saw, and suggestions."""
    taken = judged.decided
    source = Source(RAW, "rows")
    blocks: list[Block] = [
        Lines(language="evidence", lines=lines[-1:]),
        Text(
            text=words(
                f"Route: {taken.agent}, with {taken.brings}. Rule: ", source.told(taken.rule),
                ".",
            )
        ),
        Table(
            title="What the rule saw",
            columns=("number", ">value", "record"),
            rows=tuple(_seen(each) for each in taken.numbers[:SAW]),
            detail=len(taken.numbers) > 4,
        ),
    ]  # fmt: skip
    if taken.why:
        blocks.append(Text(text=source.told(f"{taken.why}.")))
    if judged.suggestions:
        columns = ("about", "try", "because", "$test it with")
        rows = tuple(map(_suggestion, judged.suggestions[:SHOWN]))
        blocks.append(Table(title="Suggestions", columns=columns, rows=rows))
    blocks += [
        Text(text=case_source(row.case).told(f"{row.case}: {row.reason}."))
        for row in judged.rows
        if row.verdict == "improved"
    ]
    return blocks


def _suggestion(found: Suggestion) -> tuple[Words, ...]:
    source = Source(RAW, f"suggestion {found.rule}: {found.about}")
    seen = join("; ", [_number(each) for each in found.numbers])
    return (source.told(found.about), source.told(found.text), seen, source.told(found.command))


def _seen(found: Number) -> tuple[Words, ...]:
    source = Source(found.file, found.row or found.name)
    return (source.told(found.name), _value(found), source.told(found.source))


def _number(found: Number) -> Words:
    """A number that a rule saw, after what it is of."""
    return words(Source(found.file, found.row or found.name).told(found.name), " ", _value(found))


def _value(found: Number) -> Words:
    source = Source(found.file, found.row or found.name)
    if found.unit == "part":
        return source.percent(found.value, ".1f")
    if found.unit == "count":
        return source.count(found.value)
    if found.unit == "s":
        return source.seconds(found.value)
    if found.unit == "bytes":
        return source.bytes(found.value)
    return source.number(found.value, "x")
