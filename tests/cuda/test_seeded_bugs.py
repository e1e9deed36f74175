"""Faults sown into the products are found: by a wrong result, or by the emulator."""

from __future__ import annotations

import numpy as np
import pytest
from cuda_bugs import Bug, sown
from cuda_launches import DTYPES, gemm, gemv, gemv_q8, same_bits

from bitnet_perf.kernels.cuda.catalog import find
from bitnet_perf.kernels.cuda.emulate import SCHEDULES, EmulationError
from bitnet_perf.kernels.cuda.host_program import program

GEMV, GEMV_Q8, GEMM = "gemv_w2a8/m2_f16_f16", "gemv_w2a8_q8/m2", "gemm_w2a8/n32_m16"
VECTOR, MATRIX, TILES = "gemv_w2a8.cu", "gemm_w2a8.cu", "device/gemm_w2a8.cuh"
FORM, ACTIVATIONS = "device/frag16x32.cuh", "device/activations.cuh"


BUGS = {
    "gemv: no barrier after the maxima": Bug(
        GEMV, VECTOR, "  __syncthreads();\n", "", "race|uninitialised", "void find_scales"),
    "gemv: no barrier after quantizing": Bug(
        GEMV, VECTOR, "  __syncthreads();\n", "", "race|uninitialised", "x_sum[m] = quantize_row"),
    "gemv: no barrier before the last sum": Bug(
        GEMV, VECTOR, "  __syncthreads();\n", "", "race|uninitialised",
        "x_sums[m * row_warps + threadIdx"),
    "gemv: halves of a tile swapped": Bug(
        GEMV, VECTOR, "k / 16 % 2;", "1 - k / 16 % 2;", "result"),
    "gemv: a wrong tile of the activations": Bug(
        GEMV, VECTOR, "k / 32 % 4 * 2", "k / 64 % 4 * 2", "result|uninitialised|race"),
    "gemv: a wrong shift of the codes": Bug(
        GEMV, VECTOR, "codes << 2 * r", "codes << r", "result"),
    "gemv: a wrong factor": Bug(GEMV, VECTOR, ">> 2 * (r + 2)", ">> 2 * (r + 1)", "result"),
    "gemv: no correction": Bug(
        GEMV, VECTOR, "sum -= x_sums[m * row_warps + i]", "sum -= 0", "result"),
    "gemv: the correction of the other token": Bug(
        GEMV, VECTOR, "sum -= x_sums[m * row_warps + i]", "sum -= x_sums[i]", "result"),
    "gemv: a step too many": Bug(
        GEMV, VECTOR, "if (i < left) w[i]", "if (i <= left) w[i]", "out of bounds"),
    "gemv: rows beyond the last are written": Bug(
        GEMV, VECTOR, "if (m >= M || row >= N) return;", "if (m >= M) return;",
        "out of bounds|race of blocks"),
    "gemv: half a warp leaves before the shuffles": Bug(
        GEMV, VECTOR, "  s32 sum = (sums.at[r]", "  if (threadIdx.x % 32 > 15) return 0;\n"
        "  s32 sum = (sums.at[r]", "dead-lock|divergent"),
    "gemv_q8: no barrier after storing": Bug(
        GEMV_Q8, VECTOR, "  __syncthreads();\n", "", "race|uninitialised", "u32 first = threadIdx"),
    "gemv_q8: no barrier before the last sum": Bug(
        GEMV_Q8, VECTOR, "  leave_sums(sums, parts);\n  __syncthreads();\n",
        "  leave_sums(sums, parts);\n", "race|uninitialised", "u32 first = threadIdx"),
    "gemv_q8: words in the banks of their neighbours": Bug(
        GEMV_Q8, VECTOR, "turn = i / 8 % 4;", "turn = 0;", "conflicts"),
    "gemv_q8: words in the order of their stores": Bug(
        GEMV_Q8, VECTOR, "(j + turn) % 4 * 8", "j * 8", "result"),
    "gemv_q8: halves of the words stay": Bug(
        GEMV_Q8, VECTOR, "two ? a[(j + 2) % 4] : a[j]", "a[j]", "result"),
    "gemv_q8: values beyond the last are read": Bug(
        GEMV_Q8, VECTOR, "if (first + j * row_threads < loads) v[j]", "v[j]", "out of bounds"),
    "gemv_q8: the scale of the other token": Bug(
        GEMV_Q8, VECTOR, "token_scale[m], ", "token_scale[0], ", "result"),
    "gemv_q8: no correction": Bug(GEMV_Q8, VECTOR, " - token_sum[m]", "", "result"),
    "quantizing: rounds towards zero": Bug(
        GEMV, ACTIVATIONS, "__float2int_rn(__fmul_rn(values[i], scale))",
        "static_cast<s32>(values[i] * scale)", "result"),
    "quantizing: no least maximum": Bug(
        GEMV, ACTIVATIONS, "fmaxf(least_amax, __uint_as_float(magnitude))",
        "__uint_as_float(magnitude)", "result"),
    "quantizing: beyond the row": Bug(
        GEMV, ACTIVATIONS, "k + i < K ? to_float(row[k + i]) : 0.0f", "to_float(row[k + i])",
        "out of bounds|result"),
    "gemm: no barrier in the main loop": Bug(
        GEMM, MATRIX, "__syncthreads();  // this stage", "// this stage", "race|unfinished|uninit"),
    "gemm: no wait for copies": Bug(
        GEMM, MATRIX, "      copy_wait<T::stages - 2>();\n", "", "unfinished cp.async"),
    "gemm: waits for a stage too few": Bug(
        GEMM, MATRIX, "copy_wait<T::stages - 2>()", "copy_wait<T::stages - 1>()",
        "unfinished cp.async"),
    "gemm: copies into the stage that is read": Bug(
        GEMM, MATRIX, "(s + ahead) % T::stages", "s", "race|unfinished"),
    "gemm: no barrier before warps add": Bug(
        GEMM, TILES, "  __syncthreads();  // the last stage is read\n", "", "race"),
    "gemm: no barrier while warps add": Bug(
        GEMM, TILES, "  __syncthreads();\n", "", "race|uninit", "store_16(shared"),
    "gemm: the wrong piece": Bug(
        GEMM, MATRIX, "4 + at.lane / 8", "3 + at.lane / 8", "result"),
    "gemm: tokens in the same banks": Bug(
        GEMM, TILES, "(piece ^ (token & 7))", "(piece ^ (token & 3))", "conflicts"),
    "gemv: two halves of a warp in the same banks": Bug(
        GEMV, VECTOR, "threadIdx.x / 16 % 2;", "0;", "conflicts"),
    "gemm: a wrong shift of the codes": Bug(GEMM, FORM, "word >> 4 & codes;", "word >> 2 & codes;",
                                            "result"),
    "gemm: rows g + 8 stay four times too large": Bug(
        GEMM, TILES, "        at[r][t][3] >>= 2;\n", "", "result"),
    "gemm: no correction": Bug(GEMM, MATRIX, "sum -= x_sums[m];", "", "result"),
    "gemm: tokens beyond the last are copied": Bug(
        GEMM, TILES, "i % rows * at_once < tokens_left && ", "", "out of bounds"),
    "gemm: columns beyond the last are copied": Bug(
        GEMM, TILES, " && step < steps_left", "", "out of bounds|result"),
    "gemm: rows beyond the last tile are read": Bug(
        GEMM, TILES, "min(tile, row_tiles - 1)", "tile", "out of bounds"),
    "gemm: the last part does not wait for its turn": Bug(
        GEMM, MATRIX, "if (*order != parts - 1u) return;", "if (*order != 0) return;",
        "race of blocks|result"),
    "gemm: sums are not left as zeros": Bug(
        GEMM, MATRIX, "      partial[place] = 0;\n", "", "result"),
}  # fmt: skip


