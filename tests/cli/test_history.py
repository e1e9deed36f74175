"""`import` and `history` as commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from review.points import GEMV, OTHER, PACK, commit_id, day, point, stepped

from bitnet_perf.cli import main
from bitnet_perf.cli.output import WIDTH
from bitnet_perf.store.history import Store
from bitnet_perf.store.records import Source

GOLDEN = Path(__file__).parents[1] / "golden" / "lockstep"


@pytest.fixture
def ended(capsys):
    def run(*words):
        with pytest.raises(SystemExit) as end:
            main([*map(str, words)])
        return end.value.code, capsys.readouterr()

    return run


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'h.db'}"


@pytest.fixture
def stored(url):
    store = Store(url, create=True)
    source = Source("sha", "report", "x", day(44), "performance validation complete", "test-final")
    store.add(source, [*stepped(45, 30, 0.1), *stepped(20, 50, 0.0, case=PACK)])
    return store


def test_import_says_what_became_of_each_file(ended, url):
    files = [GOLDEN / f"{name}.npz" for name in ("pinned_same_2560", "pinned_plus5_2560")]
    code, said = ended("import", *files, files[0], "--url", url, "--json", "-")
    rows = json.loads(said.out)["files"]
    assert code == 0
    assert [(row["added"], row["points"]) for row in rows] == [(True, 2), (True, 2), (False, 2)]
    code, said = ended("import", files[1], "--url", url)
    assert code == 0
    assert "was there before" in said.out


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["import", "nosuch"], 2, "nosuch: cannot be read"),
        (["import"], 2, "Missing argument 'files'"),
        (["history", "--url", "mysql://u:secret@h/x"], 2, "accepted are sqlite:///FILE"),
        (["history", "--url", "sqlite:///nosuch.db"], 2, "there is no history; `bitnet-perf impo"),
        (["history", "--svg", "x.pdf"], 2, "--svg: found 'x.pdf', accepted is a name ending in"),
        (["history", "--url", "postgresql://u:secret@127.0.0.1:1/x"], 5, "onnection"),
    ],
)
def test_what_is_refused_is_one_line(words, code, says, ended):
    found, said = ended(*words)
    assert (found, said.out) == (code, "")
    assert says in said.err
    assert "secret" not in said.err
    assert said.err.count("\n") == 1


@pytest.mark.usefixtures("stored")
def test_few_trends_are_plotted(ended, url):
    code, said = ended("history", "--url", url, "--case", "gemv/*")
    lines = said.out.splitlines()
    assert code == 0
    assert max(map(len, lines)) <= WIDTH
    assert lines[0] == f"{GEMV} scalar, trend on this host"
    assert [line[13] for line in lines[1:10]] == ["|"] * 9
    assert f"from commit {commit_id(30)[:12]} on" in " ".join(lines)
    assert any(
        f"bitnet-perf compare {commit_id(29)[:12]} {commit_id(30)[:12]} --cases '{GEMV}'" in line
        for line in lines
    )
    assert "1 files, 1 trends, 1 changes of level; trends decide nothing." in said.out
    assert "gate 2026-02-14: performance validation complete, next test-final" in said.out


def test_many_trends_are_one_line_each(ended, url, stored):
    source = Source("other", "comparison", "y", day(1))
    stored.add(source, [point(1, 2e-4, host=OTHER, threads=n, isa="x86_avx2") for n in (1, 2)])
    code, said = ended("history", "--url", url)
    assert code == 0
    rows = [line.split() for line in said.out.splitlines()[2:6]]
    assert rows[0][:4] == ["gemv/i2_s/64x64/t1", "scalar", "this", "host"]
    assert rows[0][4] == "45"
    assert "▁" in said.out


@pytest.mark.usefixtures("stored")
def test_terminals_without_braille_get_stars(ended, url, monkeypatch):
    monkeypatch.setattr("bitnet_perf.cli.history._draws", lambda _: False)
    code, said = ended("history", "--url", url, "--case", "gemv/*")
    assert code == 0
    assert said.out.isascii()
    assert said.out.count("*") >= 45 - 20


@pytest.mark.usefixtures("stored")
def test_json_and_picture(ended, url, tmp_path):
    picture = tmp_path / "h.svg"
    code, said = ended("history", "--url", url, "--svg", picture, "--json", "-")
    found = json.loads(said.out)
    assert code == 0
    assert [trend["label"] for trend in found["trends"]] == ["trend on this host"] * 2
    assert found["trends"][0]["moved"][0]["commit"] == commit_id(30)
    assert "<svg" in picture.read_text()
