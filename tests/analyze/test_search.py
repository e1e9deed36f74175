"""The search for the first bad commit, over judges that know it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitnet_perf.analyze.search import first_bad


@pytest.mark.parametrize("count", range(1, 21))
def test_every_place_is_found(count):
    commits = [f"c{i}" for i in range(count)]
    for place in range(count):
        found = first_bad(commits, lambda c, at=place: "bad" if int(c[1:]) >= at else "good")
        assert found.first == f"c{place}"
        assert len(found.asked) <= math.ceil(math.log2(count)) + 1


@given(st.integers(1, 20), st.data())
def test_skipped_commits_hide_at_most_themselves(count, data):
    place = data.draw(st.integers(0, count - 1))
    skipped = data.draw(st.sets(st.integers(0, count - 1)))
    commits = [str(i) for i in range(count)]

    def judge(commit):
        return "skip" if int(commit) in skipped else "bad" if int(commit) >= place else "good"

    found = first_bad(commits, judge)
    assert str(place) in found.candidates
    assert len(found.asked) == len(dict(found.asked))  # nobody is asked twice
    hidden = [int(c) for c in found.candidates[:-1]]
    assert set(hidden) <= skipped
    assert (found.first is not None) == (not hidden)
