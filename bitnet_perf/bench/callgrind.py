"""Valgrind's callgrind over the native loop of a case: how it is started, what it writes.

Collection is switched on and off by the native loop (`bp::run_loop`), and a profile is written
after each loop. An extension without symbols has no such name: there everything is collected, and
the loop's own calls of `getrusage`, its first and its last act, cut the profile. Both give the
same counts; without symbols there are no functions, and the run takes about three times as long.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bitnet_perf.errors import FormatError

__all__ = ["Profile", "command", "has_symbols", "loop_files", "parse", "read_loops"]

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
    """Instructions of one loop: in all, by function in itself and with what it calls, and by
    (function, file, line), where code that was inlined keeps its own file and line. `calls` counts
    the calls of each function, `home` is the file that it is defined in."""

    total: int
    exclusive: Mapping[str, int]
    inclusive: Mapping[str, int]
    creator: str
    lines: Mapping[tuple[str, str, int], int] = field(default_factory=dict)
    calls: Mapping[str, int] = field(default_factory=dict)
    home: Mapping[str, str] = field(default_factory=dict)


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
    profiles = []
    for path in loop_files(folder, symbols, loops):
        with path.open(encoding="utf-8", errors="replace") as file:
            profiles.append(parse(file, path.name))
    return profiles


def loop_files(folder: Path, symbols: bool, loops: int) -> list[Path]:
    """The file of each loop that `command` left in `folder`; FormatError where there are more or
    fewer."""
    found = {int(path.suffix[1:]): path for path in folder.glob(f"{_NAME}.*")}
    parts = loops if symbols else 2 * loops  # uncut: before a loop, the loop, before the next, ...
    if sorted(found) != list(range(1, parts + 1)):
        raise FormatError(
            f"callgrind wrote {len(found)} profiles for {loops} loops, expected are {parts}"
        )
    wanted = range(1, parts + 1) if symbols else range(2, parts + 1, 2)
    return [found[number] for number in wanted]


def parse(lines: Iterable[str], name: str) -> Profile:
    """A profile in callgrind's format, version 1, with the one event Ir.

    Costs of a function in several files and objects are added up. Raises FormatError naming `name`
    and the line, also where the lines do not add up to the total that the file states.
    """
    state = _State()
    for number, raw in enumerate(lines, 1):
        line = raw.rstrip("\n")
        try:
            state.take(line)
        except (ValueError, IndexError, KeyError) as error:
            raise FormatError(
                f"{name}, line {number}: found {line[:80]!r}, accepted is callgrind's format"
            ) from error
    head, total = state.head, sum(state.exclusive.values())
    if head["events"] != "Ir":
        raise FormatError(f"{name}: found events {head['events']!r}, accepted is Ir alone")
    if head["totals"] != str(total):
        raise FormatError(
            f"{name}: its lines add up to {total}, it states {head['totals'] or 'no total'}"
        )
    return Profile(
        total,
        state.exclusive,
        state.inclusive,
        head["creator"],
        state.lines,
        state.calls,
        state.home,
    )


class _State:
    """What has been read of a profile: costs so far, and where the next line of cost belongs."""

    def __init__(self) -> None:
        self.exclusive: dict[str, int] = {}
        self.inclusive: dict[str, int] = {}
        self.lines: dict[tuple[str, str, int], int] = {}
        self.head = {"creator": "", "events": "", "totals": ""}
        self._functions: dict[str, str] = {}
        self._files: dict[str, str] = {}
        self.calls: dict[str, int] = {}
        self.home: dict[str, str] = {}
        self._function, self._callee, self._file, self._line = "", "", "", 0
        self._called = False

    def take(self, line: str) -> None:
        """Read one line; ValueError, IndexError or KeyError where it is not understood."""
        key, equals, value = line.partition("=")
        if line[:1].isdigit() or line[:1] in ("+", "-", "*"):
            words = line.split()
            self._take_cost(words[0], int(words[1]))
        elif equals and key == "fn":
            self._function = _named(value, self._functions)
            self.home.setdefault(self._function, self._file)
        elif equals and key == "cfn":
            self._callee = _named(value, self._functions)
        elif equals and key in ("fl", "fi", "fe"):
            self._file = _named(value, self._files)
        elif equals and key in ("cfl", "cfi"):
            _named(value, self._files)
        elif equals and key == "calls":
            self.calls[self._callee] = self.calls.get(self._callee, 0) + int(value.split()[0])
            self._called = True
        elif ":" in line and line.partition(":")[0] in self.head:
            self.head[line.partition(":")[0]] = line.partition(":")[2].strip()

    def _take_cost(self, place: str, cost: int) -> None:
        """Cost of a line, given by its number, by its distance from the line before, or as "*"."""
        if place != "*":
            self._line = int(place) + (0 if place.isdigit() else self._line)
        function = self._function
        self.inclusive[function] = self.inclusive.get(function, 0) + cost
        if not self._called:
            self.exclusive[function] = self.exclusive.get(function, 0) + cost
            at = (function, self._file, self._line)
            self.lines[at] = self.lines.get(at, 0) + cost
        self._called = False


def _named(value: str, names: dict[str, str]) -> str:
    """The name behind "(12) name", which defines 12, behind "(12)", and behind a bare "name"."""
    match = re.match(r"\((\d+)\)(?: (.*))?$", value)
    if match is None:
        return value
    if match[2] is not None:
        names[match[1]] = match[2]
    return names[match[1]]
