"""Questions to git, asked of scratch repositories; hints are taken and must help."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import time
from pathlib import Path

import pytest
from checkout import commit, new_checkout, run_git, write

from bitnet_perf.bench import revisions
from bitnet_perf.errors import BitnetPerfError, ConfigError, EnvironmentRefused

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is missing")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Four commits on main; `side` leaves it at the second and has two of its own."""
    folder = new_checkout(tmp_path / "repository")
    commit(folder, {"a": "1"}, "first")
    commit(folder, {"a": "2"}, "second\n\nbody")
    run_git(folder, "checkout", "-qb", "side")
    commit(folder, {"b": "1"}, "side 1")
    commit(folder, {"b": "2"}, "side 2")
    run_git(folder, "checkout", "-q", "main")
    commit(folder, {"a": "3"}, "third")
    commit(folder, {"a": "4"}, "fourth")
    return folder


def objects_and_index(folder: Path) -> dict[str, bytes]:
    """Every file of the folder of git."""
    git = folder / ".git"
    return {str(path): path.read_bytes() for path in git.rglob("*") if path.is_file()}


def take_the_hint(folder: Path, message: str) -> None:
    """Run the line that an error names."""
    line = re.search(r"'(git fetch [^']+)'", message)
    assert line, message
    run_git(folder, *shlex.split(line[1])[1:])


def shallow_clone(source: Path, target: Path, *options: str) -> Path:
    run_git(source.parent, "clone", "-q", "--depth=1", *options, f"file://{source}", str(target))
    return target


def test_root_from_a_folder_below(repository):
    (repository / "x/y").mkdir(parents=True)
    assert revisions.repository_root(repository / "x/y") == repository


def test_a_folder_outside_git(tmp_path):
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(ConfigError, match="repository: "):
            revisions.repository_root(folder)


def test_a_revision_is_resolved(repository):
    head = run_git(repository, "rev-parse", "HEAD")
    run_git(repository, "tag", "-a", "v1", "-m", "tag")
    for name in ("HEAD", "main", head, head[:8], "v1", "@"):
        assert revisions.resolve(repository, name) == head
    assert revisions.subject(repository, "HEAD~2") == "second"
    assert revisions.tree_of(repository, "main") == run_git(repository, "rev-parse", "main^{tree}")


@pytest.mark.parametrize(
    "name", ["", "-h", "--all", "--output=x", "a\nb", "a\0b", "missing", "HEAD~99", "main:a", ".."]
)
def test_a_name_that_is_no_revision(repository, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"revision .* (no name of|is not in)"):
        revisions.resolve(repository, name)
    assert not (tmp_path / "x").exists()


def test_the_merge_base(repository):
    base = revisions.merge_base(repository, "main", "side")
    assert revisions.subject(repository, base) == "second"


def test_histories_without_a_common_commit(repository):
    run_git(repository, "checkout", "-q", "--orphan", "other")
    commit(repository, {"c": "1"})
    with pytest.raises(ConfigError, match="no commit in common"):
        revisions.merge_base(repository, "main", "other")


def test_commits_between(repository):
    run_git(repository, "merge", "-q", "--no-edit", "side")
    subjects = [
        revisions.subject(repository, found)
        for found in revisions.commits_between(repository, "HEAD~2", "HEAD")
    ]
    assert sorted(subjects) == ["Merge branch 'side'", "fourth", "side 1", "side 2"]
    assert subjects[-1] == "Merge branch 'side'"
    assert subjects.index("side 1") < subjects.index("side 2")
    straight = revisions.commits_between(repository, "HEAD~2", "HEAD", first_parent=True)
    assert [revisions.subject(repository, found) for found in straight] == [
        "fourth",
        "Merge branch 'side'",
    ]
    assert revisions.commits_between(repository, "HEAD", "HEAD~1") == ()


def test_parent(repository):
    second = revisions.parent(repository, revisions.resolve(repository, "HEAD~1"))
    assert second == revisions.resolve(repository, "HEAD~2")
    assert revisions.parent(repository, revisions.resolve(repository, "HEAD~3")) is None


