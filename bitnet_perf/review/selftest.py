"""The comparison tried on itself: known slowdowns, with and without disturbance, and what it says.

A recording is a folder of raw files, one a batch; a batch is some rounds, and a round one fresh
pair of every (case, slowdown) in random order, so that the host's drift meets all of them alike.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitnet_perf.analyze.paired.comparison import decide_records
from bitnet_perf.analyze.paired.estimate import pair_values, record_values
from bitnet_perf.analyze.paired.operating import (
    Cell,
    Goal,
    Source,
    cell_of,
    draw_trials,
    goals,
)
from bitnet_perf.analyze.paired.rules import Rules
from bitnet_perf.analyze.paired.verdict import Decision
from bitnet_perf.bench.cases import class_of
from bitnet_perf.bench.fingerprint import Fingerprint, fingerprint, refuse_other_host
from bitnet_perf.bench.paired.disturb import ENVIRONMENTS, disturbed
from bitnet_perf.bench.paired.driver import Driver, Settings
from bitnet_perf.bench.paired.pair import calibrate, measure_pair
from bitnet_perf.bench.paired.raw import PairRecord, Raw
from bitnet_perf.bench.paired.sides import Ready, Side, prepare_side
from bitnet_perf.errors import MeasurementError
from bitnet_perf.files import write_atomic

__all__ = ["NIGHTLY", "QUICK", "Extent", "Selftest", "selftest"]

SLOWDOWNS = (0.0, 0.03, 0.045, 0.05, 0.07, 0.10, 0.12, 0.20)
CASES = ("forward/gemv/i2_s/64x2560/t1", "forward/gemv/i2_s/2560x2560/t1")
CLOCK = "cpu"
OnProgress = Callable[[float, str], None]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is done: rounds recorded for each environment, rounds of a batch, trials drawn of a
    cell, and whole live trials (environment, slowdowns, how many of each)."""

    environments: tuple[str, ...]
    cases: tuple[str, ...]
    rounds: int
    batch: int
    trials: int
    live: tuple[str, tuple[float, ...], int] | None = None


QUICK = Extent(("quiet", "4 CPU hogs"), CASES[:1], 20, 20, 1000)
NIGHTLY = Extent(tuple(ENVIRONMENTS), CASES, 150, 10, 10_000, ("4 CPU hogs", (0.0, 0.05, 0.10), 30))


