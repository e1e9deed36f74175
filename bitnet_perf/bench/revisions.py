"""Questions to git: which commits, trees and files two sides of a comparison stand for.

Revisions are named by people and by other programs, so a name is looked up once and only the
object id travels on. Nothing here writes to the repository, its index, its work tree or its object
store. Every function raises EnvironmentRefused where git is missing or refuses, and ConfigError for
a folder that is no checkout and for a revision that does not exist.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bitnet_perf.errors import ConfigError, EnvironmentRefused

__all__ = [
    "WorkingTree",
    "changed_files",
    "commits_between",
    "committed",
    "common_folder",
    "git",
    "git_folder",
    "is_shallow",
    "merge_base",
    "objects_of",
    "parent",
    "parents",
    "repository_root",
    "resolve",
    "subject",
    "tree_of",
    "working_tree",
]

DEEPER = 50  # commits that a suggested fetch brings
_KEPT = 7 * 86400  # seconds for which objects of working trees are kept after their last use

# What a hook or an outer git sets about its own repository.
_FOREIGN = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR", "GIT_DIR", "GIT_GRAFT_FILE",
    "GIT_INDEX_FILE", "GIT_NAMESPACE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX", "GIT_WORK_TREE",
)  # fmt: skip
# Settings of the user that would run programs or leave files out.
_PLAIN = (
    "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false",
    "-c", "core.sparseCheckout=false", "-c", "advice.addEmbeddedRepo=false",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class WorkingTree:
    """The files of a checkout as they are: `tree` holds them, untracked ones that git does not
    ignore included; `dirty` tells that it differs from the tree of `commit` (None before the first
    commit)."""

    tree: str
    commit: str | None
    dirty: bool


def git(
    folder: str | os.PathLike[str], *arguments: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run git in `folder` without a shell; a failure of the command is the caller's to judge.

    Raises EnvironmentRefused where git is missing, and where it refuses the folder (its own advice,
    such as the line about `safe.directory`, is passed on).
    """
    program = shutil.which("git")
    if program is None:
        raise EnvironmentRefused("git is missing, and revisions need it: 'apt-get install git'")
    own = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    own |= {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    done = subprocess.run(
        [program, "-C", os.fspath(folder), *_PLAIN, *arguments],
        env=own | dict(environment or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        check=False,
    )
    if "detected dubious ownership" in done.stderr:
        raise EnvironmentRefused(f"git refuses {os.fspath(folder)}: {done.stderr.strip()}")
    return done


def repository_root(folder: str | os.PathLike[str]) -> Path:
    """The top folder of the checkout that holds `folder`."""
    if not Path(folder).is_dir():
        raise ConfigError(f"repository: {os.fspath(folder)} is no folder, accepted is a checkout")
    done = git(folder, "rev-parse", "--show-toplevel")
    if done.returncode != 0:
        raise ConfigError(
            f"repository: {os.fspath(folder)} is in no git checkout ({_last(done.stderr)}); "
            "name a folder of one"
        )
    return Path(done.stdout.rstrip("\n"))


def git_folder(repository: Path) -> Path:
    """The folder of git of this worktree."""
    return Path(_answer(repository, "rev-parse", "--absolute-git-dir")[:-1])


def common_folder(repository: Path) -> Path:
    """The folder of git that all worktrees of a repository share."""
    return Path(
        _answer(repository, "rev-parse", "--path-format=absolute", "--git-common-dir").rstrip("\n")
    ).resolve()


def resolve(repository: Path, revision: str) -> str:
    """The commit that `revision` (a branch, tag, id, `HEAD~1`, ...) names, as a full object id.

    Raises ConfigError where there is none; in a shallow clone EnvironmentRefused, with the
    `git fetch` line that brings it.
    """
    if not revision or revision.startswith("-") or not revision.isprintable():
        raise ConfigError(
            f"revision {revision!r} is no name of a revision; accepted is a branch, a tag, a "
            "commit or an expression such as HEAD~1"
        )
    done = git(repository, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    if done.returncode == 0:
        return done.stdout.strip()
    line = _fetch_of(repository, revision)
    if is_shallow(repository):
        raise EnvironmentRefused(
            f"revision {revision!r} is not in this shallow clone"
            + (f"; bring it with '{line}'" if line else ", and the clone has no remote")
        )
    raise ConfigError(
        f"revision {revision!r} is not in {repository}: accepted is a branch, a tag, a commit or "
        f"an expression such as HEAD~1" + (f"; the remote may have it: '{line}'" if line else "")
    )


def parent(repository: Path, commit: str) -> str | None:
    """The first parent of `commit`, None for the first commit of a history.

    Raises EnvironmentRefused where it exists but is not in this shallow clone.
    """
    done = git(repository, "rev-parse", "--verify", "--quiet", f"{commit}^1^{{commit}}")
    if done.returncode == 0:
        return done.stdout.strip()
    if parents(repository, commit):
        raise EnvironmentRefused(
            f"the parent of {commit[:12]} is not in this shallow clone; bring it with "
            f"'{_deepen(repository, commit)}'"
        )
    return None


def parents(repository: Path, commit: str) -> tuple[str, ...]:
    """The parents of `commit` as it names them, also where a shallow clone lacks them."""
    head = _answer(repository, "cat-file", "commit", commit).partition("\n\n")[0]
    return tuple(
        line.removeprefix("parent ") for line in head.split("\n") if line.startswith("parent ")
    )


def is_shallow(repository: Path) -> bool:
    """Whether the clone holds a part of the history alone."""
    return _answer(repository, "rev-parse", "--is-shallow-repository").strip() == "true"


def merge_base(repository: Path, first: str, second: str) -> str:
    """The newest commit that is in the history of both commits (object ids or names).

    Raises ConfigError where the histories have nothing in common; in a shallow clone
    EnvironmentRefused, with the `git fetch` line that brings more of them.
    """
    commits = [resolve(repository, name) for name in (first, second)]
    done = git(repository, "merge-base", *commits)
    if done.returncode == 0:
        return done.stdout.split()[0]
    if is_shallow(repository):
        raise EnvironmentRefused(
            f"the merge base of {first} and {second} is not in this shallow clone; bring it with "
            f"'{_deepen(repository, *commits)}' (again where it is older than that), or the whole "
            "history with 'git fetch --unshallow'"
        )
    raise ConfigError(
        f"{first} and {second} have no commit in common: name two revisions of one history"
    )


def tree_of(repository: Path, commit: str) -> str:
    """The object id of the tree of `commit`."""
    found = resolve(repository, commit)
    return _answer(repository, "rev-parse", "--verify", f"{found}^{{tree}}").strip()


def subject(repository: Path, commit: str) -> str:
    """The first line of the message of `commit`."""
    return _answer(repository, "show", "--no-patch", "--format=%s", resolve(repository, commit))[
        :-1
    ]


def committed(repository: Path, commit: str) -> datetime.datetime | None:
    """When `commit` (an object id) was committed; None where it is not in this repository."""
    if not re.fullmatch(r"[0-9a-f]{7,64}", commit):
        return None
    done = git(repository, "show", "--no-patch", "--format=%ct", f"{commit}^{{commit}}")
    if done.returncode != 0:
        return None
    return datetime.datetime.fromtimestamp(int(done.stdout), datetime.UTC)


def commits_between(
    repository: Path, good: str, bad: str, *, first_parent: bool = False
) -> tuple[str, ...]:
    """The commits in the history of `bad` that are not in that of `good`, oldest first.

    `first_parent` follows the first parent of every merge alone, so that a merged branch counts as
    one step.
    """
    ends = [resolve(repository, good), resolve(repository, bad)]
    options = ["--first-parent"] if first_parent else []
    listed = _answer(
        repository, "rev-list", "--reverse", "--topo-order", *options, ends[1], f"^{ends[0]}"
    )
    return tuple(listed.split())


def changed_files(
    repository: Path, first: str, second: str, objects: Path | None = None
) -> tuple[str, ...]:
    """Paths (with `/`, from the top of the repository) whose content or mode differs between two
    trees or commits (object ids), sorted. A renamed file counts as two. `objects` holds the objects
    of working trees."""
    done = git(
        repository,
        *("diff-tree", "-r", "-z", "--name-only", "--no-renames", first, second),
        environment=alternates(objects),
    )
    if done.returncode != 0:
        raise EnvironmentRefused(f"git cannot compare {first} and {second}: {_last(done.stderr)}")
    return tuple(sorted(filter(None, done.stdout.split("\0"))))


def alternates(objects: Path | None) -> dict[str, str]:
    """Environment in which git also reads the object folder `objects`."""
    return {} if objects is None else {"GIT_ALTERNATE_OBJECT_DIRECTORIES": _quoted(objects)}


def working_tree(repository: Path, objects: Path) -> WorkingTree:
    """The files of the checkout as one tree, whose new objects are written under `objects` alone.

    Objects that no call has used for a week are removed there.
    """
    head = git(repository, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    commit = head.stdout.strip() if head.returncode == 0 else None
    _prune(objects)
    objects.mkdir(parents=True, exist_ok=True)
    own = Path(
        _answer(repository, "rev-parse", "--path-format=absolute", "--git-path", "index")[:-1]
    )
    store = objects_of(repository)
    with tempfile.TemporaryDirectory(prefix="bitnet-perf-") as folder:
        index = Path(folder) / "index"
        if own.exists():  # what git knows of unchanged files spares reading them
            shutil.copy2(own, index)
        environment = {
            "GIT_INDEX_FILE": str(index),
            "GIT_OBJECT_DIRECTORY": str(objects),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": _quoted(store),
        }
        added = git(repository, "add", "--all", environment=environment)
        written = git(repository, "write-tree", environment=environment)
    if added.returncode != 0 or written.returncode != 0:
        raise EnvironmentRefused(
            f"git cannot read the files of {repository}: {_last(added.stderr + written.stderr)}"
        )
    tree = written.stdout.strip()
    dirty = commit is None or tree != tree_of(repository, commit)
    return WorkingTree(tree, commit, dirty)


def objects_of(repository: Path) -> Path:
    """The object folder of the repository."""
    place = _answer(repository, "rev-parse", "--path-format=absolute", "--git-path", "objects")
    return Path(place[:-1])


def _prune(objects: Path) -> None:
    """Git renews the time of an object that it would write again."""
    for path in objects.glob("??/*"):
        with contextlib.suppress(FileNotFoundError):  # another process was first
            if path.stat().st_mtime < time.time() - _KEPT:
                path.unlink()


def _fetch_of(repository: Path, revision: str) -> str | None:
    """The line that brings a revision that is not there, None where no line is known to."""
    shallow = is_shallow(repository)
    base = re.sub(r"[~^][~^{}0-9]*$", "", revision)  # HEAD~3 lacks depth where HEAD is there
    known = git(repository, "rev-parse", "--verify", "--quiet", f"{base}^{{commit}}")
    if base != revision and known.returncode == 0:
        return _deepen(repository, known.stdout.strip()) if shallow else None
    remote = _remote(repository)
    if remote is None or git(repository, "check-ref-format", "--branch", base).returncode != 0:
        return "git fetch --unshallow" if remote is not None and shallow else None
    fetch = f"git fetch --depth={DEEPER} {remote}" if shallow else f"git fetch {remote}"
    if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", base):
        return f"{fetch} {base}"
    if re.fullmatch(r"[0-9a-f]{4,}", base):
        return "git fetch --unshallow" if shallow else None
    if re.match(r"v?\d", base):
        return f"{fetch} tag {base}"
    if base.startswith(f"{remote}/"):
        name = base.removeprefix(f"{remote}/")
        return f"{fetch} +{name}:refs/remotes/{remote}/{name}"
    return f"{fetch} {base}:{base}"


def _remote(repository: Path) -> str | None:
    remotes = _answer(repository, "remote").split()
    return "origin" if "origin" in remotes else remotes[0] if remotes else None


def _deepen(repository: Path, *commits: str) -> str:
    """The line that brings the next commits behind those where the histories of `commits` end.

    The ends are named, because a pull request's merge commit is on no branch that a plain fetch
    would deepen.
    """
    place = _answer(repository, "rev-parse", "--path-format=absolute", "--git-path", "shallow")
    shallow = set(Path(place[:-1]).read_text().split())
    history = _answer(repository, "rev-list", *commits).split()
    ends = [commit for commit in history if commit in shallow]
    return f"git fetch --deepen={DEEPER} {_remote(repository) or 'origin'} {' '.join(ends)}"


def _answer(repository: Path, *arguments: str) -> str:
    done = git(repository, *arguments)
    if done.returncode != 0:
        raise EnvironmentRefused(f"git {arguments[0]} in {repository}: {_last(done.stderr)}")
    return done.stdout


def _quoted(path: Path) -> str:
    """A path as GIT_ALTERNATE_OBJECT_DIRECTORIES takes it."""
    text = str(path)
    if '"' not in text and "\\" not in text and ":" not in text:
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _last(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "it gave no reason"
