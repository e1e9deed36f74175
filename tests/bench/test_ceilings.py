"""Limits of the host: what is measured and which limit holds where. No figure is judged."""

import pytest

import bitnet_perf as bp
from bitnet_perf import _native
from bitnet_perf.bench.ceilings import Ceilings, measure_ceilings, stream_probes

MIB = 1 << 20


@pytest.fixture(scope="module")
def ceilings():
    return measure_ceilings(threads=2, rounds=2, memory=80 * MIB)


def test_every_level_and_every_pattern_for_both_teams(ceilings):
    for threads in (1, 2):
        levels = [r.level for r in ceilings.reads if r.threads == threads]
        assert levels[-1] == "memory"
        assert len(set(levels)) == len(levels)
    assert all(len(limit.patterns) >= 4 for limit in ceilings.reads)
    assert len(ceilings.writes) == len(ceilings.reads)
    for limit in (*ceilings.reads, *ceilings.writes):
        assert limit.gb_per_s == limit.patterns[limit.pattern] == max(limit.patterns.values())
        assert limit.spread >= 0
    assert [r.bytes for r in ceilings.reads if r.level == "memory"] == [80 * MIB] * 2


def test_every_isa_that_runs_has_a_peak(ceilings):
    runs = {row[2] for row in _native.kernels() if not row[3]}
    for threads in (1, 2):
        assert {m.isa for m in ceilings.macs if m.threads == threads} == runs
        assert ceilings.mac_limit("scalar", threads).gop_per_s > 0
    assert ceilings.mac_limit("scalar", 7) is None


def test_the_limit_follows_the_footprint(ceilings):
    assert ceilings.read_limit(1 << 34, 1).level == "memory"
    assert ceilings.read_limit(1024, 1).level == ceilings.reads[0].level
    assert ceilings.read_limit(1 << 34, 5) is None
    assert ceilings.read_limit(1 << 34, 2, writes=True) == ceilings.writes[-1]


def test_saved_and_loaded(ceilings, tmp_path):
    file = ceilings.save(tmp_path / "c.json")
    assert Ceilings.load(file) == ceilings
    file.write_text(file.read_text().replace('"gb_per_s"', '"gb"'))
    with pytest.raises(bp.MeasurementError, match="gb_per_s"):
        Ceilings.load(file)


def test_probes_read_as_much_as_asked():
    assert set(stream_probes(5000, 1).values()) >= {"host/probe_read/plain/5120/t1"}
    assert stream_probes(1 << 30, 2)["plain"] == "host/probe_read/plain/16777216-1024mb/t2"
