"""Results files of any supported tool."""

from __future__ import annotations

import os
from pathlib import Path

from bitnet_perf.errors import MeasurementError
from bitnet_perf.peers.fields import Document
from bitnet_perf.peers.readers import READERS, reader
from bitnet_perf.peers.results import Results

__all__ = ["is_results", "read_results"]

SUFFIXES = (".json", ".jsonl", ".csv", ".sql", ".json.gz")


def read_results(path: str | os.PathLike[str]) -> Results:
    """Read a results file of another tool; the form is told by its content, never by its name.

    Read are pyperf, Google Benchmark, pytest-benchmark, asv and nvbench JSON, Criterion folders,
    `llama-bench` (json, jsonl, csv, sql), and of BitNet.rs `xtask benchmark --json`, both receipts,
    the baselines and the records of its gates. Times come in seconds.

    The result is a sequence of rows: case, samples, unit, host, source; `dropped` says what was
    seen and left out. Records are read as they stand: `analyze.baselines.why_refused` says which of
    them nothing may be measured against.

    Raises MeasurementError: for a file that is broken, of no known form or of two, naming file,
    field, what was found and what is accepted (such an error is a FormatError too), and for one
    that holds no measurement.
    """
    document = Document(path)
    owners = [name for name in READERS if reader(name).owns(document)]
    if len(owners) != 1:
        known = ", ".join(reader(name).LABEL for name in owners or READERS)
        if owners:
            document.fail("", f"reads as {known}", "a file of one form")
        why = "" if document.folder else document.why_no_json
        document.fail("", f"no known form{f' ({why})' if why else ''}", known)
    results = reader(owners[0]).read(document).results(owners[0])
    if not results:
        reasons = "; ".join(results.dropped[:3]) or "it lists no benchmark"
        raise MeasurementError(f"{document.name}: nothing was measured: {reasons}")
    return results


def is_results(path: str) -> bool:
    """Whether a word of the command line names a results file, or Criterion's folder."""
    place = Path(path)
    if place.is_dir():
        return place.name == "criterion" or (place / "criterion").is_dir()
    return path.lower().endswith(SUFFIXES)
