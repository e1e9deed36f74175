"""Settings: their sources in order, where each came from, and what is refused."""

from __future__ import annotations

import datetime
import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import bitnet_perf as bp
from bitnet_perf.analyze.paired.rules import Rules
from bitnet_perf.config.lines import lines_of
from bitnet_perf.config.load import FILE, load_settings, parse_flags
from bitnet_perf.config.settings import Settings

WHOLE = """\
# what a project asks for
[budgets]
guard = 0.004

[budgets.core]
concern = 0.03
action = 0.08

[targets]
tokens_per_second = 60
accuracy_loss = 0.04

[suites]
nightly = [
    "gemv/*",  # every product
    "pack/*",
]

[[accept]]
case = "gemv/i2_s/*"
limit = 0.07
reason = "rows of any length"
expires = 2027-01-31

[[accept]]
case = "pack/*"
limit = 0.2
reason = '''two
lines'''
expires = "2027-02-28"

[github]
publish = true

[history]
url = "postgresql://me:secret@host/perf"
"""


def loaded(folder, text=None, flags=None, name=FILE, **environment):
    if text is not None:
        (folder / name).write_text(text)
    return load_settings(folder, flags, environment=environment)


def origins(found):
    return {row.key: row.origin for row in found.rows()}


def test_without_any_source_everything_is_default(tmp_path):
    found = loaded(tmp_path)
    assert found.settings == Settings()
    assert found.settings.budgets.rules() == Rules()
    assert found.file is None
    assert set(origins(found).values()) == {"default"}


def test_every_value_says_on_which_line_it_stands(tmp_path):
    found = loaded(tmp_path, WHOLE)
    assert found.file == tmp_path / FILE
    settings = found.settings
    assert settings.budgets.core.concern == 0.03
    assert settings.budgets.rules() == Rules.from_dict(
        {"guard": 0.004, "budgets": {"core": {"concern": 0.03, "action": 0.08}}}
    )
    assert settings.suites == {"nightly": ("gemv/*", "pack/*")}
    assert settings.accept[1].expires == datetime.date(2027, 2, 28)
    lines = WHOLE.splitlines()
    for key, origin in origins(found).items():
        name = key.rpartition(".")[2]
        if origin == "default":
            assert f"{name} =" not in WHOLE or key == "budgets.other." + name
        elif key.startswith("accept."):
            assert lines[int(origin.removeprefix(f"{FILE}:")) - 1] == "[[accept]]"
        else:
            assert lines[int(origin.removeprefix(f"{FILE}:")) - 1].startswith(f"{name} =")


def test_passwords_are_not_shown(tmp_path):
    found = loaded(tmp_path, WHOLE)
    shown = {row.key: row for row in found.rows()}["history.url"]
    assert shown.value == shown.text == "postgresql://me:***@host/perf"
    assert "secret" in str(found.settings.history.url)
    found = loaded(tmp_path, '[history]\nurl = "postgresql://h/p?user=a&password=secret&x=1"\n')
    assert {row.key: row.text for row in found.rows()}["history.url"].endswith("=***&x=1")


def test_flags_come_before_the_environment_and_that_before_the_file(tmp_path):
    text = "[budgets]\nguard = 0.001\ncore.concern = 0.02\nother.concern = 0.03\n"
    found = loaded(
        tmp_path,
        text,
        {"budgets.guard": "0.003", "history.url": None},
        BITNET_PERF_BUDGETS_GUARD="0.002",
        BITNET_PERF_BUDGETS_CORE_CONCERN="0.04",
        BITNET_PERF_SUITES_MINE="gemv/*, pack/*",
        BITNET_PERF_CACHE="/x",
        PATH="/bin",
    )
    budgets = found.settings.budgets
    assert (budgets.guard, budgets.core.concern, budgets.other.concern) == (0.003, 0.04, 0.03)
    assert found.settings.suites == {"mine": ("gemv/*", "pack/*")}
    assert origins(found) | {
        "budgets.guard": "flag",
        "budgets.core.concern": "BITNET_PERF_BUDGETS_CORE_CONCERN",
        "budgets.other.concern": f"{FILE}:4",
        "suites.mine": "BITNET_PERF_SUITES_MINE",
        "history.url": "default",
    } == origins(found)


