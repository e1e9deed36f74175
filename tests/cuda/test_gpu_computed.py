"""Targets as computed: from bytes, instructions and launches, said to be computed."""

from __future__ import annotations

import pytest

from bitnet_perf.bench import gpu_computed
from bitnet_perf.bench.gpu_computed import ComputedRow, computed_rows
from bitnet_perf.bench.gpu_model import model_sizes
from bitnet_perf.report.gpu import _computed


@pytest.fixture
def rows(monkeypatch):
    monkeypatch.setattr(gpu_computed, "_per_word", lambda _: 12.0)
    return {row.what: row for row in computed_rows(model_sizes("2b4t"))}


def test_a_product_of_one_token(rows):
    row = rows["gemv_w2a8 13824x2560, bf16"]
    moved = 13824 * 2560 // 4 + 2 * (13824 + 2560)
    assert row.floor == pytest.approx(moved / 4.3e12)
    assert row.issue == pytest.approx(13824 * 2560 / 16 * 12 / 32 / (4 * 132 * 1.98e9))
    assert row.computed == pytest.approx(max(row.floor, row.issue) + 1.3e-6)
    assert row.verdict == "reaches (computed)"


def test_too_many_instructions_miss_the_target(monkeypatch):
    monkeypatch.setattr(gpu_computed, "_per_word", lambda _: 60.0)
    missed = [row for row in gpu_computed._gemvs() if row.verdict.startswith("does not reach")]
    assert "gemv_w2a8 65536x4096, bf16" in [row.what for row in missed]
    monkeypatch.setattr(gpu_computed, "_per_word", lambda _: None)
    row = next(iter(gpu_computed._gemvs()))
    assert (row.issue, row.instructions) == (None, None)
    assert row.verdict == "reaches (computed, floor and launches alone)"


def test_the_rest_is_floors_and_launches(rows):
    decode = rows["decode of 2B4T, one sequence"]
    assert decode.launches > 100
    assert decode.computed == pytest.approx(decode.floor + 1.3e-6 * decode.launches)
    assert decode.share == f"{1 / decode.computed:.0f} tokens/s"
    assert rows["matmul_fp16 4096 cubed"].floor == pytest.approx(2 * 4096**3 / 790e12)
    assert rows["gemm_w2a8 2048x13824x2560"].floor == pytest.approx(92e-6, rel=0.01)  # gpu.md


def test_the_table_says_that_it_is_computed(rows):
    page = "\n".join(_computed(rows.values()))
    assert page.startswith("## Computed, not measured\n")
    assert all(f"| {row.what} |" in page for row in rows.values())
    assert ComputedRow.model_validate_json(next(iter(rows.values())).model_dump_json())
