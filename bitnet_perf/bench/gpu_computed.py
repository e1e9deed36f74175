"""Targets of an H200 as far as they can be computed without one: bytes, instructions and launches
over stated limits. Nothing here is a measurement.

floor      bytes over the rate of copies, or operations over that of the tensor cores
issue      warp instructions of the main loop over those that all multiprocessors begin in a second
computed   the larger of the two, and the launches
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from pydantic import BaseModel, ConfigDict

from bitnet_perf.bench.gpu_cases import CUBE, LARGE, LAYERS, ternary_case
from bitnet_perf.errors import BitnetPerfError
from bitnet_perf.kernels.cuda import nvrtc, sass
from bitnet_perf.kernels.cuda.catalog import CudaKernel, expressions
from bitnet_perf.kernels.cuda.inspection import inspect
from bitnet_perf.kernels.cuda.launch import host_dtype
from bitnet_perf.kernels.cuda.plans import step
from bitnet_perf.kernels.cuda.plans.plan import H200
from bitnet_perf.kernels.cuda.toolchain import compile_file, sources

__all__ = ["BF16", "COPY", "LAUNCH", "ComputedRow", "computed_rows"]

# Stated limits of an H200, of design and not of this run: bytes a second, operations a second of
# bf16 (twice that of int8), seconds of a node of a graph, cycles a second.
COPY, BF16, LAUNCH, CLOCK = 4.3e12, 790e12, 1.3e-6, 1.98e9
SCHEDULERS = 4  # of a multiprocessor: warp instructions of a cycle
WORD = 16  # weights
MODEL_TOKENS = 2000  # of a second


class ComputedRow(BaseModel):
    """One target. `instructions`: of the main loop for 16 weights, None where they were not
    counted; `share`: what the target is about, `verdict`: whether what is computed reaches it."""

    model_config = ConfigDict(frozen=True)

    what: str
    floor: float
    issue: float | None
    instructions: float | None
    launches: int
    computed: float
    share: str
    target: str
    verdict: str


def computed_rows(sizes: step.Sizes) -> tuple[ComputedRow, ...]:
    """All rows; `sizes`: of the model of the target."""
    return (*_gemvs(), *_gemms(), _cube(), _model(sizes))


def _gemvs() -> Iterator[ComputedRow]:
    for N, K in (*LAYERS, LARGE):
        case = ternary_case(1, N, K)
        launches = case.plan(H200).launches
        counted = _per_word(launches[0].kernel)
        floor = case.bytes / COPY
        issue = None if counted is None else _issue(N * K / WORD * counted)
        time = max(floor, issue or 0) + LAUNCH * len(launches)
        large = (N, K) == LARGE
        share = floor / time if large else (floor + LAUNCH * len(launches)) / time
        target = 0.85 if large else 0.8
        yield ComputedRow(
            what=f"gemv_w2a8 {N}x{K}, bf16", floor=floor, issue=issue, instructions=counted,
            launches=len(launches), computed=time,
            share=f"{share:.0%} of " + ("bandwidth" if large else "(floor + launch)"),
            target=f">= {target:.0%}", verdict=_verdict(share >= target, counted),
        )  # fmt: skip


def _gemms() -> Iterator[ComputedRow]:
    """A floor of ours beside a floor of cuBLAS: neither may be reached."""
    for N, K in LAYERS:
        for M in (512, 2048):
            case = ternary_case(M, N, K)
            launches = len(case.plan(H200).launches)
            floor = max(case.bytes / COPY, case.ops / (2 * BF16))
            dense = max(2 * (M * K + N * K + M * N) / COPY, case.ops / BF16)
            time = floor + LAUNCH * launches
            ratio = (dense + LAUNCH) / time
            yield ComputedRow(
                what=f"gemm_w2a8 {M}x{N}x{K}", floor=floor, issue=None, instructions=None,
                launches=launches, computed=time, share=f"{ratio:.2f}x the floor of bf16",
                target=">= 1.6x", verdict=_verdict(ratio >= 1.6, None),
            )  # fmt: skip


def _cube() -> ComputedRow:
    floor = 2 * CUBE**3 / BF16
    time = floor + LAUNCH
    return ComputedRow(
        what=f"matmul_fp16 {CUBE} cubed", floor=floor, issue=None, instructions=None, launches=1,
        computed=time, share=f"{floor / time:.0%} of cuBLAS's rate", target=">= 90%",
        verdict=_verdict(True, None),
    )  # fmt: skip


def _model(sizes: step.Sizes) -> ComputedRow:
    """The weights of a step once, and its launches."""
    arrays = step.weight_arrays(sizes)
    moved = sum(int(np.prod(a.shape)) * host_dtype(a.dtype).itemsize
                for name, a in arrays.items() if not name.startswith("all_"))  # fmt: skip
    launches = len(step.decode(sizes, 512, H200).plan.launches)
    floor = moved / COPY
    time = floor + LAUNCH * launches
    return ComputedRow(
        what="decode of 2B4T, one sequence", floor=floor, issue=None, instructions=None,
        launches=launches, computed=time, share=f"{1 / time:.0f} tokens/s",
        target=f">= {MODEL_TOKENS} tokens/s", verdict=_verdict(1 / time >= MODEL_TOKENS, None),
    )  # fmt: skip


def _verdict(reaches: bool, counted: float | None) -> str:
    words = "reaches" if reaches else "does not reach"
    return f"{words} (computed{'' if counted is not None else ', floor and launches alone'})"


def _issue(instructions: float) -> float:
    """Seconds in which so many instructions of threads begin, 32 of a warp at once."""
    return instructions / 32 / (SCHEDULERS * H200.multiprocessors * CLOCK)


def _per_word(kernel: CudaKernel) -> float | None:
    """Counted in its machine code; None without compiler or disassembler."""
    if nvrtc.why_not() or sass.why_not():
        return None
    wanted = expressions(kernel.file, H200.architecture)
    try:
        cubin = compile_file(sources() / kernel.file, wanted, H200.architecture)
        return inspect(kernel, cubin, sass.disassemble(cubin.path)).per_word or None
    except BitnetPerfError:  # a check of the report says so
        return None
