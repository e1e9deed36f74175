"""The comparison tried on itself: known slowdowns, with and without disturbance, and what it says.

A recording is a folder of raw files, one a batch; a batch is some rounds, and a round one fresh
pair of every (case, slowdown) in random order, so that the host's drift meets all of them alike.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic_core import to_jsonable_python

from bitnet_perf import _native
from bitnet_perf.analyze.paired.comparison import decide_records
from bitnet_perf.analyze.paired.estimate import pair_values, yuen
from bitnet_perf.analyze.paired.operating import (
    Cell,
    Goal,
    Rate,
    Source,
    cell_of,
    draw_trials,
    goals,
)
from bitnet_perf.analyze.paired.rules import Rules
from bitnet_perf.analyze.paired.verdict import Decision, decide
from bitnet_perf.bench.cases import class_of
from bitnet_perf.bench.fingerprint import Fingerprint, fingerprint, refuse_other_host
from bitnet_perf.bench.paired.disturb import ENVIRONMENTS, disturbed
from bitnet_perf.bench.paired.driver import CTRL_C, Driver, Settings
from bitnet_perf.bench.paired.pair import calibrate, measure_pair
from bitnet_perf.bench.paired.raw import PairRecord, Raw
from bitnet_perf.bench.paired.sides import Ready, Side, prepare_side
from bitnet_perf.errors import ConfigError, MeasurementError
from bitnet_perf.files import write_atomic
from bitnet_perf.notebook import frame, html_table

__all__ = ["NIGHTLY", "QUICK", "Extent", "Selftest", "selftest"]

SLOWDOWNS = (0.0, 0.03, 0.045, 0.05, 0.07, 0.10, 0.12, 0.20)
CASES = ("forward/gemv/i2_s/64x2560/t1", "forward/gemv/i2_s/2560x2560/t1")
CLOCK = "cpu"
OnProgress = Callable[[float, str], None]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is done: rounds recorded for each environment, rounds of a batch, trials drawn of a
    cell, and whole live trials of the first case (environment, slowdowns, how many of each)."""

    environments: tuple[str, ...]
    cases: tuple[str, ...]
    rounds: int
    batch: int
    trials: int
    live: tuple[str, tuple[float, ...], int]
    rules: Rules = field(default_factory=Rules)

    @property
    def cells(self) -> list[tuple[str, float]]:
        """(case, true slowdown) of one round."""
        return [(case, slowdown) for case in self.cases for slowdown in SLOWDOWNS]


_LIVE = (0.0, 0.05, 0.10)
QUICK = Extent(("quiet", "4 CPU hogs"), CASES[:1], 16, 16, 1000, ("quiet", _LIVE, 3))
NIGHTLY = Extent(tuple(ENVIRONMENTS), CASES, 150, 10, 10_000, ("4 CPU hogs", _LIVE, 30))


