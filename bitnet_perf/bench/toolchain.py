"""What turns a source tree into machine code on this host: compiler, flags, build tools, Python."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import shutil
import site
import subprocess
import sys
import sysconfig
import tomllib
from dataclasses import dataclass
from pathlib import Path

from bitnet_perf.compiler import build_path, compiler
from bitnet_perf.errors import EnvironmentRefused

__all__ = ["BUILD_TOOLS", "Toolchain", "build_environment", "dependency_folders", "has_backend",
           "has_pip", "toolchain"]  # fmt: skip

# Code placement alone moves a kernel by 5 to 8 %: both sides get these whatever their tree says.
ALIGNMENT = ("-falign-functions=64", "-falign-loops=32")
EPOCH = "315532800"  # 1980, the first time that a zip file can hold
# What scikit-build-core runs, and the other programs that it takes for each.
BUILD_TOOLS = {"cmake": ("cmake", "cmake3"), "ninja": ("ninja", "ninja-build", "samu", "make")}
_PASSED_ON = (
    "CC", "CFLAGS", "CMAKE_ARGS", "CMAKE_BUILD_TYPE", "CMAKE_GENERATOR", "CMAKE_TOOLCHAIN_FILE",
    "CPPFLAGS", "CXX", "CXXFLAGS", "LDFLAGS",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Toolchain:
    """`facts` decide what a build makes; equal keys make equal machine code of equal sources."""

    facts: tuple[tuple[str, str], ...]
    path: str  # PATH of a build: the tools of this Python's environment come first

    @property
    def key(self) -> str:
        return hashlib.sha256(json.dumps(self.facts).encode()).hexdigest()[:16]


def toolchain() -> Toolchain:
    """The toolchain of this process. Raises EnvironmentRefused where a tool is missing, with the
    line that brings it."""
    settings = tuple((name, os.environ.get(name, "")) for name in _PASSED_ON)
    return _toolchain(settings, build_path())


def has_pip() -> bool:
    """Whether this Python has the pip that a build runs."""
    return _version("pip") != "missing"


@functools.cache
def _toolchain(settings: tuple[tuple[str, str], ...], path: str) -> Toolchain:
    compiler_words = compiler()
    facts = {
        **dict(settings),
        "flags": " ".join(ALIGNMENT),
        "compiler": f"{compiler_words[0]}: {_first_line(compiler_words, '--version')}",
        "target": _first_line(compiler_words, "-dumpmachine"),
        "machine": platform.machine(),
        "python": f"{sys.executable}: {sys.version} {sysconfig.get_config_var('SOABI')}",
        "dependencies": os.pathsep.join(map(str, dependency_folders())),
    }
    for tool in ("cmake", "ninja"):
        found = shutil.which(tool, path=path)
        facts[tool] = f"{found}: {_first_line([found], '--version')}" if found else "missing"
    for name in ("pip", "scikit-build-core", "pybind11", "setuptools"):
        facts[name] = _version(name)
    if not has_pip():
        raise EnvironmentRefused(
            f"pip is missing, and building a side needs it: '{sys.executable} -m ensurepip'"
        )
    return Toolchain(tuple(sorted(facts.items())), path)


def build_environment(tools: Toolchain, source: Path, build: Path) -> dict[str, str]:
    """Environment variables of a build of `source` whose intermediate files go to `build`.

    Paths and times leave no trace in what is made, symbols stay (the names of functions are needed
    to attribute counts), and what another build backend does not know it does not read.
    """
    maps = f"-ffile-prefix-map={source}=. -ffile-prefix-map={build}=build"
    flags = " ".join([os.environ.get("CXXFLAGS", ""), *ALIGNMENT, maps]).strip()
    defines = os.environ.get("CMAKE_ARGS", "")
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SKBUILD_", "PYTHON"))
    }
    return own | {
        "CMAKE_ARGS": f"{defines} -DCMAKE_STRIP=".strip(),
        "CXXFLAGS": flags,
        "PATH": tools.path,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "SKBUILD_BUILD_DIR": str(build),
        "SKBUILD_INSTALL_STRIP": "false",
        "SOURCE_DATE_EPOCH": EPOCH,
    }


def has_backend(source: Path, tools: Toolchain) -> bool:
    """Whether this Python's environment holds all that pyproject.toml of `source` builds with.

    Raises EnvironmentRefused where it does but a program that scikit-build-core runs is missing.
    """
    try:
        settings = tomllib.loads((source / "pyproject.toml").read_text(encoding="utf-8"))
        requires = settings["build-system"]["requires"]
        names = [re.match(r"[\w.-]+", text.strip()) for text in requires]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False  # pip says what is wrong with the file
    if not all(name and _version(name[0]) != "missing" for name in names):
        return False
    backend = str(settings["build-system"].get("build-backend"))
    for tool, programs in BUILD_TOOLS.items() if "scikit_build_core" in backend else ():
        if not any(shutil.which(name, path=tools.path) for name in programs):
            raise EnvironmentRefused(
                f"{tool} is missing, and building a side needs it: '{sys.executable} -m pip "
                "install cmake ninja' or 'apt-get install cmake ninja-build'"
            )
    return True


def dependency_folders() -> tuple[Path, ...]:
    """Folders in which this Python finds installed packages, in its order."""
    folders = [
        *site.getsitepackages(),
        sysconfig.get_path("purelib"),
        sysconfig.get_path("platlib"),
    ]
    if site.ENABLE_USER_SITE:
        folders.append(site.getusersitepackages())
    known = [place for place in sys.path if place in set(folders) and Path(place).is_dir()]
    return tuple(dict.fromkeys(Path(place) for place in known))


def _first_line(command: list[str], option: str) -> str:
    try:
        done = subprocess.run(
            [*command, option], stdin=subprocess.DEVNULL, capture_output=True, text=True,
            errors="replace", timeout=60, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EnvironmentRefused(f"{command[0]} {option} does not run: {error}") from error
    if done.returncode != 0:
        raise EnvironmentRefused(
            f"{command[0]} {option} fails: {(done.stderr.strip() or done.stdout.strip())[:200]}"
        )
    return done.stdout.strip().partition("\n")[0]


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "missing"
