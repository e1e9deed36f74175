"""Readings of the host: right on recorded files, nan where a file or a field is missing."""

import math
import os

import pytest

from bitnet_perf.bench.paired.host import allowed_cpus, load, steal_ms

STAT = """cpu  1074674 717775 222150 694160 5074 0 1855 13457 0 0
cpu0 504673 358304 105214 388242 647 0 605 6740 0 0
cpu1 570000 359471 116935 305917 4427 0 1250 6717 0 0
cpu10 1 2 3 4 5 6 7
intr 7842921 0 0
"""


@pytest.fixture
def root(tmp_path):
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/stat").write_text(STAT)
    (tmp_path / "proc/loadavg").write_text("4.92 2.90 1.98 10/113 31971\n")
    return tmp_path


def test_steal_of_one_cpu_and_of_all(root):
    tick = 1000 / os.sysconf("SC_CLK_TCK")
    assert steal_ms(0, root=root) == 6740 * tick
    assert steal_ms(1, root=root) == 6717 * tick
    assert steal_ms(-1, root=root) == 13457 * tick


def test_load_is_that_of_the_last_minute(root):
    assert load(root=root) == 4.92


@pytest.mark.parametrize("cpu", [2, 10])
def test_a_cpu_or_a_field_that_is_missing_is_nan(root, cpu):
    assert math.isnan(steal_ms(cpu, root=root))


@pytest.mark.parametrize("text", ["", "\n", "cpu0 a b c d e f g h\n", "cpu0\n", "\0\xff"])
def test_malformed_files_are_nan(root, text):
    (root / "proc/stat").write_text(text, encoding="latin-1")
    (root / "proc/loadavg").write_text(text, encoding="latin-1")
    assert math.isnan(steal_ms(0, root=root))
    assert math.isnan(load(root=root))


def test_missing_files_are_nan(tmp_path):
    assert math.isnan(steal_ms(0, root=tmp_path))
    assert math.isnan(load(root=tmp_path))


def test_allowed_cpus_follow_the_affinity(monkeypatch):
    assert allowed_cpus() == tuple(sorted(os.sched_getaffinity(0)))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {5, 3})
    assert allowed_cpus() == (3, 5)
    monkeypatch.delattr(os, "sched_getaffinity")
    assert allowed_cpus() == tuple(range(os.cpu_count()))
