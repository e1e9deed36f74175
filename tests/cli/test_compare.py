"""`compare` as a command: replays, what is refused, and files that cannot be written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bitnet_perf.bench.paired.raw import Raw
from bitnet_perf.cli import main
from bitnet_perf.cli.output import console, table

GOLDEN = Path(__file__).parents[1] / "golden" / "lockstep"


def ended(capsys, *words):
    with pytest.raises(SystemExit) as end:
        main(["compare", *map(str, words)])
    return end.value.code, capsys.readouterr()


@pytest.mark.parametrize(("name", "code"), [("pinned_same_2560", 0), ("pinned_plus5_2560", 3)])
def test_a_replay_judges_and_draws(name, code, capsys, tmp_path):
    picture = tmp_path / "x.svg"
    found, said = ended(capsys, "--replay", GOLDEN / f"{name}.npz", "--plot", picture)
    assert found == code
    assert said.out.splitlines()[-1] == f"verdict: {'concern' if code else 'pass'}"
    assert "<svg" in picture.read_text()


def test_what_cannot_be_written_takes_no_verdict_away(capsys, tmp_path):
    (tmp_path / "file").write_text("")
    golden = GOLDEN / "pinned_plus5_2560.npz"
    code, said = ended(capsys, "--replay", golden, "-o", tmp_path / "file" / "raw.npz")
    assert code == 7
    assert "verdict: concern" in said.out
    assert said.err.count("\n") == 1


def test_names_in_a_file_override_nothing(capsys, tmp_path):
    raw = Raw.load(GOLDEN / "pinned_plus5_2560.npz")
    forged = Raw({**raw.meta, "verdict": "pass", "exit_code": 0}, raw.columns, raw.pairs)
    code, said = ended(capsys, "--replay", forged.save(tmp_path / "x.npz"), "--json", "-")
    assert (code, json.loads(said.out)["verdict"]) == (3, "concern")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--replay", "x.npz", "scalar"], "--replay: found sides beside it"),
        (["scalar"], "sides: found fewer than two"),
        (["a.json", "b.json", "--output", "x.npz"], "--output: nothing is measured"),
        (["a.json", "b.json", "--cases", "gemv/*"], "--cases: nothing is measured"),
    ],
)
def test_words_that_do_not_fit_are_refused(words, says, capsys):
    code, said = ended(capsys, *words)
    assert code == 2
    assert says in said.err


def test_titles_are_no_markup(capsys):
    console().print(table("b [/x] [red]", ["a"], [["[/y]"]]))
    assert capsys.readouterr().out.split() == ["b", "[/x]", "[red]", "a", "[/y]"]
