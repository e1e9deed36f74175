"""What a review measured of both sides beside their paired times: the file `evidence.json`.

Each figure was measured by a side's own code in a process of that side, in the run whose folder
holds the file. What could not be measured stands in `missing` with the reason, never as 0.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bitnet_perf.bench.ceilings import Ceilings
from bitnet_perf.peers.results import ResultRow

__all__ = [
    "Agreement",
    "Answer",
    "BaselineFile",
    "ConsoleOf",
    "Evidence",
    "Held",
    "KernelTime",
    "Loaded",
    "Misses",
    "Outputs",
    "Part",
    "RoundTrip",
    "SideEvidence",
    "StageMemory",
    "Timed",
    "WorkOf",
]

Text = Annotated[str, Field(max_length=1000)]
CaseName = Annotated[
    str, Field(max_length=300, pattern=r"^[\w.\-]+(/[\w.\-]+){3}/t[1-9][0-9]{0,3}$")
]
Seconds = Annotated[float, Field(gt=0, lt=1e6)]
Bytes = Annotated[int, Field(ge=0, lt=1 << 62)]
Count = Annotated[int, Field(ge=1, lt=1 << 62)]
Share = Annotated[float, Field(ge=0, le=1)]
Threads = Annotated[int, Field(ge=1, le=4096)]

Part = Literal[
    "formats", "outputs", "answers", "memory", "held", "stages", "speed", "cache", "limits"
]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class RoundTrip(_Record):
    """What a format makes of some data, which `data` names with their distribution.

    rms: of the data; error: root mean square of the difference. codes: the part of the values whose
    sign is that of the ternary value they were made of; None where they were made of none.
    """

    format: Text
    data: Text
    values: Count
    rms: Annotated[float, Field(gt=0)]
    error: Annotated[float, Field(ge=0)]
    cosine: Annotated[float, Field(ge=-1.001, le=1.001)]
    codes: Share | None = None

    @property
    def accuracy(self) -> float:
        """In percent: 100 * (1 - error / rms)."""
        return 100 * (1 - self.error / self.rms)


class Agreement(_Record):
    """The part of the values that both sides restore to the same bits."""

    format: Text
    data: Text
    values: Count
    equal: Share


class Outputs(_Record):
    """Logits of both sides for the same tokens: `error` is the largest normalized mean square error
    of a row, `same_choice` the part of the rows whose largest logit is that of the base."""

    model: Text
    rows: Count
    equal: bool
    error: Annotated[float, Field(ge=0)]
    same_choice: Share


class Answer(_Record):
    """A digest of what was computed once more: equal digests are equal bits."""

    what: Text
    isa: Text
    threads: Threads
    run: Annotated[int, Field(ge=0, le=1000)]
    digest: Text


class Loaded(_Record):
    """A fresh process that loaded a model and decoded a few tokens: `model` bytes of the file, its
    `layers` (None where nobody tells), `before` resident bytes before the load (0 of a program that
    does nothing else), `peak` resident bytes at most."""

    layers: Count | None = None
    model: Count
    before: Bytes
    peak: Count


class Held(_Record):
    """Bytes after each repeat of the same work in one process: resident ones, what malloc gave and
    has not got back, or what Python objects take."""

    what: Text
    kind: Literal["resident", "allocated", "python"]
    sizes: Annotated[tuple[Count, ...], Field(min_length=4, max_length=10_000)]


class StageMemory(_Record):
    """Native allocations of a stage and the resident bytes at its peak, None where not known."""

    stage: Text
    allocations: Bytes
    allocated: Bytes
    peak: Bytes | None


class KernelTime(_Record):
    """All calls of a kernel in one prefill and some decode steps: self time, bytes and operations
    in sum. `footprint`: the bytes after which its data come back."""

    kernel: Text
    threads: Threads
    calls: Count
    seconds: Seconds
    bytes: Bytes
    ops: Bytes
    footprint: Bytes


class Timed(_Record):
    """A case timed in turns with others: the n-th of `seconds`, each of one iteration, was taken in
    the n-th round. `asked` is the forced instruction set ("": the best), `ran` what ran."""

    case: CaseName
    asked: Text
    ran: Text
    seconds: Annotated[tuple[Seconds, ...], Field(min_length=1, max_length=10_000)]


class Misses(_Record):
    """Accesses of one iteration to the cache and those that missed, as `tool` counts them."""

    case: CaseName
    tool: Text
    accesses: Annotated[float, Field(ge=0)]
    misses: Annotated[float, Field(ge=0)]


class SideEvidence(_Record):
    """What was measured of one side; `missing` tells why a part is not there."""

    label: Text
    round_trips: tuple[RoundTrip, ...] = ()
    answers: tuple[Answer, ...] = ()
    loaded: tuple[Loaded, ...] = ()
    held: tuple[Held, ...] = ()
    stages: tuple[StageMemory, ...] = ()
    kernels: tuple[KernelTime, ...] = ()
    timed: tuple[Timed, ...] = ()
    misses: tuple[Misses, ...] = ()
    missing: dict[Part, Text] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _stand_once(self) -> SideEvidence:
        keys: dict[str, list[object]] = {
            "round_trips": [(each.format, each.data) for each in self.round_trips],
            "answers": [(a.what, a.isa, a.threads, a.run) for a in self.answers],
            "loaded": [each.model for each in self.loaded],
            "held": [(each.what, each.kind) for each in self.held],
            "stages": [each.stage for each in self.stages],
            "kernels": [each.kernel for each in self.kernels],
            "timed": [(each.case, each.asked) for each in self.timed],
            "misses": [each.case for each in self.misses],
        }
        for name, each in keys.items():
            if len(set(each)) != len(each):
                raise ValueError(f"{name}: found one of them twice, accepted is each once")
        return self


class WorkOf(_Record):
    """What one iteration of a case does, and the bytes that a long loop walks through."""

    case: CaseName
    isa: Text
    bytes: Bytes
    ops: Bytes
    footprint: Bytes
    written: Bytes


class ConsoleOf(_Record):
    """What a console of `cargo bench` says."""

    ids: tuple[Text, ...]
    why: Text | None
    note: Text | None = None


class BaselineFile(_Record):
    """A file that was named as a baseline, as it was read; `why` where it could not be."""

    name: Text
    forced: bool = False
    rows: tuple[ResultRow, ...] = ()
    consoles: tuple[ConsoleOf, ...] = ()
    why: Text = ""


class Evidence(_Record):
    """What was measured of both sides in one run.

    model: the file that was named, "" where synthetic models were made. synthetic: its weights are
    random. ceilings: limits of the host, measured between the sides. seconds: what each part took.
    """

    version: Literal[1] = 1
    base: SideEvidence
    candidate: SideEvidence
    model: Text = ""
    synthetic: bool = True
    agreements: tuple[Agreement, ...] = ()
    outputs: tuple[Outputs, ...] = ()
    works: tuple[WorkOf, ...] = ()
    baseline: BaselineFile | None = None
    ceilings: Ceilings | None = None
    seconds: dict[Part, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)

    @property
    def sides(self) -> tuple[SideEvidence, SideEvidence]:
        """Base and candidate."""
        return self.base, self.candidate

    def why(self, part: Part) -> str:
        """Why a part is not there, of the candidate first; "not measured" where nobody said."""
        for name, side in (("candidate", self.candidate), ("base", self.base)):
            if part in side.missing:
                return f"{name}: {side.missing[part]}"
        return "not measured"
