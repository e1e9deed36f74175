"""Trends: what is one, in which order, what they are measured in, and where their level moved."""

from __future__ import annotations

import pytest
from review.points import GEMV, OTHER, OWN, PACK, commit_id, day, point, stepped

import bitnet_perf as bp
from bitnet_perf.store.history import Store
from bitnet_perf.store.records import Source


@pytest.fixture
def stored(tmp_path):
    """Adds points as one source each time; gives the history."""
    url = f"sqlite:///{tmp_path / 'h.db'}"
    numbers = iter(range(1000))

    def add(points, cases=(), **fields):
        number = next(numbers)
        source = Source(f"sha{number}", "comparison", f"{number}.npz", day(number), **fields)
        Store(url, create=True).add(source, points)
        return bp.history(url, cases)

    return add


def test_a_step_is_found_at_its_commit(stored):
    found = stored(stepped(40, 25, 0.1), verdict="pass", route="x", dropped=("y",))
    ((trend, moved),) = found.changes()
    assert (moved.commit, moved.before, moved.index) == (commit_id(25), commit_id(24), 25)
    assert moved.size == pytest.approx(0.1, abs=0.02)
    assert (moved.rule, trend.words(moved)) == ("e-divisive", "slower")
    assert (trend.label, trend.place, trend.unit) == ("trend on this host", "this host", "second")
    assert (found.runs[0].verdict, found.runs[0].dropped) == ("pass", ("y",))


def test_short_trends_have_the_fence(stored):
    ((_, moved),) = stored(stepped(20, 15, 0.3)).changes()
    assert (moved.commit, moved.rule, moved.p) == (commit_id(15), "fence", None)


@pytest.mark.parametrize(
    ("unit", "size", "word"),
    [("second", 0.3, "slower"), ("second", -0.3, "faster"), ("token/second", 0.3, "faster"),
     ("token/second", -0.3, "slower"), ("byte", 0.3, "more"), ("byte", -0.3, "less")],
)  # fmt: skip
def test_what_a_change_means_depends_on_the_unit(unit, size, word, stored):
    ((trend, moved),) = stored(stepped(20, 15, size, unit=unit)).changes()
    assert trend.words(moved) == word


def test_commits_stand_in_the_order_in_which_they_were_made(stored):
    stored([point(3, 3.0), point(1, 1.0)])
    (trend,) = stored([point(2, 2.0, measured=day(90)), point(4, 4.0, measured=day(0))]).trends
    assert trend.values == pytest.approx((1.0, 2.0, 3.0, 4.0))
    assert [step.commit for step in trend.steps] == [commit_id(n) for n in (1, 2, 3, 4)]


def test_one_commit_is_one_step(stored):
    first = point(1, 2.0, verdict="pass", slowdown=0.01)
    stored([first, point(2, 5.0, verdict="concern")])
    again = point(1, 8.0, measured=day(60), verdict="action", slowdown=0.2)
    (trend,) = stored([again, point(1, 4.0, measured=day(70))]).trends
    one, two = trend.steps
    assert one.value == pytest.approx(4.0)  # the geometric mean of 2, 8 and 4
    assert (one.count, one.verdict, one.slowdown) == (3, "action", 0.2)
    assert (two.count, two.verdict) == (1, "concern")


def test_points_without_a_commit_are_steps_of_their_own(stored):
    fields = {"commit": "", "committed": None}
    found = stored([point(2, 2.0, **fields), point(1, 1.0, **fields), point(2, 3.0, **fields)])
    assert found.trends[0].values == pytest.approx((1.0, 2.0, 3.0))


@pytest.mark.parametrize(
    "fields",
    [{"isa": "x86_avx2"}, {"compiler": "clang"}, {"threads": 2}, {"case": PACK}, {"unit": "byte"}],
)
def test_variants_are_not_mixed(fields, stored):
    found = stored([point(1, 1.0), point(2, 2.0, **fields)])
    assert [len(trend.steps) for trend in found.trends] == [1, 1]


def test_hosts_are_not_mixed_but_as_multiples_of_an_anchor(stored):
    own = [point(n, 1.0, compute=10.0, streaming=0.1) for n in (1, 2)]
    other = [point(n, 3.0, host=OTHER, compute=12.0, streaming=0.3) for n in (2, 3)]
    first, second, both = stored([*own, *other]).trends
    assert (first.values, first.this_host, second.this_host) == ((1.0, 1.0), True, False)
    assert second.label == "trend on another host, foreign"
    assert both.label == "trend over 2 hosts, times the compute anchor"
    assert both.values == pytest.approx((10.0, 120**0.5, 12.0))
    assert (both.hosts, both.this_host) == (("own", "foreign"), False)


def test_a_case_that_streams_has_the_streaming_anchor(stored):
    case = "forward/gemv/i2_s/64x64-512mb/t1"
    *_, both = stored(
        [point(1, 1.0, case=case, host=host, streaming=0.5) for host in (OWN, OTHER)]
    ).trends
    assert (both.measure, both.values) == ("streaming", pytest.approx((0.5,)))


def test_without_an_anchor_hosts_stay_apart(stored):
    found = stored([point(1, 1.0, compute=1.0), point(1, 1.0, host=OTHER)])
    assert [trend.measure for trend in found.trends] == ["value", "value"]


def test_globs_and_results(stored, tmp_path):
    found = stored([*stepped(40, 25, 0.1), point(1, 1.0, case=PACK)], ["gemv/*"])
    assert {trend.case for trend in found.trends} == {GEMV}
    assert len(found.rows()) == len(found.to_frame()) == 40
    assert found.rows()[3]["commit"] == commit_id(3)
    assert "trend on this host" in found._repr_html_()
    assert found.to_dict()["trends"][0]["label"] == "trend on this host"
    path = found.save(tmp_path / "h.json")
    assert bp.History.load(path) == found
    path.write_text('{"version": 2}')
    with pytest.raises(bp.FormatError, match=r"h.json: version: Input should be 1"):
        bp.History.load(path)
    with pytest.raises(bp.FormatError, match="cannot be read"):
        bp.History.load(tmp_path / "nosuch")


def test_a_plot_shows_every_level(stored):
    found = stored([*stepped(40, 25, 0.1), *stepped(40, 50, 0, host=OTHER)])
    axes = found.plot()
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        f"{GEMV} scalar, this host",
        f"{GEMV} scalar, another host",
    ]
    marked = [line for line in axes.lines if line.get_color() == "black" and len(line.get_xdata())]
    assert [25] in [list(line.get_xdata()) for line in marked]


@pytest.mark.parametrize("count", [0, 12])
def test_a_plot_of_too_many_or_none_is_refused(count, stored):
    found = stored([point(1, 1.0, threads=n + 1) for n in range(count)])
    with pytest.raises(bp.ConfigError, match=rf"found {count} trends, accepted are 1 to 11"):
        found.plot()


def test_names_are_no_mathematics(stored):
    axes = stored([point(1, 1.0, case="a/$x^$/b/c/t1")]).plot()
    axes.figure.canvas.draw()
