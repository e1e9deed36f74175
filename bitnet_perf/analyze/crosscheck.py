"""Synthetic against realistic: what the kernel suite predicts for a run end to end, and what that
run measured.

A kernel that takes a share s of a run and becomes slower by c makes the run slower by s * c. Summed
over the kernels that were timed by themselves, with the rest as it was, that is the prediction. Its
bounds are those of the kernels in quadrature, because pairs of different cases are independent.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from bitnet_perf.analyze.numbers import PROFILE, RAW, Number, part
from bitnet_perf.analyze.paired.comparison import Row
from bitnet_perf.analyze.paired.words import percent

__all__ = ["LEAST_COVERED", "XTASK", "CrossCheck", "Interval", "cross_check",
           "cross_check_benches"]  # fmt: skip

LEAST_COVERED = 0.50  # of a run's time in kernels that were timed by themselves
FORWARD = "forward/"
XTASK = "generation/xtask/benchmark/"  # a model, run by a Cargo workspace
Status = Literal["agrees", "opposite", "not seen", "not explained", "not compared"]


@dataclass(frozen=True, slots=True)
class Interval:
    """A slowdown and its bounds (0.05: 5 % slower)."""

    value: float
    low: float
    high: float

    @property
    def direction(self) -> int:
        """1 slower, -1 faster, 0 where the bounds hold 0."""
        return (self.low > 0) - (self.high < 0)


@dataclass(frozen=True, slots=True)
class CrossCheck:
    """One run end to end against the kernel suite.

    status: agrees; opposite (one is slower, the other faster); not seen (kernels changed more than
    the run did); not explained (the run changed more than its kernels); not compared. covered: the
    share of the run's time in kernels that were timed by themselves, None where nothing tells.
    kernels: (kernel, its share of the run, its slowdown). sentence: what was found, with its
    figures.
    """

    case: str
    status: Status
    predicted: Interval | None
    measured: Interval | None
    covered: float | None
    kernels: tuple[tuple[str, float, float], ...]
    sentence: str

    @property
    def finding(self) -> bool:
        """Whether a report has to show it: the two disagree in direction."""
        return self.status == "opposite"

    @property
    def numbers(self) -> tuple[Number, ...]:
        """The figures with their records."""
        found = []
        if self.covered is not None:
            found.append(part("covered", self.covered, PROFILE, self.case))
        for name, each in (("predicted", self.predicted), ("measured", self.measured)):
            if each is not None:
                found += [
                    part(f"{name}{which}", value, RAW, self.case)
                    for which, value in (("", each.value), (" at least", each.low),
                                         (" at most", each.high))
                ]  # fmt: skip
        return tuple(found)

    @property
    def file(self) -> str:
        """The record that its figures follow from."""
        return RAW if self.covered is None else PROFILE

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, `finding` included."""
        return {**asdict(self), "finding": self.finding}


def cross_check(
    rows: Iterable[Row], shares: Mapping[str, Mapping[str, float]]
) -> tuple[CrossCheck, ...]:
    """Check every run of `shares` against the kernel cases of `rows`.

    shares: for each case that runs end to end, the share of its base's time in each kernel, which
    is called family/format or family/format/isa. A run that `rows` lack is not compared.
    """
    judged = list(rows)
    kernels = _kernels(judged, shares.keys())
    by_case = {row.case: row for row in judged}
    return tuple(
        _check(case, _interval(by_case.get(case)), own, kernels) for case, own in shares.items()
    )


def cross_check_benches(rows: Iterable[Row]) -> tuple[CrossCheck, ...]:
    """Check every model that a Cargo workspace ran against the mean of its forward benches.

    What part of a run each bench stands for is not known, so that directions alone are compared.
    """
    judged = list(rows)
    forward = [row for row in judged if row.case.startswith(FORWARD)]
    benches = [found for row in forward if (found := _interval(row)) is not None]
    return tuple(
        _check_benches(row.case, _interval(row), benches)
        for row in judged
        if row.case.startswith(XTASK)
    )


