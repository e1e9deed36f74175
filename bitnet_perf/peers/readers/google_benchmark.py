"""JSON of Google Benchmark (`--benchmark_format=json`, `--benchmark_out`).

Every repetition is an entry of `benchmarks` with the time of one iteration in `time_unit`;
aggregates, the fit of a complexity (BigO, RMS) and benchmarks that skipped themselves stand among
them. Counters may be NaN.
"""

from __future__ import annotations

from bitnet_perf.peers.fields import Document, Node
from bitnet_perf.peers.results import Table

LABEL = "Google Benchmark JSON"
UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
ALONE = ("median", "mean")  # aggregates that stand for a benchmark whose repetitions are not there


def owns(document: Document) -> bool:
    """`context` beside `benchmarks`."""
    return {"context", "benchmarks"} <= document.keys()


def read(document: Document) -> Table:
    """One row a `run_name`; all repetitions are of one process, and the clock is that of walls."""
    root = document.root
    table = Table(document, {"cores": root["context"]["num_cpus"].value})
    samples: dict[str, tuple[Node, list[float]]] = {}
    aggregates: dict[str, dict[str, Node]] = {}
    for entry in root["benchmarks"].list():
        name = (entry["run_name"] if entry["run_name"] else entry["name"]).text()
        if entry["error_occurred"].value or entry["skipped"].value:
            message = entry["error_message"].text_or_none() or entry["skip_message"].text_or_none()
            table.drop(entry, f"{name}: {message or 'skipped without a reason'}")
        elif entry["run_type"].value == "aggregate":
            aggregates.setdefault(name, {})[entry["aggregate_name"].text()] = entry
        elif entry["real_time"].value == 0:
            table.drop(entry, f"{name}: real_time 0, below what the clock resolves")
        else:
            samples.setdefault(name, (entry, []))[1].append(_seconds(entry))
    for name, (first, values) in samples.items():
        table.add(name, [values], first)
    for name, found in aggregates.items():
        _drop_aggregates(table, name, found, alone=name not in samples)
    if samples:
        table.drop("benchmarks[].cpu_time", "samples are real_time")
    return table


def _seconds(entry: Node) -> float:
    unit: str = entry["time_unit"].one_of(*UNITS)
    return entry["real_time"].positive() * UNITS[unit]


def _drop_aggregates(table: Table, name: str, found: dict[str, Node], *, alone: bool) -> None:
    """Aggregates are computed from the repetitions; where those are missing, one stands for all."""
    kept = next((each for each in ALONE if each in found), None) if alone else None
    if kept is not None:
        table.add(name, [[_seconds(found[kept])]], found[kept])
        table.drop(found[kept], f"its repetitions are not in the file: {kept} is the one sample")
    for aggregate, entry in found.items():
        if aggregate != kept:
            table.drop(entry, f"aggregate {aggregate[:60]}, no measurement of its own")
