"""pyperf programs: a suite of cases as a `pyperf.Runner`, one loop a benchmark."""

from __future__ import annotations

import functools
import sys
from argparse import Namespace
from typing import TYPE_CHECKING, Any

import pyperf

from bitnet_perf import _bench, _native
from bitnet_perf.bench.cases import select
from bitnet_perf.bench.inputs import inputs_of
from bitnet_perf.bench.paired.calls import ISA, calls_python, make_call
from bitnet_perf.bench.paired.worker import timed
from bitnet_perf.cache import NAMED_IN
from bitnet_perf.errors import ConfigError

if TYPE_CHECKING:
    from bitnet_perf.bench.paired.worker import Sampler

__all__ = ["run_suite"]

_UNSTATED = _bench.Work(0, 0, 0, 0, ISA)  # kernels state their work; Python runs many of them


def run_suite(name: str, program: tuple[str, ...] | None = None) -> None:
    """Run the cases of suite `name` as a pyperf program, with pyperf's command line.

    Beside pyperf's own options: `--cases GLOBS` (separated by commas), `--isa`, `--threads`,
    `--quick` (the quick cases alone), `--tuned` (tunables). `program` is how workers are started,
    where `sys.argv[0]` is no script. Each benchmark's metadata holds isa, bytes, ops, footprint,
    threads, cpu_features.
    """
    runner = pyperf.Runner(program_args=program, add_cmdline_args=_pass_on)
    parser = runner.argparser
    parser.add_argument("--cases", default="", help="globs, separated by commas, from any segment")
    parser.add_argument("--isa", default="", help="the instruction set (default: the best)")
    parser.add_argument("--threads", type=int, default=1, help="threads of every case")
    parser.add_argument("--tuned", default="", help="tunables: name=value,...")
    parser.add_argument("--quick", action="store_true", help="the quick cases alone")
    args = runner.parse_args()
    args.inherit_environ = [*(args.inherit_environ or ()), *NAMED_IN]
    try:
        _bench.set_tunables(args.tuned)
        chosen = select(
            filter(None, args.cases.split(",")), suite=name, quick=args.quick, threads=args.threads
        )
    except ConfigError as error:
        parser.error(str(error))
    for task, case in enumerate(chosen):
        runner.bench_time_func(
            case.name, _seconds, case.name, args.isa, metadata=_metadata(args, task, case.name)
        )


def _seconds(loops: int, case: str, isa: str) -> float:
    if calls_python(case):
        return _caller(case, isa)(loops)[0] / 1e9
    return _bench.loop(case, loops, isa).wall_ns / 1e9


@functools.cache
def _caller(case: str, isa: str) -> Sampler:
    """Times a case that calls Python as a worker of a comparison does."""
    threads = case.rpartition("/t")[2]
    return timed(
        make_call({"case": case, "isa": isa, "threads": threads, **inputs_of(case)}), int(threads)
    )


def _pass_on(command: list[str], args: Namespace) -> None:
    """pyperf empties the environment of its workers: choices travel as arguments."""
    command += ["--cases", args.cases, "--isa", args.isa, "--threads", str(args.threads)]
    command += ["--tuned", args.tuned]
    if args.quick:
        command.append("--quick")


def _metadata(args: Namespace, task: int, case: str) -> dict[str, Any]:
    """The metadata of a case, in the worker that runs it: elsewhere nothing is prepared."""
    if not args.worker or args.worker_task != task:
        return {}
    work = _UNSTATED if calls_python(case) else _bench.work(case, args.isa)
    return {
        **work._asdict(),
        "threads": args.threads,
        **({"tuned": args.tuned} if args.tuned else {}),
        "cpu_features": " ".join(isa[0] for isa in _native.isas() if isa[4]),
        "bitnet_perf_version": _native.__version__,
        "bitnet_perf_compiler": _native.compiler,
        "bitnet_perf_loop": _bench.VERSION,
    }


def main() -> None:
    """`python -m bitnet_perf.bench SUITE [pyperf options]`."""
    name = sys.argv.pop(1) if len(sys.argv) > 1 else ""
    run_suite(name, program=("-m", "bitnet_perf.bench", name))
