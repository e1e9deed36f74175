"""`xtask benchmark --json` of BitNet.rs, and `bitnet-perf benchmark --json` in the same keys.

One run: `timing` in whole milliseconds, `performance` computed from it before it was rounded. Ours
holds `samples` beside them: seconds of prefill and decode of every run in one process.
"""

from __future__ import annotations

import re

from bitnet_perf.peers.bitnet_rs.records import file_name, kernels, stated, statements
from bitnet_perf.peers.fields import Document, Node
from bitnet_perf.peers.results import RATE, Claims, Table

LABEL = "xtask benchmark JSON"


def owns(document: Document) -> bool:
    """Timing and performance of a number of tokens."""
    return {"model_path", "tokens_generated", "timing", "performance"} <= document.keys()


def read(document: Document) -> Table:
    """Rows `MODEL/decode/DEVICE` in tokens a second and `MODEL/prefill/DEVICE` in seconds."""
    root = document.root
    timing, ours = root["timing"], root["samples"]
    name, device = file_name(root["model_path"].text()), root["device"].text()
    host = root["host"].object() if root["host"] else {}
    table = Table(document, {key: host.get(key) for key in ("cpu", "cores")})
    claims = _claims(root)
    if ours:
        prefill = [run["prefill"].positive() for run in ours.list()]
        rates, place = _rates(root), ours
    else:
        milliseconds = timing["prefill_ms"].number()
        prefill = [milliseconds / 1e3] if milliseconds > 0 else []
        place = root["performance"]["tokens_per_sec"]
        rates = [place.number()]
    table.add(f"{name}/decode/{device}", [rates], place, unit=RATE, claims=claims)
    if prefill:
        table.add(f"{name}/prefill/{device}", [prefill], timing["prefill_ms"], claims=claims)
    else:
        table.drop(timing["prefill_ms"], "below its resolution")
    table.drop(timing["warmup_ms"], "warming up is no measurement")
    table.drop(timing["total_ms"], "holds the warm-up")
    return table


def _rates(root: Node) -> list[float]:
    """Tokens a second of each run: the first token comes from the prompt."""
    steps = root["tokens_generated"].count() - 1
    seconds = [run["decode"].positive() for run in root["samples"].list()]
    if steps < 1 or not seconds:
        root["samples"].fail("one or more runs of two or more tokens")
    return [steps / each for each in seconds]


def _claims(root: Node) -> Claims:
    timing, read = root["timing"], root["bytes_per_token"]
    version = root["version"].text_or_none() or ""  # a commit where the build knew it
    return Claims(
        commit=version if re.fullmatch(r"[0-9a-f]{7,40}", version) else None,
        kernels=kernels(root["kernels"]),
        statements=statements(generated_text=root["generated_text"]),
        mean=stated(root["performance"]["ms_per_token"]),
        tokens=root["tokens_generated"].count(),
        total=stated(timing["total_ms"]),
        part=stated(timing["generation_ms"]),
        bytes_per_token=read.count() if read else None,
        passed=root["success"].value is True,
        error=root["error"].text_or_none(),
    )
