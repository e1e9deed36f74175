"""The history in SQLite and PostgreSQL: once, whole or not at all, and one clear error."""

from __future__ import annotations

import datetime
import itertools
import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, event, text
from store import server
from store.adder import HOST, TIME, points, source

import bitnet_perf as bp
from bitnet_perf.store import database, schema
from bitnet_perf.store.history import Store, default_url
from bitnet_perf.store.records import Host, Point

ADDER = Path(__file__).with_name("adder.py")


@pytest.fixture(scope="session")
def postgresql():
    if server.programs() is None:
        pytest.skip(server.HOW)
    with server.running() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def fresh(request, tmp_path):
    """Gives the URL of a new database each time."""
    numbers = itertools.count()
    if request.param == "sqlite":
        return lambda: f"sqlite:///{tmp_path / f'a#b %{next(numbers)}.db'}"
    base = request.getfixturevalue("postgresql")

    def make():
        name = f"t{abs(hash((request.node.nodeid, next(numbers))))}"
        execute(base, f"CREATE DATABASE {name}", isolation_level="AUTOCOMMIT")
        return base.replace("/postgres?", f"/{name}?")

    return make


@pytest.fixture
def url(fresh):
    return fresh()


def execute(url, statement, **options):
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"), **options)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


@pytest.fixture
def file(tmp_path):
    """A SQLite history with one source."""
    path = tmp_path / "history.db"
    Store(f"sqlite:///{path}", create=True).add(source("a"), points("a"))
    return path


def run(*jobs):
    """Statuses of processes that add, and what they said."""
    done = subprocess.run(
        [sys.executable, ADDER, json.dumps(jobs)], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout), done.stderr


def test_what_was_added_comes_back_once(url):
    store = Store(url, create=True)
    whole = replace(
        points("a")[0], low=1e-7, high=2e-6, compute=1.5, streaming=0.1, verdict="pass",
        slowdown=-0.01, committed=TIME - datetime.timedelta(days=1), count=8, unit="token/second",
    )  # fmt: skip
    east = datetime.timezone(datetime.timedelta(hours=3))
    moved = replace(whole, measured=TIME.astimezone(east), isa="", commit="")
    assert store.add(source("a"), [whole, moved])
    assert not store.add(source("a"), points("b"))
    assert store.points() == (whole, moved)
    assert store.points()[0].host.facts == HOST.facts
    assert store.sources() == (source("a"),)
    assert store.add(source("nothing"), [])
    assert len(store.sources()) == 2


def test_globs_choose_cases(url):
    store = Store(url, create=True)
    for name in ("i2_s", "tl1"):
        store.add(source(name), points(name))
    assert {point.case for point in store.points(["gemv/tl1/*"])} == {"forward/gemv/tl1/64x64/t1"}
    assert len(store.points(["*/i2_s/*", "gemv/tl1/*"])) == 6
    with pytest.raises(bp.ConfigError, match=r"'pack/.' matches no case of the history .such as f"):
        store.points(["gemv/*", "pack/*"])


def test_many_cases_are_read_in_parts(file, monkeypatch):
    monkeypatch.setattr("bitnet_perf.store.history.CHUNK", 2)
    store = Store(f"sqlite:///{file}", create=True)
    for name in "bcde":
        store.add(source(name), points(name))
    assert [point.case[13] for point in store.points()] == [name for name in "abcde" for _ in "123"]


def test_a_kill_between_two_inserts_leaves_nothing_of_the_source(fresh):
    """Inserts of a first source: version, source, host, points; of a second: source."""
    urls = [fresh() for _ in range(5)]
    statuses, _ = run(*([url, "a", 2, kill] for kill, url in enumerate(urls, 1)))
    assert statuses == [-signal.SIGKILL] * 5
    for url in urls[:4]:
        with pytest.raises(bp.ConfigError, match="no history"):
            Store(url).sources()
        assert Store(url, create=True).add(source("a0"), points("a0"))
        assert Store(url).points() == tuple(points("a0"))
    store = Store(urls[4], create=True)
    assert store.sources() == (source("a0"),)
    assert not store.add(source("a0"), points("a0"))
    assert store.points() == tuple(points("a0"))


def test_writers_wait_for_each_other(url):
    """Four processes begin a history at once, and all of them add one source, too."""
    assert run(*([url, name, 5] for name in "abcd")) == ([0] * 4, "")
    store = Store(url)
    names = [f"{name}{number}" for name in "abcd" for number in range(5)]
    assert sorted(each.sha256 for each in store.sources()) == sorted([*names, "all"])
    assert len(store.points()) == 3 * 21


