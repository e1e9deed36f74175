"""Raw files whose pair values are given: v_k is exact to rounding, and nothing is timed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bitnet_perf.analyze.paired.estimate import Estimate
from bitnet_perf.bench.paired.raw import PairRecord, Raw

BLOCKS = 3


def record(
    case: int, look: int, v: float, *, wall: float | None = None, base: float = 4e5, **fields: Any
) -> PairRecord:
    """A pair whose every block says `v` by the CPU clock, and `wall` (or v) by the wall clock."""
    side = np.tile([[0, 1, 1, 0], [1, 0, 0, 1]], (BLOCKS, 1))[:BLOCKS].ravel().astype(np.int8)
    wall = v if wall is None else wall
    values: dict[str, Any] = {
        "cpu": 0,
        "steal_ms": 0.0,
        "load": 1.0,
        "block": np.repeat(np.arange(BLOCKS, dtype=np.int32), 4),
        "position": np.tile(np.arange(4, dtype=np.int8), BLOCKS),
        "side": side,
        "wall_ns": base * np.exp(np.where(side == 1, wall, 0.0)),
        "cpu_ns": base * np.exp(np.where(side == 1, v, 0.0)),
        "switches": np.zeros(4 * BLOCKS, np.int32),
    }
    return PairRecord(case=case, look=look, **{**values, **fields})


def case(name: str = "forward/gemv/i2_s/64x64/t1", **keys: Any) -> dict[str, Any]:
    """A case object of `meta`."""
    return {"name": name, "class": "core", **keys}


CANARIES = [
    case("canary/compute", canary="compute"),
    case("canary/streaming", canary="streaming"),
]


def meta(cases: Sequence[Mapping[str, Any]], **keys: Any) -> dict[str, Any]:
    """The `meta` of a file of these cases."""
    count = len(cases)
    values = {
        "sides": ["base", "candidate"],
        "seed": 0,
        "cases": list(cases),
        "iterations": [1] * count,
        "threads": [1] * count,
        "code_hashes": [[None, None]] * count,
        "fingerprint": "none",
    }
    return {**values, **keys}


def raw(
    cases: Sequence[Mapping[str, Any]],
    values: Mapping[tuple[int, int], Sequence[float]],
    *,
    canary: Mapping[str, Sequence[float]] | None = None,
    **keys: Any,
) -> Raw:
    """A file of these cases and of both canaries.

    values: v_k of each (case, look). canary: v_k of a kind's pairs, 16 quiet ones by default; an
    empty sequence leaves its pairs out.
    """
    every = [*cases, *CANARIES]
    quiet = {kind: [0.001, -0.001] * 8 for kind in ("compute", "streaming")}
    quiet.update(canary or {})
    records = [record(c, look, v) for (c, look), vs in values.items() for v in vs]
    for index, kind in enumerate(("compute", "streaming"), len(cases)):
        records += [record(index, -1, v) for v in quiet[kind]]
    return Raw.build(meta(every, **keys), records)


def estimate(
    low: float, high: float, *, m: float | None = None, pairs: int = 20, slow: int = 0
) -> Estimate:
    """An estimate that says just this; `slow` of its pairs lie beyond every budget."""
    values = (0.0,) * (pairs - slow) + (1.0,) * slow
    middle = (low + high) / 2 if m is None else m
    return Estimate(values, middle, 0.001, pairs - 1, low, high, 0.01)
