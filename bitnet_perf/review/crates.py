"""Our kernels beside the crates of BitNet.rs: their recorded outputs and times, or a checkout."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bitnet_perf.bench.ceilings import sampler
from bitnet_perf.bench.fingerprint import Fingerprint, fingerprint
from bitnet_perf.errors import ConfigError
from bitnet_perf.peers.bitnet_rs.ids import cases_at, host_level
from bitnet_perf.peers.bitnet_rs.timings import Timing, read_timings
from bitnet_perf.peers.bitnet_rs.workspace import (
    SHORT_SAMPLES,
    LineResult,
    PairRow,
    Spread,
    pair,
    revision,
    run_workspace,
    spread,
)

__all__ = [
    "Beside",
    "WorkspaceResult",
    "compare_workspace",
    "golden_folder",
    "sample_cases",
    "time_beside",
]

SAMPLE = 0.001  # seconds of one sample
ROUNDS = 15
GOLDEN = Path("tests") / "golden" / "bitnet_rs"


def golden_folder() -> Path:
    """The recorded outputs that come with the sources: below the current folder, or the package's.

    Raises ConfigError naming both places where neither has them (a wheel leaves tests out).
    """
    places = [Path.cwd() / GOLDEN, Path(__file__).resolve().parents[2] / GOLDEN]
    for place in places:
        if (place / "index.json").is_file():
            return place
    looked = " or ".join(str(place) for place in dict.fromkeys(places))
    raise ConfigError(f"recorded: found no index.json in {looked}; name a folder of that form")


def sample_cases(
    cases: Iterable[str],
    *,
    rounds: int = ROUNDS,
    on_progress: Callable[[float, str], None] | None = None,
) -> dict[str, list[float]]:
    """Seconds of one iteration of every case, `rounds` samples each, the cases taking turns.

    Each case checks its result before its first time.
    """
    names = list(dict.fromkeys(cases))
    timers = {}
    for done, name in enumerate(names):
        if on_progress is not None:
            on_progress(done / len(names) / 2, name)
        timers[name] = sampler(name, SAMPLE)
    found: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        if on_progress is not None:
            on_progress(0.5 + turn / rounds / 2, f"round {turn + 1} of {rounds}")
        for name, timer in timers.items():
            found[name].append(timer().seconds)
    return found


@dataclass(frozen=True)
class Beside:
    """A function of the crates as it was recorded, and the same work here. No ratio: two hosts."""

    id: str
    level: str
    case: str
    theirs: Spread
    ours: Spread

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def time_beside(
    folder: Path, *, on_progress: Callable[[float, str], None] | None = None
) -> tuple[str, tuple[Beside, ...]]:
    """(the recording host in words, rows): the recorded times of `folder` and the same work here.

    Rows are those of one thread at this host's CPU level that one of our cases re-implements; empty
    where the folder holds no times.
    """
    timings = read_timings(folder)
    if timings is None:
        return "", ()
    level = host_level()
    rows = [row for row in timings.rows if _comparable(row, level)]
    ours = sample_cases((row.case for row in rows if row.case), on_progress=on_progress)
    found = tuple(
        Beside(
            row.id,
            row.level,
            row.case,
            spread(row.samples, row.id),
            spread(ours[row.case], row.case),
        )
        for row in rows
        if row.case is not None
    )
    return timings.host, found


def _comparable(row: Timing, level: str) -> bool:
    return row.case is not None and row.threads == 1 and row.level == level and not row.rustflags


@dataclass(frozen=True)
class WorkspaceResult:
    """One run in a checkout of BitNet.rs: what its lines measured, and our times beside them."""

    folder: str
    revision: str | None
    host: Fingerprint
    lines: tuple[LineResult, ...]
    pairs: tuple[PairRow, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "folder": self.folder,
            "revision": self.revision,
            "host": self.host.to_dict(),
            "lines": [line.to_dict() for line in self.lines],
            "pairs": [row.to_dict() for row in self.pairs],
        }


def compare_workspace(
    folder: str | os.PathLike[str],
    *,
    lines: Sequence[str] | None = None,
    target: str | os.PathLike[str] | None = None,
    timeout: float | None = None,
    criterion_args: Sequence[str] = SHORT_SAMPLES,
    on_progress: Callable[[str, str], None] | None = None,
) -> WorkspaceResult:
    """Run the bench lines of a checkout and our cases for the same work, on this host, in one run.

    Half of our samples are taken before cargo runs and half after it, so that a host that changes
    in between shows in our spread. Errors are those of `run_workspace`.
    """

    def ours() -> dict[str, list[float]]:
        return sample_cases(case.case for case in cases_at(host_level()))

    before = ours()
    results = run_workspace(
        folder,
        lines=lines,
        target=target,
        timeout=timeout,
        criterion_args=criterion_args,
        progress=on_progress,
    )
    after = ours()
    samples = {name: before[name] + after[name] for name in before}
    rows = {row.id: row for result in results for row in result.rows}
    return WorkspaceResult(
        str(folder), revision(folder), fingerprint(), results, pair(rows.values(), samples)
    )
