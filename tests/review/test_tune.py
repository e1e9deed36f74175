"""A tuning run on made times: what is chosen, kept, refused, applied and taken back."""

from __future__ import annotations

import json

import pytest

import bitnet_perf as bp
from bitnet_perf import cli
from bitnet_perf._native import native_layout
from bitnet_perf.bench import tuning as measuring
from bitnet_perf.bench.fingerprint import this_host
from bitnet_perf.bench.turns import Taken
from bitnet_perf.config.load import load_settings
from bitnet_perf.config.tuned import tuned_settings
from bitnet_perf.kernels.tunables import tunables, tuned_with
from bitnet_perf.review import tune as module
from bitnet_perf.review import tune_apply

FILE = "bitnet-perf.toml"
# What the products of this host's layout ask memory ahead by.
AHEAD = next(name for name in measuring.AHEAD_OF if measuring.AHEAD_OF[name](native_layout()))
DEFAULT = next(row.default for row in tunables() if row.name == AHEAD)


def seconds_of(turn):
    """Faster the further ahead weights are asked for; all else is equal."""
    return 1e-3 - 1e-8 * turn.tuned.get(AHEAD, 0)


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """The turns that were asked for; nothing is run."""
    found = []

    def fake(turns, rounds, *_):
        found.extend(turns)
        return [Taken("x", (seconds_of(turn),) * rounds) for turn in turns]

    monkeypatch.setattr(measuring, "take_turns", fake)
    monkeypatch.setenv("BITNET_PERF_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    with tuned_with({}):
        yield found


@pytest.mark.usefixtures("calls")
def test_what_is_faster_is_chosen_and_the_rest_keeps_its_default():
    shares = []
    found = bp.tune(on_progress=lambda share, what: shares.append((share, what)))
    assert found.values == {AHEAD: 12288}
    assert [each.tunable for each in found.choices] == [
        *module.PARTS, *(c.tunable for c in measuring.CROSSOVERS),
    ]  # fmt: skip
    why = {each.tunable: each.why for each in found.choices}
    assert why["head_prefetch_bytes"] == "no difference seen"
    assert why[AHEAD].endswith(f" % less time than {DEFAULT}")
    rows = [each for each in found.candidates if each.tunable == AHEAD]
    said = [(each.candidate, each.says) for each in rows]
    assert said[:2] == [(str(DEFAULT), module.REFERENCE), ("0", "slower")]
    once_more = [(str(DEFAULT), module.REFERENCE), ("12288", "faster")]
    assert said[-3:] == [("12288", "faster"), *once_more]
    assert all(each.rate > 0 and each.unit == "GB/s" for each in rows)
    assert [share for share, _ in shares] == sorted(share for share, _ in shares)
    assert shares[-1][0] < 1


def test_later_tunables_are_measured_with_what_was_chosen(calls):
    bp.tune()
    heads = [turn for turn in calls if "gemv_dense" in turn.case]
    assert heads
    assert all(f"{AHEAD}=12288" in turn.options()["tuned"] for turn in heads)


def test_a_run_is_kept_until_another_is_asked_for(calls, monkeypatch):
    first = bp.tune()
    count = len(calls)
    assert bp.tune() == first
    assert len(calls) == count
    assert bp.tune(again=True).choices == first.choices
    assert len(calls) == 2 * count
    monkeypatch.setattr(module, "_build", lambda: "another")
    bp.tune()
    assert len(calls) == 3 * count, "another build is measured anew"


@pytest.mark.usefixtures("calls")
def test_no_time_keeps_the_defaults_and_is_not_kept(tmp_path):
    found = bp.tune(time_budget=-1.0)
    assert found.values == {}
    assert {each.why for each in found.choices} >= {module.SPENT}
    assert not list((tmp_path / "cache" / "tuned").iterdir())


HOSTILE = [
    "", "null", "[]", "{", '{"version": 2}', "\x00\xff", "[" * 100000, '{"host": NaN}',
]  # fmt: skip


@pytest.fixture
def kept(calls, tmp_path):
    bp.tune()
    assert calls
    (path,) = (tmp_path / "cache" / "tuned").iterdir()
    return path


@pytest.mark.parametrize("text", HOSTILE)
def test_a_kept_file_that_is_none_is_refused(kept, text):
    kept.write_text(text)
    with pytest.raises(bp.ConfigError, match=r"no record of a tuning run .* --again"):
        bp.tune()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"host": "0" * 16}, "it is of host 0000"),
        ({"extra": 1}, "Extra inputs"),
        ({"version": 3}, "Input should be 1"),
        ({"choices": [{"tunable": "amx_tokens", "value": -1, "default": 4, "why": ""}]}, "greater"),
        ({"choices": [{"tunable": "nope", "value": 1, "default": 4, "why": ""}]}, "Extra inputs"),
        ({"seconds": -1}, "greater"),
        ({"subject": "x" * 1000}, "at most"),
    ],
)
def test_kept_values_are_checked(kept, change, said):
    kept.write_text(json.dumps(json.loads(kept.read_text()) | change))
    with pytest.raises(bp.ConfigError, match=said):
        bp.tune()


