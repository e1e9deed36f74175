"""What one check of a candidate stands on: guarded arrays, and findings that name their place."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitnet_perf import _native

__all__ = ["POISON", "Memory", "Wrong", "compare", "expect", "outside", "same"]

POISON = 0x5A


class Wrong(Exception):
    """What a candidate does wrong."""


class Memory:
    """The guarded arrays of one call, each against one side of its pages."""

    def __init__(self, at_end: bool) -> None:
        self.at_end = at_end
        self.made: dict[str, _native.Guarded] = {}

    def add(self, name: str, data: NDArray[Any] | int, align: int = 1) -> _native.Guarded:
        """Memory that holds `data` and is read-only, or so many poisoned bytes to be written."""
        size = data if isinstance(data, int) else data.nbytes
        memory = _native.Guarded(name, size, self.at_end, align)
        if isinstance(data, int):
            memory.bytes()[:] = POISON
        else:
            memory.bytes()[:] = np.ascontiguousarray(data).reshape(-1).view(np.uint8)
            memory.seal()
        self.made[name] = memory
        return memory

    def check(self) -> None:
        """Raise Wrong where a byte beside an array was written."""
        for name, memory in self.made.items():
            at = memory.damage()
            if at is not None:
                size = memory.bytes().size
                where = (
                    f"byte {at - size + 1} past the end"
                    if at >= 0
                    else f"byte {-at} before the start"
                )
                raise Wrong(f"writes {where} of {name}")


def compare(found: NDArray[np.int32], want: NDArray[np.int32], head: str) -> None:
    """Raise Wrong that names the first wrong sum."""
    if np.array_equal(found, want):
        return
    m, n = np.argwhere(found != want)[0]
    token = "" if want.shape[0] == 1 else f" of token {m}"
    if found[m, n] == np.frombuffer(bytes([POISON] * 4), np.int32)[0]:
        raise Wrong(f"{head}row {n}{token} is not written")
    raise Wrong(f"{head}wrong sum in row {n}{token}: found {found[m, n]}, expected {want[m, n]}")


def outside(found: NDArray[np.int32], begin: int, end: int, low: int, high: int) -> None:
    """Raise Wrong where a row in low .. high was written by a call for begin .. end."""
    touched = np.argwhere(
        (found[:, low:high].view(np.uint8) != POISON).reshape(len(found), high - low, 4).any(2)
    )
    if touched.size:
        raise Wrong(f"writes row {low + touched[0, 1]} when called for rows {begin} to {end}")


def same(found: NDArray[Any], want: NDArray[Any], name: str) -> None:
    """Raise Wrong that names the first element of `name` that differs."""
    if np.array_equal(found, want):
        return
    at = tuple(int(i) for i in np.argwhere(found != want)[0])
    place = ", ".join(map(str, at))
    raise Wrong(f"wrong {name}[{place}]: found {found[at]}, expected {want[at]}")


def expect(found: Any, dtype: Any, shape: tuple[int, ...], name: str) -> None:
    """Raise Wrong unless `found` is an array of that dtype and shape."""
    if not isinstance(found, np.ndarray) or found.dtype != dtype or found.shape != shape:
        words = (
            f"{found.dtype}{list(found.shape)}"
            if isinstance(found, np.ndarray)
            else type(found).__name__
        )
        raise Wrong(f"{name} is {words}, accepted is {np.dtype(dtype)}{list(shape)}")
