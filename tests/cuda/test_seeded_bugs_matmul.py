"""Faults sown into the float products and conversions are found: by a wrong result, or by the
emulator."""

from __future__ import annotations

import numpy as np
import pytest
from cuda_bugs import Bug, sown
from cuda_build import ALL
from cuda_launches import DTYPES, same_bits, unset
from cuda_matmul_launches import matmul, w2a16

from bitnet_perf.kernels.cuda.catalog import family, find
from bitnet_perf.kernels.cuda.emulate import SCHEDULES, EmulationError, launch
from bitnet_perf.kernels.cuda.geometry import geometry
from bitnet_perf.kernels.cuda.host_program import program

MATMUL, ANY, ROWS = "matmul_fp16/n64_m64", "matmul_fp16/n64_m64_any", "matmul_fp16/n128_m128_kn"
WARPS, HOPPER = "matmul_fp16_warpgroups/n256_m128", "matmul_warpgroups.cu"
W2A16, CONVERT = "gemm_w2a16/fp16_n64_m16", "convert/f32_f16"
PRODUCT, TILES, PANEL = "matmul.cu", "device/matmul.cuh", "device/panel.cuh"
RESULT, TERNARY, PARTS = "device/result.cuh", "gemm_w2a16.cu", "device/gemm_w2a16.cuh"

