"""A scratch repository: a clone of the tree under test, a base commit, and a seeded change."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from acceptance.seeds import SEEDS, Edit, Seed, edited

from bitnet_perf.bench.revisions import git

__all__ = ["ROOT", "Change", "make_change", "new_scratch", "state_of"]

ROOT = Path(__file__).parents[2]
PERSON = ("-c", "user.name=scratch", "-c", "user.email=scratch@example.com")
HARMLESS = Edit("CONTRIBUTING.md", "# Contributing\n", "# How to contribute\n")


@dataclass(frozen=True)
class Change:
    """What one run judges: commits of a scratch repository, and those that hold the seed."""

    repository: Path
    base: str
    head: str
    seeded: tuple[str, ...]


def _git(folder: Path, *words: str) -> str:
    done = git(folder, *PERSON, *words)
    if done.returncode != 0:
        raise subprocess.CalledProcessError(done.returncode, words, done.stdout, done.stderr)
    return done.stdout.strip()


def state_of(root: Path = ROOT) -> str:
    """What a run depends on beside its seed: the code of the package, as committed."""
    return "-".join(
        _git(root, "rev-parse", f"HEAD:{name}")[:10] for name in ("bitnet_perf", "csrc")
    )


def new_scratch(folder: Path, root: Path = ROOT) -> Path:
    """A clone of the commit that is checked out at `root`, with the suites of all seeds, on branch
    `start`. One that is there is used again where it holds the same code."""
    commit = _git(root, "rev-parse", "HEAD")
    words = f"start: {state_of(root)}-{hashlib.sha256(_settings().encode()).hexdigest()[:10]}"
    if (folder / ".git").is_dir():
        if _git(folder, "log", "-1", "--format=%s", "start") == words:
            return folder
        shutil.rmtree(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    _git(root, "clone", "--quiet", "--no-checkout", str(root), str(folder))
    _git(folder, "remote", "remove", "origin")
    _git(folder, "checkout", "--quiet", "-B", "start", commit)
    (folder / "bitnet-perf.toml").write_text(_settings())
    _commit(folder, words)
    return folder


def make_change(
    folder: Path, seed: Seed, name: str, doses: Sequence[int], *, harmless: bool = True
) -> Change:
    """The commits of `seed` on a new branch `name`, one dose each, harmless ones around them."""
    base = _git(folder, "rev-parse", "start")
    _git(folder, "checkout", "--quiet", "-B", name, "start")
    if harmless:
        _edit(folder, [HARMLESS], 0)
        _commit(folder, "docs: a heading")
    seeded = []
    for number, (edits, dose) in enumerate(zip(seed.commits, doses, strict=True)):
        _edit(folder, edits, dose)
        if seed.accept and number == 0:
            (folder / "bitnet-perf.toml").write_text(_settings() + seed.accept)
        seeded.append(_commit(folder, f"change {number + 1} of {len(seed.commits)}"))
    if harmless:
        (folder / "CHANGELOG.md").write_text((folder / "CHANGELOG.md").read_text() + "\n")
        _commit(folder, "docs: a line")
    return Change(folder, base, _git(folder, "rev-parse", "HEAD"), tuple(seeded))


def _edit(folder: Path, edits: Sequence[Edit], dose: int) -> None:
    for edit in edits:
        path = folder / edit.file
        path.write_text(edited(path.read_text(), edit, dose))


def _commit(folder: Path, message: str) -> str:
    _git(folder, "add", "--all")
    _git(folder, "commit", "--quiet", "--message", message)
    return _git(folder, "rev-parse", "HEAD")


def _settings() -> str:
    """bitnet-perf.toml of every scratch repository: one suite for each seed, nothing recorded."""
    lines = ["[history]", "record = false", "", "[suites]"]
    lines += [f'"{seed.name}" = {_array(seed.cases)}' for seed in SEEDS]
    return "\n".join(lines) + "\n"


def _array(words: Sequence[str]) -> str:
    return "[" + ", ".join(f'"{word}"' for word in words) + "]"
