"""Loops in machine code: natural loops of its control-flow graph, found through dominators.

A jump to a lower address is no sign of a loop: code that the compiler put aside jumps back, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

__all__ = ["natural_loops", "reachable"]

Graph = Mapping[int, Sequence[int]]  # node -> where it may go next


def reachable(graph: Graph, entries: Iterable[int]) -> list[int]:
    """Nodes that can be reached, every one before those it leads to except through loops (reverse
    postorder)."""
    order: list[int] = []
    seen: set[int] = set()
    for entry in entries:
        stack = [(entry, iter(graph[entry]))] if entry not in seen else []
        seen.add(entry)
        while stack:
            node, following = stack[-1]
            step = next((each for each in following if each not in seen), None)
            if step is None:
                order.append(node)
                stack.pop()
            else:
                seen.add(step)
                stack.append((step, iter(graph[step])))
    return order[::-1]


def natural_loops(graph: Graph, entries: Sequence[int]) -> dict[int, frozenset[int]]:
    """Header -> nodes of every loop that has one way in; loops of one header are one loop."""
    order = reachable(graph, entries)
    before: dict[int, list[int]] = {node: [] for node in order}
    for node in order:
        for after in graph[node]:
            before[after].append(node)
    closest = _dominators(order, before, set(entries))
    loops: dict[int, set[int]] = {}
    for node in order:
        for header in graph[node]:
            if _dominates(header, node, closest):
                body = loops.setdefault(header, {header})
                waiting = [node]
                while waiting:
                    each = waiting.pop()
                    if each not in body:
                        body.add(each)
                        waiting += before[each]
    return {header: frozenset(body) for header, body in loops.items()}


def _dominates(header: int, node: int, closest: Mapping[int, int | None]) -> bool:
    step: int | None = node
    while step is not None and step != header:
        step = closest[step]
    return step is not None


def _dominators(order: Sequence[int], before: Graph, entries: set[int]) -> dict[int, int | None]:
    """Node -> the closest other node through which every way to it leads, None where there is none.

    Source: K. D. Cooper, T. J. Harvey, K. Kennedy: A simple, fast dominance algorithm (2001).
    """
    place = {node: at for at, node in enumerate(order)}
    found: dict[int, int | None] = dict.fromkeys(entries)

    def meet(one: int | None, other: int | None) -> int | None:
        while one != other:
            if one is None or other is None:
                return None
            if place[one] > place[other]:
                one = found[one]
            else:
                other = found[other]
        return one

    changed = True
    while changed:
        changed = False
        for node in order:
            if node in entries:
                continue
            first, *others = (each for each in before[node] if each in found)
            closest: int | None = first
            for each in others:
                closest = meet(closest, each)
            if node not in found or found[node] != closest:
                found[node] = closest
                changed = True
    return found
