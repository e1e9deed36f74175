"""Every kernel of the catalog, compiled: nothing spilled, few instructions, the right ones."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from cuda_build import ALL, NEEDS_COMPILER, NEEDS_DISASSEMBLER, SOURCES, architectures

from bitnet_perf.errors import IsaError
from bitnet_perf.kernels.cuda import sass
from bitnet_perf.kernels.cuda.catalog import KERNELS, CudaKernel
from bitnet_perf.kernels.cuda.inspection import faults, inspect
from bitnet_perf.kernels.cuda.toolchain import compile_file, sources

pytestmark = [NEEDS_COMPILER, NEEDS_DISASSEMBLER]

FILES = sorted({kernel.file for kernel in KERNELS})


MULTIPLY = {"IDP", "IMMA", "HMMA", "FFMA"}


def compiled_by_default(kernel, architecture):
    """For the GPU that the targets are about every kernel that multiplies, of the other families
    the first and the last; for other GPUs one of each file."""
    if ALL or kernel == next(k for k in KERNELS if k.file == kernel.file):
        return True
    alike = [k for k in KERNELS if k.family == kernel.family]
    wanted = kernel.opcodes[0] in MULTIPLY or kernel in (alike[0], alike[-1])
    return architecture == "sm_90a" and wanted


@pytest.mark.parametrize("architecture", architectures())
@pytest.mark.parametrize("file", FILES)
def test_kernels_are_what_the_catalog_says(file, architecture):
    kernels = [
        k
        for k in KERNELS
        if k.file == file
        and architecture in k.architectures
        and compiled_by_default(k, architecture)
    ]
    if not kernels:
        return
    cubin = compile_file(sources() / file, [k.expression for k in kernels], architecture)
    functions = sass.disassemble(cubin.path)
    found = [fault for k in kernels for fault in faults(k, inspect(k, cubin, functions))]
    assert not found, "\n".join(found)
    assert cubin.warnings == ""


def test_every_file_is_listed():
    assert sorted(path.name for path in sources().glob("*.cu")) == FILES
    assert len({kernel.name for kernel in KERNELS}) == len(KERNELS)


def entry(file, *opcodes, registers=32, weights=0):
    name = file.removesuffix(".cu")
    every = ("sm_80", "sm_90")
    return CudaKernel("test", name, file, name, every, 32, weights, opcodes, registers)


def found_in(kernel, *options, architecture="sm_80"):
    cubin = compile_file(SOURCES / kernel.file, [kernel.expression], architecture, options)
    return inspect(kernel, cubin, sass.disassemble(cubin.path))


def test_a_kernel_that_spills_is_found():
    kernel = entry("spill.cu", "FMUL", registers=255)
    said = " ".join(faults(kernel, found_in(kernel)))
    assert "spills" in said
    assert "of local memory" in said
    assert "of stack" in said
    assert faults(kernel, found_in(kernel, "-DTHREADS=128")) == []
    tight = entry("spill.cu", "FMUL", registers=64)
    (said,) = faults(tight, found_in(tight, "-DTHREADS=128"))
    assert said.startswith("test/spill for sm_80 uses ")
    assert said.endswith(" registers, at most 64")


def test_instructions_that_are_not_there_are_found():
    kernel = entry("dots.cu", "IDP.4A.S8.S8", "IMMA", "LDG.E.128", "LDG.E", weights=4)
    found = found_in(kernel)
    assert found.missing == ("IMMA", "LDG.E.128")
    assert found.opcodes["IDP"] == 1
    assert found.per_word == 4 * found.loop > 14
    missing, slow = faults(kernel, found)
    assert missing.endswith(" has no IMMA, LDG.E.128")
    assert slow.endswith(" instructions for 16 weights, at most 14")


def test_few_instructions_are_no_fault():
    kernel = entry("dots.cu", "IDP", weights=4)
    assert faults(kernel, found_in(kernel))
    kernel = entry("dots.cu", "IDP", weights=64)
    assert faults(kernel, found_in(kernel)) == []


def test_a_main_loop_that_is_gone_is_found():
    kernel = entry("guarded.cu", "ST", weights=16)
    assert faults(kernel, found_in(kernel, architecture="sm_90"))[-1].endswith("no loop with ST")


def test_more_instructions_are_for_tensor_cores_of_turing_alone():
    allowed = {k.family for k in KERNELS if k.per_word_on("sm_75") != 14 or k.per_word != 14}
    assert allowed == {"gemm_w2a8"}
    kernel = entry("dots.cu", "IDP", weights=12)
    found = replace(found_in(kernel), per_word=20.0)
    assert faults(kernel, replace(found, architecture="sm_75"))
    tensor = replace(kernel, per_word_turing=26.0)
    assert faults(tensor, replace(found, architecture="sm_75")) == []
    assert faults(tensor, found)


def test_products_of_a_warpgroup_that_wait_for_one_another_are_found(tmp_path):
    """Sums that are read before the wait that makes them whole: the assembler waits behind each."""
    (kernel, *_) = (k for k in KERNELS if k.file == "matmul_warpgroups.cu")
    shutil.copytree(sources(), tmp_path, dirs_exist_ok=True)
    header = tmp_path / "device" / "ptx_wgmma.cuh"
    text = header.read_text()
    old = '%128;" : BP_OPERANDS_128 : "n"(left)'
    assert text.count(old) == 1
    header.write_text(text.replace(old, '%0;" : : "n"(left)'))
    cubin = compile_file(tmp_path / kernel.file, [kernel.expression], "sm_90a")
    assert "Potential Performance Loss: wgmma.mma_async" in cubin.warnings
    (said,) = faults(kernel, inspect(kernel, cubin, sass.disassemble(cubin.path)))
    assert said.endswith("waits 3 times between products of a warpgroup")


def test_factors_in_registers_that_are_made_too_late_are_found(tmp_path):
    """The assembler puts a fence of its own before each product."""
    (kernel, *_) = (k for k in KERNELS if k.file == "gemm_w2a8_warpgroups.cu")
    shutil.copytree(sources(), tmp_path, dirs_exist_ok=True)
    header = tmp_path / "device" / "ptx_wgmma_bytes.cuh"
    text, old = header.read_text(), "for (int i = 0; i < steps; ++i)"
    assert text.count(old) == 1
    header.write_text(text.replace(old, "for (int i = 0; i < 0; ++i)"))
    cubin = compile_file(tmp_path / kernel.file, [kernel.expression], "sm_90a")
    assert "warpgroup.arrive is injected" in cubin.warnings


def test_a_kernel_that_is_not_in_the_file():
    kernel = entry("dots.cu", "IDP")
    cubin = compile_file(SOURCES / "dots.cu", ["dots"], "sm_80")
    with pytest.raises(IsaError, match="has no dots, only nothing"):
        inspect(kernel, cubin, {})
