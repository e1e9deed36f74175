"""Sides built into environments of their own: the right code in them, once, whatever interrupts."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from checkout import commit, new_checkout, write
from forks import PLAIN

import bitnet_perf
from bitnet_perf.bench import builds
from bitnet_perf.bench.builds import Environment, build_revision
from bitnet_perf.errors import EnvironmentRefused, MeasurementError

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is missing")

BUILD = """
import json, sys
from bitnet_perf.bench.builds import build_revision
side = build_revision(sys.argv[1], sys.argv[2], on_progress=lambda line: print(line, flush=True))
print(json.dumps([str(side.python), side.tree]), flush=True)
"""


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("BITNET_PERF_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def fork(tmp_path) -> Path:
    """One commit of a tree with a build backend of its own."""
    folder = new_checkout(tmp_path / "fork")
    commit(folder, PLAIN)
    return folder


def ask(side: Environment, code: str, folder: Path | None = None) -> str:
    """What the side's own Python prints."""
    done = subprocess.run(
        [side.python, "-I", "-c", code], check=True, capture_output=True, text=True, cwd=folder
    )
    return done.stdout.strip()


def side_of(environment: Environment) -> str:
    return ask(environment, "import bitnet_perf; print(bitnet_perf.SIDE)")


@contextlib.contextmanager
def start(folder: Path, revision: str = "HEAD") -> Iterator[subprocess.Popen[str]]:
    """A build in a process of its own, ended where the test fails."""
    with subprocess.Popen(
        [sys.executable, "-c", BUILD, folder, revision],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Whether a process is there and no zombie that waits for its parent."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


# What is built


def test_a_side_imports_its_own_package_and_the_shared_dependencies(fork):
    head = commit(fork, {"bitnet_perf/__init__.py": "import numpy\nSIDE = 7\n"})
    side = build_revision(fork, "main")
    code = "import bitnet_perf, numpy; print(bitnet_perf.__file__, numpy.__file__)"
    root = Path(bitnet_perf.__file__).parent.parent  # where the driver's own package lies
    own, numpy = ask(side, code, root).split()
    assert Path(own) == side.package / "bitnet_perf" / "__init__.py"
    assert not Path(own).is_relative_to(root)
    assert numpy == __import__("numpy").__file__
    assert (side.commit, side.dirty) == (head, False)
    assert side.description == f"main ({head[:12]})"
    assert side.log is not None
    assert "bitnet_perf" in side.log.read_text()


def test_the_driver_s_editable_installation_stays_asleep(fork):
    side = build_revision(fork, "HEAD")
    names = json.loads(ask(side, "import sys, json; print(json.dumps(list(sys.modules)))"))
    assert not [name for name in names if "editable" in name]
    (side.package / "bitnet_perf" / "__init__.py").unlink()
    (side.package / "bitnet_perf" / "_bench.py").unlink()
    code = "import bitnet_perf; print(getattr(bitnet_perf, '__file__', None))"
    assert "site-packages" in ask(side, code) or ask(side, code) == "None"


def test_the_working_tree_is_built_as_it_is(fork):
    clean = build_revision(fork, None)
    write(fork, {"bitnet_perf/__init__.py": "SIDE = 2\n", "bitnet_perf/new.py": ""})
    dirty = build_revision(fork, None)
    assert (clean.dirty, dirty.dirty) == (False, True)
    assert clean.tree == build_revision(fork, "HEAD").tree != dirty.tree
    assert (side_of(clean), side_of(dirty)) == ("1", "2")
    assert (dirty.package / "bitnet_perf" / "new.py").exists()
    assert dirty.description.endswith(", changed")


def test_what_is_built_is_kept(fork, monkeypatch):
    first = build_revision(fork, "HEAD")
    monkeypatch.setattr(builds, "run_program", lambda *_, **__: pytest.fail("built again"))
    again = build_revision(fork, "HEAD")
    assert again == first
    message_only = commit(fork, {}, "nothing but a message")
    assert build_revision(fork, "HEAD").python == first.python
    assert build_revision(fork, "HEAD").commit == message_only


def test_another_toolchain_is_another_environment(fork, monkeypatch):
    first = build_revision(fork, "HEAD")
    monkeypatch.setenv("CXXFLAGS", "-DOTHER")
    second = build_revision(fork, "HEAD")
    assert first.python != second.python
    assert first.tree == second.tree


def test_a_file_that_is_gone_leaves_nothing(fork):
    commit(fork, {"bitnet_perf/old.py": ""})
    (fork / "bitnet_perf" / "old.py").unlink()
    commit(fork, {})
    assert (build_revision(fork, "HEAD~1").package / "bitnet_perf" / "old.py").exists()
    assert not (build_revision(fork, "HEAD").package / "bitnet_perf" / "old.py").exists()


# What does not build


def test_a_backend_that_fails(fork):
    commit(fork, {"backend.py": "raise RuntimeError('no such luck')"})
    with pytest.raises(MeasurementError, match="no such luck") as caught:
        build_revision(fork, "HEAD")
    log = re.search(r"the whole log: (.*)\)", str(caught.value))
    assert log is not None
    assert "no such luck" in Path(log[1]).read_text()
    assert len(str(caught.value).splitlines()) <= 16


@pytest.mark.parametrize(
    ("name", "text"),
    [("pyproject.toml", "not toml ["), ("bitnet_perf/__init__.py", "raise ValueError('torn')")],
)
def test_a_tree_that_cannot_be_imported_or_installed(fork, name, text):
    commit(fork, {name: text})
    with pytest.raises((MeasurementError, EnvironmentRefused)):
        build_revision(fork, "HEAD")
    assert side_of(build_revision(fork, "HEAD~1")) == "1"


def test_a_tree_without_the_package(fork):
    shutil.rmtree(fork / "bitnet_perf")
    commit(fork, {})
    with pytest.raises(MeasurementError, match="no package bitnet_perf"):
        build_revision(fork, "HEAD")


def test_the_log_is_shortened_to_the_error():
    steps = [f"  [{i}/90] Building CXX object {i}.o" for i in range(1, 60)]
    error = ["  x.cpp: In function 'f':", "  x.cpp:3:1: error: expected ';'", "    3 | }"]
    text = "\n".join([*steps, "  FAILED: x.o", *error, *steps])
    shown = builds.shortened(text).splitlines()
    assert shown[:3] == error
    assert len(shown) == 15
    assert builds.shortened("a\n" * 40 + "end").splitlines()[-1] == "end"


# Interruptions


@pytest.fixture
def hold(tmp_path, monkeypatch) -> Path:
    """Builds wait while a file `hold` is in this folder."""
    folder = tmp_path / "holding"
    folder.mkdir()
    (folder / "hold").touch()
    monkeypatch.setenv("HOLD", str(folder))
    return folder


def test_a_killed_build_is_not_believed(fork, hold, cache):
    with start(fork) as driver:
        wait_for((hold / "started").exists)
        os.killpg(driver.pid, signal.SIGKILL)
    assert list((cache / "environments").iterdir()) == []
    (hold / "hold").unlink()
    assert side_of(build_revision(fork, "HEAD")) == "1"


def test_a_build_that_lost_its_driver_is_waited_for(fork, hold):
    with start(fork) as driver:
        wait_for((hold / "started").exists)
        backend = int((hold / "started").read_text())
        os.kill(driver.pid, signal.SIGKILL)
    assert is_alive(backend)
    with start(fork) as second:
        assert second.stdout is not None
        assert "waiting for another build" in second.stdout.readline()
        (hold / "hold").unlink()
        last = second.stdout.read().splitlines()[-1]
    assert second.returncode == 0
    assert Path(json.loads(last)[0]).exists()


def test_ctrl_c_leaves_no_process_and_no_environment(fork, hold, cache):
    with start(fork) as driver:
        wait_for((hold / "started").exists)
        backend = int((hold / "started").read_text())
        os.kill(driver.pid, signal.SIGINT)
        assert driver.stderr is not None
        assert "KeyboardInterrupt" in driver.stderr.read()
    wait_for(lambda: not is_alive(backend))
    assert list((cache / "environments").iterdir()) == []
    (hold / "hold").unlink()
    assert side_of(build_revision(fork, "HEAD")) == "1"


@pytest.mark.parametrize(
    "step", ["check_out", "_compile", "_new_environment", "_kernels", "_publish"]
)
def test_a_kill_between_two_steps(fork, step, cache):
    code = f"""
import os, signal, sys
from bitnet_perf.bench import builds
def die(*_, **__): os.kill(os.getpid(), signal.SIGKILL)
builds.{step} = die
builds.build_revision(sys.argv[1], "HEAD")
"""
    done = subprocess.run([sys.executable, "-c", code, fork], check=False)
    assert done.returncode == -signal.SIGKILL
    assert list((cache / "environments").iterdir()) == []
    assert side_of(build_revision(fork, "HEAD")) == "1"


def test_files_of_a_killed_build_are_thrown_away(fork, cache):
    build_revision(fork, "HEAD")
    (slot,) = (cache / "slots").iterdir()
    (slot / "unfinished").touch()
    (slot / "build").mkdir(exist_ok=True)
    (slot / "build" / "half.o").touch()
    (slot / "index.lock").touch()
    commit(fork, {"bitnet_perf/__init__.py": "SIDE = 2\n"})
    assert side_of(build_revision(fork, "HEAD")) == "2"
    assert not (slot / "build" / "half.o").exists()
    assert not (slot / "unfinished").exists()


def test_two_processes_build_the_same_tree_once(fork, hold):
    (hold / "hold").unlink()
    with start(fork) as first, start(fork) as second:
        answers = [process.communicate()[0].splitlines()[-1] for process in (first, second)]
    assert answers[0] == answers[1]
    assert (hold / "builds").read_text() == "x"


def test_what_another_clone_has_built_meanwhile_is_kept(fork, tmp_path, monkeypatch):
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", fork, clone], check=True)
    compiled, firsts = builds._compile, []

    def overtaken(side, slot, lock):
        compiled(side, slot, lock)
        if side.root == clone:
            firsts.append(build_revision(fork, "HEAD"))
            (firsts[0].package / "in_use").touch()

    monkeypatch.setattr(builds, "_compile", overtaken)
    second = build_revision(clone, "HEAD")
    assert second == firsts[0]
    assert (second.package / "in_use").exists()


def test_an_environment_is_published_under_its_lock(fork, cache, monkeypatch):
    publish = builds._publish

    def asked(temporary, key, *rest):
        with pytest.raises(BlockingIOError), open(cache / "locks" / key, "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return publish(temporary, key, *rest)

    monkeypatch.setattr(builds, "_publish", asked)
    build_revision(fork, "HEAD")


def test_two_processes_build_two_trees(fork):
    commit(fork, {"bitnet_perf/__init__.py": "SIDE = 2\n"})
    with start(fork, "HEAD~1") as first, start(fork, "HEAD") as second:
        answers = [process.communicate()[0].splitlines()[-1] for process in (first, second)]
    pythons = [Path(json.loads(answer)[0]) for answer in answers]
    assert pythons == [build_revision(fork, name).python for name in ("HEAD~1", "HEAD")]
    assert side_of(build_revision(fork, "HEAD~1")) == "1"
    assert side_of(build_revision(fork, "HEAD")) == "2"


# The cache


def test_environments_are_bounded_by_last_use(fork, monkeypatch, cache):
    monkeypatch.setattr(builds, "ENVIRONMENTS", 2)
    sides = []
    for number in range(3):
        commit(fork, {"bitnet_perf/__init__.py": f"SIDE = {number}\n"})
        sides.append(build_revision(fork, "HEAD"))
        build_revision(fork, "main~0" if number < 1 else sides[0].commit)  # the first stays in use
    assert len(list((cache / "environments").iterdir())) == 2
    assert [side.python.exists() for side in sides] == [True, False, True]


def test_a_cache_that_cannot_be_written(fork, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("BITNET_PERF_CACHE", str(tmp_path / "file" / "below"))
    with pytest.raises(EnvironmentRefused, match="BITNET_PERF_CACHE"):
        build_revision(fork, "HEAD")


def test_the_cache_follows_xdg(fork, monkeypatch, tmp_path):
    monkeypatch.delenv("BITNET_PERF_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    side = build_revision(fork, "HEAD")
    assert side.python.is_relative_to(tmp_path / "xdg" / "bitnet_perf")
