"""Routing takes the first row that holds; accuracy is what its formula says."""

import numpy as np
import pytest

from bitnet_perf.analyze.accuracy import accuracy_of
from bitnet_perf.analyze.routing import ROUTES, Situation, route
from bitnet_perf.errors import FormatError, ShapeError


@pytest.mark.parametrize(
    ("situation", "verdict", "agent"),
    [
        (Situation(0, False), "skipped", "none"),
        (Situation(0, True), "skipped", "none"),
        (Situation(3, False), "baseline establishment needed", "review-summarizer"),
        (
            Situation(3, True, ("quantization/x",), True, ("pack", 0.9)),
            "quantization performance issues",
            "quantization-optimizer",
        ),
        (
            Situation(3, True, ("forward/x",), localized=("gemv", 0.9), unknown=("y",)),
            "significant regression detected",
            "perf-fixer",
        ),
        (
            Situation(3, True, ("forward/x", "forward/z"), unknown=("y",)),
            "significant regression detected",
            "perf-fixer",
        ),
        (Situation(3, True, unknown=("y",), slower=("z",)), "not known yet", "none"),
        (
            Situation(3, True, slower=("z",)),
            "regression detected within threshold",
            "promotion-validator",
        ),
        (Situation(3, True), "performance validation complete", "test-finalizer"),
    ],
)
def test_first_row_that_holds(situation, verdict, agent):
    found = route(situation)
    assert (found.verdict, found.agent) == (verdict, agent)


def test_every_row_can_be_reached():
    wanted = (
        Situation(0, True),
        Situation(1, False),
        Situation(1, True, ("x",), True),
        Situation(1, True, ("x",), localized=("k", 0.8)),
        Situation(1, True, ("x",)),
        Situation(1, True, unknown=("x",)),
        Situation(1, True, slower=("x",)),
        Situation(1, True),
    )
    assert tuple(map(route, wanted)) == ROUTES


def test_accuracy_of_known_errors():
    x = np.array([[3.0, -4.0]], np.float32)
    exact = accuracy_of(x, x, "two values")
    assert (exact.accuracy, exact.cosine, exact.rms_error) == (100.0, pytest.approx(1.0), 0.0)
    half = accuracy_of(x, x / 2, "two values")
    assert half.accuracy == pytest.approx(50.0)
    assert half.cosine == pytest.approx(1.0)
    zero = accuracy_of(x, np.zeros_like(x), "two values")
    assert (zero.accuracy, zero.cosine) == (0.0, 0.0)


def test_accuracy_refuses_what_has_none():
    x = np.ones(4, np.float32)
    with pytest.raises(ShapeError, match="restored"):
        accuracy_of(x, np.ones(3, np.float32), "ones")
    with pytest.raises(ShapeError):
        accuracy_of(x[:0], x[:0], "nothing")
    with pytest.raises(FormatError, match="rms 0"):
        accuracy_of(np.zeros(4, np.float32), x, "zeros")
    with pytest.raises(FormatError):
        accuracy_of(x, np.full(4, np.nan, np.float32), "ones")