def said(trace):
    """What the addresses of a launch are accused of."""
    return "conflicts" if any(each.conflicts > 1.1 for each in trace.accesses()) else ""


def found_in(bug, built, schedule):
    """What says that the kernel is wrong: a kind of fault, "result", or "" where nothing does."""
    rng = np.random.default_rng(3)
    kernel = find(bug.kernel)
    weights = rng.integers(-1, 2, (41, 1003)).astype(np.int8)
    scales = np.linspace(0.5, 2, 3, dtype=np.float32)
    try:
        if bug.kernel == GEMV:
            x = rng.standard_normal((2, 1003)).astype(DTYPES["f16"])
            x[0] *= DTYPES["f16"](2**-19)  # the least maximum counts
            y, expected, trace = gemv(
                kernel, weights, x, scales, schedule=schedule, of=built, trace=True
            )
        elif bug.kernel == GEMV_Q8:
            values = rng.integers(-128, 128, (2, 1003)).astype(np.int8)
            y, expected, trace = gemv_q8(
                kernel, weights, values, scales, schedule=schedule, of=built, trace=True
            )
        else:
            values = rng.integers(-128, 128, (19, 1003)).astype(np.int8)
            for parts in (1, 2):
                y, expected, trace = gemm(
                    kernel, weights, values, scales, parts, schedule=schedule, of=built, trace=True
                )
                if not same_bits(y, expected):
                    return "result"
    except EmulationError as error:
        return str(error).partition(": ")[2]
    except AssertionError:
        return "result"
    return said(trace) if same_bits(y, expected) else "result"


@pytest.mark.parametrize("name", BUGS)
def test_a_bug_is_caught(name, tmp_path):
    bug = BUGS[name]
    built = sown(bug, tmp_path)
    for schedule in SCHEDULES:
        found = found_in(bug, built, schedule)
        assert any(kind in found for kind in bug.caught.split("|")), (schedule, found)


def test_without_a_bug_nothing_is_found():
    for kernel in (GEMV, GEMV_Q8, GEMM):
        built = program([find(kernel)])
        assert found_in(Bug(kernel, "", "", "", ""), built, "in_order") == ""
