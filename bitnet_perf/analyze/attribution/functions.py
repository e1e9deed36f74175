"""The level below kernels: Python functions by cProfile, native ones by instruction counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError

from bitnet_perf.analyze.attribution.additive import trimmed_parts
from bitnet_perf.analyze.attribution.tree import (
    ALPHA,
    LEAST,
    TreeNode,
    of_change,
    operation_of_case,
    unsure,
)
from bitnet_perf.analyze.counts import short_name
from bitnet_perf.bench.paired.profiles import CaseProfile
from bitnet_perf.errors import FormatError
from bitnet_perf.stages.sources import SOURCES, files_of
from bitnet_perf.stages.table import OPERATIONS, STAGES

__all__ = ["Counted", "Places", "native_functions", "python_functions", "read_counts"]

Places = Mapping[str, tuple[str, int]]  # short name of a native function -> file, line


class CountedFunction(BaseModel):
    """A native function with other counts on the two sides; instructions of one iteration."""

    name: Annotated[str, Field(max_length=10_000)]
    base: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    candidate: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Counted(BaseModel):
    """What a raw file holds of `Difference.to_dict()` (analyze/counts.py), read without trust."""

    base: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    candidate: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    functions: Annotated[tuple[CountedFunction, ...], Field(max_length=100_000)] = ()


Model = TypeVar("Model", bound=BaseModel)


def read_counts(kind: type[Model], number: int, case: Mapping[str, Any]) -> Model | None:
    """The instructions of case `number` of a raw file; None where no function was counted. Raises
    FormatError, which names the field, for what is no `kind`."""
    told = case.get("instructions")
    if not isinstance(told, Mapping) or not told.get("functions"):
        return None
    try:
        return kind.model_validate(told)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise FormatError(
            f"meta 'cases'[{number}]: 'instructions': {place:.80}: {first['msg']}"
        ) from error


def python_functions(profile: CaseProfile, tree: Sequence[TreeNode]) -> tuple[TreeNode, ...]:
    """The Python functions of a case below the operation that their file implements (`SOURCES`),
    or the one that the case is; the largest change first.

    Shares are of the time of all functions together, each call of which cProfile makes longer; what
    is less than LEAST of it on both sides is left out. The interval is over the pairs, trimmed by
    the order of that time.
    """
    names = list(
        dict.fromkeys(
            (f.file, f.name) for pair in profile.pairs for side in pair.functions for f in side
        )
    )
    if not names:
        return ()
    taken = np.zeros((len(profile.pairs), 2, len(names)))
    calls = np.zeros_like(taken)
    lines = {}
    place = {name: n for n, name in enumerate(names)}
    for k, pair in enumerate(profile.pairs):
        for side, found in enumerate(pair.functions):
            for each in found:
                n = place[each.file, each.name]
                taken[k, side, n] += each.self_ns / 1e9
                calls[k, side, n] += each.calls
                lines[n] = each.line  # of the candidate where both have it
    total, nodes = _measured(taken, calls)
    inside = [node.path for node in tree if node.level == "operation"]
    rows = []
    for n, (file, name) in enumerate(names):
        node = of_change(nodes[n], total)
        if max(node.base, node.base + node.change) >= LEAST * total.base:
            path = (*_operation(file, profile.case, inside), name)
            rows.append(replace(node, path=path, file=file, line=lines[n]))
    return tuple(sorted(rows, key=lambda r: (unsure(r, total), -abs(r.change), r.path)))


def _measured(
    taken: NDArray[np.float64], calls: NDArray[np.float64]
) -> tuple[TreeNode, list[TreeNode]]:
    """The node of all functions, and one for each: taken and calls are [pairs, 2, functions]."""
    change = taken[:, 1] - taken[:, 0]
    joined = np.column_stack([change.sum(axis=1), change])
    means, half, kept = trimmed_parts(joined, joined[:, 0], ALPHA)
    base = taken[kept, 0].mean(axis=0)
    bases = [float(base.sum()), *base.tolist()]
    both = calls.mean(axis=0)
    nodes = [
        TreeNode(
            "function",
            (),
            bases[n],
            float(means[n]),
            float(means[n] - half[n]),
            float(means[n] + half[n]),
            bases[n] / bases[0] if bases[0] else 0.0,
            calls=(float(both[0, n - 1]), float(both[1, n - 1])) if n else None,
            source="cProfile",
        )
        for n in range(len(bases))
    ]
    return nodes[0], nodes[1:]


def _operation(file: str, case: str, inside: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Stage and operation of a function: what the case is where its file is part of that, else the
    only one in the case that it is part of."""
    whole = operation_of_case(case)
    stage = STAGES.get(OPERATIONS.get(whole, case.partition("/")[0]), "")
    found = [path for path in inside if file in SOURCES.get(path[1], ())]
    own = len(found) != 1 or file in SOURCES.get(whole, ())
    return (stage, whole) if own else found[0]


def native_functions(
    counted: Counted, kernel: str, tree: Sequence[TreeNode], places: Places
) -> tuple[TreeNode, ...]:
    """The native functions whose instruction counts differ, below `kernel` in every operation of
    the tree that runs it, or below it alone.

    Shares are of the instructions of one iteration of the counted case. Counts are exact, so that
    the interval is the change itself.
    """
    more = counted.candidate - counted.base
    total = TreeNode("function", (), counted.base, more, more, more, 1.0)
    leaves = [n.path for n in tree if n.level == "kernel" and len(n.path) == 3]
    above: list[tuple[str, ...]] = [path for path in leaves if path[2] == kernel] or [(kernel,)]
    files = files_of("", kernel)
    rows = []
    for row in counted.functions:
        name = short_name(row.name)
        change = row.candidate - row.base
        file, line = places.get(name, (files[0] if files else "", 0))
        for path in above:
            share = row.base / counted.base
            node = TreeNode(
                "function", (*path, name), row.base, change, change, change, share,
                source="callgrind", file=file, line=line,
            )  # fmt: skip
            rows.append(of_change(node, total))
    return tuple(rows)