BUGS = {
    "matmul: no barrier in the main loop": Bug(
        MATMUL, PRODUCT, "__syncthreads();  // this stage", "// this stage",
        "race|unfinished|uninit"),
    "matmul: no wait for copies": Bug(
        MATMUL, PRODUCT, "    copy_wait<T::stages - 2>();\n", "", "unfinished cp.async"),
    "matmul: waits for a stage too few": Bug(
        MATMUL, PRODUCT, "copy_wait<T::stages - 2>()", "copy_wait<T::stages - 1>()",
        "unfinished cp.async"),
    "matmul: no barrier before the sums are kept": Bug(
        MATMUL, PRODUCT, "__syncthreads();  // nobody", "// nobody", "race|unfinished"),
    "matmul: the last copies are still under way": Bug(
        MATMUL, PRODUCT, "  copy_wait<0>();\n", "", "race|unfinished|result"),
    "matmul: no barrier behind the sums": Bug(
        MATMUL, PRODUCT, "  __syncthreads();\n", "", "race|uninit", "sums.keep("),
    "matmul: fills the stage that is read": Bug(
        MATMUL, PRODUCT, "    filled = taken;\n", "", "race|unfinished|result"),
    "matmul: a stage too far": Bug(
        MATMUL, PRODUCT, "taken == (T::stages - 1) *", "taken == T::stages *",
        "uninit|unfinished|out of bounds"),
    "matmul: the last 16 columns of a stage are left out": Bug(
        MATMUL, PRODUCT, "k16 < panel_columns / 16; ++k16", "k16 < panel_columns / 16 - 1; ++k16",
        "result"),
    "matmul: columns twice": Bug(
        MATMUL, PRODUCT, "two[k16 % 2]", "two[(k16 + 1) % 2]", "result"),
    "matmul: the wrong half of A": Bug(
        MATMUL, TILES, "lane % 16, piece = lane / 16;\n    return row *",
        "lane % 16, piece = 1 - lane / 16;\n    return row *", "result"),
    "matmul: tiles of B swapped": Bug(
        MATMUL, TILES, "f.b[j / 2][j % 2 * 2], f", "f.b[j / 2][j % 2], f", "result"),
    "matmul: B moves down like rows": Bug(
        MATMUL, TILES, "      b.move_right();\n", "      b.move_down();\n", "result"),
    "matmul: B by rows moves right": Bug(
        ROWS, TILES, "      b.move_down();\n", "      b.move_right();\n", "result"),
    "matmul: B by rows not transposed": Bug(
        ROWS, TILES, "load_matrices_transposed(b[j]", "load_matrices(b[j]", "result"),
    "matmul: the second panel of B": Bug(
        ROWS, TILES, "panel = first / panel_columns * panel_columns", "panel = 0", "result"),
    "matmul: rows of a tile 8 too high": Bug(
        MATMUL, TILES, "+ i % 2 * 8, right", "+ 8 - i % 2 * 8, right", "result"),
    "matmul: kept sums in the same banks": Bug(
        MATMUL, TILES, "result_part<rows, columns, 8, threads>",
        "result_part<rows, columns, 0, threads>", "conflicts"),
    "matmul: rows in the same banks": Bug(MATMUL, PANEL, "row & 7;", "row & 3;", "conflicts"),
    "matmul: pieces not turned": Bug(MATMUL, PANEL, "row & 7;", "0;", "conflicts"),
    "copies: rows beyond the last": Bug(
        MATMUL, PANEL, "i * at_once < rows_left ? numbers : 0", "numbers", "out of bounds"),
    "copies: columns beyond the last": Bug(
        MATMUL, PANEL, "max(0, min(8, columns_left - j * panel_columns))",
        "columns_left > j * panel_columns ? 8 : 0", "out of bounds|result"),
    "copies: a negative count": Bug(
        MATMUL, PANEL, "max(0, min(8, columns_left - j * panel_columns))",
        "min(8, columns_left - j * panel_columns)", "out of bounds|result"),
    "copies: rows that are not aligned by 16 bytes": Bug(
        ANY, PANEL, "if (aligned) {", "if (true) {", "misaligned"),
    "copies: a number too many": Bug(
        ANY, PANEL, "if (i < count) words", "if (i <= count) words", "out of bounds|result"),
    "copies: halves swapped": Bug(
        ANY, PANEL, "<< i % 2 * 16;\n  return {", "<< (1 - i % 2) * 16;\n  return {", "result"),
    "result: rows beyond the last": Bug(
        MATMUL, RESULT, "    if (m >= to.M) return;\n", "", "out of bounds|race of blocks|result"),
    "result: columns beyond the last": Bug(
        MATMUL, RESULT, "to.by_four() && n + 4 <= to.N", "to.by_four()",
        "out of bounds|race of blocks|result"),
    "result: four at once in any row": Bug(
        ANY, RESULT, "return row_numbers % 4 == 0 && ", "return ", "misaligned"),
    "result: 16-bit columns swapped": Bug(
        CONVERT, RESULT, "v[2], v[3])}", "v[3], v[2])}", "result"),
    "warpgroups: no barrier in the main loop": Bug(
        WARPS, HOPPER, "__syncthreads();  // this stage", "// this stage",
        "race|unfinished|uninit"),
    "warpgroups: waits for a stage too few": Bug(
        WARPS, HOPPER, "copy_wait<1>()", "copy_wait<2>()", "unfinished cp.async"),
    "warpgroups: fills a stage that is multiplied": Bug(
        WARPS, HOPPER, "(round + 2) % 4", "(round + 3) % 4", "race|unfinished|result"),
    "warpgroups: the last products are not waited for": Bug(
        WARPS, HOPPER, "  products.template wait<0>(sums.at[0]);\n", "", "result"),
    "warpgroups: waits for products a round too late": Bug(
        WARPS, HOPPER, "wait<1>(sums", "wait<2>(sums", "race|unfinished|result"),
    "warpgroups: rows of the other": Bug(
        WARPS, HOPPER, "threadIdx.x / 128 * 64", "threadIdx.x / 128 * 32", "result"),
    "warpgroups: the same columns again": Bug(
        WARPS, HOPPER, "T::a_bytes + k16 * 32", "T::a_bytes + k16 / 2 * 32", "result"),
    "warpgroups: columns of A in the wrong order": Bug(
        WARPS, HOPPER, "group_rows + k16 * 32", "group_rows + (3 - k16) * 32", "result"),
    "w2a16: no barrier in the main loop": Bug(
        W2A16, TERNARY, "__syncthreads();  // this stage", "// this stage",
        "race|unfinished|uninit"),
    "w2a16: waits for a stage too few": Bug(
        W2A16, TERNARY, "copy_wait<T::stages - 2>()", "copy_wait<T::stages - 1>()",
        "unfinished cp.async"),
    "w2a16: copies into the stage that is read": Bug(
        W2A16, TERNARY, "(s + T::stages - 1) % T::stages", "s", "race|unfinished"),
    "w2a16: no barrier before the sums are kept": Bug(
        W2A16, TERNARY, "__syncthreads();  // nobody", "// nobody", "race|unfinished"),
    "w2a16: x does not move": Bug(
        W2A16, TERNARY, "      copy.move_right();\n", "", "result"),
    "w2a16: the wrong piece": Bug(
        W2A16, TERNARY, "(t / 2 ^ turned", "(t % 2 ^ turned", "result"),
    "w2a16: another turn than the copies'": Bug(
        W2A16, TERNARY, "t / 2 ^ turned_by_pair::turn", "t / 2 ^ turned_by_row::turn", "result"),
    "w2a16: rows in the same banks": Bug(W2A16, PANEL, "(row & 3) * 2;", "(row & 1) * 2;",
                                         "conflicts"),
    "w2a16: scales of other rows": Bug(
        W2A16, TERNARY, "scales[n / 16]", "scales[n / 32]", "result"),
    "w2a16: the halves of 32 columns swapped": Bug(
        W2A16, PARTS, "(x ^ (j % 2 * 64 + 32))", "(x ^ j % 2 * 64)", "result"),
    "w2a16: the wrong bytes": Bug(W2A16, PARTS, "0x3120", "0x3210", "result"),
    "w2a16: a code above the mantissa": Bug(
        W2A16, PARTS, "at_once = E::mantissa / 2;", "at_once = E::mantissa / 2 + 1;",
        "result|exact_fma_2"),
    "w2a16: the wrong addend": Bug(
        W2A16, PARTS, "| 1u << p)", "| 2u << p)", "result|exact_fma_2"),
    "w2a16: the wrong factor": Bug(
        W2A16, PARTS, "(E::bias - p) << E::mantissa)", "(E::bias - p + 1) << E::mantissa)",
        "result|exact_fma_2"),
    "w2a16: kept sums in the same banks": Bug(
        W2A16, PARTS, "gap = 4;", "gap = 0;", "conflicts"),
    "convert: one number too many": Bug(
        CONVERT, "convert.cu", "i < count; ++i", "i <= count; ++i", "out of bounds"),
    "convert: four beyond the last": Bug(
        CONVERT, "convert.cu", "if (at + 4 <= count) load_4", "if (at < count) load_4",
        "out of bounds"),
    "convert: the end is left out": Bug(
        CONVERT, "convert.cu", "u32 i = at; i < count", "u32 i = at + 1; i < count", "result"),
    "convert: rounds towards zero": Bug(
        CONVERT, "device/ptx_math.cuh", "rest + 0xfffu + (rest >> 13 & 1)", "rest", "result"),
    "convert: half rounds up": Bug(
        CONVERT, "device/ptx_math.cuh", "rest + 0xfffu + (rest >> 13 & 1)", "rest + 0x1000u",
        "result"),
    "convert: subnormal numbers are lost": Bug(
        CONVERT, "device/ptx_math.cuh", "rest < 0x38800000u) {", "rest < 0x38800000u) {\n"
        "    if (rest < 0x38000000u) return {static_cast<u16>(sign)};", "result"),
}  # fmt: skip

