"""Regions of a ledger comment: what stands between its anchors, however people left them.

All functions take the whole text and give places in it: what is outside stays byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

__all__ = [
    "Span",
    "anchors_of",
    "fenced",
    "insert_after_last",
    "lines_of",
    "newline_of",
    "region",
    "with_region",
]

ORDER = ("gates", "trace", "hoplog", "decision")
# Between backticks, or in a quoted line, an anchor is talked about.
_ANCHOR = re.compile(
    r"^[^\S\n]*>.*|(?<!`)<!--\s*([a-z]+)\s*:\s*(start|end)\s*-->(?!`)", re.IGNORECASE | re.MULTILINE
)
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})([^\r\n]*)")


class Span(NamedTuple):
    """A part of a text, `text[start:end]`."""

    start: int
    end: int


class Anchor(NamedTuple):
    """An anchor: the name of its region, whether it begins it, and where it stands."""

    name: str
    begins: bool
    span: Span
    fenced: bool


def newline_of(text: str) -> str:
    """The line end of a text."""
    return "\r\n" if "\r\n" in text else "\n"


def lines_of(text: str, span: Span | None = None) -> Iterator[Span]:
    """The lines of a part of a text, with their ends."""
    start, end = span or Span(0, len(text))
    while start < end:
        cut = text.find("\n", start, end) + 1 or end
        yield Span(start, cut)
        start = cut


def fenced(text: str, span: Span | None = None) -> list[Span]:
    """The fenced blocks of code of a part of a text, their fences included; one that is not closed
    reaches to the end."""
    found, opened, mark = [], -1, ""
    for line in lines_of(text, span):
        fence = _FENCE.match(text, *line)
        if fence is None:
            continue
        ticks, rest = fence[1], fence[2].strip()
        if opened < 0:
            if ticks[0] == "~" or "`" not in rest:
                opened, mark = line.start, ticks
        elif ticks.startswith(mark) and not rest:
            found.append(Span(opened, line.end))
            opened = -1
    if opened >= 0:
        found.append(Span(opened, (span or Span(0, len(text))).end))
    return found


def anchors_of(text: str) -> list[Anchor]:
    """Every anchor in its order."""
    blocks = fenced(text)
    return [
        Anchor(
            found[1].lower(),
            found[2].lower() == "start",
            Span(*found.span()),
            any(block.start <= found.start() < block.end for block in blocks),
        )
        for found in _ANCHOR.finditer(text)
        if found[1]
    ]


def region(text: str, name: str) -> Span | None:
    """What stands between the anchors of `name`; those outside of code come first.

    Where one of the two is missing, the nearest anchor or the end of the text bounds it; None where
    both are.
    """
    every = anchors_of(text)
    for within in (False, True):
        mine = [a for a in every if a.name == name and a.fenced is within]
        if not mine:
            continue
        first = next((a for a in mine if a.begins), None)
        if first is None:
            last = mine[0]
            before = [a.span.end for a in every if a.span.end <= last.span.start]
            return Span(before[-1] if before else 0, last.span.start)
        start = first.span.end
        ends = [a.span.start for a in mine if not a.begins and a.span.start >= start]
        after = [a.span.start for a in every if a.span.start >= start]
        return Span(start, (ends or after or [len(text)])[0])
    return None


def insert_after_last(text: str, span: Span, line: str) -> str:
    """`text` with `line` behind the last line of a part of it that is not blank, inside of code
    where that is closed there."""
    newline = newline_of(text)
    place, blocks = span.start, fenced(text, span)
    for each in lines_of(text, span):
        if text[each.start : each.end].strip():
            place = each.end
    if blocks and blocks[-1].end == place and blocks[-1].start < place:
        closing = [*lines_of(text, blocks[-1])][-1]
        if closing.start > blocks[-1].start and _FENCE.match(text, *closing):
            place = closing.start
    before = "" if place == 0 or text[place - 1] == "\n" else newline
    after = "" if before and text.startswith(("\r", "\n"), place) else newline
    return f"{text[:place]}{before}{line}{after}{text[place:]}"


def with_region(text: str, name: str, lines: Iterable[str]) -> str:
    """`text` with a region of these lines, before those that follow it in ORDER or at the end."""
    newline = newline_of(text)
    block = newline.join([f"<!-- {name}:start -->", *lines, f"<!-- {name}:end -->"]) + newline
    behind = ORDER[ORDER.index(name) + 1 :]
    follow = [
        a.span.start for a in anchors_of(text) if a.begins and a.name in behind and not a.fenced
    ]
    if follow:
        return text[: follow[0]] + block + newline + text[follow[0] :]
    gap = newline if text.endswith("\n") else newline * 2 if text else ""
    return text + gap + block