def test_pyproject_holds_them_too(tmp_path):
    text = '[project]\nname = "x"\n[tool.bitnet-perf.budgets.core]\nconcern = 0.04\n'
    found = loaded(tmp_path, text, name="pyproject.toml")
    assert found.settings.budgets.core.concern == 0.04
    assert origins(found)["budgets.core.concern"] == "pyproject.toml:4"
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert load_settings(below, environment={}).file == tmp_path / "pyproject.toml"


def test_a_checkout_ends_the_search(tmp_path):
    (tmp_path / FILE).write_text("[budgets]\nguard = 0.001\n")
    (tmp_path / "inner" / ".git").mkdir(parents=True)
    assert load_settings(tmp_path / "inner", environment={}).file is None


def test_two_files_are_refused(tmp_path):
    (tmp_path / FILE).write_text("")
    loaded(tmp_path, "[tool.other]\na = 1\n", name="pyproject.toml")
    with pytest.raises(bp.ConfigError, match="both hold settings, accepted is one"):
        loaded(tmp_path, "[tool.bitnet-perf.budgets]\nguard = 0.1\n", name="pyproject.toml")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[budgets]\nx = [\n1]\ngard = 0.1\n", r"toml:2: budgets.x: unknown key; nearest is "),
        ("[budgets]\n\ngard = 0.1\n", r"toml:3: budgets.gard: unknown key; nearest is guard \(kn"),
        ("[budget]\n", r"toml:1: budget: unknown key; nearest is budgets \(known: accept, budgets"),
        ("[budgets.core]\nconcrn = 0.1\n", r"toml:2: budgets.core.concrn: .* nearest is concern"),
        ("[[accept]]\ncase='a'\n[[accept]]\nlimt=1\n", r":4: accept.1.limt: .* nearest is limit"),
        ("[[accept]]\ncase = 'a'\n", r"toml:1: accept.0.limit: found {'case': 'a'}: Field requir"),
        ("[budgets]\nguard = 'x'\n", r"toml:2: budgets.guard: found 'x': Input should be a valid"),
        ("[budgets.core]\nconcern = 5\n", r"toml:2: budgets.core.concern: found 5: .* less than 1"),
        (
            "[budgets.core]\nconcern = 0.2\n",
            r"toml:1, .*toml:2: budgets: found .*: guard 0.005, core",
        ),
        ("[targets]\ntokens_per_second = nan\n", r"toml:2: targets.tokens_per_second: found nan"),
        ("[suites]\nx = 'gemv/*'\n", r"toml:2: suites.x: found 'gemv/\*': .* tuple"),
        ("budgets = 3\n", r"toml:1: budgets: found 3: "),
        ("accept = 3\n", r"toml:1: accept: found 3: "),
        ("a = \n", r"toml: no TOML \(.*line 1"),
        ("a = " + "[" * 5000, r"toml: no TOML"),
        ("history.url = 'a://b:secret@c'\nhistory.record = 'd://e:secret@f'", r"found 'd://e:\*"),
    ],
)
def test_what_a_file_may_not_say(text, says, tmp_path):
    with pytest.raises(bp.ConfigError, match=says):
        loaded(tmp_path, text)


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / FILE).write_bytes(b"\xff")
    with pytest.raises(bp.ConfigError, match="no TOML"):
        loaded(tmp_path)
    (tmp_path / FILE).write_bytes(b"#" * (1 << 20) + b"\n")
    with pytest.raises(bp.ConfigError, match="1024 KiB"):
        loaded(tmp_path)
    (tmp_path / FILE).unlink()
    with pytest.raises(bp.ConfigError, match="tool: found 3, accepted is a table"):
        loaded(tmp_path, "tool = 3\n", name="pyproject.toml")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("BITNET_PERF_BUDGETS_GARD", "unknown variable; nearest is BITNET_PERF_BUDGETS_GUARD"),
        ("BITNET_PERF_BUDGETS_GUARD", "BITNET_PERF_BUDGETS_GUARD: budgets.guard: found 'x'"),
        ("BITNET_PERF_SUITES_", "unknown variable"),
    ],
)
def test_what_the_environment_may_not_say(name, says, tmp_path):
    with pytest.raises(bp.ConfigError, match=says):
        loaded(tmp_path, **{name: "x"})
    with pytest.raises(bp.ConfigError, match=r"CORE_CONCERN: budgets: .* accepted is 0 < gua"):
        loaded(tmp_path, BITNET_PERF_BUDGETS_CORE_CONCERN="0.5")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["budgets.guard"], "--set: found 'budgets.guard', accepted is KEY=VALUE"),
        (["budgets.gard=1"], "flag: budgets.gard: unknown key; nearest is guard"),
        (["budgets=1"], "flag: budgets: found '1'"),
        (["suites=1", "suites.a=gemv/*"], "flag: suites.a: suites has a value of its own"),
        (["=1"], "flag: : unknown key"),
        (["budgets.guard.x=1"], "flag: budgets.guard: found {'x': '1'}"),
        (["accept.0.limit=1"], "flag: accept: found {'0': {'limit': '1'}}"),
    ],
)
def test_what_flags_may_not_say(words, says, tmp_path):
    with pytest.raises(bp.ConfigError, match=says):
        loaded(tmp_path, flags=parse_flags(words))


