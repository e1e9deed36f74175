"""The tables of a history, version 1. A change of them is a new entry of `schema.MIGRATIONS`."""

from __future__ import annotations

import datetime
from typing import Any

from sqlalchemy import JSON, DateTime, ForeignKey, Text, TypeDecorator
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

__all__ = ["HostRow", "PointRow", "SchemaRow", "SourceRow", "Tables"]


class Utc(TypeDecorator[datetime.datetime]):
    """A time with its zone; SQLite keeps none, so all of them are in UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(
        self, value: datetime.datetime | None, dialect: Dialect
    ) -> datetime.datetime | None:
        """The same moment in UTC."""
        del dialect
        return None if value is None else value.astimezone(datetime.UTC)

    def process_result_value(
        self, value: datetime.datetime | None, dialect: Dialect
    ) -> datetime.datetime | None:
        """With its zone again."""
        del dialect
        if value is None or value.tzinfo is not None:
            return value
        return value.replace(tzinfo=datetime.UTC)


class Tables(DeclarativeBase):
    """All tables; their names begin with `bitnet_perf_`, so that a database may hold others."""

    type_annotation_map = {  # noqa: RUF012 - read by SQLAlchemy, as it is
        str: Text(),
        datetime.datetime: Utc(),
        dict[str, Any]: JSON(),
        list[str]: JSON(),
    }


class SchemaRow(Tables):
    """One row: the version of these tables."""

    __tablename__ = "bitnet_perf_schema"
    version: Mapped[int] = mapped_column(primary_key=True)


class SourceRow(Tables):
    """A file that was added, see records.Source."""

    __tablename__ = "bitnet_perf_source"
    id: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    name: Mapped[str]
    measured: Mapped[datetime.datetime]
    verdict: Mapped[str]
    route: Mapped[str]
    dropped: Mapped[list[str]]


class HostRow(Tables):
    """A host, see records.Host."""

    __tablename__ = "bitnet_perf_host"
    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    cpu: Mapped[str]
    facts: Mapped[dict[str, Any]]


class PointRow(Tables):
    """One case at one commit on one host, see records.Point."""

    __tablename__ = "bitnet_perf_point"
    id: Mapped[int] = mapped_column(primary_key=True)
    source_id: Mapped[int] = mapped_column(ForeignKey(SourceRow.id))
    host_id: Mapped[int] = mapped_column(ForeignKey(HostRow.id))
    case: Mapped[str] = mapped_column("case_name", index=True)
    commit: Mapped[str] = mapped_column("commit_id")
    isa: Mapped[str]
    compiler: Mapped[str]
    threads: Mapped[int]
    value: Mapped[float]
    low: Mapped[float | None]
    high: Mapped[float | None]
    unit: Mapped[str]
    count: Mapped[int] = mapped_column("processes")
    compute: Mapped[float | None]
    streaming: Mapped[float | None]
    verdict: Mapped[str]
    slowdown: Mapped[float | None]
    committed: Mapped[datetime.datetime | None]
    measured: Mapped[datetime.datetime]
