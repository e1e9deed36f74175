"""Bench programs of two trees of a Cargo workspace, built once each and kept.

Both trees are built in one folder, one after the other: cargo hashes the folder of a workspace into
the names of its symbols, so that two folders would give two orders of functions to equal sources.
There git writes only the files that differ, and cargo compiles only what they reach. Each program
is then kept by itself, under a name made of its tree, its features and the toolchain.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bitnet_perf.bench import revisions
from bitnet_perf.bench.builds import check_out, tree_objects
from bitnet_perf.bench.elf import read_sections
from bitnet_perf.bench.process import run_program
from bitnet_perf.cache import cache_folder, keep_newest, locked, remove
from bitnet_perf.errors import EnvironmentRefused, FormatError
from bitnet_perf.files import write_atomic
from bitnet_perf.peers.cargo.metadata import Bench, Workspace, read_workspace
from bitnet_perf.peers.cargo_console import classify

__all__ = ["FOLDERS", "Builder", "Program", "open_builder"]

LAYOUT = "1"  # of what is kept
KEPT, SLOTS, LOGS = 256, 3, 64  # programs, folders to build in, logs
FOLDERS = ("base", "candidate")  # where the programs of a side are run: a checkout of its tree
# Symbols and line tables tell where instructions were added; neither changes the code. Alignment is
# the same on both sides, because code placement alone moves a function by 5 to 8 %.
PROFILE = {
    "CARGO_PROFILE_BENCH_STRIP": "none",
    "CARGO_PROFILE_BENCH_DEBUG": "line-tables-only",
    "CARGO_PROFILE_RELEASE_STRIP": "none",
    "CARGO_PROFILE_RELEASE_DEBUG": "line-tables-only",
    "CARGO_INCREMENTAL": "0",
    "CARGO_TERM_COLOR": "never",
}
ALIGNMENT = ("-C", "llvm-args=-align-all-functions=6 -align-loops=32")
_FLAGS = ("CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS")  # the first that is set counts, before any file
_SEPARATOR = "\x1f"  # between the flags of the first


@dataclass(frozen=True, slots=True)
class Program:
    """One bench of one tree: the program (None: `why` says what failed), a hash of its code and
    data, and the log of its build."""

    bench: Bench
    path: Path | None
    code: str
    why: str
    log: Path | None


@dataclass(frozen=True)
class Builder:
    """The place where trees of one repository are built; no other process uses it meanwhile.

    `open_builder` is the way to get one.
    """

    root: Path
    slot: Path
    cargo: str
    toolchain: str
    descriptor: int
    say: Callable[[str], None]

    def workspace(self, tree: str) -> Workspace:
        """The workspace as that tree has it. Errors are those of `read_workspace`."""
        return read_workspace(self._source(tree), self.cargo, self._environment(None))

    def run_folder(self, tree: str, side: int) -> Path:
        """A checkout of the tree for the programs of base (0) or candidate (1) to run in."""
        return self._check_out(tree, self.slot / FOLDERS[side])

    def known(self, tree: str, bench: Bench) -> Program | None:
        """The program of a bench of a tree where it is in the cache."""
        return _known(self._kept(tree, bench), bench)

    def build(self, tree: str, bench: Bench, timeout: float | None = None) -> Program:
        """The program of a bench of a tree, from the cache where it is there.

        A bench that does not build, or takes longer than `timeout` seconds, has no path.
        """
        kept, known = self._kept(tree, bench), self.known(tree, bench)
        if known is not None:
            return known
        source = self._source(tree)
        name = bench.name or bench.crate
        self.say(f"{tree[:12]}: building {name}")
        found: list[str] = []

        def follow(line: str) -> None:
            if line.startswith("{"):
                found.extend(_executables(line, bench))
            elif line.lstrip().startswith(("Compiling", "Downloaded")):
                self.say(f"{tree[:12]}: {name}: {line.strip()}")

        done = run_program(
            self._command(bench, source),
            source,
            self._environment(source),
            timeout,
            follow,
            descriptors=[self.descriptor],
        )
        log = cache_folder("logs") / f"cargo-{kept.name}.log"
        write_atomic(log, done.text)
        if done.timed_out:
            return Program(bench, None, "", f"building takes longer than {timeout:g} s", log)
        if done.status != 0:
            return Program(bench, None, "", classify(done.text, done.status).why or "fails", log)
        if not found:
            return Program(bench, None, "", "cargo built no program of that name", log)
        return _keep(kept, bench, Path(found[-1]), log)

    def _kept(self, tree: str, bench: Bench) -> Path:
        key = _short(LAYOUT, tree, self.toolchain, *bench.arguments)
        return cache_folder("cargo", "programs") / key

    def _command(self, bench: Bench, source: Path) -> list[str]:
        verb = ["bench", "--no-run"] if bench.name else ["build", "--release"]
        command = [self.cargo, *verb, "--message-format=json-render-diagnostics", *bench.arguments]
        if not any(os.environ.get(name) for name in _FLAGS):
            flags = json.dumps([*_flags_of(source), *ALIGNMENT])
            command += ["--config", f"target.'cfg(all())'.rustflags={flags}"]
        return command

    def _environment(self, source: Path | None) -> dict[str, str]:
        found = {**os.environ, **PROFILE, "CARGO_TARGET_DIR": str(self.slot / "target")}
        encoded, plain = (os.environ.get(name) for name in _FLAGS)
        if source is not None and encoded:
            found[_FLAGS[0]] = _SEPARATOR.join((encoded, *ALIGNMENT))
        elif source is not None and plain:
            found[_FLAGS[0]] = _SEPARATOR.join((*plain.split(), *ALIGNMENT))
        return found

    def _source(self, tree: str) -> Path:
        return self._check_out(tree, self.slot / "source")

    def _check_out(self, tree: str, folder: Path) -> Path:
        index = folder.with_name(f"{folder.name}.index")
        mark = folder.with_name(f"{folder.name}.tree")
        if mark.is_file() and mark.read_text() == tree:
            return folder
        mark.unlink(missing_ok=True)
        check_out(self.root, tree, tree_objects(self.root), folder, index)
        mark.write_text(tree)
        return folder


@contextlib.contextmanager
def open_builder(root: Path, say: Callable[[str], None]) -> Iterator[Builder]:
    """The builder of the repository at `root`, held alone until the block ends.

    Raises EnvironmentRefused where cargo or git is missing.
    """
    cargo = shutil.which("cargo")
    if cargo is None:
        raise EnvironmentRefused(
            "cargo: is not on PATH, and a Cargo workspace needs it; accepted: a Rust toolchain, "
            "from https://rustup.rs or 'apt-get install cargo'"
        )
    repository = str(revisions.common_folder(root))
    key = _short(LAYOUT, repository)
    locks = cache_folder("cargo", "locks")
    waiting = "waiting for another run in this repository"
    with locked(locks / key, lambda: say(waiting)) as descriptor:
        slot = cache_folder("cargo", "slots", key)
        os.utime(slot)
        unfinished = slot / "unfinished"
        if unfinished.exists():  # it was killed: checkouts of unknown state are there
            for path in slot.glob("*.*"):
                remove(path)
        unfinished.touch()
        yield Builder(root, slot, cargo, _toolchain(cargo, root), descriptor, say)
        unfinished.unlink()
    keep_newest(cache_folder("cargo", "programs"), KEPT)
    keep_newest(cache_folder("cargo", "slots"), SLOTS, locks)
    keep_newest(cache_folder("logs"), LOGS)


def _toolchain(cargo: str, root: Path) -> str:
    """What decides the machine code of equal sources: versions and flags, as one text."""
    versions = []
    for program in (cargo, os.environ.get("RUSTC") or "rustc"):
        with contextlib.suppress(OSError):
            done = subprocess.run(
                [program, "-vV"], cwd=root, stdin=subprocess.DEVNULL, capture_output=True,
                encoding="utf-8", errors="replace", check=False, timeout=60,
            )  # fmt: skip
            versions.append(done.stdout or done.stderr)
    flags = {name: value for name, value in os.environ.items()
             if name in _FLAGS or name.startswith(("CARGO_PROFILE_", "CARGO_BUILD_"))}  # fmt: skip
    return json.dumps([versions, sorted(flags.items()), ALIGNMENT, sorted(PROFILE.items())])


def _flags_of(source: Path) -> list[str]:
    """`build.rustflags` of the tree, which a flag of ours would hide."""
    for name in ("config.toml", "config"):
        try:
            table = tomllib.loads((source / ".cargo" / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        build = table.get("build")
        found = build.get("rustflags", []) if isinstance(build, dict) else []
        words = found.split() if isinstance(found, str) else found
        return [word for word in words if isinstance(word, str)] if isinstance(words, list) else []
    return []


def _executables(line: str, bench: Bench) -> Sequence[str]:
    """The program that a message of cargo names, where it is the one of `bench`."""
    try:
        message = json.loads(line)
        target, path = message["target"], message["executable"]
        wanted = (["bench"], bench.name) if bench.name else (["bin"], bench.crate)
        fits = (target["kind"], target["name"]) == wanted
    except (ValueError, KeyError, TypeError):
        return ()
    return (path,) if fits and isinstance(path, str) else ()


def _keep(folder: Path, bench: Bench, built: Path, log: Path) -> Program:
    """A copy of a program that was just built, complete or not there."""
    new = folder.with_name(f"{folder.name}.new")
    remove(new)
    new.mkdir()
    shutil.copy2(built, new / built.name)
    facts = {"program": built.name, "code": _code_hash(built), "log": str(log)}
    (new / "program.json").write_text(json.dumps(facts))
    remove(folder)
    os.rename(new, folder)
    return Program(bench, folder / built.name, facts["code"], "", log)


def _known(folder: Path, bench: Bench) -> Program | None:
    try:
        os.utime(folder)
        facts: dict[str, Any] = json.loads((folder / "program.json").read_text())
    except FileNotFoundError:
        return None
    return Program(bench, folder / facts["program"], facts["code"], "", Path(facts["log"]))


def _code_hash(path: Path) -> str:
    """A hash of what the program brings into memory; of the whole file where it is no ELF file."""
    digest = hashlib.sha256()
    try:
        for section in read_sections(path):
            if section.loaded:
                digest.update(repr((section.name, section.type, section.size)).encode())
                digest.update(section.data)
    except FormatError:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _short(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()[:20]