def test_flags_are_keys_and_values(tmp_path):
    flags = parse_flags(["budgets.guard = 0.001", "suites.a=gemv/*,pack/*", "history.url=a=b"])
    settings = loaded(tmp_path, flags=flags).settings
    assert settings.budgets.guard == 0.001
    assert settings.suites == {"a": ("gemv/*", "pack/*")}
    assert settings.history.url == "a=b"


VALUES = (
    "1",
    "'a#b'",
    '"""x\n# no comment\n[no.table]\n"""',
    "[1,\n 2, # y\n]",
    "{p = 1, q = {r = 2}}",
)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(VALUES)), max_size=8), st.data())
def test_lines_are_those_of_the_statements(rows, data):
    text, expected, table = "", {}, ()
    names = iter("tuvwxyz")
    for number, (key, value) in enumerate(rows):
        if data.draw(st.booleans()) and (name := next(names, None)):
            expected[name,] = text.count("\n") + 1
            text, table = f"{text}[{name}]  # a [b]\n\n", (name,)
        path = (*table, f"{key}{number}")
        expected[path] = text.count("\n") + 1
        text += f"{path[-1]} = {value}\n"
    tomllib.loads(text)
    found = lines_of(text)
    assert {path: found[path] for path in expected} == expected


def test_lines_of_tables_in_lists():
    text = "[[a]]\nx = 1\n[[a]]\n[a.b]\ny.z = 2\n[c.'d.e']\n"
    assert lines_of(text) == {
        ("a", 0): 1, ("a", 0, "x"): 2, ("a", 1): 3, ("a", 1, "b"): 4, ("a", 1, "b", "y"): 5,
        ("a", 1, "b", "y", "z"): 5, ("c", "d.e"): 6,
    }  # fmt: skip


def test_what_stands_behind_a_very_long_statement_is_not_located():
    text = "a = [\n" + "1,\n" * 20_000 + "]\nc = 1\n"
    assert lines_of("b = 1\n" + text) == {("b",): 1}


def test_the_example_of_the_page_is_accepted(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "gate.md").read_text()
    (block,) = re.findall(r"^```toml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    found = loaded(tmp_path, block)
    given = {row.key.partition(".")[0] for row in found.rows() if row.origin != "default"}
    assert given >= {"budgets", "targets", "suites", "accept", "history"}
    assert found.settings.budgets == Settings().budgets  # it shows the defaults
    assert found.settings.targets == Settings().targets
