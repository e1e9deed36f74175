"""Places of kernels under the limits of a host: pure functions.

A kernel is bound by whichever limit it is nearer to: bytes (input plus output, once) against
streaming through the level it walks, operations against the multiply-adds of its ISA. What a kernel
writes has a limit of its own, because stores past the caches outrun reads on some hosts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from bitnet_perf.errors import MeasurementError

__all__ = ["TOLERANCE", "Place", "check_places", "place"]

TOLERANCE = 1.03  # a kernel above this part of its limit shows that one of the two is wrong

Bound = Literal["memory", "compute", "unknown"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where one kernel stands.

    `gb_per_s` and `gop_per_s` are its rates; `memory` and `compute` the parts of the two limits
    that it reaches (0.93 = 93 %), None where there is no such limit; `bound` the nearer one and
    `part` how near; `level` where its data lives. Limits are medians; `memory_at_best` is the part
    of the best single samples of the memory limit, where those are known.
    """

    case: str
    isa: str
    gb_per_s: float
    gop_per_s: float
    level: str | None
    memory: float | None
    compute: float | None
    memory_at_best: float | None = None

    @property
    def bound(self) -> Bound:
        """The limit that it is nearer to."""
        if self.memory is None and self.compute is None:
            return "unknown"
        return "memory" if (self.memory or 0.0) >= (self.compute or 0.0) else "compute"

    @property
    def part(self) -> float | None:
        """The part of the nearer limit; None without a limit."""
        parts = [part for part in (self.memory, self.compute) if part is not None]
        return max(parts, default=None)

    @property
    def over(self) -> bool:
        """Above a limit by more than the tolerance: the measurement cannot be believed.

        On a shared host bandwidth comes and goes within a run, so a memory limit counts with its
        best sample here.
        """
        memory = self.memory if self.memory_at_best is None else self.memory_at_best
        return max(memory or 0.0, self.compute or 0.0) > TOLERANCE

    def words(self) -> str:
        """For people: "memory-bound, 93 % of L3 bandwidth"."""
        if self.part is None:
            return "no limit measured"
        limit = f"{self.level} bandwidth" if self.bound == "memory" else f"{self.isa} peak"
        return f"{self.bound}-bound, {100 * self.part:.0f} % of {limit}"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, bound and part included."""
        return {**asdict(self), "bound": self.bound, "part": self.part, "words": self.words()}


def place(
    case: str,
    isa: str,
    seconds: float,
    work: tuple[int, int],
    *,
    read: tuple[str, float] | None,
    mac: float | None,
    write: tuple[int, float] | None = None,
    best: tuple[float, float] | None = None,
) -> Place:
    """Place a kernel that does `work` (bytes, operations) in `seconds`.

    `read` is the level its data lives in and that level's limit in GB/s, `mac` the limit of its
    instruction set in Gop/s; None where there is none. `write` is how many of the bytes are written
    and the limit of writing in GB/s; without it all bytes count as read. `best` are the best
    samples of the limits of reading and writing.
    """
    if seconds <= 0:
        raise MeasurementError(f"seconds of {case}: found {seconds}, accepted is more than 0")
    gb, gop = work[0] / seconds / 1e9, work[1] / seconds / 1e9
    memory = at_best = None
    if read and work[0]:
        written, limit = write or (0, read[1])
        memory = _memory_part(gb, written / seconds / 1e9, read[1], limit)
        at_best = _memory_part(gb, written / seconds / 1e9, *best) if best else None
    return Place(
        case=case,
        isa=isa,
        gb_per_s=gb,
        gop_per_s=gop,
        level=read[0] if read else None,
        memory=memory,
        compute=gop / mac if mac and work[1] else None,
        memory_at_best=at_best,
    )


def _memory_part(total: float, written: float, read_limit: float, write_limit: float) -> float:
    """The part of the nearer of both limits; all in GB/s."""
    return max((total - written) / read_limit, written / write_limit)


def check_places(places: Iterable[Place]) -> None:
    """Raise MeasurementError naming every kernel that is above a limit."""
    over = [f"{p.case} on {p.isa}: {p.words()}" for p in places if p.over]
    if over:
        raise MeasurementError(
            f"above {100 * TOLERANCE:.0f} % of a measured limit, so kernel or limit is wrong: "
            + "; ".join(over)
        )
