"""Accuracy is what its formula says."""

import numpy as np
import pytest

from bitnet_perf.analyze.accuracy import accuracy_of
from bitnet_perf.errors import FormatError, ShapeError


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
