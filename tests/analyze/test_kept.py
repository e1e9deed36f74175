"""Targets of what a change must keep, by example. Nothing is measured here."""

from __future__ import annotations

import numpy as np
import pytest
from analyze.surveyed import FLAT, answers, evidence, held, loaded, target

from bitnet_perf.analyze.evidence import Outputs


@pytest.mark.parametrize(("error", "gates"), [(0.0, False), (2e-3, False), (1e-2, True)])
def test_logits_against_the_base(error, gates):
    one = Outputs(model="tiny", rows=6, equal=error == 0, error=error, same_choice=1.0)
    other = one.model_copy(update={"model": "small", "error": 0.0, "equal": True})
    found = target(evidence(outputs=(one, other)), "model output")
    assert found.gates is gates
    assert "small: equal to the bit" in found.sentence


# Memory


LINE = loaded(lambda n: 40 + 1.05 * n)


@pytest.mark.parametrize(
    ("peak", "status"),
    [
        (lambda n: 40 + 1.05 * n, "met"),
        (lambda n: 40 + 2 * n, "met"),
        (lambda n: 40 + n * n / 40, "missed now"),
        (lambda n: 40 + 0.3 * n * np.log2(n / 5), "missed now"),
        (lambda n: 140 - n, "missed now"),
        (lambda _: 40, "missed now"),
    ],
)
def test_memory_is_a_line_or_not(peak, status):
    found = target(evidence(LINE, loaded(peak)), "linear memory")
    assert found.status == status
    assert "residual" in found.sentence
    assert ("not linear" in found.sentence) == (status != "met")


def test_a_bend_on_both_sides_is_shown_alone():
    found = target(evidence(loaded(lambda n: 40 + n * n / 40)), "linear memory")
    assert found.status == "not met before or after"


def test_three_sizes_are_no_line():
    found = target(evidence(loaded(lambda n: n + 1, sizes=(1, 2, 3))), "linear memory")
    assert found.status == "not measured"
    assert "3 sizes, 4 are needed" in found.sentence


@pytest.mark.parametrize(("factor", "gates"), [(1.0, False), (1.08, False), (1.2, True)])
def test_the_peak_against_the_base(factor, gates):
    more = loaded(lambda n: 30 + factor * (10 + 1.05 * n))
    found = target(evidence(LINE, more), "peak memory")
    assert found.gates is gates
    assert f"{100 * (factor - 1):+.1f} %" in found.sentence
    assert (found.candidate > found.goal) is gates


def test_the_peak_of_another_model_is_not_compared():
    other = loaded(lambda n: n + 40, sizes=(1, 2, 4, 8))
    assert target(evidence(LINE, other), "peak memory").status == "not measured"
    low = loaded(lambda _: 30)
    assert target(evidence(low), "peak memory").status == "not measured"


@pytest.mark.parametrize(
    ("sizes", "gates"),
    [
        (FLAT, False),
        ([10**7 + 20_000 * n for n in range(16)], True),
        ([10**7 + 5_000_000 * (n > 12) for n in range(16)], False),  # it grew once
        ([10**7 + 10**6 * min(n, 7) for n in range(16)], False),  # it filled a cache first
        ([10**7 + 100 * n for n in range(16)], False),
    ],
)
def test_a_leak_is_what_grows_every_time(sizes, gates):
    found = target(evidence(held(FLAT), held(sizes)), "memory held")
    assert found.gates is gates


def test_a_leak_of_the_base_is_shown_alone():
    leak = held([10**7 + 20_000 * n for n in range(16)])
    assert target(evidence(leak), "memory held").status == "not met before or after"
    assert target(evidence({}, leak), "memory held").status == "not measured"


# The same bits


def model_answers(threads=(1, 2), tokens="t"):
    rows = [(w, "", n, r, w) for w in ("logits",) for n in threads for r in (0, 1)]
    rows += [("tokens", "", n, r, tokens if n > 1 else "t") for n in threads for r in (0, 1)]
    return answers(*rows)


def test_equal_bits_are_deterministic():
    found = target(evidence(model_answers()), "deterministic")
    assert found.status == "met"
    assert "over 2 runs on 1 and 2 threads: the same bits (base: the same bits)" in found.sentence


def test_other_tokens_on_more_threads_gate():
    found = target(evidence(model_answers(), model_answers(tokens="u")), "deterministic")
    assert found.gates
    assert "different bits of tokens" in found.sentence
    both = target(evidence(model_answers(tokens="u")), "deterministic")
    assert both.status == "not met before or after"


def test_one_thread_is_told():
    found = target(evidence(model_answers(threads=(1,))), "deterministic")
    assert found.status == "met"
    assert "more threads than one were not measured" in found.sentence


def test_one_run_proves_nothing():
    assert target(evidence(answers(("logits", "", 1, 0, "x"))), "deterministic").status == (
        "not measured"
    )


def test_kernels_over_instruction_sets():
    rows = [("gemv/i2_s", isa, 1, 0, "x") for isa in ("x86_avx2", "scalar")]
    assert target(evidence(answers(*rows)), "integer kernels").status == "met"
    other = [*rows, ("gemm/tl1", "x86_avx2", 1, 0, "a"), ("gemm/tl1", "scalar", 1, 0, "b")]
    found = target(evidence(answers(*rows), answers(*other)), "integer kernels")
    assert found.gates
    assert "different bits of gemm/tl1" in found.sentence


def test_a_host_of_one_instruction_set_measures_nothing():
    found = target(evidence(answers(("gemv/i2_s", "scalar", 1, 0, "x"))), "integer kernels")
    assert (found.status, "scalar is all that runs here" in found.sentence) == (
        "not measured",
        True,
    )
