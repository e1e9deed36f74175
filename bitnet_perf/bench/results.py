"""Rows out of a pyperf file: time, spread, rates and the variant that ran, per case."""

from __future__ import annotations

import os
import statistics
from typing import Any

import pyperf
from pydantic import BaseModel, ConfigDict

from bitnet_perf.errors import MeasurementError

__all__ = ["BenchRow", "read_rows", "rows_of"]


class BenchRow(BaseModel):
    """One case of one run. Times are seconds of one iteration; `spread` is the interquartile range.

    `bytes` is input plus output of an iteration, once; `ops` its operations, a multiply-add two;
    `footprint` the memory that a long loop walks through.
    """

    model_config = ConfigDict(frozen=True)

    case: str
    isa: str
    median: float
    spread: float
    values: int
    processes: int
    bytes: int
    ops: int
    footprint: int
    threads: int
    written: int = 0

    @property
    def gb_per_s(self) -> float:
        """Gigabytes (10^9) a second at the median."""
        return self.bytes / self.median / 1e9

    @property
    def gop_per_s(self) -> float:
        """Billions of operations a second at the median."""
        return self.ops / self.median / 1e9

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, the rates included."""
        return {
            **self.model_dump(mode="json"),
            "gb_per_s": self.gb_per_s,
            "gop_per_s": self.gop_per_s,
        }


def read_rows(path: str | os.PathLike[str]) -> tuple[BenchRow, ...]:
    """The rows of a pyperf file that a suite of this package wrote.

    Raises MeasurementError naming the file for one that pyperf cannot read, or whose benchmarks
    lack the metadata of a case.
    """
    try:
        suite = pyperf.BenchmarkSuite.load(os.fspath(path))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise MeasurementError(f"{os.fspath(path)}: not a pyperf file ({error})") from error
    return rows_of(suite, os.fspath(path))


def rows_of(suite: pyperf.BenchmarkSuite, source: str) -> tuple[BenchRow, ...]:
    """The rows of a suite in memory; `source` names it in errors."""
    return tuple(_row(benchmark, source) for benchmark in suite.get_benchmarks())


def _row(benchmark: pyperf.Benchmark, source: str) -> BenchRow:
    metadata = benchmark.get_metadata()
    name = benchmark.get_name()
    missing = [
        key
        for key in ("isa", "bytes", "ops", "footprint", "written", "threads")
        if key not in metadata
    ]
    if missing:
        raise MeasurementError(
            f"{source}: benchmark {name!r} lacks the metadata {', '.join(missing)}; accepted is a "
            "file written by the suites of bitnet_perf"
        )
    values = benchmark.get_values()
    low, _, high = statistics.quantiles(values, n=4) if len(values) > 1 else (values[0],) * 3
    return BenchRow(
        case=name,
        isa=metadata["isa"],
        median=statistics.median(values),
        spread=high - low,
        values=len(values),
        processes=len(benchmark.get_runs()),
        bytes=metadata["bytes"],
        ops=metadata["ops"],
        footprint=metadata["footprint"],
        written=metadata["written"],
        threads=metadata["threads"],
    )