def test_a_kept_file_that_is_too_large_is_refused(kept):
    kept.write_text(" " * (module.LARGEST + 1))
    with pytest.raises(bp.ConfigError, match="larger than"):
        bp.tune()


@pytest.fixture
def whole(monkeypatch):
    """Whole models take so many times as long with the choice: [decode, prefill]."""
    factors = {"decode": 0.9, "prefill": 1.0}

    def fake(turns, rounds, *_):
        assert len(turns) == 2
        assert f"{AHEAD}={DEFAULT}" in turns[0].ready.options["tuned"]
        assert f"{AHEAD}=12288" in turns[1].ready.options["tuned"]
        factor = next(f for name, f in factors.items() if f"/{name}/" in turns[0].case)
        return [Taken("python", (s,) * rounds) for s in (1.0, factor)]

    monkeypatch.setattr(tune_apply, "take_turns", fake)
    return factors


def run(capsys, *words):
    with pytest.raises(SystemExit) as end:
        cli.main(["tune", *words])
    return end.value.code, capsys.readouterr()


@pytest.fixture
def model(tmp_path):
    bp.make_model(tmp_path / "m.gguf", "tiny")
    return str(tmp_path / "m.gguf")


@pytest.mark.usefixtures("calls", "whole")
def test_the_choice_is_written_and_measured_again(model, tmp_path, capsys):
    code, said = run(capsys, "--apply", "--model", model)
    assert (code, said.err) == (0, "")
    assert tuned_settings(load_settings(tmp_path)).values == {AHEAD: 12288}
    assert "decode 12" in said.out
    assert "-10.0 %" in said.out
    assert max(map(len, said.out.splitlines())) <= 100 + len(str(tmp_path))
    code, said = run(capsys, "--apply", "--model", model)
    assert code == 0
    assert "these held before: nothing to measure again" in said.out


@pytest.mark.usefixtures("calls")
def test_what_was_not_measured_keeps_its_value(tmp_path, capsys):
    (tmp_path / FILE).write_text(f'[tuned]\nhost = "{this_host()}"\namx_tokens = 9\n')
    code, said = run(capsys, "--apply", "--time-budget", "0.000001s")
    assert code == 0
    assert "these held before" in said.out
    assert tuned_settings(load_settings(tmp_path)).values == {"amx_tokens": 9}


@pytest.mark.usefixtures("calls")
def test_what_is_slower_is_taken_back(whole, model, tmp_path, capsys):
    whole["prefill"] = 1.2
    (tmp_path / FILE).write_text("[budgets]\nguard = 0.01\n")
    code, said = run(capsys, "--apply", "--model", model)
    assert code == 1
    assert "slower: the file holds what it held before" in said.out
    assert (tmp_path / FILE).read_text() == "[budgets]\nguard = 0.01\n"
    (tmp_path / FILE).unlink()
    assert run(capsys, "--apply", "--model", model)[0] == 1
    assert not (tmp_path / FILE).exists()


@pytest.mark.usefixtures("calls")
def test_an_interrupted_measurement_restores_the_file(model, tmp_path, monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(tune_apply, "take_turns", interrupted)
    assert run(capsys, "--apply", "--model", model)[0] == 130
    assert not (tmp_path / FILE).exists()


@pytest.mark.usefixtures("calls")
def test_a_table_for_people_and_json_for_programs(capsys):
    code, said = run(capsys, "--json", "-")
    found = json.loads(said.out)
    assert (code, found["host"], found["version"]) == (0, this_host(), 1)
    code, said = run(capsys)
    lines = said.out.splitlines()
    assert lines[0].strip() == "weights_layout, layers of 2b4t"
    assert any(line.split()[:2] == ["12288", "decode"] for line in lines)
    assert any(line.startswith("measured ") for line in lines)
    assert run(capsys, "--quiet") == (0, ("", ""))
    assert run(capsys, "--model", "absent.gguf")[0] == 2
    assert run(capsys, "--time-budget", "soon")[0] == 2


@pytest.mark.usefixtures("calls")
def test_what_is_faster_once_and_not_twice_is_not_taken(monkeypatch):
    bests = iter([("tl2", "first"), ("native", "second")])
    monkeypatch.setattr(module, "best", lambda _, default: next(bests, (default, "no difference")))
    crossovers = iter(
        [(3, "first"), (3, "second"), (9, ""), (48, ""), (8, "first"), (12, "second")]
    )
    monkeypatch.setattr(module, "threshold", lambda *_: next(crossovers))
    monkeypatch.setattr(module, "runs", lambda *_: True)
    found = bp.tune()
    said = {each.tunable: (each.value, each.why) for each in found.choices}
    assert said["weights_layout"] == ("native", "tl2 was faster once, not twice")
    assert said["panel_tokens"] == (12, "8 was the crossover once, not twice")
    assert said["avx512_panel_tokens"] == (48, "")
    assert said["amx_tokens"] == (3, "second")
