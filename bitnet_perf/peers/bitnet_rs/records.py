"""What the records of BitNet.rs have in common: model paths, kernels, times in milliseconds."""

from __future__ import annotations

import re

from bitnet_perf.peers.fields import Node
from bitnet_perf.peers.results import Stated

__all__ = ["file_name", "kernels", "stated", "statements"]

MOST_KERNELS = 10_000  # as `xtask verify-receipt` accepts


def file_name(path: str) -> str:
    """The last part of a path of either kind."""
    return re.split(r"[\\/]", path)[-1]


def kernels(node: Node) -> tuple[str, ...]:
    """The kernels that a record says ran."""
    names = tuple(each.text() for each in node.list()) if node else ()
    if len(names) > MOST_KERNELS:
        node.fail(f"at most {MOST_KERNELS} names")
    return names


def statements(**nodes: Node) -> dict[str, str]:
    """The texts that are there, by their names."""
    return {name: text for name, node in nodes.items() if (text := node.text_or_none())}


def stated(milliseconds: Node) -> Stated | None:
    """A time in milliseconds above 0; None where there is none."""
    seconds = milliseconds.number() / 1e3 if milliseconds else 0.0
    return Stated(milliseconds.place, seconds) if seconds > 0 else None
