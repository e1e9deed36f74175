"""A launch of each kernel of the catalog, large enough for its main loop, and its addresses."""

from __future__ import annotations

import ml_dtypes
import numpy as np
from cuda_launches import DTYPES, gemm, gemv, gemv_q8, traced
from cuda_matmul_launches import matmul, w2a16

from bitnet_perf import formats
from bitnet_perf.formats.blocks import codecs as block_rows
from bitnet_perf.kernels.cuda.emulate import launch
from bitnet_perf.kernels.cuda.geometry import Geometry
from bitnet_perf.kernels.cuda.plans import codecs, dense, layer, norms, w2a8
from bitnet_perf.kernels.cuda.plans.plan import H200

GPU = "frag16x32"
FORMATS = ("i2_s", "tl1", "tl2", "tq1_0", "tq2_0")
WEIGHTS = (64, 768)  # of a matrix between formats: two pieces of 32 rows, two of 384 columns
HEADS, DIM, TOKENS, WIDE = (8, 2), 128, 4, 2048


def zeros(shape, dtype=np.float32):
    return np.zeros(shape, DTYPES.get(dtype, dtype))


def trace_of(kernel, of=None):
    """The addresses of one launch of `kernel`. of: another program that has it."""
    make = CASES[kernel.family]
    made = make(kernel)
    if not isinstance(made, tuple):
        assert of is None
        return made
    plan, arrays = made
    number = next(i for i, each in enumerate(plan.launches) if each.kernel == kernel)
    return traced(plan, number, of, **arrays)


def _gemv(kernel):
    tokens, x = kernel.tile[1], kernel.variant.split("_")[1]
    return gemv(kernel, zeros((32, 1024), np.int8), np.ones((tokens, 1024), DTYPES[x]),
                zeros(2), trace=True)[2]  # fmt: skip


def _gemv_q8(kernel):
    return gemv_q8(kernel, zeros((32, 4096), np.int8), np.ones((kernel.tile[1], 4096), np.int8),
                   zeros(2), trace=True)[2]  # fmt: skip


def _stamp(kernel):
    how = Geometry((2, 1, 1), (kernel.threads, 1, 1), 0)
    return launch(kernel, how, [zeros(4, np.uint64), 4], trace=True)


