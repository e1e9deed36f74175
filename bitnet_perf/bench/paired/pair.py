"""One fresh process pair: started, calibrated or warmed up, and alternated block by block."""

from __future__ import annotations

import math
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bitnet_perf.bench.paired import host
from bitnet_perf.bench.paired.process import (
    LETTERS,
    Worker,
    WorkerFailed,
    start_pair,
    wait_for,
)
from bitnet_perf.bench.paired.raw import PairRecord
from bitnet_perf.bench.paired.sides import Ready

__all__ = [
    "START_LIMIT",
    "Plan",
    "ask_worker",
    "calibrate",
    "cpus_of",
    "iteration_ns",
    "measure_pair",
    "pin_workers",
    "ready_workers",
    "start_workers",
]

START_LIMIT = 60.0  # seconds for making inputs and checking the result
SAMPLE_NS = 400_000  # a sample of the slower side: a tenth of the scheduler's slice
LONG_NS = 1_000_000  # a case whose one iteration takes longer is a long one: iteration count 1
BLOCKS = 80
LEAST_BLOCKS = 3
LONG_PAIR_SECONDS = 1.0  # what a pair of a long case may take where no budget says otherwise
WARM_LEAST, WARM_MOST = 3, 12
SLOWER = 40  # times as long as planned: what takes longer hangs
LARGEST_PAD = 4096  # bytes by which the heap of a worker is shifted


@dataclass(frozen=True, slots=True)
class Plan:
    """How a case is timed: iterations of a sample, blocks of a pair, and what one pair takes.

    `isas` and `notes` are what the two sides said about themselves; `clock` is the one that the
    case is judged by, in which `sample_ns` is.
    """

    case: str
    threads: int
    iterations: int
    blocks: int
    sample_ns: float
    isas: tuple[str, str]
    notes: tuple[str, ...]
    clock: str = "cpu"

    @property
    def long(self) -> bool:
        """Whether one iteration is longer than the scheduler should interrupt."""
        return self.iterations == 1 and self.sample_ns > LONG_NS

    @property
    def seconds(self) -> float:
        """What the blocks of one pair take on a quiet host."""
        return 4e-9 * self.blocks * self.sample_ns


def calibrate(
    sides: Sequence[Ready],
    case: tuple[str, int],
    rng: random.Random,
    pair_seconds: float | None,
    clock: str = "cpu",
) -> Plan:
    """Start one pair that is thrown away, and choose iterations and blocks on the slower side.

    `case` is its name and threads; `pair_seconds` bounds the blocks of a pair of a long case;
    `clock` is "wall" or "cpu", which leaves out what other programs took. Raises WorkerLacksCase,
    WorkerFailed.
    """
    name, threads = case
    base, candidate = start_workers(sides, name, threads, rng)
    with base, candidate:
        said = ready_workers((base, candidate))
        pin_workers((base, candidate), cpus_of(sides, threads, 0))
        digests = [ask_worker(w, "digest")[0] for w in (base, candidate)]
        if all(digests) and digests[0] != digests[1]:
            raise WorkerFailed(1, "the two sides return different results: nothing is timed")
        each = [iteration_ns(w, clock) for w in (base, candidate)]
    slower = max(each)
    iterations = max(1, round(SAMPLE_NS / slower))
    sample = iterations * slower
    blocks = BLOCKS
    if iterations == 1 and sample > LONG_NS:
        fit = (pair_seconds or LONG_PAIR_SECONDS) / (4e-9 * sample)
        blocks = max(LEAST_BLOCKS, min(BLOCKS, int(fit)))
    names = ("base", "candidate")
    notes = tuple(f"{names[i]}: {note}" for i, (_, note) in enumerate(said) if note)
    return Plan(name, threads, iterations, blocks, sample, (said[0][0], said[1][0]), notes, clock)


