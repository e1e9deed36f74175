"""The table of the acceptance: a row for each seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from acceptance.seeds import Seed

__all__ = ["complete", "markdown"]

COLUMNS = ("change", "cost drawn", "found", "place", "files", "live", "resampled", "wrong")


def complete(lines: Sequence[Mapping[str, Any]], seeds: Sequence[Seed], turns: int) -> bool:
    """Whether every run of every seed is there, and nothing in it is wrong."""
    good = {(each["name"], each["turn"]) for each in lines if not _faults(each)}
    return all((seed.name, turn) in good for seed in seeds for turn in range(1, turns + 1))


def markdown(lines: Sequence[Mapping[str, Any]], seeds: Sequence[Seed]) -> str:
    """The table; seeds without a run have a row too."""
    rows = [COLUMNS, ("---",) * len(COLUMNS)]
    for seed in seeds:
        rows.append(_row(seed, [each for each in lines if each["name"] == seed.name]))
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def _row(seed: Seed, runs: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    found = [each["found"] for each in runs]
    again = [faults for each in runs for faults in each["resampled"]]
    anew = sum(each.get("drawn", 0) for each in runs) - len(again)
    return (
        seed.name,
        _texts(f"{100 * each['cost']:.1f} %" if each["cost"] else "" for each in runs),
        _texts(f"{_percent(f['slowdown'])} {f['verdicts'][seed.cases[0]]}" for f in found),
        _texts(_place(f) for f in found),
        _texts(", ".join(f["files"][: len(seed.expected.files) or 1]) for f in found),
        f"{sum(not each['wrong'] for each in runs)} of {len(runs)}",
        f"{sum(not faults for faults in again)} of {len(again)}"
        + (f", {anew} drawn anew" if anew > 0 else ""),
        _texts(fault for each in runs for fault in dict.fromkeys(_faults(each))),
    )


def _place(found: Mapping[str, Any]) -> str:
    kept = found["leaks"] and f"kept by {', '.join(found['leaks'])}"
    at = found["stage"] and f"{found['stage']}: {', '.join(found['functions'][:3])}"
    return ", ".join(filter(None, (at, kept, *found["missed"])))


def _faults(run: Mapping[str, Any]) -> list[str]:
    return [*run["wrong"], *(fault for faults in run["resampled"] for fault in faults)]


def _percent(part: float | None) -> str:
    return "" if part is None else f"{100 * part:+.1f} %"


def _texts(texts: Any) -> str:
    """Different texts, each once."""
    return "; ".join(dict.fromkeys(filter(None, (text.replace("|", "/") for text in texts))))
