"""A known change is at the right place of the tree, and all levels add up."""

from __future__ import annotations

import math

import numpy as np
import pytest
from analyze.attribution.synthetic import DECODE, DOWN, GATE_UP, HEAD, ROUNDED, STEP, profile
from hypothesis import given, settings
from hypothesis import strategies as st

from bitnet_perf.analyze.attribution.additive import means_by_pair, trimmed_parts
from bitnet_perf.analyze.attribution.tree import (
    ALPHA,
    IN_NO_SPAN,
    OUTSIDE,
    case_nodes,
    place_of,
)
from bitnet_perf.analyze.paired.estimate import yuen
from bitnet_perf.bench.paired.profiles import CaseProfile

GEMV = "gemv/i2_s/x86_avx2"
SLOWER = {GATE_UP: 330_000.0, DOWN: 165_000.0}  # 10 % of gemv, 4.5 % of the step


def level(nodes, name, length=None):
    return [n for n in nodes if n.level == name and (length is None or len(n.path) == length)]


def node(nodes, *path, kind=None):
    return next(n for n in nodes if n.path == path and (kind is None or n.level == kind))


def test_a_slower_kernel_stands_first_on_every_level():
    nodes = case_nodes(profile(changed=SLOWER))
    total = nodes[0]
    assert (total.level, total.path) == ("total", ())
    assert level(nodes, "stage")[0].name == "Forward Pass"
    assert level(nodes, "operation")[0].path == ("Forward Pass", "gate_up")
    assert level(nodes, "kernel", 3)[0].path == ("Forward Pass", "gate_up", GEMV)
    assert level(nodes, "kernel", 1)[0].path == (GEMV,)
    alone = level(nodes, "kernel", 1)[0]
    assert alone.low < 45e-6 < alone.high
    assert alone.of_change == pytest.approx(1.0, abs=0.2)
    assert alone.file == "csrc/kernels/gemv/i2_s/x86_avx2.cpp"
    assert node(nodes, "Forward Pass", "gate_up").file == "csrc/engine/engine.cpp"
    assert alone.calls == (2.0, 2.0)


def test_activations_count_as_quantization_below_their_operation():
    nodes = case_nodes(profile(changed={ROUNDED: 30_000.0}))
    first = level(nodes, "kernel", 3)[0]
    assert first.path == ("Quantization", "gate_up", "quantize_activations/q8_act/x86_avx2")
    assert node(nodes, "Quantization").change == pytest.approx(15e-6, rel=0.1)


@settings(max_examples=40, deadline=None)
@given(
    st.fixed_dictionaries(
        {
            "seed": st.integers(0, 1 << 30),
            "pairs": st.integers(1, 12),
            "blocks": st.integers(1, 9),
            "iterations": st.integers(1, 3),
            "noise": st.floats(0, 0.5),
            "interrupted": st.floats(0, 0.3),
        }
    )
)
def test_changes_bases_and_shares_add_up_on_every_level(options):
    nodes = case_nodes(profile(changed=SLOWER, **options))
    total = nodes[0]
    for kind, length in (("stage", 1), ("operation", 2), ("kernel", 3)):
        mine = level(nodes, kind, length)
        assert math.isclose(sum(n.base for n in mine), total.base, rel_tol=1e-9)
        assert math.isclose(sum(n.change for n in mine), total.change, abs_tol=1e-9 * total.base)
        assert math.isclose(sum(n.share for n in mine), 1.0, rel_tol=1e-9)
        if total.of_change is not None:
            assert math.isclose(sum(n.of_change for n in mine), 1.0, rel_tol=1e-6)
    for upper, lower in (("stage", 2), ("operation", 3)):
        for above in level(nodes, upper, lower - 1):
            below = [n for n in nodes if len(n.path) == lower and n.path[:-1] == above.path]
            assert math.isclose(sum(n.change for n in below), above.change, abs_tol=1e-15)


def test_intervals_hold_the_truth_as_often_as_they_say():
    """95 % of 300 runs, less three standard errors of that share; also where samples are broken."""
    truth = {(): 45e-6, (GEMV,): 45e-6, ("Forward Pass", "gate_up"): 30e-6,
             ("Forward Pass", "lm_head"): 0.0}  # fmt: skip
    held = dict.fromkeys(truth, 0)
    for seed in range(300):
        nodes = case_nodes(profile(changed=SLOWER, seed=seed, interrupted=0.05))
        for path, change in truth.items():
            found = node(nodes, *path, kind="total" if path == () else None)
            held[path] += found.low <= change <= found.high
    least = 300 * (0.95 - 3 * math.sqrt(0.95 * 0.05 / 300))
    assert min(held.values()) >= least, held


