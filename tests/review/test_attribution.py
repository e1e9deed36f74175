"""Commits of a branch, and where native functions are defined."""

from __future__ import annotations

import subprocess

import pytest
from house.tree import ROOT

from bitnet_perf.review.attribution import commits_of, places_of


@pytest.fixture
def repository(tmp_path):
    def git(*words):
        identity = ("-c", "user.name=n", "-c", "user.email=e@e")
        done = subprocess.run(
            ["git", *identity, *words], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    git("init", "-q", "-b", "main")
    for number, files in enumerate((("a", "b"), ("b",), ("c", "d"))):
        for name in files:
            (tmp_path / name).write_text(str(number))
        git("add", "-A")
        git("commit", "-q", "-m", f"change {number} \x1b[31m")
    return tmp_path, git


def test_commits_name_their_files_oldest_first(repository):
    folder, git = repository
    found = commits_of(folder, "HEAD~2", "HEAD", ["new"])
    assert [each.files for each in found] == [("b",), ("c", "d"), ("new",)]
    assert found[0].sha == git("rev-parse", "HEAD~1")
    assert found[0].subject.startswith("change 1")
    assert "\x1b" not in found[0].subject
    assert (found[2].sha, found[2].subject) == ("", "not committed")
    assert commits_of(folder, "HEAD", "HEAD") == ()


def test_a_merge_counts_what_it_brought(repository):
    folder, git = repository
    git("checkout", "-q", "-b", "side", "HEAD~1")
    (folder / "e").write_text("e")
    git("add", "-A")
    git("commit", "-q", "-m", "aside")
    git("checkout", "-q", "main")
    git("merge", "-q", "--no-ff", "-m", "merge", "side")
    found = {each.subject: each.files for each in commits_of(folder, "HEAD~1", "HEAD")}
    assert found == {"aside": ("e",), "merge": ("e",)}


SOURCE = """#include "x.hpp"
int caller(int x) { return rows(x) + other(x); }
int rows(int x);  // declared
if (rows(1)) { x(); }

template <class T>
static inline int rows(int x) {
  return x;
}
int far(std::map<int, int> (*each)(int),
        int y) noexcept {
}
"""


def test_the_definition_is_found_and_no_call(tmp_path):
    folder = tmp_path / "csrc" / "kernels"
    folder.mkdir(parents=True)
    (folder / "a.cpp").write_text(SOURCE)
    found = places_of(tmp_path, ["bp::rows", "far", "bp::nowhere", "x::"])
    assert found == {
        "bp::rows": ("csrc/kernels/a.cpp", 7), "far": ("csrc/kernels/a.cpp", 10),
    }  # fmt: skip


def test_near_files_come_before_others(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "csrc" / name).mkdir(parents=True)
        (tmp_path / "csrc" / name / "x.cpp").write_text("void rows(int n) {\n}\n")
    assert places_of(tmp_path, ["rows"])["rows"][0] == "csrc/a/x.cpp"
    assert places_of(tmp_path, ["rows"], ["csrc/b/x.cpp"])["rows"] == ("csrc/b/x.cpp", 1)


def test_kernels_of_this_tree_are_found():
    own = "csrc/kernels/gemv/i2_s/x86_avx2.cpp"
    found = places_of(ROOT, ["bp::gemv_i2_s_x86_avx2", "bp::row_by_tokens"], [own])
    assert found["bp::gemv_i2_s_x86_avx2"][0] == own
    assert found["bp::row_by_tokens"][0].startswith("csrc/kernels/gemv/")


def test_a_tree_without_sources_has_no_places(tmp_path):
    assert places_of(tmp_path, ["rows"]) == {}
