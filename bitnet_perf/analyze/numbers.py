"""A number that a rule saw, with the place in the records that it was read from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["EVIDENCE", "PROFILE", "RAW", "REVIEW", "Number", "count", "part"]

RAW, PROFILE, EVIDENCE, REVIEW = "raw.npz", "profile.json", "evidence.json", "review.json"
Unit = Literal["part", "count", "times", "s", "bytes"]


@dataclass(frozen=True, slots=True)
class Number:
    """`value` of what `name` says, read from `row` of the record `file`. unit: "part" is a share or
    a slowdown (0.05: 5 %), "times" a factor."""

    name: str
    value: float
    unit: Unit
    file: str
    row: str = ""

    @property
    def source(self) -> str:
        """The record and what in it."""
        return f"{self.file}: {self.row}" if self.row else self.file

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        if self.unit == "part":
            return f"{self.name} {100 * self.value:.1f} %"
        if self.unit == "count":
            return f"{self.name}: {self.value:.0f}"
        return f"{self.name} {self.value:.3g} {self.unit}"


def count(name: str, value: int, file: str, row: str = "") -> Number:
    """So many of `name`."""
    return Number(name, value, "count", file, row)


def part(name: str, value: float, file: str, row: str = "") -> Number:
    """A share, or a slowdown."""
    return Number(name, value, "part", file, row)
