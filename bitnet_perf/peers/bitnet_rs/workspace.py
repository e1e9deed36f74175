"""Runs the `cargo bench` lines of BitNet.rs in a checkout, and pairs the times with ours.

`cargo bench` leaves its results beside those of earlier runs, and exits 0 when it measured
nothing. So a line counts as measured only for the Criterion ids whose files it wrote itself.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bitnet_perf.bench.process import Finished, run_program
from bitnet_perf.errors import ConfigError, EnvironmentRefused, FormatError, MeasurementError
from bitnet_perf.peers.bitnet_rs.ids import CrateCase, cases_at, explain, host_level
from bitnet_perf.peers.cargo_console import classify
from bitnet_perf.peers.readers.criterion import (
    FILES,
    CriterionRow,
    benchmark_folders,
    read_benchmark,
)

__all__ = [
    "LINES",
    "SHORT_SAMPLES",
    "BenchLine",
    "LineResult",
    "PairRow",
    "Spread",
    "check_workspace",
    "pair",
    "revision",
    "run_workspace",
    "spread",
]

_CPU = ("--no-default-features", "--features", "cpu")
_GPU = ("--no-default-features", "--features", "gpu")


@dataclass(frozen=True, slots=True)
class BenchLine:
    """One `cargo` command: its short name, its arguments, the crate it needs (None: any), and
    whether its bench is Criterion's own program, the only kind that accepts Criterion's options."""

    name: str
    arguments: tuple[str, ...]
    crate: str | None
    criterion: bool = False


# What BitNet.rs's reviewer is told to run. `mixed_precision_bench` asks for CUDA there; the last
# line is the same bench as a host without CUDA can build it, and is run only when named.
LINES: tuple[BenchLine, ...] = (
    BenchLine(
        "quantization",
        ("bench", "-p", "bitnet-quantization", "--bench", "quantization", *_CPU),
        "bitnet-quantization",
        criterion=True,
    ),
    BenchLine(
        "simd_comparison",
        ("bench", "-p", "bitnet-quantization", "--bench", "simd_comparison", *_CPU),
        "bitnet-quantization",
    ),
    BenchLine(
        "mixed_precision_bench",
        ("bench", "-p", "bitnet-kernels", "--bench", "mixed_precision_bench", *_GPU),
        "bitnet-kernels",
    ),
    BenchLine("workspace", ("bench", "--workspace", *_CPU), None),
    BenchLine(
        "mixed_precision_bench-cpu",
        ("bench", "-p", "bitnet-kernels", "--bench", "mixed_precision_bench", *_CPU),
        "bitnet-kernels",
    ),
)
# Criterion's 100 samples share `--measurement-time`: with 0.05 s each takes 0.5 ms, less than the
# scheduler's slice, and the median leaves preempted samples out. On a 2-core host at load 16 the
# median case took 4.1 times its recorded quiet time with 1 s, and 1.05 times with 0.05 s.
SHORT_SAMPLES = (
    *("--warm-up-time", "0.2", "--measurement-time", "0.05"),
    *("--nresamples", "2000", "--noplot"),
)
_DEFAULT = tuple(line.name for line in LINES[:4])


@dataclass(frozen=True, slots=True)
class LineResult:
    """What one line did: `rows` of this run alone; `why` is None when something was measured;
    `note` tells what went wrong although something was."""

    name: str
    command: str
    rows: tuple[CriterionRow, ...]
    why: str | None
    note: str | None
    exit_status: int | None
    seconds: float
    console: str

    @property
    def status(self) -> str:
        """`measured` or `measured nothing: <why>`."""
        return "measured" if self.why is None else f"measured nothing: {self.why}"

    def to_dict(self) -> dict[str, Any]:
        """The result as plain JSON values, with its status and without the console."""
        values = asdict(self)
        del values["console"]
        return {**values, "status": self.status}


def run_workspace(
    folder: str | os.PathLike[str],
    *,
    lines: Sequence[str] | None = None,
    cargo: str = "cargo",
    target: str | os.PathLike[str] | None = None,
    timeout: float | None = None,
    criterion_args: Sequence[str] = SHORT_SAMPLES,
    threads: int = 1,
    progress: Callable[[str, str], None] | None = None,
) -> tuple[LineResult, ...]:
    """Run `lines` (names in LINES; None: the reviewer's four) in a BitNet.rs checkout.

    `target` is a private CARGO_TARGET_DIR (None: the checkout's own, or the environment's);
    `timeout` is in seconds for each line, building included; `criterion_args` go behind `--` of
    Criterion's own programs (empty: Criterion's defaults); `threads` becomes RAYON_NUM_THREADS;
    `progress` is called with the line's name and each line of the console.

    Raises ConfigError for a folder, line or number that is not accepted, EnvironmentRefused when
    cargo is absent. Ctrl-C and a timeout end cargo and everything it started.
    """
    root = Path(folder)
    chosen = _choose(lines)
    if threads < 1:
        raise ConfigError(f"threads: {threads}; accepted: 1 or more")
    if timeout is not None and not timeout > 0:
        raise ConfigError(f"timeout: {timeout}; accepted: seconds above zero, or None")
    check_workspace(root, chosen)
    program = shutil.which(cargo)
    if program is None:
        raise EnvironmentRefused(
            f"cargo: {cargo!r} is not on PATH; accepted: a Rust toolchain, from "
            "https://rustup.rs or 'apt-get install cargo'"
        )
    environment = _environment(root, target, threads)
    results = []
    for line in chosen:
        command = [program, *line.arguments]
        if line.criterion and criterion_args:
            command += ["--", *criterion_args]
        report = None if progress is None else _named(progress, line.name)
        results.append(
            _run_line(line, command, root, environment, timeout=timeout, progress=report)
        )
    return tuple(results)


def check_workspace(folder: Path, lines: Iterable[BenchLine] = LINES) -> None:
    """Raise ConfigError unless `folder` is a cargo workspace with the crates that `lines` need.

    A crate that the manifest lists counts as there: cargo itself names a member that is missing.
    """
    manifest = folder / "Cargo.toml"
    accepted = "accepted: a checkout of BitNet.rs (EffortlessMetrics/BitNet-rs)"
    if not manifest.is_file():
        raise ConfigError(f"workspace: {manifest} does not exist; {accepted}")
    table = _toml(manifest).get("workspace")
    if not isinstance(table, dict):
        raise ConfigError(f"workspace: {manifest} has no [workspace] table; {accepted}")
    members = table.get("members", [])
    for crate in sorted({line.crate or "bitnet-quantization" for line in lines}):
        member = folder / "crates" / crate / "Cargo.toml"
        if member.is_file():
            package = _toml(member).get("package")
            if not isinstance(package, dict) or package.get("name") != crate:
                raise ConfigError(f"workspace: {member} is not the crate {crate}; {accepted}")
        elif not (isinstance(members, list) and f"crates/{crate}" in members):
            raise ConfigError(f"workspace: {manifest} has no member crates/{crate}; {accepted}")


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"workspace: {path}: {error}; accepted: a valid Cargo.toml") from error


def _choose(names: Sequence[str] | None) -> tuple[BenchLine, ...]:
    by_name = {line.name: line for line in LINES}
    wanted = _DEFAULT if names is None else names
    unknown = [name for name in wanted if name not in by_name]
    if unknown or not wanted:
        found = ", ".join(map(repr, unknown)) or "none"
        raise ConfigError(f"lines: {found}; accepted: {', '.join(by_name)}")
    return tuple(by_name[name] for name in dict.fromkeys(wanted))


def _named(progress: Callable[[str, str], None], name: str) -> Callable[[str], None]:
    return lambda text: progress(name, text)


def _environment(root: Path, target: str | os.PathLike[str] | None, threads: int) -> dict[str, str]:
    """The caller's environment, with the places of all results named in it."""
    inherited = os.environ.get("CARGO_TARGET_DIR", "target")
    folder = root.absolute() / (inherited if target is None else Path(target).absolute())
    return {
        **os.environ,
        "CARGO_TARGET_DIR": str(folder),
        "CRITERION_HOME": str(folder / "criterion"),
        "CARGO_TERM_COLOR": "never",
        "RAYON_NUM_THREADS": str(threads),
    }


