"""Spans as a tree: of one thread, what lies inside another span is its child."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from bitnet_perf.memory import Peak
from bitnet_perf.stages.table import stage_of

__all__ = ["Node", "Span", "nest"]


class Span(NamedTuple):
    """One recorded span, as the native recorder gives it; layer -1: that of the span around it."""

    name: str
    thread: int
    begin: int
    end: int
    bytes: int
    ops: int
    layer: int = -1
    allocations: int = 0
    allocated: int = 0


@dataclass(frozen=True, slots=True)
class Node:
    """One span and the spans inside it. Times in nanoseconds of CLOCK_MONOTONIC_RAW.

    `bytes` is input plus output and `ops` the operations of the span itself (0 for operations).
    `layer` counts from 0, None outside of layers. `allocations` and `allocated` (bytes) are what
    native code allocated meanwhile, in the spans inside too. `peak` is that of the memory while a
    span that bounds a stage ran; None for others.
    """

    name: str
    stage: str | None
    thread: int
    begin: int
    end: int
    bytes: int
    ops: int
    children: tuple[Node, ...] = ()
    layer: int | None = None
    allocations: int = 0
    allocated: int = 0
    peak: Peak | None = None

    @property
    def work(self) -> tuple[int, int]:
        """Bytes and operations: its own, or the sum of its children's where it states none."""
        if self.bytes or self.ops or not self.children:
            return self.bytes, self.ops
        nbytes, ops = zip(*(child.work for child in self.children), strict=True)
        return sum(nbytes), sum(ops)

    @property
    def self_ns(self) -> int:
        """Time that is in none of the children."""
        return self.end - self.begin - sum(child.end - child.begin for child in self.children)

    @property
    def self_allocations(self) -> int:
        """Native allocations in none of the children."""
        return self.allocations - sum(child.allocations for child in self.children)

    @property
    def self_allocated(self) -> int:
        """Bytes of native allocations in none of the children."""
        return self.allocated - sum(child.allocated for child in self.children)

    def walk(self) -> Iterator[Node]:
        """This node and all below it, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()


def nest(
    spans: Iterable[tuple[Any, ...]], peaks: Mapping[tuple[str, int], Peak] | None = None
) -> tuple[Node, ...]:
    """A tree out of flat spans (rows of Span) and the peaks by name and begin."""
    roots: list[Node] = []
    stack: list[tuple[Span, int, list[Node]]] = []  # span, its layer, its children

    def close() -> None:
        span, layer, children = stack.pop()
        node = Node(
            span.name, stage_of(span.name), span.thread, span.begin, span.end, span.bytes, span.ops,
            tuple(children), None if layer < 0 else layer, span.allocations, span.allocated,
            (peaks or {}).get((span.name, span.begin)),
        )  # fmt: skip
        (stack[-1][2] if stack else roots).append(node)

    # Of two with the same times the operation is outside, and its only kernel ("/") inside.
    for row in sorted(spans, key=lambda s: (s[1], s[2], -s[3], "/" in s[0])):
        span = Span(*row)
        while stack and (stack[-1][0].thread != span.thread or stack[-1][0].end < span.end):
            close()
        layer = span.layer if span.layer >= 0 or not stack else stack[-1][1]
        stack.append((span, layer, []))
    while stack:
        close()
    return tuple(sorted(roots, key=lambda node: (node.begin, node.thread)))