def measure_pair(
    sides: Sequence[Ready], plan: Plan, place: tuple[int, int], turn: int, rng: random.Random
) -> PairRecord:
    """Measure one fresh pair; `place` is (number of the case, look), `turn` chooses the CPU."""
    cpus = cpus_of(sides, plan.threads, turn)
    base, candidate = start_workers(sides, plan.case, plan.threads, rng)
    with base, candidate:
        ready_workers((base, candidate))
        pinned = pin_workers((base, candidate), cpus)
        cpu = cpus[0] if pinned and len(cpus) == 1 else -1
        most = WARM_LEAST if plan.long else WARM_MOST
        limit = START_LIMIT + SLOWER * 1e-9 * most * plan.sample_ns
        for worker in rng.sample((base, candidate), 2):
            ask_worker(worker, "warm", plan.iterations, WARM_LEAST, most, plan.clock, limit=limit)
        blocks = "".join(rng.choice(("ABBA", "BAAB")) for _ in range(plan.blocks))
        steal = host.steal_ms(cpu)
        for worker in (base, candidate):
            worker.ask("run", plan.iterations, blocks)
        replies = wait_for((base, candidate), START_LIMIT + SLOWER * plan.seconds)
        steal = host.steal_ms(cpu) - steal
        steal = math.nan if steal < 0 else steal  # some hypervisors let the counter go backwards
    return _record(replies, blocks, plan, place, (cpu, steal, host.load()))


def start_workers(
    sides: Sequence[Ready], case: str, threads: int, rng: random.Random
) -> tuple[Worker, Worker]:
    """Both workers in random order; where malloc begins is random too, because the place of data
    that two builds do not share would otherwise be a difference between them."""
    options = [
        {**side.for_case(case, threads), "pad": str(rng.randrange(0, LARGEST_PAD, 16))}
        for side in sides
    ]
    return start_pair([side.python for side in sides], options, rng.sample((0, 1), 2))


def ready_workers(workers: tuple[Worker, Worker]) -> list[list[str]]:
    """Wait until both have made their inputs; what they say of themselves: isa and note."""
    for worker in workers:
        worker.ask("ready")
    return wait_for(workers, START_LIMIT)


def ask_worker(worker: Worker, *request: object, limit: float | None = None) -> list[str]:
    """The fields that one worker replies to a request, within `limit` seconds."""
    worker.ask(*request)
    return wait_for((worker,), START_LIMIT if limit is None else limit)[0]


def iteration_ns(worker: Worker, clock: str) -> float:
    """Nanoseconds of one iteration: the least of three samples that are long enough to tell."""
    iterations = 1
    while True:
        samples = [ask_worker(worker, "sample", iterations) for _ in range(3)]
        taken = min(float(sample[clock == "cpu"]) or float(sample[0]) for sample in samples)
        if taken >= SAMPLE_NS / 4 or iterations >= 1 << 30:
            return max(taken, 1.0) / iterations
        iterations = 2 * max(iterations, round(SAMPLE_NS / 4 * iterations / max(taken, 1.0)))


def cpus_of(sides: Sequence[Ready], threads: int, turn: int) -> tuple[int, ...]:
    """One CPU in turn; all that are allowed for several threads, of which a program may have its
    own."""
    allowed = host.allowed_cpus()
    several = threads > 1 or any(side.side.kind == "command" for side in sides)
    return allowed if several else (allowed[turn % len(allowed)],)


def pin_workers(workers: Sequence[Worker], cpus: Sequence[int]) -> bool:
    """Bind both workers to `cpus`; False where that is not permitted or not known here."""
    try:
        for worker in workers:
            os.sched_setaffinity(worker.pid, cpus)
    except (AttributeError, OSError):
        return False
    return True


def _record(
    replies: list[list[str]],
    blocks: str,
    plan: Plan,
    place: tuple[int, int],
    around: tuple[int, float, float],
) -> PairRecord:
    count = len(blocks)
    side = np.frombuffer(blocks.encode(), np.uint8).astype(np.int8) - ord(LETTERS[0])
    samples = np.empty((count, 3))
    for number, reply in enumerate(replies):
        mine = side == number
        if len(reply) != 3 * int(mine.sum()):
            raise WorkerFailed(number, f"sent {len(reply)} numbers, {3 * mine.sum()} are right")
        samples[mine] = np.array(reply, np.float64).reshape(-1, 3)
    if not (samples[:, 0] > 0).all():
        late = int(side[np.argmin(samples[:, 0])])
        raise WorkerFailed(late, "a clock went backwards or stood still: the pair is not used")
    places = np.arange(count)
    return PairRecord(
        case=place[0],
        look=place[1],
        cpu=around[0],
        steal_ms=around[1],
        load=around[2],
        block=(places // 4).astype(np.int32),
        position=(places % 4).astype(np.int8),
        side=side,
        wall_ns=samples[:, 0] / plan.iterations,
        cpu_ns=samples[:, 1] / plan.iterations,
        switches=samples[:, 2].astype(np.int32),
    )
