"""The driver on real worker processes; no time is judged."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from bitnet_perf.bench.paired import host, pair, process
from bitnet_perf.bench.paired import worker as worker_script
from bitnet_perf.bench.paired.driver import Driver, Settings, threads_of
from bitnet_perf.bench.paired.process import Worker, WorkerFailed, start_pair, wait_for
from bitnet_perf.bench.paired.raw import Raw
from bitnet_perf.bench.paired.sides import Ready, Side, own_environment, prepare_side
from bitnet_perf.bench.toolchain import dependency_folders

GEMV = "forward/gemv/i2_s/64x256/t1"
SHORT = Settings(looks=(2,), long_looks=(2,), canary_pairs=2, seed=3)

FUNCTIONS = """
import os, signal, sys, time

def good():
    return sum(range(200))

def other():
    return sum(range(201))

def dies():
    os.kill(os.getpid(), signal.SIGSEGV)

def quits():
    print("the last words", file=sys.stderr)
    os._exit(3)

def hangs():
    time.sleep(600)

def closes():
    os.closerange(0, 100)
    time.sleep(600)

def shouts():
    while True:
        print("loud" * 5000, file=sys.stderr)

def says_much_and_quits():
    print("loud " * 100000 + "the end", file=sys.stderr)
    os._exit(3)

def fails():
    raise ValueError("no good\\nat all")

def noisy():
    print("this goes nowhere")
    return 1
"""


LATE = """
import os, pathlib

def good():
    return sum(range(200))

def late():
    starts = pathlib.Path(__file__).with_name("starts")
    if not hasattr(late, "number"):
        late.number = len(starts.read_bytes()) + 1 if starts.exists() else 1
        starts.write_bytes(b"." * late.number)
    if late.number == 3:  # calibration, one pair, and this
        os._exit(9)
    return sum(range(200))
