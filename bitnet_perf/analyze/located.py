"""Where the instructions were added that several benchmarks of a Cargo workspace have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from bitnet_perf.analyze.counts import MUCH, Difference, PlaceDifference

__all__ = ["Located", "locate"]

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Located:
    """What added most: over `cases` benchmarks with more instructions than before, `crate` holds
    the part `of_crate` of them, and the function `place` the part `of_place`."""

    cases: int
    crate: str
    of_crate: float
    place: PlaceDifference
    of_place: float

    @property
    def text(self) -> str:
        """One sentence."""
        return (
            f"{self.crate} holds {self.of_crate:.0%} of the instructions added in {self.cases} "
            f"benchmarks, {self.place.label} {self.of_place:.0%}"
        )


def locate(differences: Iterable[Difference], crates: Sequence[str]) -> Located | None:
    """Where instructions were added among the members `crates`; None where nowhere.

    Benchmarks with more than MUCH more of them count, all alike whatever their length: what is
    added up are parts of their base.
    """
    more = [each for each in differences if each.change > MUCH]
    by_crate: dict[str, float] = {}
    by_place: dict[tuple[str, str, str], float] = {}
    rows: dict[tuple[str, str, str], PlaceDifference] = {}
    for row in (row for each in more for row in each.functions):
        if isinstance(row, PlaceDifference) and row.crate in crates:
            key = (row.crate, row.name, row.file)
            by_crate[row.crate] = by_crate.get(row.crate, 0.0) + row.share
            by_place[key] = by_place.get(key, 0.0) + row.share
            rows.setdefault(key, row)
    crate, place = _most(by_crate), _most(by_place)
    if crate is None or place is None:
        return None
    whole = sum(each.change for each in more)
    shares = by_crate[crate] / whole, by_place[place] / whole
    return Located(len(more), crate, shares[0], rows[place], shares[1])


def _most(parts: Mapping[Key, float]) -> Key | None:
    """The key of the largest part above 0."""
    found = max(parts, key=lambda key: parts[key], default=None)
    return found if found is not None and parts[found] > 0 else None