def _run_line(
    line: BenchLine,
    command: list[str],
    root: Path,
    environment: dict[str, str],
    *,
    timeout: float | None,
    progress: Callable[[str], None] | None,
) -> LineResult:
    """Run one line and read what it wrote."""
    tree = Path(environment["CRITERION_HOME"])
    before = _inventory(tree)
    done = run_program(command, root, environment, timeout, progress)
    written = [
        folder for folder, files in _inventory(tree).items() if _all_new(files, before.get(folder))
    ]
    rows: list[CriterionRow] = []
    notes: list[str] = []
    for folder in written:
        try:
            rows.append(read_benchmark(folder, tree))
        except FormatError as error:
            notes.append(f"not read: {error}")
    why, note = _judge(done, rows, notes, tree)
    threads = environment["RAYON_NUM_THREADS"]
    return LineResult(
        name=line.name,
        command=shlex.join([f"RAYON_NUM_THREADS={threads}", "cargo", *command[1:]]),
        rows=tuple(sorted(rows, key=lambda row: row.id)),
        why=why,
        note=note,
        exit_status=done.status,
        seconds=done.seconds,
        console=done.text,
    )


def _judge(
    done: Finished, rows: Sequence[CriterionRow], notes: list[str], tree: Path
) -> tuple[str | None, str | None]:
    """Why nothing was measured (None: something was), and what else is to be told."""
    console = classify(done.text, done.status)
    trouble = console.note or console.why if done.status else None
    if done.timed_out:
        last = next((line for line in reversed(done.text.splitlines()) if line.strip()), "nothing")
        trouble = f"stopped at its limit, after {done.seconds:.0f} s, at: {last.strip()[:100]}"
    lost = len(set(console.ids) - {row.id for row in rows})
    if lost:
        notes = [*notes, f"{lost} benchmarks printed a time and left no result below {tree}"]
    if rows:
        return None, "; ".join([trouble, *notes] if trouble else notes) or None
    return trouble or "; ".join(notes) or console.why or "no result was written", None


