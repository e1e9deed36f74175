"""CONTRIBUTING's recipe "add an ISA variant" (one file, one line), followed in a scratch copy."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from house.tree import ROOT, listed_kernels

from bitnet_perf import _native

FAMILY, FORMAT, ISA = "gemv", "i2_s", "x86_avx2"
FAMILIES = ("pack", "unpack", "ternarize", "gemv", "gemm")  # what tests/fuzz/products.cpp needs
RUNNABLE = {row[:3] for row in _native.kernels() if not row[3]}


@pytest.fixture(autouse=True)
def _tools_of_this_environment(monkeypatch):
    """cmake and ninja of the environment that runs the tests come first."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if shutil.which("cmake") is None or shutil.which("ninja") is None:
        pytest.skip("cmake or ninja is missing: 'pip install cmake ninja'")


def keep_lines(path: Path, drop: str) -> None:
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not re.search(drop, line)))


def scratch_copy(folder: Path) -> Path:
    """The C++ tree without Python, cut down to what has FORMAT, FAMILIES and the scalar variant or
    ISA, so that it builds quickly."""
    copy = folder / "copy"
    for name in ("csrc/core", "csrc/formats", "csrc/kernels", "cmake", "tests/fuzz"):
        shutil.copytree(ROOT / name, copy / name)
    shutil.copy(ROOT / "CMakeLists.txt", copy)
    kernels = copy / "csrc" / "kernels"
    others = f'include "kernels/(?!{"|".join(f"{name}/" for name in FAMILIES)})\\w+/'
    keep_lines(kernels / "all.inc", others)
    keep_lines(kernels / "families.hpp", others)
    for family in [path for path in kernels.iterdir() if path.is_dir()]:
        if family.name not in FAMILIES:
            shutil.rmtree(family)
            continue
        keep_lines(family / "kernels.inc", rf"BP_KERNEL\(\w+, (?!{FORMAT}, (scalar|{ISA})\))")
        for fmt in [path for path in family.iterdir() if path.is_dir() and path.name != FORMAT]:
            shutil.rmtree(fmt)
        for variant in (family / FORMAT).glob("*.cpp"):
            if variant.stem not in {"scalar", ISA}:
                variant.unlink()
    return copy


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


def configure(copy: Path) -> subprocess.CompletedProcess[str]:
    return run(
        "cmake", "-S", copy, "-B", copy / "build", "-G", "Ninja", "-DBP_FUZZ=products",
        "-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_CXX_FLAGS_RELEASE=-O0",
    )  # fmt: skip


def build_and_check(copy: Path) -> subprocess.CompletedProcess[str]:
    built = run("cmake", "--build", copy / "build", "--parallel", "2")
    assert built.returncode == 0, built.stdout[-4000:]
    return run(copy / "build" / "fuzz_products", "-runs=300")


def test_an_unknown_name_stops_the_configuration(tmp_path):
    copy = scratch_copy(tmp_path)
    folder = copy / "csrc" / "kernels" / FAMILY / FORMAT
    shutil.copy(folder / "scalar.cpp", folder / "x86_avx9.cpp")
    done = configure(copy)
    assert done.returncode != 0
    said = " ".join(done.stderr.split())
    assert "'x86_avx9' is not an instruction set of cmake/isa.cmake" in said
    assert "known: scalar" in said


@pytest.mark.build
@pytest.mark.skipif(
    (FAMILY, FORMAT, ISA) not in RUNNABLE, reason=f"{ISA} does not run on this host"
)
def test_one_file_and_one_line_add_a_variant(tmp_path):
    copy = scratch_copy(tmp_path)
    family = copy / "csrc" / "kernels" / FAMILY
    inc, line = family / "kernels.inc", f"BP_KERNEL({FAMILY}, {FORMAT}, {ISA})\n"
    variant = family / FORMAT / f"{ISA}.cpp"

    # A tree without the variant ...
    variant.unlink()
    keep_lines(inc, re.escape(line.strip()))
    assert (FAMILY, FORMAT, ISA) not in listed_kernels(inc)

    # ... gets one file (the scalar arithmetic, compiled for the other instruction set) ...
    name = f"{FAMILY}_{FORMAT}_"
    text = (family / FORMAT / "scalar.cpp").read_text().replace(f"{name}scalar", f"{name}{ISA}")
    variant.write_text(text)
    # ... and one line, best first.
    inc.write_text(inc.read_text().replace(f"BP_KERNEL({FAMILY}", f"{line}BP_KERNEL({FAMILY}", 1))

    # The checks over every registered variant run it ...
    done = configure(copy)
    assert done.returncode == 0, done.stderr
    ran = build_and_check(copy)
    assert ran.returncode == 0, ran.stderr
    assert f"{FAMILY}/{FORMAT}/{ISA}: 300 times" in ran.stdout

    # ... and see when it is wrong.
    broken = re.sub(r"(_args& args\) \{\n)", r"\1  if (args.N > 1) return;\n", text)
    assert broken != text
    variant.write_text(broken)
    ran = build_and_check(copy)
    assert ran.returncode != 0
    assert f"{FAMILY}/{FORMAT}/{ISA} differs" in ran.stderr
