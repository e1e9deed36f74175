"""Faults sown into conversions, block codecs and the kernels of a layer are found."""

from __future__ import annotations

import numpy as np
import pytest
from cuda_bugs import Bug, sown
from cuda_launches import padded, same_bits
from reference import blocks as block_oracle
from reference import formats as oracle
from reference.cuda_w2a8 import pack_frag16x32, quantize_q8_act

from bitnet_perf import _native, formats
from bitnet_perf.kernels.cuda import emulate
from bitnet_perf.kernels.cuda.emulate import SCHEDULES, EmulationError
from bitnet_perf.kernels.cuda.launch import Emulated, bind
from bitnet_perf.kernels.cuda.plans import codecs, layer
from bitnet_perf.kernels.cuda.plans.norms import quantized_row
from bitnet_perf.kernels.cuda.plans.plan import H200

RACE = "race|uninitialised"
BLOCKS_RACE = "race of blocks"


class Sown(Emulated):
    """Launches of the kernels that were compiled with a fault; the others as they are."""

    def __init__(self, schedule, of):
        super().__init__(schedule=schedule)
        self.of = of

    def launch(self, launch, arrays, constant=frozenset()):  # noqa: ARG002
        given = [arrays[a] if isinstance(a, str) else a for a in launch.arguments]
        of = self.of if self.of and launch.kernel in self.of.kernels else None
        emulate.launch(launch.kernel, launch.geometry, given, schedule=self.schedule, of=of)


def weights_of(n, k):
    return np.random.default_rng([n, k]).integers(-1, 2, (n, k)).astype(np.int8)


def repacked(n, k):
    def check(run):
        weights = weights_of(n, k)
        made = np.zeros(pack_frag16x32(weights).nbytes, np.uint8)
        plan = codecs.repack("i2_s", "frag16x32", n, k)
        run(plan, source=formats.pack(weights, "i2_s").data, to=made)
        return same_bits(made, pack_frag16x32(weights).reshape(-1).view(np.uint8))

    return check


def tl2_stored(run):
    weights, tile = weights_of(64, 448), (64, 96, 32)
    expected = oracle.pack_tl2(weights, tile)
    made = np.zeros_like(expected)
    source = pack_frag16x32(weights).reshape(-1).view(np.uint8)
    run(codecs.repack("frag16x32", "tl2", 64, 448, tile), source=source, to=made)
    return same_bits(made, expected)


def scaled(run):
    """The mean of halves, whose float64 depends on the order, then codes of halves of the scale."""
    rng = np.random.default_rng(3)
    x = (rng.standard_normal((300, 40)) * 2.0 ** rng.integers(-14, 3, (300, 40))).astype(np.float16)
    scale, bound = np.zeros((2, 1), np.float32)
    sums = {"sums": np.zeros(300), "largest": np.zeros(300, np.uint32)}
    run(codecs.find_scale("f16", "absmean", 300, 40), w=x, scale=scale, bound=bound, keep=sums)
    wide = np.abs(x.astype(np.float64)).reshape(300, 5, 8)
    eight, expected = wide[:, 0].copy(), np.zeros(300)
    for step in range(1, 5):
        eight += wide[:, step]
    for i in range(8):
        expected += eight[:, i]
    return (
        same_bits(sums["sums"], expected) and float(scale[0]) == formats.quantize(x, "i2_s").scale
    )


def quantized(run):
    x = np.linspace(-1, 1, 4 * 128, dtype=np.float32).reshape(4, 128)
    x[1, :2] = 0.25, -0.25
    made = np.zeros(128, np.uint8)
    run(codecs.quantize("f32", "i2_s", 4, 128), w=x.reshape(-1).view(np.uint8), to=made,
        bound=np.array([0.5], np.float32))  # fmt: skip
    return same_bits(made, formats.quantize(x, "i2_s", "given", 0.5).data[:128])