# The working tree


def test_a_clean_checkout_is_its_commit(repository, tmp_path):
    found = revisions.working_tree(repository, tmp_path / "objects")
    assert found.commit == revisions.resolve(repository, "HEAD")
    assert found.tree == revisions.tree_of(repository, "HEAD")
    assert not found.dirty


def test_files_are_taken_as_they_are_and_nothing_is_written(repository, tmp_path):
    write(repository, {"a": "changed", "new/file": "x", ".gitignore": "ignored\n", "ignored": "x"})
    write(repository, {"staged": "staged"})
    run_git(repository, "add", "staged")
    write(repository, {"staged": "and changed"})
    before = objects_and_index(repository)
    found = revisions.working_tree(repository, tmp_path / "objects")
    assert objects_and_index(repository) == before
    assert found.dirty
    assert found.commit == revisions.resolve(repository, "HEAD")
    changed = revisions.changed_files(repository, "HEAD", found.tree, tmp_path / "objects")
    assert changed == (".gitignore", "a", "new/file", "staged")
    shown = revisions.git(
        repository,
        *("cat-file", "-p", f"{found.tree}:staged"),
        environment=revisions.alternates(tmp_path / "objects"),
    )
    assert shown.stdout == "and changed"


def test_a_deleted_file_is_gone(repository, tmp_path):
    (repository / "a").unlink()
    found = revisions.working_tree(repository, tmp_path / "objects")
    assert revisions.changed_files(repository, "HEAD", found.tree, tmp_path / "objects") == ("a",)


def test_before_the_first_commit(tmp_path):
    folder = new_checkout(tmp_path / "fresh")
    write(folder, {"a": "1"})
    found = revisions.working_tree(folder, tmp_path / "objects")
    assert found.commit is None
    assert found.dirty


def test_old_objects_of_working_trees_go(repository, tmp_path):
    objects = tmp_path / 'a "quoted": folder'
    write(repository, {"a": "changed"})
    first = revisions.working_tree(repository, objects)
    kept = {path for path in objects.rglob("*") if path.is_file()}
    for path in kept:
        os.utime(path, (0, time.time() - 8 * 86400))
    write(repository, {"a": "again"})
    second = revisions.working_tree(repository, objects)
    assert first.tree != second.tree
    assert not kept & {path for path in objects.rglob("*") if path.is_file()}
    assert revisions.changed_files(repository, "HEAD", second.tree, objects) == ("a",)


def test_a_hook_s_own_variables_are_not_followed(repository, tmp_path, monkeypatch):
    other = new_checkout(tmp_path / "other")
    commit(other, {"z": "1"})
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "nowhere"))
    assert revisions.subject(repository, "HEAD") == "fourth"
    assert not revisions.working_tree(repository, tmp_path / "objects").dirty


def test_a_file_that_cannot_be_read(repository, tmp_path):
    (repository / "loop").mkdir()
    new_checkout(repository / "loop/inner")  # a repository without a commit cannot be added
    with pytest.raises(EnvironmentRefused, match="git cannot read the files"):
        revisions.working_tree(repository, tmp_path / "objects")


# Shallow clones: the line that an error names brings what is missing


def test_a_whole_clone_is_not_shallow(repository):
    assert not revisions.is_shallow(repository)


@pytest.mark.parametrize("name", ["HEAD~1", "origin/side", "side", "HEAD^", "v1.0"])
def test_the_hint_brings_a_revision(repository, tmp_path, name):
    run_git(repository, "tag", "v1.0", "side")
    clone = shallow_clone(repository, tmp_path / "clone", "--no-tags", "--branch=main")
    assert revisions.is_shallow(clone)
    with pytest.raises(EnvironmentRefused, match="shallow clone") as caught:
        revisions.resolve(clone, name)
    take_the_hint(clone, str(caught.value))
    source = {"HEAD~1": "main~1", "HEAD^": "main~1"}.get(name, name.removeprefix("origin/"))
    assert revisions.resolve(clone, name) == revisions.resolve(repository, source)


