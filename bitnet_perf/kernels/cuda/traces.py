"""Addresses of an emulated launch, and what the memory of a GPU would make of them."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Accesses", "Trace"]

_RECORD = np.dtype([
    ("site", "u8"), ("address", "u8"), ("block", "u4"), ("thread", "u4"), ("turn", "u4"),
    ("bytes", "u2"), ("kind", "u1"), ("shared", "u1"),
])  # fmt: skip
WARP = 32
SECTOR = 32  # bytes that global memory moves at once
BANKS = 32  # of 4 bytes
PHASE = 128  # bytes that shared memory moves at once


@dataclass(frozen=True, slots=True)
class Accesses:
    """All accesses from one place of a kernel.

    Attributes:
        site: the place, an address in the loaded program.
        shared: whether to shared memory, else to global memory.
        write: whether they write.
        width: bytes of a lane.
        requests: instructions of a warp.
        sectors: 32-byte pieces of global memory moved, over the fewest that hold these bytes.
        conflicts: passes over the banks of shared memory, over the fewest for these bytes: 1.0 is
            none too many.
    """

    site: int
    shared: bool
    write: bool
    width: int
    requests: int
    sectors: float
    conflicts: float


class Trace:
    """All accesses of a launch to arrays and shared memory, in the order in which they ran."""

    def __init__(self, records: NDArray[Any]) -> None:
        self.records = records

    @classmethod
    def read(cls, library: ctypes.CDLL) -> Trace:
        """What the last launch of this program left."""
        begin = ctypes.c_void_p()
        find = library.bp_emu_trace
        find.restype = ctypes.c_size_t
        count = find(ctypes.byref(begin))
        if count == 0:
            return cls(np.empty(0, _RECORD))
        held = (ctypes.c_char * (count * _RECORD.itemsize)).from_address(begin.value or 0)
        return cls(np.frombuffer(held, _RECORD).copy())

    def accesses(self) -> list[Accesses]:
        """One entry for each place in the kernel and width, those with most requests first.

        Lanes of a warp that come to a place for the same time form one request.
        """
        found = []
        keys = np.unique(self.records[["site", "bytes", "kind", "shared"]])
        for key in keys:
            mine = self.records[
                (self.records["site"] == key["site"]) & (self.records["bytes"] == key["bytes"])
                & (self.records["kind"] == key["kind"]) & (self.records["shared"] == key["shared"])
            ]  # fmt: skip
            found.append(_summary(mine, bool(key["shared"])))
        return sorted(found, key=lambda each: -each.requests)


def _summary(records: NDArray[Any], shared: bool) -> Accesses:
    width = int(records["bytes"][0])
    warps = records["block"].astype(np.int64) * WARP + records["thread"] // WARP
    requests = warps << 32 | records["turn"]
    first = records["address"].astype(np.int64)
    first -= first.min() // PHASE * PHASE
    sectors = conflicts = 1.0
    if shared:
        lanes = max(1, min(WARP, PHASE // width))  # that go together: 128 bytes
        conflicts = _conflicts(requests, records["thread"] % WARP // lanes, first, width)
    else:
        sectors = _sectors(requests, first, width)
    count = len(np.unique(requests))
    write = bool(records["kind"][0] != 0)
    return Accesses(int(records["site"][0]), shared, write, width, count, sectors, conflicts)


def _numbers(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """The keys as numbers from 0, equal ones alike."""
    return np.unique(keys, return_inverse=True)[1].astype(np.int64)


def _sectors(requests: NDArray[np.int64], first: NDArray[np.int64], width: int) -> float:
    """Sectors that the requests move, over those that their distinct bytes fill."""
    request = _numbers(requests)
    moved = np.unique(request * (1 << 40) + first // SECTOR)
    distinct = np.unique(request * (1 << 40) + first) >> 40
    fewest = np.ceil(np.bincount(distinct) * width / SECTOR).sum()
    return float(len(moved) / fewest)


def _conflicts(
    requests: NDArray[np.int64], part: NDArray[Any], first: NDArray[np.int64], width: int
) -> float:
    """Passes over the banks, over the groups of lanes that go together: a pass gives each bank one
    word, to all lanes that want it."""
    group = _numbers(_numbers(requests) * WARP + part)
    words = max(1, width // 4)
    word = (first[:, None] // 4 + np.arange(words)).reshape(-1)
    distinct = np.unique(np.repeat(group, words) * (1 << 32) + word)
    wanted = np.bincount((distinct >> 32) * BANKS + distinct % BANKS)
    wanted = np.pad(wanted, (0, -len(wanted) % BANKS)).reshape(-1, BANKS)
    return float(wanted.max(axis=1).sum() / len(wanted))
