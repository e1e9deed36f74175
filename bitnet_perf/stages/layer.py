"""A workload without a model: the matrix products of one BitNet b1.58 2B4T layer."""

from __future__ import annotations

from functools import cache

import numpy as np

from bitnet_perf.formats import Packed, pack
from bitnet_perf.kernels.activations import quantize_activations
from bitnet_perf.kernels.matmul import matmul
from bitnet_perf.spans import span

__all__ = ["LAYER", "run_layer"]

# Operation -> matrices N x K of a layer with 20 heads, 5 key-value heads of 128, 2560 wide.
LAYER: dict[str, tuple[tuple[int, int], ...]] = {
    "qkv": ((2560, 2560), (640, 2560), (640, 2560)),
    "o_proj": ((2560, 2560),),
    "gate_up": ((6912, 2560), (6912, 2560)),
    "down": ((2560, 6912),),
}


def run_layer(
    tokens: int = 1, *, format: str = "i2_s", isa: str | None = None, threads: int = 1
) -> None:
    """Run the products of one layer on `tokens` rows, activations quantized before each operation.

    The weights are random and made at the first call. Norms, rotary embedding, attention and the
    activation function are not part of it.
    """
    weights = _weights(format)
    for operation, matrices in LAYER.items():
        with span(operation):
            x = quantize_activations(_activations(tokens, matrices[0][1]))
            for shape in matrices:
                matmul(x, weights[shape], isa=isa, threads=threads)


@cache
def _weights(format: str) -> dict[tuple[int, int], Packed]:
    rng = np.random.default_rng(0)
    shapes = {shape for matrices in LAYER.values() for shape in matrices}
    return {
        (n, k): pack(rng.integers(-1, 2, (n, k)).astype(np.int8), format, scale=0.02)
        for n, k in sorted(shapes)
    }


@cache
def _activations(tokens: int, width: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.random.default_rng(1).standard_normal((tokens, width)).astype(np.float32)
