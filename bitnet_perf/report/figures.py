"""Figures out of the rows of a record: one function a unit, so that a number looks the same
everywhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeGuard

from bitnet_perf.report.document import Figure, Part, Told, Words, parts

__all__ = ["NONE", "SETTINGS", "Source", "between", "join", "known", "three", "unit_of", "words"]

NONE = "not measured"
SETTINGS = "review.json"  # holds the settings of the run
DIGITS = 12  # significant; what two hosts agree on


def words(*several: Words) -> tuple[Part, ...]:
    """One text out of words, figures and other texts."""
    return tuple(part for each in several for part in parts(each))


def join(between: str, several: Sequence[Words]) -> tuple[Part, ...]:
    """Texts with `between` between them."""
    found: list[Part] = []
    for number, each in enumerate(several):
        found += [between] if number else []
        found += parts(each)
    return tuple(found)


def between(low: Part, high: Part) -> Words:
    """An interval: its ends, or why there is none."""
    for end in (low, high):
        if isinstance(end, str):
            return end
    return words(low, " to ", high)


@dataclass(frozen=True, slots=True)
class Source:
    """A row of a record, for example ("raw.npz", a case): figures and sentences that follow from
    it. Of a value that is None (not measured) or infinite no figure is made."""

    file: str
    row: str

    def figure(self, value: float, text: str, unit: str = "") -> Figure:
        """`value`, in `unit`, shown as `text`."""
        exact = float(f"{value:.{DIGITS}g}") + 0.0
        return Figure(text=text, value=exact, unit=unit, file=self.file, row=self.row)

    def told(self, text: str) -> Told:
        """A sentence of the analysis, or of another."""
        return Told(told=text, file=self.file, row=self.row)

    def count(self, value: float | None, none: str = NONE) -> Part:
        """A whole number."""
        return self.figure(value, f"{value:.0f}") if known(value) else none

    def percent(self, part: float | None, form: str = "+.1f", none: str = NONE) -> Part:
        """A part (0.05) as percent; of a hundredfold and more only that it is "any"."""
        if not known(part):
            return none
        if abs(part) >= 100:
            return self.told("any")
        return self.figure(100 * part, f"{100 * part:{form}} %", "%")

    def share(self, part: float | None, none: str = "") -> Part:
        """A part of a whole as percent without a sign."""
        return self.percent(part, ".1f", none)

    def micro(self, seconds: float | None, form: str = "+.2f", none: str = NONE) -> Part:
        """Seconds as a number of microseconds; the column names the unit."""
        return (
            self.figure(1e6 * seconds, f"{1e6 * seconds:{form}}", "us") if known(seconds) else none
        )

    def seconds(self, seconds: float | None, none: str = NONE) -> Part:
        """A time of three digits with its unit: 1.23 us."""
        if not known(seconds):
            return none
        unit, size = unit_of(abs(seconds))
        return self.number(seconds / size, unit)

    def change(self, seconds: float | None, none: str = "not known") -> Part:
        """A difference of times with its sign, three digits and its unit: +1.23 us."""
        if not known(seconds):
            return none
        unit, size = unit_of(abs(seconds))
        sign = "-" if seconds < 0 else "+"
        return self.figure(seconds / size, f"{sign}{three(abs(seconds) / size)} {unit}", unit)

    def number(self, value: float | None, unit: str, form: str = "", none: str = NONE) -> Part:
        """A value of three digits (or of `form`) with its unit."""
        if not known(value):
            return none
        text = f"{value:{form}}" if form else three(value)
        return self.figure(value, f"{text} {unit}".strip(), unit)

    def bare(self, value: float | None, unit: str, form: str = "", none: str = NONE) -> Part:
        """The same without the unit, which the column names."""
        if not known(value):
            return none
        return self.figure(value, f"{value:{form}}" if form else three(value), unit)

    def bytes(self, value: float | None, none: str = NONE) -> Part:
        """A size in MB (10^6 bytes)."""
        return self.number(value / 1e6, "MB") if known(value) else none


def known(value: float | None) -> TypeGuard[float]:
    """Whether there is a number: None was not measured, a bound of too few pairs is infinite."""
    return value is not None and math.isfinite(value)


def unit_of(seconds: float) -> tuple[str, float]:
    """The largest unit of time that is not above `seconds`, and its size in seconds."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return unit, size
    return "ns", 1e-9


def three(value: float) -> str:
    """Three significant digits, or all before the point."""
    if value == 0:
        return "0"
    before = math.floor(math.log10(abs(value))) + 1
    return f"{value:.{min(12, max(0, 3 - before))}f}"