def encoded(codec):
    def check(run):
        x = np.random.default_rng(1).standard_normal(517).astype(np.float32)
        x[128:256:3], x[128] = 0, 1.5  # kernel.tl2: as near to two entries
        data, scales, block = block_oracle.quantize(x, codec)
        made, found = np.zeros_like(data), np.zeros_like(scales)
        run(codecs.block_quantize(codec, 517, block, data.size), x=x, data=made, scales=found)
        return same_bits(made, data) and same_bits(found, scales)

    return check


def decoded(run):
    rng = np.random.default_rng(1)
    data, scales = rng.integers(0, 256, 30).astype(np.uint8), rng.random(20, dtype=np.float32)
    x = np.zeros(119, np.float32)
    run(codecs.block_dequantize("quant.tl1", 119, 6, 20), data=data, scales=scales, x=x)
    return same_bits(x, block_oracle.dequantize(data, scales, "quant.tl1", 6, 119))


def normed(run):
    x = np.random.default_rng(1).standard_normal((2, 1030)).astype(np.float32)
    out = np.zeros_like(x)
    run(layer.rms_norm(2, 1030, "f32", 1e-5), x=x, weight=np.ones(1030, np.float32), out=out)
    wide = x.astype(np.float64)
    return np.allclose(out, wide / np.sqrt((wide**2).mean(axis=1, keepdims=True) + 1e-5), 1e-6, 0)


def quantized_rows(op, eps, K):
    """Of two rows: what `norm_q8` makes beside what its parts do."""

    def check(run):
        rng = np.random.default_rng(1)
        a, b = rng.standard_normal((2, 2, K)).astype(np.float32)
        weight = rng.standard_normal(K).astype(np.float32)
        row = {"itself": a, "add": a + b, "relu2_mul": _native.relu2_mul(a, b)}[op].copy()
        expected = row
        if eps is not None:
            expected = np.zeros_like(a)
            plan = layer.rms_norm(2, K, "f32", eps)
            bind(plan, {"x": row, "weight": weight, "out": expected}, Emulated()).launch()
        values, scales, sums = quantize_q8_act(expected)
        made = (np.full_like(padded(values), 99), np.zeros(2, np.float32), np.zeros(2, np.int32))
        run(quantized_row(op, 2, K, H200, eps=eps), a=a, b=b, weight=weight, values=made[0],
            x_scales=made[1], x_sums=made[2])  # fmt: skip
        pairs = zip(made, (padded(values), scales, sums), strict=True)
        return all(same_bits(*both) for both in pairs) and (op != "add" or same_bits(a, row))

    return check


def kept(run):
    """Two tokens of one sequence: q turned, k turned and stored, v stored."""
    rng = np.random.default_rng(1)
    qkv, angle = rng.standard_normal((2, 8, 64)).astype(np.float32), rng.random((2, 28), np.float32)
    cos, sin = np.cos(angle), np.sin(angle)
    expected = qkv.copy()
    expected[:, :6] = _native.rope(qkv[:, :6].reshape(2, -1), cos, sin, 6, 64, True).reshape(
        2, 6, 64
    )
    own, caches = qkv.copy(), np.full((2, 2, 9, 64), 7, np.float16)
    plan = layer.rope_store(2, (4, 2), 64, 9, rope_dim=56, neighbours=True, together=True)
    run(plan, qkv=own, cos=cos, sin=sin, keys=caches[0], values=caches[1],
        length=np.array([9, 3], np.int32))  # fmt: skip
    stored = np.full_like(caches, 7)
    for m, position in enumerate((8, 2)):
        stored[:, :, position] = expected[m, 4:].reshape(2, 2, 64)
    return (
        same_bits(caches, stored)
        and same_bits(own[:, :4], expected[:, :4])
        and same_bits(own[:, 4:], qkv[:, 4:])
    )


def logits(run):
    rng = np.random.default_rng(1)
    values, scales = rng.integers(-127, 128, (37, 640)).astype(np.int8), rng.random(37, np.float32)
    q, x_scales, _ = quantize_q8_act(rng.standard_normal((2, 640)))
    out = np.zeros((2, 37), np.float32)
    run(layer.lm_head(2, 37, 640), weights=values, scales=scales, values=padded(q),
        x_scales=x_scales, logits=out)  # fmt: skip
    sums = q.astype(np.int64) @ values.T.astype(np.int64)
    return same_bits(out, sums.astype(np.float32) / x_scales[:, None] * scales)


