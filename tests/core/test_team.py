"""The thread team under ThreadSanitizer and without it: a small C++ driver of its own."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DRIVER = Path(__file__).with_name("team_driver.cpp")


def build(out, *flags):
    compiler = shutil.which("c++")
    if compiler is None:
        pytest.skip("no C++ compiler: 'apt-get install g++'")
    sources = [DRIVER, ROOT / "csrc/core/team.cpp"]
    command = [compiler, "-std=c++20", "-O2", "-g", "-pthread", f"-I{ROOT / 'csrc'}", *flags]
    built = subprocess.run(
        [*command, *sources, "-o", out], capture_output=True, text=True, check=False
    )
    if built.returncode and "-ltsan" in built.stderr + built.stdout:
        pytest.skip("libtsan is missing: 'apt-get install libtsan2'")
    assert built.returncode == 0, built.stderr


@pytest.mark.parametrize("flags", [(), ("-fsanitize=thread",)], ids=["plain", "tsan"])
def test_every_chunk_runs_exactly_once(tmp_path, flags):
    build(tmp_path / "driver", *flags)
    environment = {**os.environ, "TSAN_OPTIONS": "die_after_fork=0"}
    command = [tmp_path / "driver"]
    ran = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=240, env=environment
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout == "every chunk ran once\n"
    assert "WARNING: ThreadSanitizer" not in ran.stderr
