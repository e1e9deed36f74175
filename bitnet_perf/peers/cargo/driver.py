"""Benchmarks of two revisions of a Cargo workspace, measured in turns of fresh process pairs.

It measures and records, as `bench.paired.driver` does for the paired worker; what settles a case is
a function that the caller hands in.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bitnet_perf.bench.paired.driver import CTRL_C, OnStep, Recording, Settings, Settled, Step
from bitnet_perf.bench.paired.raw import CANARY
from bitnet_perf.bench.paired.schema import LONGEST, printable
from bitnet_perf.peers.cargo.runs import Ran, RunFailed, Runner, Subject, run_pair, with_fewer

__all__ = ["CASE_SECONDS", "TurnDriver"]

CASE_SECONDS = 240.0  # that the first look of a case may take
CASE_PART = 0.25  # of the time budget that it should, where a shorter run is possible
Work = tuple[Sequence[Runner], Subject]


class _Ended(Exception):
    """The time budget is spent."""


class TurnDriver:
    """Measures cases, and canaries chosen among them, into `recording`.

    Ctrl-C and the end of the time budget end a run between two pairs, and `recording.stopped` says
    so. A case that measures nothing on the base's side is `skipped` with the reason; one that does
    so on the candidate's alone is an `error`.
    """

    def __init__(self, settings: Settings, on_step: OnStep) -> None:
        self.recording = Recording()
        self._settings = settings
        self._on_step = on_step
        self._rng = random.Random(settings.seed)
        self._begin = time.monotonic()
        self._turn = 0
        self._work: dict[int, Work] = {}

    def add(self, case: Mapping[str, Any], work: Work | None) -> None:
        """Take a case; `work` is what both sides run, None where nothing is to be timed.

        Names of strangers that look alike when they are shown get a number."""
        number = self.recording.add_case(case)
        alike = [each["name"] for each in self.recording.cases[:number]].count(case["name"])
        if alike:
            self.recording.cases[number]["name"] = f"{case['name'][: LONGEST - 9]} ({number})"
        if work is not None:
            self._work[number] = work

    @property
    def measurable(self) -> dict[int, Work]:
        """The cases that are timed, as far as is known by now."""
        closed = ("error", "only", "skipped", "identical")
        cases = self.recording.cases
        return {n: w for n, w in self._work.items() if not any(key in cases[n] for key in closed)}

    def try_out(self) -> None:
        """Run every case once on both sides: what fails is known, and how long a run takes."""
        self._guarded(self._try_out)

    def run_canaries(self, passes: Settled) -> None:
        """Measure the base against itself: the case of the shortest iteration stands for what is
        bound by computing, that of the longest for what streams. Each once more where it does not
        pass."""
        self._guarded(lambda: self._canaries(passes))

    def run_cases(self, settled: Settled) -> None:
        """Measure the cases one look after the other; a look takes those that are not settled, in
        random order."""
        self._guarded(lambda: self._cases(settled))

    def _guarded(self, act: Callable[[], None]) -> None:
        if self.recording.stopped:
            return
        try:
            act()
        except _Ended:
            self.recording.stopped = f"the time budget of {self._settings.time_budget:g} s"
        except KeyboardInterrupt:
            self.recording.stopped = CTRL_C

    def _try_out(self) -> None:
        for place, (number, (runners, subject)) in enumerate(tuple(self._work.items())):
            case = self.recording.cases[number]
            self._on_step(Step(place / len(self._work), None, f"once: {case['name']}"))
            first, fewer = self._once(number), subject.fewer
            if first > self._most and fewer is not None:
                self._work[number] = runners, fewer
                case["command"] = with_fewer(case["command"], fewer)
                case["counts"] = [
                    f"{fewer.tokens} tokens a run: of {subject.tokens} the first "
                    f"{self._settings.looks[0]} pairs would take {first:.0f} s"
                ]
                first = self._once(number)
            if first > CASE_SECONDS:
                own = ": it sets a measurement time of its own" if subject.model is None else ""
                case["skipped"] = (
                    f"a run takes {case['run_seconds']:.1f} s, its {self._settings.looks[0]} first "
                    f"pairs more than {CASE_SECONDS:g} s{own}"
                )

    @property
    def _most(self) -> float:
        """Seconds that the first look of a case should take."""
        budget = self._settings.time_budget
        return CASE_SECONDS if budget is None else min(CASE_SECONDS, CASE_PART * budget)

    def _once(self, number: int) -> float:
        """Run a case once on each side; seconds that its first look will take, 0 where it fails."""
        self._check_budget(0.0)
        case = self.recording.cases[number]
        runners, subject = self._work[number]
        begin = time.monotonic()
        found: list[Sequence[float]] = []
        failed: list[RunFailed] = []
        for runner in runners:
            try:
                found.append(runner.run(subject).seconds)
            except RunFailed as error:
                failed.append(error)
        case["run_seconds"] = (time.monotonic() - begin) / len(runners)
        if failed:
            case |= _failure(failed)
            return 0.0
        case["sample_ns"] = 1e9 * max(sorted(each)[len(each) // 2] for each in found)
        return float(4 * self._settings.looks[0] * case["run_seconds"])

    def _canaries(self, passes: Settled) -> None:
        cases = self.recording.cases
        order = sorted(self.measurable, key=lambda number: cases[number]["sample_ns"])
        for bound, chosen in zip(("compute", "streaming"), (order[:1], order[-1:]), strict=True):
            for number in chosen:
                runners, subject = self._work[number]
                base = (runners[0], runners[0])
                case = {
                    "name": f"canary/{bound}", "case": cases[number]["name"], "threads": 1,
                    "canary": bound, "clock": "wall", "run_seconds": cases[number]["run_seconds"],
                }  # fmt: skip
                canary = self.recording.add_case(case)
                for attempt in range(2):
                    self._on_step(Step(0.0, None, f"canary: {bound}"))
                    if not self._take(canary, (base, subject), CANARY, self._settings.canary_pairs):
                        break
                    if passes(canary, attempt == 1):
                        break

    def _cases(self, settled: Settled) -> None:
        work = self.measurable
        numbers = self._rng.sample(list(work), len(work))
        looks = self._settings.looks
        for look, pairs in enumerate(looks):
            todo = tuple(numbers)
            for place, number in enumerate(todo):
                self._report(look, place, todo, pairs)
                whole = self._take(number, work[number], look, pairs)
                if not whole or settled(number, look + 1 == len(looks)):
                    numbers.remove(number)

    def _take(self, number: int, work: Work, look: int, pairs: int) -> bool:
        """Take so many fresh pairs; False where the case fails."""
        case = self.recording.cases[number]
        runners, subject = work
        for _ in range(pairs):
            self._check_budget(4 * case["run_seconds"])
            begin = time.monotonic()
            self._turn += 1
            try:
                record, rans = run_pair(runners, subject, (number, look), self._turn, self._rng)
            except RunFailed as error:
                side = ("base", "candidate")[error.side]
                case |= {"error": printable(f"{side}: {error}"), "error_side": error.side}
                return False
            self.recording.pairs.append(record)
            if subject.model is not None:
                _keep(case, rans)
            case["seconds"] = case.get("seconds", 0.0) + time.monotonic() - begin
        return True

    def _check_budget(self, seconds: float) -> None:
        budget = self._settings.time_budget
        if budget is not None and time.monotonic() - self._begin + seconds > budget:
            raise _Ended

    def _report(self, look: int, done: int, todo: Sequence[int], pairs: int) -> None:
        cases = self.recording.cases
        left = sum(4 * pairs * cases[number]["run_seconds"] for number in todo[done:])
        self._on_step(Step(done / len(todo), left, f"look {look + 1}: {cases[todo[done]]['name']}"))


def _keep(case: dict[str, Any], rans: Sequence[tuple[int, Ran]]) -> None:
    """What runs of a model tell beside their times, base and candidate apart: `texts` and `peaks`
    of a case."""
    texts, peaks = (case.setdefault(key, [[], []]) for key in ("texts", "peaks"))
    for side, ran in rans:
        texts[side] += [ran.text] if ran.text else []
        peaks[side] += [] if ran.peak is None else [ran.peak]


def _failure(failed: Sequence[RunFailed]) -> dict[str, Any]:
    """What a case becomes that measured nothing on a side, or on both."""
    first = failed[0]
    if len(failed) == 2 and str(failed[0]) == str(failed[1]):
        return {"skipped": printable(str(first))}
    if first.side == 0:
        return {"skipped": printable(f"base: {first}")}
    return {"error": printable(f"candidate: {first}"), "error_side": 1}
