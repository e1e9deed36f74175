"""Cases timed in turns, each in a process of its own: what differs within a round is no drift.
Turns that differ in tunables alone share a process, so that their inputs stand in the same memory.

A paired comparison judges two sides of one case. This times what differs in more than its side: an
instruction set, a number of threads, or another case altogether.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Literal

from bitnet_perf.bench.paired.host import allowed_cpus
from bitnet_perf.bench.paired.process import Worker, WorkerFailed, wait_for
from bitnet_perf.bench.paired.sides import Ready
from bitnet_perf.errors import BitnetPerfError
from bitnet_perf.kernels.tunables import as_text

__all__ = ["Clock", "Taken", "Turn", "take_turns"]

LIMIT = 60.0  # seconds that a request may take, the making of inputs included
LEAST = 1e-4  # seconds of the sample that the number of iterations is told from
FEWEST = 3  # rounds that are taken whatever they cost

Clock = Literal["wall", "cpu"]


@dataclass(frozen=True, slots=True)
class Turn:
    """One case on one side; `isa` forces an instruction set, `more` are further options of its
    worker, which then take the place of those that the case would get. `tuned` are values of
    tunables for its samples; turns that share a process name the same ones."""

    ready: Ready
    case: str
    isa: str = ""
    more: dict[str, str] = field(default_factory=dict)
    tuned: dict[str, int] = field(default_factory=dict)

    def options(self) -> dict[str, str]:
        """What its worker is told."""
        threads = int(self.case.rpartition("/t")[2])
        made = {**self.ready.options, "case": self.case, "threads": str(threads), **self.more}
        options = made if self.more else self.ready.for_case(self.case, threads)
        return options | ({"isa": self.isa} if self.isa else {})


@dataclass(frozen=True, slots=True)
class Taken:
    """What ran and the seconds of one iteration in each round; `why` where it could not be
    timed."""

    isa: str
    seconds: tuple[float, ...]
    why: str = ""


def take_turns(
    turns: Sequence[Turn], rounds: int, length: float, clock: Clock = "cpu", budget: float = 2.0
) -> list[Taken]:
    """Time all `turns` in `rounds` rounds, each round once forward and once backward, in samples of
    about `length` seconds (one iteration where that is longer).

    After `budget` seconds no more rounds are begun, but FEWEST are taken. A turn that fails is told
    with its reason, and the others go on without it. By the "cpu" clock all run on one CPU.
    """
    failed: dict[int, str] = {}
    with ExitStack() as stack:
        team = _Team(turns, stack, clock)
        said: dict[int, tuple[str, int]] = {}
        for number in range(len(turns)):
            try:
                said[number] = _calibrate(team.worker(number), length, clock)
            except BitnetPerfError as error:
                failed[number] = str(error)
        samples: dict[int, list[float]] = {number: [] for number in said}
        end = time.monotonic() + budget
        for done in range(rounds):
            if done >= FEWEST and time.monotonic() > end:
                break
            order = [number for number in said if number not in failed]
            taken: dict[int, list[float]] = {number: [] for number in order}
            for number in (*order, *reversed(order)):
                try:
                    worker = team.worker(number)
                    taken[number].append(_sample(worker, said[number][1], clock))
                except WorkerFailed as error:
                    failed[number] = str(error)
            for number, pair in taken.items():
                samples[number] += [sum(pair) / len(pair)] if len(pair) == 2 else []
    return [
        Taken("", (), failed[number])
        if number in failed
        else Taken(said[number][0], tuple(samples[number]))
        for number in range(len(turns))
    ]


class _Team:
    """The workers of some turns, ended with `stack`."""

    def __init__(self, turns: Sequence[Turn], stack: ExitStack, clock: Clock) -> None:
        self._turns, self._stack, self._clock = turns, stack, clock
        self._workers: dict[object, Worker] = {}
        self._tuned: dict[Worker, dict[str, int]] = {}

    def worker(self, number: int) -> Worker:
        """The worker of a turn, started at first use, with the tunables of that turn."""
        turn = self._turns[number]
        options = turn.options()
        key = frozenset(options.items()) if turn.tuned else number
        worker = self._workers.get(key)
        if worker is None:
            worker = self._workers[key] = _start(turn, options, self._stack, self._clock)
        if self._tuned.get(worker, {}) != turn.tuned:
            worker.ask("tune", as_text(turn.tuned))
            wait_for((worker,), LIMIT)
            self._tuned[worker] = turn.tuned
        return worker


def _start(turn: Turn, options: dict[str, str], stack: ExitStack, clock: Clock) -> Worker:
    """A worker that waits; it gives its token to nobody."""
    ends = os.pipe()
    try:
        worker = Worker(0, turn.ready.python, options, (ends[1], ends[0]))
    finally:
        for end in ends:
            os.close(end)
    stack.enter_context(worker)
    if clock == "cpu" and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(worker.pid, allowed_cpus()[:1])
    return worker


def _calibrate(worker: Worker, length: float, clock: Clock) -> tuple[str, int]:
    """(what runs, iterations of a sample)."""
    worker.ask("ready")
    isa = wait_for((worker,), LIMIT)[0][0]
    iterations, taken = 1, _sample(worker, 1, clock)
    while iterations * taken < min(LEAST, length):
        iterations *= 8
        taken = _sample(worker, iterations, clock)
    return isa, max(1, round(length / taken))


def _sample(worker: Worker, iterations: int, clock: Clock) -> float:
    """Seconds of one iteration."""
    worker.ask("sample", iterations)
    wall, cpu = wait_for((worker,), LIMIT)[0][:2]
    return max(float(cpu if clock == "cpu" else wall), 1.0) / iterations / 1e9
