"""Two results files of runs that were not paired: shown side by side, deciding nothing."""

from __future__ import annotations

import os
from collections.abc import Container
from dataclasses import dataclass

from bitnet_perf.analyze.baselines import why_refused
from bitnet_perf.analyze.paired.comparison import Row
from bitnet_perf.analyze.paired.unpaired import unpaired
from bitnet_perf.bench.cases import class_of
from bitnet_perf.errors import EnvironmentRefused, MeasurementError
from bitnet_perf.peers.read import read_results
from bitnet_perf.peers.results import RATE, SECOND, ResultRow, Results

__all__ = ["Unpaired", "compare_unpaired"]


@dataclass(frozen=True, slots=True)
class Unpaired:
    """Rows labelled `unpaired`, and one line for everything of the files that is not in them."""

    rows: tuple[Row, ...]
    left_out: tuple[str, ...]


def compare_unpaired(
    base: str | os.PathLike[str], candidate: str | os.PathLike[str], *, force: bool = False
) -> Unpaired:
    """The cases that both files hold, in the order of `base`; any two files of `read_results`.

    Raises EnvironmentRefused where a case was measured on two hosts, or where a record is mock or
    impossible (unless `force`); MeasurementError where the files have no case in common that can be
    compared, and for what `read_results` cannot read.
    """
    first, second = read_results(base), read_results(candidate)
    files = f"{os.fspath(base)}, {os.fspath(candidate)}"
    others = {row.case: row for row in second}
    both = [(row, others[row.case]) for row in first if row.case in others]
    if not force:
        _refuse(files, both)
    left_out = [f"{each.path}: {line}" for each in (first, second) for line in each.dropped]
    left_out += _alone(first, others.keys()) + _alone(second, {row.case for row in first})
    rows = []
    for one, other in both:
        why = _not_comparable(one, other)
        if why:
            left_out.append(f"{one.case}: {why}")
        else:
            class_ = class_of(one.case)
            rows.append(unpaired(one.case, _seconds(one), _seconds(other), class_=class_))
    if not rows:
        reasons = "; ".join(left_out[-3:])
        raise MeasurementError(f"{files}: no benchmark of both can be compared: {reasons}")
    return Unpaired(tuple(rows), tuple(left_out))


def _refuse(files: str, both: list[tuple[ResultRow, ResultRow]]) -> None:
    for one, other in both:
        differ = [
            f"{key} ({one.host[key]} and {other.host[key]})"
            for key in sorted(one.host.keys() & other.host.keys())
            if one.host[key] != other.host[key]
        ]
        if differ:
            raise EnvironmentRefused(
                f"{files}: {one.case}: times of two hosts cannot be compared: {', '.join(differ)}; "
                "measure both on one host, or force it"
            )
        for row in (one, other):
            reasons = [str(each) for each in why_refused(row) if each.rule != "no commit"]
            if reasons:
                raise EnvironmentRefused(
                    f"{row.source}: {row.case}: no measurement to compare with: "
                    f"{'; '.join(reasons)}; name another file, or force it"
                )


def _alone(results: Results, others: Container[str]) -> list[str]:
    return [f"{row.case}: only in {results.path}" for row in results if row.case not in others]


def _not_comparable(one: ResultRow, other: ResultRow) -> str | None:
    if one.unit != other.unit:
        return f"{one.unit} in one file, {other.unit} in the other"
    if one.unit not in (SECOND, RATE):
        return f"is in {one.unit}, no time"
    if min(*one.samples, *other.samples) <= 0:
        return "a rate of 0 or below"
    return None


def _seconds(row: ResultRow) -> list[list[float]]:
    """The samples of each process as times: a rate as seconds a token."""
    if row.unit == RATE:
        return [[1 / rate for rate in process] for process in row.processes()]
    return [list(process) for process in row.processes()]
