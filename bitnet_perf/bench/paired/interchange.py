"""Comparisons for pyperf's own tools."""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import pyperf

from bitnet_perf.bench.paired.raw import CANARY, Raw
from bitnet_perf.errors import FormatError, MeasurementError
from bitnet_perf.files import write_atomic

__all__ = ["write_pyperf"]

SIDES = ("base", "candidate")


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
