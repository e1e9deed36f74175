"""The recorded comparisons are judged as they always were."""

from __future__ import annotations

from pathlib import Path

import pytest

from bitnet_perf.analyze.paired.comparison import judge, overall
from bitnet_perf.bench.paired.raw import Raw

GOLDEN = Path(__file__).parents[2] / "golden" / "lockstep"

# file: verdict, look that decides, notes, exit code
JUDGED = {
    "pinned_same_2560": ("pass", 0, (), 0),
    "pinned_same_6912": ("pass", 0, (), 0),
    "unpinned_same_2560": ("pass", 0, (), 0),
    "unpinned_same_6912": ("pass", 0, (), 0),
    "pinned_plus5_2560": ("concern", 2, ("at the budget",), 3),
    "unpinned_plus5_2560": ("concern", 1, (), 3),
}


@pytest.mark.parametrize("name", JUDGED)
def test_recorded_runs(name):
    rows = judge(Raw.load(GOLDEN / f"{name}.npz"))
    assert len(rows) == 1
    (row,) = rows
    verdict, look, notes, code = JUDGED[name]
    assert (row.verdict, row.look, row.notes) == (verdict, look, notes)
    assert overall(rows)[1] == code
    true = 0.05 if "plus5" in name else 0.0
    assert row.slowdown is not None
    assert abs(row.slowdown - true) < 0.01
    assert row.canaries == ()


def test_every_recording_is_judged():
    assert {path.stem for path in GOLDEN.glob("*.npz")} == set(JUDGED)


def test_saved_and_loaded_is_judged_the_same(tmp_path):
    raw = Raw.load(GOLDEN / "pinned_plus5_2560.npz")
    again = Raw.load(raw.save(tmp_path / "again.npz"))
    assert judge(again) == judge(raw)
    assert again.meta == raw.meta
    assert again.meta["note"]
