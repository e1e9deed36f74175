"""Instructions of one iteration of a native case: counted, where a time is only sampled.

Counts of two sides are comparable where one host took them in one call (`count_both`). The loop is
run with 1 and with 1 + N iterations in one process; the difference divided by N is free of what
surrounds the loop. Cases of several threads are not counted: waiting workers spin, and how long
they do is chance.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from bitnet_perf.bench import callgrind, count_worker
from bitnet_perf.bench.interrupts import interrupt_held
from bitnet_perf.errors import FormatError, MeasurementError

__all__ = ["Counts", "FunctionCount", "Run", "Runnable", "Subject", "Unavailable", "available",
           "count", "count_both", "hardware_totals", "loop_files", "paranoid_level", "run_all",
           "slope"]  # fmt: skip

Tool = Literal["auto", "perf", "callgrind"]
Counted = TypeVar("Counted")
_LOOPS = (1, 1, 1, 4)  # iterations: linking names, two that must agree, and the long one
_TIMEOUT = 300.0  # seconds
_ENDING = 2.0  # seconds that an ended process may take
_NOT_IN_VALGRIND = ("avxvnni", "avx512", "avx512vnni", "amx")  # ends of names of instruction sets


class Runnable(Protocol):
    """An environment that can run a side: its Python, the folder that holds `bitnet_perf/`, and
    the extension where that is not in it."""

    @property
    def python(self) -> Path: ...
    @property
    def package(self) -> Path: ...
    @property
    def native(self) -> Path | None: ...


@dataclass(frozen=True, slots=True)
class Subject:
    """What is counted: one side, its forced instruction set ("" = its own choice), the library of a
    candidate kernel, and what is tuned, as `_bench.set_tunables` takes it."""

    environment: Runnable
    isa: str = ""
    library: Path | None = None
    tuned: str = ""


@dataclass(frozen=True, slots=True)
class FunctionCount:
    """Instructions of one iteration in a function: in itself, and with what it calls."""

    exclusive: float
    inclusive: float


@dataclass(frozen=True, slots=True)
class Counts:
    """Instructions of one iteration. `by_function` is empty where the tool or a build without
    symbols gives no functions; `note` says so, and what else weakens the count."""

    total: float
    tool: str
    isa: str
    by_function: Mapping[str, FunctionCount] = field(default_factory=dict)
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Unavailable:
    """There is no count, and why. It is never a count of 0."""

    why: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"unavailable": self.why}


def paranoid_level(root: Path = Path("/")) -> int | None:
    """`kernel.perf_event_paranoid`, None where the kernel has no such setting."""
    try:
        return int((root / "proc/sys/kernel/perf_event_paranoid").read_text())
    except (OSError, ValueError):
        return None


def available(tool: str = "perf") -> tuple[bool, str]:
    """Whether this host counts in hardware (perf_event) what `tool` of count_worker names, and
    otherwise why not."""
    try:
        counter = count_worker.open_counter(tool)
    except OSError as error:
        return False, _refusal(error)
    try:
        count_worker.start(counter)
        counted = count_worker.stop(counter)
    except OSError as error:
        return False, f"the counter cannot be read ({error.strerror})"
    finally:
        os.close(counter)
    if counted > 0 or (counted == 0 and tool == "perf-misses"):
        return True, ""
    return False, "the counter of this host counts nothing" if counted == 0 else _SHARED


_SHARED = "the counter had to share its place with other programs"


def _refusal(error: OSError) -> str:
    """Why perf_event_open refused, with what helps."""
    if error.errno in (errno.ENOENT, errno.EOPNOTSUPP, errno.ENODEV):
        return "this host has no such counter (a virtual machine often has none)"
    if error.errno in (errno.EACCES, errno.EPERM):
        level = paranoid_level()
        if level is not None and level > 2:
            return f"perf_event_paranoid is {level}: 'sysctl kernel.perf_event_paranoid=2' permits"
        return "perf_event is not permitted here (a container's seccomp profile, or no CAP_PERFMON)"
    if error.errno == errno.ENOSYS:
        return "this kernel has no perf_event"
    return f"perf_event_open: {error.strerror}"


def count(
    subject: Subject, case: str, *, tool: Tool = "auto", timeout: float = _TIMEOUT
) -> Counts | Unavailable:
    """Instructions of one iteration of `case` on one side; see `count_both`."""
    return _count_all([subject], case, tool, timeout)[0]


def count_both(
    base: Subject, candidate: Subject, case: str, *, tool: Tool = "auto", timeout: float = _TIMEOUT
) -> tuple[Counts | Unavailable, Counts | Unavailable]:
    """Instructions of one iteration of `case` on both sides, by the same tool, at the same time.

    `auto` takes perf_event where the host has it and callgrind elsewhere; `callgrind` alone tells
    functions. `timeout` is in seconds, for each side. Whatever prevents a count is an Unavailable
    with one reason: a missing tool, a wrong result, an instruction that Valgrind does not know, ...
    """
    first, second = _count_all([base, candidate], case, tool, timeout)
    return first, second


def _count_all(
    subjects: Sequence[Subject], case: str, tool: Tool, timeout: float
) -> list[Counts | Unavailable]:
    chosen, why = _choose(tool, case)
    if why:
        return [Unavailable(why)] * len(subjects)
    return run_all(subjects, chosen, case, timeout, _result)


def run_all(
    subjects: Sequence[Subject],
    tool: str,
    case: str,
    timeout: float,
    read: Callable[[Run], Counted],
) -> list[Counted | Unavailable]:
    """Run all subjects under `tool` at the same time, and what `read` makes of each."""
    with ExitStack() as stack:
        runs: list[Run | Unavailable] = [_start(tool, subject, case, stack) for subject in subjects]
        deadline = time.monotonic() + timeout
        found: list[Counted | Unavailable] = []
        for run in runs:
            if isinstance(run, Unavailable):
                found.append(run)
                continue
            try:
                run.process.wait(max(0.0, deadline - time.monotonic()))
                found.append(read(run))
            except subprocess.TimeoutExpired:
                found.append(Unavailable(f"{tool} took more than {timeout:g} s for this case"))
            except MeasurementError as error:
                found.append(Unavailable(str(error)))
        return found


def _choose(tool: Tool, case: str) -> tuple[str, str]:
    """The tool that counts, and why there is none."""
    if not case.endswith("/t1"):
        return "", "cases of several threads are not counted (waiting workers spin)"
    permitted, why = available() if tool != "callgrind" else (False, "")
    if permitted:
        return "perf", ""
    if tool == "perf":
        return "", why
    if shutil.which("valgrind") is None:
        lacks = "valgrind is missing: 'apt-get install valgrind'"
        return "", f"{lacks}; {why}" if why else lacks
    return "callgrind", ""


@dataclass(frozen=True, slots=True)
class Run:
    """A started process that counts; what it writes goes to `folder`."""

    process: subprocess.Popen[bytes]
    folder: Path
    tool: str
    symbols: bool
    forced: bool


def _start(tool: str, subject: Subject, case: str, stack: ExitStack) -> Run | Unavailable:
    """Start the worker of one side; leaving `stack` ends it and removes its files."""
    simulates = tool in ("callgrind", "cachegrind")
    if simulates and subject.isa.endswith(_NOT_IN_VALGRIND):
        return Unavailable(f"Valgrind runs no VNNI, AVX-512 or AMX ({subject.isa})")
    environment = subject.environment
    extension = environment.native or next(
        (environment.package / "bitnet_perf").glob("_native*.so"), None
    )
    if extension is None:
        return Unavailable(f"{environment.package} holds no native extension")
    inside = extension.parent == environment.package / "bitnet_perf"
    program = [
        *(str(environment.python), "-I", "-S", count_worker.__file__),
        *(tool, str(environment.package), "" if inside else str(extension.parent)),
        *(str(subject.library or ""), case, subject.isa, subject.tuned, *map(str, _LOOPS)),
    ]
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bitnet-perf-")))
    try:
        symbols = callgrind.has_symbols(extension)
        if simulates:
            program = callgrind.command("valgrind", symbols, program)
            program[2:2] = ["--cache-sim=yes"] if tool == "cachegrind" else []
        with open(folder / "console", "wb") as console, interrupt_held():
            process = subprocess.Popen(
                program,
                cwd=folder,
                env={name: text for name, text in os.environ.items() if name != "VALGRIND_OPTS"},
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            stack.callback(_end, process)
    except OSError as error:
        return Unavailable(f"{error.filename or program[0]}: {error.strerror or error}")
    return Run(process, folder, tool, symbols, bool(subject.isa))


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the group of `process`, in whatever state it is."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):  # in the kernel's hands; the counts are known
        process.wait(_ENDING)


def _result(run: Run) -> Counts:
    """The counts that an ended run left behind; MeasurementError says why there are none."""
    isa = _isa_of(run)
    if run.tool == "perf":
        totals = hardware_totals(run, least=1)
        return Counts(slope(totals), "perf_event instructions:u", isa, {}, "no functions")
    try:
        profiles = callgrind.read_loops(run.folder, run.symbols, len(_LOOPS))
    except (FormatError, OSError) as error:
        raise MeasurementError(str(error)) from error
    totals = [profile.total for profile in profiles]
    if totals[-1] <= totals[-2]:
        raise MeasurementError(f"callgrind counted {totals[-1]} instructions: not those of a loop")
    return Counts(
        slope(totals),
        profiles[0].creator,
        isa,
        _by_function(profiles) if run.symbols else {},
        "; ".join(_notes(run, totals)),
    )


def _isa_of(run: Run) -> str:
    """What an ended run ran; MeasurementError where it failed."""
    console = _console(run)
    if run.process.returncode != 0:
        raise MeasurementError(_failure(run, console))
    return next((line[4:] for line in console.splitlines() if line.startswith("isa ")), "")


def _console(run: Run) -> str:
    return (run.folder / "console").read_text(encoding="utf-8", errors="replace")


def hardware_totals(run: Run, least: int) -> list[int]:
    """What perf_event counted in each loop; MeasurementError where one is below `least`."""
    _isa_of(run)
    totals = [int(number) for number in re.findall(r"^loop (-?\d+)$", _console(run), re.MULTILINE)]
    if len(totals) != len(_LOOPS) or min(totals) < least:
        raise MeasurementError(_SHARED)
    return totals


def loop_files(run: Run) -> list[Path]:
    """The profile of each loop; MeasurementError where the run failed or left none."""
    _isa_of(run)
    try:
        return callgrind.loop_files(run.folder, run.symbols, len(_LOOPS))
    except FormatError as error:
        raise MeasurementError(str(error)) from error


def slope(totals: Sequence[int]) -> float:
    """Instructions of one iteration, from the long loop and the one before it."""
    return (totals[-1] - totals[-2]) / (_LOOPS[-1] - _LOOPS[-2])


def _notes(run: Run, totals: Sequence[int]) -> list[str]:
    notes = []
    if not run.symbols:
        notes.append("no functions: the extension has no symbols")
    if not run.forced:
        notes.append("instruction set chosen under Valgrind, which has no VNNI, AVX-512 or AMX")
    if totals[1] != totals[2]:
        share = abs(totals[1] - totals[2]) / min(totals[1:3])
        notes.append(f"not exact: equal loops differ by {share:.2g}")
    return notes


def _by_function(profiles: Sequence[callgrind.Profile]) -> dict[str, FunctionCount]:
    """Functions that an iteration spends instructions in, the most expensive first."""
    long, short = profiles[-1], profiles[-2]
    more = _LOOPS[-1] - _LOOPS[-2]
    found = {}
    for name, cost in long.exclusive.items():
        own = (cost - short.exclusive.get(name, 0)) / more
        if own != 0:
            whole = (long.inclusive[name] - short.inclusive.get(name, 0)) / more
            found[name] = FunctionCount(own, whole)
    return dict(sorted(found.items(), key=lambda item: -item[1].exclusive))


def _failure(run: Run, console: str) -> str:
    """Why a run gave no counts: an unknown instruction, the worker's error, or how it ended."""
    with suppress(OSError):
        log = (run.folder / "valgrind.log").read_text(encoding="utf-8", errors="replace")
        if "unhandled instruction" in log or "Unrecognised instruction" in log:
            return "Valgrind does not know an instruction of this build: name a lower one by --isa"
        console = f"{console}\n{log}" if not console.strip() else console
    said = [line.strip() for line in console.splitlines() if line.strip()]
    if "ModuleNotFoundError" in console or "ImportError" in console:
        return f"this side has no native loop ({said[-1]})"
    errors = [line for line in said if re.match(r"[\w.]*(Error|Refused): ", line)]
    if errors:
        return re.sub(r"^[\w.]*?(\w+): ", "", errors[-1], count=1)
    status = run.process.returncode
    ended = f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"
    return f"{run.tool} ended with {ended}" + (f": {said[-1]}" if said else "")
