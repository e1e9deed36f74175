"""What is measured on a GPU: cases with their input, their independent result and their work.

A case runs wherever a `Runner` does: on a device, where it is timed once it is right, and on the
emulator, where it is only checked. Names are identities: stage/family/format/shape/threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from bitnet_perf.bench import gpu_codec_cases, gpu_layer_cases
from bitnet_perf.bench.gpu_case import Arrays, Expected, GpuCase
from bitnet_perf.errors import ConfigError
from bitnet_perf.kernels.activations import quantize_activations
from bitnet_perf.kernels.cuda import frag16x32
from bitnet_perf.kernels.cuda.catalog import KERNELS
from bitnet_perf.kernels.cuda.launch import host_dtype
from bitnet_perf.kernels.cuda.plans import dense, w2a8
from bitnet_perf.kernels.cuda.plans.plan import DTYPES, Array, Machine, Plan

__all__ = ["FAMILIES", "Expected", "GpuCase", "checked_rows", "dense_case", "gpu_cases",
           "mixed_case", "named", "small_cases"]  # fmt: skip

# Families beside products and conversions -> their cases; the tests want one for each family of the
# catalog, here or in the plans of the others.
FAMILIES: Mapping[str, Callable[[bool], Iterable[GpuCase]]] = {
    **gpu_codec_cases.FAMILIES,
    **gpu_layer_cases.FAMILIES,
}

# The matrices of a 2B4T layer, N x K: q|k|v, o, gate and up, gate|up, down; and one that no L2
# holds.
LAYERS = ((2560, 2560), (3840, 2560), (6912, 2560), (13824, 2560), (2560, 6912))
LARGE = (65536, 4096)  # 64 MiB of packed weights
TOKENS = (16, 128, 512, 2048)
OWN = ""  # tensor cores
CUBE = 4096  # where tensor cores, and not launches, are what is measured
SIDES = (64, 128, 256)  # of the cubes of mixed_precision_bench of BitNet.rs
I2S_SIDES = (64, 128, 256, 512, 1024, 2048)  # of its I2S benches
COUNTS = (1024, 4096, 16384, 1 << 24)  # of conversions: those of BitNet.rs, and a bandwidth
CHECKED_WORK = 1 << 31  # multiply-adds of a check; of larger cases some rows are checked


def ternary_case(M: int, N: int, K: int, x: str = "bf16") -> GpuCase:
    """y = x @ W.T as `bp.gpu.matmul` does it: quantization and product, y of the type of x."""
    family = "cuda_gemv" if M <= w2a8.GEMV_TOKENS else "cuda_gemm"
    shape = f"{N}x{K}" if M == 1 else f"{M}x{N}x{K}"
    packed = 4 * int(np.prod(frag16x32.shape_of(N, K)))
    size = host_dtype(DTYPES[x]).itemsize

    def inputs() -> Arrays:
        rng = np.random.default_rng([M, N, K])
        ternary = rng.integers(-1, 2, (N, K), np.int8)
        scales = rng.random(-(-N // frag16x32.ROWS), np.float32) + np.float32(0.5)
        values = rng.standard_normal((M, K), np.float32).astype(host_dtype(DTYPES[x]))
        return {"x": values, "weights": frag16x32.pack(ternary), "scales": scales}

    def expected(given: Arrays) -> tuple[Expected, ...]:
        rows = checked_rows(M, N * K)
        q = quantize_activations(given["x"][rows].astype(np.float32))
        # Exact: every sum is far below 2^53.
        ternary = frag16x32.unpack(given["weights"], (N, K)).astype(np.float64)
        sums = q.values.astype(np.float64) @ ternary.T
        row_scales = np.repeat(given["scales"], frag16x32.ROWS)[:N]
        y = sums.astype(np.float32) / q.scale[:, None] * row_scales
        return (Expected("y", rows, y.astype(given["x"].dtype).astype(np.float64)),)

    return GpuCase(
        f"forward/{family}/frag16x32.{x}/{shape}/t1",
        lambda machine: w2a8.matmul((M, N, K), x, x, machine), inputs,
        {"y": Array((M, N), DTYPES[x])}, expected,
        packed + M * (N + K) * size, 2 * M * N * K, packed, (M, N, K),
        (x,) if x != "f32" else (),
    )  # fmt: skip


def dense_case(
    who: str, shape: tuple[int, int, int], x: str, peers: tuple[str, ...] = ()
) -> GpuCase:
    """y = x @ w.T in float32 of dense operands, by the naive kernel or on tensor cores; `who`
    stands for it in the name. The plan of a peer that is called otherwise is never used."""
    M, N, K = shape
    dtype = host_dtype(DTYPES[x])

    def inputs() -> Arrays:
        rng = np.random.default_rng([M, N, K, dtype.itemsize])
        return {
            "x": rng.standard_normal((M, K), np.float32).astype(dtype),
            "w": rng.standard_normal((N, K), np.float32).astype(dtype),
        }

    def plan(machine: Machine) -> Plan:
        if who == OWN:
            return dense.matmul(shape, x, "f32", machine)
        return dense.naive(shape, x)

    return GpuCase(
        f"forward/mixed_matmul/{x if who == OWN else f'{who}.{x}'}/{M}x{N}x{K}/t1",
        plan, inputs, {"y": Array((M, N), "float32")},
        lambda given: (dense_expected(given, "y"),),
        (M * K + N * K) * dtype.itemsize + 4 * M * N, 2 * M * N * K, 0, shape, peers,
    )  # fmt: skip


def float_case(M: int, N: int, K: int, x: str) -> GpuCase:
    """y = x @ W.T of ternary weights and activations that stay as they are, y float32."""
    like = ternary_case(M, N, K, x)

    def expected(given: Arrays) -> tuple[Expected, ...]:
        rows = checked_rows(M, N * K)
        ternary = frag16x32.unpack(given["weights"], (N, K)).astype(np.float64)
        scales = np.repeat(given["scales"], frag16x32.ROWS)[:N].astype(np.float64)
        left = given["x"][rows].astype(np.float64)
        values = left @ ternary.T * scales
        # |error of a sum| <= K 2^-23 sum |x w|, then one rounding by the scale.
        sums = np.abs(left) @ np.abs(ternary).T * scales
        return (Expected("y", rows, values, K * 2.0**-23 * sums + 2.0**-23 * np.abs(values)),)

    return replace(
        like, name=like.name.replace(f"/frag16x32.{x}/", f"/frag16x32.{x}.float/"),
        plan=lambda machine: dense.matmul_ternary((M, N, K), x, "f32", machine),
        results={"y": Array((M, N), "float32")}, expected=expected,
        bytes=like.bytes + M * N * (4 - host_dtype(DTYPES[x]).itemsize),
    )  # fmt: skip


def convert_case(count: int, x: str, y: str) -> GpuCase:
    """`count` numbers in another type, half to even."""
    types = host_dtype(DTYPES[x]), host_dtype(DTYPES[y])

    def inputs() -> Arrays:
        rng = np.random.default_rng([count])
        return {"x": (100 * rng.standard_normal(count, np.float32)).astype(types[0])}

    def expected(given: Arrays) -> tuple[Expected, ...]:
        right = given["x"].astype(types[1]).astype(np.float64)
        return (Expected("y", np.arange(count), right),)

    return GpuCase(
        f"forward/mixed_convert/{y if x == 'f32' else f'{x}.f32'}/{count}/t1",
        lambda _: dense.convert(count, x, y), inputs, {"y": Array((count,), DTYPES[y])},
        expected, count * (types[0].itemsize + types[1].itemsize), count,
    )  # fmt: skip


def dense_expected(given: Arrays, name: str, rounding: float = 0.0) -> Expected:
    """Rows of x @ w.T in float64. A float32 sum of K products in any order is off by at most
    K 2^-23 times the sum of their magnitudes, since tensor cores truncate; `rounding` of the
    result to its type comes on top, relative."""
    x, w = given["x"], given["w"]
    rows = checked_rows(len(x), w.size)
    left, right = x[rows].astype(np.float64), w.astype(np.float64)
    values = left @ right.T
    off = x.shape[1] * 2.0**-23 * (np.abs(left) @ np.abs(right).T) + rounding * np.abs(values)
    return Expected(name, rows, values, off)


def checked_rows(M: int, each: int) -> np.ndarray[Any, Any]:
    """All rows, or as many as a check may work on, first and last among them."""
    count = int(max(2, min(M, CHECKED_WORK // each)))
    return np.unique(np.linspace(0, M - 1, min(count, M)).astype(np.int64))


def _one_token() -> Iterable[GpuCase]:
    for N, K in (*LAYERS, LARGE):
        yield ternary_case(1, N, K)


def _tokens() -> Iterable[GpuCase]:
    for N, K in LAYERS:
        for M in (2, *TOKENS):
            yield ternary_case(M, N, K)
        yield float_case(128, N, K, "bf16")
    for side in I2S_SIDES:
        yield ternary_case(side, side, side, "f16")


def mixed_case() -> GpuCase | None:
    """The case whose ratio to float32 is the speed-up of mixed precision; None without kernels."""
    name = f"/mixed_matmul/f16/{CUBE}x{CUBE}x{CUBE}/"
    return next((case for case in _cubes() if name in case.name), None)


def _cubes() -> Iterable[GpuCase]:
    """BitNet.rs's mixed precision: cubes in float32, which no tensor core takes, and in 16 bits."""
    own = [x for x, family in dense.FAMILIES.items() if any(k.family == family for k in KERNELS)]
    for side in (*SIDES, CUBE):
        for x in own:
            yield dense_case(OWN, (side, side, side), x, (x, "f32"))
    for side in SIDES:
        yield dense_case("naive", (side, side, side), "f32", ("f32",))


