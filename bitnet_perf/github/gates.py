"""The Gates table of a ledger: one row replaced, every other byte as it was."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bitnet_perf.github.payload import Row
from bitnet_perf.github.regions import Span, fenced, lines_of, newline_of, region, with_region
from bitnet_perf.report.escape import escape

__all__ = ["HEADER", "gate_named", "row_line", "with_row"]

HEADER = ("| Gate | Status | Evidence |", "| ---- | ------ | -------- |")
_NAMESPACE = "review:gate:"
_COLUMNS = ("gate", "status", "evidence")
# A cell: escaped characters, or anything but the bar that ends it (as GitHub reads tables).
_CELL = re.compile(r"(?:\\[^\r\n]|[^|\\\r\n]|\\(?=[\r\n]|\Z))*")
_RULE = re.compile(r"[\s|:-]*-[\s|:-]*")


@dataclass(frozen=True)
class _Table:
    """A table: its rows, where the next would stand, and which cell is which column."""

    rows: list[Span]
    end: int
    columns: tuple[int, int, int]
    width: int


def with_row(text: str, row: Row) -> str:
    """`text` with the row of this gate replaced, or added where there is none.

    Of a row only the cells of status and evidence change. A text without a table gets one, between
    anchors of its own where those are missing too.
    """
    place = region(text, "gates")
    table = _table_anywhere(text) if place is None else _table(text, place)
    if table is None:
        return _with_table(text, place, row)
    mine = [span for span in table.rows if _named(text, span, table) == row.gate]
    for span in reversed(mine):  # from the end, so that the places before stay right
        text = text[: span.start] + _replaced(text, span, table, row) + text[span.end :]
    return text if mine else _added(text, table, row)


def gate_named(cell: str) -> str:
    """The name of the gate that a cell holds: bold, code, links, emoji, upper case and the prefix
    `review:gate:` do not matter."""
    bare = re.sub(r"<[^>]*>|\[([^\]]*)\]\([^)]*\)", r"\1", cell).lower()
    return re.sub(r"[^a-z0-9:_-]", "", bare).strip("_-").removeprefix(_NAMESPACE)


def row_line(row: Row, cells: int = 3, columns: tuple[int, int, int] = (0, 1, 2)) -> str:
    """The row as a line of a table with so many cells."""
    values = [""] * max(cells, *(at + 1 for at in columns))
    for at, value in zip(columns, (row.gate, row.status, _evidence(row)), strict=True):
        values[at] = value
    return "| " + " | ".join(values) + " |"


def _evidence(row: Row) -> str:
    return "<br>".join(escape(line, 600) for line in row.evidence)


def _cells(text: str, line: Span) -> list[Span]:
    """Where the cells of a line stand, between its bars."""
    found, at = [], line.start
    end = line.start + len(text[line.start : line.end].rstrip())
    while at <= end:
        cell = _CELL.match(text, at, end)
        stop = cell.end() if cell else at
        found.append(Span(at, stop))
        at = stop + 1
    if found and not text[found[0].start : found[0].end].strip():
        found = found[1:]  # before the first bar
    if len(found) > 1 and found[-1].start >= end:
        found = found[:-1]  # behind the last one
    return found


def _table(text: str, place: Span) -> _Table | None:
    """The table of a part of a text; its header may be missing, as may be its rule, and blank lines
    may part its rows."""
    lines = list(lines_of(text, place))
    heads = [n for n, line in enumerate(lines) if {"gate", "status"} <= set(_names(text, line))]
    barred = ["|" in text[line.start : line.end] for line in lines]
    first = heads[0] if heads else barred.index(True) if True in barred else None
    if first is None:
        return None
    last = next((n for n in range(first, len(lines)) if not barred[n]), len(lines))
    rows = [
        line
        for line, bar in zip(
            lines[first + len(heads[:1]) :], barred[first + len(heads[:1]) :], strict=True
        )
        if bar and not _RULE.fullmatch(text, *line)
    ]
    if not heads:
        return _Table(rows, lines[last - 1].end, (0, 1, 2), 3)
    names = _names(text, lines[first])
    gate, status = names.index("gate"), names.index("status")
    evidence = names.index("evidence") if "evidence" in names else max(gate, status) + 1
    return _Table(rows, lines[last - 1].end, (gate, status, evidence), len(names))


def _table_anywhere(text: str) -> _Table | None:
    """A table that names its columns so, where the anchors of the region are gone."""
    blocks = fenced(text)
    lines = list(lines_of(text))
    for number, line in enumerate(lines):
        inside = any(block.start <= line.start < block.end for block in blocks)
        if not inside and set(_COLUMNS) <= set(_names(text, line)):
            ends = (n.start for n in lines[number:] if "|" not in text[n.start : n.end])
            return _table(text, Span(line.start, next(ends, len(text))))
    return None


def _names(text: str, line: Span) -> list[str]:
    return [gate_named(text[cell.start : cell.end]) for cell in _cells(text, line)]


def _named(text: str, line: Span, table: _Table) -> str:
    return (_names(text, line) + [""] * table.width)[table.columns[0]]


def _replaced(text: str, line: Span, table: _Table, row: Row) -> str:
    """The line with other words in its cells of status and evidence; one that is too short grows,
    one that lacks its last bar gets it."""
    spans = _cells(text, line)
    cells = [text[span.start : span.end] for span in spans]
    for at, value in zip(table.columns[1:], (row.status, _evidence(row)), strict=True):
        cells += [" "] * (at + 1 - len(cells))
        cells[at] = f" {value} "
    end = text[spans[-1].end : line.end]
    closed = len(cells) == len(spans) and end.startswith("|")
    tail = end if closed else "|" + end[len(end.rstrip()) :].lstrip(" \t")
    return text[line.start : spans[0].start] + "|".join(cells) + tail


def _added(text: str, table: _Table, row: Row) -> str:
    newline = newline_of(text)
    line = row_line(row, table.width, table.columns)
    before = "" if text[table.end - 1] == "\n" else newline
    after = newline if before == "" or table.end < len(text) else ""
    return f"{text[: table.end]}{before}{line}{after}{text[table.end :]}"


def _with_table(text: str, place: Span | None, row: Row) -> str:
    """A new table at the end of its region, or with a region of its own before all others."""
    newline = newline_of(text)
    lines = [*HEADER, row_line(row)]
    if place is None:
        return with_region(text, "gates", lines)
    at = place.start + len(text[place.start : place.end].rstrip())
    block = newline.join(["", *([""] if at > place.start else []), *lines])
    return text[:at] + block + ("" if text.startswith(newline, at) else newline) + text[at:]
