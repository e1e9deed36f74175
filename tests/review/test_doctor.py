"""What a host lacks, on hosts made up for it."""

from __future__ import annotations

import shutil

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
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    monkeypatch.setattr(module, "allowed_cpus", lambda: host.allowed_cpus()[:1])
    found = {finding.name: finding.lacks for finding in doctor()}
    assert found["git"] == "git not found"
    assert found["ninja or make"] == "ninja and make not found"
    assert "not found" in found["C++20 compiler"]
    assert found["two CPUs"].startswith("one CPU")


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
