"""`bitnet-perf info`: what this host and this build are."""

from __future__ import annotations

import sys
from typing import Any

from bitnet_perf.cli.output import JsonOption, QuietOption, console, emit, shows_text, table


def command(json_to: JsonOption = None, quiet: QuietOption = False) -> None:
    """CPU, caches, compiler, versions, tunables, and the kernels by family with the chosen ISA.

    Example: `bitnet-perf info --json info.json`
    """
    result = _collect()
    emit(result, json_to)
    if not shows_text(json_to, quiet):
        return
    out = console()
    facts = [(name, value) for name, value in result["host"].items() if value not in (None, [])]
    out.print(table("Host", ["what", "value"], ((n, _text(v)) for n, v in facts)))
    out.print()
    rows = (
        (row["family"], row["format"], row["isa"], "chosen" if row["chosen"] else _state(row))
        for row in result["kernels"]
    )
    rows_of_tunables = (
        (r["name"], r["value"], "default" if r["value"] == r["default"] else "tuned", r["meaning"])
        for r in result["tunables"]
    )
    out.print(table("Tunables", ["name", "value", "from", "meaning"], rows_of_tunables))
    if result["note"]:
        out.print(result["note"], markup=False, soft_wrap=True)
    out.print()
    out.print(table("Kernels", ["family", "format", "isa", "here"], rows))


def _state(row: dict[str, Any]) -> str:
    return "runs" if row["runnable"] else f"no: {row['reason']}"


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _collect() -> dict[str, Any]:
    from bitnet_perf.bench.fingerprint import fingerprint
    from bitnet_perf.config.tuned import use_tuned
    from bitnet_perf.kernels import isas
    from bitnet_perf.kernels.tunables import tunables

    host: dict[str, Any] = {
        **fingerprint().model_dump(mode="json"),
        "python": sys.version.split()[0],
    }
    note = use_tuned().note
    return {
        "host": host,
        "tunables": [row.to_dict() for row in tunables()],
        "note": note,
        "kernels": [row.to_dict() for row in isas()],
    }
