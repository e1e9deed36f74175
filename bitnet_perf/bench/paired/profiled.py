"""Paired profiles: both sides of a case alternate with their spans recorded, in fresh processes."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field, TypeAdapter, ValidationError, model_validator

from bitnet_perf.bench.cases import select
from bitnet_perf.bench.paired.calls import calls_python
from bitnet_perf.bench.paired.driver import CTRL_C, threads_of
from bitnet_perf.bench.paired.pair import (
    START_LIMIT,
    ask_worker,
    cpus_of,
    iteration_ns,
    pin_workers,
    ready_workers,
    start_workers,
)
from bitnet_perf.bench.paired.process import (
    LETTERS,
    Worker,
    WorkerFailed,
    WorkerLacksCase,
    wait_for,
)
from bitnet_perf.bench.paired.profiles import CaseProfile, Function, PairProfile, Profiles
from bitnet_perf.bench.paired.schema import printable
from bitnet_perf.bench.paired.sides import Ready
from bitnet_perf.errors import ConfigError

__all__ = ["PAIRS", "profile_cases", "record_profiles"]

PAIRS = 7  # of each case: one is trimmed at each end
SAMPLE_NS = 400_000  # a sample of shorter iterations: a tenth of the scheduler's slice
PAIR_SECONDS = 0.2  # what the samples of one pair take, about
BLOCKS = (3, 40)
FUNCTION_SECONDS = 0.1  # what the samples with functions counted take in each pair
AWAY = 0.01  # of its time: a sample with functions that was interrupted for more is not used
SLOWER = 40  # times as long as planned: what takes longer hangs
# Every stage, on a small model and texts of its vocabulary (that of 2B4T takes a process 0.6 s to
# make ready); where a quick gate times the same, by the same name, so that what is slower is known.
_STAGES = (
    "gguf/i2_s/small/t1",
    "quantize_weights/i2_s/2560x2560/t1",
    "*tokenize/gpt2/small-n512/t1",
    "prefill/i2_s/small-n32/t1",
    "decode/i2_s/small-n32/t1",
    "sample/top_p/*",
)

_COUNTS = ("calls", "bytes", "ops", "allocations", "allocated")  # as a worker sends them

_Form = TypeVar("_Form")
OnCase = Callable[[float, str], None]


def profile_cases() -> tuple[str, ...]:
    """The stage cases whose profile tells where a change lies: small models and texts."""
    return tuple(case.name for case in select(_STAGES))


def record_profiles(
    base: Ready,
    candidate: Ready,
    cases: Iterable[str] | None = None,
    *,
    pairs: int = PAIRS,
    time_budget: float | None = None,
    seed: int = 0,
    on_case: OnCase | None = None,
) -> Profiles:
    """Record the spans of `cases` (None: `profile_cases()`) on both sides, pair after pair.

    A case that a side lacks, cannot record or fails is there with the reason (`missing`). Cases
    take turns, so that a `time_budget` (seconds) or Ctrl-C leaves all of them some pairs. `on_case`
    hears the share that is done and what runs.
    """
    say = on_case or (lambda _share, _what: None)
    if pairs < 1:
        raise ConfigError(f"pairs: found {pairs}, accepted is 1 or more")
    names = profile_cases() if cases is None else tuple(dict.fromkeys(cases))
    rng = random.Random(seed)
    found = [_Case((base, candidate), name, rng) for name in names]
    begin, stopped = time.monotonic(), ""
    try:
        for turn in range(pairs):
            for place, each in enumerate(found):
                say((turn * len(found) + place) / (pairs * len(found)), f"profile: {each.name}")
                spent = time.monotonic() - begin
                if time_budget is not None and spent + each.seconds_of_a_pair > time_budget:
                    stopped = f"the time budget of {time_budget:g} s"
                    continue
                each.take(turn)
    except KeyboardInterrupt:
        stopped = CTRL_C
    labels = (base.side.label, candidate.side.label)
    return Profiles(
        sides=labels,
        seed=seed,
        cases=tuple(each.result(stopped) for each in found),
        seconds=time.monotonic() - begin,
        stopped=stopped,
    )


@dataclass(frozen=True, slots=True)
class _Plan:
    """Iterations of a sample, blocks of a pair, samples with functions counted (0: none)."""

    iterations: int
    blocks: int
    function_blocks: int
    sample_ns: float


class _Sample(BaseModel):
    """A sample with functions counted, as a worker sends it."""

    wall_ns: int
    away_ns: int
    rows: list[tuple[str, int, str, float, float]]


class _Reply(BaseModel):
    """The samples of one side, as a worker sends them."""

    stacks: list[tuple[str, ...]]
    wall_ns: list[int]
    cpu_ns: list[int]
    away_ns: list[int]
    self_ns: list[list[int]]
    counts: list[tuple[float, float, float, float, float]]
    grown: list[tuple[int, int, int]]
    peak: int
    lost: int
    elsewhere: int

    @model_validator(mode="after")
    def _fits(self) -> _Reply:
        samples, stacks = len(self.wall_ns), len(self.stacks)
        others = {len(self.cpu_ns), len(self.away_ns), len(self.self_ns), len(self.grown)}
        if others != {samples}:
            raise ValueError(f"found lists of other lengths than the {samples} samples")
        if {len(self.counts), *map(len, self.self_ns)} != {stacks}:
            raise ValueError(f"found lists of other lengths than the {stacks} stacks")
        return self


class _Case:
    """One case while it is being recorded."""

    def __init__(self, sides: tuple[Ready, Ready], name: str, rng: random.Random) -> None:
        self.name = name
        self._sides = sides
        self._rng = rng
        self._plan: _Plan | None = None
        self._missing = ""
        self._isas, self._notes = ("", ""), ()
        self._pairs: list[dict[str, Any]] = []
        self._stacks: dict[tuple[str, ...], int] = {(): 0}
        self._seconds = 0.0

    @property
    def seconds_of_a_pair(self) -> float:
        """What the next pair may take, by those before it."""
        return self._seconds / len(self._pairs) if self._pairs else PAIR_SECONDS

    def take(self, turn: int) -> None:
        """Record one fresh pair, unless the case has failed."""
        if self._missing:
            return
        begin = time.monotonic()
        try:
            self._pairs.append(self._pair(turn))
        except WorkerLacksCase as error:
            who = " and ".join(("base", "candidate")[side] for side in error.sides)
            self._missing = printable(f"{who}: {error}")
        except WorkerFailed as error:
            self._missing = printable(f"{('base', 'candidate')[error.side]}: {error}")
        except ConfigError as error:
            self._missing = printable(str(error))
        self._seconds += time.monotonic() - begin

    def _pair(self, turn: int) -> dict[str, Any]:
        threads = threads_of(self.name)
        cpus = cpus_of(self._sides, threads, turn)
        base, candidate = start_workers(self._sides, self.name, threads, self._rng)
        with base, candidate:
            workers = (base, candidate)
            said = ready_workers(workers)
            pinned = pin_workers(workers, cpus)
            self._isas = (said[0][0], said[1][0])
            plan = self._plan = self._plan or _plan_of(workers, self.name)
            for worker in workers:
                ask_worker(worker, "warm", plan.iterations, 1, 2, "wall")
            pattern = self._blocks(plan.blocks)
            replies = _ask_both(workers, ("profile", pattern), plan, TypeAdapter(_Reply))
            found = self._joined(pattern, replies)
            found["cpu"] = cpus[0] if pinned and len(cpus) == 1 else -1
            if plan.function_blocks:
                counted = self._blocks(plan.function_blocks)
                samples = _ask_both(workers, ("functions", counted), plan, _SAMPLES)
                found["functions"] = [_mean_functions(each) for each in samples]
        return found

    def _blocks(self, count: int) -> str:
        return "".join(self._rng.choice(("ABBA", "BAAB")) for _ in range(count))

    def _joined(self, pattern: str, replies: Sequence[_Reply]) -> dict[str, Any]:
        """The replies of both sides by sample, stacks numbered over all pairs of the case."""
        for side, reply in enumerate(replies):
            if len(reply.wall_ns) != pattern.count(LETTERS[side]):
                raise WorkerFailed(side, f"it sent {len(reply.wall_ns)} samples of {pattern}")
        places = [
            [
                self._stacks.setdefault(tuple(map(printable, stack)), len(self._stacks))
                for stack in reply.stacks
            ]
            for reply in replies
        ]
        turns = [iter(range(len(reply.wall_ns))) for reply in replies]
        order = [
            (side, next(turns[side])) for side in (LETTERS.index(letter) for letter in pattern)
        ]
        times = [[dict(zip(at, row, strict=True)) for row in reply.self_ns]
                 for at, reply in zip(places, replies, strict=True)]  # fmt: skip
        return {
            "pattern": pattern,
            "wall_ns": [replies[side].wall_ns[n] for side, n in order],
            "cpu_ns": [replies[side].cpu_ns[n] for side, n in order],
            "away_ns": [replies[side].away_ns[n] for side, n in order],
            "grown": [replies[side].grown[n] for side, n in order],
            "self_ns": [times[side][n] for side, n in order],
            "counts": [
                dict(zip(at, reply.counts, strict=True))
                for at, reply in zip(places, replies, strict=True)
            ],
            "peak": [reply.peak for reply in replies],
            "lost": sum(reply.lost for reply in replies),
            "elsewhere": sum(reply.elsewhere for reply in replies),
        }

    def _filled(self, pair: Mapping[str, Any]) -> dict[str, Any]:
        """The pair with an entry for every stack of the case: none of it ran where it has none."""
        places = range(len(self._stacks))
        times = [[row.get(n, 0) for n in places] for row in pair["self_ns"]]
        counts = [
            [dict(zip(_COUNTS, side.get(n, (0,) * 5), strict=True)) for n in places]
            for side in pair["counts"]
        ]
        return {**pair, "self_ns": times, "counts": counts}

    def result(self, stopped: str) -> CaseProfile:
        """What was recorded; a worker's reply that makes no profile counts as its failure."""
        try:
            pairs = [PairProfile.model_validate(self._filled(pair)) for pair in self._pairs]
        except ValidationError as error:
            pairs, self._missing = [], printable(f"a side sent no profile ({error})"[:1000])
        missing = "" if pairs else self._missing or f"not reached: {stopped}"
        return CaseProfile(
            case=self.name,
            iterations=self._plan.iterations if self._plan else 1,
            isas=self._isas,
            stacks=tuple(self._stacks),
            pairs=tuple(pairs),
            seconds=self._seconds,
            missing=missing,
            notes=(f"ended early: {self._missing}"[:500],) if pairs and self._missing else (),
        )


