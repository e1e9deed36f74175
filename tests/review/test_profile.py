"""Spans of a profile under the limits of the host. No figure of this host is judged."""

import pytest

from bitnet_perf.bench.ceilings import measure_ceilings
from bitnet_perf.review.profile import place_profile
from bitnet_perf.stages import Profile
from bitnet_perf.stages.tree import nest

MB = 1_000_000
GEMV, NORM = "gemv/i2_s/scalar", "rms_norm/f32/scalar"


@pytest.fixture(scope="module")
def ceilings():
    return measure_ceilings(threads=1, rounds=2, memory=64 << 20)


def placed(ceilings, nbytes):
    """A round of two kernels: weights of `nbytes`, a norm of 8 KB."""
    spans = [
        ("decode_loop", 0, 0, 10_000_000, 0, 0),
        ("qkv", 0, 0, 8_000_000, 0, 0),
        (GEMV, 0, 0, 8_000_000, nbytes, 4 * nbytes),
        ("attn_norm", 0, 8_000_000, 9_000_000, 0, 0),
        (NORM, 0, 8_000_000, 9_000_000, 8_000, 8_000),
    ]
    return place_profile(Profile(0, 10_000_000, 0, nest(spans)), ceilings)


def test_weights_come_from_where_a_round_fits_and_the_rest_from_near(ceilings):
    largest = 1 << 40
    found = placed(ceilings, largest)
    weights = found["decode_loop", "qkv", GEMV]
    assert weights.level == ceilings.read_limit(largest, 1).level
    limit = ceilings.read_limit(largest, 1).gb_per_s
    assert weights.memory == pytest.approx(largest / 8e-3 / 1e9 / limit)
    assert found["decode_loop", "attn_norm", NORM].level == ceilings.read_limit(8_000, 1).level
    assert placed(ceilings, 8_000)["decode_loop", "qkv", GEMV].level == "L1"


def test_an_operation_stands_under_the_limit_of_its_largest_kernel(ceilings):
    found = placed(ceilings, 100 * MB)
    outer, inner = found["decode_loop", "qkv"], found["decode_loop", "qkv", GEMV]
    assert (outer.level, outer.isa, outer.memory) == (inner.level, inner.isa, inner.memory)
    assert found["decode_loop",].compute is not None


def test_what_states_no_work_has_no_place(ceilings):
    spans = [("sampling", 0, 0, 10, 0, 0)]
    assert place_profile(Profile(0, 10, 0, nest(spans)), ceilings) == {}
