"""The change of one case as a tree: stage, operation, kernel, from its paired profile."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bitnet_perf.analyze.attribution.additive import means_by_pair, trimmed_parts
from bitnet_perf.bench.paired.profiles import CaseProfile
from bitnet_perf.stages.sources import files_of
from bitnet_perf.stages.table import OPERATIONS, STAGES, stage_of

__all__ = [
    "ALPHA",
    "IN_NO_SPAN",
    "LEAST",
    "NO_STAGE",
    "OUTSIDE",
    "Level",
    "Source",
    "TreeNode",
    "case_nodes",
    "finite",
    "of_change",
    "operation_of_case",
    "ordered",
    "place_of",
    "unsure",
]

ALPHA = 0.025  # at each end of an interval
IN_NO_SPAN = "in no span"  # of a sample
LEAST = 0.001  # of the base's total
OUTSIDE = "outside of kernels"  # of an operation
NO_STAGE = "in no stage"  # a span that the table of stages does not know
Level = Literal["total", "stage", "operation", "kernel", "function"]
Source = Literal["spans", "cProfile", "callgrind"]

# Family of a case -> the operation that one iteration is.
_OPERATION_OF = {
    "gguf": "model_load",
    "tokenize": "encode",
    "detokenize": "decode",
    "prefill": "prefill_loop",
    "decode": "decode_loop",
    "sample": "sampling",
    "argmax": "sampling",
    "softmax": "sampling",
    "quantize_weights": "quantize",
    "pack": "pack",
    "unpack": "dequantize",
}


@dataclass(frozen=True, slots=True)
class TreeNode:
    """One place and what it has to do with the change.

    path: stage, operation, kernel, function as far as its level goes; empty for the total, and a
    kernel alone where it is summed over its operations. base: seconds of one iteration; change: how
    many more the candidate takes, with a 95 % interval. share: of the base's total. of_change,
    of_low, of_high: the same change as share of the total's, None where the total's interval holds
    0. calls: of one iteration on both sides. cases: how many it is the sum of. source: what was
    measured; of "callgrind" the unit is instructions, and a function's shares are those of all
    functions that were counted. file, line: where it is implemented, as far as that is known.
    """

    level: Level
    path: tuple[str, ...]
    base: float
    change: float
    low: float
    high: float
    share: float
    of_change: float | None = None
    of_low: float | None = None
    of_high: float | None = None
    calls: tuple[float, float] | None = None
    cases: int = 1
    source: Source = "spans"
    file: str = ""
    line: int = 0

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path[-1] if self.path else "total"

    @property
    def slower(self) -> bool:
        """Whether its interval lies above 0."""
        return self.low > 0

    @property
    def unit(self) -> str:
        """Of base and change."""
        return "instructions" if self.source == "callgrind" else "s"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; low and high are None where there are too few pairs for them."""
        return {**finite(asdict(self)), "unit": self.unit}