def test_a_lock_that_is_not_given_up(file, monkeypatch):
    monkeypatch.setattr(database, "PATIENCE", 0.05)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(bp.EnvironmentRefused, match=r"history.db: another process keeps it locked"):
        Store(f"sqlite:///{file}", create=True).add(source("b"), [])
    assert len(Store(f"sqlite:///{file}").points()) == 3  # readers go on
    other.close()


def test_a_lock_of_a_server_that_is_not_given_up(postgresql, monkeypatch):
    monkeypatch.setattr(database, "PATIENCE", 0.05)
    other = create_engine(postgresql.replace("://", "+psycopg://"))
    with other.connect() as connection:
        connection.execute(text(f"SELECT pg_advisory_xact_lock({database.LOCK})"))
        with pytest.raises(bp.EnvironmentRefused, match="lock timeout"):
            Store(postgresql, create=True).add(source("b"), [])
    other.dispose()


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ("", "found no URL of a database, accepted are sqlite:///FILE, postgresql://"),
        ("perf.db", "found no URL"),
        ("sqlite://", "found 'sqlite://', accepted are"),
        ("sqlite:///:memory:", "accepted are"),
        ("mysql://me:secret@h/p", r"found 'mysql://me:\*\*\*@h/p', accepted are"),
        ("postgresql://h:port/x", "found no URL"),
        ("sqlite:////nowhere/history.db", "/nowhere/history.db: there is no history; `bitnet-perf"),
    ],
)
def test_urls_that_are_refused(found, says):
    with pytest.raises(bp.ConfigError, match=says) as refused:
        Store(found)
    assert "secret" not in str(refused.value)


def test_a_server_that_is_not_there_keeps_passwords_to_itself(tmp_path):
    store = Store(f"postgresql://me:secret@/x?host={tmp_path}&password=secret")
    with pytest.raises(bp.EnvironmentRefused, match=r"connection .*No such file") as refused:
        store.points()
    assert "secret" not in f"{refused.value} {store.place}"
    assert str(refused.value).count("\n") == 0


def test_without_a_driver_the_line_that_brings_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(bp.EnvironmentRefused, match=r"pip install 'bitnet_perf\[postgresql\]'"):
        Store("postgresql://h/x")


def test_a_database_without_a_history(url):
    execute(url, "CREATE TABLE other (x INTEGER)")
    with pytest.raises(bp.ConfigError, match="holds no history; `bitnet-perf import FILES`"):
        Store(url).points()
    assert Store(url, create=True).add(source("a"), points("a"))
    assert len(Store(url).points()) == 3


def test_newer_tables_are_refused_and_stay_as_they_are(url):
    Store(url, create=True).add(source("a"), points("a"))
    execute(url, "UPDATE bitnet_perf_schema SET version = 7")
    says = "is a history of version 7, newer than version 1"
    with pytest.raises(bp.FormatError, match=says):
        Store(url).points()
    with pytest.raises(bp.FormatError, match=says):
        Store(url, create=True).add(source("b"), points("b"))


def test_older_tables_move_forward_in_one_step(url, monkeypatch):
    Store(url, create=True).add(source("a"), points("a"))
    calls = []

    def note(connection):
        calls.append(connection.execute(text("SELECT count(*) FROM bitnet_perf_point")).scalar())
        connection.execute(text("ALTER TABLE bitnet_perf_point ADD COLUMN more FLOAT"))

    def fail(_connection):
        raise bp.MeasurementError("cut short")

    monkeypatch.setattr(schema, "MIGRATIONS", (note, fail))
    with pytest.raises(bp.MeasurementError):
        Store(url).points()
    monkeypatch.setattr(schema, "MIGRATIONS", (note, lambda _: None))
    assert Store(url).points() == tuple(points("a"))
    assert Store(url, create=True).add(source("b"), points("b"))
    assert calls == [3, 3]  # the first was taken back, the second held
    monkeypatch.setattr(schema, "MIGRATIONS", ())
    with pytest.raises(bp.FormatError, match="version 3, newer than version 1"):
        Store(url).points()


@pytest.mark.parametrize("versions", ["", "(1), (2)", "(0)"])
def test_a_version_that_is_none(file, versions):
    with sqlite3.connect(file) as connection:
        connection.execute("DELETE FROM bitnet_perf_schema")
        if versions:
            connection.execute(f"INSERT INTO bitnet_perf_schema VALUES {versions}")
    connection.close()
    with pytest.raises(bp.FormatError, match=r"is no history: found . versions"):
        Store(f"sqlite:///{file}").points()