"""


@pytest.fixture
def functions(tmp_path):
    file = tmp_path / "functions.py"
    file.write_text(FUNCTIONS)

    def side(name: str) -> Ready:
        return prepare_side(Side.function(f"{file}:{name}"))

    return side


@pytest.fixture
def native():
    return prepare_side(Side.isa(""))


def never(_number: int, _last: bool) -> bool:
    return False


def drive(base: Ready, candidate: Ready, names=None, settings: Settings = SHORT) -> Driver:
    driver = Driver((base, candidate), settings)
    driver.run_cases(names or [base.cases[0]], never)
    return driver


def children() -> list[int]:
    return [p.pid for p in psutil.Process().children(recursive=True) if p.status() != "zombie"]


def test_a_pair_alternates_in_whole_blocks(native):
    driver = drive(native, native, [GEMV])
    plan = driver.recording.plans[0]
    first, second = driver.recording.pairs
    assert (first.case, first.look) == (0, 0)
    assert len(first.side) == 4 * plan.blocks == 4 * pair.BLOCKS
    blocks = {tuple(block) for block in first.side.reshape(-1, 4).tolist()}
    assert blocks == {(0, 1, 1, 0), (1, 0, 0, 1)}
    assert (first.wall_ns > 0).all()
    assert not np.array_equal(first.side, second.side)  # another coin for every block
    allowed = host.allowed_cpus()
    assert {first.cpu, second.cpu} <= set(allowed)
    assert len({first.cpu, second.cpu}) == min(2, len(allowed))
    assert plan.isas[0] == plan.isas[1] != ""


def test_what_was_measured_is_a_raw_file(native, tmp_path):
    driver = drive(native, native, [GEMV])
    meta = {
        "sides": [side.describe() for side in (native, native)],
        "seed": 3,
        "cases": [{**case, "class": "core"} for case in driver.recording.cases],
        "iterations": [driver.recording.plans[0].iterations],
        "threads": [1],
        "code_hashes": [["", ""]],
        "fingerprint": "here",
    }
    raw = Raw.build(meta, driver.recording.pairs)
    assert Raw.load(raw.save(tmp_path / "x.npz")).looks(0) == (0,)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("dies", r"the worker died \(signal SIGSEGV\)"),
        ("quits", r"the worker died \(exit status 3\): the last words"),
        ("says_much_and_quits", r"exit status 3\): .*loud the end$"),
        ("fails", r"ValueError: no good at all"),
        ("other", r"return different results"),
    ],
)
def test_a_failing_side_is_an_error_of_its_case(functions, name, message):
    driver = drive(functions("good"), functions(name))
    (case,) = driver.recording.cases
    assert re.search(message, case["error"])
    assert case["error_side"] == 1
    assert driver.recording.pairs == []
    assert not children()


def test_a_side_that_fails_in_a_later_pair_is_an_error_of_its_case(tmp_path):
    file = tmp_path / "late.py"
    file.write_text(LATE)
    good, late = (prepare_side(Side.function(f"{file}:{name}")) for name in ("good", "late"))
    driver = drive(good, late)
    (case,) = driver.recording.cases
    assert "exit status 9" in case["error"]
    assert len(driver.recording.pairs) == 1  # the first of two
    assert driver.recording.plans[0].iterations > 1  # what those times were taken with
    assert not children()


def test_a_hanging_side_is_ended(functions, monkeypatch):
    monkeypatch.setattr(pair, "START_LIMIT", 1.0)
    driver = drive(functions("hangs"), functions("good"))
    assert "hangs" in driver.recording.cases[0]["error"]
    assert driver.recording.cases[0]["error_side"] == 0
    assert not children()


def test_a_side_that_closes_its_pipes_and_goes_on_is_ended(functions, monkeypatch):
    monkeypatch.setattr(process, "END_LIMIT", 0.2)
    (case,) = drive(functions("good"), functions("closes")).recording.cases
    assert case["error"] == "it closed its pipe and has not ended in 0.2 s: it hangs"
    assert case["error_side"] == 1
    assert not children()


def test_a_side_that_never_stops_printing_is_ended_and_its_end_kept(functions):
    side = functions("shouts")
    with Worker(0, side.python, side.for_case("x", 1), (1, 1)) as worker:
        worker.ask("ready")
        with pytest.raises(WorkerFailed, match="no answer within 1 s"):
            wait_for((worker,), 1.0)
        assert len(worker._printed) == process.KEPT
    assert not children()


def test_a_process_that_cannot_be_ended_is_said(functions, monkeypatch):
    side = functions("good")
    worker = Worker(0, side.python, side.for_case("x", 1), (1, 1))
    with monkeypatch.context() as patched:
        patched.setattr(os, "killpg", lambda *_: None)
        patched.setattr(process, "END_LIMIT", 0.2)
        patched.setattr(worker._process, "wait", refuse_to_end)
        with pytest.raises(WorkerFailed, match="the kernel does not end process"):
            worker.end()
    os.kill(worker.pid, 9)
    worker._process.wait()


def refuse_to_end(seconds):
    raise subprocess.TimeoutExpired("worker", seconds)


def test_what_measured_code_prints_does_not_disturb(functions):
    driver = drive(functions("noisy"), functions("noisy"))
    assert len(driver.recording.pairs) == 2


def test_a_failing_case_takes_no_other_down(native):
    wrong = "forward/gemv/i2_s/0x0/t1"
    driver = drive(native, native, [wrong, GEMV])
    first, second = driver.recording.cases
    assert "neither side has it" in first["error"]
    assert "error" not in second
    assert {pair.case for pair in driver.recording.pairs} == {1}


def test_a_worker_that_dies_in_the_middle_of_a_pair_is_found(native):
    options = [native.for_case(GEMV, 1)] * 2
    base, candidate = start_pair([native.python] * 2, options, (1, 0))
    with base, candidate:
        for worker in (base, candidate):
            worker.ask("ready")
        wait_for((base, candidate), 30)
        base.ask("run", 1, "ABBA" * 100000)
        os.kill(candidate.pid, 9)
        with pytest.raises(WorkerFailed, match=r"ended in the middle|SIGKILL"):
            wait_for((base, candidate), 30)
    assert not children()


def test_the_time_budget_ends_a_run(native):
    settings = Settings(looks=(500,), long_looks=(500,), time_budget=2.0, seed=1)
    driver = drive(native, native, [GEMV], settings)
    assert driver.recording.stopped == "the time budget of 2 s"
    assert 0 < len(driver.recording.pairs) < 500


def test_ctrl_c_keeps_what_was_measured(native):
    def interrupt(_step):
        if driver.recording.pairs:
            raise KeyboardInterrupt

    driver = Driver((native, native), SHORT, interrupt)
    driver.run_cases([GEMV, "forward/gemv/i2_s/64x512/t1"], never)
    assert driver.recording.stopped == "Ctrl-C"
    assert len(driver.recording.pairs) == 2
    assert not children()


def test_no_permission_to_pin_is_recorded(native, monkeypatch):
    def refuse(*_args):
        raise PermissionError(1, "not permitted")

    monkeypatch.setattr(os, "sched_setaffinity", refuse)
    driver = drive(native, native, [GEMV])
    assert {pair.cpu for pair in driver.recording.pairs} == {-1}


def test_a_host_with_one_cpu(native, monkeypatch):
    monkeypatch.setattr(host, "allowed_cpus", lambda: host_cpus[:1])
    host_cpus = (min(os.sched_getaffinity(0)),)
    driver = drive(native, native, [GEMV])
    assert {pair.cpu for pair in driver.recording.pairs} == set(host_cpus)


def test_a_clock_that_jumps_back_is_no_time():
    plan = pair.Plan(GEMV, 1, 1, 1, 1000.0, ("x", "x"), ())
    good = ["10", "10", "0"] * 2
    with pytest.raises(WorkerFailed, match="clock") as failed:
        pair._record([good, ["10", "10", "0", "-5", "1", "0"]], "ABBA", plan, (0, 0), (0, 0.0, 0.0))
    assert failed.value.side == 1
    with pytest.raises(WorkerFailed, match="sent 3 numbers, 6 are right"):
        pair._record([good[:3], good], "ABBA", plan, (0, 0), (0, 0.0, 0.0))


def test_an_interpreter_that_cannot_be_started(native):
    broken = Ready(native.side, "/nonexistent/python", native.options)
    driver = drive(native, broken, [GEMV])
    assert "cannot be started" in driver.recording.cases[0]["error"]
    assert not children()


def test_commands_are_timed_as_whole_processes():
    good = prepare_side(Side.command([sys.executable, "-S", "-c", "pass"]))
    bad = prepare_side(Side.command([sys.executable, "-S", "-c", "raise SystemExit(5)"]))
    found = drive(good, good).recording
    assert len(found.pairs) == 2
    assert found.cases[0]["clock"] == "wall"
    assert "exit status 5" in drive(good, bad).recording.cases[0]["error"]


def sleeping(seconds: float, write: Path) -> Ready:
    """A program that does little but wait, and says where it may run."""
    text = f"import os, time; time.sleep({seconds}); print(*os.sched_getaffinity(0))"
    return prepare_side(Side.command(["sh", "-c", f"{sys.executable} -S -c '{text}' > {write}"]))


def test_a_command_is_planned_by_the_wall_clock_and_has_every_cpu(tmp_path):
    side = sleeping(0.05, tmp_path / "cpus")
    recording = drive(side, side).recording
    plan = recording.plans[0]
    assert plan.clock == "wall"
    assert (plan.iterations, plan.long) == (1, True)
    assert plan.sample_ns >= 0.05e9
    assert pair.LEAST_BLOCKS <= plan.blocks <= 5
    assert {int(word) for word in (tmp_path / "cpus").read_text().split()} == set(
        host.allowed_cpus()
    )
    if len(host.allowed_cpus()) > 1:
        assert {each.cpu for each in recording.pairs} == {-1}


def test_a_long_program_has_the_time_to_warm_up(tmp_path, monkeypatch):
    limits = {}

    def ask(worker, *request, limit=None):
        limits[request[0]] = limit
        return real(worker, *request, limit=limit)

    real = pair.ask_worker
    monkeypatch.setattr(pair, "ask_worker", ask)
    side = sleeping(0.05, tmp_path / "cpus")
    drive(side, side)
    assert limits["warm"] >= pair.START_LIMIT + pair.WARM_LEAST * 0.05


def test_the_warm_up_follows_the_clock():
    walls = iter([90, 50, 10, 10, 10, 10])
    assert worker_script.warm(lambda _: (next(walls), 7, 0), 1, 3, 12, "wall") == 5
    assert worker_script.warm(lambda _: (1, 7, 0), 1, 3, 12, "cpu") == 3


def test_a_steal_counter_that_goes_backwards_is_not_known(native, monkeypatch):
    readings = iter([30.0, 20.0, 20.0, 40.0])
    monkeypatch.setattr(host, "steal_ms", lambda _cpu: next(readings))
    first, second = drive(native, native, [GEMV]).recording.pairs
    assert np.isnan(first.steal_ms)
    assert second.steal_ms == 20.0


def test_a_side_without_the_native_entry_runs_a_python_loop(tmp_path, native):
    """An environment with an older package: the same files, `_bench` aside."""
    venv.EnvBuilder(symlinks=True).create(tmp_path / "env")
    (site_packages,) = tmp_path.glob("env/lib/*/site-packages")
    dependencies = "".join(f"{path}\n" for path in dependency_folders())
    (site_packages / "dependencies.pth").write_text(dependencies)
    own = own_environment()
    old = site_packages / "bitnet_perf"
    old.mkdir()
    for path in {*(own.package / "bitnet_perf").iterdir(), own.native}:
        if path.name not in {"_bench.py", "__pycache__"}:
            (old / path.name).symlink_to(path)
    driver = drive(native, prepare_side(Side.environment(tmp_path / "env")), [GEMV])
    assert driver.recording.cases[0].get("error") is None
    assert driver.recording.cases[0]["note"] == "candidate: python loop"
    assert len(driver.recording.pairs) == 2


def test_a_broken_extension_is_an_error_and_no_older_package(tmp_path, native):
    package = tmp_path / "bitnet_perf"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "_bench.py").write_text("from bitnet_perf import _native")
    (package / "_native.py").write_text("raise ImportError('libmissing.so.1: cannot open')")
    broken = replace(native, options={"kind": "native", "root": str(tmp_path)})
    (case,) = drive(native, broken, [GEMV]).recording.cases
    assert case["error"] == "ImportError: libmissing.so.1: cannot open"


def test_workers_see_no_other_environment(native, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/nonexistent")
    monkeypatch.setenv("BITNET_SECRET", "1")
    worker = Worker(0, native.python, native.for_case(GEMV, 1), (1, 1))
    with worker:
        environment = Path(f"/proc/{worker.pid}/environ").read_bytes()
        worker.ask("ready")
        wait_for((worker,), 30)
    assert b"BITNET_SECRET" not in environment


def test_threads_of_a_name():
    assert threads_of("forward/gemv/i2_s/64x256/t12") == 12
    assert threads_of("forward/command/prog/run/tx") == 1
