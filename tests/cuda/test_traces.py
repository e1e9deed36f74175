"""What is counted from addresses, on accesses whose cost is known."""

from __future__ import annotations

import numpy as np
import pytest

from bitnet_perf.kernels.cuda.traces import Trace

RECORD = np.dtype([
    ("site", "u8"), ("address", "u8"), ("block", "u4"), ("thread", "u4"), ("turn", "u4"),
    ("bytes", "u2"), ("kind", "u1"), ("shared", "u1"),
])  # fmt: skip


def warp(addresses, width, shared, turn=0):
    records = np.zeros(32, RECORD)
    records["address"] = 4096 + np.broadcast_to(addresses, 32)
    records["thread"] = np.arange(32)
    records["bytes"], records["shared"], records["turn"] = width, shared, turn
    return records


def counted(*parts):
    (found,) = Trace(np.concatenate(parts)).accesses()
    return found


LANE = np.arange(32)


@pytest.mark.parametrize(("addresses", "width", "passes"), [
    (4 * LANE, 4, 1), (8 * LANE, 4, 2), (128 * LANE, 4, 32), (0 * LANE, 4, 1),
    (4 * (LANE % 2), 4, 1), (132 * LANE, 4, 1), (8 * LANE, 8, 1), (16 * LANE, 16, 1),
    (32 * LANE, 16, 2), (128 * LANE, 16, 8), (128 * LANE + 16 * (LANE % 8), 16, 1), (LANE, 1, 1),
])  # fmt: skip
def test_banks(addresses, width, passes):
    found = counted(warp(addresses, width, shared=1))
    assert (found.conflicts, found.requests, found.sectors) == (passes, 1, 1)


@pytest.mark.parametrize(("addresses", "width", "sectors"), [
    (4 * LANE, 4, 1), (8 * LANE, 4, 2), (32 * LANE, 4, 8), (16 * LANE, 16, 1), (32 * LANE, 16, 2),
    (4 * LANE + 4, 4, 5 / 4), (0 * LANE, 4, 1), (16 * (31 - LANE), 16, 1),
])  # fmt: skip
def test_sectors(addresses, width, sectors):
    found = counted(warp(addresses, width, shared=0))
    assert (found.sectors, found.requests, found.conflicts) == (sectors, 1, 1)


def test_turns_and_places_are_told_apart():
    found = counted(warp(4 * LANE, 4, 1), warp(128 * LANE, 4, 1, turn=1))
    assert (found.requests, found.conflicts) == (2, 33 / 2)
    other = warp(4 * LANE, 4, 1)
    other["site"] = 1
    assert len(Trace(np.concatenate([other, warp(4 * LANE, 4, 1)])).accesses()) == 2
    assert Trace(np.zeros(0, RECORD)).accesses() == []
