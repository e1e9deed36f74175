"""What `cargo metadata` says of a workspace: its members, their benches, who depends on whom."""

from __future__ import annotations

import json
import os
import posixpath
import subprocess
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bitnet_perf.errors import ConfigError, EnvironmentRefused, MeasurementError
from bitnet_perf.peers.cargo_console import classify

__all__ = ["Bench", "Member", "Workspace", "is_workspace", "parse_metadata", "read_workspace"]

SECONDS = 120.0  # that `cargo metadata` may take; it compiles nothing
# BitNet.rs builds nothing without one of its device features: its own commands name this one.
CPU = "cpu"
# What every crate is built by; a change in one of them concerns all benches.
_SHARED = ("Cargo.toml", "Cargo.lock", "rust-toolchain", "rust-toolchain.toml", "build.rs")
_SHARED_FOLDERS = (".cargo/", "vendor/")
_OF_ROOT = ("src/", "benches/", "build.rs", "Cargo.toml")  # of a package in the top folder


@dataclass(frozen=True, slots=True)
class Bench:
    """One bench target, or where `name` is empty a program (`xtask`) of its crate.

    `features` are those that it is built with; `plain` says whether the crate's default features
    are left out.
    """

    crate: str
    name: str
    features: tuple[str, ...] = ()
    plain: bool = False

    @property
    def arguments(self) -> tuple[str, ...]:
        """What names it to `cargo bench`, with its features."""
        chosen = ["-p", self.crate, *(["--bench", self.name] if self.name else [])]
        chosen += ["--no-default-features"] if self.plain else []
        return (*chosen, *(["--features", ",".join(self.features)] if self.features else []))


@dataclass(frozen=True, slots=True)
class Member:
    """One crate: its folder ("" for the top one, else with "/" at the end), the names of what is
    built into it and of what only its tests and benches need, its features and its benches."""

    crate: str
    folder: str
    depends: frozenset[str]
    develops: frozenset[str]
    features: frozenset[str]
    benches: tuple[Bench, ...]


@dataclass(frozen=True, slots=True)
class Workspace:
    """The members of a workspace, in the order of cargo."""

    members: tuple[Member, ...]

    @property
    def benches(self) -> tuple[Bench, ...]:
        """Every bench of every member."""
        return tuple(bench for member in self.members for bench in member.benches)

    def member(self, crate: str) -> Member | None:
        """The member of that name."""
        return next((member for member in self.members if member.crate == crate), None)

    def owner(self, path: str) -> str | None:
        """The crate that a file (with "/", from the top) belongs to; None where it is no part of
        any. The innermost folder counts."""
        inside = [m for m in self.members if m.folder and path.startswith(m.folder)]
        if inside:
            return max(inside, key=lambda member: len(member.folder)).crate
        top = next((member for member in self.members if not member.folder), None)
        return top.crate if top is not None and path.startswith(_OF_ROOT) else None

    def affected(self, changed: Iterable[str]) -> frozenset[str]:
        """The crates that a change of these files is built into: those that hold them, and all that
        depend on one of those, directly or not."""
        files = list(changed)
        if any(path in _SHARED or path.startswith(_SHARED_FOLDERS) for path in files):
            return frozenset(member.crate for member in self.members)
        found = {crate for path in files if (crate := self.owner(path)) and _is_built(path)}
        while True:
            more = {m.crate for m in self.members if m.depends & found} - found
            if not more:
                return frozenset(found)
            found |= more

    def built_of(self, crate: str) -> frozenset[str]:
        """The crates that the benches of a crate are built of, itself among them."""
        own = self.member(crate)
        if own is None:
            return frozenset()
        found, new = {crate}, own.depends | own.develops
        while new := new - found:
            found |= new
            new = frozenset().union(*(m.depends for m in self.members if m.crate in new))
        return frozenset(found)

    def benches_of(self, changed: Iterable[str]) -> tuple[Bench, ...]:
        """The benches that a change is built into."""
        crates = self.affected(changed)
        reached = {m.crate for m in self.members if m.crate in crates or m.develops & crates}
        return tuple(bench for bench in self.benches if bench.crate in reached)


def _is_built(path: str) -> bool:
    """Whether a file of a crate's folder can be part of what is built: pages are not."""
    return not path.lower().endswith((".md", ".rst"))


def is_workspace(root: Path) -> bool:
    """Whether `root` holds a Cargo workspace and no Python package with this toolkit's interface.

    A manifest that cannot be read is one: cargo then says what is wrong with it.
    """
    manifest = root / "Cargo.toml"
    if not manifest.is_file() or (root / "bitnet_perf" / "__init__.py").is_file():
        return False
    try:
        table = tomllib.loads(manifest.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return True
    return "workspace" in table or "package" in table


def read_workspace(folder: Path, cargo: str, environment: Mapping[str, str]) -> Workspace:
    """Ask cargo for the workspace in `folder`; nothing is compiled or downloaded.

    Raises MeasurementError with cargo's reason where it refuses.
    """
    command = [cargo, "metadata", "--format-version", "1", "--no-deps"]
    try:
        done = subprocess.run(
            command, cwd=folder, env=dict(environment), stdin=subprocess.DEVNULL,
            capture_output=True, encoding="utf-8", errors="replace", timeout=SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise MeasurementError(f"cargo metadata in {folder}: no answer in {SECONDS:g} s") from error
    except OSError as error:
        raise EnvironmentRefused(f"{cargo}: cannot be started: {error}") from error
    if done.returncode != 0:
        raise MeasurementError(
            f"cargo metadata in {folder}: {classify(done.stderr, done.returncode).why}"
        )
    try:
        return parse_metadata(json.loads(done.stdout), folder)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MeasurementError(
            f"cargo metadata in {folder}: an answer that is not understood ({error!r})"
        ) from error


def parse_metadata(answer: Mapping[str, Any], root: Path) -> Workspace:
    """The members that lie in `root`; ConfigError where there is none."""
    top = os.path.realpath(root)
    members = []
    for package in answer["packages"]:
        folder = os.path.relpath(os.path.realpath(Path(package["manifest_path"]).parent), top)
        if folder.startswith(".."):
            continue
        members.append(_member(package, "" if folder == "." else folder.replace(os.sep, "/") + "/"))
    if not members:
        raise ConfigError(f"workspace: {root}: cargo names no crate in it")
    return Workspace(tuple(members))


def _member(package: Mapping[str, Any], folder: str) -> Member:
    crate, features = str(package["name"]), frozenset(package["features"])
    plain = CPU in features
    benches = []
    for target in package["targets"]:
        if "bench" in target["kind"]:
            needed = dict.fromkeys([*target.get("required-features", []), *([CPU] * plain)])
            benches.append(Bench(crate, str(target["name"]), tuple(needed), plain))
    depends, develops = (
        frozenset(
            str(each["name"])
            for each in package["dependencies"]
            if each.get("path") and (each.get("kind") == "dev") == dev
        )
        for dev in (False, True)
    )
    folder = posixpath.normpath(folder) + "/" if folder else ""
    return Member(crate, folder, depends, develops, features, tuple(benches))
