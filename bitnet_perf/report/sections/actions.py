"""5. Action Items: what to watch and where it fails, and commands that show it again."""

from __future__ import annotations

from bitnet_perf.report.build import CRATES
from bitnet_perf.report.document import Block, Lines, Table, Text, Words
from bitnet_perf.report.figures import Source
from bitnet_perf.report.judged import RAW, Judged

__all__ = ["actions"]

SHOWN = 10  # lines of cargo


def actions(judged: Judged) -> list[Block]:
    """Cases to watch, what to do next, and commands."""
    return [
        *_watched(judged),
        *_steps(judged),
        Text(text="Measure it again, and the benches of BitNet.rs beside it:"),
        Lines(language="shell", lines=(judged.command, *_of_cargo(judged), *CRATES)),
        *_fix(judged),
    ]


def _watched(judged: Judged) -> list[Block]:
    """What is slower within its budget, with the value at which it would fail."""
    rows: list[tuple[Words, ...]] = []
    for watch in judged.watches:
        source, limit = (Source(n.file, n.row or n.name) for n in (watch.slowdown, watch.fails_at))
        rows.append(
            (
                source.told(watch.case),
                source.percent(watch.slowdown.value),
                limit.percent(watch.fails_at.value),
                limit.told(watch.why),
                source.told(watch.command),
            )
        )
    columns = ("watch", ">slowdown", ">fails from", "by", "$its trend")
    return [Table(title="Slower, and not failing", columns=columns, rows=tuple(rows))]


def _steps(judged: Judged) -> list[Block]:
    """What whoever acts next can do."""
    source = Source(RAW, "rows")
    rows = tuple((source.told(step.text), source.told(step.command)) for step in judged.steps)
    return [Table(title="Next steps", columns=("step", "$command"), rows=rows)]


def _of_cargo(judged: Judged) -> list[str]:
    """The lines of cargo that run the cases that are over their budget or open."""
    named = (*judged.situation.over, *judged.situation.unknown)
    return [judged.commands[case] for case in named if case in judged.commands][:SHOWN]


def _fix(judged: Judged) -> list[Block]:
    """How a fix is committed, and an issue is opened."""
    if not judged.situation.over:
        return []
    return [
        Text(
            text="Commit a fix as `perf: what became faster`, with the case and its slowdown in "
            "the message; `bitnet-perf gate --open-issue` opens an issue for one that shows twice."
        )
    ]
