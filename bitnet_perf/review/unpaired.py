"""Two pyperf files of runs that were not paired: shown side by side, deciding nothing."""

from __future__ import annotations

import os

from bitnet_perf.analyze.paired.comparison import Row
from bitnet_perf.analyze.paired.unpaired import unpaired
from bitnet_perf.bench.cases import class_of
from bitnet_perf.bench.paired.interchange import read_pyperf
from bitnet_perf.errors import EnvironmentRefused, MeasurementError

__all__ = ["compare_unpaired"]


def compare_unpaired(
    base: str | os.PathLike[str], candidate: str | os.PathLike[str], *, force: bool = False
) -> tuple[Row, ...]:
    """Rows labelled `unpaired` of the benchmarks that both files hold, in the order of `base`.

    Raises EnvironmentRefused where the files tell of two hosts (unless `force`), MeasurementError
    where they have no benchmark in common, FormatError for what is no pyperf file.
    """
    first, second = read_pyperf(base), read_pyperf(candidate)
    differ = [
        f"{key} ({first.host[key]} and {second.host[key]})"
        for key in first.host.keys() & second.host.keys()
        if first.host[key] != second.host[key]
    ]
    if differ and not force:
        raise EnvironmentRefused(
            f"{os.fspath(base)}, {os.fspath(candidate)}: times of two hosts cannot be compared: "
            f"{', '.join(sorted(differ))}; measure both on one host, or force it"
        )
    rows = [
        unpaired(name, first[name], second[name], class_=class_of(name))
        for name in first
        if first[name] and second.get(name)
    ]
    if not rows:
        raise MeasurementError(
            f"{os.fspath(base)}, {os.fspath(candidate)}: no benchmark stands in both"
        )
    return tuple(rows)
