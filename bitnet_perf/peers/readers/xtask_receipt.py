"""Receipts that `xtask benchmark` of BitNet.rs writes to `ci/inference.json`, version 1.0.0.

The model stands under `model`, the rate at the top: another form than that of bitnet-receipts,
which has the same version. The command line of BitNet.rs writes one without a rate.
"""

from __future__ import annotations

from bitnet_perf.peers.bitnet_rs.records import file_name, kernels, statements
from bitnet_perf.peers.fields import Document
from bitnet_perf.peers.results import RATE, Claims, Table

LABEL = "xtask receipt"
VERSIONS = ("1.0.0", "1.0")


def owns(document: Document) -> bool:
    """A compute path and a model, and none of what a benchmark or the other receipt holds."""
    return {"schema_version", "compute_path", "model"} <= document.keys() and not (
        {"model_info", "performance_baseline", "performance"} & document.keys()
    )


def read(document: Document) -> Table:
    """One row `MODEL/decode/BACKEND` in tokens a second."""
    root = document.root
    root["schema_version"].one_of(*VERSIONS)
    environment = root["environment"]
    table = Table(document, {"os": environment["OS"].value} if environment else {})
    claims = Claims(
        kernels=kernels(root["kernels"]),
        statements=statements(compute_path=root["compute_path"]),
        tokens=root["tokens_generated"].count(),
    )
    rate = root["tokens_per_second"]
    if rate:
        name = file_name(root["model"]["path"].text())
        case = f"{name}/decode/{root['backend'].text()}"
        table.add(case, [[rate.number()]], rate, unit=RATE, claims=claims)
    else:
        table.drop(rate, "a receipt without tokens_per_second holds no measurement")
    return table
