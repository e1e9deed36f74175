"""Accuracy of a quantizer on data whose distribution is named."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitnet_perf.errors import FormatError, ShapeError

__all__ = ["Accuracy", "accuracy_of"]


@dataclass(frozen=True)
class Accuracy:
    """Error of a reconstruction: `accuracy` in percent, cosine, root-mean-square error, values."""

    accuracy: float
    cosine: float
    rms_error: float
    values: int
    distribution: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def accuracy_of(
    original: NDArray[np.float32], restored: NDArray[np.float32], distribution: str
) -> Accuracy:
    """100 * (1 - rms(x - x^) / rms(x)) and the cosine of x and x^, both in float64.

    original, restored: equal shapes. `distribution` names the data: an accuracy without it means
    nothing. Raises ShapeError for unequal shapes, FormatError where rms(x) is 0 or not finite.
    """
    if original.shape != restored.shape or original.size == 0:
        raise ShapeError(
            f"restored: found shape {list(restored.shape)}, accepted is {list(original.shape)}, "
            "not empty"
        )
    x = original.astype(np.float64).ravel()
    y = restored.astype(np.float64).ravel()
    rms = float(np.sqrt(np.mean(x * x)))
    error = float(np.sqrt(np.mean((x - y) ** 2)))
    if not (np.isfinite(rms) and np.isfinite(error)) or rms == 0:
        raise FormatError(f"original: found rms {rms}, error {error}; accepted is finite, not 0")
    norm = float(np.linalg.norm(x) * np.linalg.norm(y))
    cosine = float(x @ y) / norm if norm > 0 else 0.0
    return Accuracy(100 * (1 - error / rms), cosine, error, x.size, distribution)
