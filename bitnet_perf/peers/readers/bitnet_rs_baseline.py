"""Baselines that BitNet.rs keeps: `baselines/*.json`, `ci/baseline.json`, `crossval/baselines.json`
and the parity records of `docs/baselines`. Each is of another form."""

from __future__ import annotations

from collections.abc import Callable

from bitnet_perf.peers.bitnet_rs.records import stated
from bitnet_perf.peers.fields import Document, Node
from bitnet_perf.peers.results import BYTE, RATE, Claims, Table

LABEL = "BitNet.rs baselines"


def owns(document: Document) -> bool:
    """The keys of one of the forms."""
    return any(keys <= document.keys() for keys, _ in FORMS)


def read(document: Document) -> Table:
    """Rows in tokens a second, one for each model or platform."""
    table = Table(document)
    parse = next(parse for keys, parse in FORMS if keys <= document.keys())
    parse(table, document.root)
    return table


def _metrics(table: Table, root: Node) -> None:
    """`baselines/*.json`: one model on one device, `MODEL/decode/BACKEND`."""
    metrics = root["metrics"]
    rate, middle = metrics["tok_s"], metrics["latency_p50_ms"]
    case = f"{root['model']['name'].text()}/decode/{root['device']['backend'].text()}"
    claims = Claims(commit=root["git"]["sha"].text_or_none(), middle=stated(middle))
    table.add(case, [[rate.number()]], rate, unit=RATE, claims=claims)
    _drop_rest(table, metrics, "tok_s")


def _ci(table: Table, root: Node) -> None:
    """`ci/baseline.json`: models by device, `MODEL/decode/DEVICE`; rss_mb are kB / 1024."""
    metadata = root["metadata"]
    for device in ("cpu", "gpu"):
        host = {key: metadata[key].value for key in ("cpu", device)}
        for name, model in root[device].fields() if root[device] else ():
            rate, memory = model["tok_s"], model["rss_mb"]
            case = f"{name}/decode/{device}"
            table.add(case, [[rate.number()]], rate, unit=RATE, host=host)
            if memory:
                peak = [[memory.positive() * 2**20]]
                table.add(f"{name}/rss/{device}", peak, memory, unit=BYTE, host=host)


def _platforms(table: Table, root: Node) -> None:
    """`crossval/baselines.json`: implementations by platform, `IMPLEMENTATION/decode/PLATFORM`."""
    for platform, implementations in root["baselines"].fields():
        for name, metrics in implementations.fields():
            rate = metrics["throughput_tokens_per_second"]
            if name == "performance_ratios":
                table.drop(metrics, "ratios of the rows beside them")
            elif not metrics.object():
                table.drop(metrics, "nothing is recorded")
            else:
                claims = Claims(middle=stated(metrics["latency_p50_ms"]))
                case, host = f"{name}/decode/{platform}", {"os": platform}
                table.add(case, [[rate.number()]], rate, unit=RATE, host=host, claims=claims)
                _drop_rest(table, metrics, "throughput_tokens_per_second")


def _parity(table: Table, root: Node) -> None:
    """`docs/baselines/*/parity-*.json`: tokens and logits of two programs."""
    table.drop(root["parity"], "a parity record compares tokens and logits, and times nothing")


def _drop_rest(table: Table, metrics: Node, kept: str) -> None:
    for field, value in metrics.fields():
        if field.startswith("latency_"):
            table.drop(value, "stated beside the rate, which it has to agree with")
        elif field != kept:
            table.drop(value, "is no speed, or of what is not said")


# The keys that tell a form, and what reads it.
FORMS: tuple[tuple[set[str], Callable[[Table, Node], None]], ...] = (
    ({"git", "device", "model", "metrics"}, _metrics),
    ({"cpu", "gpu", "metadata"}, _ci),
    ({"baselines", "methodology"}, _platforms),
    ({"parity", "rust", "tokenization"}, _parity),
)