@pytest.fixture
def _other_user(tmp_path):
    """Root may write everywhere, so root becomes somebody else for a while."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_mode & 0o005 == 0o005:
            break
        folder.chmod(0o755)
    if os.geteuid() == 0:
        os.seteuid(65534)
    yield
    if os.getuid() == 0:
        os.seteuid(0)


@pytest.mark.usefixtures("file", "_other_user")
def test_what_cannot_be_written_can_be_read(file):
    file.parent.chmod(0o555) if os.getuid() else None
    store = Store(f"sqlite:///{file}", create=True)
    assert len(store.points()) == 3
    with pytest.raises(bp.EnvironmentRefused, match=r"history.db: cannot be written; give permiss"):
        store.add(source("b"), [])
    with pytest.raises(bp.EnvironmentRefused, match=r"x.db: cannot be opened or made"):
        Store(f"sqlite:///{file.parent}/x.db", create=True).add(source("b"), [])
    with pytest.raises(bp.EnvironmentRefused, match=r"gitignore: cannot be written \(Permission"):
        default_url(file.parent, create=True)


def test_a_full_disk_keeps_what_was_there(file):
    store = Store(f"sqlite:///{file}", create=True)

    @event.listens_for(store._database._engine, "connect")
    def small(connection, _):
        connection.execute("PRAGMA max_page_count = 12")

    with pytest.raises(bp.EnvironmentRefused, match="the disk is full, nothing was added"):
        store.add(source("b"), points("b", 5000))
    assert store.points() == tuple(points("a"))
    assert store.sources() == (source("a"),)


def test_a_disk_that_fails_keeps_what_was_there(file):
    store = Store(f"sqlite:///{file}", create=True)
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.getsignal(signal.SIGXFSZ)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size, limits[1]))
    try:
        with pytest.raises(bp.EnvironmentRefused, match=r"disk .*nothing was added"):
            store.add(source("b"), points("b", 5000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert store.points() == tuple(points("a"))


def test_a_file_that_is_no_database(tmp_path):
    path = tmp_path / "x.db"
    path.write_text("no database, but some text that is longer than a header of SQLite, " * 20)
    for create in (False, True):
        with pytest.raises(bp.FormatError, match=r"x.db: is no database of SQLite"):
            Store(f"sqlite:///{path}", create=create).points()


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_a_damaged_file_is_read_or_refused(file, data):
    whole = file.read_bytes()
    broken = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 40))):
        broken[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    damaged = file.with_name("damaged.db")
    damaged.write_bytes(broken[: data.draw(st.integers(0, len(whole)))])
    store, said = Store(f"sqlite:///{damaged}", create=True), []
    for act in (store.points, store.sources, lambda: store.add(source("b"), points("b"))):
        try:
            act()
        except bp.BitnetPerfError as error:
            said.append(str(error))
    assert all(line.startswith(f"{damaged}: ") and "\n" not in line for line in said)
    for path in file.parent.glob("damaged.db*"):
        path.unlink()


def test_text_that_is_no_text(file):
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE bitnet_perf_host SET facts = CAST(x'ff' AS TEXT)")
    connection.close()
    store = Store(f"sqlite:///{file}", create=True)
    for act in (store.points, lambda: store.add(source("b"), points("b"))):
        with pytest.raises(bp.FormatError, match=r"history.db: Could not decode to UTF-8"):
            act()


def test_rows_that_nobody_wrote(file):
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE bitnet_perf_point SET measured = 'yesterday'")
    connection.close()
    with pytest.raises(bp.FormatError, match="holds what no bitnet_perf wrote"):
        Store(f"sqlite:///{file}").points()


def test_the_file_of_a_repository_is_ignored_by_git(tmp_path):
    url = default_url(tmp_path, create=True)
    assert Store(url, create=True).add(source("a"), points("a"))
    assert url.database == f"{tmp_path}/.bitnet-perf/history.db"
    assert (tmp_path / ".bitnet-perf" / ".gitignore").read_text() == "*\n"
    assert "x?/.bitnet-perf" in Store(default_url(tmp_path / "x?", create=False), create=True).place
    assert not (tmp_path / "x?").exists()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"value": 0.0}, "value: found 0.0, accepted is above 0"),
        ({"low": float("nan")}, "low: found nan, accepted is finite"),
        ({"streaming": -1.0}, "streaming: found -1.0"),
        ({"threads": 0}, "threads: found 0"),
        ({"measured": datetime.datetime(2026, 1, 1)}, "measured: found a time without zone"),
    ],
)
def test_points_that_say_nothing_are_refused(change, says):
    with pytest.raises(bp.FormatError, match=says):
        replace(points("a")[0], **change)


def test_hosts_are_told_apart_by_their_key():
    assert Host("a", "x", {"b": [1]}) == Host("a", "x", {})
    assert isinstance(points("a")[0], Point)
