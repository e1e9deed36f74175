"""The ledger: one comment of a pull request in which every gate keeps its row. Text to text.

What belongs to others stays byte for byte: only the rows of our gates, one bullet of the hop log,
the lines State, Why and Next of the decision and a comment with our state are written.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass

from bitnet_perf.errors import FormatError
from bitnet_perf.github.gates import HEADER, row_line, with_row
from bitnet_perf.github.payload import Row
from bitnet_perf.github.regions import (
    ORDER,
    Span,
    anchors_of,
    fenced,
    insert_after_last,
    lines_of,
    newline_of,
    region,
    with_region,
)
from bitnet_perf.report.escape import escape

__all__ = ["LARGEST", "Entry", "State", "create", "is_ledger", "mark_of", "read_state", "update"]

LARGEST = 65536  # characters that GitHub accepts in a comment
MARKS = 50  # of cases over budget that a state keeps
AGENT = "performance-benchmark"
_NAMES = ("state", "why", "next")
_STATE = re.compile(r"<!--\s*bitnet-perf:state\s+(\{.*?\})\s*-->")
_HOPS = re.compile(r"[ \t]*#{1,6}[^\w\r\n]*hop[ \t_-]*log\b", re.IGNORECASE)
_FIELD = re.compile(
    rf"[ \t]*(?:[-*+][ \t]+)?(?:\*\*|__)?({'|'.join(_NAMES)})(?:\*\*|__)?[ \t]*:", re.IGNORECASE
)
# What begins something else than the next line of a paragraph.
_BREAK = re.compile(r"[ \t]*(?:$|#|\*\*|__|[-*+][ \t]|>|```|~~~|\||<!--|---)", re.MULTILINE)


@dataclass(frozen=True)
class Entry:
    """What one result writes: `hop` and `why` are sentences, `agent` acts next, `over` marks the
    cases over their budget (`mark_of`), which the next result is compared with."""

    head: str
    rows: tuple[Row, ...]
    hop: str
    state: str
    why: str
    agent: str
    over: tuple[str, ...] = ()

    @property
    def result(self) -> str:
        """16 hexadecimal digits that are the same where the same would be written."""
        values = {**asdict(self), "rows": [row.model_dump() for row in self.rows]}
        return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class State:
    """What was written last: for which commit, which result, the marks of its cases over budget,
    and of those of the result before it."""

    head: str
    result: str
    over: tuple[str, ...] = ()
    before: tuple[str, ...] = ()


def mark_of(case: str) -> str:
    """8 hexadecimal digits for the name of a case."""
    return hashlib.sha256(case.encode(errors="replace")).hexdigest()[:8]


def is_ledger(text: str) -> bool:
    """Whether a comment is one: it has our state, the anchors of the gates, or all others."""
    if read_state(text) is not None:
        return True
    names = {anchor.name for anchor in anchors_of(text) if not anchor.fenced}
    return "gates" in names or {"hoplog", "decision"} <= names


def read_state(text: str) -> State | None:
    """The state that a ledger holds; None where there is none, or people broke it."""
    found = _STATE.search(text)
    if found is None:
        return None
    try:
        data = json.loads(found[1])
        over, before = (tuple(data.get(name, ())) for name in ("over", "before"))
        words = (data["head"], data["result"], *over, *before)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    if not all(isinstance(word, str) and re.fullmatch("[0-9a-f]+", word) for word in words):
        return None
    return State(words[0], words[1], over, before)


def create(entry: Entry) -> str:
    """A new ledger."""
    gates = [*HEADER, *map(row_line, entry.rows)]
    bodies = {"gates": gates, "hoplog": ["### Hop log", _bullet(entry)], "decision": _fields(entry)}
    blocks = [
        "\n".join([f"<!-- {name}:start -->", *bodies.get(name, []), f"<!-- {name}:end -->"])
        for name in ORDER
    ]
    return "\n\n".join([*blocks, _state_comment(entry, ())]) + "\n"


def update(text: str, entry: Entry) -> str:
    """The ledger with this result; the same text where it holds it already.

    Raises FormatError where the ledger would be longer than GitHub accepts.
    """
    last = read_state(text)
    if last is not None and (last.head, last.result) == (entry.head, entry.result):
        return text
    for row in entry.rows:
        text = with_row(text, row)
    text = _with_hop(text, _bullet(entry))
    text = _with_decision(text, _fields(entry))
    text = _with_state(text, _state_comment(entry, last.over if last else ()))
    if len(text) > LARGEST:
        raise FormatError(
            f"ledger: would have {len(text)} characters, accepted are {LARGEST}: "
            "shorten its hop log"
        )
    return text


def _bullet(entry: Entry) -> str:
    return f"- [{AGENT}] {escape(entry.hop, 600)}; NEXT→{escape(entry.agent, 60)}"


def _fields(entry: Entry) -> list[str]:
    return [
        f"**State:** {entry.state}",
        f"**Why:** {escape(entry.why, 600)}",
        f"**Next:** {_next(entry)}",
    ]


def _next(entry: Entry) -> str:
    """Who acts next; of a pull request that is ready for others, the gate that ends here, too."""
    agent = escape(entry.agent, 60)
    ends = entry.state in ("ready", "merged")
    return f"FINALIZE → {entry.rows[0].gate}/{agent}" if ends else f"NEXT → {agent}"


def _state_comment(entry: Entry, before: tuple[str, ...]) -> str:
    state = asdict(State(entry.head, entry.result, entry.over[:MARKS], before[:MARKS]))
    return f"<!-- bitnet-perf:state {json.dumps({'v': 1, **state}, separators=(',', ':'))} -->"


def _with_hop(text: str, bullet: str) -> str:
    """One bullet more at the end of the hop log, unless it is the last one there already."""
    place = region(text, "hoplog") or _hops_without_anchors(text)
    if place is None:
        return with_region(text, "hoplog", ["### Hop log", bullet])
    lines = [text[line.start : line.end].strip() for line in lines_of(text, place)]
    bullets = [line for line in lines if line[:2] in ("- ", "* ", "+ ")]
    return text if bullets[-1:] == [bullet] else insert_after_last(text, place, bullet)


def _hops_without_anchors(text: str) -> Span | None:
    """What stands under a heading `Hop log`, up to the next heading, anchor or rule."""
    blocks = fenced(text)
    ends = [anchor.span.start for anchor in anchors_of(text)]
    begin = None
    for line in lines_of(text):
        if any(block.start <= line.start < block.end for block in blocks):
            continue
        heading = re.match(r" {0,3}(?:#{1,6}\s|---|\*\*\*|___)", text[line.start : line.end])
        if begin is not None and heading:
            ends.append(line.start)
        if begin is None and _HOPS.match(text, *line):
            begin = line
    if begin is None:
        return None
    return Span(begin.start, min([end for end in ends if end >= begin.end], default=len(text)))


def _with_decision(text: str, fields: list[str]) -> str:
    """The three lines of the decision replaced where they stand, those that are missing added."""
    if region(text, "decision") is None:
        return with_region(text, "decision", fields)
    newline = newline_of(text)
    for number, field in enumerate(fields):
        place = region(text, "decision") or Span(0, 0)
        there = [_field(text, place, name) for name in _NAMES]
        mine, before = there[number], there[number - 1] if number else None
        after = next((span for span in there[number + 1 :] if span), None)
        if mine:
            text = text[: mine.start] + field + text[mine.end :]
        elif before:
            text = text[: before.end] + newline + field + text[before.end :]
        elif after:
            text = text[: after.start] + field + newline + text[after.start :]
        else:
            text = insert_after_last(text, place, field)
    return text


def _field(text: str, place: Span, name: str) -> Span | None:
    """Where a line of the decision stands with what continues it, its last line end left out."""
    found: Span | None = None
    for line in lines_of(text, place):
        head = _FIELD.match(text, *line)
        if found is not None:
            if head or _BREAK.match(text, *line):
                break
        elif not head or head[1].lower() != name:
            continue
        start = line.start if found is None else found.start
        found = Span(start, line.start + len(text[line.start : line.end].rstrip("\r\n")))
    return found


def _with_state(text: str, comment: str) -> str:
    found = _STATE.search(text)
    if found is not None:
        return text[: found.start()] + comment + text[found.end() :]
    newline = newline_of(text)
    return text + ("" if text.endswith("\n") or not text else newline) + comment + newline
