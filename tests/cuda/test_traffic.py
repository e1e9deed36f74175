"""Memory as every kernel of the catalog uses it: no bank twice, 16 bytes a lane, whole sectors."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from cuda_bugs import Bug, sown
from cuda_traffic import CASES, trace_of

from bitnet_perf.kernels.cuda.catalog import KERNELS, find
from bitnet_perf.kernels.cuda.traces import Accesses, Trace

CONFLICTS = 1.1  # passes over the banks, of every access
BESIDE = 1 / 8  # of the requests to global memory: what comes once a block, of any width


@dataclass(frozen=True)
class Allowed:
    """What some kernels may do beside the rule: other widths in the main loop, accesses of 16 bytes
    and of others that move up to so many times the sectors of their bytes, bank conflicts."""

    why: str
    widths: frozenset[int] = frozenset()
    sectors: float = 1.0
    conflicts: float = CONFLICTS


def widths(*sizes):
    return frozenset(sizes)


# By kernels, in full. Each must be needed by each of them.
EXCEPTIONS = {
    r"matmul_.*_any|gemm_w2a16/.*_any": Allowed(
        "rows begin at any address: numbers are read one by one, neighbours by the next request",
        widths(2), 9.0),
    r"matmul_naive/f32": Allowed("the peer: a product without any of it", widths(4), 8.0),
    r"matmul_naive/b?f16": Allowed("the same of half the bytes", widths(2), 16.0),
    r"gemm_w2a8/.*": Allowed(
        "sums lie as the tensor cores leave them: 32 bytes of a row a request, once behind the "
        "loop, with a scale each", widths(4)),
    r"convert/.*": Allowed("16 bytes of float32 are 8 of the other type", widths(8)),
    r"repack/(tq2_0_frag16x32|frag16x32_tq2_0)": Allowed(
        "blocks of 66 bytes: two are aligned; two requests take turns over the same sectors",
        widths(2), 3.0),
    r"repack/tq1_0_frag16x32": Allowed("the same of 54 bytes", widths(2), 2.2),
    r"weight_scale/rows_.*": Allowed("a float64 sum and a maximum of each row", widths(4, 8)),
    r"weight_scale/tensor": Allowed("adds those, in the order of the rows", widths(4, 8)),
    r"block_quantize/.*|block_dequantize/.*": Allowed(
        "16 bytes of float32 are one byte of codes, or four; each block has a scale", widths(1, 4)),
    r"rms_norm/b?f16": Allowed(
        "float32 weights of 16 bytes of half: two requests, half of the same sectors each",
        sectors=2.0),
    r"rope_store/halves": Allowed(
        "16 bytes of float32 are 8 of float16; a length a warp", widths(4, 8)),
    r"rope_store/neighbours": Allowed(
        "the same; pairs of eight values: two requests, each half of the same sectors",
        widths(4, 8), 2.0),
    r"norm_q8/.*|act_q8/.*": Allowed("16 bytes of float32 are four int8", widths(4)),
    r"quantize_activations/.*_f32": Allowed("16 bytes of float32 are four int8", widths(4)),
    r"quantize_activations/.*_b?f16": Allowed(
        "16 bytes of half are eight int8, stored in two requests", widths(4), 2.0),
    r"quantize_head/f32": Allowed("16 bytes of float32 are four int8", widths(4)),
    r"quantize_head/b?f16": Allowed(
        "16 bytes of half are eight int8, stored in two requests", widths(4), 2.0),
    r"lm_head_int8/m1": Allowed("a logit and its scale for a row of 2048 bytes", widths(4)),
    r"lm_head_int8/m[24]": Allowed(
        "the same; logits of several tokens are far apart", widths(4), 2.0),
    r"argmax/f32": Allowed("what the warps of a block and the blocks found", widths(4, 8)),
    r"attention_decode/.*": Allowed(
        "16 bytes of float16 are 32 of the query, read once; parts end in single values; sums of "
        "warps meet in shared memory once, behind the loop", widths(4), 2.0, 2.0),
    r"embed/f32": Allowed("two angles a pair, an id and a length", widths(4)),
    r"embed/b?f16": Allowed(
        "the same; 16 bytes of half are 32 of float32, stored in two requests", widths(4), 2.0),
    r"advance/s32": Allowed("three numbers in all", widths(4)),
    r"clock_stamp/.*": Allowed("a counter a block", widths(8)),
}  # fmt: skip
RULE = Allowed("")


def faults(trace: Trace, allowed: Allowed) -> list[str]:
    """What of a launch is beyond the rule and `allowed`."""
    accesses = trace.accesses()
    moved = [a for a in accesses if not a.shared]
    beside = sum(a.requests for a in moved if a.width not in {16, *allowed.widths})
    found = [f"bank conflicts: {a}" for a in accesses if a.conflicts > allowed.conflicts]
    found += [f"sectors: {a}" for a in moved if a.sectors > allowed.sectors]
    if beside > BESIDE * sum(a.requests for a in moved):
        found.append(f"widths: {[a for a in moved if a.width != 16]}")
    return found


def exceptions_of(name):
    return [allowed for names, allowed in EXCEPTIONS.items() if re.fullmatch(names, name)]


MOVING = [kernel for kernel in KERNELS if kernel.family != "empty"]


@pytest.mark.parametrize("kernel", MOVING, ids=lambda k: k.name)
def test_memory_is_moved_in_whole_pieces(kernel):
    trace = trace_of(kernel)
    assert any(not a.shared for a in trace.accesses())
    (allowed,) = exceptions_of(kernel.name) or [RULE]
    assert faults(trace, allowed) == []
    assert allowed is RULE or faults(trace, RULE), "the exception is no longer needed"


def test_every_family_is_here():
    assert set(CASES) == {kernel.family for kernel in MOVING}
    assert all(any(re.fullmatch(names, k.name) for k in KERNELS) for names in EXCEPTIONS)


BUGS = {
    "rows of shared memory all in the same banks": Bug(
        "repack/tl1_frag16x32", "device/ternary_tile.cuh",
        "tile_stride = tile_quads + 4;", "tile_stride = tile_quads;", "bank conflicts"),
    "neighbours of a row in one request": Bug(
        "repack/i2_s_frag16x32", "device/ternary_formats.cuh",
        "row = lane / 2 * 2 + i % 2", "row = lane / 2 + i % 2 * 16", "bank conflicts"),
    "a lane a row": Bug(
        "quantize_weights/f32_i2_s", "device/ternary_formats.cuh",
        "const int row = i / across, at = i % across * per_load<Y>;",
        "const int row = i % 32, at = i / 32 * per_load<Y>;", "sectors",
        "BP_DEVICE static void load(const u8* from, const piece& p, int lane, u8* tile) {\n"
        "    const float up"),
}  # fmt: skip


@pytest.mark.parametrize("bug", BUGS)
def test_faults_are_caught(tmp_path, bug):
    kernel = find(BUGS[bug].kernel)
    found = faults(trace_of(kernel, sown(BUGS[bug], tmp_path)), RULE)
    assert [each for each in found if each.startswith(BUGS[bug].caught)]


def test_narrow_accesses_are_faults():
    wide, narrow = (Accesses(0, False, False, width, 100, 1.0, 1.0) for width in (16, 4))

    class Made:
        def accesses(self):
            return self.of

    made = Made()
    for made.of, right in (([wide], True), ([wide, narrow], False), ([wide] * 8 + [narrow], True)):
        assert (faults(made, RULE) == []) is right
        assert faults(made, Allowed("", widths(4))) == []
