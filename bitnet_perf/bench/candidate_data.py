"""The data of a case for a candidate in Python, and the call that is timed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bitnet_perf import _native
from bitnet_perf.bench.candidates import load_functions
from bitnet_perf.errors import ConfigError, MeasurementError

__all__ = ["python_call"]


def python_call(path: Path, case: str) -> Callable[[], object]:
    """What one iteration of `case` does with the function of `path` marked for its family.

    It is called once, so that what is compiled at first use is, and its result is checked. Raises
    ConfigError for a case that no function of the file has, MeasurementError for a wrong result.
    """
    _, family, format, shape, _ = case.split("/")
    functions = {each.family: each.function for each in load_functions(path)}
    function = functions.get(f"{family}_{format}")
    if function is None or "-" in shape:
        raise ConfigError(
            f"{case}: found {', '.join(functions)} in {path.name}; a Python function runs on one "
            "copy of its inputs"
        )
    sizes = [int(part) for part in shape.split("x")]
    rng = np.random.default_rng(1)
    if family == "quantize_activations":
        x = rng.normal(size=sizes).astype(np.float32)
        want: tuple[Any, ...] = _native.quantize_activations(x)
        got: tuple[Any, ...] = function(x)
        if not all(np.array_equal(a, b) for a, b in zip(got, want, strict=True)):
            raise MeasurementError(f"{case}: wrong result of {path.name}: nothing is timed")
        return lambda: function(x)
    *batch, N, K = sizes
    W = rng.integers(-1, 2, (N, K), dtype=np.int8)
    padded, tile = _native.layout(format, N, K)[:2]
    packed = _native.pack(W, format)[0]
    q = np.zeros((*batch, padded), np.int8)
    q[..., :K] = rng.integers(-128, 128, (*batch, K), dtype=np.int8)
    arguments = (packed, q, N, padded, *((tile,) if format in ("tl1", "tl2") else ()))
    sums = np.rint(q[..., :K].astype(np.float64) @ W.T.astype(np.float64))
    if not np.array_equal(function(*arguments), sums.astype(np.int32)):
        raise MeasurementError(f"{case}: wrong result of {path.name}: nothing is timed")
    return lambda: function(*arguments)
