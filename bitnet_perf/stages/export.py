"""Traces for other programs: Chrome trace events (Perfetto), speedscope, folded stacks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bitnet_perf.stages.profile import Profile
    from bitnet_perf.stages.tree import Node

__all__ = ["EXPORTERS", "chrome", "folded", "speedscope"]


def chrome(profile: Profile) -> str:
    """Trace events, times in microseconds from the begin of the run."""
    events: list[dict[str, Any]] = [
        {
            "name": node.name,
            "cat": node.stage or "other",
            "ph": "X",
            "pid": 1,
            "tid": node.thread,
            "ts": (node.begin - profile.begin) / 1e3,
            "dur": (node.end - node.begin) / 1e3,
            "args": _args(node),
        }
        for root in profile.tree()
        for node in root.walk()
    ]
    return json.dumps({"traceEvents": events, "otherData": {"lost_spans": profile.lost}}) + "\n"


def _args(node: Node) -> dict[str, int]:
    """Bytes and operations of a span, and what else is known of it."""
    args = {"bytes": node.bytes, "ops": node.ops}
    args |= {} if node.layer is None else {"layer": node.layer}
    if node.allocations:
        args |= {"allocations": node.allocations, "allocated": node.allocated}
    if node.peak is not None:
        known = {"peak_rss": node.peak.resident, "python_peak": node.peak.python}
        args |= {name: value for name, value in known.items() if value is not None}
    return args


def speedscope(profile: Profile) -> str:
    """Speedscope's evented form, one profile a thread."""
    frames: dict[str, int] = {}

    def events(node: Node) -> Iterator[dict[str, Any]]:
        frame = frames.setdefault(node.name, len(frames))
        yield {"type": "O", "frame": frame, "at": node.begin - profile.begin}
        for child in node.children:
            yield from events(child)
        yield {"type": "C", "frame": frame, "at": node.end - profile.begin}

    profiles = [
        {
            "type": "evented",
            "name": f"thread {thread}",
            "unit": "nanoseconds",
            "startValue": 0,
            "endValue": profile.end - profile.begin,
            "events": [e for root in profile.tree() if root.thread == thread for e in events(root)],
        }
        for thread in sorted({root.thread for root in profile.tree()})
    ]
    return (
        json.dumps(
            {
                "$schema": "https://www.speedscope.app/file-format-schema.json",
                "shared": {"frames": [{"name": name} for name in frames]},
                "profiles": profiles,
            }
        )
        + "\n"
    )


def folded(profile: Profile) -> str:
    """Folded stacks, `stage;operation;kernel nanoseconds`, self times summed over equal stacks."""
    totals: dict[str, int] = {}

    def add(node: Node, above: str) -> None:
        stack = f"{above};{node.name}"
        totals[stack] = totals.get(stack, 0) + node.self_ns
        for child in node.children:
            add(child, stack)

    for root in profile.tree():
        add(root, root.stage or "other")
    return "".join(f"{stack} {ns}\n" for stack, ns in totals.items())


# Ending of the file -> exporter; the first that fits.
EXPORTERS: dict[str, Callable[[Profile], str]] = {
    ".speedscope.json": speedscope,
    ".json": chrome,
    ".folded": folded,
}
