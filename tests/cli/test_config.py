"""`config` as a command: where each setting came from, and what is refused."""

from __future__ import annotations

import json

import pytest

from bitnet_perf.cli import main


@pytest.fixture
def ended(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bitnet-perf.toml").write_text('[suites]\nnightly = ["gemv/*", "pack/*"]\n')

    def run(*words):
        with pytest.raises(SystemExit) as end:
            main(["config", *words])
        return end.value.code, capsys.readouterr()

    return run


def test_every_setting_and_its_source_are_shown(ended, monkeypatch):
    monkeypatch.setenv("BITNET_PERF_HISTORY_URL", "postgresql://me:secret@host/perf")
    code, said = ended("--show", "--set", "budgets.guard=0.01")
    assert code == 0
    lines = {line.split()[0]: line.split()[1:] for line in said.out.splitlines()[2:-1]}
    assert lines["suites.nightly"] == ["gemv/*,", "pack/*", "bitnet-perf.toml:2"]
    assert lines["budgets.guard"] == ["0.01", "flag"]
    assert lines["budgets.core.concern"] == ["0.05", "default"]
    assert lines["history.url"] == ["postgresql://me:***@host/perf", "BITNET_PERF_HISTORY_URL"]
    assert said.out.splitlines()[-1].endswith("bitnet-perf.toml: 3 of 27 settings are given")


def test_json(ended):
    code, said = ended("--show", "--json", "-")
    rows = {row["key"]: row for row in json.loads(said.out)["settings"]}
    assert code == 0
    assert rows["suites.nightly"]["value"] == ["gemv/*", "pack/*"]
    assert rows["history.record"] == {"key": "history.record", "value": True, "origin": "default"}


def test_a_file_is_checked(ended, tmp_path):
    code, said = ended("--quiet")
    assert (code, said.out, said.err) == (0, "", "")
    (tmp_path / "bitnet-perf.toml").write_text("[budget]\n")
    code, said = ended()
    assert (code, said.out) == (2, "")
    assert said.err == (
        "bitnet-perf: bitnet-perf.toml:1: budget: unknown key; nearest is budgets (known: accept, "
        "budgets, github, history, suites, targets, tuned)\n"
    )
