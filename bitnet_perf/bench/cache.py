"""Cache misses of one iteration of a native case: counted by the host, or simulated on request."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from bitnet_perf.bench.counters import (
    Run,
    Subject,
    Unavailable,
    available,
    hardware_totals,
    loop_files,
    run_all,
    slope,
)
from bitnet_perf.errors import MeasurementError

__all__ = ["CacheCount", "count_cache"]

TIMEOUT = 300.0  # seconds


@dataclass(frozen=True, slots=True)
class CacheCount:
    """Accesses and misses of one iteration: of the last level, or of the first as Cachegrind
    simulates it, which `tool` says."""

    accesses: float
    misses: float
    tool: str


def count_cache(
    subject: Subject, case: str, *, simulate: bool = False, timeout: float = TIMEOUT
) -> CacheCount | Unavailable:
    """Accesses to the cache and misses of one iteration of `case`.

    Counted by perf_event where the host has it; `simulate` takes Cachegrind's model of the caches
    instead, which is many times slower than the case and knows nothing of what fetches ahead.
    """
    if not case.endswith("/t1"):
        return Unavailable("cases of several threads are not counted (waiting workers spin)")
    if simulate:
        if shutil.which("valgrind") is None:
            return Unavailable("valgrind is missing: 'apt-get install valgrind'")
        return run_all([subject], "cachegrind", case, timeout, _simulated)[0]
    found = []
    for tool in ("perf-accesses", "perf-misses"):
        permitted, why = available(tool)
        if not permitted:
            return Unavailable(f"{why}; cachegrind counts on request")
        counted = run_all([subject], tool, case, timeout, _hardware)[0]
        if isinstance(counted, Unavailable):
            return counted
        found.append(counted)
    return CacheCount(found[0], found[1], "perf_event, last level")


def _hardware(run: Run) -> float:
    return slope(hardware_totals(run, least=0))


def _simulated(run: Run) -> CacheCount:
    counts = [_events(path) for path in loop_files(run)]
    accesses, misses = (
        slope([sum(each[name] for name in names) for each in counts])
        for names in (("Dr", "Dw"), ("D1mr", "D1mw"))
    )
    return CacheCount(accesses, misses, "cachegrind, data of the first level")


def _events(path: Path) -> dict[str, int]:
    """The totals of a profile, by event; MeasurementError where it states none."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    head = dict(line.split(": ", 1) for line in lines if line.startswith(("events: ", "totals: ")))
    names, numbers = head.get("events", "").split(), head.get("totals", "").split()
    if "D1mw" not in names or not all(map(str.isdecimal, numbers)):
        raise MeasurementError(f"{path.name}: found events {names}, accepted are those of a cache")
    return {name: int(number) for name, number in zip_longest(names, numbers, fillvalue="0")}
