"""Sides of a comparison as environments of their own, built once and kept.

A revision becomes its tree; the working tree becomes a tree as well. Trees are built by the same
tools with the same flags in one folder per repository and toolchain, where git writes only the
files that differ: the next tree costs the compilation of what changed. What is built is moved to
its place in one step, so that a build that is cut short leaves nothing that is later believed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import venv
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bitnet_perf.bench import revisions
from bitnet_perf.bench.elf import object_hash
from bitnet_perf.bench.process import run_program
from bitnet_perf.bench.toolchain import (
    Toolchain,
    build_environment,
    dependency_folders,
    has_backend,
    toolchain,
)
from bitnet_perf.cache import COMPLETE, cache_folder, keep_newest, locked, remove
from bitnet_perf.errors import ConfigError, EnvironmentRefused, MeasurementError
from bitnet_perf.files import write_atomic

__all__ = [
    "Environment",
    "build_revision",
    "check_out",
    "install_wheel",
    "tree_objects",
    "use_environment",
]

ENVIRONMENTS, SLOTS, LOGS = 32, 3, 64  # how many of each are kept
LAYOUT = "1"  # of the environments in the cache
_ERROR = re.compile(
    r"\b(fatal )?error:|CMake Error|undefined reference|No space left|^\s*ERROR\b|\w+Error: ",
    re.MULTILINE,
)
_SHOWN = 15  # lines of a failed build's log
_PROBE = """
import importlib.util, json
found = importlib.util.find_spec("bitnet_perf")
native = package = None
if found is not None and found.origin is not None:
    import bitnet_perf
    package = bitnet_perf.__file__
    if importlib.util.find_spec("bitnet_perf._native") is not None:
        import bitnet_perf._native as extension
        native = extension.__file__