@dataclass(frozen=True)
class Selftest:
    """What a selftest found on `host`, ended at `date` (UTC).

    `stopped` says why it is not whole, `missing` what it lacks, a line each.
    """

    host: Fingerprint
    date: str
    cells: tuple[Cell, ...]
    goals: tuple[Goal, ...]
    missing: tuple[str, ...] = ()
    stopped: str = ""

    @property
    def met(self) -> bool:
        """Whether every goal that was shown is met, and at least one was shown."""
        shown = [goal.met for goal in self.goals if goal.met is not None]
        return bool(shown) and all(shown)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        found = {
            "version": 1,
            "host": self.host.to_dict(),
            "date": self.date,
            "bounds": "Clopper-Pearson, 95 %, on the recorded pairs; live trials on themselves",
            "cells": [cell.to_dict() for cell in self.cells],
            "goals": [{**asdict(goal), "word": goal.word} for goal in self.goals],
            "missing": list(self.missing),
            "stopped": self.stopped,
        }
        plain: dict[str, Any] = to_jsonable_python(found, inf_nan_mode="null")
        return plain

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write as JSON, whole or not at all."""
        return write_atomic(path, json.dumps(self.to_dict(), indent=1) + "\n")

    def to_frame(self) -> Any:
        """One row a cell, rates as parts with their bounds; EnvironmentRefused without pandas."""
        return frame(map(_flat, self.cells))

    def _repr_html_(self) -> str:
        columns = ("goal", "is", "worst")
        rows = ((goal.text, goal.word, goal.worst) for goal in self.goals)
        return html_table(f"selftest of {self.host.cpu}, {self.date}", columns, rows)


def _flat(cell: Cell) -> dict[str, Any]:
    """A cell as one row: rates become their part and two bounds."""
    row: dict[str, Any] = {}
    for field_ in fields(cell):
        value = getattr(cell, field_.name)
        if isinstance(value, Rate):
            row[field_.name] = value.part
            row[f"{field_.name}_low"], row[f"{field_.name}_high"] = value.low, value.high
        else:
            row[field_.name] = value
    return row


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

    def trial(self, slowdown: float, number: int) -> Path:
        environment = self.extent.live[0].replace(" ", "-")
        return self.folder / f"live-{environment}-{100 * slowdown:g}-{number:03d}.npz"

    def batches(self, environment: str) -> Iterator[Raw]:
        """The batches that are there, each checked to be one of this run."""
        extent = self.extent
        for number, rounds in enumerate(_batches(extent)):
            path = self.batch(environment, number)
            if path.exists():
                yield _checked(path, extent.cells, rounds * len(extent.cells))

    def trials(self, slowdown: float) -> Iterator[Raw]:
        """The live trials that are there."""
        for number in range(self.extent.live[2]):
            path = self.trial(slowdown, number)
            if path.exists():
                yield _checked(path, [(self.extent.cases[0], slowdown)], None)


def selftest(
    folder: str | os.PathLike[str],
    extent: Extent = QUICK,
    *,
    time_budget: float | None = None,
    seed: int = 0,
    on_progress: OnProgress | None = None,
) -> Selftest:
    """Record pairs with known extra work into `folder`, or go on with what is there, and judge.

    `time_budget` in seconds bounds the recording; Ctrl-C and a worker that fails end it likewise,
    and what is there is judged. Raises EnvironmentRefused where the folder holds pairs of another
    host, ConfigError where those of another extent or build, FormatError for files that are no
    recordings.
    """
    say = on_progress or (lambda _share, _what: None)
    end = None if time_budget is None else time.monotonic() + time_budget
    run = _Run(Path(folder), prepare_side(Side.isa("")), extent, seed, end, say)
    stopped = ""
    try:
        for environment in extent.environments:
            _record(run, environment)
        _live(run)
    except _Stopped:
        stopped = f"the time budget of {time_budget:g} s"
    except KeyboardInterrupt:
        stopped = CTRL_C
    except MeasurementError as error:
        if not any(run.folder.glob("*.npz")):
            raise
        stopped = str(error)
    cells = [*_drawn(run), *_judged(run)]
    now = datetime.now(UTC).isoformat(timespec="seconds")
    missing = tuple(_missing(run))
    return Selftest(fingerprint(), now, tuple(cells), goals(cells), missing, stopped)


def _batches(extent: Extent) -> list[int]:
    """The rounds of each batch."""
    whole, rest = divmod(extent.rounds, extent.batch)
    return [extent.batch] * whole + [rest] * (rest > 0)


def _checked(path: Path, cells: list[tuple[str, float]], pairs: int | None) -> Raw:
    """The recording at `path`, refused where it is of another host or extent."""
    raw = Raw.load(path)
    host = raw.meta["fingerprint"]
    found = [(case.get("case"), case.get("extra")) for case in raw.cases()]
    if found != cells or pairs not in (None, len(raw.pairs["pair_case"])):
        raise ConfigError(
            f"{path}: found {len(raw.pairs['pair_case'])} pairs of {len(found)} cells, accepted "
            f"are {pairs or 'all'} of {len(cells)}: it is of another selftest, take a new folder"
        )
    if not isinstance(host, dict):
        raise ConfigError(f"{path}: fingerprint: found {host!r:.80}, accepted is that of a host")
    refuse_other_host(Fingerprint.model_validate(host), fingerprint())
    if raw.meta.get("build", _build()) != _build():
        raise ConfigError(f"{path}: is of another build of this package, take a new folder")
    return raw


def _record(run: _Run, environment: str) -> None:
    """Record the batches of one environment that are missing."""
    for _ in run.batches(environment):
        pass  # what cannot be gone on with is refused before anything is recorded
    for batch, rounds in enumerate(_batches(run.extent)):
        path = run.batch(environment, batch)
        if not path.exists():
            run.check_time()
            with disturbed(environment):
                raw = _record_batch(run, environment, batch, rounds)
            raw.save(path)


def _record_batch(run: _Run, environment: str, batch: int, rounds: int) -> Raw:
    """One batch as a raw file: the cells are its cases, each with its true slowdown."""
    rng = random.Random(f"{run.seed} {environment} {batch}")
    side, extent = run.side, run.extent
    plans = {case: calibrate((side, side), (case, 1), rng, None) for case in extent.cases}
    cells = extent.cells
    records, seconds = [], []
    for number in range(rounds):
        run.say((batch * extent.batch + number) / extent.rounds, f"recording: {environment}")
        for cell in rng.sample(range(len(cells)), len(cells)):
            run.check_time()
            case, slowdown = cells[cell]
            begin = time.monotonic()
            pair = (side, side.with_extra(slowdown))
            records.append(measure_pair(pair, plans[case], (cell, 0), number + cell, rng))
            seconds.append(time.monotonic() - begin)
    iterations = [plans[case].iterations for case, _ in cells]
    beside = {"environment": environment, "pair_seconds": seconds}
    return Raw.build(_meta(run, cells, iterations) | beside, records)


def _meta(run: _Run, cells: list[tuple[str, float]], iterations: list[int]) -> dict[str, Any]:
    return {
        "sides": ["the installation", "the same with extra work"],
        "seed": run.seed,
        "cases": [
            {"name": f"{case}+{100 * s:g}%", "class": class_of(case), "case": case, "extra": s}
            for case, s in cells
        ],
        "iterations": iterations,
        "threads": [1] * len(cells),
        "code_hashes": [["", ""]] * len(cells),
        "fingerprint": fingerprint().to_dict(),
        "build": _build(),
    }


def _build() -> str:
    """What is timed: pairs of another build are of another program."""
    return hashlib.sha256(Path(_native.__file__).read_bytes()).hexdigest()


def _drawn(run: _Run) -> Iterator[Cell]:
    """Cells drawn from every batch that is there: extra work, and A/A pairs scaled."""
    for environment in run.extent.environments:
        values: dict[tuple[str, float], list[FloatArray]] = {}
        seconds: list[float] = []
        loads: list[float] = []
        for raw in run.batches(environment):
            seconds += raw.meta["pair_seconds"]
            loads += raw.pairs["pair_load"].tolist()
            for number, cell in enumerate(run.extent.cells):
                values.setdefault(cell, []).append(pair_values(raw.samples(number, 0), CLOCK))
        around = (_median(seconds), _median(loads))
        for (case, slowdown), parts in values.items():
            run.say(1.0, f"drawing: {environment}, {case}")
            yield _cell(run, (environment, case, slowdown, "extra work"), parts, around)
            if slowdown > 0:
                moved = [part + np.log1p(slowdown) for part in values[case, 0.0]]
                yield _cell(run, (environment, case, slowdown, "scaled"), moved, around)


def _median(values: list[float]) -> float:
    return float(np.median(values)) if values else math.nan


def _cell(
    run: _Run,
    where: tuple[str, str, float, Source],
    parts: list[FloatArray],
    around: tuple[float, float],
) -> Cell:
    values = np.concatenate(parts)
    extent, class_ = run.extent, class_of(where[1])
    decisions = draw_trials(values, extent.rules, class_, trials=extent.trials, seed=run.seed)
    return cell_of(where, decisions, values.tolist(), around[0], load=around[1])


def _live(run: _Run) -> None:
    """Make the whole comparisons on fresh pairs that are missing, the slowdowns in turn."""
    environment, slowdowns, count = run.extent.live
    for number in range(count):
        for slowdown in random.Random(f"{run.seed} live {number}").sample(
            slowdowns, len(slowdowns)
        ):
            path = run.trial(slowdown, number)
            if not path.exists():
                run.say(number / count, f"live trials: {environment}, +{100 * slowdown:g} %")
                run.check_time()
                with disturbed(environment):
                    raw = _trial(run, slowdown, number)
                raw.save(path)


def _trial(run: _Run, slowdown: float, number: int) -> Raw:
    """One whole comparison, driven as a user's is."""
    rules, case = run.extent.rules, run.extent.cases[0]
    seed = random.Random(f"{run.seed} {slowdown} {number}").getrandbits(32)
    settings = Settings(rules.looks, rules.long_looks, seed=seed)
    driver = Driver((run.side, run.side.with_extra(slowdown)), settings)
    recording = driver.recording

    def settled(_number: int, last: bool) -> bool:
        looks = sorted({pair.look for pair in recording.pairs})
        records: list[list[PairRecord]] = [recording.pairs_of(0, look) for look in looks]
        class_ = class_of(case)
        return decide_records(records, rules, class_, clock=CLOCK, last=last).settled

    begin = time.monotonic()
    driver.run_cases([case], settled)
    seconds = time.monotonic() - begin
    if recording.stopped:
        raise KeyboardInterrupt
    if "error" in recording.cases[0]:
        raise MeasurementError(f"selftest: {recording.cases[0]['error']}")
    meta = _meta(run, [(case, slowdown)], [recording.plans[0].iterations])
    return Raw.build(meta | {"seconds": seconds}, recording.pairs)


