"""Placement under limits: pure functions."""

import pytest

import bitnet_perf as bp
from bitnet_perf.analyze.roofline import check_places, place

GB, GOP = 10**9, 10**9


def at(bytes_, ops, read=("memory", 20.0), mac=300.0, seconds=1.0):
    return place("forward/gemv/i2_s/1x1/t1", "x86_avx2", seconds, (bytes_, ops), read=read, mac=mac)


def test_memory_bound():
    found = at(18 * GB, 150 * GOP)
    assert (found.bound, found.part) == ("memory", pytest.approx(0.9))
    assert found.compute == pytest.approx(0.5)
    assert found.words() == "memory-bound, 90 % of memory bandwidth"


def test_compute_bound():
    found = at(2 * GB, 150 * GOP, seconds=0.5)
    assert (found.bound, found.part) == ("compute", pytest.approx(1.0))
    assert found.gb_per_s == pytest.approx(4.0)
    assert found.gop_per_s == pytest.approx(300.0)
    assert found.words() == "compute-bound, 100 % of x86_avx2 peak"


def test_no_operations_or_no_limit():
    assert at(10 * GB, 0).bound == "memory"
    assert at(10 * GB, 0).compute is None
    assert at(0, GOP, read=None).bound == "compute"
    nothing = at(GB, GOP, read=None, mac=None)
    assert (nothing.bound, nothing.part, nothing.over) == ("unknown", None, False)
    assert nothing.words() == "no limit measured"


@pytest.mark.parametrize(("gb", "over"), [(20, False), (20.6, False), (20.7, True), (40, True)])
def test_above_103_percent_is_an_error(gb, over):
    found = at(int(gb * GB), 0)
    assert found.over is over
    if over:
        with pytest.raises(bp.MeasurementError, match="gemv/i2_s/1x1/t1 on x86_avx2: memory-bound"):
            check_places([at(GB, 0), found])
    else:
        check_places([found])


def test_compute_above_its_limit_is_an_error_too():
    with pytest.raises(bp.MeasurementError, match="compute-bound, 110 %"):
        check_places([at(GB, 330 * GOP)])


def test_no_time_is_refused():
    with pytest.raises(bp.MeasurementError, match="seconds"):
        at(GB, GOP, seconds=0.0)


def test_reads_and_writes_have_limits_of_their_own():
    work = (10 * GB, 0)
    read = ("memory", 10.0)
    found = place("x", "scalar", 1.0, work, read=read, mac=None, write=(8 * GB, 16.0))
    assert found.memory == pytest.approx(0.5)
    found = place("x", "scalar", 1.0, work, read=read, mac=None, write=(2 * GB, 16.0))
    assert found.memory == pytest.approx(0.8)


def test_a_memory_limit_counts_with_its_best_sample_where_that_is_known():
    def found(best):
        return place("x", "scalar", 1.0, (12 * GB, 0), read=("L3", 10.0), mac=None, best=best)

    assert found(None).over
    assert not found((12.0, 12.0)).over
    assert found((11.0, 12.0)).over
    assert found((12.0, 12.0)).part == pytest.approx(1.2)
