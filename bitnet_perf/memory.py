"""Peaks of this process's memory, over pieces of its run that may nest and overlap."""

from __future__ import annotations

import re
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

__all__ = ["Peak", "PeakWatch", "forget_peak", "peak_resident"]


@dataclass(slots=True)
class Peak:
    """What one piece of a run reached at most.

    resident: bytes of resident memory; None where the host does not say. python: bytes that Python
    objects took beyond those at its begin; None where they are not traced.
    """

    resident: int | None = None
    python: int | None = None


def forget_peak() -> bool:
    """Let the peak of the resident memory begin anew (proc(5), clear_refs); whether it did."""
    try:
        with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
            file.write("5")
    except OSError:
        return False
    return True


def peak_resident() -> int | None:
    """Bytes of the resident memory at its peak; None where /proc does not say."""
    try:
        with open("/proc/self/status", encoding="utf-8", errors="replace") as file:
            found = re.search(r"VmHWM:\s+(\d+) kB", file.read())
    except OSError:
        return None
    return None if found is None else 1024 * int(found[1])


class PeakWatch:
    """Tells the peak of each piece: at every begin and end the peak so far goes to all pieces that
    run, and begins anew. A boundary costs about 0.1 ms.

    python: trace the memory of Python objects too (tracemalloc), which makes Python code slower.
    reason: why resident memory is not known, empty where it is.
    """

    def __init__(self, *, python: bool = False) -> None:
        self.reason = ""
        if not forget_peak() or peak_resident() is None:
            self.reason = "this host does not tell the peak of resident memory (/proc)"
        self._lock = threading.Lock()
        self._running: list[tuple[Peak, int]] = []
        self._python = python
        self._traces = python and not tracemalloc.is_tracing()
        if self._traces:
            tracemalloc.start()

    def close(self) -> None:
        """Stop tracing Python's memory where this began it."""
        if self._traces:
            tracemalloc.stop()

    @contextmanager
    def piece(self) -> Iterator[Peak]:
        """A piece of the run; its peak is known at the end of the block."""
        found = Peak()
        with self._lock:
            self._boundary()
            now = tracemalloc.get_traced_memory()[0] if self._python else 0
            entry = (found, now)
            self._running.append(entry)
        try:
            yield found
        finally:
            with self._lock:
                self._boundary()
                self._running = [each for each in self._running if each is not entry]

    def _boundary(self) -> None:
        resident = None if self.reason else peak_resident()
        python = tracemalloc.get_traced_memory()[1] if self._python else None
        for found, begin in self._running:
            if resident is not None:
                found.resident = max(found.resident or 0, resident)
            if python is not None:
                found.python = max(found.python or 0, python - begin)
        if not self.reason:
            forget_peak()
        if self._python:
            tracemalloc.reset_peak()
