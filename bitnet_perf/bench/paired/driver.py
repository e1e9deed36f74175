"""The paired driver: cases in random order, looks on fresh pairs, until a rule says settled.

It measures and records; what settles a case is a function that the caller hands in.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bitnet_perf.bench.paired.pair import Plan, calibrate, measure_pair
from bitnet_perf.bench.paired.process import WorkerFailed, WorkerLacksCase
from bitnet_perf.bench.paired.raw import CANARY, PairRecord, clock_of
from bitnet_perf.bench.paired.schema import printable
from bitnet_perf.bench.paired.sides import Ready
from bitnet_perf.errors import ConfigError

__all__ = ["CANARIES", "CTRL_C", "Driver", "Recording", "Settings", "Step"]

# (bound, case): one that stays in a core's own cache, one that streams past all of them.
CANARIES = (
    ("compute", "forward/gemv/i2_s/64x2560/t1"),
    ("streaming", "forward/gemv/i2_s/6912x2560-64mb/t1"),
)


CTRL_C = "Ctrl-C"  # why a run stopped
PAIR_START = 0.3  # seconds that a pair takes before its blocks, about


@dataclass(frozen=True, slots=True)
class Settings:
    """How much is measured: fresh pairs of each look, the whole time in seconds, the seed."""

    looks: tuple[int, ...] = (8, 20, 40)
    long_looks: tuple[int, ...] = (8, 8, 16)
    canary_pairs: int = 16
    time_budget: float | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """Progress: `share` of the work that is known of, seconds it may still take, what runs."""

    share: float
    seconds_left: float | None
    what: str


@dataclass
class Recording:
    """What a run has measured so far: the case objects of the raw file, and the pairs.

    `stopped` says why a run ended early; what it holds then is whole and may be judged.
    """

    cases: list[dict[str, Any]] = field(default_factory=list)
    plans: dict[int, Plan] = field(default_factory=dict)
    pairs: list[PairRecord] = field(default_factory=list)
    stopped: str = ""

    def add_case(self, case: Mapping[str, Any]) -> int:
        """Append a case object; its number."""
        self.cases.append(dict(case))
        return len(self.cases) - 1

    def pairs_of(self, case: int, look: int | None = None) -> list[PairRecord]:
        """The pairs of one case, of one look where it is given."""
        return [p for p in self.pairs if p.case == case and look in (None, p.look)]


Settled = Callable[[int, bool], bool]  # (number of the case, was it its last look)
OnStep = Callable[[Step], None]


class _Ended(Exception):
    """The time budget is spent."""


class Driver:
    """Measures canaries and cases of two sides into `recording`.

    Ctrl-C and the end of the time budget end a run between two pairs, and `recording.stopped` says
    so. A worker that dies, hangs or gives a wrong result marks its case (`error`, `error_side`) and
    no other; a case that one side lacks is the `only` one of the other.
    """

    def __init__(
        self, sides: Sequence[Ready], settings: Settings, on_step: OnStep | None = None
    ) -> None:
        self.recording = Recording()
        self._sides = sides
        self._settings = settings
        self._on_step = on_step or (lambda _: None)
        self._rng = random.Random(settings.seed)
        self._begin = time.monotonic()
        self._turn = 0
        self._open = 0  # cases that are not settled

    def run_canaries(self, side: Ready, passes: Settled) -> None:
        """Measure `side` against itself on both canaries, each once more where it does not pass."""
        pair = (side.with_extra(0.0),) * 2
        try:
            for bound, name in CANARIES:
                self._on_step(Step(0.0, None, f"canary: {bound}"))
                case = {"name": f"canary/{bound}", "case": name, "threads": 1, "canary": bound}
                number = self.recording.add_case(case)
                for attempt in range(2):
                    if not self._take(pair, number, CANARY, self._settings.canary_pairs):
                        break
                    if passes(number, attempt == 1):
                        break
        except _Ended:
            pass
        except KeyboardInterrupt:
            self.recording.stopped = CTRL_C

    def run_cases(self, names: Iterable[str], settled: Settled) -> None:
        """Measure the cases one look after the other; a look takes those that are not settled, in
        random order."""
        whole = {"clock": "wall"} if self._sides[0].side.kind == "command" else {}
        numbers = [
            self.recording.add_case({"name": name, "threads": threads_of(name), **whole})
            for name in names
        ]
        self._open = len(numbers)
        open_cases = self._rng.sample(numbers, len(numbers))
        try:
            for look in range(max(len(self._settings.looks), len(self._settings.long_looks))):
                taken = tuple(open_cases)
                for place, number in enumerate(taken):
                    self._report(look, place, len(taken), number)
                    if self._look(number, look, settled):
                        open_cases.remove(number)
                        self._open = len(open_cases)
        except _Ended:
            pass
        except KeyboardInterrupt:
            self.recording.stopped = CTRL_C

    def _look(self, number: int, look: int, settled: Settled) -> bool:
        """Take one look of a case; whether that settles it."""
        plan = self._plan(self._sides, number)
        if plan is None:
            return True
        counts = self._settings.long_looks if plan.long else self._settings.looks
        if not self._take(self._sides, number, look, counts[look]):
            return True
        return settled(number, look + 1 == len(counts)) or look + 1 == len(counts)

    def _take(self, sides: Sequence[Ready], number: int, look: int, pairs: int) -> bool:
        """Take so many fresh pairs; False where the case fails."""
        case = self.recording.cases[number]
        for _ in range(pairs):
            plan = self._plan(sides, number)
            if plan is None:
                return False
            self._check_budget(number, plan)
            begin = time.monotonic()
            self._turn += 1
            try:
                record = measure_pair(sides, plan, (number, look), self._turn, self._rng)
            except WorkerFailed as error:
                self._fail(number, error)
                return False
            self.recording.pairs.append(record)
            case["seconds"] = case.get("seconds", 0.0) + time.monotonic() - begin
        return True

    def _plan(self, sides: Sequence[Ready], number: int) -> Plan | None:
        """The plan of a case, calibrated at first use; None where a side lacks it or fails."""
        case = self.recording.cases[number]
        if "error" in case or "only" in case:
            return None
        if number in self.recording.plans:
            return self.recording.plans[number]
        try:
            plan = calibrate(
                sides,
                (case.get("case", case["name"]), case["threads"]),
                self._rng,
                self._pair_seconds(),
                clock_of({}, case, case["threads"]),
            )
        except WorkerLacksCase as error:
            if len(error.sides) == 1:
                case["only"] = "candidate" if error.sides == [0] else "base"
            else:
                case["error"] = printable(f"neither side has it ({error})")
            return None
        except ConfigError as error:
            case["error"] = printable(f"neither side has it ({error})")
            return None
        except WorkerFailed as error:
            self._fail(number, error)
            return None
        case |= {"isas": list(plan.isas), "sample_ns": plan.sample_ns, "blocks": plan.blocks}
        if plan.notes:
            case["note"] = "; ".join(plan.notes)
        self.recording.plans[number] = plan
        return plan

    def _fail(self, number: int, error: WorkerFailed) -> None:
        self.recording.cases[number] |= {"error": printable(str(error)), "error_side": error.side}

    def _check_budget(self, number: int, plan: Plan) -> None:
        """Raise _Ended where one more pair, as long as the others of its case, is too long."""
        budget = self._settings.time_budget
        if budget is None:
            return
        done = len(self.recording.pairs_of(number))
        seconds: float = self.recording.cases[number].get("seconds", 0.0)
        next_pair = seconds / done if done else PAIR_START + plan.seconds
        if time.monotonic() - self._begin + next_pair > budget:
            self.recording.stopped = f"the time budget of {budget:g} s"
            raise _Ended

    def _pair_seconds(self) -> float | None:
        """What the blocks of a pair of a long case may take, so that each case gets its look."""
        budget = self._settings.time_budget
        if budget is None:
            return None
        left = budget - (time.monotonic() - self._begin)
        return max(0.05, left / max(1, self._open) / self._settings.long_looks[0] - PAIR_START)

    def _report(self, look: int, done: int, total: int, number: int) -> None:
        """Say how far this look is; the estimate is what its other cases will take."""
        seconds = None
        if self.recording.pairs:
            each = (time.monotonic() - self._begin) / len(self.recording.pairs)
            looks = self._settings.looks
            seconds = each * looks[min(look, len(looks) - 1)] * (total - done)
        name = self.recording.cases[number]["name"]
        self._on_step(Step(done / max(1, total), seconds, f"look {look + 1}: {name}"))


def threads_of(name: str) -> int:
    """The threads that a case name ends with, 1 where it names none."""
    tail = name.rpartition("/t")[2]
    return int(tail) if tail.isdigit() else 1
