"""A worker's samples with spans recorded, memory read, and Python functions counted.

The driver brings this file to both sides beside worker.py, which loads it where a profile is asked
for. It takes the standard library and the recorder of that side's own extension, and reduces each
sample to totals by stack of spans, so that two sides of any age are read alike.
"""

from __future__ import annotations

import gc
import os
import sys
import time

TYPE_CHECKING = False  # as in typing, which is slow to load
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    Stack = tuple[str, ...]
    Sampler = Callable[[int], tuple[int, int, int]]

RECORDER = ("start_spans", "stop_spans", "begin_span", "end_span")  # what a side must have
ROOT = "(sample)"  # the span around a sample; its own time is in no span of the side
LEAST_AWAY = 200_000  # nanoseconds: less is the way into a sample and out of it
MOST_FUNCTIONS = 200  # that are told of, the rest in one sum
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Lacking(Exception):
    """The package is too old to be recorded."""


class Recorder:
    """Takes samples of one case with its spans; `collected` gives what they came to. `memory` is
    the module of that name, which tells the peak of this process."""

    def __init__(self, sample: Sampler, memory: Any) -> None:
        from bitnet_perf import _native

        lacks = [name for name in RECORDER if not hasattr(_native, name)]
        if lacks:
            raise Lacking(f"this side records no spans (its extension lacks {', '.join(lacks)})")
        self._native: Any = _native
        self._sample = sample
        self._peak = memory.peak_resident
        self._live = live_bytes()
        self._found: list[tuple[Sample, int, int]] = []
        self._memory: list[list[int]] = []
        self._lost = self._iterations = 0
        gc.collect()
        gc.freeze()  # what is there before the first sample is never looked at again
        memory.forget_peak()

    def sample(self, iterations: int) -> None:
        """Take one sample of so many iterations."""
        native = self._native
        native.start_spans()
        gc.collect()
        before = self._held()
        queued = waited_ns()
        begun = native.begin_span()
        _, cpu, _ = self._sample(iterations)
        native.end_span(ROOT, begun)
        waited = -1 if queued < 0 else waited_ns() - queued
        gc.collect()
        after = self._held()  # before anything of this class is kept
        rows, lost = native.stop_spans()
        self._memory.append([now - then for now, then in zip(after, before, strict=True)])
        self._found.append((Sample(rows), cpu, waited))
        self._lost += lost
        self._iterations += iterations

    def _held(self) -> tuple[int, int, int]:
        """Resident bytes, bytes given by malloc and not got back, blocks of Python objects."""
        return resident(), self._live(), sys.getallocatedblocks()

    def collected(self) -> dict[str, Any]:
        """JSON values: by sample, wall and CPU nanoseconds, those of every stack in none of the
        spans inside and those that it waited for a CPU (`settle`; together they are wall), what
        memory held more after it than before; by stack and iteration, calls, bytes, operations,
        allocations and their bytes."""
        away = settle(self._found)
        found = [sample for sample, _, _ in self._found]
        stacks = list(dict.fromkeys(stack for sample in found for stack in sample.calls))
        none = [0] * 5
        return {
            "stacks": stacks,
            "wall_ns": [sample.wall for sample in found],
            "cpu_ns": [cpu for _, cpu, _ in self._found],
            "away_ns": away,
            "self_ns": [[sum(sample.calls.get(s, ())) for s in stacks] for sample in found],
            "counts": [
                [sum(sample.counts.get(s, none)[n] for sample in found) / self._iterations
                 for n in range(5)]
                for s in stacks
            ],
            "grown": self._memory,
            "peak": self._peak() or -1,
            "lost": self._lost,
            "elsewhere": sum(sample.elsewhere for sample in found),
        }  # fmt: skip


class Sample:
    """One sample: nanoseconds of the root; by stack of names below it (the root's own under the
    empty stack) the self nanoseconds of each call, and the sums of calls, bytes, operations,
    allocations and their bytes; and how many spans other threads recorded."""

    def __init__(self, rows: Iterable[Sequence[Any]]) -> None:
        spans = list(rows)
        thread, begin, end = next((row[1], row[2], row[3]) for row in spans if row[0] == ROOT)
        mine = [row for row in spans if row[1] == thread and begin <= row[2] and row[3] <= end]
        # Of two with the same times the root and then an operation is outside, a kernel inside.
        mine.sort(key=lambda row: (row[2], -row[3], row[0] != ROOT, "/" in row[0]))
        self.wall = end - begin
        self.elsewhere = len(spans) - len(mine)
        self.calls: dict[Stack, list[int]] = {}
        self.counts: dict[Stack, list[int]] = {}
        open_: list[tuple[Stack, int, int]] = []  # stack, which call of it, end
        for row in mine:
            name, _, start, stop, nbytes, ops, *rest = row
            memory = list(rest[1:3]) if len(rest) >= 3 else [0, 0]
            while open_ and open_[-1][2] < stop:
                open_.pop()
            stack = (*open_[-1][0], name) if open_ else ()
            if open_:
                around, number, _ = open_[-1]
                self.calls[around][number] -= stop - start
                self.counts[around][3] -= memory[0]
                self.counts[around][4] -= memory[1]
            calls = self.calls.setdefault(stack, [])
            calls.append(stop - start)
            counts = self.counts.setdefault(stack, [0] * 5)
            for place, value in enumerate((1, nbytes, ops, *memory)):
                counts[place] += value
            open_.append((stack, len(calls) - 1, stop))


