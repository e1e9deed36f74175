"""Seeded changes fit the tree: markers are there, cases are known, a scratch repository is made."""

from __future__ import annotations

import ast
import subprocess
import tomllib

import pytest
from acceptance.doses import draw
from acceptance.scratch import ROOT, _settings, make_change, new_scratch
from acceptance.seeds import DOSE, SEEDS, Edit, Seed, edited
from checkout import commit, new_checkout, run_git

from bitnet_perf.analyze.routing import ROUTES
from bitnet_perf.bench.cases import select, with_threads

NAMES = {
    "slow-load", "slow-quantize", "slow-forward", "slow-tokenizer", "slow-sampling", "leak",
    "hostile-layout", "thread-scaling", "accuracy", "noise", "two-commits", "accepted",
}  # fmt: skip


def test_there_are_twelve():
    assert {seed.name for seed in SEEDS} == NAMES
    assert len(SEEDS) == len(NAMES)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.name)
def test_each_edit_finds_its_place(seed):
    texts = {file: (ROOT / file).read_text() for file in seed.files}
    for edits in seed.commits:
        for edit in edits:
            before = texts[edit.file]
            texts[edit.file] = edited(before, edit, 1234)
            assert texts[edit.file] != before
            assert DOSE not in texts[edit.file]
    for file, text in texts.items():
        if file.endswith(".py"):
            ast.parse(text)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.name)
def test_each_seed_is_about_known_cases_and_routes(seed):
    known = {case.name for case in select()}
    assert {with_threads(name, 1) for name in seed.cases} <= known
    assert (seed.expected.flow, seed.expected.agent) in {(r.verdict, r.agent) for r in ROUTES}
    assert set(seed.expected.files) <= set(seed.files)
    core = seed.cases[0].startswith(("forward/", "generation/"))
    assert seed.cost in (None, (0.08, 0.15) if core else (0.12, 0.20))


@pytest.mark.parametrize("text", ["", "b b"])
def test_a_marker_stands_once(text):
    with pytest.raises(ValueError, match=r"f\.cpp: found \d times, accepted is once: 'b'"):
        edited(text, Edit("f.cpp", "b", "c"), 1)


def test_the_same_number_draws_the_same_cost_inside_the_range():
    seed = SEEDS[0]
    doses = [draw(seed, 5, turn, 0.0001) for turn in range(1, 40)]
    assert doses == [draw(seed, 5, turn, 0.0001) for turn in range(1, 40)]
    assert all(0.12 <= dose.cost <= 0.20 for dose in doses)
    assert max(d.cost for d in doses) - min(d.cost for d in doses) > 0.05
    assert all(abs(dose.parts[0] * 0.0001 - dose.cost) < 0.0001 for dose in doses)
    two = next(seed for seed in SEEDS if len(seed.commits) == 2)
    halves = draw(two, 5, 1, 0.0001)
    assert halves.parts[0] == halves.parts[1]
    assert abs(sum(halves.parts) * 0.0001 - halves.cost) < 0.0002


def test_settings_are_as_the_gate_reads_them():
    found = tomllib.loads(_settings())
    assert found["suites"] == {seed.name: list(seed.cases) for seed in SEEDS}
    assert found["history"] == {"record": False}


@pytest.fixture
def product(tmp_path):
    """A small tree with what a seed edits."""
    root = new_checkout(tmp_path / "product")
    files = {
        "CONTRIBUTING.md": "# Contributing\n", "CHANGELOG.md": "", "csrc/a.cpp": "int a;\n",
        "bitnet_perf/b.py": "b = 1\n",
    }  # fmt: skip
    commit(root, files)
    return root


SMALL = Seed(
    "small",
    (
        (Edit("csrc/a.cpp", "int a;", f"int a = {DOSE};"),),
        (Edit("bitnet_perf/b.py", "b = 1", f"b = {DOSE}"),),
    ),
    ("case",),
    SEEDS[0].expected,
    accept="[[accept]]\n",
)


def test_a_change_has_its_commits_and_harmless_ones_around(product, tmp_path):
    before = run_git(product, "rev-parse", "HEAD")
    folder = new_scratch(tmp_path / "scratch", product)
    change = make_change(folder, SMALL, "turn-1", (7, 8))
    assert run_git(folder, "remote") == ""
    assert run_git(folder, "rev-parse", f"{change.base}^") == before
    between = run_git(folder, "rev-list", "--reverse", f"{change.base}..{change.head}").split()
    assert tuple(between[1:3]) == change.seeded
    assert len(between) == 4
    assert run_git(folder, "show", f"{change.seeded[0]}:csrc/a.cpp") == "int a = 7;"
    assert run_git(folder, "show", f"{change.head}:bitnet_perf/b.py") == "b = 8"
    assert "[[accept]]" in run_git(folder, "show", f"{change.head}:bitnet-perf.toml")
    assert "[[accept]]" not in run_git(folder, "show", f"{change.base}:bitnet-perf.toml")
    assert new_scratch(folder, product) == folder
    again = make_change(folder, SMALL, "turn-2", (7, 8))
    assert run_git(folder, "rev-parse", f"{again.head}^{{tree}}") == run_git(
        folder, "rev-parse", f"{change.head}^{{tree}}"
    )


def test_another_state_of_the_tree_is_cloned_again(product, tmp_path):
    folder = new_scratch(tmp_path / "scratch", product)
    commit(product, {"csrc/a.cpp": "int b;\n"})
    new_scratch(folder, product)
    assert (folder / "csrc/a.cpp").read_text() == "int b;\n"


def test_git_that_fails_is_told(tmp_path):
    with pytest.raises(subprocess.CalledProcessError):
        new_scratch(tmp_path / "scratch", new_checkout(tmp_path / "empty"))
