"""Machine code in the cache: found again by all that decides it, never believed when damaged."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from cuda_build import NEEDS_COMPILER, SOURCES

from bitnet_perf.errors import ConfigError, EnvironmentRefused
from bitnet_perf.kernels.cuda import toolchain
from bitnet_perf.kernels.cuda.toolchain import compile_file

pytestmark = NEEDS_COMPILER


@pytest.fixture
def compiled(monkeypatch):
    """How often the compiler ran."""
    real, calls = toolchain.compile_source, []

    def counting(*arguments):
        calls.append(arguments)
        return real(*arguments)

    monkeypatch.setattr(toolchain, "compile_source", counting)
    return calls


@pytest.fixture
def own(tmp_path):
    """A source that includes a file, which includes another."""
    (tmp_path / "own.cu").write_text(
        '#include "one.cuh"\nextern "C" __global__ void f(int* p) { *p = VALUE; }\n'
    )
    (tmp_path / "one.cuh").write_text("  #  include <two.cuh>\n")
    (tmp_path / "two.cuh").write_text("#define VALUE 2\n")
    return tmp_path / "own.cu"


def test_what_is_unchanged_is_not_compiled_again(cache, compiled, own):
    first = compile_file(own, ["f"], "sm_80")
    again = compile_file(own, ["f"], "sm_80")
    assert again == first
    assert first.path.parent == cache
    assert len(compiled) == 1


def test_everything_that_decides_the_result_is_in_its_name(cache, monkeypatch, own):
    paths = [compile_file(own, ["f"], "sm_80").path]
    paths.append(compile_file(own, ["f"], "sm_75").path)
    paths.append(compile_file(own, [], "sm_80").path)
    paths.append(compile_file(own, ["f"], "sm_80", ["-DX"]).path)
    own.with_name("two.cuh").write_text("#define VALUE 3\n")
    paths.append(compile_file(own, ["f"], "sm_80").path)
    own.write_text(own.read_text() + "// more\n")
    paths.append(compile_file(own, ["f"], "sm_80").path)
    newer = toolchain.nvrtc()
    monkeypatch.setattr(toolchain, "nvrtc", lambda: type(newer)("99.0.1", newer.architectures))
    paths.append(compile_file(own, ["f"], "sm_80").path)
    assert len(set(paths)) == len(paths)
    assert all(path.parent == cache for path in paths)


def test_an_include_that_was_not_there_before_counts(cache, own, tmp_path):
    own.write_text(
        '#if __has_include("new.cuh")\n#include "new.cuh"\n#else\n#define VALUE 1\n#endif\n'
        'extern "C" __global__ void f(int* p) { *p = VALUE; }\n'
    )
    before = compile_file(own, ["f"], "sm_80")
    (tmp_path / "new.cuh").write_text("#define VALUE 4\n")
    after = compile_file(own, ["f"], "sm_80")
    assert before.path.read_bytes() != after.path.read_bytes()
    assert before.path.parent == cache


@pytest.mark.parametrize("suffix", [".cubin", ".json"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(os.urandom(300)),
        lambda path: path.write_bytes(path.read_bytes().replace(b"0", b"1")),
        lambda path: path.unlink(),
    ],
    ids=["truncated", "empty", "rubbish", "changed", "gone"],
)
def test_what_is_damaged_is_compiled_again(cache, compiled, own, suffix, damage):
    first = compile_file(own, ["f"], "sm_80")
    content = first.path.read_bytes()
    damage(first.path.with_suffix(suffix))
    again = compile_file(own, ["f"], "sm_80")
    assert len(compiled) == 2
    assert again == first
    assert again.path.read_bytes() == content
    assert len(list(cache.iterdir())) == 2


def test_a_source_that_changes_while_it_is_compiled(cache, monkeypatch, own):
    real = toolchain.compile_source

    def slow(*arguments):
        own.write_text(own.read_text() + "// changed\n")
        return real(*arguments)

    monkeypatch.setattr(toolchain, "compile_source", slow)
    with pytest.raises(ConfigError, match="changed while it was compiled"):
        compile_file(own, ["f"], "sm_80")
    assert not cache.exists() or not list(cache.iterdir())


@pytest.fixture
def no_place(monkeypatch):
    """A cache folder that nobody can make, the superuser neither."""
    monkeypatch.setenv("BITNET_PERF_CACHE", "/proc/none")
    monkeypatch.setattr(toolchain, "_temporary", {})


@pytest.mark.usefixtures("no_place")
def test_a_cache_that_cannot_be_made_costs_a_compilation_per_process(compiled, own):
    found = [compile_file(own, ["f"], architecture) for architecture in ("sm_80", "sm_80", "sm_75")]
    assert len(compiled) == 2
    assert found[0] == found[1]
    (note,) = {each.note for each in found}
    assert note.startswith(
        "kernels are compiled anew by every process: /proc/none/cubin: the cache"
    )
    assert found[0].path.is_file()


@pytest.mark.parametrize("reason", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_folder_that_is_full_or_may_only_be_read(cache, compiled, monkeypatch, own, reason):
    real = tempfile.mkstemp

    def refused(*arguments, **named):
        if named.get("dir") == cache:
            raise OSError(reason, os.strerror(reason))
        return real(*arguments, **named)

    monkeypatch.setattr(toolchain, "_temporary", {})
    monkeypatch.setattr("tempfile.mkstemp", refused)
    found = [compile_file(own, ["f"], "sm_80") for _ in range(2)]
    assert len(compiled) == 1
    assert os.strerror(reason) in found[1].note
    assert found[1].path.is_file()
    assert list(cache.iterdir()) == []


@pytest.mark.usefixtures("no_place")
def test_no_place_at_all(monkeypatch, own):
    def none(**_):
        raise OSError("Read-only file system")

    monkeypatch.setattr("tempfile.mkdtemp", none)
    with pytest.raises(EnvironmentRefused, match=r"/proc/none.*no temporary folder: Read-only"):
        compile_file(own, ["f"], "sm_80")


PROCESS = """
import sys
from pathlib import Path
from bitnet_perf.kernels.cuda.toolchain import compile_file
print(compile_file(Path(sys.argv[1]), ["saxpy<64>"], "sm_80").path)
"""


def start(cache):
    return subprocess.Popen(
        [sys.executable, "-c", PROCESS, SOURCES / "saxpy.cu"],
        env={**os.environ, "BITNET_PERF_CACHE": str(cache)},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_processes_that_compile_the_same_at_once(cache):
    running = [start(cache.parent) for _ in range(3)]
    said = [process.communicate()[0].strip() for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    assert len(set(said)) == 1
    assert len(list(cache.iterdir())) == 2
    # What one of them wrote is whole for everybody.
    assert str(compile_file(SOURCES / "saxpy.cu", ["saxpy<64>"], "sm_80").path) == said[0]


def test_nothing_stays_of_a_process_without_a_cache():
    process = start("/proc/none")
    path = Path(process.communicate()[0].strip())
    assert process.returncode == 0
    assert path.suffix == ".cubin"
    assert not path.parent.exists()


def test_the_cache_has_a_limit(cache, monkeypatch, own):
    monkeypatch.setattr(toolchain, "KEPT", 4)
    for number in range(4):
        compile_file(own, ["f"], "sm_80", [f"-DNUMBER={number}"])
    assert len(list(cache.iterdir())) == 4
