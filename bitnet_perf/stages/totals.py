"""A profile summed over equal stacks: one row for each place in the tree of operations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bitnet_perf.stages.profile import Node

__all__ = ["Total", "totals"]


@dataclass(slots=True)
class Total:
    """All spans of one stack: seconds with and without what is inside, calls, and the bytes and
    operations that the kernels in it state (those of its children included)."""

    name: str
    stage: str | None
    seconds: float = 0.0
    self_seconds: float = 0.0
    calls: int = 0
    bytes: int = 0
    ops: int = 0
    children: dict[str, Total] = field(default_factory=dict)

    def walk(self, depth: int = 0) -> Iterator[tuple[int, Total]]:
        """This place and all below it with their depth, the longest first in each."""
        yield depth, self
        for child in sorted(self.children.values(), key=lambda each: -each.seconds):
            yield from child.walk(depth + 1)


def totals(roots: Iterable[Node]) -> tuple[Total, ...]:
    """The trees of `roots` summed by name, in the order of their first begin."""
    found: dict[str, Total] = {}
    for root in roots:
        _add(root, found)
    return tuple(found.values())


def _add(node: Node, into: dict[str, Total]) -> tuple[int, int]:
    """Adds a node and all below it; the bytes and operations that were added."""
    total = into.setdefault(node.name, Total(node.name, node.stage))
    total.seconds += (node.end - node.begin) / 1e9
    total.self_seconds += node.self_ns / 1e9
    total.calls += 1
    work = [(node.bytes, node.ops), *(_add(child, total.children) for child in node.children)]
    nbytes, ops = (sum(column) for column in zip(*work, strict=True))
    total.bytes += nbytes
    total.ops += ops
    return nbytes, ops
