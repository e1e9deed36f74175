"""Bisection of a scratch history; the comparison is a stand-in that knows the truth."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace

import pytest

import bitnet_perf as bp
from bitnet_perf.analyze.paired.comparison import Row
from bitnet_perf.review.bisect import bisect

CASE = "forward/gemv/i2_s/2560x2560/t1"
ROW = Row(
    case=CASE, verdict="pass", slowdown=0.0, low=-0.01, high=0.01, mde=0.01, pairs=8, reason="r",
    look=0, gate="pass", notes=(), class_="core", bound="unknown", clock="cpu", wall=0.0, cpu=0.0,
    clocks="agree", canaries=(),
)  # fmt: skip


@pytest.fixture
def history(tmp_path):
    """(folder, ids) of ten commits after the first; the sixth of them is the slow one."""

    def git(*words):
        identity = ("-c", "user.name=n", "-c", "user.email=e@e")
        done = subprocess.run(
            ["git", *identity, *words], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    git("init", "-q")
    ids = []
    for number in range(11):
        (tmp_path / f"file{number}").write_text(str(number))
        git("add", "-A")
        git("commit", "-q", "-m", f"change {number}")
        ids.append(git("rev-parse", "HEAD"))
    return tmp_path, ids


class Measure:
    def __init__(self, ids, slow=6, broken=(), noisy=()):
        self.ids, self.slow, self.broken, self.noisy = ids, slow, broken, noisy
        self.calls = []

    def __call__(self, good, commit, rules):
        assert good == self.ids[0]
        place = self.ids.index(commit)
        self.calls.append((place, rules))
        if place in self.broken:
            raise bp.MeasurementError("does not build")
        if place in self.noisy:
            return replace(ROW, verdict="inconclusive", reason="noise")
        if place >= self.slow:
            return replace(ROW, verdict="concern", slowdown=0.08, low=0.07, high=0.09)
        return ROW


def test_the_slow_commit_is_found(history):
    folder, ids = history
    measure = Measure(ids)
    found = bisect(ids[0], ids[10], CASE, repository=folder, measure=measure)
    assert found.first == ids[6]
    assert found.subjects[ids[6]] == "change 6"
    assert found.changed == ("file6",)
    assert measure.calls[0][0] == 10  # the bad end first
    assert len(measure.calls) <= 5
    budget = measure.calls[1][1].core
    assert (budget.concern, budget.action) == (pytest.approx(0.04), pytest.approx(0.08))


def test_commits_that_do_not_build_are_skipped_and_can_hide_it(history):
    folder, ids = history
    found = bisect(ids[0], ids[10], CASE, repository=folder, measure=Measure(ids, broken=(5, 6)))
    assert found.first is None
    assert found.found.candidates == (ids[5], ids[6], ids[7])
    assert {step.reason for step in found.steps if step.answer == "skip"} == {"does not build"}


def test_what_is_inconclusive_is_measured_with_twice_the_pairs_then_skipped(history):
    folder, ids = history
    measure = Measure(ids, slow=8, noisy=(5,))
    found = bisect(ids[0], ids[10], CASE, repository=folder, measure=measure)
    assert found.first == ids[8]
    looks = [rules.looks for place, rules in measure.calls if place == 5]
    assert looks == [(8, 20, 40), (16, 40, 80)]


def test_an_interrupted_search_goes_on(history, tmp_path_factory):
    folder, ids = history
    state = tmp_path_factory.mktemp("state") / "state.json"

    class Interrupted(Measure):
        def __call__(self, good, commit, rules):
            if len(self.calls) == 2:
                raise KeyboardInterrupt
            return super().__call__(good, commit, rules)

    with pytest.raises(KeyboardInterrupt):
        bisect(ids[0], ids[10], CASE, repository=folder, state=state, measure=Interrupted(ids))
    measure = Measure(ids)
    found = bisect(ids[0], ids[10], CASE, repository=folder, state=state, measure=measure)
    assert found.first == ids[6]
    assert 10 not in [place for place, _ in measure.calls]
    with pytest.raises(bp.FormatError, match="bad: found"):
        bisect(ids[0], ids[9], CASE, repository=folder, state=state, measure=measure)
    state.write_text("{")
    with pytest.raises(bp.FormatError, match="not a state of bisect"):
        bisect(ids[0], ids[10], CASE, repository=folder, state=state, measure=measure)


def test_ends_that_make_no_search_are_refused(history):
    folder, ids = history
    with pytest.raises(bp.ConfigError, match="not shown slower"):
        bisect(ids[0], ids[4], CASE, repository=folder, measure=Measure(ids))
    with pytest.raises(bp.ConfigError, match="does not come after"):
        bisect(ids[10], ids[0], CASE, repository=folder, measure=Measure(ids))
    for case in ("gemv/*", "forward/gemv/i2_s/*/t1"):
        with pytest.raises(bp.ConfigError, match="case: found"):
            bisect(ids[0], ids[10], case, repository=folder, measure=Measure(ids))


def test_a_good_commit_of_another_branch_is_refused(history):
    folder, ids = history
    identity = ("-c", "user.name=n", "-c", "user.email=e@e")
    for words in (
        ("checkout", "-q", "-b", "side", ids[4]),
        ("commit", "-q", "--allow-empty", "-m", "s"),
    ):
        subprocess.run(["git", *identity, *words], cwd=folder, check=True)
    with pytest.raises(bp.ConfigError, match="first parents"):
        bisect("side", ids[10], CASE, repository=folder, measure=Measure(ids))


def test_an_end_that_could_not_be_judged_is_asked_again(history, tmp_path_factory):
    folder, ids = history
    state = tmp_path_factory.mktemp("state") / "state.json"
    with pytest.raises(bp.MeasurementError, match="could not be judged: noise"):
        bisect(ids[0], ids[10], CASE, repository=folder, state=state,
               measure=Measure(ids, noisy=(10,)))  # fmt: skip
    assert not state.exists()
    found = bisect(ids[0], ids[10], CASE, repository=folder, state=state, measure=Measure(ids))
    assert found.first == ids[6]
    kept = json.loads(state.read_text())
    state.write_text(json.dumps({**kept, "host": {**kept["host"], "cpu": "another"}}))
    with pytest.raises(bp.EnvironmentRefused, match="cpu"):
        bisect(ids[0], ids[10], CASE, repository=folder, state=state, measure=Measure(ids))
