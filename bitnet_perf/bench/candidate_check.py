"""Whether a candidate is right, found out in a process of its own before anything is timed."""

from __future__ import annotations

import json
import math
import os
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bitnet_perf.bench.candidate_inputs import seconds_for
from bitnet_perf.bench.candidates import compile_candidate, split_family
from bitnet_perf.bench.process import Finished, run_program
from bitnet_perf.errors import ConfigError

__all__ = ["Checked", "check_candidate", "shape_numbers"]

LIMIT = 10  # seconds that one check may take at least
LIMIT_PYTHON = 60  # the same where numba compiles
TOTAL = 600.0  # seconds of all checks, without those of the asked shape
ASKED = 6  # checks of the asked shape
# What the handlers of native code write; a candidate that prints it makes itself wrong.
ENDINGS = ("@\tfault\t", "@\tsignal\t")
ENDS = {
    signal.SIGALRM: "does not end",
    signal.SIGILL: "uses an instruction that this CPU does not have",
    signal.SIGFPE: "divides by zero",
    signal.SIGABRT: "aborts",
    signal.SIGTRAP: "stops at a trap",
    # What no page explains: on x86 nearly always an aligned access to what is not aligned.
    signal.SIGSEGV: "faults without an address, as an aligned load or store of an address that is "
    "not aligned does",
}


@dataclass(frozen=True, slots=True)
class Checked:
    """The result of a check: `reason` says what is wrong and where, empty where nothing is.

    `checks` counts the calls that were tried, `console` is what the candidate printed.
    """

    right: bool
    reason: str
    checks: int
    seconds: float
    console: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def check_candidate(
    source: Path,
    family: str,
    *,
    shape: str = "",
    isa: str = "candidate",
    flags: Sequence[str] | None = None,
    limit: int | None = None,
) -> Checked:
    """Check what `source` (.c, .cpp, .so, .py) does for `family` against independent results.

    Random, extreme and ragged input, and `shape` (NxK, or MxNxK for gemm) at last; inputs and
    outputs between pages that fault, results poisoned; in ranges, and on threads. One check may
    take `limit` seconds, more where its shape is large. Another `isa` than "candidate" checks a
    variant of this build, `source` then unused. Raises ConfigError where the source does not
    compile, cannot be loaded, or is for another version of candidate.h.
    """
    kind, _ = split_family(family)
    python = source.suffix == ".py" and isa == "candidate"
    compiled = isa == "candidate" and not python
    library = compile_candidate(source, flags) if compiled else None
    least = limit or (LIMIT_PYTHON if python else LIMIT)
    asked = shape_numbers(kind, shape)
    total = TOTAL + ASKED * (seconds_for(math.prod(asked), least) if asked else 0)
    options = {
        "to": 1,
        "mark": (mark := f"@{secrets.token_hex(8)}"),  # that no candidate prints by chance
        "limit": least,
        "family": family,
        "shape": asked,
        "isa": isa,
        "library": str(library.absolute()) if library else "",
        "python": str(source.absolute()) if python else "",
    }
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bitnet_perf.") as folder:
        done = run_program(
            [sys.executable, "-m", "bitnet_perf.bench.candidate_child", json.dumps(options)],
            Path(folder),
            {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": _path()},
            total,
        )
    try:
        return _judged(done, mark, least, time.monotonic() - begin)
    except ConfigError as error:  # names the file that the reader knows
        raise ConfigError(
            str(error).replace(str(options["library"] or source), str(source))
        ) from None


def shape_numbers(kind: str, shape: str) -> tuple[int, ...]:
    """The numbers of "NxK" (gemm: "MxNxK"); none for "". ConfigError says what is accepted."""
    if not shape:
        return ()
    names = "MxNxK" if kind == "gemm" else "MxK" if kind == "quantize_activations" else "NxK"
    parts = shape.split("x")
    if len(parts) != names.count("x") + 1 or not all(p.isdecimal() and int(p) for p in parts):
        raise ConfigError(f"shape: found {shape!r}, accepted for {kind} is {names}")
    return tuple(map(int, parts))


def _path() -> str:
    """PYTHONPATH under which the child finds what this process finds."""
    return os.pathsep.join(filter(None, sys.path))


def _judged(done: Finished, mark: str, limit: int, seconds: float) -> Checked:
    """What the lines of the child, which begin with `mark`, say, and what its end says where they
    break off; `limit` is that of loading."""
    last: list[str] = []
    at, checks, console = "", 0, []
    for line in done.text.splitlines():
        if not line.startswith((f"{mark}\t", *ENDINGS)):
            console += [line] if line.strip() else []
        elif line.startswith(f"{mark}\tat\t"):
            _, _, text, at = line.split("\t", 3)
            limit, checks, last = int(text), checks + 1, []
        else:
            last = line.split("\t")[1:]
    printed = "\n".join(console[-10:])
    where = f", {at}" if at else " while it is loaded"
    if last[:1] == ["done"]:
        return Checked(True, "", checks, seconds, printed)
    if last[:1] == ["refused"]:
        raise ConfigError(last[1])
    if last[:1] == ["wrong"]:
        return Checked(False, last[1], checks, seconds, printed)
    if last[:1] == ["fault"]:
        return Checked(False, _fault(last[1:]) + where, checks, seconds, printed)
    if last[:1] == ["signal"]:
        number = int(last[1])
        words = ENDS.get(signal.Signals(number), f"ends by {signal.Signals(number).name}")
        words += f" within {limit} s" if number == signal.SIGALRM else ""
        return Checked(False, words + where, checks, seconds, printed)
    if done.timed_out:
        words = f"does not end: all checks took {done.seconds:.0f} s"
    elif done.status < 0:
        words = f"ends by {signal.Signals(-done.status).name}"
    else:
        words = f"ends the process that called it, with status {done.status}"
    return Checked(False, words + where, checks, seconds, printed)


def _fault(fields: Sequence[str]) -> str:
    """ "reads byte 3 past the end of w" of the fields of a fault."""
    access, name, place, number = fields
    if place == "after":
        return f"{access} byte {int(number) + 1} past the end of {name}"
    if place == "before":
        return f"{access} byte {number} before the start of {name}"
    if place == "inside":
        return f"writes to {name} (byte {number}), which is read-only"
    return f"{access} address {int(number):#x}, far from every array"
