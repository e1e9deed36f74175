"""Short runs of a bench program: what it lists, one benchmark, one pair of fresh processes.

Criterion's own process is the sample here: base and candidate cannot alternate within it, so four
fresh processes (A B B A, or B A A B) make one pair, and the n-th fastest samples of the four make
block n. Block by block like is compared with like, and the middle ones are those that a preemption
did not reach as long as it reached less than half of a run.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bitnet_perf.bench.paired import host
from bitnet_perf.bench.paired.raw import PairRecord
from bitnet_perf.bench.paired.schema import LONGEST
from bitnet_perf.bench.process import Finished, run_program
from bitnet_perf.errors import FormatError, MeasurementError
from bitnet_perf.peers.cargo.metadata import Bench
from bitnet_perf.peers.cargo_console import classify
from bitnet_perf.peers.claims import why_unreal
from bitnet_perf.peers.read import read_results
from bitnet_perf.peers.readers.criterion import benchmark_folders, read_benchmark
from bitnet_perf.peers.results import RATE

__all__ = ["LONGEST_NAME", "Ran", "RunFailed", "Runner", "Subject", "command_of", "is_name",
           "run_pair", "with_fewer"]  # fmt: skip

RUN_SECONDS = 120.0  # after which a run hangs
# Criterion's 100 samples share `--measurement-time`: with 0.05 s each takes 0.5 ms, less than the
# scheduler's slice. Fewer resamples: its own statistics are not read.
SHORT = (
    *("--warm-up-time", "0.05", "--measurement-time", "0.05", "--sample-size", "100"),
    *("--nresamples", "1001", "--noplot"),
)
_XTASK = ("benchmark", "--model")
TOKENS, FEWER = 128, 32  # of one run of a model; the second where a run of the first takes long
_TOKENS = "--tokens"
LONGEST_NAME = LONGEST // 2  # characters of an id
_LISTED = ": benchmark"
# What a measured program may depend on; one thread, whatever it would start.
PASSED_ON = ("PATH", "HOME", "LD_LIBRARY_PATH", "TMPDIR", "LANG")
ONE_THREAD = {"RAYON_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


class RunFailed(MeasurementError):
    """A program that died, hung, or measured nothing; `side` is 0 (base) or 1 (candidate)."""

    def __init__(self, side: int, why: str) -> None:
        super().__init__(why)
        self.side = side


class _Unreal(MeasurementError):
    """A run that gives away that it computed nothing."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is run of a program: a Criterion id, or (None) `xtask benchmark` on a model, so many
    tokens."""

    id: str | None
    model: Path | None = None
    tokens: int = TOKENS

    @property
    def fewer(self) -> Subject | None:
        """The same in less time, None where there is no such thing."""
        short = self.id is not None or self.tokens <= FEWER
        return None if short else replace(self, tokens=FEWER)

    @property
    def words(self) -> list[str]:
        """What `xtask` is told to run."""
        model = "MODEL" if self.model is None else str(self.model)
        return [*_XTASK, model, _TOKENS, str(self.tokens), "--no-output"]


@dataclass(frozen=True, slots=True)
class Ran:
    """One run: seconds of one iteration, sample by sample; a digest of the text that it generated
    ("": none); bytes resident at most, see `Finished`."""

    seconds: tuple[float, ...]
    text: str = ""
    peak: int | None = None


@dataclass(frozen=True)
class Runner:
    """A program of one side: `folder` is the checkout that it runs in, `crate` that of its crate
    below it, which is where cargo runs a bench."""

    side: int
    program: Path
    folder: Path
    crate: str

    def listed(self) -> tuple[tuple[str, ...], str | None]:
        """The ids that the program lists, and where there is none, why.

        A program that is none of Criterion's may do anything with the question: what it says then
        is the reason.
        """
        with tempfile.TemporaryDirectory(prefix="bitnet-perf-") as scratch:
            done = self._run(["--bench", "--list"], Path(scratch))
        if done.timed_out:
            return (), f"lists nothing within {RUN_SECONDS:g} s"
        ids = [
            line.removesuffix(_LISTED) for line in done.text.splitlines() if line.endswith(_LISTED)
        ]
        if done.status == 0 and ids:
            return tuple(dict.fromkeys(ids)), None
        return (), classify(done.text, done.status).why or "lists no benchmark"

    def run(self, subject: Subject) -> Ran:
        """What one fresh process measures.

        Raises RunFailed where it measured nothing.
        """
        with tempfile.TemporaryDirectory(prefix="bitnet-perf-") as scratch:
            place = Path(scratch)
            done = self._run(self.arguments(subject, place), place)
            if done.timed_out:
                raise RunFailed(self.side, f"no result within {RUN_SECONDS:g} s: it hangs")
            if done.status != 0:
                raise RunFailed(self.side, classify(done.text, done.status).why or "it failed")
            try:
                found = _criterion(place, subject.id) if subject.id else _xtask(place)
            except _Unreal as error:
                raise RunFailed(self.side, f"it is no measurement: {error}") from error
            except (FormatError, MeasurementError, OSError) as error:
                said = str(error).replace(str(place), "")
                raise RunFailed(self.side, f"its result cannot be read: {said}") from error
        if not found.seconds:
            why = classify(done.text, done.status).why or "it wrote no result for this benchmark"
            raise RunFailed(self.side, why)
        return replace(found, peak=done.peak)

    def arguments(self, subject: Subject, place: Path) -> list[str]:
        """The arguments of one short run that writes into `place`."""
        if subject.id is not None:
            return ["--bench", "--exact", *SHORT, "--", subject.id]
        return [*subject.words, "--json", str(place / "x.json")]

    def command(self, arguments: Sequence[str]) -> list[str]:
        """The program with arguments."""
        return [str(self.program), *arguments]

    @property
    def directory(self) -> Path:
        """The folder that cargo would run the program in."""
        return self.folder / self.crate

    def environment(self, place: Path) -> dict[str, str]:
        """What the program sees; its results go into `place`."""
        kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        places = {"CRITERION_HOME": str(place), "CARGO_MANIFEST_DIR": str(self.directory)}
        return {**kept, **ONE_THREAD, **places}

    def _run(self, arguments: Sequence[str], place: Path) -> Finished:
        return run_program(
            self.command(arguments), self.directory, self.environment(place), RUN_SECONDS
        )


def command_of(bench: Bench, subject: Subject | None) -> list[str]:
    """The words of the line that has cargo itself run one subject of a bench (None: all of it)."""
    if not bench.name:
        of_model = subject or Subject(None)
        return ["cargo", "run", "--release", *bench.arguments, "--", *of_model.words]
    words = ["cargo", "bench", *bench.arguments]
    if subject is None or subject.id is None:
        return words
    end = ["--"] if subject.id.startswith("-") else []
    return [*words, "--", "--exact", *end, subject.id]


def with_fewer(command: Sequence[str], subject: Subject) -> list[str]:
    """A line of `command_of`, with the tokens of another subject."""
    words = list(command)
    words[words.index(_TOKENS) + 1] = str(subject.tokens)
    return words


def run_pair(
    runners: Sequence[Runner], subject: Subject, place: tuple[int, int], turn: int,
    rng: random.Random,
) -> tuple[PairRecord, tuple[tuple[int, Ran], ...]]:  # fmt: skip
    """One pair: four fresh processes on one CPU; `place` is (number of the case, look). With it
    each run and its side.

    Raises RunFailed where one of them measured nothing.
    """
    order = rng.choice(((0, 1, 1, 0), (1, 0, 0, 1)))
    with _pinned(turn) as cpu:
        steal = host.steal_ms(cpu)
        rans = tuple((side, runners[side].run(subject)) for side in order)
        steal = host.steal_ms(cpu) - steal
    runs = [sorted(ran.seconds) for _, ran in rans]
    count = min(map(len, runs))
    wall = np.array([run[:count] for run in runs]).T.ravel() * 1e9
    places = np.arange(4 * count)
    record = PairRecord(
        case=place[0],
        look=place[1],
        cpu=cpu,
        steal_ms=math.nan if steal < 0 else steal,
        load=host.load(),
        block=(places // 4).astype(np.int32),
        position=(places % 4).astype(np.int8),
        side=np.tile(np.array(order, np.int8), count),
        wall_ns=wall,
        cpu_ns=np.zeros(len(wall)),
        switches=np.zeros(len(wall), np.int32),
    )
    return record, rans


@contextlib.contextmanager
def _pinned(turn: int) -> Iterator[int]:
    """Bind this process, and with it what it starts, to one CPU in turn; -1 where it cannot be."""
    allowed = host.allowed_cpus()
    cpu = allowed[turn % len(allowed)]
    try:
        os.sched_setaffinity(0, {cpu})
    except (AttributeError, OSError):
        yield -1
        return
    try:
        yield cpu
    finally:
        os.sched_setaffinity(0, allowed)


def _criterion(tree: Path, name: str) -> Ran:
    """The samples of one id, empty where the tree holds no other's either."""
    rows = [read_benchmark(folder, tree) for folder in benchmark_folders(tree)]
    return Ran(next((tuple(row.samples) for row in rows if row.id == name), ()))


def _xtask(place: Path) -> Ran:
    """Seconds a token in decode, of the one run of `xtask benchmark`, and its text.

    Raises _Unreal where the run says of itself that nothing was computed.
    """
    rows = [row for row in read_results(place / "x.json") if row.unit == RATE]
    reasons = dict.fromkeys(str(reason) for row in rows for reason in why_unreal(row))
    if reasons:
        raise _Unreal("; ".join(reasons))
    text = "".join(row.claims.statements.get("generated_text", "") for row in rows)
    digest = hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]
    seconds = tuple(1 / value for row in rows for value in row.samples if value > 0)
    return Ran(seconds, digest if text else "")


def is_name(name: str) -> bool:
    """Whether an id can stand in a report and on a command line as it is."""
    return 0 < len(name) <= LONGEST_NAME and name.isprintable()