@dataclass(frozen=True)
class Selftest:
    """What a selftest found on `host`; `stopped` says why it is not whole."""

    host: Fingerprint
    cells: tuple[Cell, ...]
    goals: tuple[Goal, ...]
    stopped: str = ""

    @property
    def met(self) -> bool:
        """Whether every goal that was shown is met, and at least one was shown."""
        shown = [goal.met for goal in self.goals if goal.met is not None]
        return bool(shown) and all(shown)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "host": self.host.to_dict(),
            "bounds": "Clopper-Pearson, 95 %, on the recorded pairs; live trials on themselves",
            "cells": [cell.to_dict() for cell in self.cells],
            "goals": [asdict(goal) for goal in self.goals],
            "stopped": self.stopped,
        }

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write as JSON, whole or not at all."""
        return write_atomic(path, json.dumps(self.to_dict(), indent=1) + "\n")


class _Stopped(Exception):
    """The time budget is spent."""


@dataclass(frozen=True, slots=True)
class _Run:
    """What the parts of a selftest share: `end` is when the time budget is spent."""

    folder: Path
    side: Ready
    extent: Extent
    seed: int
    end: float | None
    say: OnProgress

    def check_time(self) -> None:
        if self.end is not None and time.monotonic() > self.end:
            raise _Stopped

    def batch(self, environment: str, number: int) -> Path:
        return self.folder / f"{environment.replace(' ', '-')}-{number:03d}.npz"

    def batches(self, environment: str) -> list[Path]:
        return sorted(self.folder.glob(f"{environment.replace(' ', '-')}-[0-9]*.npz"))


def selftest(
    folder: str | os.PathLike[str],
    extent: Extent = QUICK,
    *,
    time_budget: float | None = None,
    seed: int = 0,
    on_progress: OnProgress | None = None,
) -> Selftest:
    """Record pairs with known extra work into `folder`, or go on with what is there, and judge.

    `time_budget` in seconds bounds the recording; Ctrl-C ends it likewise, and what is there is
    judged. Raises EnvironmentRefused where the folder holds pairs of another host.
    """
    say = on_progress or (lambda _share, _what: None)
    end = None if time_budget is None else time.monotonic() + time_budget
    run = _Run(Path(folder), prepare_side(Side.isa("")), extent, seed, end, say)
    stopped, live = "", []
    try:
        for environment in extent.environments:
            _record(run, environment)
        if extent.live is not None:
            live = _live(run, *extent.live)
    except _Stopped:
        stopped = f"the time budget of {time_budget:g} s"
    except KeyboardInterrupt:
        stopped = "Ctrl-C"
    cells = [*_drawn(run), *live]
    return Selftest(fingerprint(), tuple(cells), goals(cells), stopped)


def _record(run: _Run, environment: str) -> None:
    """Record the batches of one environment that are missing."""
    extent = run.extent
    for batch in range(-(-extent.rounds // extent.batch)):
        path = run.batch(environment, batch)
        if path.exists():
            refuse_other_host(_host_of(Raw.load(path)), fingerprint())
            continue
        with disturbed(environment):
            _record_batch(run, environment, batch).save(path)


def _record_batch(run: _Run, environment: str, batch: int) -> Raw:
    """One batch as a raw file: the cells are its cases, each with its true slowdown."""
    rng = random.Random(f"{run.seed} {environment} {batch}")
    side, extent = run.side, run.extent
    plans = {case: calibrate((side, side), (case, 1), rng, None) for case in extent.cases}
    cells = [(case, slowdown) for case in extent.cases for slowdown in SLOWDOWNS]
    records, seconds = [], []
    for number in range(min(extent.batch, extent.rounds - batch * extent.batch)):
        run.say((batch * extent.batch + number) / extent.rounds, f"recording: {environment}")
        for cell in rng.sample(range(len(cells)), len(cells)):
            run.check_time()
            case, slowdown = cells[cell]
            begin = time.monotonic()
            pair = (side, side.with_extra(slowdown))
            records.append(measure_pair(pair, plans[case], (cell, 0), number + cell, rng))
            seconds.append(time.monotonic() - begin)
    meta = {
        "sides": ["the installation", "the same with extra work"],
        "seed": run.seed,
        "cases": [
            {"name": f"{case}+{100 * s:g}%", "class": class_of(case), "case": case, "extra": s}
            for case, s in cells
        ],
        "iterations": [plans[case].iterations for case, _ in cells],
        "threads": [1] * len(cells),
        "code_hashes": [["", ""]] * len(cells),
        "fingerprint": fingerprint().to_dict(),
        "environment": environment,
        "pair_seconds": seconds,
    }
    return Raw.build(meta, records)


def _host_of(raw: Raw) -> Fingerprint:
    found = raw.meta["fingerprint"]
    if not isinstance(found, dict):
        raise MeasurementError(f"fingerprint: found {found!r:.80}, accepted is that of a selftest")
    return Fingerprint.model_validate(found)


def _drawn(run: _Run) -> Iterator[Cell]:
    """Cells drawn from every batch that is there: extra work, and A/A pairs scaled."""
    for environment in run.extent.environments:
        values: dict[tuple[str, float], list[FloatArray]] = {}
        seconds: list[float] = []
        for path in run.batches(environment):
            raw = Raw.load(path)
            seconds += raw.meta["pair_seconds"]
            for number, info in enumerate(raw.cases()):
                found = pair_values(raw.samples(number, 0), CLOCK)
                values.setdefault((info["case"], info["extra"]), []).append(found)
        for (case, slowdown), parts in values.items():
            run.say(1.0, f"drawing: {environment}, {case}")
            yield _cell(run, (environment, case, slowdown, "extra work"), parts, seconds)
            if slowdown > 0:
                moved = [part + np.log1p(slowdown) for part in values[case, 0.0]]
                yield _cell(run, (environment, case, slowdown, "scaled"), moved, seconds)


def _cell(
    run: _Run,
    where: tuple[str, str, float, Source],
    parts: list[FloatArray],
    seconds: list[float],
) -> Cell:
    values = np.concatenate(parts)
    decisions = draw_trials(
        values, Rules(), class_of(where[1]), trials=run.extent.trials, seed=run.seed
    )
    return cell_of(where, decisions, values.tolist(), float(np.median(seconds)))


def _live(run: _Run, environment: str, slowdowns: tuple[float, ...], count: int) -> list[Cell]:
    """Whole comparisons on fresh pairs, as a user makes them."""
    cells = []
    for slowdown in slowdowns:
        decisions: list[tuple[Decision, int]] = []
        values: list[float] = []
        times: list[float] = []
        with disturbed(environment):
            for trial in range(count):
                run.say(trial / count, f"live trials: {environment}, +{100 * slowdown:g} %")
                run.check_time()
                begin = time.monotonic()
                decision, pairs = _trial(run, slowdown, run.seed + trial)
                decisions.append((decision, len(pairs)))
                values += record_values(pairs, CLOCK).tolist()
                times.append(time.monotonic() - begin)
        where: tuple[str, str, float, Source] = (environment, CASES[0], slowdown, "live")
        mean = sum(times) / len(times)
        cells.append(cell_of(where, decisions, values, sum(times) / len(values), mean))
    return cells


def _trial(run: _Run, slowdown: float, seed: int) -> tuple[Decision, list[PairRecord]]:
    """One whole comparison: its decision and its pairs."""
    rules = Rules()
    settings = Settings(rules.looks, rules.long_looks, seed=seed)
    driver = Driver((run.side, run.side.with_extra(slowdown)), settings)
    recording = driver.recording

    def decision(last: bool) -> Decision:
        looks = sorted({pair.look for pair in recording.pairs})
        records = [recording.pairs_of(0, look) for look in looks]
        return decide_records(records, rules, "core", clock=CLOCK, last=last)

    driver.run_cases(CASES[:1], lambda _number, last: decision(last).settled)
    if recording.stopped:
        raise KeyboardInterrupt
    if "error" in recording.cases[0]:
        raise MeasurementError(f"selftest: {recording.cases[0]['error']}")
    return decision(True), recording.pairs