def finite(values: dict[str, Any]) -> dict[str, Any]:
    """The values with None for bounds that are infinite, which JSON does not know."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in values.items()
    }


def operation_of_case(case: str) -> str:
    """What one iteration of a case is: an operation, or the family of the case."""
    family = (*case.split("/"), "")[1]
    return _OPERATION_OF.get(family, family)


def place_of(stack: Sequence[str], case: str, seen: bool) -> tuple[str, str, str]:
    """Stage, operation and kernel of the time in a stack of spans and in none inside.

    `seen`: there are spans of operations, so that time in none of them is told apart; where there
    are none, it is the time of the operation that the case is.
    """
    operation = next((name for name in reversed(stack) if "/" not in name), "")
    kernel = stack[-1] if stack and "/" in stack[-1] else ""
    if not stack:
        operation = operation_of_case(case)
        stage = OPERATIONS.get(operation, case.partition("/")[0])
        return STAGES.get(stage, NO_STAGE), operation, IN_NO_SPAN if seen else OUTSIDE
    stages = [stage_of(name) for name in reversed(stack)]
    stage = next((each for each in stages if each is not None), "")
    operation = operation or operation_of_case(case)
    return STAGES.get(stage, NO_STAGE), operation, kernel or OUTSIDE


def case_nodes(profile: CaseProfile) -> tuple[TreeNode, ...]:
    """The total, then stages, operations, kernels of each operation, and kernels alone, each level
    from the largest change on. Within a level of the tree changes, bases and shares add up to the
    total exactly. Empty where the case has no pairs."""
    if not profile.pairs:
        return ()
    seen = any("/" not in name for stack in profile.stacks for name in stack)
    places = [place_of(stack, profile.case, seen) for stack in profile.stacks]
    groups = _groups(places)
    member = np.array([[key in _keys(place) for key in groups] for place in places], np.float64)
    base, change, totals = _by_pair(profile, member)
    means, half, kept = trimmed_parts(change, totals, ALPHA)
    bases = base[kept].mean(axis=0)
    calls = _calls(profile) @ member
    nodes = []
    for n, (level, path) in enumerate(groups):
        files = files_of(path[1], path[2] if len(path) > 2 else "") if len(path) > 1 else ()
        if len(path) == 1 and level == "kernel":
            files = files_of("", path[0])
        nodes.append(
            TreeNode(
                level,
                path,
                float(bases[n]),
                float(means[n]),
                float(means[n] - half[n]),
                float(means[n] + half[n]),
                float(bases[n] / bases[0]),
                calls=None if level in ("total", "stage") else (calls[0, n], calls[1, n]),
                file=files[0] if files else "",
            )
        )
    return ordered(nodes)


def ordered(nodes: Sequence[TreeNode]) -> tuple[TreeNode, ...]:
    """Nodes with their shares of the change of the first, the total; by level, then by change."""
    levels = ("total", "stage", "operation", "kernel", "function")
    shared = [of_change(node, nodes[0]) for node in nodes]
    return tuple(
        sorted(
            shared,
            key=lambda n: (
                levels.index(n.level),
                len(n.path) == 1,
                unsure(n, nodes[0]),
                -abs(n.change),
                n.path,
            ),
        )
    )


def unsure(node: TreeNode, total: TreeNode) -> bool:
    """Whether it may be no change, or is too small a part of the total to stand before others."""
    return node.low <= 0 <= node.high or abs(node.change) < LEAST * total.base


def of_change(node: TreeNode, total: TreeNode) -> TreeNode:
    """The node with its share of the change of `total`."""
    if total.low <= 0 <= total.high:
        return replace(node, of_change=None, of_low=None, of_high=None)
    low, high = sorted((node.low / total.change, node.high / total.change))
    return replace(node, of_change=node.change / total.change, of_low=low, of_high=high)


Key = tuple[Level, tuple[str, ...]]


def _keys(place: tuple[str, str, str]) -> list[Key]:
    """The nodes that a place is part of."""
    found: list[Key] = [
        ("total", ()),
        ("stage", place[:1]),
        ("operation", place[:2]),
        ("kernel", place),
    ]
    if "/" in place[2]:
        found.append(("kernel", place[2:]))
    return found


def _groups(places: Sequence[tuple[str, str, str]]) -> list[Key]:
    return list(dict.fromkeys([("total", ()), *(key for p in places for key in _keys(p))]))


def _by_pair(
    profile: CaseProfile, member: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Seconds of one iteration by pair and group: of base, what the candidate takes more, and what
    it takes more in all."""
    base, change = [], []
    for pair in profile.pairs:
        side = np.frombuffer(pair.pattern.encode(), np.uint8) - ord("A")
        parts = np.asarray(pair.self_ns, np.float64).reshape(len(side), -1)
        away = np.asarray(pair.wall_ns, np.float64) - np.asarray(pair.cpu_ns, np.float64)
        of_base, more = means_by_pair(side, parts, np.maximum(0.0, away))
        of_base, more = (values / (1e9 * profile.iterations) for values in (of_base, more))
        base.append(of_base @ member)
        change.append(more @ member)
    changes = np.array(change)
    return np.array(base), changes, changes[:, 0]


def _calls(profile: CaseProfile) -> NDArray[np.float64]:
    """Calls of one iteration by side and stack, as mean over the pairs."""
    return np.array(
        [
            np.mean([[each.calls for each in pair.counts[side]] for pair in profile.pairs], axis=0)
            for side in (0, 1)
        ]
    ).reshape(2, -1)
