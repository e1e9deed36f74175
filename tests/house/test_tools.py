"""A missing tool gets one line that says which, and how to get it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from house.tree import ROOT


def check_tools(
    python: str = sys.executable, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", ROOT / ".ci" / "tools.sh", python],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def fake_python(folder: Path, fails_on: str) -> str:
    """A Python whose check that contains `fails_on` fails."""
    fake = folder / "python"
    fake.write_text(
        f'#!/bin/sh\ncase "$2" in *{fails_on}*) exit 1 ;; esac\nexec {sys.executable} "$@"\n'
    )
    fake.chmod(0o755)
    return str(fake)


def test_this_host_has_the_tools():
    done = check_tools()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("fails_on", "what", "how"),
    [
        ("version_info", "older than Python 3.11", "make PYTHON="),
        ("ensurepip", "virtual environment", "apt-get install python3-venv"),
        ("Python.h", "no header Python.h", "apt-get install python3-dev"),
    ],
)
def test_what_python_lacks(tmp_path, fails_on, what, how):
    done = check_tools(fake_python(tmp_path, fails_on))
    assert done.returncode == 1
    assert what in done.stderr
    assert how in done.stderr
    assert done.stderr.count("\n") == 1


def test_no_python():
    done = check_tools("no-such-python")
    assert done.returncode == 1
    assert "Python 3.11+ is missing ('no-such-python')" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("compiler", "what"),
    [
        ("no-such-compiler", "a C++20 compiler is missing ('no-such-compiler')"),
        ("false", "'false' does not compile C++20"),
        ("c++ -include no_such_header.hpp", "does not compile C++20"),
    ],
)
def test_compilers_that_do_not_serve(compiler, what):
    done = check_tools(CXX=compiler)
    assert done.returncode == 1
    assert what in done.stderr
    assert "apt-get install g++" in done.stderr
    assert done.stderr.count("\n") == 1


def run_lanes(folder: Path, **lanes: str) -> subprocess.CompletedProcess[str]:
    """The runner of the lanes over lanes of these scripts."""
    (folder / ".ci" / "lanes").mkdir(parents=True)
    runner = folder / ".ci" / "lanes" / "run"
    runner.write_text((ROOT / ".ci" / "lanes" / "run").read_text())
    for name, script in lanes.items():
        (runner.parent / f"{name}.sh").write_text(script)
    return subprocess.run(["bash", runner, *lanes], capture_output=True, text=True, check=False)


def test_lanes_that_pass_and_lanes_that_lack_a_tool(tmp_path):
    done = run_lanes(
        tmp_path,
        one="echo '5 passed, 1 skipped in 0.1s'",
        two="echo 'apt-get install something'; exit 77",
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert [line.split()[:2] for line in lines[lines.index("==== lanes") + 1 :][:2]] == [
        ["one", "PASS"],
        ["two", "SKIP"],
    ]
    assert "  two: apt-get install something" in lines
    assert lines[-1] == "5 passed, 0 failed, 1 skipped"


@pytest.mark.parametrize(
    "script", ["echo '2 failed, 5 passed in 0.1s'; exit 1", "echo broken; exit 1; exit 1"]
)
def test_a_lane_that_fails_fails_the_run(tmp_path, script):
    done = run_lanes(tmp_path, one="echo '1 passed in 0.1s'", two=script)
    assert done.returncode == 1
    assert any(line.split()[:2] == ["two", "FAIL"] for line in done.stdout.splitlines())
    last = done.stdout.splitlines()[-1]
    assert last in {"6 passed, 2 failed, 0 skipped", "1 passed, 1 failed, 0 skipped"}


def test_requirements_come_from_pyproject():
    listed = subprocess.run(
        [sys.executable, ROOT / ".ci" / "requirements.py"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert {"numpy", "pybind11", "pytest", "scikit-build-core"} <= {
        line.split(">=")[0] for line in listed
    }
