"""Fresh pairs of known slowdowns kept in a folder, batch by batch: what a selftest judges.

A recording is a folder of raw files, one a batch; a batch is some rounds, and a round one fresh
pair of every (case, slowdown) in random order, so that the host's drift meets all of them alike.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bitnet_perf import _native
from bitnet_perf.analyze.paired.comparison import decide_records
from bitnet_perf.analyze.paired.rules import Rules
from bitnet_perf.bench.cases import class_of
from bitnet_perf.bench.fingerprint import Fingerprint, fingerprint, refuse_other_host
from bitnet_perf.bench.paired.disturb import ENVIRONMENTS, disturbed
from bitnet_perf.bench.paired.driver import Driver, Settings
from bitnet_perf.bench.paired.pair import calibrate, measure_pair
from bitnet_perf.bench.paired.raw import PairRecord, Raw
from bitnet_perf.bench.paired.sides import Ready
from bitnet_perf.errors import ConfigError, MeasurementError

__all__ = [
    "CLOCK",
    "NIGHTLY",
    "QUICK",
    "SLOWDOWNS",
    "Extent",
    "Folder",
    "TimeSpent",
    "batches_of",
    "make_trials",
    "record",
]

SLOWDOWNS = (0.0, 0.03, 0.045, 0.05, 0.07, 0.10, 0.12, 0.20)
CASES = ("forward/gemv/i2_s/64x2560/t1", "forward/gemv/i2_s/2560x2560/t1")
CLOCK = "cpu"
OnProgress = Callable[[float, str], None]


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


class TimeSpent(Exception):
    """The time budget is spent."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of recordings and what its parts share: `end` is when the time budget is spent."""

    place: Path
    side: Ready
    extent: Extent
    seed: int
    end: float | None
    say: OnProgress

    def check_time(self) -> None:
        if self.end is not None and time.monotonic() > self.end:
            raise TimeSpent

    def batch(self, environment: str, number: int) -> Path:
        return self.place / f"{environment.replace(' ', '-')}-{number:03d}.npz"

    def trial(self, slowdown: float, number: int) -> Path:
        environment = self.extent.live[0].replace(" ", "-")
        return self.place / f"live-{environment}-{100 * slowdown:g}-{number:03d}.npz"

    def batches(self, environment: str) -> Iterator[Raw]:
        """The batches that are there, each checked to be one of this run."""
        extent = self.extent
        for number, rounds in enumerate(batches_of(extent)):
            path = self.batch(environment, number)
            if path.exists():
                yield _checked(path, extent.cells, rounds * len(extent.cells))

    def trials(self, slowdown: float) -> Iterator[Raw]:
        """The live trials that are there."""
        for number in range(self.extent.live[2]):
            path = self.trial(slowdown, number)
            if path.exists():
                yield _checked(path, [(self.extent.cases[0], slowdown)], None)


def batches_of(extent: Extent) -> list[int]:
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


def record(run: Folder, environment: str) -> None:
    """Record the batches of one environment that are missing."""
    for _ in run.batches(environment):
        pass  # what cannot be gone on with is refused before anything is recorded
    for batch, rounds in enumerate(batches_of(run.extent)):
        path = run.batch(environment, batch)
        if not path.exists():
            run.check_time()
            with disturbed(environment):
                raw = _record_batch(run, environment, batch, rounds)
            raw.save(path)


def _record_batch(run: Folder, environment: str, batch: int, rounds: int) -> Raw:
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


def _meta(run: Folder, cells: list[tuple[str, float]], iterations: list[int]) -> dict[str, Any]:
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


def make_trials(run: Folder) -> None:
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


def _trial(run: Folder, slowdown: float, number: int) -> Raw:
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
