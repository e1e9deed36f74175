"""On which line of a TOML file each key stands. tomllib itself says where a statement ends."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

__all__ = ["Path", "lines_of"]

Path = tuple[str | int, ...]
LONGEST = 500  # lines of a statement: what stands behind a longer one is not located


def lines_of(text: str) -> dict[Path, int]:
    """The line, from 1 on, on which the statement of each key or table of a valid file begins.

    A place is a path of keys; entries of an array of tables are numbered from 0 on.
    """
    found: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    table: Path = ()
    for line, statement in _statements(text):
        parsed = tomllib.loads(statement)
        if statement.lstrip().startswith("["):
            table = _header(parsed, counts)
            found[table] = line
        else:
            for path in _keys(parsed):
                found.setdefault(table + path, line)
    return found


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """(first line, text) of every statement: as many lines as tomllib needs to understand them."""
    begin, lines = 0, list[str]()
    for number, line in enumerate(text.split("\n"), 1):
        if not lines and not line.partition("#")[0].strip():
            continue
        if len(lines) == LONGEST:
            return
        begin = begin if lines else number
        lines.append(line)
        statement = "\n".join(lines)
        try:
            tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue
        lines = []
        yield begin, statement


def _header(parsed: Any, counts: dict[Path, int]) -> Path:
    """The path of a header, which parses to empty tables within each other."""
    path: Path = ()
    while parsed:
        if isinstance(parsed, list):
            counts[path] = counts.get(path, -1) + 1
            path += (counts[path],)
            parsed = parsed[0]
        else:
            ((name, parsed),) = parsed.items()
            path += (name,)
            if isinstance(parsed, dict) and parsed and path in counts:
                path += (counts[path],)
    return path


def _keys(parsed: Any, path: Path = ()) -> Iterator[Path]:
    if isinstance(parsed, dict):
        for name, value in parsed.items():
            yield (*path, name)
            yield from _keys(value, (*path, name))