def largest(run):
    x = np.random.default_rng(1).standard_normal((1, 5000)).astype(np.float32)
    x[0, [70, 71, 4500]] = 9  # the first block in one order, the second in the other
    result = np.zeros((1, 2), np.int32)
    run(layer.argmax(1, 5000), logits=x, result=result)
    return result.tolist() == [[70, -1]]


def attended(run):
    rng = np.random.default_rng(1)
    q = (rng.standard_normal((1, 256)) * 3).astype(np.float32)
    keys, values = rng.standard_normal((2, 1, 1, 150, 64)).astype(np.float16)
    keys[..., 131:, :] = values[..., 131:, :] = np.nan
    out, arrived = np.zeros((1, 4, 64), np.float32), {"arrived": None}
    plan = layer.attention(1, (4, 1), 64, 150, scale=0.2, machine=H200, parts=2)
    run(plan, q=q, keys=keys, values=values, length=np.array([131], np.int32), out=out,
        keep=arrived)  # fmt: skip
    k, v = (c[0, 0, :131].astype(np.float64) for c in (keys, values))
    s = q.reshape(4, 64).astype(np.float64) @ k.T * 0.2
    e = np.exp(s - s.max(axis=1, keepdims=True))
    right = np.allclose(out[0], e @ v / e.sum(axis=1, keepdims=True), 0, 1e-5)
    return right and not arrived["arrived"].any()


ROW = "device/row.cuh"
FORMATS, TL2 = "device/ternary_formats.cuh", "device/tl2.cuh"
CODECS, SCALE, BLOCKS = "codecs.cu", "weight_scale.cu", "blocks.cu"
ENCODE, SOFTMAX = "device/block_encode.cuh", "device/online_softmax.cuh"
STORE, TURN = "rope_store/neighbours", "device/rotation.cuh"
LAYER, HEAD, ATTENTION, NORM = "layer.cu", "lm_head.cu", "attention.cu", "norm_q8.cu"
I2_S, TL2_STORE, DECODE = "repack/i2_s_frag16x32", "repack/frag16x32_tl2", "attention_decode/d64_g4"

