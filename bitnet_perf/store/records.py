"""What a history holds, as plain values."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from bitnet_perf.errors import FormatError

__all__ = ["Host", "Point", "Source"]


@dataclass(frozen=True, slots=True)
class Host:
    """Where something was measured: `key` is the same where times can be compared; `cpu` in words;
    `facts` what the file told, plain JSON."""

    key: str
    cpu: str
    facts: Mapping[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Source:
    """A file that was added: the SHA-256 of its content, its kind and name, when it was measured.

    verdict, route: what a gate said, empty for other files. dropped: what was seen and not taken.
    """

    sha256: str
    kind: str
    name: str
    measured: datetime.datetime
    verdict: str = ""
    route: str = ""
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Point:
    """One case at one commit on one host.

    commit: the full id, empty where the file tells none. isa, compiler: empty where unknown. value,
    low, high: in `unit` (for "second" of one iteration), with a 95 % interval where there are
    processes enough; `count` of them. compute, streaming: value over that of the anchor kernel of
    the same run. verdict, slowdown: of the paired comparison in which this was the candidate.
    committed: the time of the commit, None where unknown; measured: when this was measured.

    Raises FormatError for a number that is not finite, a value that is not above 0, fewer than one
    thread, and a time without zone.
    """

    case: str
    commit: str
    host: Host
    isa: str
    compiler: str
    threads: int
    value: float
    measured: datetime.datetime
    low: float | None = None
    high: float | None = None
    unit: str = "second"
    count: int = 1
    compute: float | None = None
    streaming: float | None = None
    verdict: str = ""
    slowdown: float | None = None
    committed: datetime.datetime | None = None

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, float) and not math.isfinite(value):
                raise FormatError(f"{self.case}: {each.name}: found {value}, accepted is finite")
            if isinstance(value, datetime.datetime) and value.tzinfo is None:
                raise FormatError(f"{self.case}: {each.name}: found a time without zone")
        for name in ("value", "compute", "streaming"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise FormatError(f"{self.case}: {name}: found {value}, accepted is above 0")
        if self.threads < 1:
            raise FormatError(f"{self.case}: threads: found {self.threads}, accepted is 1 or more")
