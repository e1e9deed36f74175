"""From where a change lies to the files and commits that may have made it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from bitnet_perf.analyze.attribution.tree import TreeNode
from bitnet_perf.analyze.counts import LOCALIZED
from bitnet_perf.stages.sources import files_of, nearness
from bitnet_perf.stages.table import OPERATIONS, STAGES

__all__ = ["Commit", "FileSuspect", "Localized", "Place", "Portion", "largest", "localize",
           "rank_by_stage", "rank_files", "touched"]  # fmt: skip

Place = Literal["kernel", "module", "bench", "crate"]
MOST = 0.5  # of a change, in the functions of one file


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit of the branch: its id, the first line of its message, the files that it touched."""

    sha: str
    subject: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Portion:
    """Some of what became slower: where (stage, operation, kernel), and seconds more."""

    path: tuple[str, str, str]
    seconds: float
    functions: tuple[TreeNode, ...] = ()

    @property
    def kernel(self) -> str:
        """The kernel, empty where the time is in none."""
        return self.path[2] if "/" in self.path[2] else ""

    @property
    def files(self) -> tuple[str, ...]:
        """What implements it, the main file first."""
        return files_of(self.path[1], self.kernel)

    @property
    def main_file(self) -> str:
        """The file whose functions hold most of the change where they were counted, else the main
        one of what it is; empty where none is known."""
        sums: dict[str, float] = {}
        for node in self.functions:
            sums[node.file] = sums.get(node.file, 0.0) + (node.of_change or 0.0)
        most = max(sums, key=lambda file: sums[file], default="")
        if most and sums[most] >= MOST:
            return most
        return next(iter(self.files), "")


@dataclass(frozen=True, slots=True)
class FileSuspect:
    """A changed file: `score` is the sum over what became slower of its share times how near the
    file is to it; `share` and `path` are those of the part that weighs most, `nearness` to it."""

    file: str
    score: float
    share: float
    nearness: float
    path: tuple[str, ...]
    commits: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Localized:
    """One place that holds `share` of what became slower."""

    kind: Place
    name: str
    share: float

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def rank_files(
    portions: Sequence[Portion], changed: Iterable[str], commits: Sequence[Commit] = ()
) -> tuple[FileSuspect, ...]:
    """The changed files that have a part in what became slower, the largest score first; each with
    the commits of the branch ("SHA subject") that touched it, in the order given."""
    whole = sum(portion.seconds for portion in portions)
    found = []
    for file in dict.fromkeys(changed):
        weights = [
            (portion.seconds / whole, _nearness(file, portion), portion.path)
            for portion in portions
        ]
        score = sum(share * near for share, near, _ in weights)
        if score <= 0:
            continue
        share, near, path = max(weights, key=lambda each: each[0] * each[1])
        found.append(FileSuspect(file, score, share, near, path, touched(file, commits)))
    return tuple(sorted(found, key=lambda suspect: (-suspect.score, suspect.file)))


def rank_by_stage(
    stage: str, why: str, changed: Iterable[str], commits: Sequence[Commit] = ()
) -> tuple[FileSuspect, ...]:
    """The changed files that implement `stage`, for a finding that shows in no time (memory that is
    kept, accuracy that is lost): the nearest first. Their share of the change of time is 0; the
    path begins with `why`."""
    operations = [name for name, own in OPERATIONS.items() if own == stage]
    found = []
    for file in dict.fromkeys(changed):
        near, most = max(((nearness(file, name), name) for name in operations), default=(0.0, ""))
        if near > 0:
            path = (why, STAGES[stage], most)
            found.append(FileSuspect(file, 0.0, 0.0, near, path, touched(file, commits)))
    return tuple(sorted(found, key=lambda suspect: (-suspect.nearness, suspect.file)))


def touched(file: str, commits: Sequence[Commit]) -> tuple[str, ...]:
    """The commits that touched a file, "SHA subject", in their order."""
    return tuple(f"{c.sha[:12]} {c.subject}".strip() for c in commits if file in c.files)


def _nearness(file: str, portion: Portion) -> float:
    """How near a file is; where functions were counted, also the share of the change in its own."""
    near = nearness(file, portion.path[1], portion.kernel)
    mine = sum(node.of_change or 0.0 for node in portion.functions if node.file == file)
    return max(near, min(1.0, mine))


def localize(
    portions: Sequence[Portion], crate_of: Callable[[str], str | None] | None = None
) -> Localized | None:
    """The narrowest place with at least LOCALIZED of what became slower: a kernel, else one of our
    modules (a folder of kernels or a file), else the crate that `crate_of` names for a file."""
    whole = sum(portion.seconds for portion in portions)
    ways: Mapping[Place, Callable[[Portion], str | None]] = {
        "kernel": lambda portion: portion.kernel,
        "module": _module,
        "crate": lambda portion: (
            crate_of(portion.main_file) if crate_of and portion.main_file else None
        ),
    }
    for kind, name_of in ways.items():
        found = largest(kind, ((name_of(each), each.seconds) for each in portions), whole)
        if found is not None:
            return found
    return None


def largest(
    kind: Place, parts: Iterable[tuple[str | None, float]], whole: float
) -> Localized | None:
    """The name with most of the parts, where that is at least LOCALIZED of the whole; parts without
    a name are in no place of that kind."""
    sums: dict[str, float] = {}
    for name, part in parts:
        if name:
            sums[name] = sums.get(name, 0.0) + part
    most = max(sums, key=lambda name: sums[name], default=None)
    if most is None or not sums[most] >= LOCALIZED * whole > 0:
        return None
    return Localized(kind, most, sums[most] / whole)


def _module(portion: Portion) -> str | None:
    """The folder of a kernel's family, or the main file of an operation."""
    if portion.kernel:
        return f"csrc/kernels/{portion.kernel.partition('/')[0]}"
    return portion.main_file or None
