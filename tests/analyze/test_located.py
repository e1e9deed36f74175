"""Where several benchmarks have more instructions in common."""

import pytest

from bitnet_perf.analyze.counts import Difference, PlaceDifference, compare_places, crate_of
from bitnet_perf.analyze.located import locate
from bitnet_perf.bench.counters import Unavailable
from bitnet_perf.peers.cargo.instructions import Counted, Place

HEAVY, LIGHT = (
    Place("alpha", "heavy", "alpha/src/lib.rs"),
    Place("beta", "light", "beta/src/lib.rs"),
)
OUTSIDE = Place("alloc", "alloc::vec::Vec<T>::push")


def counted(**costs: float) -> Counted:
    places = {"heavy": HEAVY, "light": LIGHT, "outside": OUTSIDE}
    by_place = {places[name]: cost for name, cost in costs.items()}
    return Counted(sum(costs.values()), by_place, {HEAVY: 12}, 63)


def difference(base: Counted, candidate: Counted) -> Difference:
    found = compare_places(base, candidate)
    assert isinstance(found, Difference)
    return found


def test_a_difference_by_place():
    found = difference(counted(heavy=100, light=50), counted(heavy=130, light=50, outside=5))
    assert found.change == pytest.approx(35 / 150)
    assert found.functions == (
        PlaceDifference("heavy", 100, 130, 0.2, "alpha", "alpha/src/lib.rs", 12),
        PlaceDifference("alloc::vec::Vec<T>::push", 0, 5, 5 / 150, "alloc", "", 0),
    )
    assert [row.label for row in found.functions] == [
        "heavy of alpha (alpha/src/lib.rs:12)", "alloc::vec::Vec::push of alloc",
    ]  # fmt: skip
    assert crate_of(found) == ("alpha", pytest.approx(30 / 35))


def test_a_crate_is_named_from_70_percent_on():
    base = counted(heavy=1000, light=1000)
    for heavy, crate in ((70, "alpha"), (69, None)):
        found = crate_of(difference(base, counted(heavy=1000 + heavy, light=1100 - heavy)))
        assert (found and found[0]) == crate
    assert crate_of(difference(base, counted(heavy=900, light=1000))) is None
    assert crate_of(difference(base, base)) is None


def test_every_benchmark_counts_alike():
    short = difference(counted(heavy=100), counted(heavy=120))
    long = difference(counted(heavy=1e6, light=1e6), counted(heavy=1e6, light=1.2e6))
    less = difference(counted(heavy=100), counted(heavy=20))
    found = locate([short, long, less], ["alpha", "beta"])
    assert found is not None
    assert (found.cases, found.crate, found.place.name) == (2, "alpha", "heavy")
    assert found.of_crate == found.of_place == pytest.approx(0.2 / 0.3)
    assert found.text == (
        "alpha holds 67% of the instructions added in 2 benchmarks, heavy of alpha "
        "(alpha/src/lib.rs:12) 67%"
    )


def test_nothing_is_located_where_nothing_was_added_among_the_members():
    assert locate([], ["alpha"]) is None
    assert locate([difference(counted(heavy=100), counted(heavy=90))], ["alpha"]) is None
    little = difference(counted(heavy=100), counted(heavy=101))
    assert locate([little], ["alpha"]) is None
    outside = difference(counted(heavy=100), counted(heavy=100, outside=10))
    assert locate([outside], ["alpha", "beta"]) is None


def test_a_side_without_counts():
    why = Unavailable("no Valgrind")
    assert compare_places(why, why) == why
    assert compare_places(counted(heavy=1), why) == Unavailable("candidate: no Valgrind")
    assert compare_places(counted(), counted(heavy=1)) == Unavailable("base: not one instruction")
