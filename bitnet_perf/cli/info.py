"""`bitnet-perf info`: what this host and this build are."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bitnet_perf.cli.output import JsonOption, QuietOption, console, emit, shows_text, table

if TYPE_CHECKING:
    from rich.console import Console


def command(json_to: JsonOption = None, quiet: QuietOption = False) -> None:
    """CPU, caches, compiler, versions, tunables, the kernels by family with the chosen ISA, and the
    CUDA kernels: the architectures they are compiled for, and whether they would run here.

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
    out.print()
    _show_cuda(out, result["cuda"])


def _show_cuda(out: Console, cuda: dict[str, Any]) -> None:
    gpu = cuda["gpu"]
    reason = gpu["reason"] or ("" if cuda["nvrtc"] else cuda["lacks"])
    facts = [
        ("NVRTC", cuda["nvrtc"] or f"no: {cuda['lacks']}"),
        ("architectures", ", ".join(cuda["architectures"])),
        ("driver", f"for CUDA {gpu['driver']}" if gpu["driver"] else ""),
        *((f"GPU {d['number']}", _device(d)) for d in gpu["devices"]),
        ("kernels run here", f"no: {reason}" if reason else "yes"),
        ("--device cuda", f"no: {reason}" if reason else "a model's whole step as one graph"),
    ]
    out.print(table("CUDA", ["what", "value"], ((n, v) for n, v in facts if v)))
    if cuda["nvrtc"] and cuda["lacks"]:
        out.print(cuda["lacks"], markup=False, soft_wrap=True)
    out.print()
    rows = (
        (row["family"], row["variant"], _span(row["architectures"]), _state(row))
        for row in cuda["kernels"]
    )
    out.print(table("CUDA kernels", ["family", "variant", "compiled for", "here"], rows))


def _device(device: dict[str, Any]) -> str:
    major, minor = device["capability"]
    return f"{device['name']}, {device['memory'] >> 20} MiB, compute capability {major}.{minor}"


def _span(names: Sequence[str]) -> str:
    """The names of architectures, or the ends of a long row of them."""
    return ", ".join(names) if len(names) <= 2 else f"{names[0]} to {names[-1]} ({len(names)})"


def _state(row: dict[str, Any]) -> str:
    return "runs" if row["runnable"] else f"no: {row['reason']}"


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _collect() -> dict[str, Any]:
    from bitnet_perf.bench.fingerprint import fingerprint
    from bitnet_perf.config.tuned import use_tuned
    from bitnet_perf.kernels import isas
    from bitnet_perf.kernels.cuda.status import cuda_status
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
        "cuda": cuda_status().to_dict(),
    }
