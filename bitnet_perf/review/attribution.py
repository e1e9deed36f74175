"""What attribution reads beside the records: stored profiles, commits, where functions stand."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from bitnet_perf.analyze.attribution import Commit, Places
from bitnet_perf.bench import revisions
from bitnet_perf.bench.paired.profiles import Profiles
from bitnet_perf.report.escape import plain
from bitnet_perf.report.stored import read_stored

__all__ = ["commits_of", "load_profiles", "places_of"]

MOST_COMMITS = 500  # of a branch whose files are looked at, the newest
_LARGEST = 1 << 20  # bytes of a source file
_CALL = re.compile(r"\s*(return|if|for|while|else)\b")
_BODY = re.compile(r"^[^;{}]*\{", re.DOTALL)  # what follows the arguments where a body does


def load_profiles(path: str | os.PathLike[str]) -> Profiles:
    """The profile file at `path`. FormatError names the file and the field that is refused."""
    return read_stored(Path(path), Profiles)


def commits_of(
    repository: Path, base: str, head: str, uncommitted: Iterable[str] = ()
) -> tuple[Commit, ...]:
    """The commits of `head` that `base` lacks, oldest first, with the files that each changed
    against its first parent; then the files that are changed but not committed."""
    found = []
    for sha in revisions.commits_between(repository, base, head)[-MOST_COMMITS:]:
        parents = revisions.parents(repository, sha)
        files = revisions.changed_files(repository, parents[0], sha) if parents else ()
        found.append(Commit(sha, plain(revisions.subject(repository, sha), 200), files))
    rest = tuple(uncommitted)
    return (*found, Commit("", "not committed", rest)) if rest else tuple(found)


def places_of(tree: Path, names: Iterable[str], near: Iterable[str] = ()) -> Places:
    """Where native functions (short names, such as "bp::rows") are defined below csrc/ of a source
    tree: file and line of the first definition, files of `near` before others. What is not found
    is left out."""
    wanted = {name: name.rpartition("::")[2] for name in names}
    root = tree / "csrc"
    files = [path for suffix in ("cpp", "hpp") for path in sorted(root.rglob(f"*.{suffix}"))]
    first = {tree / path: n for n, path in enumerate(near)}
    files.sort(key=lambda path: (first.get(path, len(first)), path.suffix))
    found: dict[str, tuple[str, int]] = {}
    for path in files:
        missing = {name: word for name, word in wanted.items() if name not in found and word}
        if not missing:
            break
        if path.is_symlink() or path.stat().st_size > _LARGEST:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        for name, word in missing.items():
            line = _definition(text, word)
            if line:
                found[name] = (path.relative_to(tree).as_posix(), line)
    return found


def _definition(text: str, word: str) -> int:
    """The line where a function of that name has its body, 0 where none has."""
    for match in re.finditer(rf"^[^\S\n]*[\w:<>&*,~ \t]*\b{re.escape(word)}\(", text, re.MULTILINE):
        depth, at = 1, match.end()
        while at < len(text) and depth:
            depth += {"(": 1, ")": -1}.get(text[at], 0)
            at += 1
        if _BODY.match(text[at : at + 200]) and not _CALL.match(match[0]):
            return text.count("\n", 0, match.start()) + 1
    return 0
