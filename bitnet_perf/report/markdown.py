"""The report as Markdown for a pull request: it fits one comment, what is told first stays."""

from __future__ import annotations

from collections.abc import Sequence

from bitnet_perf.report.document import (
    Block,
    Lines,
    Report,
    Section,
    Table,
    Text,
    Words,
    heading,
    parts,
    text_of,
)
from bitnet_perf.report.escape import escape, fence, paragraph, plain

__all__ = ["COMMENT", "CUT", "as_markdown", "cut"]

COMMENT = 65_535  # bytes of UTF-8 that GitHub takes in one comment
OPEN = 12  # rows of a table that are not folded
REST = "`report.json` and `report.html` of the run hold them all"
CUT = f"The rest is cut: {REST}."
FOLD_END = "</details>"


def as_markdown(report: Report, limit: int = COMMENT) -> str:
    """The report in at most `limit` bytes of UTF-8.

    Where it does not fit, tables are shortened to the rows that fit, those with details first; the
    first rows stay, and a line says how many are left out. What then still does not fit ends at
    the end of a line. Raises FormatError where the sections are not the five.
    """
    report.checked()
    most = 1 << 30
    while True:
        text = _text(report, most)
        size = len(text.encode())
        if size <= limit:
            return text
        if most <= 1:
            return cut(text, limit)
        longest = max((len(t.rows) for t in _tables(report)), default=0)
        most = min(most, longest)
        most = min(most * 7 // 8, most * limit // size)


def _tables(report: Report) -> list[Table]:
    return [b for section in report.sections for b in section.blocks if isinstance(b, Table)]


def _text(report: Report, most: int) -> str:
    head = [f"# Performance report: {escape(report.verdict)}", ""]
    gate = report.lines[-1] if report.evidence else ""
    head += [*fence([gate], "text"), ""] if gate else []
    head += [f"Run `{report.run}`, {report.date}. Next: `{report.route}`.", ""]
    body = [line for section in report.sections for line in _section(section, most)]
    return "\n".join(head + body).rstrip() + "\n"


def _section(section: Section, most: int) -> list[str]:
    lines = [f"## {section.title}", ""]
    for block in section.blocks:
        lines += [*_block(block, most), ""]
    return lines


def _block(block: Block, most: int) -> list[str]:
    if isinstance(block, Text):
        # Our words may hold code in backticks; what others said is literal.
        return [paragraph((text_of(p), isinstance(p, str)) for p in parts(block.text))]
    if isinstance(block, Lines):
        language = "sh" if block.language == "shell" else "text"
        return fence(map(text_of, block.lines), language)
    return _table(block, most)


def _table(block: Table, most: int) -> list[str]:
    """The first rows open and the rest folded, with details folded whole."""
    kept = block.rows[: max(1, most // 3 if block.detail else most)]
    open_, folded = ((), kept) if block.detail else (kept[:OPEN], kept[OPEN:])
    left = len(block.rows) - len(kept)
    lines = [f"**{escape(block.title)}**", "", *_rows(block, open_)] if open_ else []
    if folded:
        title = escape(block.title) if block.detail else "the rest"
        summary = f"<details><summary>{title}, {len(block.rows) - len(open_)} rows</summary>"
        lines += [*([""] if open_ else []), summary, "", *_rows(block, folded), "", FOLD_END]
    if left:
        lines += ["", f"{left} more rows: {REST}."]
    return lines


def _rows(block: Table, rows: Sequence[tuple[Words, ...]]) -> list[str]:
    names = [heading(column) for column in block.columns]
    rule = [" ---: " if column.startswith(">") else " --- " for column in block.columns]
    return [
        "| " + " | ".join(map(escape, names)) + " |",
        "|" + "|".join(rule) + "|",
        *("| " + " | ".join(map(_cell, block.columns, row)) + " |" for row in rows),
    ]


def _cell(column: str, words: Words) -> str:
    """A cell; a command is code where nothing in it could end that."""
    text = text_of(words)
    if column.startswith("$") and not set(text) & set("`|\\<"):
        return f"`{plain(text)}`" if text else ""
    return escape(text)


def cut(text: str, limit: int = COMMENT) -> str:
    """`text`, or as many of its first lines as fit in `limit` bytes with a line that says so; a
    block of code and a fold that are open there are closed."""
    if len(text.encode()) <= limit:
        return text
    left = limit - len(f"\n{CUT}".encode())
    kept: list[str] = []
    opened: list[str] = []  # what ends the blocks that a line stands in, the innermost last
    for line in text.split("\n"):
        left -= len(line.encode()) + 1
        after = _opened(line, opened)
        if left < sum(len(end) + 2 for end in after):
            break
        opened = after
        kept.append(line)
    ends = [part for end in reversed(opened) for part in ([end] if "`" in end else ["", end])]
    return "\n".join([*kept, *ends, "", CUT])


def _opened(line: str, opened: list[str]) -> list[str]:
    """Which blocks are open after a line."""
    ticks = line[: len(line) - len(line.lstrip("`"))]
    if opened and line == opened[-1]:
        return opened[:-1]
    if opened and "`" in opened[-1]:
        return opened
    if len(ticks) >= 3:
        return [*opened, ticks]
    return [*opened, FOLD_END] if line.startswith("<details>") else opened