# What checks it, and the bug.
BUGS = {
    "repack: no order between loading and storing": (repacked(33, 130), Bug(
        I2_S, CODECS, "  __syncwarp();\n", "", RACE, "From::load(")),
    "repack: rows beyond the matrix stay unset": (repacked(33, 768), Bug(
        I2_S, CODECS, "p.n + tile_rows > N || ", "", RACE)),
    "repack: columns beyond the padded ones are read": (repacked(33, 500), Bug(
        I2_S, FORMATS, "p.n + row >= p.N || p.k + part / 2 * 128 >= padded(p.K)",
        "p.n + row >= p.N", "out of bounds")),
    "tl2: bytes are stored before they are there": (tl2_stored, Bug(
        TL2_STORE, TL2, "    __syncwarp();\n", "", RACE, "minus | other >> 1")),
    "tl2: signs of the other sixteen rows": (tl2_stored, Bug(
        TL2_STORE, TL2, "minus | other >> 1", "minus | other", "result")),
    "tl2: rows in their own order": (tl2_stored, Bug(
        TL2_STORE, TL2, "r / 8 % 3 == 0 ? r : r < 16 ? r + 8 : r - 8", "r", "result")),
    "weight_scale: eights in the wrong order": (scaled, Bug(
        "weight_scale/rows_f16", SCALE, "half_of_row == 0 ? low : taken;",
        "half_of_row == 0 ? taken : low;", "result")),
    "weight_scale: added before they are read": (scaled, Bug(
        "weight_scale/tensor", SCALE, "    __syncthreads();\n", "", RACE, "held[threadIdx.x] =")),
    "quantize: halves go up": (quantized, Bug(
        "quantize_weights/f32_i2_s", FORMATS, "2 * x[j + c] > up", "2 * x[j + c] >= up", "result")),
    "blocks: half a block is looked at": (encoded("quant.i2s"), Bug(
        "block_quantize/quant_i2s", ENCODE, "bit = block / 8", "bit = block / 16", "result")),
    "blocks: of two as near the second": (encoded("kernel.tl2"), Bug(
        "block_quantize/kernel_tl2", "device/block_codecs.cuh", "other < distance ? i : best",
        "other <= distance ? i : best", "result")),
    "blocks: scales change with the byte": (decoded, Bug(
        "block_dequantize/quant_tl1", BLOCKS, "left = block - at % block", "left = block",
        "result")),
    "rms_norm: no barrier": (normed, Bug("rms_norm/f32", ROW, "  __syncthreads();\n", "", RACE)),
    "norm_q8: no barrier for the factor": (quantized_rows("itself", 1e-5, 1030), Bug(
        "norm_q8/itself", ROW, "  __syncthreads();\n", "", RACE)),
    "norm_q8: no barrier after the maxima": (quantized_rows("add", 1e-5, 1030), Bug(
        "norm_q8/add", NORM, "  __syncthreads();\n", "", RACE, "of_warps[warp] = largest")),
    "norm_q8: no barrier before the last sum": (quantized_rows("add", 1e-5, 1030), Bug(
        "norm_q8/add", NORM, "  __syncthreads();\n", "", RACE, "sum_of_warps[warp] = sum")),
    "norm_q8: a row is read by its neighbours": (quantized_rows("itself", 1e-5, 1024), Bug(
        "norm_q8/itself", NORM, "load_shared(row + k)", "load_shared(row + (k ^ 128))", RACE,
        "u32 norm_row")),
    "norm_q8: the sum is not kept": (quantized_rows("add", 1e-5, 1030), Bug(
        "norm_q8/add", NORM, "      if (Op::kept) store_values(a, k, K, four);\n", "", "result")),
    "norm_q8: a column of four is not looked at": (quantized_rows("relu2_mul", None, 5), Bug(
        "act_q8/relu2_mul", NORM, "int j = 0; j < 4", "int j = 1; j < 4", "result",
        "u32 largest_of_four")),
    "norm_q8: the weights of the first span": (quantized_rows("itself", 1e-5, 8300), Bug(
        "norm_q8/itself", NORM, "if (first > 0) load_part(weight", "if (false) load_part(weight",
        "result")),
    "norm_q8: scales of another token": (quantized_rows("add", 1e-5, 130), Bug(
        "norm_q8/add", NORM, "scales[blockIdx.x] = scale;",
        "scales[gridDim.x - 1 - blockIdx.x] = scale;", "result")),
    "norm_q8: some warps are not summed": (quantized_rows("relu2_mul", None, 2560), Bug(
        "act_q8/relu2_mul", NORM, "int i = 0; i < norm_warps", "int i = 1; i < norm_warps",
        "result")),
    "rope_store: turned the other way": (kept, Bug(
        STORE, TURN, "-__fmul_rn(b[j], s[j])", "__fmul_rn(b[j], s[j])", "result")),
    "rope_store: keys are stored as they are": (kept, Bug(
        STORE, LAYER, "turned.store(keys + place + (head - heads) * apart);",
        "for (int j = 2 * turned.i; j < 2 * turned.i + 8; ++j) keys[place + (head - heads) * apart "
        "+ j] = from_float<half>(row[head * D + j]);", "result")),
    "rope_store: keys are also turned in place": (kept, Bug(
        STORE, LAYER, "    if (head < heads) {\n", "    turned.store(row + head * D);\n"
        "    if (head < heads) {\n", "result")),
    "rope_store: what lies behind the pairs is not stored": (kept, Bug(
        STORE, LAYER, "behind = (D - rope_dim + 3) / 4", "behind = 0", "result")),
    "rope_store: the position behind the last": (kept, Bug(
        STORE, LAYER, "(length[m] - 1) * D", "(length[m]) * D", "result|out of bounds")),
    "rope_store: values of the key's head": (kept, Bug(
        STORE, LAYER, "(key ? 0 : kv_heads)", "0", "result")),
    "lm_head: no barrier": (logits, Bug(
        "lm_head_int8/m2", HEAD, "  __syncthreads();\n", "", RACE, "load_16(values + i)")),
    "lm_head: rows beyond the last": (logits, Bug(
        "lm_head_int8/m2", HEAD, "min(row + r, V - 1)", "(row + r)", "out of bounds")),
    "argmax: of equals the last": (largest, Bug(
        "argmax/f32", HEAD, "<< 32 | ~static_cast<u32>(k + j)", "<< 32 | static_cast<u32>(k + j)",
        "result")),
    "argmax: the first block makes the result": (largest, Bug(
        "argmax/f32", HEAD, "!= gridDim.x - 1) return;", "!= 0) return;",
        "race of blocks|result")),
    "attention: no barrier": (attended, Bug(
        DECODE, ATTENTION, "  __syncthreads();\n", "", RACE, "store_16(to + 4")),
    "attention: a part goes beyond the last position": (attended, Bug(
        DECODE, ATTENTION, "end = min(length[m], begin + share)", "end = begin + share",
        "result|out of bounds")),
    "attention: what is not there counts": (attended, Bug(
        DECODE, SOFTMAX, "u < count ? exp_of(", "true ? exp_of(", "result")),
    "attention: a larger score leaves the sums": (attended, Bug(
        DECODE, SOFTMAX, "sum[g] = __fmul_rn(sum[g], factor);", "", "result")),
    "attention: parts as they are": (attended, Bug(
        DECODE, ATTENTION, "exp_of(__fadd_rn(__uint_as_float(both.x), -largest))", "1.0f",
        "result")),
    "attention: a part is missed": (attended, Bug(
        DECODE, ATTENTION, "first + j >= parts) break", "first + j + 1 >= parts) break", "result")),
    "attention: the first block puts the parts together": (attended, Bug(
        DECODE, ATTENTION, "== blocks - 1u;", "== 0u;", BLOCKS_RACE)),
    "attention: no fence before a block has come": (attended, Bug(
        DECODE, ATTENTION, "    __threadfence();\n", "", BLOCKS_RACE, "u32, last, 1")),
    "attention: no fence behind the last": (attended, Bug(
        DECODE, ATTENTION, "    __threadfence();\n", "", BLOCKS_RACE, "*last = atomicAdd")),
    "attention: a block has come before it is done": (attended, Bug(
        DECODE, ATTENTION, "  __syncthreads();\n", "", BLOCKS_RACE, "u32, last, 1")),
    "attention: who is last is read too early": (attended, Bug(
        DECODE, ATTENTION, "  __syncthreads();\n", "", RACE, "*arrived = 0;")),
    "attention: no barrier before parts are added": (attended, Bug(
        DECODE, ATTENTION, "  __syncthreads();\n", "", RACE, "both.y});")),
    "attention: those who have come stay": (attended, Bug(
        DECODE, ATTENTION, "if (*last != 0) *arrived = 0;", "", "result")),
}  # fmt: skip


def found_by(check, of, schedule):
    """What says that something is wrong: a kind of fault, "result", or ""."""

    def run(plan, keep=None, **arrays):
        bound = bind(plan, arrays, Sown(schedule, of))
        bound.launch()
        for name in keep or ():
            keep[name] = bound.arrays[name]

    try:
        with np.errstate(all="ignore"):
            return "" if check(run) else "result"
    except EmulationError as error:
        return str(error).partition(": ")[2]


@pytest.mark.parametrize("name", BUGS)
def test_a_bug_is_caught(name, tmp_path):
    check, bug = BUGS[name]
    of = sown(bug, tmp_path)
    for schedule in SCHEDULES:
        found = found_by(check, of, schedule)
        assert any(kind in found for kind in bug.caught.split("|")), (schedule, found)


@pytest.mark.parametrize("name", BUGS)
def test_without_it_nothing_is_found(name):
    assert found_by(BUGS[name][0], None, "random") == ""