def _check_benches(case: str, measured: Interval | None, benches: Sequence[Interval]) -> CrossCheck:
    if measured is None or not benches:
        why = "it was not timed" if measured is None else "no forward bench was timed"
        sentence = f"{case} is not compared with the forward benches: {why}."
        return CrossCheck(case, "not compared", None, measured, None, (), sentence)
    predicted = _mean(benches)
    status: Status = "not seen" if predicted.direction else "not explained"
    if predicted.direction == measured.direction:
        status = "agrees"
    elif predicted.direction * measured.direction < 0:
        status = "opposite"
    sentence = (
        f"{case}: the mean of {len(benches)} forward benches is {_words(predicted)}, measured were "
        f"{_words(measured)}, {_WORDS[status]}."
    )
    return CrossCheck(case, status, predicted, measured, None, (), sentence)


def _kernels(rows: Sequence[Row], runs: Iterable[str]) -> dict[str, Interval]:
    """The mean change of the cases of each kernel."""
    whole = set(runs)
    groups: dict[str, list[Interval]] = {}
    for row in rows:
        found = _interval(row)
        if found is not None and row.case not in whole:
            family, format = (*row.case.split("/"), "", "", "")[1:3]
            groups.setdefault(f"{family}/{format.replace('.', '_')}", []).append(found)
    return {name: _mean(group) for name, group in groups.items()}


def _interval(row: Row | None) -> Interval | None:
    if row is None:
        return None
    if row.verdict == "identical":
        return Interval(0.0, 0.0, 0.0)
    if row.slowdown is None or row.low is None or row.high is None:
        return None
    return Interval(row.slowdown, row.low, row.high)


def _mean(group: Sequence[Interval]) -> Interval:
    return _sum([(1 / len(group), each) for each in group])


def _sum(weighted: Sequence[tuple[float, Interval]]) -> Interval:
    """Weighted changes added up, bounds in quadrature."""
    value = sum(weight * each.value for weight, each in weighted)
    below = math.hypot(*(weight * (each.value - each.low) for weight, each in weighted))
    above = math.hypot(*(weight * (each.high - each.value) for weight, each in weighted))
    return Interval(value, value - below, value + above)


def _check(
    case: str,
    measured: Interval | None,
    shares: Mapping[str, float],
    kernels: Mapping[str, Interval],
) -> CrossCheck:
    own: dict[str, float] = {}
    for name, share in shares.items():
        kernel = "/".join(name.split("/")[:2])
        own[kernel] = own.get(kernel, 0.0) + share
    timed = {name: share for name, share in own.items() if name in kernels}
    covered = sum(timed.values())
    parts = tuple(
        (name, share, kernels[name].value)
        for name, share in sorted(timed.items(), key=lambda each: -each[1])
    )
    if measured is None or covered < LEAST_COVERED:
        why = (
            "it was not timed"
            if measured is None
            else f"the suite times kernels of {100 * covered:.0f} % of its time, fewer than "
            f"{100 * LEAST_COVERED:.0f} %"
        )
        sentence = f"{case} is not compared with the kernel suite: {why}."
        return CrossCheck(case, "not compared", None, measured, covered, parts, sentence)
    predicted = _sum([(share, kernels[name]) for name, share in timed.items()])
    status = _status(predicted, measured)
    return CrossCheck(
        case, status, predicted, measured, covered, parts, _sentence(case, status, predicted,
                                                                     measured, covered)
    )  # fmt: skip


def _status(predicted: Interval, measured: Interval) -> Status:
    if predicted.direction * measured.direction < 0:
        return "opposite"
    if predicted.low <= measured.high and measured.low <= predicted.high:
        return "agrees"
    return "not seen" if abs(predicted.value) > abs(measured.value) else "not explained"


_WORDS: dict[Status, str] = {
    "agrees": "which agree",
    "opposite": "which disagree in direction",
    "not seen": "so the change of its kernels is not seen end to end",
    "not explained": "more than its kernels explain",
}


def _sentence(
    case: str, status: Status, predicted: Interval, measured: Interval, covered: float
) -> str:
    return (
        f"{case}: its kernels ({100 * covered:.0f} % of its time) "
        f"predict {_words(predicted)}, measured were {_words(measured)}, {_WORDS[status]}."
    )


def _words(each: Interval) -> str:
    return f"{percent(each.value)} ({percent(each.low)} to {percent(each.high)})"
