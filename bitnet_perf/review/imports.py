"""Files into the history: comparisons, reports and benchmarks of ours, results of other tools."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bitnet_perf.bench import revisions
from bitnet_perf.bench.paired.raw import Raw
from bitnet_perf.bench.paired.schema import printable
from bitnet_perf.config.load import load_settings
from bitnet_perf.errors import BitnetPerfError, FormatError
from bitnet_perf.review.measured import (
    benchmark_points,
    foreign_points,
    is_benchmark,
    raw_points,
)
from bitnet_perf.store.history import Store, default_url
from bitnet_perf.store.records import Point, Source

__all__ = ["Imported", "history_url", "import_files"]

LARGEST = 64 << 20  # bytes of a JSON file of ours
REPORT = frozenset({"verdict", "route", "date", "sections", "evidence"})
RESULTS = ("raw.npz", "report.json")  # of a folder that a gate wrote


@dataclass(frozen=True, slots=True)
class Imported:
    """A file and what became of it: `added` is False where its content was there before."""

    name: str
    kind: str
    added: bool
    points: int
    dropped: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        names = ("name", "kind", "added", "points", "dropped")
        return {name: getattr(self, name) for name in names} | {"dropped": list(self.dropped)}


@dataclass(frozen=True, slots=True)
class Context:
    """What a file may not tell: the commit for those that name none, the repository that knows when
    it was made (None outside of one), whether records that nothing may be measured against are
    taken all the same."""

    commit: str
    repository: Path | None
    force: bool

    def time_of(self, commit: str) -> datetime.datetime | None:
        """When a commit was made; None where that is unknown."""
        return revisions.committed(self.repository, commit) if self.repository else None


def history_url(
    url: str | None, repository: str | os.PathLike[str] = ".", *, create: bool = False
) -> Any:
    """The URL given, else that of the settings, else the file of the repository.

    Raises ConfigError outside of a repository where none is given.
    """
    named = url or load_settings(repository).settings.history.url
    if named:
        return named
    return default_url(revisions.repository_root(repository), create=create)


def import_files(
    paths: Iterable[str | os.PathLike[str]],
    url: str | None = None,
    *,
    commit: str | None = None,
    repository: str | os.PathLike[str] = ".",
    force: bool = False,
) -> tuple[Imported, ...]:
    """Add files to the history at `url` (None: see `history_url`), each once and whole.

    Taken are raw files of comparisons (.npz), folders and reports of a gate, the JSON of
    `benchmark` and `bench`, and what `read_results` reads. `commit` (a revision of the repository)
    is that of files that name none; `force` takes records that are refused as a baseline.

    All files are read before the first is added: one that cannot be read raises its error
    (FormatError or MeasurementError), and nothing is added.
    """
    context = _context(commit, repository, force)
    read = [found for path in paths for found in _read(Path(path), context)]
    store = Store(history_url(url, repository, create=True), create=True)
    done = []
    for source, points in read:
        added = store.add(source, points)
        done.append(Imported(source.name, source.kind, added, len(points), source.dropped))
    return tuple(done)


def _context(commit: str | None, repository: str | os.PathLike[str], force: bool) -> Context:
    try:
        root = revisions.repository_root(repository)
    except BitnetPerfError:
        if commit is not None:
            raise
        return Context("", None, force)
    return Context("" if commit is None else revisions.resolve(root, commit), root, force)


def _read(path: Path, context: Context) -> list[tuple[Source, list[Point]]]:
    """What a file or folder holds; a folder of a gate holds two."""
    ours = [path / name for name in RESULTS if (path / name).is_file()]
    if ours:
        return [_file(each, context) for each in ours]
    return [_folder(path, context) if path.is_dir() else _file(path, context)]


def _file(path: Path, context: Context) -> tuple[Source, list[Point]]:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        written = datetime.datetime.fromtimestamp(path.stat().st_mtime, datetime.UTC)
    except OSError as error:
        raise FormatError(f"{path}: cannot be read ({error.strerror})") from error
    if len(content) > LARGEST:
        raise FormatError(f"{path}: is larger than {LARGEST >> 20} MiB, which is accepted")
    source = Source(hashlib.sha256(content).hexdigest(), "", printable(str(path)), written)
    if content.startswith(b"PK\x03\x04"):
        raw = Raw.load(path)
        measured = _time(raw.meta.get("date")) or written
        points, dropped = raw_points(raw, measured, context.commit, context.time_of)
        return replace(source, kind="comparison", measured=measured, dropped=dropped), points
    found = _json(content) or {}
    report = found.get("report", found)
    if isinstance(report, dict) and report.keys() >= REPORT:
        return replace(
            source,
            kind="report",
            measured=_time(report["date"]) or written,
            verdict=printable(str(report["verdict"])),
            route=printable(str(report["route"])),
            dropped=("cases: a report holds no times, the raw.npz beside it does",),
        ), []
    if is_benchmark(found):
        measured = _time(found.get("timestamp")) or written
        points = benchmark_points(str(path), found, measured, context.commit, context.time_of)
        return replace(source, kind="benchmark", measured=measured), points
    foreign = foreign_points(path, written, context.commit, context.time_of, force=context.force)
    return replace(source, kind=foreign.kind, dropped=foreign.dropped), foreign.points


def _folder(path: Path, context: Context) -> tuple[Source, list[Point]]:
    """A folder of another tool."""
    found = foreign_points(path, None, context.commit, context.time_of, force=context.force)
    name = printable(str(path))
    return Source(
        found.digest, found.kind, name, found.measured, "", "", found.dropped
    ), found.points


def _json(content: bytes) -> Mapping[str, Any] | None:

    def refuse(word: str) -> None:
        raise ValueError(word)

    try:
        found = json.loads(content, parse_constant=refuse)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _time(text: Any) -> datetime.datetime | None:
    """A time of ISO 8601; a day alone is its beginning, a time without zone is in UTC."""
    try:
        found = datetime.datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=datetime.UTC)
