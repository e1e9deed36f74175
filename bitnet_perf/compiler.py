"""The C++ compiler of this host."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

from bitnet_perf.errors import EnvironmentRefused

__all__ = ["build_path", "compiler"]

_COMPILERS = ("c++", "g++", "clang++")  # in the order in which CMake looks


def build_path() -> str:
    """PATH of a build: the tools of this Python's environment come first."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


def compiler() -> list[str]:
    """The words that start the C++ compiler: $CXX (which may be `ccache g++`), else the first of
    c++, g++ and clang++. Raises EnvironmentRefused where there is none."""
    path, named = build_path(), os.environ.get("CXX", "").strip()
    try:
        candidates = [shlex.split(named)] if named else [[name] for name in _COMPILERS]
    except ValueError as error:
        raise EnvironmentRefused(
            f"CXX: found {named!r}, which is no command line ({error}); accepted is a C++20 "
            "compiler and its options"
        ) from error
    for words in candidates:
        found = shutil.which(words[0], path=path)
        if found is not None:
            return [found, *words[1:]]
    if named:
        raise EnvironmentRefused(
            f"CXX: found {named!r}, there is no such program; accepted is a C++20 compiler: "
            "'apt-get install g++'"
        )
    raise EnvironmentRefused(
        f"a C++20 compiler is missing ({', '.join(_COMPILERS)}): 'apt-get install g++', or name "
        "one in CXX"
    )