def _conversions(counts: Iterable[int]) -> Iterable[GpuCase]:
    for count in counts:
        for x in dense.FAMILIES:
            yield convert_case(count, "f32", x)
            yield convert_case(count, x, "f32")


def gpu_cases(quick: bool = False) -> tuple[GpuCase, ...]:
    """All cases, or the short list that stands first: products of one token, and cubes."""
    rest = () if quick else (*_tokens(), *_others(small=False), *_conversions(COUNTS))
    return (*_one_token(), *_cubes(), *rest)


def _others(*, small: bool) -> Iterable[GpuCase]:
    """Those of FAMILIES that this build has."""
    known = {kernel.family for kernel in KERNELS}
    for family, make in FAMILIES.items():
        if family in known:
            yield from make(small)


def small_cases() -> tuple[GpuCase, ...]:
    """Cases of every family, of a size for the emulator."""
    products = [ternary_case(M, 40, 300, x) for M in (1, 2, 5) for x in DTYPES]
    cubes = [_ragged(case) for case in _cubes() if case.shape[0] == SIDES[0]]
    floats = [float_case(M, 40, 300, x) for M, x in ((1, "f16"), (9, "bf16"))]
    few = (*_conversions((1001,)), *_others(small=True))
    return (*products, *cubes, *(_on_warpgroups(x) for x in dense.FAMILIES), *floats, *few)


def _on_warpgroups(x: str) -> GpuCase:
    """A ragged product by the kernel of Hopper, which a large one has there."""
    shape = (130, 264, 72)
    case = dense_case(OWN, shape, x)
    (kernel,) = (k for k in KERNELS if k.family == f"{dense.FAMILIES[x]}{dense.HOPPER}")
    return replace(case, plan=lambda _: dense.product_with(kernel, shape, (72, 72), "f32"))


def _ragged(case: GpuCase) -> GpuCase:
    """The same dense product of few and ragged rows and columns."""
    form = case.name.split("/")[2]
    who, _, x = form.rpartition(".")
    return dense_case(who or OWN, (9, 35, 72), x)


def named(name: str) -> GpuCase:
    """The case of this name; ConfigError where there is none."""
    for case in gpu_cases():
        if case.name == name:
            return case
    raise ConfigError(f"case: found {name!r}, accepted are the cases of bench/bench_gpu.py")
