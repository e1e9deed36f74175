"""JSON of pytest-benchmark (`--benchmark-json`, `--benchmark-save`).

Times are seconds of one iteration. `stats.data` holds those of every round; files of
`--benchmark-save` without `--benchmark-save-data` lack it.
"""

from __future__ import annotations

from bitnet_perf.peers.fields import Document, Node
from bitnet_perf.peers.results import Claims, Table

LABEL = "pytest-benchmark JSON"


def owns(document: Document) -> bool:
    """`machine_info` beside `benchmarks`."""
    return {"machine_info", "benchmarks"} <= document.keys()


def read(document: Document) -> Table:
    """One row a `fullname`; all rounds are of one process."""
    root = document.root
    table = Table(document, _host(root["machine_info"]))
    claims = Claims(commit=_commit(root["commit_info"]) if root["commit_info"] else None)
    for benchmark in root["benchmarks"].list():
        name = benchmark["fullname"].text()
        stats = benchmark["stats"]
        if stats["data"]:
            samples = stats["data"].positives()
            table.drop("benchmarks[].stats", "figures that are computed from data")
        else:
            samples = (stats["median"].positive(),)
            table.drop(stats, "no data of the rounds (--benchmark-save-data): median is the sample")
        table.add(name, [samples], benchmark, claims=claims)
    return table


def _host(info: Node) -> dict[str, object]:
    cpu = info["cpu"] if isinstance(info["cpu"].value, dict) else None
    words = [info[key].value for key in ("system", "release", "machine")]
    return {
        "cpu": cpu and cpu["brand_raw"].value,
        "cores": cpu and cpu["count"].value,
        "os": " ".join(word for word in words if isinstance(word, str)),
    }


def _commit(info: Node) -> str | None:
    """The commit; none where the tree was changed or is under no version control."""
    commit = info["id"].text_or_none()
    return None if info["dirty"].value is True or commit == "unversioned" else commit