@pytest.mark.parametrize("length", [40, 10])
def test_the_hint_brings_a_commit_named_by_its_id(repository, tmp_path, length):
    clone = shallow_clone(repository, tmp_path / "clone")
    wanted = revisions.resolve(repository, "HEAD~2")
    with pytest.raises(EnvironmentRefused) as caught:
        revisions.resolve(clone, wanted[:length])
    take_the_hint(clone, str(caught.value))
    assert revisions.resolve(clone, wanted[:length]) == wanted


def test_the_hint_brings_the_merge_base(repository, tmp_path):
    clone = shallow_clone(repository, tmp_path / "clone", "--no-single-branch")
    with pytest.raises(EnvironmentRefused, match="merge base") as caught:
        revisions.merge_base(clone, "origin/main", "origin/side")
    take_the_hint(clone, str(caught.value))
    base = revisions.merge_base(clone, "origin/main", "origin/side")
    assert revisions.subject(clone, base) == "second"


def test_the_hint_brings_the_parents_of_a_pull_request(repository, tmp_path):
    """What a workflow checks out: the merge commit of a pull request, on no branch, depth 1."""
    run_git(repository, "checkout", "-q", "--detach", "main")
    run_git(repository, "merge", "-q", "--no-edit", "side")
    merge = revisions.resolve(repository, "HEAD")
    run_git(repository, "update-ref", "refs/pull/1/merge", merge)
    run_git(repository, "checkout", "-q", "main")
    clone = new_checkout(tmp_path / "clone")
    run_git(clone, "remote", "add", "origin", f"file://{repository}")
    pull = "refs/remotes/pull/1/merge"
    run_git(clone, "fetch", "-q", "--depth=1", "origin", f"+refs/pull/1/merge:{pull}")
    run_git(clone, "checkout", "-q", "--detach", pull)
    with pytest.raises(EnvironmentRefused, match="the parent of") as caught:
        revisions.parent(clone, merge)
    take_the_hint(clone, str(caught.value))
    assert revisions.parent(clone, merge) == revisions.resolve(repository, "main")


def test_a_shallow_clone_without_a_remote(repository, tmp_path):
    clone = shallow_clone(repository, tmp_path / "clone")
    run_git(clone, "remote", "remove", "origin")
    with pytest.raises(EnvironmentRefused, match="no remote"):
        revisions.resolve(clone, "other")


# Hosts


def test_when_a_commit_was_made(repository):
    head = run_git(repository, "rev-parse", "HEAD")
    for name in (head, head[:10]):
        found = revisions.committed(repository, name)
        assert found.timestamp() == int(run_git(repository, "show", "-s", "--format=%ct"))
    for name in ("0" * 40, "main", "--all", "", "\n"):
        assert revisions.committed(repository, name) is None


def test_without_git(repository, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentRefused, match=r"git is missing.*apt-get install git"):
        revisions.resolve(repository, "HEAD")


def test_git_s_own_advice_is_passed_on(repository, monkeypatch, tmp_path):
    git = tmp_path / "git"
    git.write_text(
        '#!/bin/sh\necho "fatal: detected dubious ownership in repository" >&2\n'
        'echo "git config --global --add safe.directory X" >&2\nexit 128\n'
    )
    git.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(EnvironmentRefused, match=r"safe\.directory X"):
        revisions.repository_root(repository)


def test_a_setting_of_the_user_runs_no_program(repository, tmp_path):
    for hook in ("post-index-change", "post-checkout"):
        path = repository / ".git/hooks" / hook
        path.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        path.chmod(0o755)
    run_git(repository, "config", "core.fsmonitor", f"touch {tmp_path}/ran; false")
    revisions.working_tree(repository, tmp_path / "objects")
    assert not (tmp_path / "ran").exists()


def test_every_error_is_one_of_ours(repository):
    with pytest.raises(BitnetPerfError):
        revisions.changed_files(repository, "HEAD", "0" * 40)
