"""The table of crates: every case, kernel and span of ours has an owner, and so has a change."""

from __future__ import annotations

import pytest

from bitnet_perf import _native
from bitnet_perf.bench.cases import select
from bitnet_perf.peers.bitnet_rs.crates import GPU_MODULE, OWNERS, crate_of, owner, owner_of
from bitnet_perf.stages import STAGES

CASES = [case.name for case in select()]


@pytest.mark.parametrize("case", CASES)
def test_every_case_has_a_row_of_its_own_family(case):
    found = owner_of(case)
    assert found is not None
    assert found.kind in ("case", "codec")
    assert found.stage == case.partition("/")[0]
    assert found.crate.startswith("bitnet-")
    assert found.module


def test_every_stage_has_a_crate():
    assert {row.key for row in OWNERS if row.kind == "stage"} == set(STAGES)


def test_every_kernel_file_has_the_crate_of_its_cases():
    families = {name.split("/")[1] for name in CASES}
    for family, codec, isa, *_ in _native.kernels():
        if family not in families:  # limits of the host
            continue
        case = next(name for name in CASES if name.split("/")[1] == family)
        found = crate_of(f"csrc/kernels/{family}/{codec}/{isa}.cpp")
        same_codec = owner("file", f"csrc/kernels/{family}/{codec}/{isa}.cpp").kind == "codec"
        assert same_codec or found == owner("case", case).crate


@pytest.mark.parametrize(
    ("path", "crate"),
    [
        ("crates/bitnet-kernels/src/cpu/x86.rs", "bitnet-kernels"),
        ("xtask/src/main.rs", "xtask"),
        ("crossval/src/lib.rs", "bitnet-crossval"),
        ("benches/srp_ops.rs", "bitnet"),
        ("csrc/kernels/gemv/i2_s/x86_avx2.cpp", "bitnet-kernels"),
        ("csrc/kernels/block_quantize/quant_tl1/scalar.cpp", "bitnet-quantization"),
        ("csrc/kernels/rope/f32/scalar.cpp", "bitnet-rope"),
        ("csrc/kernels/two_bit.hpp", "bitnet-kernels"),
        ("csrc/engine/sample.cpp", "bitnet-sampling"),
        ("csrc/engine/engine.cpp", "bitnet-inference"),
        ("bitnet_perf/model/tokenizer.py", "bitnet-tokenizers"),
        ("bitnet_perf/model/gguf.py", "bitnet-models"),
        ("docs/using.md", None),
        ("crates/README.md", None),
        ("", None),
    ],
)
def test_the_crate_of_a_changed_file(path, crate):
    assert crate_of(path) == crate


@pytest.mark.parametrize(
    ("name", "crate", "stage"),
    [
        ("quantization_sizes/I2S_quantize/1024", "bitnet-quantization", "quantization"),
        ("neon_matvec/64", "bitnet", "forward"),
        ("precision_conversion_4096/fp16_conversion", "bitnet-kernels", "forward"),
        ("qk256_gemv_scalar/1", "bitnet-quantization", "forward"),
        ("model_loading/rust", "bitnet-crossval", "load"),
        ("forward/bitnet-kernels/kernel_benchmarks/matmul/x/64", "bitnet-kernels", "forward"),
        ("quantization/bitnet-quantization/simd_comparison", "bitnet-quantization", "quantization"),
        ("workspace/my-crate/any/group/id", "my-crate", ""),
        ("generation/xtask/benchmark", "xtask", "generation"),
    ],
)
def test_the_crate_of_a_criterion_id(name, crate, stage):
    found = owner_of(name)
    assert found is not None
    assert (found.kind, found.crate, found.stage) == ("group", crate, stage)


@pytest.mark.parametrize(
    ("case", "module"),
    [
        ("forward/bitnet-kernels/kernel_benchmarks/matmul/x", "csrc/kernels/block_matmul"),
        ("forward/bitnet-kernels/mixed_precision_bench/matmul_64x64/x", GPU_MODULE),
        ("forward/bitnet-kernels/mixed_precision_bench", GPU_MODULE),
        ("forward/bitnet-kernels/kernel_benchmarks", ""),
        ("forward/bitnet-kernels/unknown/x", ""),
    ],
)
def test_the_module_of_a_bench_of_a_workspace(case, module):
    found = owner_of(case)
    assert found is not None
    assert found.module == module


def test_work_that_nobody_knows_has_no_owner():
    assert owner_of("somebody/else") is None


def test_only_what_runs_on_a_gpu_is_of_its_module():
    keys = {row.key for row in OWNERS if row.module == GPU_MODULE}
    assert {"matmul_64x64", "precision_detection", "forward/mixed_matmul", "cuda"} <= keys
    assert "matmul" not in keys
