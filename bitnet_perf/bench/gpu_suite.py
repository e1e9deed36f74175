"""The GPU cases as a pyperf program; without a GPU it measures nothing and says so."""

from __future__ import annotations

import functools
from argparse import Namespace
from collections.abc import Callable
from typing import Any

import pyperf

from bitnet_perf import _native
from bitnet_perf.bench.cases import matches
from bitnet_perf.bench.gpu_cases import GpuCase, gpu_cases, named
from bitnet_perf.bench.gpu_measure import ready
from bitnet_perf.bench.gpu_timing import replayer, singles
from bitnet_perf.cache import NAMED_IN
from bitnet_perf.errors import ConfigError
from bitnet_perf.kernels.cuda.device import NONE, available
from bitnet_perf.kernels.cuda.launch import on_device

__all__ = ["run_gpu_suite"]

NOTHING = 6  # measured: the exit code
MODES = ("graph", "flushed", "host")  # as `gpu_timing` has them; all but the first end the name
# pyperf empties the environment of its workers.
KEPT = (*NAMED_IN, "CUDA_VISIBLE_DEVICES", "CUDA_PATH", "LD_LIBRARY_PATH", "HOME")


def run_gpu_suite() -> None:
    """Run the GPU cases as a pyperf program, with pyperf's command line.

    Beside pyperf's own options: `--cases GLOBS` (separated by commas), `--quick` (the short list).
    `--modes MODES` (graph, flushed, host). A value is the time of one launch as `gpu_timing` has
    it, in a graph by default, and only of a case whose result is right. Without a GPU it ends with
    exit code 6.
    """
    runner = pyperf.Runner(add_cmdline_args=_pass_on)
    parser = runner.argparser
    parser.add_argument("--cases", default="", help="globs, separated by commas, from any segment")
    parser.add_argument("--modes", default=MODES[0], help=f"some of {', '.join(MODES)}")
    parser.add_argument("--quick", action="store_true", help="the short list alone")
    args = runner.parse_args()
    there, reason = available()
    try:
        chosen, modes = _chosen(args), _modes(args)
    except ConfigError as error:
        parser.error(str(error))
    if not there:
        parser.exit(NOTHING, f"skipped ({NONE}): {reason}\n")
    args.inherit_environ = [*(args.inherit_environ or ()), *KEPT]
    for case in chosen:
        for mode in modes:
            name = case.name if mode == MODES[0] else f"{case.name}/{mode}"
            runner.bench_time_func(name, _seconds, case.name, mode, metadata=_metadata(case))


def _chosen(args: Namespace) -> tuple[GpuCase, ...]:
    cases = gpu_cases(args.quick)
    globs = [glob for glob in args.cases.split(",") if glob]
    for glob in globs:
        if not any(matches(case.name, glob) for case in cases):
            raise ConfigError(f"cases: {glob!r} matches no GPU case")
    return tuple(c for c in cases if not globs or any(matches(c.name, glob) for glob in globs))


def _modes(args: Namespace) -> tuple[str, ...]:
    modes = tuple(mode for mode in args.modes.split(",") if mode)
    if not modes or set(modes) - set(MODES):
        raise ConfigError(f"modes: found {args.modes!r}, accepted are {', '.join(MODES)}")
    return modes


def _seconds(loops: int, name: str, mode: str) -> float:
    return _timer(name, mode)(loops)


@functools.cache
def _timer(name: str, mode: str) -> Callable[[int], float]:
    """Checked and captured once in the worker that times it."""
    case = named(name)
    bounds, _ = ready(case, on_device())
    calls = [bound.launch for bound in bounds]
    return replayer(calls, name) if mode == MODES[0] else singles(calls, mode, name)


def _pass_on(command: list[str], args: Namespace) -> None:
    command += ["--cases", args.cases, "--modes", args.modes, *(["--quick"] if args.quick else [])]


def _metadata(case: GpuCase) -> dict[str, Any]:
    return {"bytes": case.bytes, "ops": case.ops, "packed": case.packed,
            "bitnet_perf_version": _native.__version__}  # fmt: skip
