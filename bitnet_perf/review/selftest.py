"""The comparison tried on itself: known slowdowns, with and without disturbance."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic_core import to_jsonable_python

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
from bitnet_perf.analyze.paired.verdict import Decision, decide
from bitnet_perf.bench.cases import class_of
from bitnet_perf.bench.fingerprint import Fingerprint, fingerprint
from bitnet_perf.bench.paired.driver import CTRL_C
from bitnet_perf.bench.paired.sides import Side, prepare_side
from bitnet_perf.errors import MeasurementError
from bitnet_perf.files import write_atomic
from bitnet_perf.notebook import frame, html_table
from bitnet_perf.review.recordings import (
    CLOCK,
    NIGHTLY,
    QUICK,
    Extent,
    Folder,
    OnProgress,
    TimeSpent,
    batches_of,
    make_trials,
    record,
)

__all__ = ["NIGHTLY", "QUICK", "Extent", "Selftest", "selftest"]

FloatArray = NDArray[np.float64]


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
    run = Folder(Path(folder), prepare_side(Side.isa("")), extent, seed, end, say)
    stopped = ""
    try:
        for environment in extent.environments:
            record(run, environment)
        make_trials(run)
    except TimeSpent:
        stopped = f"the time budget of {time_budget:g} s"
    except KeyboardInterrupt:
        stopped = CTRL_C
    except MeasurementError as error:
        if not any(run.place.glob("*.npz")):
            raise
        stopped = str(error)
    cells = [*_drawn(run), *_judged(run)]
    now = datetime.now(UTC).isoformat(timespec="seconds")
    missing = tuple(_missing(run))
    return Selftest(fingerprint(), now, tuple(cells), goals(cells), missing, stopped)


def _drawn(run: Folder) -> Iterator[Cell]:
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
    run: Folder,
    where: tuple[str, str, float, Source],
    parts: list[FloatArray],
    around: tuple[float, float],
) -> Cell:
    values = np.concatenate(parts)
    extent, class_ = run.extent, class_of(where[1])
    decisions = draw_trials(values, extent.rules, class_, trials=extent.trials, seed=run.seed)
    return cell_of(where, decisions, values.tolist(), around[0], load=around[1])


def _judged(run: Folder) -> Iterator[Cell]:
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


def _missing(run: Folder) -> Iterator[str]:
    """What the extent asks for and the folder lacks."""
    extent = run.extent
    for environment in extent.environments:
        batches = enumerate(batches_of(extent))
        done = sum(rounds for at, rounds in batches if run.batch(environment, at).exists())
        if done < extent.rounds:
            yield f"{environment}: {done} of {extent.rounds} pairs recorded for each cell"
    environment, slowdowns, count = extent.live
    for slowdown in slowdowns:
        done = sum(run.trial(slowdown, number).exists() for number in range(count))
        if done < count:
            yield f"live, {environment}, +{100 * slowdown:g} %: {done} of {count} trials"
