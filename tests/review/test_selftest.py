"""The selftest as a whole act, on real pairs of a small case; no time is judged."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

import bitnet_perf as bp
from bitnet_perf.analyze.paired.rules import Rules
from bitnet_perf.bench.paired.raw import Raw
from bitnet_perf.cli import main
from bitnet_perf.errors import ConfigError, FormatError
from bitnet_perf.review import recordings
from bitnet_perf.review import selftest as module
from bitnet_perf.review.recordings import SLOWDOWNS, Extent
from bitnet_perf.review.selftest import selftest

GEMV = "forward/gemv/i2_s/64x256/t1"
ENDS = Rules(looks=(2, 2), long_looks=(2, 2), least_pairs=2)
EXTENT = Extent(("quiet",), (GEMV,), 3, 2, 20, ("1 CPU hog", (0.0, 0.1), 1), ENDS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pairs")


@pytest.fixture(scope="module")
def found(folder):
    return selftest(folder, EXTENT, seed=1)


def test_every_cell_is_there(found):
    extra = [c.slowdown for c in found.cells if c.source == "extra work"]
    assert extra == list(SLOWDOWNS)
    assert [c.slowdown for c in found.cells if c.source == "scaled"] == list(SLOWDOWNS[1:])
    live = [c for c in found.cells if c.source == "live"]
    assert [(c.slowdown, c.environment) for c in live] == [(0.0, "1 CPU hog"), (0.1, "1 CPU hog")]
    assert all(c.passed.trials == 20 and c.pairs == 3 for c in found.cells if c.source != "live")
    assert all(c.passed.trials == 1 and c.pairs in {2, 4} for c in live)
    assert (found.missing, found.stopped) == ((), "")


def test_the_folder_holds_raw_files_of_every_cell(found, folder):
    assert found.cells
    assert [p.name for p in sorted(folder.iterdir())] == [
        "live-1-CPU-hog-0-000.npz",
        "live-1-CPU-hog-10-000.npz",
        "quiet-000.npz",
        "quiet-001.npz",
    ]
    raws = [Raw.load(folder / f"quiet-00{n}.npz") for n in (0, 1)]
    assert [len(raw.pairs["pair_case"]) for raw in raws] == [16, 8]
    for raw in raws:
        assert sorted({int(n) for n in raw.pairs["pair_case"]}) == list(range(len(SLOWDOWNS)))
    assert raws[0].pairs["pair_case"].tolist() != sorted(raws[0].pairs["pair_case"])
    assert [case["extra"] for case in raws[0].cases()] == list(SLOWDOWNS)


def test_what_is_recorded_is_not_recorded_again(found, folder, monkeypatch):
    def refuse(*_args):
        raise AssertionError("recorded again")

    monkeypatch.setattr(recordings, "measure_pair", refuse)
    monkeypatch.setattr(recordings, "Driver", refuse)
    again = selftest(folder, EXTENT, seed=1)
    assert again.cells == found.cells


def test_a_run_that_was_cut_goes_on(found, folder, tmp_path, monkeypatch):
    """After a kill there are whole batches, and the others are missing."""
    assert found.missing == ()
    whole = folder / "quiet-000.npz"
    (tmp_path / whole.name).write_bytes(whole.read_bytes())
    cut = selftest(tmp_path, EXTENT, seed=1, time_budget=1e-9)
    assert cut.stopped == "the time budget of 1e-09 s"
    assert cut.missing[0] == "quiet: 2 of 3 pairs recorded for each cell"
    assert cut.missing[1:] == (
        "live, 1 CPU hog, +0 %: 0 of 1 trials",
        "live, 1 CPU hog, +10 %: 0 of 1 trials",
    )
    assert {c.pairs for c in cut.cells} == {2}
    monkeypatch.setattr(module, "make_trials", lambda _run: None)
    on = selftest(tmp_path, EXTENT, seed=1)
    assert {c.pairs for c in on.cells} == {3}
    assert (tmp_path / whole.name).read_bytes() == whole.read_bytes()


def test_ctrl_c_judges_what_is_there(folder, tmp_path, monkeypatch):
    def interrupt(*_args):
        raise KeyboardInterrupt

    for path in folder.glob("quiet-*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(recordings, "_trial", interrupt)
    stopped = selftest(tmp_path, EXTENT, seed=1)
    assert stopped.stopped == "Ctrl-C"
    assert {c.pairs for c in stopped.cells} == {3}
    assert len(stopped.missing) == 2


@pytest.mark.parametrize(
    "other", [{"batch": 3}, {"cases": ("forward/gemv/i2_s/64x512/t1",)}], ids=str
)
def test_a_folder_of_another_extent_is_refused(found, folder, other):
    assert found.cells
    with pytest.raises(ConfigError, match=r"quiet-000\.npz.*another selftest"):
        selftest(folder, replace(EXTENT, **other))


def test_a_damaged_batch_is_refused(found, folder, tmp_path):
    assert found.cells
    whole = (folder / "quiet-000.npz").read_bytes()
    (tmp_path / "quiet-000.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FormatError, match=r"quiet-000\.npz"):
        selftest(tmp_path, EXTENT)


def test_scaled_cells_move_the_pairs_of_equal_sides(found):
    by = {(c.source, c.slowdown): c for c in found.cells}
    same = by["extra work", 0.0].mean
    for slowdown in SLOWDOWNS[1:]:
        moved = (1 + same) * (1 + slowdown) - 1
        assert by["scaled", slowdown].mean == pytest.approx(moved)


def test_json_says_what_bounds_mean_and_holds_no_nan(found):
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["version"] == 1
    assert "recorded pairs" in plain["bounds"]
    assert plain["host"]["cpu"]
    assert {"passed", "alarmed", "unknown", "slower", "near"} <= set(plain["cells"][0])
    assert np.isfinite(plain["cells"][0]["pair_seconds"])


def test_the_command_prints_goals_and_exits_by_them(found, monkeypatch, capsys, tmp_path):
    asked = []

    def once(folder, extent, **_options):
        asked.append((folder, extent))
        return found

    monkeypatch.setattr(module, "selftest", once)
    with pytest.raises(SystemExit) as ended:
        main(["selftest", "--nightly", "--folder", str(tmp_path)])
    assert ended.value.code == (0 if found.met else 1)
    assert asked == [(tmp_path, module.NIGHTLY)]
    out = capsys.readouterr().out
    assert max(len(line) for line in out.splitlines()) <= 100
    for word in ("+0 % passes >= 99 %", "+10 % passes <= 0.1 %", "Clopper-Pearson", "live trials"):
        assert word in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--quick", "--nightly"], "--nightly: found both"),
        (["--nightly"], "--folder: found nothing"),
    ],
)
def test_what_cannot_be_asked_is_refused(words, message, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["selftest", *words])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_a_worker_that_fails_ends_the_recording_and_what_is_there_is_judged(
    found, folder, tmp_path, monkeypatch
):
    shutil.copytree(folder, tmp_path / "pairs")
    (tmp_path / "pairs" / "quiet-001.npz").unlink()

    def fails(*_):
        raise bp.MeasurementError("it hangs")

    monkeypatch.setattr(recordings, "measure_pair", fails)
    cut = selftest(tmp_path / "pairs", EXTENT, seed=1)
    assert cut.stopped == "it hangs"
    assert len(cut.cells) == len(found.cells)
    with pytest.raises(bp.MeasurementError, match="it hangs"):
        selftest(tmp_path / "new", EXTENT, seed=1)


def test_pairs_of_another_build_are_refused(found, folder, monkeypatch):
    assert found.cells
    monkeypatch.setattr(recordings, "_build", lambda: "another")
    with pytest.raises(bp.ConfigError, match="another build"):
        selftest(folder, EXTENT, seed=1)


def test_results_for_notebooks(found):
    table = found.to_frame()
    assert len(table) == len(found.cells)
    assert {"slowdown", "passed", "passed_low", "passed_high"} <= set(table.columns)
    assert found.goals[0].text.split(" ")[0] in found._repr_html_()
