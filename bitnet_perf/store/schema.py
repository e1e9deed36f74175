"""The version of the tables of a history: made where there are none, moved forward, or refused."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, insert, inspect, select, update

from bitnet_perf.errors import ConfigError, FormatError
from bitnet_perf.store.tables import SchemaRow, Tables

__all__ = ["MIGRATIONS", "make_current", "require_current"]

# Entry n takes the tables from version n + 1 to n + 2, inside the transaction that it is given.
MIGRATIONS: tuple[Callable[[Connection], None], ...] = ()


def current() -> int:
    """The version that this package writes."""
    return 1 + len(MIGRATIONS)


def make_current(connection: Connection, place: str) -> None:
    """Make the tables, or move them forward; the caller holds the only write transaction.

    Raises FormatError for tables of a newer version.
    """
    found = _version(connection, place)
    if found is None:
        Tables.metadata.create_all(connection)
        connection.execute(insert(SchemaRow).values(version=current()))
        return
    for migrate in MIGRATIONS[found - 1 :]:
        migrate(connection)
    if found < current():
        connection.execute(update(SchemaRow).values(version=current()))


def require_current(connection: Connection, place: str) -> bool:
    """Whether the tables are of this version; False where they are older.

    Raises ConfigError where there are none, FormatError for tables of a newer version.
    """
    found = _version(connection, place)
    if found is None:
        raise ConfigError(f"{place}: holds no history; `bitnet-perf import FILES` begins one")
    return found == current()


def _version(connection: Connection, place: str) -> int | None:
    """The version of the tables that are there, None where there are none."""
    if not inspect(connection).has_table(SchemaRow.__tablename__):
        return None
    found = connection.execute(select(SchemaRow.version)).scalars().all()
    if len(found) != 1 or found[0] < 1:
        raise FormatError(f"{place}: is no history: found {len(found)} versions, accepted is one")
    if found[0] > current():
        raise FormatError(
            f"{place}: is a history of version {found[0]}, newer than version {current()}, which "
            "this bitnet_perf reads: use a newer one"
        )
    return found[0]
