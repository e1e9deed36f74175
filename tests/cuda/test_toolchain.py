"""CUDA sources become machine code, or say why not, on a host without a GPU."""

from __future__ import annotations

import importlib
import sys

import pytest
from cuda_build import NEEDS_COMPILER, SOURCES, architectures

from bitnet_perf.errors import ConfigError, EnvironmentRefused, IsaError
from bitnet_perf.kernels.cuda import nvrtc, toolchain
from bitnet_perf.kernels.cuda.toolchain import Usage, choose_architecture, compile_file

LOG = """\
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function '_Z1kPf' for 'sm_80'
ptxas info    : Function properties for _Z1kPf
ptxas         .     160 bytes stack frame, 8 bytes spill stores, 4 bytes spill loads
ptxas info    : Used 48 registers, used 1 barriers, 160 bytes cumulative stack size, 512 bytes smem
ptxas info    : Compile time = 41.818 ms
ptxas info    : Function properties for _Z5heavyPf
ptxas         .     16 bytes stack frame, 24 bytes spill stores, 32 bytes spill loads
ptxas info    : Compiling entry function 'plain' for 'sm_80'
ptxas info    : Function properties for plain
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 10 registers, used 0 barriers, 360 bytes cmem[0]
"""


def test_the_log_tells_what_a_kernel_and_the_functions_it_calls_take():
    assert toolchain.read_usage(LOG) == {
        "_Z1kPf": Usage(48, 176, 32, 36, 512),
        "plain": Usage(10, 0, 0, 0, 0),
    }
    assert toolchain.read_warnings(LOG) == ""


def test_a_log_without_registers_is_refused():
    with pytest.raises(EnvironmentRefused, match="no registers"):
        toolchain.read_usage("ptxas info    : Compiling entry function 'f' for 'sm_80'\n")


def test_warnings_are_kept():
    text = 'a.cu(1): warning #177-D: variable "x" was declared\n  int x;\n'
    assert toolchain.read_warnings(f"{text}\nRemark: may be suppressed\n{LOG}") == text.rstrip()
    slow = "ptxas info    : (C7514) Potential Performance Loss: wgmma.mma_async instructions are s"
    assert toolchain.read_warnings(f"{LOG}{slow}\n") == slow


@pytest.mark.parametrize(
    ("capability", "among", "wanted"),
    [
        ((9, 0), "sm_80 sm_90 sm_90a sm_100", "sm_90a"),
        ((9, 0), "sm_80 sm_90 sm_100", "sm_90"),
        ((8, 9), "sm_80 sm_86 sm_89 sm_90", "sm_89"),
        ((8, 9), "sm_80 sm_86 sm_90", "sm_86"),
        ((10, 3), "sm_90a sm_100 sm_120", "sm_100"),
        ((12, 1), "sm_120", "sm_120"),
    ],
)
def test_the_architecture_of_a_device(capability, among, wanted):
    assert choose_architecture(capability, among.split()) == wanted


@pytest.mark.parametrize(
    ("capability", "among"),
    [((6, 1), "sm_75 sm_80"), ((9, 0), "sm_80 sm_100"), ((8, 0), "sm_86"), ((9, 1), "sm_90a")],
)
def test_a_device_that_no_architecture_runs_on(capability, among):
    major, minor = capability
    with pytest.raises(
        IsaError, match=rf"compute capability {major}\.{minor}.* {among.split()[0]}"
    ):
        choose_architecture(capability, among.split())


@NEEDS_COMPILER
def test_the_compiler_tells_what_it_covers():
    found = nvrtc.nvrtc()
    assert len(found.version.split(".")) == 3
    names = found.architectures
    assert names.index("sm_90a") == names.index("sm_90") + 1
    assert {"sm_75", "sm_80", "sm_86", "sm_89", "sm_100", "sm_120"} <= set(names)


@NEEDS_COMPILER
@pytest.mark.parametrize("architecture", architectures())
def test_a_kernel_for_every_architecture(architecture):
    made = compile_file(SOURCES / "saxpy.cu", ["saxpy<128>", "saxpy<64>"], architecture)
    content = made.path.read_bytes()
    assert content[:4] == b"\x7fELF"
    # The tables of sections and segments stand last: the file is whole to its last byte.
    tables = ((40, 8), (58, 2), (60, 2)), ((32, 8), (54, 2), (56, 2))
    ends = [
        at + size * count
        for at, size, count in (
            (int.from_bytes(content[low : low + width], "little") for low, width in table)
            for table in tables
        )
    ]
    assert max(ends) == len(content)
    assert made.names["saxpy<128>"] in made.usage
    usage = [made.usage[made.names[f"saxpy<{threads}>"]] for threads in (64, 128)]
    assert [each.shared for each in usage] == [256, 512]
    assert all(0 < each.registers <= 32 for each in usage)
    assert made.warnings == ""
    assert made.note == ""


