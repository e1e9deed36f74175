"""The profile file of a paired run: what every sample spent where, on both sides; version 1.

Times stand there as they were taken, one number for each stack of spans in each sample, so that
shares and intervals can be computed from the file again. `analyze.attribution` does.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bitnet_perf.files import write_atomic

__all__ = ["CaseProfile", "Function", "PairProfile", "Profiles", "SideCounts"]

Nanoseconds = Annotated[int, Field(ge=-(10**15), le=10**15)]  # eleven days
Bytes = Annotated[int, Field(ge=-1, le=2**60)]  # -1: the host does not say
Growth = Annotated[int, Field(ge=-(2**60), le=2**60)]
Amount = Annotated[float, Field(ge=0, le=1e18, allow_inf_nan=False)]
Word = Annotated[str, Field(max_length=500)]
Index = Annotated[int, Field(ge=0, le=100_000)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Function(_Frozen):
    """A Python function of one side: calls and CPU nanoseconds of one iteration in itself alone, as
    mean of the samples of a pair that nothing interrupted. Being counted makes a call longer."""

    file: Word
    line: Index
    name: Word
    calls: Amount
    self_ns: Amount


class SideCounts(_Frozen):
    """What one iteration did in one stack of spans: in it and in none of the spans inside."""

    calls: Amount
    bytes: Amount
    ops: Amount
    allocations: Annotated[float, Field(ge=-1e18, le=1e18, allow_inf_nan=False)]
    allocated: Annotated[float, Field(ge=-1e18, le=1e18, allow_inf_nan=False)]


class PairProfile(_Frozen):
    """One fresh process pair. `pattern`: the sides of its samples in their order, A is base.

    By sample: wall_ns and cpu_ns of all its iterations, self_ns by stack, away_ns (time that it
    waited for a CPU and that is in no stack; with self_ns it adds up to wall_ns), and what memory
    held more after it than before: resident bytes, bytes that malloc gave and has not got back,
    blocks of Python objects; what the host does not say is 0.
    `peak` by side: the most resident bytes of the samples. `counts` and `functions` by side, counts
    in the order of the stacks; functions are empty where the case calls no Python. `lost` spans
    had no room, `elsewhere` were of other threads: neither is in self_ns.
    """

    pattern: Annotated[str, Field(pattern=r"^(ABBA|BAAB)+$", max_length=4000)]
    cpu: Annotated[int, Field(ge=-1, le=1 << 20)]
    wall_ns: tuple[Nanoseconds, ...]
    cpu_ns: tuple[Nanoseconds, ...]
    away_ns: tuple[Nanoseconds, ...]
    self_ns: tuple[tuple[Nanoseconds, ...], ...]
    grown: tuple[tuple[Growth, Growth, Growth], ...]
    peak: tuple[Bytes, Bytes]
    counts: tuple[tuple[SideCounts, ...], tuple[SideCounts, ...]]
    functions: tuple[tuple[Function, ...], tuple[Function, ...]] = ((), ())
    lost: Annotated[int, Field(ge=0, le=2**60)] = 0
    elsewhere: Annotated[int, Field(ge=0, le=2**60)] = 0

    @model_validator(mode="after")
    def _fits(self) -> PairProfile:
        samples = len(self.pattern)
        for name in ("wall_ns", "cpu_ns", "away_ns", "self_ns", "grown"):
            if len(getattr(self, name)) != samples:
                raise ValueError(
                    f"{name}: {len(getattr(self, name))} entries, the pattern has {samples}"
                )
        for number, parts in enumerate(self.self_ns):
            wall, whole = self.wall_ns[number], sum(parts)
            if whole <= 0 or whole + self.away_ns[number] != wall:
                raise ValueError(
                    f"sample {number}: its parts add up to {whole} ns, it took {wall} and was away "
                    f"for {self.away_ns[number]}"
                )
        return self


class CaseProfile(_Frozen):
    """One case. `stacks`: names from the outermost span inwards; the empty one is time in no span.
    `iterations` of a sample; `missing` says why there are no pairs, `notes` what weakens them."""

    case: Word
    iterations: Annotated[int, Field(ge=1, le=1 << 30)] = 1
    isas: tuple[Word, Word] = ("", "")
    stacks: Annotated[
        tuple[Annotated[tuple[Word, ...], Field(max_length=64)], ...], Field(max_length=10_000)
    ] = ()
    pairs: tuple[PairProfile, ...] = ()
    seconds: Amount = 0.0
    missing: Annotated[str, Field(max_length=2000)] = ""
    notes: tuple[Word, ...] = ()

    @model_validator(mode="after")
    def _fits(self) -> CaseProfile:
        if len(set(self.stacks)) != len(self.stacks):
            raise ValueError("stacks: one stands there twice")
        if not self.pairs and not self.missing:
            raise ValueError("pairs: none, and 'missing' does not say why")
        for number, pair in enumerate(self.pairs):
            rows = (*pair.self_ns, *pair.counts)
            if any(len(row) != len(self.stacks) for row in rows):
                raise ValueError(
                    f"pair {number}: a row does not have the {len(self.stacks)} entries of the "
                    "stacks"
                )
        return self


class Profiles(_Frozen):
    """The profiles of a run. `sides` are base and candidate in words, `seconds` what it took,
    `stopped` why it ended early."""

    version: Literal[1] = 1
    sides: tuple[Word, Word]
    seed: Annotated[int, Field(ge=0, le=2**63)]
    cases: tuple[CaseProfile, ...]
    seconds: Amount = 0.0
    stopped: Annotated[str, Field(max_length=2000)] = ""

    @model_validator(mode="after")
    def _fits(self) -> Profiles:
        names = [case.case for case in self.cases]
        if len(set(names)) != len(names):
            raise ValueError("cases: one stands there twice")
        return self

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the file as JSON, whole or not at all."""
        return write_atomic(path, self.model_dump_json())
