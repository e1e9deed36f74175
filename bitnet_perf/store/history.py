"""What a history can do: add a file's points once, whole or not at all, and give them back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from sqlalchemy import URL, insert, select
from sqlalchemy.orm import Session

from bitnet_perf.bench.cases import matches
from bitnet_perf.errors import ConfigError
from bitnet_perf.files import write_atomic
from bitnet_perf.store.database import Database
from bitnet_perf.store.records import Host, Point, Source
from bitnet_perf.store.tables import HostRow, PointRow, SourceRow

__all__ = ["Store", "default_url"]

FOLDER = ".bitnet-perf"
NAME = "history.db"
CHUNK = 500  # case names in one query: SQLite has a limit
_SHARED = ("case", "commit", "isa", "compiler", "threads", "value", "low", "high", "unit", "count",
           "compute", "streaming", "verdict", "slowdown", "committed", "measured")  # fmt: skip


def default_url(repository: Path, *, create: bool) -> URL:
    """The history of a repository: a file in a folder of its own, which git ignores.

    Raises EnvironmentRefused where `create` cannot make the folder.
    """
    folder = repository / FOLDER
    if create and not (folder / ".gitignore").exists():
        write_atomic(folder / ".gitignore", "*\n")
    return URL.create("sqlite", database=str(folder / NAME))


class Store:
    """The history at a URL, see database.Database for what is refused."""

    def __init__(self, url: str | URL, *, create: bool = False) -> None:
        self._database = Database(url, create=create)

    @property
    def place(self) -> str:
        """Where it is, without a password."""
        return self._database.place

    def add(self, source: Source, points: Iterable[Point]) -> bool:
        """Keep a source and its points; False where the same content was added before.

        All of it is kept or nothing, whatever ends the process in between. Writers wait for each
        other.
        """
        rows = list(points)
        with self._database.writing() as session:
            known = select(SourceRow.id).where(SourceRow.sha256 == source.sha256)
            if session.execute(known).first() is not None:
                return False
            kept = SourceRow(
                sha256=source.sha256,
                kind=source.kind,
                name=source.name,
                measured=source.measured,
                verdict=source.verdict,
                route=source.route,
                dropped=list(source.dropped),
            )
            session.add(kept)
            session.flush()
            hosts = {host.key: _host_id(session, host) for host in {p.host for p in rows}}
            values = [
                {name: getattr(point, name) for name in _SHARED}
                | {"source_id": kept.id, "host_id": hosts[point.host.key]}
                for point in rows
            ]
            if values:
                session.execute(insert(PointRow), values)
        return True

    def points(self, cases: Sequence[str] = ()) -> tuple[Point, ...]:
        """The points of the cases that match any glob (all without one), in the order added.

        Raises ConfigError for a glob that matches no case.
        """
        with self._database.reading() as session:
            known = session.execute(select(PointRow.case).distinct()).scalars().all()
            chosen = _chosen(known, cases, self.place)
            found: list[tuple[PointRow, HostRow]] = []
            for start in range(0, len(chosen), CHUNK):
                query = (
                    select(PointRow, HostRow)
                    .join(HostRow, HostRow.id == PointRow.host_id)
                    .where(PointRow.case.in_(chosen[start : start + CHUNK]))
                )
                found += [(row[0], row[1]) for row in session.execute(query)]
            found.sort(key=lambda row: row[0].id)
            hosts = {host.id: Host(host.key, host.cpu, host.facts) for _, host in found}
            return tuple(
                Point(host=hosts[host.id], **{name: getattr(row, name) for name in _SHARED})
                for row, host in found
            )

    def sources(self) -> tuple[Source, ...]:
        """What was added, in that order."""
        with self._database.reading() as session:
            return tuple(
                Source(
                    row.sha256,
                    row.kind,
                    row.name,
                    row.measured,
                    row.verdict,
                    row.route,
                    tuple(row.dropped),
                )
                for row in session.execute(select(SourceRow).order_by(SourceRow.id)).scalars()
            )


def _host_id(session: Session, host: Host) -> int:
    row = session.execute(select(HostRow).where(HostRow.key == host.key)).scalar_one_or_none()
    if row is None:
        row = HostRow(key=host.key, cpu=host.cpu, facts=dict(host.facts))
        session.add(row)
        session.flush()
    return row.id


def _chosen(known: Sequence[str], globs: Sequence[str], place: str) -> list[str]:
    for glob in globs:
        if not any(matches(name, glob) for name in known):
            shown = ", ".join(sorted(known)[:3]) or "none"
            raise ConfigError(f"{place}: {glob!r} matches no case of the history (such as {shown})")
    return [n for n in known if not globs or any(matches(n, glob) for glob in globs)]
