"""The tile of the look-up formats tl1 and tl2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from bitnet_perf.errors import FormatError

__all__ = ["Tiling"]

_LARGEST = 2**31 - 1


@dataclass(frozen=True)
class Tiling:
    """BM rows by BK columns, in strips of bm rows; which ones a format admits is checked where
    it is used. Source: the code generators of bitnet.cpp."""

    BM: int
    BK: int
    bm: int

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not isinstance(value, int) or not 1 <= value <= _LARGEST:
                raise FormatError(f"tiling: found {name}={value!r}, accepted is an int >= 1")

    @classmethod
    def of(cls, value: Tiling | Mapping[str, int] | None) -> Tiling | None:
        """A tiling from one, from a mapping with the keys BM, BK and bm, or None."""
        if value is None or isinstance(value, cls):
            return value
        if isinstance(value, Mapping) and set(value) == {"BM", "BK", "bm"}:
            return cls(**value)
        raise FormatError(
            f"tiling: found {value!r}, accepted is a Tiling, a mapping with BM, BK and bm, or None"
        )

    @property
    def tile(self) -> tuple[int, int, int]:
        """(BM, BK, bm)."""
        return self.BM, self.BK, self.bm
