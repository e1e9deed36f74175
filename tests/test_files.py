"""A file is the old one or the new one, never half."""

import os
import resource
import signal
import subprocess
import sys

import pytest

from bitnet_perf.errors import EnvironmentRefused
from bitnet_perf.files import write_atomic


def test_writes_text_and_bytes_and_makes_folders(tmp_path):
    target = write_atomic(tmp_path / "a" / "b.txt", "Δ")
    assert target.read_bytes() == "Δ".encode()
    write_atomic(target, b"\x00new")
    assert target.read_bytes() == b"\x00new"
    assert os.listdir(target.parent) == ["b.txt"]


def test_a_full_disk_leaves_the_old_file(tmp_path):
    target = write_atomic(tmp_path / "x", "old")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, limit[1]))
    try:
        with pytest.raises(EnvironmentRefused, match=r"x: cannot be written \(File too large\)"):
            write_atomic(target, "n" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, handler)
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["x"]


def test_a_folder_in_the_way_is_one_clear_error(tmp_path):
    (tmp_path / "d").mkdir()
    with pytest.raises(EnvironmentRefused, match="d: cannot be written"):
        write_atomic(tmp_path / "d", "text")
    assert os.listdir(tmp_path) == ["d"]


def test_killed_writers_leave_old_or_new(tmp_path):
    target = write_atomic(tmp_path / "x", "o" * 200_000)
    code = (
        "import sys; from bitnet_perf.files import write_atomic\n"
        "print('up', flush=True)\n"
        "while True: write_atomic(sys.argv[1], 'n' * 200_000)\n"
    )
    for delay in (0.001, 0.01, 0.03):
        child = subprocess.Popen(
            [sys.executable, "-c", code, str(target)], stdout=subprocess.PIPE, text=True
        )
        with child:
            assert child.stdout is not None
            child.stdout.readline()
            with pytest.raises(subprocess.TimeoutExpired):
                child.wait(delay)
            child.kill()
        assert target.read_text() in ("o" * 200_000, "n" * 200_000)