# By default every fourth: each is compiled on its own.
CHOSEN = list(BUGS) if ALL else list(BUGS)[::4]


def convert(kernel, built, schedule):
    numbers = np.arange(1, 1 << 14, 7, dtype=np.uint16).view(np.float16).astype(np.float32)
    x = ((numbers[1:].astype(np.float64) + numbers[:-1]) / 2).astype(np.float32)
    x = np.concatenate([x, -numbers])
    y = unset(len(x), np.float16)
    trace = launch(kernel, geometry(kernel, 1, len(x), 1), [x, y, len(x)], schedule=schedule,
                   trace=True, of=built)  # fmt: skip
    return y, x.astype(np.float16), trace


def launched(name, built, schedule):
    """The kernel over a matrix that ends within a tile, a stage and 16 bytes."""
    kernel, rng = find(name), np.random.default_rng(3)
    options = {"schedule": schedule, "of": built, "trace": True}
    if name == CONVERT:
        return convert(kernel, built, schedule)
    if name == W2A16:
        weights = rng.integers(-1, 2, (41, 803)).astype(np.int8)
        x = rng.standard_normal((19, 803)).astype(np.float16)
        scales = np.linspace(0.5, 2, 3, dtype=np.float32)
        return w2a16(kernel, weights, x, scales, gap=5, **options)
    if name == WARPS:
        a, b = (rng.standard_normal((r, 323)).astype(np.float16) for r in (70, 42))
        return matmul(kernel, a, b, gaps=(5, 5, 2), **options)
    n, k = (136, 203) if name == ROWS else (42, 331)
    a, b = (rng.standard_normal((r, k)).astype(DTYPES["f16"]) for r in (70, n))
    gaps = {MATMUL: (5, 5, 2), ANY: (0, 1, 1), ROWS: (5, 0, 0)}[name]
    return matmul(kernel, a, b, gaps=gaps, **options)


def found_in(name, built, schedule):
    """What says that the kernel is wrong: a kind of fault, "result", or "" where nothing does."""
    try:
        y, expected, trace = launched(name, built, schedule)
    except EmulationError as error:
        return str(error).partition(": ")[2]
    except AssertionError:
        return "result"
    if not same_bits(y, expected):
        return "result"
    return "conflicts" if any(each.conflicts > 1.1 for each in trace.accesses()) else ""


@pytest.mark.parametrize("name", CHOSEN)
def test_a_bug_is_caught(name, tmp_path):
    bug = BUGS[name]
    built = sown(bug, tmp_path)
    for schedule in SCHEDULES:
        found = found_in(bug.kernel, built, schedule)
        assert any(kind in found for kind in bug.caught.split("|")), (schedule, found)


def test_without_a_bug_nothing_is_found():
    for name in (MATMUL, ANY, ROWS, WARPS, W2A16, CONVERT):
        assert found_in(name, program(family(find(name).family)), "in_order") == ""
