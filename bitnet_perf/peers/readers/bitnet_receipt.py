"""Receipts of BitNet.rs's crate bitnet-receipts, version 1.0.0.

The model stands under `model_info`, the speed under `performance_baseline`: another form than that
of `xtask`, which has the same version. Nearly every field may be missing.
"""

from __future__ import annotations

from bitnet_perf.peers.bitnet_rs.records import file_name, kernels, stated, statements
from bitnet_perf.peers.fields import Document, Node
from bitnet_perf.peers.results import RATE, Claims, Table

LABEL = "bitnet-receipts receipt"


def owns(document: Document) -> bool:
    """A compute path, a model and its speed."""
    keys = {"schema_version", "compute_path", "model_info", "performance_baseline"}
    return keys <= document.keys()


def read(document: Document) -> Table:
    """Rows `MODEL/decode/BACKEND` in tokens a second and `MODEL/first-token/BACKEND` in seconds."""
    root = document.root
    root["schema_version"].one_of("1.0.0")
    environment, speed = root["environment"], root["performance_baseline"]
    host = {"os": environment["OS"].value, "cpu": environment["CPU_BRAND"].value}
    table = Table(document, host | {"gpu": environment["GPU_INFO"].value})
    path = root["model_info"]["model_path"].text_or_none()
    name, backend = file_name(path) if path else "unnamed", root["backend"].text()
    claims = _claims(root)
    rate, first = speed["tokens_per_second"], speed["first_token_latency_ms"]
    if rate:
        case = f"{name}/decode/{backend}"
        table.add(case, [[rate.number()]], rate, unit=RATE, claims=claims)
    else:
        table.drop(rate, "missing")
    if seconds := stated(first):
        table.add(f"{name}/first-token/{backend}", [[seconds.seconds]], first, claims=claims)
    else:
        table.drop(first, "missing or 0, below its resolution")
    for field in ("total_time_ms", "average_token_latency_ms"):
        if speed[field]:
            table.drop(speed[field], "stated beside the rate, which it has to agree with")
    if speed["memory_usage_mb"]:
        table.drop(speed["memory_usage_mb"], "whether 1000 or 1024 kB make a MB is not said")
    return table


def _claims(root: Node) -> Claims:
    speed = root["performance_baseline"]
    tokens = speed["tokens_generated"]
    return Claims(
        kernels=kernels(root["kernels"]),
        statements=statements(compute_path=root["compute_path"]),
        mean=stated(speed["average_token_latency_ms"]),
        tokens=tokens.count() if tokens else None,
        total=stated(speed["total_time_ms"]),
        part=stated(speed["first_token_latency_ms"]),
    )
