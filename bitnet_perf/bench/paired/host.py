"""What else the host does while a pair is measured. What it does not tell is nan, never 0."""

from __future__ import annotations

import math
import os
from pathlib import Path

__all__ = ["allowed_cpus", "load", "steal_ms"]

_ROOT = Path("/")
_STEAL = 8  # place of steal in a line of /proc/stat: cpuN user nice system idle iowait irq softirq


def steal_ms(cpu: int, *, root: Path = _ROOT) -> float:
    """Milliseconds since boot in which `cpu` was ready and the hypervisor ran somebody else.

    Steal of an interval is the difference of two readings; the kernel counts in ticks of 10 ms
    (`SC_CLK_TCK`). A negative `cpu` asks for the sum over all CPUs. nan where /proc/stat is missing
    or lacks that CPU or the field.
    """
    wanted = "cpu" if cpu < 0 else f"cpu{cpu}"
    try:
        with open(root / "proc/stat", encoding="ascii", errors="replace") as file:
            for line in file:
                words = line.split(maxsplit=_STEAL + 1)
                if words and words[0] == wanted:
                    return int(words[_STEAL]) * 1000 / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        pass
    return math.nan


def load(*, root: Path = _ROOT) -> float:
    """Load average of the last minute, or nan where /proc/loadavg is missing or malformed."""
    try:
        return float((root / "proc/loadavg").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return math.nan


def allowed_cpus() -> tuple[int, ...]:
    """The CPUs that this process may run on, ascending; all of the host where it cannot tell."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))
