"""Runs suites in child processes: progress, one merged pyperf file, nothing left behind."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pyperf

from bitnet_perf.bench.cases import Case, select
from bitnet_perf.bench.interrupts import interrupt_held
from bitnet_perf.bench.results import BenchRow, rows_of
from bitnet_perf.errors import ConfigError, MeasurementError
from bitnet_perf.files import write_atomic
from bitnet_perf.kernels.tunables import as_text, tuned_values

__all__ = ["QUICK_OPTIONS", "Progress", "run_suites"]

# pyperf's options of a quick run: processes, values a process, least seconds a value.
QUICK_OPTIONS = ("-p", "2", "-n", "5", "--min-time", "0.004")


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` cases are measured; `case` is the last of them."""

    done: int
    total: int
    case: str


def run_suites(
    globs: Iterable[str] = (),
    *,
    quick: bool = False,
    isa: str = "",
    threads: int = 1,
    options: Iterable[str] = (),
    output: str | os.PathLike[str] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> tuple[BenchRow, ...]:
    """Measure the cases that match `globs` (all without one) with pyperf; the rows, in order.

    `options` are options of pyperf, such as `-p 5`. `output` receives one plain pyperf file: whole,
    or not at all. Raises ConfigError for globs that
    match nothing, MeasurementError with pyperf's last words where a suite fails. Whatever ends this
    function, Ctrl-C included, ends every process it started.
    """
    globs = tuple(globs)
    if output is not None and Path(output).is_dir():
        raise ConfigError(f"output: {os.fspath(output)} is a folder, accepted is a file name")
    chosen = select(globs, quick=quick, threads=threads)
    suites = dict.fromkeys(case.suite for case in chosen)
    settings = [*options, "--isa", isa, "--threads", str(threads), *(["--quick"] if quick else [])]
    settings += ["--tuned", as_text(tuned_values())]
    measured: list[pyperf.Benchmark] = []
    with tempfile.TemporaryDirectory(prefix="bitnet-perf-") as folder:
        for suite in suites:
            file = Path(folder) / f"{suite}.json"
            names = [case.name for case in chosen if case.suite == suite]
            command = [
                sys.executable,
                "-m",
                "bitnet_perf.bench",
                suite,
                "-o",
                str(file),
                "--cases",
                ",".join(names),
                *settings,
            ]
            _run(command, names, _counter(chosen, len(measured), on_progress))
            measured += pyperf.BenchmarkSuite.load(str(file)).get_benchmarks()
    merged = pyperf.BenchmarkSuite(measured)
    if output is not None:
        text = io.StringIO()
        merged.dump(text)
        write_atomic(output, text.getvalue())
    return rows_of(merged, "this run")


def _counter(
    chosen: tuple[Case, ...], before: int, on_progress: Callable[[Progress], None] | None
) -> Callable[[int, str], None]:
    def count(done: int, case: str) -> None:
        if on_progress is not None:
            on_progress(Progress(before + done, len(chosen), case))

    return count


def _run(command: list[str], names: list[str], count: Callable[[int, str], None]) -> None:
    """Run one suite in a process group of its own, counting the cases it reports."""
    done = 0
    last: deque[str] = deque(maxlen=100)
    with (
        interrupt_held() as release,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as child,
    ):
        try:
            release()
            for line in child.stdout or ():
                last.append(line.strip())
                name = line.partition(": ")[0]
                if name in names:
                    done += 1
                    count(done, name)
            status = child.wait()
        except BaseException:
            _end_group(child)
            raise
    if status != 0:
        said = [line for line in last if line]
        named = [line.partition("bitnet_perf.errors.")[2] for line in said]
        why = next(filter(None, named), said[-1] if said else f"exit status {status}")
        raise MeasurementError(
            f"suite {command[3]!r} failed after {done} of {len(names)} cases: {why}"
        )


def _end_group(child: subprocess.Popen[str]) -> None:
    """End the group of `child`: its workers too, whatever state they are in."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
