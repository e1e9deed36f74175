"""Counts of a native case: exact where the tools are there, one clear reason where they are not."""

import errno
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

import bitnet_perf
from bitnet_perf import _native
from bitnet_perf.bench import count_worker, counters
from bitnet_perf.bench.counters import Counts, Subject, Unavailable, available, count, count_both

CASE = "forward/gemv/i2_s/64x256/t1"


@dataclass(frozen=True)
class Here:
    python: Path = Path(sys.executable)
    package: Path = Path(bitnet_perf.__file__).parents[1]
    native: Path | None = Path(_native.__file__)


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Put a shell script in the place of valgrind; what it writes is what a run leaves behind."""

    def put(script):
        (tmp_path / "valgrind").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "valgrind").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    return put


def profile(total):
    text = f"creator: callgrind-9\nevents: Ir\nfn=(1) kernel\n1 {total}\ntotals: {total}\n"
    return text.replace("\n", "\\n")


def without_symbols(totals):
    """A script that leaves the profiles of a stripped extension: noise, loop, noise, ..."""
    parts = [part for total in totals for part in (777, total)]
    writes = [
        f"printf '{profile(total)}' > counts.{number}" for number, total in enumerate(parts, 1)
    ]
    return "\n".join(["echo isa x86_avx2", *writes])


@pytest.fixture
def stripped(tmp_path):
    extension = tmp_path / "site" / "bitnet_perf" / "_native.so"
    extension.parent.mkdir(parents=True)
    extension.write_bytes(b"\x7fELF")
    return Subject(Here(package=tmp_path / "site", native=None), "x86_avx2")


def why(result):
    assert isinstance(result, Unavailable)
    return result.why


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is missing")
def test_counts_repeat_exactly():
    subjects = Subject(Here(), "scalar"), Subject(Here(), _native.bench_work(CASE, "")[4])
    first, second = count_both(*subjects, CASE, tool="callgrind")
    again, other = count_both(*subjects, CASE, tool="callgrind")
    assert (first, second) == (again, other)
    assert first.total > 64 * 256 / 4  # at least an instruction for each byte of weights
    assert (first.isa, first.tool[:10]) == ("scalar", "callgrind-")
    assert first.note in ("", "no functions: the extension has no symbols")
    assert bool(first.by_function) == (first.note == "")


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is missing")
@pytest.mark.parametrize(
    ("case", "isa", "says"),
    [
        (CASE.replace("i2_s", "i9"), "", "'i9' has no gemv kernel"),
        (CASE, "no_such_isa", "no_such_isa"),
    ],
)
def test_what_the_side_refuses_is_the_reason(case, isa, says):
    reason = why(count(Subject(Here(), isa), case, tool="callgrind"))
    assert says in reason
    assert "Error" not in reason


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is missing")
def test_what_is_tuned_is_counted():
    tuned = Subject(Here(), "", None, "gemv_isa=scalar")
    found = count(tuned, CASE, tool="callgrind")
    assert (found.isa, found.total) == (
        "scalar", count(Subject(Here(), "scalar"), CASE, tool="callgrind").total,
    )  # fmt: skip


def test_the_count_of_an_iteration_is_a_difference(program, stripped):
    program(without_symbols([900, 110, 110, 410]))
    assert count(stripped, CASE, tool="callgrind") == Counts(
        100.0, "callgrind-9", "x86_avx2", {}, "no functions: the extension has no symbols"
    )


def test_loops_that_differ_are_told(program, stripped):
    program(without_symbols([900, 100, 110, 410]))
    assert "not exact: equal loops differ by 0.1" in count(stripped, CASE, tool="callgrind").note


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("exit 0", "wrote 0 profiles"),
        (without_symbols([1, 1, 1, 1]), "not those of a loop"),
        ("echo 'vex amd64->IR: unhandled instruction bytes: 0x62' > valgrind.log; kill -ILL $$",
         "does not know an instruction"),
        ("kill -SEGV $$", "callgrind ended with signal SIGSEGV"),
        ("echo 'valgrind: failed to start tool' > valgrind.log; exit 1",
         "status 1: valgrind: failed to start tool"),
        ("echo \"ModuleNotFoundError: No module named 'bitnet_perf._bench'\"; exit 1",
         "this side has no native loop"),
        ("echo 'bitnet_perf.errors.MeasurementError: case x gives a wrong result'; exit 1",
         "case x gives a wrong result"),
        ("for n in 1 2 3 4 5 6 7 8; do echo hello > counts.$n; done", "counts.2"),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_one_reason(program, stripped, script, says):
    program(script)
    assert says in why(count(stripped, CASE, tool="callgrind"))


def test_a_run_past_its_limit_is_ended(program, stripped, tmp_path):
    program(f"sleep 60 & echo $! > {tmp_path}/id; sleep 60")
    assert "took more than 1 s" in why(count(stripped, CASE, tool="callgrind", timeout=1))
    state = Path("/proc") / (tmp_path / "id").read_text().strip() / "stat"

    def ended():
        return not state.exists() or state.read_text().rpartition(")")[2].split()[0] in ("Z", "X")

    deadline = time.monotonic() + 60
    while not ended() and time.monotonic() < deadline:  # a signal that is sent has yet to arrive
        time.sleep(0.01)
    assert ended()


def test_a_process_that_the_kernel_holds_takes_no_count(monkeypatch):
    process = subprocess.Popen(["sleep", "60"])
    with monkeypatch.context() as held:
        held.setattr(counters, "_ENDING", 0.01)
        held.setattr(counters.os, "killpg", lambda *_: None)
        counters._end(process)
    assert process.poll() is None
    process.kill()
    process.wait()


def test_one_side_may_fail_alone(program, stripped):
    program(without_symbols([900, 110, 110, 410]))
    lost = Subject(Here(package=Path("no-such-folder"), native=None))
    good, bad = count_both(stripped, lost, CASE, tool="callgrind")
    assert good.total == 100.0
    assert why(bad) == "no-such-folder holds no native extension"


def test_without_the_tool(monkeypatch, stripped):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(counters, "available", lambda: (False, "no counter here"))
    assert why(count(stripped, CASE)) == (
        "valgrind is missing: 'apt-get install valgrind'; no counter here"
    )
    assert why(count(stripped, CASE, tool="perf")) == "no counter here"


def test_what_is_not_counted(program, stripped):
    program("exit 9")
    assert "threads" in why(count(stripped, CASE.replace("/t1", "/t2")))
    for isa in ("x86_avxvnni", "x86_avx512vnni", "x86_amx"):
        wide = Subject(stripped.environment, isa)
        said = why(count(wide, CASE, tool="callgrind"))
        assert said == f"Valgrind runs no VNNI, AVX-512 or AMX ({isa})"


def refused(monkeypatch, number):
    def open_counter(_tool):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(count_worker, "open_counter", open_counter)


@pytest.mark.parametrize(
    ("number", "level", "says"),
    [
        (errno.ENOENT, 2, "no such counter"),
        (errno.EACCES, 3, "perf_event_paranoid is 3"),
        (errno.EPERM, 2, "not permitted here"),
        (errno.EPERM, None, "not permitted here"),
        (errno.ENOSYS, 2, "no perf_event"),
        (errno.EINVAL, 2, "Invalid argument"),
    ],
)
def test_why_there_is_no_counter(monkeypatch, number, level, says):
    refused(monkeypatch, number)
    monkeypatch.setattr(counters, "paranoid_level", lambda: level)
    there, reason = available()
    assert not there
    assert says in reason


@pytest.mark.parametrize(
    ("counted", "says"), [(5, ""), (0, "counts nothing"), (-1, "share its place")]
)
def test_a_counter_is_tried(monkeypatch, counted, says):
    monkeypatch.setattr(count_worker, "open_counter", lambda _: os.open(os.devnull, os.O_RDONLY))
    monkeypatch.setattr(count_worker, "start", lambda _: None)
    monkeypatch.setattr(count_worker, "stop", lambda _: counted)
    there, reason = available()
    assert there == (counted > 0)
    assert says in reason


def test_the_counter_of_this_host_counts_or_says_why():
    there, reason = available()
    assert there == (reason == "")
    if there:
        counted = count(Subject(Here(), "scalar"), CASE, tool="perf")
        assert counted.total > 64 * 256 / 4
    else:
        assert why(count(Subject(Here(), "scalar"), CASE, tool="perf")) == reason


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("isa scalar\nloop 900\nloop 110\nloop 110\nloop 410\n", 100.0),
        ("isa scalar\nloop 900\nloop 110\nloop -1\nloop 410\n", None),
        ("isa scalar\nloop 900\n", None),
    ],
)
def test_counts_that_the_hardware_gives(monkeypatch, tmp_path, stripped, printed, expected):
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nprintf '{printed}'\n")
    python.chmod(0o755)
    monkeypatch.setattr(counters, "available", lambda: (True, ""))
    found = count(Subject(Here(python, stripped.environment.package, None)), CASE)
    if expected is None:
        assert "share" in why(found)
    else:
        assert (found.total, found.isa, found.note) == (expected, "scalar", "no functions")