_Stamp = tuple[int, int, int]


def _inventory(tree: Path) -> dict[Path, dict[str, _Stamp]]:
    """Time of change, size and inode of every result file below `tree`."""
    found = {}
    for folder in benchmark_folders(tree):
        stats = {name: (folder / name).lstat() for name in FILES if (folder / name).exists()}
        found[folder] = {
            name: (stat.st_mtime_ns, stat.st_size, stat.st_ino) for name, stat in stats.items()
        }
    return found


def _all_new(files: Mapping[str, _Stamp], before: Mapping[str, _Stamp] | None) -> bool:
    """Whether a benchmark has all its files, and none of them is one of an earlier run."""
    return len(files) == len(FILES) and all(
        before is None or before.get(name) != stamp for name, stamp in files.items()
    )


def revision(folder: str | os.PathLike[str]) -> str | None:
    """The commit of the checkout, `-dirty` appended where files differ; None without git."""
    if not (Path(folder) / ".git").exists() or shutil.which("git") is None:
        return None
    command = ["git", "-C", os.fspath(folder), "describe", "--always", "--dirty", "--abbrev=40"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and quartiles of `count` samples, in seconds."""

    median: float
    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class PairRow:
    """One Criterion benchmark beside our case that does the same work on the same host.

    `ratio` is their median over ours: above 1 means ours is faster. Where there is none, `why`
    says so. `block` and `level` (of the host's CPU) tell which work the crate chose.
    """

    criterion_id: str
    case: str | None
    codec: str | None
    block: int | None
    shape: tuple[int, ...] | None
    data: str | None
    level: str
    theirs: Spread
    ours: Spread | None
    ratio: float | None
    why: str | None

    def to_dict(self) -> dict[str, Any]:
        """The row as plain JSON values."""
        return asdict(self)


def pair(
    rows: Iterable[CriterionRow],
    ours: Mapping[str, Sequence[float]],
    *,
    level: str | None = None,
) -> tuple[PairRow, ...]:
    """Join Criterion rows with our samples (seconds per call, by case name) of the same run.

    `level` is the CPU level that the crates saw (None: this host's). Every row comes back; one
    without a case, without our time, or of another size than the case's has no ratio and says why.
    """
    level = host_level() if level is None else level
    by_id = {case.criterion_id: case for case in cases_at(level)}
    return tuple(_pair_row(row, by_id.get(row.id), ours, level) for row in rows)


def _pair_row(
    row: CriterionRow, case: CrateCase | None, ours: Mapping[str, Sequence[float]], level: str
) -> PairRow:
    why = explain(row.id)
    mine: Spread | None = None
    if case is not None:
        if row.throughput != ("Elements", case.count):
            why = f"throughput is {row.throughput}; this case has {case.count} elements"
        elif case.case not in ours:
            why = f"no time of ours for {case.case}"
        else:
            mine = spread(ours[case.case], case.case)
    theirs = spread(row.samples, row.id)
    return PairRow(
        criterion_id=row.id,
        case=case.case if case else None,
        codec=case.codec if case else None,
        block=case.block if case else None,
        shape=case.shape if case else None,
        data=case.data if case else None,
        level=level,
        theirs=theirs,
        ours=mine,
        ratio=theirs.median / mine.median if mine else None,
        why=why,
    )


def spread(samples: Sequence[float], name: str) -> Spread:
    """Median and quartiles of the samples of `name`; MeasurementError where one is no time."""
    values = np.asarray(samples, dtype=np.float64)
    if values.size == 0 or not np.all(np.isfinite(values) & (values > 0)):
        raise MeasurementError(f"{name}: {values.size} samples; accepted: finite seconds above 0")
    low, median, high = (float(value) for value in np.quantile(values, (0.25, 0.5, 0.75)))
    return Spread(median, low, high, int(values.size))
