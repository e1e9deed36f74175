"""quantize_activations in NumPy."""

import numpy as np

import bitnet_perf as bp


@bp.candidate("quantize_activations_q8_act")
def quantize(x):
    scale = np.float32(127) / np.maximum(np.abs(x).max(axis=1), np.float32(1e-5))
    values = np.rint(x * scale[:, None]).astype(np.int8)
    return values, scale, values.sum(axis=1, dtype=np.int32)