def _gemm(kernel):
    rows, tokens = kernel.tile
    return gemm(kernel, zeros((rows, 1024), np.int8), zeros((tokens, 1024), np.int8),
                zeros(rows // 16), trace=True)[2]  # fmt: skip


def _number(kernel):
    """The type of the factors of a product on tensor cores."""
    return ml_dtypes.bfloat16 if "bf16" in kernel.name else np.float16


def _dense(kernel):
    columns, rows = kernel.tile
    odd = "_any" in kernel.variant
    K, gaps = (129, (2, 1, 0)) if odd else (256, (0, 0, 0))
    a, b = (np.zeros((n, K), _number(kernel)) for n in (rows, columns))
    return matmul(kernel, a, b, gaps=gaps, trace=True)[2]


def _naive(kernel):
    a, b = (np.zeros((n, 64), DTYPES[kernel.variant]) for n in (16, 64))
    return matmul(kernel, a, b, trace=True)[2]


def _ternary(kernel):
    rows, tokens = kernel.tile
    K, gap = (257, 2) if "_any" in kernel.variant else (512, 0)
    return w2a16(kernel, zeros((rows, K), np.int8), np.zeros((tokens, K), _number(kernel)),
                 zeros(rows // 16), gap=gap, trace=True)[2]  # fmt: skip


def _bytes_of(name, shape):
    """(bytes of a format over a matrix of zeros, its tile)."""
    if name == GPU:
        return zeros(shape[0] * shape[1] // 4, np.uint8), codecs.NO_TILE
    if name in FORMATS:
        w = formats.pack(zeros(shape, np.int8), name)
        return w.data.copy(), w.tile
    number = {"float": 4}.get(name[7:-1], 2)
    return zeros(number * shape[0] * shape[1], np.uint8), codecs.NO_TILE


def _between(kernel):
    source, to = kernel.expression.partition("<")[2][:-1].split(", ")
    (held, one_tile), (made, other_tile) = (_bytes_of(name, WEIGHTS) for name in (source, to))
    tile = max(one_tile, other_tile)
    if kernel.family == "repack":
        return codecs.repack(source, to, *WEIGHTS, tile), {"source": held, "to": made}
    if kernel.family == "unpack_weights":
        made = zeros(WEIGHTS[0] * WEIGHTS[1], np.uint8)
        return codecs.unpack(*WEIGHTS), {"weights": held, "unpacked": made}
    if kernel.family == "quantize_weights":
        x, one = kernel.variant.split("_")[0], np.ones(1, np.float32)
        return codecs.quantize(x, to, *WEIGHTS, tile), {"w": held, "bound": one, "to": made}
    plan = codecs.dequantize(source, kernel.variant.split("_")[-1], *WEIGHTS, tile)
    return plan, {"source": held, "scale": np.ones(1, np.float32), "y": made}


def _scale(kernel):
    x = kernel.variant.rpartition("_")[2].replace("tensor", "f32")
    N = 2048  # of sums, which the second launch adds
    return codecs.find_scale(x, "absmean", N, 64), {
        "w": zeros((N, 64), x), "sums": zeros(N, np.float64), "largest": zeros(N, np.uint32),
        "scale": zeros(1), "bound": zeros(1),
    }  # fmt: skip


def _blocks(kernel):
    codec = kernel.variant.replace("_", ".", 1)
    row, count = next(row for row in block_rows() if row.codec == codec), 4096
    block = row.block
    size = count if row.bits == 8 else count // 4
    arrays = {"x": zeros(count), "data": zeros(size, np.uint8), "scales": zeros(count // block)}
    if kernel.family == "block_quantize":
        return codecs.block_quantize(codec, count, block, size), arrays
    return codecs.block_dequantize(codec, count, block, count // block), arrays


def _norm(kernel):
    x = kernel.variant
    rows = {name: zeros((TOKENS, WIDE), x) for name in ("x", "out")}
    return layer.rms_norm(TOKENS, WIDE, x, 1e-5), {**rows, "weight": zeros(WIDE)}


def _quantized_row(kernel):
    eps = None if kernel.family == "act_q8" else 1e-5
    plan = norms.quantized_row(kernel.variant, TOKENS, WIDE, H200, eps=eps)
    quantized = {name: zeros(each.shape, each.dtype)
                 for name, each in w2a8.quantized(TOKENS, WIDE).items()}  # fmt: skip
    rows = {name: zeros((TOKENS, WIDE)) for name in "ab"}
    return plan, {**rows, **quantized, "weight": zeros(WIDE)}


def _combine(kernel):
    rows = {name: zeros((TOKENS, WIDE), kernel.variant) for name in ("a", "b", "out")}
    return layer.combine(kernel.family, TOKENS, WIDE, kernel.variant), rows


def _rope(kernel):
    plan = layer.rope_store(TOKENS, HEADS, DIM, 4, rope_dim=DIM,
                            neighbours=kernel.variant == "neighbours")  # fmt: skip
    angles = {name: zeros((TOKENS, DIM // 2)) for name in ("cos", "sin")}
    cache = {name: zeros((TOKENS, HEADS[1], 4, DIM), np.float16) for name in ("keys", "values")}
    qkv = zeros((TOKENS, HEADS[0] + 2 * HEADS[1], DIM))
    return plan, {"qkv": qkv, **angles, **cache, "length": np.ones(TOKENS, np.int32)}


def _attention(kernel):
    dim = kernel.tile[0]
    heads = (2, 2) if kernel.tile[1] == 1 else HEADS
    plan = layer.attention(1, heads, dim, 256, scale=1, machine=H200, parts=2)
    made = {name: zeros(array.shape, array.dtype) for name, array in plan.scratch.items()}
    cache = {name: zeros((1, heads[1], 256, dim), np.float16) for name in ("keys", "values")}
    ends = {"q": zeros((1, heads[0] * dim)), "out": zeros((1, heads[0], dim))}
    return plan, {**made, **cache, **ends, "length": np.array([256], np.int32)}


def _head(kernel):
    if kernel.family == "quantize_head":
        plan = layer.quantize_head(64, WIDE, kernel.variant)
        return plan, {"w": zeros((64, WIDE), kernel.variant),
                      "weights": zeros((64, WIDE), np.int8), "scales": zeros(64)}  # fmt: skip
    if kernel.family == "argmax":
        return layer.argmax(TOKENS, 8192), {
            "logits": zeros((TOKENS, 8192)), "result": zeros((TOKENS, 2), np.int32),
            "found": zeros((TOKENS, 2), np.uint64), "arrived": zeros(TOKENS, np.uint32),
        }  # fmt: skip
    M = kernel.tile[1]
    return layer.lm_head(M, 64, WIDE), {
        "weights": zeros((64, WIDE), np.int8), "scales": zeros(64), "x_scales": zeros(M),
        "values": zeros((M, WIDE), np.int8), "logits": zeros((M, 64)),
    }  # fmt: skip


def _step(kernel):
    one = np.ones(1, np.int32)
    if kernel.family == "advance":
        return layer.advance(), {
            "result": zeros((1, 2), np.int32),
            "ids": one,
            "length": one.copy(),
        }
    tokens, angles = (np.ones(TOKENS, np.int32) for _ in range(2)), (8, DIM // 2)
    ids, length = tokens
    return layer.embed(TOKENS, WIDE, DIM // 2, kernel.variant), {
        "table": zeros((4, WIDE), kernel.variant), "ids": ids, "length": length,
        "all_cos": zeros(angles), "all_sin": zeros(angles), "x": zeros((TOKENS, WIDE)),
        "cos": zeros((TOKENS, DIM // 2)), "sin": zeros((TOKENS, DIM // 2)),
    }  # fmt: skip


def _activations(kernel):
    x = kernel.variant.rpartition("_")[2]
    return w2a8.quantize(TOKENS, WIDE, x), {
        "x": np.ones((TOKENS, WIDE), DTYPES[x]), "values": zeros((TOKENS, WIDE), np.int8),
        "x_scales": zeros(TOKENS), "x_sums": zeros(TOKENS, np.int32),
    }  # fmt: skip


def _convert(kernel):
    x, y = kernel.variant.split("_")
    return dense.convert(8192, x, y), {"x": zeros(8192, x), "y": zeros(8192, y)}


CASES = {
    "gemv_w2a8": _gemv, "gemm_w2a8": _gemm, "gemm_w2a16": _ternary, "matmul_naive": _naive,
    **dict.fromkeys(("matmul_fp16", "matmul_bf16", "matmul_fp16_warpgroups",
                     "matmul_bf16_warpgroups"), _dense),
    "quantize_activations": _activations, "convert": _convert,
    **dict.fromkeys(("repack", "unpack_weights", "quantize_weights", "dequantize_weights"),
                    _between),
    "weight_scale": _scale, "block_quantize": _blocks, "block_dequantize": _blocks,
    "rms_norm": _norm, "norm_q8": _quantized_row, "act_q8": _quantized_row,
    "relu2_mul": _combine, "silu_mul": _combine, "add": _combine, "rope_store": _rope,
    "attention_decode": _attention, "gemv_w2a8_q8": _gemv_q8,
    "lm_head_int8": _head, "quantize_head": _head, "argmax": _head,
    "embed": _step, "advance": _step, "clock_stamp": _stamp,
}  # fmt: skip
