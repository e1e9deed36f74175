"""Lines and steady growth."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import bitnet_perf as bp
from bitnet_perf.analyze.scaling import fit_line, growth

SIZES = (1, 2, 4, 8)


@given(st.floats(0.01, 1e3), st.floats(-1e6, 1e6), st.lists(st.integers(1, 1000), min_size=4,
                                                            max_size=9, unique=True))  # fmt: skip
def test_points_on_a_line_have_no_residual(slope, intercept, x):
    found = fit_line(x, [slope * each + intercept for each in x])
    assert found.slope == pytest.approx(slope, rel=1e-4)
    assert found.residual < 1e-6 * max(1.0, abs(intercept) / slope)


@pytest.mark.parametrize(
    ("curve", "residual"),
    [
        (lambda x: x**2, 0.11),
        (lambda x: x**1.5, 0.05),
        (lambda x: x * math.log2(2 * x), 0.04),
        (math.sqrt, 0.05),
    ],
)
def test_what_bends_has_one(curve, residual):
    assert fit_line(SIZES, [curve(each) for each in SIZES]).residual > residual


def test_what_does_not_grow_has_an_infinite_one():
    assert fit_line(SIZES, [3, 3, 3, 3]).residual == math.inf


@pytest.mark.parametrize(("x", "y"), [((1, 2, 3), (1, 2, 3)), ((1, 1, 2, 3), (1, 1, 2, 3)),
                                      (SIZES, (1, 2, 3))])  # fmt: skip
def test_fewer_than_four_sizes_are_refused(x, y):
    with pytest.raises(bp.MeasurementError, match="4 sizes or more"):
        fit_line(x, y)


def test_growth_is_that_of_the_second_half():
    assert growth([0, 0, 0, 0, 1, 2, 3, 4]) == (1, 1.0)
    assert growth([9, 5, 7, 8, 8, 8, 8, 8]) == (0, 0.0)
    assert growth([1, 2]) == (1, 1.0)
    with pytest.raises(bp.MeasurementError, match="found 1"):
        growth([1])


@given(st.integers(0, 1000), st.integers(4, 40))
def test_what_grows_every_time_is_found(step, count):
    found, part = growth([step * n for n in range(count)])
    assert found == step
    assert part == (1.0 if step else 0.0)
