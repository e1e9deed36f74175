"""The emulator finds what a GPU would pass over, and says where it is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from bitnet_perf.errors import ConfigError, EnvironmentRefused, ShapeError
from bitnet_perf.kernels.cuda.catalog import CudaKernel, find
from bitnet_perf.kernels.cuda.emulate import SCHEDULES, EmulationError, launch
from bitnet_perf.kernels.cuda.geometry import Geometry, geometry
from bitnet_perf.kernels.cuda.host_program import program
from bitnet_perf.kernels.cuda.toolchain import sources

# What is said on every schedule, and with threads in their order.
FAULTS = {
    "past_the_end": ("out of bounds: ", r"thread \(63, 0, 0\) of block \(0, 0, 0\) reads 4 "
                     r"bytes at byte 256 of argument 0, which has 256 \(in faults.cu:6\)"),
    "before_the_begin": ("out of bounds: ", r"thread \(5, 0, 0\).*writes 4 bytes at byte -4 of "
                         r"argument 1, which has 256"),
    "far_away": ("out of bounds: ", r"thread \(63, 0, 0\)"),
    "misaligned": ("misaligned: ", r"thread \(1, 0, 0\).*reads 16 bytes"),
    "past_shared": ("out of bounds: ", r"thread \(63.*at byte 256 of shared array held"),
    "past_dynamic_shared": ("out of bounds: ", r"thread \(16.*at byte 64 of dynamic shared memory"),
    "never_written": ("uninitialised: ", r"thread \(7, 0, 0\)"),
    "no_barrier": ("(race|uninitialised): ", r"of shared array held, which thread 0 wrote with no "
                   "barrier between"),
    "no_warp_barrier": ("(race|uninitialised): ", "thread"),
    "shuffle_for_barrier": ("race: ", r"shared array held"),
    "no_second_barrier": ("race: ", r"which thread 63 wrote with no barrier"),
    "no_copy_wait": ("unfinished cp.async: ", r"that thread \d+ has not waited for"),
    "copy_wait_too_weak": ("unfinished cp.async: ", r"that thread \d+ has not waited for"),
    "copied_over_what_is_read": ("(race|unfinished cp.async): ", "thread"),
    "barrier_for_some": ("dead-lock: ", r"wait at __sync\w+ in faults.cu:\d+"),
    "two_barriers": ("divergent barrier: ", r"comes to __syncthreads in faults.cu:\d+ while thread "
                     r".* waits at __syncthreads in faults.cu:\d+"),
    "shuffle_in_a_branch": ("dead-lock: ", r"__shfl_xor_sync in faults.cu:\d+"),
    "shuffle_from_outside": ("thread .*: a shuffle takes the value of a lane outside its mask", ""),
    "shuffle_after_exit": ("dead-lock: |names lanes 0x00000008 that have exited", ""),
    "written_by_two_blocks": ("race of blocks: ", r"block \(1, 0, 0\) writes 4 bytes at byte 16 of "
                              "argument 1, which block number 0 wrote"),
    "read_from_another_block": ("race of blocks: ", r"block \(1, 0, 0\) reads 4 bytes at byte 36"),
    "no_fence_before": ("race of blocks: ", r"\(1, 0, 0\) reads .*which block number 0 wrote"),
    "no_fence_behind": ("race of blocks: ", r"\(1, 0, 0\) reads .*which block number 0 wrote"),
    "written_through_const": ("read-only: ", "writes 4 bytes of argument 0"),
    "barrier_of_the_others": ("(race|uninitialised): ", "thread"),
}  # fmt: skip
# The same of launches that begin before the end of the one before.
EARLY_FAULTS = {
    "reads_too_early": "reads 4 bytes of argument 1 before it has waited for earlier launches",
    "writes_too_early": "writes 4 bytes of argument 1 before it has waited for earlier launches",
    "some_do_not_wait": r"thread \(9, 0, 0\) .*ends before earlier launches have ended",
}
NAMES = [*FAULTS, "nothing_wrong", "both_fences", *EARLY_FAULTS, "waits"]
SIZE = Geometry((2, 1, 1), (64, 1, 1), 64)


def kernel_of(name, file="faults.cu"):
    return CudaKernel("faults", name, file, name, (), 64, 0, (), 0)


def faults_in(root):
    shutil.copytree(sources(), root, dirs_exist_ok=True)
    shutil.copy(Path(__file__).with_name("faults.cu"), root)
    return program([kernel_of(name) for name in NAMES], root)


@pytest.fixture(scope="module")
def faults(tmp_path_factory):
    return faults_in(tmp_path_factory.mktemp("cuda"))


def right(values):
    """What nothing_wrong makes of 64 values."""
    more = np.zeros(16, np.float32)
    more[4:] = np.tile(values[:4], 3)
    return values.reshape(-1, 2)[:, ::-1].reshape(-1) + values[::-1] + np.repeat(more, 4)


def run(built, name, schedule):
    values = np.arange(64, dtype=np.float32)
    out = np.full(64, np.nan, np.float32)
    launch(kernel_of(name), SIZE, [values, out, 64], schedule=schedule, of=built)
    return values, out


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_what_is_right_runs(faults, schedule):
    values, out = run(faults, "nothing_wrong", schedule)
    assert np.array_equal(out, right(values))
    assert run(faults, "both_fences", schedule)[1][8:12].tolist() == [2, 2, 2, 2]


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_on_every_schedule(faults, name, schedule):
    always, in_order = FAULTS[name]
    with pytest.raises(EmulationError, match=f"^faults/{name}: .*({always})") as raised:
        run(faults, name, schedule)
    if schedule == "in_order":
        assert re.search(in_order, str(raised.value)), raised.value


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_what_is_touched_before_waiting(faults, schedule):
    values, out = np.arange(64, dtype=np.float32), np.zeros(64, np.float32)
    for name, said in EARLY_FAULTS.items():
        run(faults, name, schedule)  # behind the end of the launch before it is right
        with pytest.raises(EmulationError, match=f"^faults/{name}: .*too early: .*{said}"):
            launch(kernel_of(name), SIZE, [values, out, 64], schedule=schedule, of=faults,
                   early={0})  # fmt: skip
    launch(kernel_of("waits"), SIZE, [values, out, 64], schedule=schedule, of=faults, early={0})
    assert np.array_equal(out, values)
    with pytest.raises(EmulationError, match="reads 4 bytes of argument 0 before it has waited"):
        launch(kernel_of("waits"), SIZE, [values, out, 64], schedule=schedule, of=faults, early=())


OTHERS = {"aarch64-linux-gnu-g++": ("qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"), "clang++": ()}


@pytest.mark.parametrize("name", OTHERS)
def test_other_compilers_and_cpus(monkeypatch, tmp_path, name):
    missing = [tool for tool in (name, *OTHERS[name][:1]) if not shutil.which(tool)]
    if missing:
        pytest.skip(f"{missing[0]} is missing")
    monkeypatch.setenv("CXX", name)
    built, main = faults_in(tmp_path), tmp_path / "main"
    source = Path(__file__).with_name("on_cpu.cpp")
    subprocess.run([name, "-std=c++20", f"-I{tmp_path}", source, "-ldl", "-o", main], check=True)
    for i, kernel in enumerate(built.kernels):
        done = subprocess.run(
            [*OTHERS[name], main, built.path, str(i)], check=True, capture_output=True, text=True
        )
        for line in done.stdout.splitlines():
            error, _, numbers = line.partition(";")
            if kernel.variant not in FAULTS:
                assert error == ""
            if kernel.variant == "nothing_wrong":
                values = np.arange(64, dtype=np.float32)
                assert np.array_equal(np.array(numbers.split(), np.float32), right(values))
            elif kernel.variant in FAULTS:
                assert re.search(FAULTS[kernel.variant][0], error), (kernel.variant, line)


def test_arguments_that_no_launch_could_have(faults):
    kernel, good = kernel_of("nothing_wrong"), np.zeros(64, np.float32)
    for arguments, says in (
        ([good, good], "found 2 arguments, accepted are 3"),
        ([good, good, "x"], "argument 2: found 'x', accepted is a number"),
        ([good, good, 1 << 40], "argument 2: found 1099511627776, accepted is a whole number of 4"),
        ([good, 3.5, 1], "argument 1: found float, accepted is a C-contiguous"),
        ([good, np.zeros((8, 8), np.float32)[:, ::2], 1], "argument 1: .*C-contiguous"),
        ([good, np.zeros(7, np.uint8), 1], "found 7 bytes, accepted are multiples of 4"),
    ):
        with pytest.raises(ShapeError, match=says):
            launch(kernel, SIZE, arguments, of=faults)
    for wrong, says in (
        (Geometry((0, 1, 1), (64, 1, 1), 0), r"grid: found \(0, 1, 1\)"),
        (Geometry((1, 1, 1), (1025, 1, 1), 0), r"block: found \(1025, 1, 1\)"),
        (Geometry((1, 1, 1), (64, 1, 1), 1 << 20), "shared: found 1048576 bytes"),
    ):
        with pytest.raises(ShapeError, match=says):
            launch(kernel, wrong, [good, good, 1], of=faults)
    with pytest.raises(ConfigError, match="schedule: found 'fast', accepted are in_order, "):
        launch(kernel, SIZE, [good, good, 1], schedule="fast", of=faults)


def test_a_file_that_does_not_compile(tmp_path):
    shutil.copytree(sources(), tmp_path, dirs_exist_ok=True)
    (tmp_path / "broken.cu").write_text("__global__ void broken(int) { nothing; }\n")
    with pytest.raises(ConfigError, match=r"does not compile for the CPU:\n.*'nothing'"):
        program([kernel_of("broken", "broken.cu")], tmp_path)


def test_without_a_compiler(monkeypatch, tmp_path):
    monkeypatch.setenv("BITNET_PERF_CACHE", str(tmp_path))
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(EnvironmentRefused, match=r"CXX: found 'no-such-compiler'"):
        program([find("gemv_w2a8/m1_f32_f32")])


def test_what_is_compiled_is_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("BITNET_PERF_CACHE", str(tmp_path))
    kernels = [find("quantize_activations/q8_act_f32")]
    first = program(kernels)
    before = os.stat(first.path).st_ino
    assert os.stat(program(kernels).path).st_ino == before
    assert {path.suffix for path in (tmp_path / "cuda-cpu").iterdir()} == {".so", ".o"}


@pytest.mark.parametrize(("kernel", "sizes", "says"), [
    ("gemv_w2a8/m1_f32_f32", (2, 16, 128), "M: found 2, accepted is 1"),
    ("gemv_w2a8/m1_f32_f32", (1, 0, 128), "found M, N, K, parts = 1, 0, 128, 1"),
    ("gemm_w2a8/n16_m8", (3, 16, 1 << 22), "K up to 2097152"),
    ("gemv_w2a8/m1_f32_f32", (1, 16, 128, 2), "parts: found 2, accepted is 1"),
])  # fmt: skip
def test_sizes_that_a_kernel_does_not_take(kernel, sizes, says):
    with pytest.raises(ShapeError, match=says):
        geometry(find(kernel), *sizes)
