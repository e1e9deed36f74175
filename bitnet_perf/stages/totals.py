"""A profile summed over equal stacks: one row for each place in the tree of operations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bitnet_perf.stages.tree import Node

__all__ = ["LayerRow", "Stack", "Total", "layer_rows", "totals"]

Stack = tuple[str, ...]  # names from the outermost span inwards


@dataclass(slots=True)
class Total:
    """All spans of one stack: seconds with and without what is inside, calls, native allocations
    and their bytes, the layers it ran in. `bytes` and `ops` are what the spans state of themselves,
    or the sum of what is inside where they state nothing."""

    name: str
    stage: str | None
    seconds: float = 0.0
    self_seconds: float = 0.0
    calls: int = 0
    bytes: int = 0
    ops: int = 0
    allocations: int = 0
    allocated: int = 0
    layers: set[int] = field(default_factory=set)
    children: dict[str, Total] = field(default_factory=dict)

    def walk(self, above: Stack = ()) -> Iterator[tuple[Stack, Total]]:
        """This place and all below it with their stacks, the longest first in each."""
        stack = (*above, self.name)
        yield stack, self
        for child in sorted(self.children.values(), key=lambda each: -each.seconds):
            yield from child.walk(stack)


def totals(roots: Iterable[Node]) -> tuple[Total, ...]:
    """The trees of `roots` summed by name, in the order of their first begin."""
    found: dict[str, Total] = {}
    for root in roots:
        _add(root, found)
    return tuple(found.values())


def _add(node: Node, into: dict[str, Total]) -> None:
    total = into.setdefault(node.name, Total(node.name, node.stage))
    nbytes, ops = node.work
    total.seconds += (node.end - node.begin) / 1e9
    total.self_seconds += node.self_ns / 1e9
    total.calls += 1
    total.bytes += nbytes
    total.ops += ops
    total.allocations += node.allocations
    total.allocated += node.allocated
    if node.layer is not None:
        total.layers.add(node.layer)
    for child in node.children:
        _add(child, total.children)


@dataclass(slots=True)
class LayerRow:
    """One operation in one layer: seconds with what is inside, calls, bytes and operations."""

    layer: int
    operation: str
    seconds: float = 0.0
    calls: int = 0
    bytes: int = 0
    ops: int = 0


def layer_rows(roots: Iterable[Node]) -> tuple[LayerRow, ...]:
    """The operations of the layers, by layer and in the order of their first begin."""
    found: dict[tuple[int, str], LayerRow] = {}
    stack = list(reversed(tuple(roots)))
    while stack:
        node = stack.pop()
        if node.layer is None:
            stack.extend(reversed(node.children))
            continue
        key = (node.layer, node.name)
        row = found.setdefault(key, LayerRow(*key))
        row.seconds += (node.end - node.begin) / 1e9
        row.calls += 1
        nbytes, ops = node.work
        row.bytes += nbytes
        row.ops += ops
    return tuple(sorted(found.values(), key=lambda row: row.layer))
