"""Records of gates that BitNet.rs keeps: a check run with its `metrics` (`ci/receipts`), and a run
with its `performance_baseline` (`docs/tdd/receipts`)."""

from __future__ import annotations

from bitnet_perf.peers.bitnet_rs.records import file_name, kernels, stated, statements
from bitnet_perf.peers.fields import Document, Node
from bitnet_perf.peers.results import RATE, Claims, Table

LABEL = "BitNet.rs gate records"
CHECK = {"check_run", "validation", "metrics"}
RUN = {"execution", "performance_baseline", "gate_decision"}


def owns(document: Document) -> bool:
    """The keys of one of the two forms."""
    return document.keys() >= CHECK or document.keys() >= RUN


def read(document: Document) -> Table:
    """Rows `.../decode/BACKEND` in tokens a second and `.../prefill/BACKEND` in seconds."""
    table = Table(document)
    if document.keys() >= CHECK:
        _check(table, document.root)
    else:
        _run(table, document.root)
    return table


def _check(table: Table, root: Node) -> None:
    """The figures by which a check run was decided; named after it."""
    check, metrics = root["check_run"], root["metrics"]
    claims = Claims(
        commit=check["head_sha"].text_or_none(),
        statements=statements(
            compute_path=root["validation"]["compute_path"], summary=check["output"]["summary"]
        ),
        tokens=metrics["tokens_generated"].count(),
        passed=check["conclusion"].value == "success",
    )
    name, backend = check["name"].text(), metrics["backend"].text()
    _rows(table, (name, backend), metrics, "tokens_per_second", claims)


def _run(table: Table, root: Node) -> None:
    """A run of one model; named after it."""
    speed = root["performance_baseline"]
    claims = Claims(
        kernels=kernels(root["kernels"]),
        statements=statements(compute_path=root["compute_path"]),
        mean=stated(speed["ms_per_token"]),
        tokens=root["output"]["generated_tokens"].count(),
        total=stated(speed["total_ms"]),
        part=stated(speed["generation_ms"]),
        passed=root["gate_decision"]["status"].value == "pass",
    )
    name = file_name(root["execution"]["model_path"].text())
    backend = root["cpu_benchmarks"]["backend"].text()
    _rows(table, (name, backend), speed, "tokens_per_sec", claims)


def _rows(table: Table, names: tuple[str, str], metrics: Node, rate: str, claims: Claims) -> None:
    """The rows of what ran on which backend."""
    name, backend = names
    value, prefill = metrics[rate], metrics["prefill_ms"]
    table.add(f"{name}/decode/{backend}", [[value.number()]], value, unit=RATE, claims=claims)
    if seconds := stated(prefill):
        table.add(f"{name}/prefill/{backend}", [[seconds.seconds]], prefill, claims=claims)
    for field, node in metrics.fields():
        if field.endswith("_ms") and field != "prefill_ms":
            table.drop(node, "stated beside the rate, or no measurement of one thing")