def settle(samples: Sequence[tuple[Sample, int, int]]) -> list[int]:
    """Take the time that the process waited for a CPU out of the calls that were longer for it.

    samples: each with its CPU nanoseconds, and those that it waited, -1 where the kernel does not
    tell; then what it was not running counts, sleep and input included. Such time is known of a
    whole sample alone. It comes in few long pieces, so it is taken from calls that took longer than
    the shortest same call of all samples, the most excessive first, and no more than there is. What
    is then left of time that surely was waiting lies in calls that were always interrupted: it is
    taken from all in proportion. Nanoseconds taken out by sample.
    """
    least: dict[tuple[Stack, int], list[int]] = {}
    for sample, _, _ in samples:
        for stack, calls in sample.calls.items():
            known = least.setdefault((stack, len(calls)), calls)
            least[stack, len(calls)] = [min(pair) for pair in zip(known, calls, strict=True)]
    found = []
    for sample, cpu, waited in samples:
        away = min(sample.wall - cpu if waited < 0 else waited, sample.wall - 1)
        if away <= (LEAST_AWAY + cpu // 100 if waited < 0 else 0):
            found.append(0)
            continue
        excess = [
            (call - least[stack, len(calls)][n], stack, n)
            for stack, calls in sample.calls.items()
            for n, call in enumerate(calls)
        ]
        taken = 0
        for more, stack, n in sorted(excess, reverse=True):
            part = min(more, away - taken)
            if part <= 0:
                break
            sample.calls[stack][n] -= part
            taken += part
        if waited >= 0:
            left, rest = sample.wall - taken, away - taken
            for calls in sample.calls.values():
                for n, call in enumerate(calls):
                    calls[n] -= call * rest // left
                    taken += call * rest // left
        found.append(taken)
    return found


def waited_ns() -> int:
    """Nanoseconds that this thread was ready to run and did not; -1 where the kernel does not say
    (schedstat of proc(5))."""
    try:
        with open("/proc/thread-self/schedstat", encoding="ascii") as file:
            return int(file.read().split()[1])
    except (OSError, ValueError, IndexError):
        return -1


def functions(sample: Sampler, iterations: int, roots: Sequence[str]) -> dict[str, Any]:
    """Nanoseconds that one sample took and was away (did not run), and its Python functions, the
    longest first: file, line, name, calls and CPU nanoseconds of one iteration in itself alone.
    What is built in stands apart for each of its callers ("encode > <built-in ...>"), as of their
    file. Files of the package are named from its `roots`."""
    import cProfile

    watch = cProfile.Profile(time.thread_time)
    watch.enable()
    try:
        wall, cpu, _ = sample(iterations)
    finally:
        watch.disable()
    found: dict[tuple[str, str], list[Any]] = {}

    def add(code: Any, name: str, entry: Any) -> None:
        file = short_file(code.co_filename, roots)
        row = found.setdefault((file, name), [file, code.co_firstlineno, name, 0.0, 0.0])
        row[3] += entry.callcount / iterations
        row[4] += entry.inlinetime * 1e9 / iterations

    entries: list[Any] = watch.getstats()
    for entry in entries:
        if isinstance(entry.code, str):
            continue  # built in: told with each of its callers
        name = getattr(entry.code, "co_qualname", entry.code.co_name)
        add(entry.code, name, entry)
        for called in entry.calls or ():
            if isinstance(called.code, str):
                add(entry.code, f"{name} > {called.code}", called)
    rows = sorted(found.values(), key=lambda row: -row[4])
    rest = rows[MOST_FUNCTIONS:]
    if rest:
        calls, taken = (sum(row[n] for row in rest) for n in (3, 4))
        rows = [*rows[:MOST_FUNCTIONS], ["", 0, f"{len(rest)} other functions", calls, taken]]
    return {"wall_ns": wall, "away_ns": max(0, wall - cpu), "rows": rows}


def short_file(path: str, roots: Sequence[str]) -> str:
    """`bitnet_perf/model/tokenizer.py` for a file of the side, the last two parts of another."""
    for root in roots:
        if path.startswith(root + os.sep):
            return path[len(root) + 1 :].replace(os.sep, "/")
    return "/".join(path.split(os.sep)[-2:])


def live_bytes() -> Callable[[], int]:
    """What tells the bytes that malloc has given and not got back; always 0 where the C library
    does not say (before glibc 2.33, and other libraries)."""
    import ctypes

    class Info(ctypes.Structure):
        _fields_ = [
            (name, ctypes.c_size_t)
            for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks",
                         "uordblks", "fordblks", "keepcost")
        ]  # fmt: skip

    try:
        ask = ctypes.CDLL(None).mallinfo2
    except (OSError, AttributeError):
        return lambda: 0
    ask.restype = Info

    def told() -> int:
        info = ask()
        return int(info.uordblks + info.hblkhd)

    return told


def resident() -> int:
    """Bytes of resident memory; 0 where the host does not say."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * _PAGE
    except (OSError, ValueError, IndexError):
        return 0
