"""What a recorded `cargo bench` (or `cargo test`) console says: measured, or nothing and why.

`cargo bench` exits 0 when it has measured nothing (a bench without `harness = false` runs "0
tests"), so the exit status alone never decides; a time printed for a benchmark does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bitnet_perf.errors import FormatError

__all__ = ["Console", "classify"]

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_STATUS = re.compile(r"^exit status (-?\d{1,9})\s*$", re.MULTILINE)
_UNIT = r"[+-]?[0-9.]+ (?:ps|ns|[µμ]s|us|ms|s)"
_CRITERION = re.compile(rf"^(?P<id>.*?)\s+time:\s+\[{_UNIT} {_UNIT} {_UNIT}\]")
_LIBTEST = re.compile(r"^test (?P<id>\S.*?)\s+\.\.\. bench:\s+[0-9.,]+ ns/iter")
_RAN = re.compile(r"^running (?P<n>\d+) tests?$", re.MULTILINE)
_IGNORED = re.compile(r"^test \S.* \.\.\. ignored", re.MULTILINE)
_FAILED = re.compile(r"^test (?P<name>\S+) \.\.\. FAILED$", re.MULTILINE)
_PANIC = re.compile(r"^thread '(?P<name>[^']*)'.* panicked at [^\n]*\n(?P<text>[^\n]*)", re.M)
_LIBRARY = re.compile(r"(?:unable to find library -l|cannot find -l)(?P<name>[\w+.-]+)")
_ERROR = re.compile(r"^error(?:\[(?P<code>E\d+)\])?: (?P<text>.+)$", re.MULTILINE)
_CULPRIT = re.compile(r"^error: could not compile `(?P<name>[^`]+)`", re.MULTILINE)
_TOOLCHAIN = re.compile(r"toolchain '(?P<name>[^']+)' is not installed")
_NO_CARGO = re.compile(r"cargo: (?:command )?not found|No such file or directory: 'cargo'")
_REMEDY = "set RUSTUP_TOOLCHAIN to one of `rustup toolchain list`, or install it"


@dataclass(frozen=True, slots=True)
class Console:
    """`ids` of the benchmarks that printed a time, in the order printed; `why` is None or the
    reason why nothing was measured; `note` says what went wrong although something was measured."""

    ids: tuple[str, ...]
    why: str | None
    note: str | None = None

    @property
    def status(self) -> str:
        """`measured` or `measured nothing: <why>`."""
        return "measured" if self.why is None else f"measured nothing: {self.why}"


def classify(text: str, exit_status: int | None = None) -> Console:
    """Classify a console: its whole text (standard output and error) and the exit status.

    A negative status is the signal that ended the program, as in `subprocess`. None reads the
    status from the line `exit status N` that ends a recorded console; FormatError without one.
    """
    if exit_status is None:
        recorded = _STATUS.findall(text)
        if not recorded:
            raise FormatError("exit_status: None, and the console has no line `exit status N`")
        exit_status = int(recorded[-1])
    text = _ANSI.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    ids = _ids(text)
    trouble = _failure(text, exit_status) if exit_status else None
    if ids:
        return Console(ids, None, trouble)
    return Console((), trouble or _nothing_ran(text))


def _ids(text: str) -> tuple[str, ...]:
    """Ids before `time: [low middle high]`: on the same line when short, else on the line above."""
    found: dict[str, None] = {}
    above = ""
    for line in text.splitlines():
        match = _CRITERION.match(line) or _LIBTEST.match(line)
        if match and (name := match["id"].strip() or above):
            found[name] = None
        above = line.strip()
    return tuple(found)


def _failure(text: str, exit_status: int) -> str:
    """Why a run with a non-zero exit status failed, the most telling line first."""
    errors = list(_ERROR.finditer(text))
    first = errors[0]["text"] if errors else None
    culprit = match["name"] if (match := _CULPRIT.search(text)) else None
    if _NO_CARGO.search(text) or (exit_status == 127 and first is None):
        return "cargo is not installed or not on PATH"
    if match := _TOOLCHAIN.search(text):
        return f"toolchain {match['name']} is not installed: {_REMEDY}"
    if first and first.startswith("linking with"):
        missing = dict.fromkeys(match["name"] for match in _LIBRARY.finditer(text))
        libraries = ", ".join(f"lib{name}" for name in missing)
        return f"does not link: {f'{libraries} not found' if missing else first}"
    if failed := _FAILED.search(text):
        said = next((m["text"] for m in _PANIC.finditer(text) if m["name"] == failed["name"]), "")
        return f"test failed: {failed['name']}" + (f": {said}" if said else "")
    if culprit:
        cause = next((e for e in errors if not e["text"].startswith("could not compile")), None)
        what = f": {cause['code'] + ' ' if cause['code'] else ''}{cause['text']}" if cause else ""
        return f"does not compile: {culprit}{what}"
    if panic := _PANIC.search(text):
        return f"a benchmark panicked: {panic['text']}"
    if first:
        return f"cargo failed: {first}"
    if exit_status < 0:
        return f"ended by signal {-exit_status}"
    return f"exit status {exit_status} without a reason"


def _nothing_ran(text: str) -> str:
    """Why a run that exits 0 printed no time."""
    counts = [int(match["n"]) for match in _RAN.finditer(text)]
    ignored = len(_IGNORED.findall(text))
    if not counts:
        return "no benchmark ran" if text.strip() else "empty output"
    if not sum(counts):
        return "0 tests run (the bench target lacks harness = false, or its features are off)"
    if ignored == sum(counts):
        return f"only ignored tests ({ignored})"
    return f"{sum(counts) - ignored} tests ran, none of them printed a time"
