"""The first commit that made a case slower, by paired comparisons with the good end."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from bitnet_perf.analyze.paired.comparison import Row
from bitnet_perf.analyze.paired.rules import Budget, Rules
from bitnet_perf.analyze.paired.verdict import ALARMS
from bitnet_perf.analyze.search import Answer, Found, first_bad
from bitnet_perf.bench import revisions
from bitnet_perf.bench.fingerprint import Fingerprint, fingerprint, refuse_other_host
from bitnet_perf.bench.paired.sides import Side
from bitnet_perf.errors import ConfigError, FormatError, MeasurementError
from bitnet_perf.files import write_atomic
from bitnet_perf.review.compare import compare

__all__ = ["Bisection", "Step", "bisect"]

OnProgress = Callable[[float, str], None]
Measure = Callable[[str, str, Rules], Row]  # (good, commit, rules) -> the judged case
GOOD = ("pass", "improved", "identical")
MARGIN = 8  # the guard is that part of the slowdown


class Step(BaseModel):
    """One commit that was compared with the good end, or why it was skipped."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    commit: str
    answer: Answer
    slowdown: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""


class _State(BaseModel):
    """What a bisection that was interrupted goes on with."""

    model_config = ConfigDict(extra="forbid")

    version: int = 1
    good: str
    bad: str
    case: str
    host: Fingerprint
    end: Step | None = None  # the bad end
    steps: list[Step] = []


@dataclass(frozen=True)
class Bisection:
    """The result: what the bad end costs, each step, and the commits that can be the first bad."""

    case: str
    good: str
    bad: str
    end: Step
    steps: tuple[Step, ...]
    found: Found
    subjects: dict[str, str]
    changed: tuple[str, ...]

    @property
    def first(self) -> str | None:
        """The first bad commit, None where skipped ones hide it."""
        return self.found.first

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "case": self.case,
            "good": self.good,
            "bad": self.bad,
            "first_bad": self.first,
            "candidates": [
                {"commit": name, "subject": self.subjects[name]} for name in self.found.candidates
            ],
            "end": self.end.model_dump(),
            "steps": [step.model_dump() for step in self.steps],
            "changed": list(self.changed),
        }


def bisect(
    good: str,
    bad: str,
    case: str,
    *,
    repository: str | os.PathLike[str] = ".",
    state: str | os.PathLike[str] | None = None,
    on_progress: OnProgress | None = None,
    measure: Measure | None = None,
) -> Bisection:
    """The first commit after `good`, up to `bad`, from which on `case` is slower.

    The bad end is compared first; what a commit must exceed to be bad is half of its slowdown. An
    inconclusive commit is compared once more with twice the pairs, then skipped; one that does not
    build is skipped. `state` names a file that keeps every answer, so that an interrupted search
    goes on. `measure` is how a commit is compared (the paired comparison).

    Raises ConfigError where `good` is not on the line of first parents of `bad`, and where `bad` is
    not slower; MeasurementError where that could not be judged, FormatError for a state of another
    search, EnvironmentRefused for a state of another host and for what this host lacks.
    """
    root = revisions.repository_root(repository)
    ends = revisions.resolve(root, good), revisions.resolve(root, bad)
    if case.count("/") != 4 or set(case) & set("*?["):
        raise ConfigError(f"case: found {case!r}, accepted is the whole name of one case")
    commits = revisions.commits_between(root, *ends, first_parent=True)
    if not commits:
        raise ConfigError(f"bad: {bad} does not come after {good}: name the good commit first")
    if revisions.parent(root, commits[0]) != ends[0]:
        raise ConfigError(
            f"good: {good} is not on the line of first parents of {bad}; name their merge base"
        )
    host = fingerprint()
    kept = _read_state(state, _State(good=ends[0], bad=ends[1], case=case, host=host))
    search = _Search(root, kept, state, measure or _paired(root, case, on_progress), on_progress)
    end = search.end()
    found = first_bad(commits, lambda commit: search.answer(commit, end))
    before = found.candidates[0] + "^"
    return Bisection(
        case,
        *ends,
        end,
        tuple(kept.steps),
        found,
        {name: revisions.subject(root, name) for name in found.candidates},
        revisions.changed_files(root, revisions.resolve(root, before), found.candidates[-1]),
    )


