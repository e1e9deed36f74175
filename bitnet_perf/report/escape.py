"""Text from strangers made harmless: names of cases, branches and files, words of programs."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

__all__ = ["escape", "fence", "paragraph", "plain", "prose", "shell_word"]

LONGEST = 2000  # characters of one piece of text
_INVISIBLE = ("Cc", "Cf", "Co", "Cs")  # control, direction and other format marks, private, halves
_TERMINAL = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # colours, movements of the cursor
    r"|(?:\x1b[\]PX^_]|[\x9d\x90])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # titles, links
    r"|\x1b[ -/]*[0-~]?"
)
# What GitHub makes a mention of a person, of an issue, or a link: a mark of no width parts it.
_LIVE = re.compile(r"(?<![\w`])@(?=\w)|#(?=\d)|\bGH-(?=\d)|:(?=//)|\bwww(?=\.)", re.IGNORECASE)


def plain(text: str, longest: int = LONGEST) -> str:
    """`text` in one line of at most `longest` characters, without sequences for terminals,
    direction marks and other characters that are not seen."""
    flat = " ".join(_TERMINAL.sub("", text[: 4 * longest]).split())
    seen = "".join(c for c in flat if unicodedata.category(c) not in _INVISIBLE)
    line = " ".join(seen.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def escape(text: str, longest: int = LONGEST) -> str:
    """`plain` text as literal Markdown, in a table too: no markup, no HTML, nobody mentioned."""
    return _literal(plain(text, longest))


def prose(text: str) -> str:
    """`plain` text as a paragraph: code spans as they are, everything else literal."""
    return paragraph([(text, True)])


def paragraph(pieces: Iterable[tuple[str, bool]]) -> str:
    """Pieces of one paragraph; the code spans of those that are True stay as they are."""
    found = []
    for text, ours in pieces:
        body = _spans(text) if ours else escape(text)
        before, after = (" " if end.isspace() else "" for end in (text[:1], text[-1:]))
        found.append(f"{before}{body}{after}" if body else before)
    # No heading and no list begins it.
    return re.sub(r"\A(\d*)([#=~+.)-])", r"\1\\\2", "".join(found).strip())


def _spans(text: str) -> str:
    parts = plain(text).split("`")
    if len(parts) % 2 == 0:  # a stranger's backtick
        return escape(text)
    return "".join(f"`{part}`" if at % 2 else _literal(part) for at, part in enumerate(parts))


def _literal(text: str) -> str:
    marked = "".join(f"\\{c}" if c in "\\`*[]<>|" else c for c in text)
    return _LIVE.sub(lambda found: found[0] + "&#8203;", marked)


def fence(lines: Iterable[str], language: str) -> list[str]:
    """A fenced block of `plain` lines, which none of them can end, and without the beginning of a
    comment, because readers of anchors may not know blocks."""
    flat = [plain(line).replace("<!--", "<! --") for line in lines]
    ticks = "`" * max([3, *(len(run) + 1 for line in flat for run in re.findall("`+", line))])
    return [f"{ticks}{language}", *flat, ticks]


def shell_word(text: str) -> str:
    """One word of a POSIX shell, in single quotes."""
    return "'" + plain(text).replace("'", "'\\''") + "'"
