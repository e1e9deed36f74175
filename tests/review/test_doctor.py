"""What a host lacks, on hosts made up for it."""

from __future__ import annotations

import shutil
import sys

import pytest

from bitnet_perf.bench.paired import host
from bitnet_perf.cli import COMMANDS, main
from bitnet_perf.review import doctor as module
from bitnet_perf.review.doctor import CHECKS, Check, doctor


def test_every_check_says_what_brings_it():
    assert len({check.name for check in CHECKS}) == len(CHECKS)
    for check in CHECKS:
        assert check.bring
        assert check.commands


def test_this_host_can_build():
    found = {finding.name: finding for finding in doctor()}
    assert found["git"].fine == (shutil.which("git") is not None)


def test_missing_programs_and_cpus_are_found(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda *_args, **_path: None)
    monkeypatch.setattr(module, "has_pip", lambda: False)
    monkeypatch.setattr(module, "allowed_cpus", lambda: host.allowed_cpus()[:1])
    found = {finding.name: finding.lacks for finding in doctor()}
    assert found["git"] == "git not found"
    assert found["ninja or make"] == "ninja and ninja-build and samu and make not found"
    assert "a C++20 compiler is missing" in found["C++20 compiler"]
    assert found["pip"] == f"not installed for {sys.executable}"
    assert found["two CPUs"].startswith("one CPU")


def program(path, text="exit 0"):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def lacks(tmp_path, monkeypatch):
    """What one check says on a host whose programs are those in `tmp_path`, beside the Python."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    monkeypatch.delenv("CXX", raising=False)
    return lambda name: next(check.lacks() for check in CHECKS if check.name == name)


@pytest.mark.parametrize(("name", "tool"), [
    ("cmake", "cmake"), ("ninja or make", "ninja"), ("ninja or make", "make"),
    ("C++20 compiler", "clang++"), ("C++20 compiler", "g++"),
])  # fmt: skip
def test_tools_are_looked_for_where_builds_do(tmp_path, lacks, name, tool):
    assert lacks(name)
    program(tmp_path / tool)
    assert lacks(name) == ""


def test_pip_brings_the_tools_where_it_brings_the_backend(monkeypatch, lacks):
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda _name: None)
    assert lacks("cmake") == lacks("ninja or make") == ""


@pytest.mark.parametrize(("named", "says"), [
    ("", ""), ("g++ -m64", ""), ("clang++", "CXX: found 'clang++', there is no such program"),
    ("'", "CXX: found \"'\", which is no command line"),
    ("old", "makes no program of C++20: error: unrecognized option '-std=c++20'"),
    ("odd", "makes no program of C++20: 3"),
])  # fmt: skip
def test_a_compiler_has_to_compile(tmp_path, monkeypatch, lacks, named, says):
    program(tmp_path / "g++")
    program(tmp_path / "old", "echo \"error: unrecognized option '$1'\"; exit 1")
    program(tmp_path / "odd", "exit 3")
    monkeypatch.setenv("CXX", named)
    found = lacks("C++20 compiler")
    assert says in found
    assert bool(says) == bool(found)


@pytest.mark.parametrize(("needed", "lacks", "status"), [
    (True, "", 0), (True, "gone", 5), (False, "gone", 0),
])  # fmt: skip
def test_the_exit_code_is_about_what_is_needed(monkeypatch, capsys, needed, lacks, status):
    checks = (Check("thing", "gate", needed, lambda: lacks, "make thing"),)
    monkeypatch.setattr(module.doctor, "__defaults__", (checks,))
    with pytest.raises(SystemExit) as ended:
        main(["doctor"])
    assert ended.value.code == status
    assert ("make thing" in capsys.readouterr().out) == bool(lacks)


def test_the_command_is_listed():
    assert "doctor" in COMMANDS
