"""What disturbs a host begins, and never outlives who started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from bitnet_perf.bench.paired import disturb
from bitnet_perf.bench.paired.disturb import ENVIRONMENTS, disturbed
from bitnet_perf.errors import EnvironmentRefused, MeasurementError


def children() -> list[psutil.Process]:
    return [p for p in psutil.Process().children() if p.status() != "zombie"]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_program_runs_in_the_block_and_no_longer(environment):
    before = len(children())
    with disturbed(environment):
        assert len(children()) - before == len(ENVIRONMENTS[environment])
    assert len(children()) == before


def test_an_error_in_the_block_ends_them():
    before = len(children())
    with pytest.raises(KeyboardInterrupt), disturbed("1 CPU hog"):
        raise KeyboardInterrupt
    assert len(children()) == before


def test_a_killed_parent_leaves_none():
    code = (
        "import time\nfrom bitnet_perf.bench.paired.disturb import disturbed\n"
        "with disturbed('4 CPU hogs'):\n    print('begun', flush=True)\n    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"begun\n"
        hogs = psutil.Process(parent.pid).children()
        os.kill(parent.pid, signal.SIGKILL)
    assert len(hogs) == 4
    gone, alive = psutil.wait_procs(hogs, timeout=30)
    assert len(gone) == 4
    assert not alive


def test_a_program_whose_parent_is_gone_already_does_not_begin():
    words = [sys.executable, "-I", "-S", "-c", ENVIRONMENTS["1 CPU hog"][0], "1"]
    done = subprocess.run(words, capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (0, b"")


def test_a_program_that_does_not_begin_is_refused(monkeypatch):
    monkeypatch.setitem(disturb.ENVIRONMENTS, "broken", ("raise SystemExit(1)",))
    with pytest.raises(EnvironmentRefused, match="broken: a program that disturbs did not begin"):
        disturbed("broken").__enter__()


def test_a_program_that_ends_early_makes_the_block_worthless(monkeypatch):
    monkeypatch.setitem(disturb.ENVIRONMENTS, "short", ("import os; os.write(1, b'b')",))
    with pytest.raises(MeasurementError, match=r"short: .* ended too early"), disturbed("short"):
        time.sleep(1)
