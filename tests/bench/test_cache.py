"""Cache misses: counted where a host can, simulated on request, else unavailable."""

from __future__ import annotations

from pathlib import Path

import pytest

import bitnet_perf as bp
from bitnet_perf.bench import cache, counters
from bitnet_perf.bench.cache import CacheCount, count_cache
from bitnet_perf.bench.counters import Run, Subject, Unavailable
from bitnet_perf.bench.paired.sides import own_environment

CASE = "forward/gemv/i2_s/64x256/t1"
HEAD = "events: Ir Dr Dw I1mr D1mr D1mw ILmr DLmr DLmw\n"


def subject():
    return Subject(own_environment())


def test_without_a_counter_it_is_unavailable_with_the_reason(monkeypatch):
    monkeypatch.setattr(cache, "available", lambda _: (False, "no counter here"))
    found = count_cache(subject(), CASE)
    assert found == Unavailable("no counter here; cachegrind counts on request")


def test_what_the_host_counts(monkeypatch):
    monkeypatch.setattr(cache, "available", lambda _: (True, ""))
    counted = {"perf-accesses": 40.0, "perf-misses": 0.0}
    monkeypatch.setattr(cache, "run_all", lambda _s, tool, *_: [counted[tool]])
    assert count_cache(subject(), CASE) == CacheCount(40.0, 0.0, "perf_event, last level")
    monkeypatch.setattr(cache, "run_all", lambda *_: [Unavailable("it died")])
    assert count_cache(subject(), CASE) == Unavailable("it died")


def test_cases_of_several_threads_are_not_counted():
    assert "several threads" in count_cache(subject(), CASE[:-1] + "2").why


def test_without_valgrind_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(cache.shutil, "which", lambda _: None)
    assert "apt-get install valgrind" in count_cache(subject(), CASE, simulate=True).why


def test_a_simulated_cache_is_that_of_the_loop():
    found = count_cache(subject(), CASE, simulate=True)
    if isinstance(found, Unavailable):
        pytest.skip(found.why)
    assert found.tool.startswith("cachegrind")
    assert found.accesses > 64 * 256 / 4 / 64  # its weights alone
    assert 0 <= found.misses < found.accesses


def test_events_of_a_profile(tmp_path):
    path = tmp_path / "counts.1"
    path.write_text(f"version: 1\n{HEAD}fn=(1) x\n1 5 4\ntotals: 9 8 7 6 5\n")
    assert cache._events(path)["D1mr"] == 5
    assert cache._events(path)["DLmw"] == 0  # zeros at the end are left out


@pytest.mark.parametrize("text", ["", "events: Ir\ntotals: 5\n", HEAD + "totals: a b\n"])
def test_another_file_is_refused(tmp_path, text):
    path = tmp_path / "counts.1"
    path.write_text(text)
    with pytest.raises(bp.MeasurementError, match=r"counts\.1: found events"):
        cache._events(path)


def test_hardware_counts_are_those_of_an_iteration(tmp_path):
    (tmp_path / "console").write_text("isa scalar\nloop 10\nloop 0\nloop 4\nloop 16\n")
    process = type("Ended", (), {"returncode": 0})()
    run = Run(process, Path(tmp_path), "perf-misses", False, False)
    assert cache._hardware(run) == 4.0  # three iterations more
    (tmp_path / "console").write_text("isa scalar\nloop -1\nloop 0\nloop 4\nloop 16\n")
    with pytest.raises(bp.MeasurementError, match="share its place"):
        counters.hardware_totals(run, least=0)
