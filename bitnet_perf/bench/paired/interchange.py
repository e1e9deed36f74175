"""Comparisons for pyperf's own tools, and pyperf files of other runs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import pyperf

from bitnet_perf.bench.paired.raw import CANARY, Raw
from bitnet_perf.errors import FormatError, MeasurementError
from bitnet_perf.files import write_atomic

__all__ = ["PyperfRuns", "read_pyperf", "write_pyperf"]

SIDES = ("base", "candidate")
# What must be equal where times of two files are set side by side; names of hosts say nothing.
HOST_KEYS = ("cpu_model_name", "cpu_count", "platform")
LARGEST = 64 << 20  # bytes of a pyperf file


def write_pyperf(raw: Raw, folder: Path) -> tuple[Path, Path]:
    """Write both sides as base.json and candidate.json, for pyperf; their paths.

    A benchmark is a case, a run one process, its values the samples in order, in seconds of one
    iteration by the wall clock; warm-ups are not in the raw file. Raises MeasurementError where
    nothing was timed, FormatError for what a pyperf file cannot hold.
    """
    try:
        suites = [_suite(raw, side) for side in range(2)]
    except ValueError as error:  # a time below what it counts in, a name of spaces
        raise FormatError(
            f"pyperf: {error}; the raw file holds what pyperf files cannot"
        ) from error
    if not all(suites):
        raise MeasurementError("pyperf: nothing was timed, so there is nothing to write")
    paths = []
    for name, benchmarks in zip(SIDES, suites, strict=True):
        text = StringIO()
        pyperf.BenchmarkSuite(benchmarks).dump(text)
        paths.append(write_atomic(folder / f"{name}.json", text.getvalue()))
    return paths[0], paths[1]


def _suite(raw: Raw, side: int) -> list[pyperf.Benchmark]:
    found = []
    for number, case in enumerate(raw.cases()):
        runs = []
        for look in raw.looks(number):
            if look == CANARY:
                continue
            samples = raw.samples(number, look)
            for pair in range(samples.pairs):
                rows = slice(samples.starts[pair], samples.starts[pair + 1])
                values = samples.wall_ns[rows][samples.side[rows] == side] / 1e9
                metadata = _metadata(raw, number, case, side) | {"look": look}
                runs.append(pyperf.Run(values.tolist(), metadata=metadata, collect_metadata=False))
        if runs:
            found.append(pyperf.Benchmark(runs))
    return found


def _metadata(raw: Raw, number: int, case: Mapping[str, Any], side: int) -> dict[str, Any]:
    info: dict[str, Any] = {
        "name": case["name"],
        "unit": "second",
        "loops": max(1, int(raw.meta["iterations"][number])),
        "threads": int(raw.meta["threads"][number]),
        "bitnet_perf_side": SIDES[side],
    }
    isas = case.get("isas")
    if isas and isas[side]:
        info["isa"] = isas[side]
    host = raw.meta["fingerprint"]
    if isinstance(host, dict):
        for key, name, kind in (("cpu", "cpu_model_name", str), ("cores", "cpu_count", int)):
            if type(host.get(key)) is kind and host[key]:
                info[name] = host[key]
    return info


class PyperfRuns(dict[str, list[list[float]]]):
    """Benchmark -> samples in seconds of each process; `host` is what the file says of the host."""

    host: dict[str, Any]


def read_pyperf(path: str | os.PathLike[str]) -> PyperfRuns:
    """The values of a pyperf file: processes that calibrate and warm-up values are left out.

    Raises FormatError naming the file for one that pyperf cannot read, that is too large, whose
    unit is not seconds, or whose names stand twice.
    """
    name = os.fspath(path)
    try:
        if Path(path).stat().st_size > LARGEST:
            raise FormatError(f"{name}: is larger than {LARGEST >> 20} MiB, which is accepted")
        suite = pyperf.BenchmarkSuite.load(name)
        benchmarks = suite.get_benchmarks()
        found = PyperfRuns()
        found.host = {key: value for key, value in suite.get_metadata().items() if key in HOST_KEYS}
        for benchmark in benchmarks:
            title = benchmark.get_name()
            if benchmark.get_unit() != "second":
                raise FormatError(
                    f"{name}: {title}: found unit {benchmark.get_unit()!r}, accepted is second"
                )
            found[title] = [
                [float(value) for value in run.values] for run in benchmark.get_runs() if run.values
            ]
    except FormatError:
        raise
    except OSError as error:
        raise FormatError(f"{name}: cannot be read ({error.strerror})") from error
    except Exception as error:  # pyperf raises what its parsing happens to meet
        raise FormatError(f"{name}: not a pyperf file ({error})") from error
    return found