@NEEDS_COMPILER
def test_spills_are_seen_and_go_with_their_cause():
    tight, roomy = (
        compile_file(SOURCES / "spill.cu", ["spill"], "sm_80", options).usage["spill"]
        for options in ([], ["-DTHREADS=128"])
    )
    assert tight.spill_stores > 0
    assert tight.spill_loads > 0
    assert tight.registers <= 32
    assert (roomy.spill_stores, roomy.spill_loads, roomy.stack) == (0, 0, 0)


def source(folder, text):
    path = folder / "own.cu"
    path.write_text(text)
    return path


@NEEDS_COMPILER
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("#line 7\nint f() { return x; }", r'own\.cu\(7\): error: identifier "x" is undefined'),
        (
            '#include "nowhere.cuh"',
            r'own\.cu\(1\): .*open source file "nowhere\.cuh"',
        ),
        ("#define FILE_NAME <a.h>\n#include FILE_NAME", r"found '#include FILE_NAME', accepted is"),
        (
            '__global__ void f(int* p) { asm("fly %0;" : "=r"(*p)); }',
            r"ptxas application ptx input, line \d+; error   : .*fly",
        ),
        (
            "__global__ void f(int* p) { __shared__ int s[60000]; s[p[0] & 1] = 1; p[1] = s[0]; }",
            r"ptxas error.* uses too much shared data",
        ),
        ("int a = b;\n" * 9, r"(?s)own\.cu\(1\).*\n  \.\.\. and \d+ more errors"),
    ],
)
def test_a_source_that_does_not_compile(tmp_path, text, said):
    path = source(tmp_path, text)
    with pytest.raises(ConfigError, match=said):
        compile_file(path, ["f"] if "__global__" in text else [], "sm_80")


@NEEDS_COMPILER
def test_a_kernel_that_is_not_there_for_an_architecture():
    guarded = SOURCES / "guarded.cu"
    assert compile_file(guarded, ["guarded"], "sm_90").names == {"guarded": "guarded"}
    with pytest.raises(ConfigError, match=r"guarded\.cu: no kernel guarded for sm_80.*guarded out"):
        compile_file(guarded, ["guarded"], "sm_80")
    with pytest.raises(ConfigError, match=r"no kernel nothing<3,int> for sm_90"):
        compile_file(guarded, ["everywhere", "nothing<3, int>"], "sm_90")


@NEEDS_COMPILER
def test_an_architecture_that_is_not_known():
    with pytest.raises(IsaError, match=r"found 'sm_61', NVRTC 1\d\..* accepts sm_75, .*sm_90a"):
        compile_file(SOURCES / "saxpy.cu", ["saxpy<64>"], "sm_61")


@NEEDS_COMPILER
def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.cu: cannot be read \(No such file"):
        compile_file(tmp_path / "none.cu", ["f"], "sm_80")


@NEEDS_COMPILER
def test_a_result_is_what_the_source_says():
    """Multiplication and addition stay two operations, and small numbers are no zeros."""
    options = " ".join(toolchain.OPTIONS)
    assert all(each in options for each in ("--fmad=false", "--ftz=false", "--prec-div=true"))


@pytest.mark.parametrize("missing", ["cuda.bindings", "cuda.pathfinder"])
def test_a_host_without_the_compiler(monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    nvrtc.nvrtc.cache_clear()
    try:
        assert nvrtc.why_not().endswith("pip install 'bitnet_perf[cuda]'")
        with pytest.raises(EnvironmentRefused, match="is missing"):
            nvrtc.compile_source(b"", "x.cu", "sm_80", [], [])
    finally:
        nvrtc.nvrtc.cache_clear()


@NEEDS_COMPILER
def test_a_host_without_the_library(monkeypatch):
    pathfinder = importlib.import_module("cuda.pathfinder")

    def absent(_):
        raise pathfinder.DynamicLibNotFoundError("long\nstory")

    monkeypatch.setattr(pathfinder, "load_nvidia_dynamic_lib", absent)
    with pytest.raises(EnvironmentRefused, match=r"^NVRTC is missing \(no libnvrtc was"):
        nvrtc._api()
