"""The paired profile for other programs: Chrome trace events, speedscope, folded stacks.

A profile holds times by stack of spans, not when each span ran: the events of a stack stand one
after another in the order in which they were first seen, each as long as one iteration spent in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bitnet_perf.report.escape import plain

__all__ = ["SIDES", "StackTime", "as_chrome", "as_folded", "as_speedscope"]

SIDES = ("base", "candidate")


@dataclass(frozen=True, slots=True)
class StackTime:
    """Seconds of one iteration of a case on both sides in a stack of spans and in none inside."""

    case: str
    names: tuple[str, ...]
    seconds: tuple[float, float]


def as_chrome(stacks: Sequence[StackTime]) -> str | None:
    """Trace events: a process a side, a thread a case; None without stacks."""
    events: list[dict[str, Any]] = []
    for pid, side in enumerate(SIDES, 1):
        events.append(_named("process_name", side, pid, 0))
        for tid, (case, mine) in enumerate(_by_case(stacks), 1):
            events.append(_named("thread_name", plain(case), pid, tid))
            events += [
                {
                    "name": name,
                    "cat": side,
                    "ph": "X",
                    "pid": pid,
                    "tid": tid,
                    "ts": begin,
                    "dur": took,
                }
                for name, begin, took in _spans(mine, pid - 1)
            ]
    return _json({"traceEvents": events, "displayTimeUnit": "ms"}) if stacks else None


def as_speedscope(stacks: Sequence[StackTime]) -> str | None:
    """Speedscope's sampled form, one profile for each case and side; None without stacks."""
    if not stacks:
        return None
    frames: dict[str, int] = {}
    profiles = []
    for case, mine in _by_case(stacks):
        for number, side in enumerate(SIDES):
            taken = [(each, max(0.0, 1e6 * each.seconds[number])) for each in mine]
            samples = [
                [frames.setdefault(plain(name), len(frames)) for name in each.names or ("(self)",)]
                for each, _ in taken
            ]
            profiles.append(
                {
                    "type": "sampled",
                    "name": f"{plain(case)} ({side})",
                    "unit": "microseconds",
                    "startValue": 0,
                    "endValue": sum(weight for _, weight in taken),
                    "samples": samples,
                    "weights": [weight for _, weight in taken],
                }
            )
    return _json(
        {
            "$schema": "https://www.speedscope.app/file-format-schema.json",
            "exporter": "bitnet_perf",
            "shared": {"frames": [{"name": name} for name in frames]},
            "profiles": profiles,
        }
    )


def as_folded(stacks: Sequence[StackTime]) -> str | None:
    """`side;case;stage;operation;kernel nanoseconds`, a line a stack and side; None without."""
    lines = [
        ";".join(plain(name).replace(";", ",") for name in (side, each.case, *each.names))
        + f" {max(0, round(1e9 * each.seconds[number]))}\n"
        for number, side in enumerate(SIDES)
        for each in stacks
    ]
    return "".join(lines) if stacks else None


def _by_case(stacks: Sequence[StackTime]) -> list[tuple[str, list[StackTime]]]:
    groups: dict[str, list[StackTime]] = {}
    for each in stacks:
        groups.setdefault(each.case, []).append(each)
    return list(groups.items())


def _spans(stacks: Sequence[StackTime], side: int) -> Iterator[tuple[str, float, float]]:
    """(name, begin, microseconds) of every place, parents around their parts."""
    tree: dict[str, Any] = {}
    for each in stacks:
        node = tree
        for name in each.names or ("(self)",):
            node = node.setdefault("children", {}).setdefault(name, {})
        node["self"] = node.get("self", 0.0) + max(0.0, 1e6 * each.seconds[side])
    yield from _laid(tree, 0.0)


def _laid(node: dict[str, Any], begin: float) -> Iterator[tuple[str, float, float]]:
    for name, child in node.get("children", {}).items():
        took = _total(child)
        yield plain(name), round(begin, 3), round(took, 3)
        yield from _laid(child, begin)
        begin += took


def _total(node: dict[str, Any]) -> float:
    return float(node.get("self", 0.0)) + sum(map(_total, node.get("children", {}).values()))


def _named(what: str, name: str, pid: int, tid: int) -> dict[str, Any]:
    return {"name": what, "ph": "M", "pid": pid, "tid": tid, "args": {"name": name}}


def _json(found: dict[str, Any]) -> str:
    return json.dumps(found, ensure_ascii=False) + "\n"