def _plan_of(workers: tuple[Worker, Worker], case: str) -> _Plan:
    """How the samples of a case are taken, by the slower side."""
    slower = max(iteration_ns(worker, "wall") for worker in workers)
    iterations = max(1, round(SAMPLE_NS / slower))
    sample = iterations * slower
    least, most = BLOCKS
    blocks = max(least, min(most, int(PAIR_SECONDS / (4e-9 * sample))))
    functions = 0
    if calls_python(case):
        functions = max(1, min(most, int(FUNCTION_SECONDS / (4e-9 * sample))))
    return _Plan(iterations, blocks, functions, sample)


_SAMPLES = TypeAdapter(Annotated[list[_Sample], Field(min_length=1)])


def _ask_both(
    workers: tuple[Worker, Worker], request: tuple[str, str], plan: _Plan, form: TypeAdapter[_Form]
) -> list[_Form]:
    """What both sides reply to `profile` or `functions` with a pattern."""
    what, pattern = request
    for worker in workers:
        worker.ask(what, plan.iterations, pattern)
    replies = wait_for(workers, START_LIMIT + SLOWER * 1e-9 * len(pattern) * plan.sample_ns)
    found = []
    for worker, reply in zip(workers, replies, strict=True):
        try:
            found.append(form.validate_json(reply[0] if reply else ""))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise WorkerFailed(
                worker.side, f"it sent no {what}: {place[:80]} {first['msg'][:200]}"
            ) from error
    return found


def _mean_functions(samples: Sequence[_Sample]) -> list[Function]:
    """The functions of one side as mean over its samples that nothing interrupted."""
    first = min(samples, key=lambda sample: sample.away_ns)
    most = first.away_ns + AWAY * (first.wall_ns - first.away_ns)
    stay = [sample for sample in samples if sample.away_ns <= most] or [first]
    found: dict[tuple[str, str], list[float]] = {}
    for sample in stay:
        for file, line, name, calls, taken in sample.rows:
            row = found.setdefault((printable(file)[:500], printable(name)[:500]), [line, 0.0, 0.0])
            row[1] += calls / len(stay)
            row[2] += taken / len(stay)
    return [
        Function(file=file, line=int(row[0]), name=name, calls=row[1], self_ns=max(0.0, row[2]))
        for (file, name), row in found.items()
    ]