class _Search:
    """Asks for answers that the state does not hold, and keeps each."""

    def __init__(
        self,
        root: Path,
        kept: _State,
        path: str | os.PathLike[str] | None,
        measure: Measure,
        on_progress: OnProgress | None,
    ) -> None:
        self._root, self._kept, self._path, self._measure = root, kept, path, measure
        self._say = on_progress or (lambda _share, _what: None)

    def end(self) -> Step:
        """The bad end, which must be slower than the good one."""
        if self._kept.end is not None:
            return self._kept.end
        end = self._ask(self._kept.bad, Rules(), 2)
        if end.answer == "skip":
            raise MeasurementError(f"bad: {end.commit[:12]} could not be judged: {end.reason}")
        if end.low is None or end.low <= 0:
            raise ConfigError(
                f"bad: {end.commit[:12]} is not shown slower than {self._kept.good[:12]} in "
                f"{self._kept.case} ({end.reason}): there is nothing to search for"
            )
        self._kept.end = end
        self._write()
        return end

    def answer(self, commit: str, end: Step) -> Answer:
        """Good or bad, by half of what the bad end costs."""
        for step in self._kept.steps:
            if step.commit == commit:
                return step.answer
        slowdown = end.slowdown or 0.0
        budget = Budget(slowdown / 2, slowdown)
        precise = min(Rules().precise, slowdown / MARGIN)
        rules = Rules(core=budget, other=budget, guard=slowdown / MARGIN, precise=precise)
        step = self._ask(commit, rules, 1)
        self._kept.steps.append(step)
        self._write()
        return step.answer

    def _ask(self, commit: str, rules: Rules, times: int) -> Step:
        """Compare `commit`, with twice the pairs where that is not enough."""
        name = revisions.subject(self._root, commit)
        self._say(0.0, f"{commit[:12]} {name[:40]}")
        row = None
        for factor in (times, 2 * times):
            looks = tuple(factor * count for count in rules.looks)
            long = tuple(factor * count for count in rules.long_looks)
            try:
                row = self._measure(
                    self._kept.good, commit, replace(rules, looks=looks, long_looks=long)
                )
            except MeasurementError as error:
                return Step(commit=commit, answer="skip", reason=str(error))
            if row.verdict in (*ALARMS, *GOOD):
                break
        assert row is not None
        answer: Answer = "bad" if row.verdict in ALARMS else "skip"
        return Step(
            commit=commit,
            answer="good" if row.verdict in GOOD else answer,
            slowdown=row.slowdown,
            low=row.low,
            high=row.high,
            reason=row.reason,
        )

    def _write(self) -> None:
        if self._path is not None:
            write_atomic(self._path, self._kept.model_dump_json(indent=1) + "\n")


def _paired(root: Path, case: str, say: OnProgress | None) -> Measure:
    def measure(good: str, commit: str, rules: Rules) -> Row:
        base, candidate = (Side.revision(name, repository=root) for name in (good, commit))
        found = compare(base, candidate, [case], rules=rules, counts="off", on_progress=say)
        if found.interrupted:
            raise KeyboardInterrupt
        return found.rows()[0]

    return measure


def _read_state(path: str | os.PathLike[str] | None, fresh: _State) -> _State:
    """The state at `path` where that is of this search; `fresh` where there is none."""
    if path is None or not Path(path).exists():
        return fresh
    try:
        kept = _State.model_validate_json(Path(path).read_bytes())
    except (ValidationError, ValueError) as error:
        first = str(error).splitlines()[0]
        raise FormatError(f"{os.fspath(path)}: not a state of bisect ({first})") from error
    for name in ("version", "good", "bad", "case"):
        if getattr(kept, name) != getattr(fresh, name):
            raise FormatError(
                f"{os.fspath(path)}: {name}: found {getattr(kept, name)!r}, this search has "
                f"{getattr(fresh, name)!r}; name another file"
            )
    refuse_other_host(kept.host, fresh.host)
    return kept