def test_without_a_change_nothing_has_a_share_of_it():
    found = [case_nodes(profile(seed=seed)) for seed in range(20)]
    assert sum(nodes[0].of_change is None for nodes in found) >= 16
    nodes = next(nodes for nodes in found if nodes[0].of_change is None)
    assert {n.of_change for n in nodes} == {None}


def test_the_total_is_yuens():
    values = np.random.default_rng(1).normal(1, 1, (9, 3))
    total = values.sum(axis=1)
    means, half, kept = trimmed_parts(np.column_stack([total, values]), total, ALPHA)
    known = yuen(total.tolist(), ALPHA)
    assert means[0] == pytest.approx(known.m)
    assert half[0] == pytest.approx(known.high - known.m)
    assert means[1:].sum() == pytest.approx(means[0])
    assert len(kept) == 7


def test_one_pair_has_no_interval():
    nodes = case_nodes(profile(pairs=1, changed=SLOWER))
    assert nodes[0].high == math.inf
    assert nodes[0].of_change is None


def test_an_interrupted_sample_moves_nothing():
    side = np.array([0, 1, 1, 0] * 5)
    parts = np.where(side[:, None] == 1, [110.0, 50.0], [100.0, 50.0])
    parts[4, 0], parts[5, 1] = 900, 4000
    away = np.where(parts.sum(axis=1) > 200, 3000.0, 1.0)
    for seen in (away, np.ones(20)):  # also where the clock of the CPU does not show it
        base, change = means_by_pair(side, parts, seen)
        assert base.tolist() == [100.0, 50.0]
        assert change.tolist() == [10.0, 0.0]


def test_where_most_samples_are_interrupted_the_others_tell():
    rng = np.random.default_rng(2)
    side = np.array([0, 1, 1, 0] * 10)
    parts = np.where(side[:, None] == 1, [110.0, 50.0], [100.0, 50.0])
    broken = rng.random(40) < 0.7
    away = np.where(broken, rng.uniform(500, 5000, 40), rng.uniform(1, 2, 40))
    parts[np.arange(40), rng.integers(0, 2, 40)] += np.where(broken, away, 0)
    base, change = means_by_pair(side, parts, away)
    assert base.tolist() == [100.0, 50.0]
    assert change.tolist() == [10.0, 0.0]


def test_time_in_no_span_is_that_of_the_case_where_it_has_no_other():
    encode = "tokenization/tokenize/gpt2/2b4t-n512/t1"
    assert place_of((), encode, seen=False) == ("Tokenization", "encode", OUTSIDE)
    assert place_of((), DECODE, seen=True) == ("Generation", "decode_loop", IN_NO_SPAN)
    assert place_of(("model_load", "page_in"), "load/gguf/i2_s/small/t1", seen=True) == (
        "Model Load", "page_in", OUTSIDE,
    )  # fmt: skip
    assert place_of(("who knows",), DECODE, seen=True)[0] == "in no stage"
    nodes = case_nodes(profile(encode, {(): 1e6}, {(): 1.1e6}))
    assert level(nodes, "operation")[0].path == ("Tokenization", "encode")
    assert level(nodes, "operation")[0].file == "bitnet_perf/model/tokenizer.py"


def test_a_span_that_one_side_lacks_is_its_whole_change():
    step = {**STEP, ("act", "relu2_mul/f32/x86_avx2"): 0.0}
    nodes = case_nodes(profile(step=step, changed={("act", "relu2_mul/f32/x86_avx2"): 80_000.0}))
    first = level(nodes, "kernel", 3)[0]
    assert (first.path[1], first.base) == ("act", 0.0)
    assert first.change == pytest.approx(80e-6, rel=0.02)


def test_a_case_without_pairs_has_no_tree():
    assert case_nodes(CaseProfile(case=DECODE, missing="base: too old")) == ()


def test_nodes_are_plain_values():
    told = case_nodes(profile(changed=SLOWER))[0].to_dict()
    assert (told["level"], told["unit"], told["source"]) == ("total", "s", "spans")
    assert HEAD in STEP