print(json.dumps([package, native]))
"""


@dataclass(frozen=True)
class Environment:
    """A Python that can run a side.

    `package` is the folder that holds `bitnet_perf/`, `native` its extension. Run `python` with -I,
    so that neither the current folder nor PYTHONPATH gives it another package. `tree` and `commit`
    are known for what was built from a repository, `dirty` tells that the tree is that of a
    checkout which differs from `commit`; `log` is the console of the build. `kernels` gives a hash
    of the machine code of each kernel, empty where only a wheel or an environment is known.
    """

    python: Path
    package: Path
    description: str
    tree: str | None = None
    commit: str | None = None
    log: Path | None = None
    dirty: bool = False
    native: Path | None = None
    kernels: Mapping[str, str] = field(default_factory=dict)


def build_revision(
    repo: str | os.PathLike[str],
    revision: str | None,
    *,
    on_progress: Callable[[str], None] | None = None,
) -> Environment:
    """The environment of `revision` of the repository at `repo`; None is the working tree as it is.

    `on_progress` gets a line now and then while something is built. Raises MeasurementError, with
    the error and the path of the whole log, for a tree that does not build; EnvironmentRefused for
    what this host lacks; ConfigError for a folder or revision that does not exist.
    """
    root = revisions.repository_root(repo)
    objects = tree_objects(root)
    if revision is None:
        found = revisions.working_tree(root, objects)
        tree, commit, dirty = found.tree, found.commit, found.dirty
        description = f"working tree on {(commit or 'no commit')[:12]}"
        description += ", changed" if dirty else ""
    else:
        commit, dirty = revisions.resolve(root, revision), False
        tree = revisions.tree_of(root, commit)
        description = f"{revision} ({commit[:12]})" if revision != commit else commit[:12]
    side = _Side(root, tree, objects, toolchain(), on_progress or _silent)
    kept = _kept(side.key) or _build(side)
    return Environment(
        **_paths(side.key, kept), description=description, tree=tree, commit=commit, dirty=dirty
    )


def tree_objects(root: Path) -> Path:
    """Where objects of the working trees of a repository are kept, apart from its own."""
    return cache_folder("objects", _short(str(revisions.common_folder(root))))


def install_wheel(path: str | os.PathLike[str]) -> Environment:
    """An environment with this wheel of the package and the dependencies of this Python.

    Raises ConfigError for a file that is no wheel of the package or not for this Python.
    """
    wheel = Path(path).absolute()
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = archive.namelist()
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    except (OSError, zipfile.BadZipFile) as error:
        raise ConfigError(f"wheel: {wheel} cannot be read as a wheel: {error}") from error
    if "bitnet_perf/__init__.py" not in names:
        raise ConfigError(f"wheel: {wheel} holds no package bitnet_perf")
    tools = toolchain()
    key = _short(LAYOUT, digest, tools.key)
    kept = _kept(key)
    if kept is None:
        with locked(cache_folder("locks") / key) as lock:
            kept = _kept(key) or _install(wheel, key, lock)
    return Environment(**_paths(key, kept), description=f"wheel {wheel.name}")


def _install(wheel: Path, key: str, lock: int) -> dict[str, Any]:
    folder = cache_folder("new") / key
    command = _new_environment(folder, wheel, ["--no-index"])
    environment = os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = run_program(command, folder, environment, descriptors=[lock])
    if done.status != 0:
        raise ConfigError(f"wheel: {wheel} cannot be installed:\n{shortened(done.text)}")
    return _publish(folder, key, {}, None)


def use_environment(path: str | os.PathLike[str]) -> Environment:
    """An environment that exists: a folder of a venv, or the Python in it, as it is.

    Raises ConfigError where there is no Python, EnvironmentRefused where it lacks bitnet_perf.
    """
    try:
        given = Path(path).expanduser().absolute()
    except RuntimeError as error:
        raise ConfigError(
            f"environment: found {os.fspath(path)!r} ({error}), accepted is the folder of a "
            "virtual environment or its Python"
        ) from error
    python = given / "bin" / "python" if given.is_dir() else given
    if not python.is_file() or not os.access(python, os.X_OK):
        raise ConfigError(
            f"environment: {given} is neither a virtual environment (no bin/python) nor a Python"
        )
    package, native = _probe(python)
    if package is None:
        raise EnvironmentRefused(
            f"{python} has no package bitnet_perf: install a wheel of it there, for example with "
            f"'{python} -m pip install bitnet_perf'"
        )
    return Environment(python, package, f"environment {given}", native=native)


def _silent(_: str) -> None:
    pass


def _short(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()[:20]


def _kept(key: str) -> dict[str, Any] | None:
    """What is known of the environment of that key, None where it is not built."""
    folder = cache_folder("environments") / key
    try:
        os.utime(folder)
        known: dict[str, Any] = json.loads((folder / COMPLETE).read_text())
    except FileNotFoundError:
        return None
    return known


def _paths(key: str, known: Mapping[str, Any]) -> dict[str, Any]:
    folder = cache_folder("environments") / key
    return {
        "python": folder / "bin" / "python",
        "package": folder / known["package"],
        "native": folder / known["native"] if known["native"] else None,
        "log": Path(known["log"]) if known["log"] else None,
        "kernels": known["kernels"],
    }


@dataclass(frozen=True, slots=True)
class _Side:
    """A tree to build; `objects` holds those objects of it that the repository lacks."""

    root: Path
    tree: str
    objects: Path
    tools: Toolchain
    say: Callable[[str], None]

    @property
    def key(self) -> str:
        return _short(LAYOUT, self.tree, self.tools.key)

    @property
    def log(self) -> Path:
        return cache_folder("logs") / f"{self.tree[:12]}-{self.tools.key}.log"

    def progress(self, text: str) -> None:
        self.say(f"{self.tree[:12]}: {text}")


def _build(side: _Side) -> dict[str, Any]:
    slot_key = _short(str(revisions.common_folder(side.root)), side.tools.key)
    lock_file = cache_folder("locks") / slot_key
    with locked(lock_file, lambda: side.progress("waiting for another build")) as lock:
        kept = _kept(side.key)  # the other build may have been this one
        if kept is not None:
            return kept
        slot = cache_folder("slots", slot_key)
        os.utime(slot)
        unfinished = slot / "unfinished"
        if unfinished.exists():  # it was killed: files of unknown state are there
            for part in ("source", "build", "index", "index.lock"):
                remove(slot / part)
        unfinished.touch()
        check_out(side.root, side.tree, side.objects, slot / "source", slot / "index")
        _compile(side, slot, lock)
        kernels = _kernels(slot)
        # Another clone of the repository has another slot: it may have built this tree meanwhile.
        with locked(cache_folder("locks") / side.key):
            known = _kept(side.key) or _publish(slot / "new", side.key, kernels, side.log)
        remove(slot / "new")
        unfinished.unlink()
    keep_newest(cache_folder("environments"), ENVIRONMENTS)
    keep_newest(cache_folder("slots"), SLOTS, cache_folder("locks"))
    keep_newest(cache_folder("logs"), LOGS)
    return known


def check_out(root: Path, tree: str, objects: Path, source: Path, index: Path) -> None:
    """Bring the folder `source` to a tree of the repository at `root`; files that do not differ
    keep their times.

    `objects` holds what the repository itself lacks, `index` what git knows of the folder. Raises
    EnvironmentRefused with git's reason.
    """
    source.mkdir(exist_ok=True)
    environment = {
        "GIT_DIR": str(revisions.git_folder(root)),
        "GIT_INDEX_FILE": str(index),
        "GIT_WORK_TREE": str(source),
        **revisions.alternates(objects),
    }
    for command in (["read-tree", "--reset", "-u", tree], ["clean", "-ffdxq"]):
        done = revisions.git(source, *command, environment=environment)
        if done.returncode != 0:
            raise EnvironmentRefused(
                f"git {command[0]} cannot bring {source} to tree {tree[:12]}: {done.stderr.strip()}"
            )


def _compile(side: _Side, slot: Path, lock: int) -> None:
    """Build what is checked out, into the environment `new`."""
    source, build = slot / "source", slot / "build"
    (build / "CMakeCache.txt").unlink(missing_ok=True)  # defaults of another tree must not stay

    def follow(line: str) -> None:
        step = re.match(r"\s*\[(\d+)/(\d+)\] ", line)
        if step:
            side.progress(f"building, step {step[1]} of {step[2]}")

    side.progress("building")
    options = ["-v", *(["--no-build-isolation"] if has_backend(source, side.tools) else [])]
    command = _new_environment(slot / "new", source, options)
    environment = build_environment(side.tools, source, build)
    done = run_program(command, slot, environment, progress=follow, descriptors=[lock])
    write_atomic(side.log, done.text)
    if done.status != 0:
        (slot / "unfinished").unlink()  # it ended by itself: what it left is sound
        raise MeasurementError(
            f"tree {side.tree[:12]} does not build (the whole log: {side.log}):\n"
            f"{shortened(done.text)}"
        )


def _new_environment(folder: Path, what: Path, options: Sequence[str]) -> list[str]:
    """Make an environment without the package; the command that installs `what` into it."""
    remove(folder)
    venv.EnvBuilder(symlinks=True).create(folder)
    site = folder / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    # A line of a .pth file is a folder alone: files of that kind within it are not read, so that an
    # editable installation there stays asleep. It comes after the side's own folder.
    shared = "".join(f"{path}\n" for path in dependency_folders())
    (site / "shared_dependencies.pth").write_text(shared)
    pip = (sys.executable, "-m", "pip", "install", "--no-deps", "--no-input", "--no-warn-conflicts")
    return [*pip, *options, "--target", str(site), str(what)]


def _publish(
    temporary: Path, key: str, kernels: Mapping[str, str], log: Path | None
) -> dict[str, Any]:
    """Check the environment in `temporary`, and move it to its place, whose lock is held and where
    no complete one is."""
    try:
        package, native = _probe(temporary / "bin" / "python")
    except EnvironmentRefused as error:
        raise MeasurementError(f"it is built, but {error}") from error
    if package is None or not package.is_relative_to(temporary):
        raise MeasurementError("it is built, but installs no package bitnet_perf")
    known = {
        "package": os.path.relpath(package, temporary),
        "native": os.path.relpath(native, temporary) if native else None,
        "log": str(log) if log else None,
        "kernels": dict(kernels),
    }
    (temporary / COMPLETE).write_text(json.dumps(known))
    final = cache_folder("environments") / key
    remove(final)  # what a removal that was cut short has left
    os.rename(temporary, final)
    return known


def _kernels(slot: Path) -> dict[str, str]:
    """A hash of the object file of every kernel of the tree: the function, its helpers and its
    constants, wherever they are linked to. A kernel is csrc/kernels/FAMILY/FORMAT/ISA.cpp."""
    found = {}
    for path in (slot / "build").glob("**/csrc/kernels/*/*/*.cpp.o"):
        *_, family, name, file = path.parts
        if (slot / "source/csrc/kernels" / family / name / file[:-2]).is_file():
            found[f"{family}_{name}_{file.removesuffix('.cpp.o')}"] = object_hash(path)
    return dict(sorted(found.items()))


def _probe(python: Path) -> tuple[Path | None, Path | None]:
    """Where that Python finds the package (the folder that holds it) and its extension."""
    command = [str(python), "-I", "-c", _PROBE]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            timeout=120, check=False, cwd=python.parent,
        )  # fmt: skip
        package, native = json.loads(done.stdout.rpartition("\n")[0].rpartition("\n")[2])
    except (OSError, subprocess.TimeoutExpired, ValueError, TypeError) as error:
        said = done.stderr.strip().splitlines() if isinstance(error, ValueError) else []
        raise EnvironmentRefused(
            f"{python} cannot import bitnet_perf: {said[-1] if said else error}"
        ) from error
    return Path(package).parent.parent if package else None, Path(native) if native else None


def shortened(log: str) -> str:
    """The part of a build's log that tells why it failed: the first error with its context."""
    lines = log.splitlines()
    first = next((place for place, line in enumerate(lines) if _ERROR.search(line)), None)
    if first is None:
        return "\n".join(lines[-_SHOWN:])
    return "\n".join(lines[max(first - 1, 0) : first + _SHOWN - 1])
