"""pyperf JSON, version 1.0: `pyperf`'s own form, also of `bitnet-perf bench` and `compare`.

Common metadata stands at the file and at each benchmark, the rest at each run; `values` are those
of one iteration. A run without values calibrated; warm-ups are no samples.
"""

from __future__ import annotations

from typing import Any

from bitnet_perf.peers.fields import Document, Node
from bitnet_perf.peers.results import SECOND, Claims, Table

LABEL = "pyperf JSON"
UNITS = ("second", "byte", "integer")


def owns(document: Document) -> bool:
    """A list of benchmarks with a version, and none of the keys that others have beside them."""
    return {"benchmarks", "version"} <= document.keys() and not (
        {"machine_info", "context", "meta"} & document.keys()
    )


def read(document: Document) -> Table:
    """One row a benchmark; each process is a run."""
    root = document.root
    root["version"].one_of("1.0")
    common = _metadata(root)
    table = Table(document)
    for benchmark in root["benchmarks"].list():
        metadata = common | _metadata(benchmark)
        name = metadata.get("name")
        if not isinstance(name, str) or not name:
            benchmark["metadata"]["name"].fail("a non-empty string")
        unit = metadata.get("unit", SECOND)
        if unit not in UNITS:
            benchmark["metadata"]["unit"].fail(", ".join(UNITS))
        processes = []
        for run in benchmark["runs"].list():
            if run["values"].value:
                processes.append(run["values"].positives())
            if run["warmups"].value:
                table.drop("benchmarks[].runs[].warmups", "warm-ups and calibrations")
        if not processes:
            table.drop(benchmark, f"{name}: no values, the runs calibrated only")
            continue
        commit = metadata.get("commit_id")  # as pyperformance writes it
        claims = Claims(commit=commit if isinstance(commit, str) else None)
        table.add(name, processes, benchmark, unit=unit, host=_host(metadata), claims=claims)
    return table


def _metadata(node: Node) -> dict[str, Any]:
    return node["metadata"].object() if node["metadata"] else {}


def _host(metadata: dict[str, Any]) -> dict[str, object]:
    return {
        "cpu": metadata.get("cpu_model_name"),
        "cores": metadata.get("cpu_count"),
        "os": metadata.get("platform"),
    }
