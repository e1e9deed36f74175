"""Kernel objects hold no weak symbol and export one function: with flags per file, the linker may
otherwise keep the AVX2 copy of a shared inline function and run it on the scalar path."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from house.tree import KERNELS, ROOT

OBJECTS = "CMakeFiles/bp_core.dir/csrc/kernels"


def build_tree() -> Path | None:
    """The newest plain build of the extension for this host."""
    found = []
    for cache in ROOT.glob("build/*/CMakeCache.txt"):
        text = cache.read_text()
        plain = re.search(r"^SKBUILD:\w+=\S", text, re.M) and re.search(
            r"^BP_SANITIZE:\w+=$", text, re.M
        )
        if plain and (cache.parent / OBJECTS).is_dir():
            found.append(cache.parent)
    return max(found, key=lambda path: (path / "build.ninja").stat().st_mtime, default=None)


def symbols(objects: Path) -> list[tuple[str, str]]:
    """(type letter, demangled name) of what an object defines for the linker."""
    out = subprocess.run(
        ["nm", "--demangle", "--extern-only", "--defined-only", objects],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return [(line.split()[1], line.split(maxsplit=2)[2]) for line in out.splitlines() if line]


def test_kernel_objects_export_their_kernel_alone():
    tree = build_tree()
    if tree is None:
        pytest.skip("no build tree of the extension beside the sources (installed from a wheel)")
    if shutil.which("nm") is None:
        pytest.skip("nm is missing: 'apt-get install binutils'")
    wrong, seen = [], 0
    for source in sorted(KERNELS.glob("*/*/*.cpp")):
        family, fmt = source.parts[-3:-1]
        built = tree / OBJECTS / family / fmt / f"{source.name}.o"
        if not built.exists():  # another architecture
            continue
        seen += 1
        name = f"bp::{family}_{fmt}_{source.stem}"  # the type of its arguments may be an alias
        found = [(kind, symbol.split("(")[0]) for kind, symbol in symbols(built)]
        if found != [("T", name)]:
            wrong.append(f"{built.relative_to(tree)}: {symbols(built)}")
    assert seen > 0
    assert not wrong, "\n".join(wrong)


def test_a_weak_symbol_is_found(tmp_path):
    if shutil.which("nm") is None:
        pytest.skip("nm is missing: 'apt-get install binutils'")
    source = tmp_path / "leak.cpp"
    source.write_text("inline int twice(int x) { return 2 * x; }\nint (*leak)(int) = twice;\n")
    compiler = shutil.which("c++")
    if compiler is None:
        pytest.skip("no C++ compiler: 'apt-get install g++'")
    subprocess.run([compiler, "-c", source, "-o", tmp_path / "leak.o"], check=True)
    assert ("W", "twice(int)") in symbols(tmp_path / "leak.o")
