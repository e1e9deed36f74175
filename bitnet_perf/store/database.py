"""Connections to the database of a history, SQLite or PostgreSQL; one clear error a fault."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from bitnet_perf.config.load import without_password
from bitnet_perf.errors import BitnetPerfError, ConfigError, EnvironmentRefused, FormatError
from bitnet_perf.store.schema import make_current, require_current

__all__ = ["PATIENCE", "Database"]

PATIENCE = 30.0  # seconds to wait for another writer, or for a server
LOCK = 0x62697470  # of the writers of one PostgreSQL database
DRIVER = "postgresql+psycopg"
ACCEPTED = "sqlite:///FILE, postgresql://USER@HOST/NAME"

# Beginning of SQLite's name of an error -> the error, and what to do.
_SQLITE: tuple[tuple[str, type[BitnetPerfError], str], ...] = (
    ("SQLITE_BUSY", EnvironmentRefused, "another process keeps it locked; try again when it ended"),
    ("SQLITE_READONLY", EnvironmentRefused, "cannot be written; give permission, or name another"),
    ("SQLITE_CANTOPEN", EnvironmentRefused, "cannot be opened or made; name another file"),
    ("SQLITE_PERM", EnvironmentRefused, "cannot be opened; give permission, or name another file"),
    ("SQLITE_FULL", EnvironmentRefused, "the disk is full, nothing was added; free space"),
    ("SQLITE_IOERR", EnvironmentRefused, "the disk fails, nothing was added; name another file"),
    ("SQLITE_NOTADB", FormatError, "is no database of SQLite; name another file"),
    ("SQLITE_CORRUPT", FormatError, "is damaged; restore it, or move it away and import again"),
)


class Database:
    """The database at a URL. `create` lets a file be made that is not there.

    Raises ConfigError for a URL of another kind and for a missing file, EnvironmentRefused where
    the driver of PostgreSQL is missing.
    """

    def __init__(self, url: str | URL, *, create: bool) -> None:
        parsed = _parsed(url)
        self.place = _shown(parsed)
        if parsed.get_backend_name() == "sqlite":
            self.place = str(parsed.database)
            self._engine = _sqlite(Path(self.place), self.place, create=create)
        else:
            self._engine = self._server(parsed)

    def _server(self, url: URL) -> Engine:
        options = {"connect_timeout": int(PATIENCE), "application_name": "bitnet-perf"}
        try:
            return create_engine(url, poolclass=NullPool, connect_args=options)
        except ImportError as error:
            raise EnvironmentRefused(
                f"{self.place}: psycopg is not installed; `pip install 'bitnet_perf[postgresql]'` "
                "brings it"
            ) from error

    @contextlib.contextmanager
    def writing(self) -> Iterator[Session]:
        """The only write transaction there is at the time; all of it is kept, or nothing."""
        engine = self._engine.execution_options(begin="BEGIN IMMEDIATE")
        with self._clear_errors(), engine.connect() as connection, connection.begin():
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = {int(1e3 * PATIENCE)}")
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
            make_current(connection, self.place)
            with Session(connection) as session:
                yield session
                session.flush()

    @contextlib.contextmanager
    def reading(self) -> Iterator[Session]:
        """A transaction that reads; tables of an older version are moved forward before."""
        with self._clear_errors():
            with self._engine.connect() as connection:
                now = require_current(connection, self.place)
            if not now:
                with self.writing():
                    pass
            with self._engine.connect() as connection, Session(connection) as session:
                yield session

    @contextlib.contextmanager
    def _clear_errors(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            name = getattr(error.orig, "sqlite_errorname", "")
            for start, kind, what in _SQLITE:
                if name.startswith(start):
                    raise kind(f"{self.place}: {what}") from error
            # without a name it is the driver that found what SQLite cannot have written
            kind = FormatError if isinstance(error.orig, sqlite3.Error) else EnvironmentRefused
            raise kind(f"{self.place}: {_line(error.orig)}") from error
        except SQLAlchemyError as error:
            raise FormatError(f"{self.place}: {_line(error)}") from error
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            if isinstance(error, FormatError) and str(error).startswith(f"{self.place}: "):
                raise
            raise FormatError(
                f"{self.place}: holds what no bitnet_perf wrote ({_line(error)})"
            ) from error


def _parsed(url: str | URL) -> URL:
    try:
        parsed = make_url(url)
        kind = parsed.get_backend_name()
    except (ArgumentError, ValueError) as error:  # its message would repeat a password
        raise ConfigError(
            f"history: found no URL of a database, accepted are {ACCEPTED}"
        ) from error
    if parsed.drivername == "postgres" or kind == "postgresql":
        return parsed.set(drivername=DRIVER)
    if kind != "sqlite" or not parsed.database or parsed.database == ":memory:":
        raise ConfigError(f"history: found {_shown(parsed)!r}, accepted are {ACCEPTED}")
    return parsed


def _shown(url: URL) -> str:
    """Without the driver that is chosen here, and without a password."""
    plain = url.set(drivername=url.drivername.partition("+")[0])
    return without_password(plain.render_as_string(hide_password=False))


def _sqlite(path: Path, place: str, *, create: bool) -> Engine:
    if not create and not path.exists():
        raise ConfigError(f"{place}: there is no history; `bitnet-perf import FILES` begins one")
    mode = "rwc" if create else "rw"
    file = f"file:{quote(str(path.absolute()))}?mode={mode}"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(file, uri=True, timeout=PATIENCE, isolation_level=None)
        connection.execute("PRAGMA foreign_keys = ON")
        return connection

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        """Not by the driver, which begins before the first change alone."""
        connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))

    return engine


def _line(error: BaseException | None) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
