"""Valgrind's callgrind over the native loop of a case: how it is started, what it writes.

Collection is switched on and off by the native loop (`bp::run_loop`), and a profile is written
after each loop. An extension without symbols has no such name: there everything is collected, and
the loop's own calls of `getrusage`, its first and its last act, cut the profile. Both give the
same counts; without symbols there are no functions, and the run takes about three times as long.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bitnet_perf.errors import FormatError

__all__ = ["Profile", "command", "has_symbols", "parse", "read_loops"]

_NAME = "counts"  # of the profiles, followed by .1, .2, ...
_MARK = b"_ZN2bp8run_loop"
# The two patterns differ on purpose: Valgrind 3.19 obeys only the first of two equal ones.
_TOGGLED = (
    "--collect-atstart=no",
    "--toggle-collect=bp::run_loop(*",
    "--dump-after=*bp::run_loop(*",
)
_CUT = ("--dump-before=getrusage",)


@dataclass(frozen=True, slots=True)
class Profile:
    """Instructions of one loop: in all, and by function in itself and with what it calls."""

    total: int
    exclusive: Mapping[str, int]
    inclusive: Mapping[str, int]
    creator: str


def has_symbols(extension: Path) -> bool:
    """Whether the native loop can be found by its name in that extension."""
    return _MARK in extension.read_bytes()


def command(valgrind: str, symbols: bool, program: Sequence[str]) -> list[str]:
    """The command that profiles each loop of `program`; profiles go to the current folder."""
    return [
        valgrind,
        "--tool=callgrind",
        "--log-file=valgrind.log",
        f"--callgrind-out-file={_NAME}",
        *(_TOGGLED if symbols else _CUT),
        *program,
    ]


def read_loops(folder: Path, symbols: bool, loops: int) -> list[Profile]:
    """The profiles of `loops` loops that `command` left in `folder`.

    Raises FormatError where there are more or fewer, or where one cannot be read.
    """
    found = {int(path.suffix[1:]): path for path in folder.glob(f"{_NAME}.*")}
    parts = loops if symbols else 2 * loops  # uncut: before a loop, the loop, before the next, ...
    if sorted(found) != list(range(1, parts + 1)):
        raise FormatError(
            f"callgrind wrote {len(found)} profiles for {loops} loops, expected are {parts}"
        )
    wanted = range(1, parts + 1) if symbols else range(2, parts + 1, 2)
    profiles = []
    for number in wanted:
        with found[number].open(encoding="utf-8", errors="replace") as file:
            profiles.append(parse(file, found[number].name))
    return profiles


def parse(lines: Iterable[str], name: str) -> Profile:
    """A profile in callgrind's format, version 1, with the one event Ir.

    Costs of a function in several files and objects are added up. Raises FormatError naming `name`
    and the line, also where the lines do not add up to the total that the file states.
    """
    names: dict[str, str] = {}
    exclusive: dict[str, int] = {}
    inclusive: dict[str, int] = {}
    head = {"creator": "", "events": "", "totals": ""}
    function, called = "", False
    for number, raw in enumerate(lines, 1):
        line = raw.rstrip("\n")
        key, equals, value = line.partition("=")
        try:
            if line[:1].isdigit() or line[:1] in ("+", "-", "*"):
                cost = int(line.split()[1])
                inclusive[function] = inclusive.get(function, 0) + cost
                if not called:
                    exclusive[function] = exclusive.get(function, 0) + cost
                called = False
            elif equals and key == "fn":
                function = _named(value, names)
            elif equals and key == "cfn":
                _named(value, names)
            elif equals and key == "calls":
                called = True
            elif ":" in line and line.partition(":")[0] in head:
                head[line.partition(":")[0]] = line.partition(":")[2].strip()
        except (ValueError, IndexError, KeyError) as error:
            raise FormatError(
                f"{name}, line {number}: found {line[:80]!r}, accepted is callgrind's format"
            ) from error
    if head["events"] != "Ir":
        raise FormatError(f"{name}: found events {head['events']!r}, accepted is Ir alone")
    total = sum(exclusive.values())
    if head["totals"] != str(total):
        raise FormatError(
            f"{name}: its lines add up to {total}, it states {head['totals'] or 'no total'}"
        )
    return Profile(total, exclusive, inclusive, head["creator"])


def _named(value: str, names: dict[str, str]) -> str:
    """The name behind "(12) name", which defines 12, behind "(12)", and behind a bare "name"."""
    match = re.match(r"\((\d+)\)(?: (.*))?$", value)
    if match is None:
        return value
    if match[2] is not None:
        names[match[1]] = match[2]
    return names[match[1]]
