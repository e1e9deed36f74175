"""The folder of built sides: where it is, what goes, what is in use."""

from __future__ import annotations

import os

import pytest

from bitnet_perf.cache import COMPLETE, cache_folder, keep_newest, locked
from bitnet_perf.errors import EnvironmentRefused


def test_the_oldest_entries_go(tmp_path):
    for age in range(5):
        (tmp_path / str(age)).mkdir()
        os.utime(tmp_path / str(age), (0, 1000 - age))
    keep_newest(tmp_path, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1"]


def test_what_is_removed_halfway_is_not_complete(tmp_path, monkeypatch):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / COMPLETE).write_text("{}")

    def cut(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("shutil.rmtree", cut)
    with pytest.raises(KeyboardInterrupt):
        keep_newest(tmp_path, 0)
    assert list((tmp_path / "old").iterdir()) == []


def test_an_entry_in_use_stays(tmp_path):
    folder, locks = tmp_path / "folder", tmp_path / "locks"
    for name in ("used", "free"):
        (folder / name).mkdir(parents=True)
    locks.mkdir()
    with locked(locks / "used"):
        keep_newest(folder, 0, locks)
    assert [path.name for path in folder.iterdir()] == ["used"]


@pytest.mark.parametrize("folder", ["~no-such-user/x", None])
def test_a_cache_in_a_home_that_is_not_known(monkeypatch, folder):
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("BITNET_PERF_CACHE", raising=False)
    if folder is not None:
        monkeypatch.setenv("BITNET_PERF_CACHE", folder)
    with pytest.raises(EnvironmentRefused, match=r"~.*home directory.*BITNET_PERF_CACHE"):
        cache_folder("environments")
