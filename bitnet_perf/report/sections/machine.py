"""How the code uses the host, a part of the second section: memory, limits, threads, caches."""

from __future__ import annotations

from collections.abc import Sequence

from bitnet_perf.analyze.attribution import Growth, MemoryRow
from bitnet_perf.analyze.efficiency import CacheRow, Gain, Placed, Ratio, StageRow
from bitnet_perf.analyze.evidence import Misses, Part
from bitnet_perf.analyze.roofline import Place
from bitnet_perf.report.document import Block, Table, Text, Words
from bitnet_perf.report.figures import NONE, Source, between, words
from bitnet_perf.report.judged import EVIDENCE, PROFILE, Judged

__all__ = ["machine"]


def machine(judged: Judged) -> list[Block]:
    """Memory by stage, what is not given back, places under the limits, vector and thread gains,
    cache misses; of what was not measured the reason."""
    found = judged.attribution
    return [
        *_memory(found.memory),
        *_of_a_run(judged.memory),
        *_growths(found.growths),
        *_or_why(judged, "limits", _places(judged.places)),
        *_or_why(judged, "speed", _gains("Vector variants against scalar", judged.gains)),
        *_or_why(judged, "speed", _gains("Threads against one", judged.scaling)),
        *_or_why(judged, "cache", _cache(judged.cache)),
    ]


_MEMORY = ("stage", ">allocations, base", ">candidate", ">allocated, base", ">candidate",
           ">peak RSS, base", ">candidate")  # fmt: skip
_WORDS: dict[Part, str] = {
    "limits": "Roofline",
    "speed": "Vector and thread gains",
    "cache": "Cache misses",
}


def _or_why(judged: Judged, part: Part, table: Table) -> list[Block]:
    """The table, or why it has no rows."""
    if table.rows or judged.evidence is None:
        return [table] if table.rows else []
    why = Source(EVIDENCE, "missing").told(judged.evidence.why(part))
    return [Text(text=words(f"{table.title}: {NONE} (", why, ")."))]


def _memory(rows: Sequence[MemoryRow]) -> list[Block]:
    cells: list[tuple[Words, ...]] = []
    for row in rows:
        source = Source(PROFILE, f"memory {row.case} {row.stage}")
        peaks = row.peak or (None, None)
        cells.append(
            (
                source.told(row.case),
                row.stage,
                *(source.bare(each, "", ".1f") for each in row.allocations),
                *(source.bytes(each) for each in row.allocated),
                *(source.bytes(each) for each in peaks),
            )
        )
    columns = ("case", *_MEMORY)
    title = "Memory by stage, one iteration"
    return [Table(title=title, columns=columns, rows=tuple(cells), detail=True)]


def _of_a_run(rows: Sequence[StageRow]) -> list[Block]:
    cells: list[tuple[Words, ...]] = []
    for row in rows:
        source = Source(EVIDENCE, f"stages {row.stage}")
        sides = (row.base, row.candidate)
        cells.append(
            (
                row.stage,
                *(NONE if each is None else source.count(each.allocations) for each in sides),
                *(NONE if each is None else source.bytes(each.allocated) for each in sides),
                *(NONE if each is None else source.bytes(each.peak) for each in sides),
            )
        )
    title = "Memory by stage, a model loaded and run"
    return [Table(title=title, columns=_MEMORY, rows=tuple(cells), detail=True)] if rows else []


def _growths(rows: Sequence[Growth]) -> list[Block]:
    leaks = [row for row in rows if row.leaks]
    if not rows:
        return []
    if not leaks:
        return [Text(text="No case keeps more memory of an iteration than it did before.")]
    cells: list[tuple[Words, ...]] = []
    for row in leaks:
        source = Source(PROFILE, f"growth {row.case} {row.what}")
        bounds = between(source.bare(row.low, "", "+.1f"), source.bare(row.high, "", "+.1f"))
        values = (source.bare(each, "", ".1f") for each in (row.base, row.candidate))
        cells.append(
            (source.told(row.case), row.what, *values, source.bare(row.change, "", "+.1f"), bounds)
        )
    columns = ("case", "what", ">base", ">candidate", ">change", ">bounds")
    return [Table(title="Memory that is not given back", columns=columns, rows=tuple(cells))]


def _places(rows: Sequence[Placed]) -> Table:
    cells: list[tuple[Words, ...]] = []
    for row in rows:
        source = Source(EVIDENCE, f"place {row.case}")
        cells.append(
            (source.told(row.case), *(_place(source, each) for each in (row.base, row.candidate)))
        )
    columns = ("kernel", "base", "candidate")
    return Table(
        title="Places under the limits of this host",
        columns=columns,
        rows=tuple(cells),
        detail=True,
    )


def _place(source: Source, place: Place | None) -> Words:
    return NONE if place is None else source.told(place.words())


def _gains(title: str, gains: Sequence[Gain]) -> Table:
    cells: list[tuple[Words, ...]] = []
    for gain in gains:
        source = Source(EVIDENCE, f"timed {gain.case}")
        cells.append(
            (
                source.told(gain.case),
                gain.isa,
                _ratio(source, gain.base),
                _ratio(source, gain.candidate),
                source.percent(gain.efficiency, ".0f") if gain.threads > 1 else "",
                _place(source, gain.place) if gain.place else "",
            )
        )
    columns = ("case", "isa", ">base, times", ">candidate, times", ">of each thread", "place")
    return Table(title=title, columns=columns, rows=tuple(cells), detail=True)


def _ratio(source: Source, ratio: Ratio | None) -> Words:
    if ratio is None:
        return NONE
    values = [source.bare(each, "x", ".2f") for each in (ratio.value, ratio.low, ratio.high)]
    return words(values[0], " (", values[1], " to ", values[2], ")")


def _cache(rows: Sequence[CacheRow]) -> Table:
    cells: list[tuple[Words, ...]] = []
    for row in rows:
        source = Source(EVIDENCE, f"misses {row.case}")
        tool = next(each.tool for each in (row.candidate, row.base) if each is not None)
        missed = (_missed(source, each) for each in (row.base, row.candidate))
        cells.append((source.told(row.case), *missed, source.told(tool)))
    columns = ("case", ">misses, base", ">misses, candidate", "counted by")
    return Table(
        title="Cache misses of one iteration", columns=columns, rows=tuple(cells), detail=True
    )


def _missed(source: Source, misses: Misses | None) -> Words:
    if misses is None:
        return NONE
    return words(source.count(misses.misses), " of ", source.count(misses.accesses))
