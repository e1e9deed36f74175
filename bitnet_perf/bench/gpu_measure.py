"""GPU cases checked, and timed once they are right, beside their peers in the same run."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np

from bitnet_perf.bench.gpu_case import Arrays, Expected, GpuCase
from bitnet_perf.bench.gpu_cases import checked_rows, dense_case
from bitnet_perf.bench.gpu_clocks import Clocks
from bitnet_perf.bench.gpu_codec_cases import unpacked_case
from bitnet_perf.bench.gpu_cublas import Cublas
from bitnet_perf.bench.gpu_layer_cases import EMPTY
from bitnet_perf.bench.gpu_rows import GpuCeilings, GpuRow
from bitnet_perf.bench.gpu_timing import Call, copies_for, time_calls
from bitnet_perf.errors import EnvironmentRefused, MeasurementError, ShapeError
from bitnet_perf.kernels.cuda.device import guarded
from bitnet_perf.kernels.cuda.launch import Bound, OnDevice, Runner, bind, poisoned
from bitnet_perf.kernels.cuda.plans import w2a8
from bitnet_perf.kernels.cuda.plans.plan import Array

__all__ = ["bound_sets", "check_case", "measure_case", "measure_gpu_ceilings", "ready"]

NAIVE_WORK = 1 << 31  # multiply-adds above which the naive kernel is not worth its time
COPIED = 1 << 30  # bytes of the copy ceiling
UNPACKED, UNPACKED_TOKENS = "cublas.int8", 512  # a peer from so many tokens on
SIDE = 4096  # of the cube of the arithmetic ceiling


def check_case(case: GpuCase, runner: Runner, given: Arrays | None = None) -> int:
    """Run the case once over poisoned results and compare; how many values were compared.

    Raises MeasurementError naming the first wrong value.
    """
    inputs = case.inputs() if given is None else given
    bound = _bound(case, runner, inputs)
    bound.launch()
    return _compare(case, runner, bound, inputs)


def _compare(case: GpuCase, runner: Runner, bound: Bound, inputs: Arrays) -> int:
    compared = 0
    for right in case.expected(inputs):
        found = _to_host(runner, bound.arrays[right.name])[right.rows].astype(np.float64)
        wrong = ~(np.abs(found - right.values) <= right.off)
        if wrong.any():
            at = tuple(int(i) for i in np.argwhere(wrong)[0])
            where = [int(right.rows[at[0]]), *at[1:]]
            raise MeasurementError(
                f"{case.name}: {right.name}{where}: found {found[at]}, expected "
                f"{right.values[at]}; {int(wrong.sum())} of {wrong.size} values are wrong, nothing "
                "was timed"
            )
        compared += wrong.size
    return compared


def ready(case: GpuCase, runner: OnDevice) -> tuple[list[Bound], int]:
    """Check the case, then bind it to so many sets of arrays that they fill the L2 five times; and
    how many values were compared."""
    inputs = case.inputs()
    checked = check_case(case, runner, inputs)
    return bound_sets(case, runner, inputs), checked


def bound_sets(case: GpuCase, runner: OnDevice, inputs: Arrays) -> list[Bound]:
    """The case over so many new sets of arrays that they fill the L2 five times."""
    return [_bound(case, runner, inputs) for _ in range(copies_for(case.bytes, runner.l2))]


def measure_case(case: GpuCase, runner: OnDevice, clocks: Clocks, cublas: Cublas | str) -> GpuRow:
    """Check the case, then time it and its peers. `cublas`: or why it is missing."""
    bounds, checked = ready(case, runner)
    found = time_calls([bound.launch for bound in bounds], case.bytes, clocks, case.name)
    kernels = tuple(launch.kernel.name for launch in bounds[0].plan.launches)
    del bounds
    peers, absent = _peers(case, runner, clocks, cublas)
    return GpuRow(
        case=case.name, kernels=kernels, checked=checked, bytes=case.bytes, packed=case.packed,
        ops=case.ops, peers=peers, absent=absent, **asdict(found),
    )  # fmt: skip


def measure_gpu_ceilings(runner: OnDevice, clocks: Clocks, cublas: Cublas | str) -> GpuCeilings:
    """Copy of 1 GiB, an empty launch, and a bf16 cube of cuBLAS over random data, timed as every
    case is."""
    cupy = runner.cupy
    with guarded("copy"):
        parts = [(cupy.zeros(COPIED // 4, "uint32"), cupy.zeros(COPIED // 4, "uint32"))]
    copy = time_calls([_copier(cupy, *part) for part in parts], 2 * COPIED, clocks, "copy")
    rate = 2 * COPIED / copy.seconds / 1e9
    empty = bind(EMPTY.plan(runner.machine), {}, runner).launch
    launch = time_calls([empty], 1, clocks, EMPTY.name).seconds
    if isinstance(cublas, str):
        return GpuCeilings(copy_gb_per_s=rate, bf16_tflop_per_s=None, why=cublas, launch=launch)
    seconds = _dense((SIDE, SIDE, SIDE), "bf16", runner, clocks, cublas)
    return GpuCeilings(
        copy_gb_per_s=rate, bf16_tflop_per_s=2 * SIDE**3 / seconds / 1e12, launch=launch
    )


def _copier(cupy: Any, source: Any, target: Any) -> Call:
    return lambda: cupy.copyto(target, source)


def _bound(case: GpuCase, runner: Runner, inputs: Arrays) -> Bound:
    """The case over arrays of its own, results poisoned."""
    arrays = {name: _put(runner, array) for name, array in inputs.items()}
    arrays |= {name: _put(runner, poisoned(kind)) for name, kind in case.results.items()}
    return bind(case.plan(runner.machine), arrays, runner)


def _put(runner: Runner, array: Any) -> Any:
    if not isinstance(runner, OnDevice):
        return array.copy()
    with guarded(f"an array of {array.dtype}{list(array.shape)}"):
        return runner.cupy.asarray(array)


def _to_host(runner: Runner, array: Any) -> Any:
    if not isinstance(runner, OnDevice):
        return array
    with guarded("results"):
        return runner.cupy.asnumpy(array)


def _peers(
    case: GpuCase, runner: OnDevice, clocks: Clocks, cublas: Cublas | str
) -> tuple[dict[str, float], dict[str, str]]:
    """Dense products of the same shape: by cuBLAS, and by the naive kernel where it ends soon."""
    peers: dict[str, float] = {}
    absent: dict[str, str] = {}
    for kind in case.peers:
        if isinstance(cublas, str):
            absent[f"cublas.{kind}"] = cublas
        else:
            peers[f"cublas.{kind}"] = _dense(case.shape, kind, runner, clocks, cublas)
        if case.ops // 2 <= NAIVE_WORK:
            peers[f"naive.{kind}"] = _dense(case.shape, kind, runner, clocks, None)
    if case.packed and case.shape[0] >= UNPACKED_TOKENS:
        try:
            if isinstance(cublas, str):
                raise EnvironmentRefused(cublas)
            peers[UNPACKED] = _unpacked(case.shape, runner, clocks, cublas)
        except (EnvironmentRefused, ShapeError) as error:
            absent[UNPACKED] = str(error)
    return peers, absent


def _unpacked(
    shape: tuple[int, int, int], runner: OnDevice, clocks: Clocks, cublas: Cublas
) -> float:
    """Seconds of the same sums by weights unpacked to int8, then cuBLAS, checked exactly; without
    the quantization before and the scales behind."""
    M, N, K = shape
    alone = unpacked_case((N, K))

    def inputs() -> Arrays:
        x = np.zeros((M, w2a8.padded(K)), np.int8)
        x[:, :K] = np.random.default_rng([M, N, K]).integers(-127, 128, (M, K), np.int8)
        return {"x": x, **alone.inputs()}

    def expected(given: Arrays) -> tuple[Expected, ...]:
        (w,) = alone.expected(given)
        rows = checked_rows(M, N * K)
        sums = given["x"][rows].astype(np.float64) @ w.values.astype(np.float64).T
        return (w, Expected("y", rows, sums))

    case = replace(
        alone, name=f"{UNPACKED} {M}x{N}x{K}", inputs=inputs, expected=expected,
        results={**alone.results, "y": Array((M, N), "int32")},
        bytes=alone.bytes + M * (w2a8.padded(K) + 4 * N),
    )  # fmt: skip
    given = case.inputs()
    bounds = bound_sets(case, runner, given)
    calls = [_unpacked_by(cublas, bound) for bound in bounds]
    with guarded(case.name):
        calls[0]()
    _compare(case, runner, bounds[0], given)
    return time_calls(calls, case.bytes, clocks, case.name).seconds


def _unpacked_by(cublas: Cublas, bound: Bound) -> Call:
    x, w, y = (bound.arrays[name] for name in ("x", "unpacked", "y"))

    def call() -> None:
        bound.launch()
        cublas.matmul_int8(x, w, y)

    return call


def _dense(
    shape: tuple[int, int, int], kind: str, runner: OnDevice, clocks: Clocks,
    cublas: Cublas | None,
) -> float:  # fmt: skip
    """Seconds of x @ w.T in `kind`, the result float32, checked against float64; naive without
    cuBLAS."""
    case = dense_case("naive" if cublas is None else "cublas", shape, kind)
    given = case.inputs()
    bounds = bound_sets(case, runner, given)
    calls = [bound.launch if cublas is None else _by(cublas, bound, kind) for bound in bounds]
    with guarded(case.name):
        calls[0]()
    _compare(case, runner, bounds[0], given)
    return time_calls(calls, case.bytes, clocks, case.name).seconds


def _by(cublas: Cublas, bound: Bound, kind: str) -> Call:
    x, w, y = (bound.arrays[name] for name in "xwy")
    return lambda: cublas.matmul(x, w, y, (kind, "f32"))