def _judged(run: _Run) -> Iterator[Cell]:
    """The cells of the live trials that are there."""
    environment, slowdowns, _ = run.extent.live
    rules, case = run.extent.rules, run.extent.cases[0]
    for slowdown in slowdowns:
        decisions: list[tuple[Decision, int]] = []
        values: list[float] = []
        seconds: list[float] = []
        loads: list[float] = []
        for raw in run.trials(slowdown):
            looks = [pair_values(raw.samples(0, look), CLOCK) for look in raw.looks(0)]
            estimates = [yuen(look, rules.alpha_look) for look in looks]
            decisions.append(
                (decide(estimates, rules, class_of(case), last=True), sum(map(len, looks)))
            )
            values += np.concatenate(looks).tolist()
            seconds.append(raw.meta["seconds"])
            loads += raw.pairs["pair_load"].tolist()
        if decisions:
            where: tuple[str, str, float, Source] = (environment, case, slowdown, "live")
            each, mean = sum(seconds) / len(values), float(np.mean(seconds))
            yield cell_of(where, decisions, values, each, seconds=mean, load=_median(loads))


def _missing(run: _Run) -> Iterator[str]:
    """What the extent asks for and the folder lacks."""
    extent = run.extent
    for environment in extent.environments:
        batches = enumerate(_batches(extent))
        done = sum(rounds for at, rounds in batches if run.batch(environment, at).exists())
        if done < extent.rounds:
            yield f"{environment}: {done} of {extent.rounds} pairs recorded for each cell"
    environment, slowdowns, count = extent.live
    for slowdown in slowdowns:
        done = sum(run.trial(slowdown, number).exists() for number in range(count))
        if done < count:
            yield f"live, {environment}, +{100 * slowdown:g} %: {done} of {count} trials"
