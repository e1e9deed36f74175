"""Names and classes of the cases of a Cargo workspace, by the table of crates."""

import pytest

from bitnet_perf.peers.bitnet_rs.crates import OWNERS, bench_stages
from bitnet_perf.peers.cargo.metadata import Bench
from bitnet_perf.review.workspace_cases import case_of, named_by, place_of

Q, K = "bitnet-quantization", "bitnet-kernels"


@pytest.mark.parametrize(
    ("crate", "bench", "name", "stage", "class_"),
    [
        (Q, "quantization", "round_trip/I2S/1024", "quantization", "other"),
        (Q, "qk256_gemv", "qk256_gemv_scalar/1", "forward", "core"),
        (Q, "qk256_gemv", "a group of tomorrow/1", "forward", "core"),
        (K, "kernel_benchmarks", "matmul/fallback/64", "forward", "core"),
        (K, "kernel_benchmarks", "quantization/I2S/1024", "quantization", "other"),
        (K, "kernel_benchmarks", "a group of tomorrow/1", "forward", "core"),
        (K, "unknown", "matmul/64", "forward", "core"),
        ("bitnet-prompt-templates", "template_ops", "template_apply/x", "tokenization", "other"),
        ("bitnet-crossval", "performance", "model_loading/rust", "load", "other"),
        ("bitnet-crossval", "performance", "comparison/x", "generation", "core"),
        ("bitnet", "neon_simd", "neon_matvec/64", "forward", "core"),
        ("bitnet", "kernel_ops", "kernel_quantize_i2s/64", "quantization", "other"),
        ("my-crate", "mine", "matmul/64", "workspace", "core"),
    ],
)
def test_a_case_has_the_stage_of_its_own_work(crate, bench, name, stage, class_):
    target = Bench(crate, bench)
    place = place_of(target, name)
    assert place == f"{stage}/{crate}/{bench}"
    assert case_of(f"{place}/{name}", target)["class"] == class_


def test_every_bench_of_the_table_has_a_stage():
    rows = {(row.crate, row.file) for row in OWNERS if row.kind == "group"}
    assert rows
    for crate, file in rows:
        bench = file.removeprefix("benches/").removesuffix(".rs")
        stages = bench_stages(crate, bench)
        assert stages
        if len(stages) == 1:
            assert place_of(Bench(crate, bench)) == f"{stages[0]}/{crate}/{bench}"


def test_a_glob_names_a_bench_by_the_stage_of_any_of_its_cases():
    benches = [Bench(K, "kernel_benchmarks"), Bench(Q, "i2s_dequant")]
    assert named_by(benches, [f"quantization/{K}/*"]) == (benches[0],)
    assert named_by(benches, [f"forward/{K}/kernel_benchmarks/matmul/*"]) == (benches[0],)
    assert named_by(benches, ["quantization/*"]) == tuple(benches)
