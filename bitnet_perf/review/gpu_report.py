"""Every check and figure of the CUDA kernels in one act: machine code, execution on the CPU, and on
a GPU where there is one."""

from __future__ import annotations

import datetime
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from bitnet_perf import _native
from bitnet_perf.bench.gpu_cases import GpuCase, gpu_cases, small_cases
from bitnet_perf.bench.gpu_computed import computed_rows
from bitnet_perf.bench.gpu_measure import check_case
from bitnet_perf.bench.gpu_model import check_model, measure_model, model_sizes
from bitnet_perf.bench.gpu_rows import GpuCeilings, GpuModelRow, GpuRow
from bitnet_perf.bench.gpu_session import GpuSession, gpu_session
from bitnet_perf.bench.gpu_timing import SlowClock
from bitnet_perf.errors import BitnetPerfError, EnvironmentRefused
from bitnet_perf.kernels.cuda import nvrtc, sass
from bitnet_perf.kernels.cuda.catalog import KERNELS, expressions
from bitnet_perf.kernels.cuda.device import NONE, ContextLost, available, gpu
from bitnet_perf.kernels.cuda.inspection import Inspection, faults, inspect
from bitnet_perf.kernels.cuda.launch import Emulated
from bitnet_perf.kernels.cuda.plans.plan import H200
from bitnet_perf.kernels.cuda.toolchain import choose_architecture, compile_file, sources
from bitnet_perf.report.gpu import GpuCheck, GpuReport

__all__ = ["SECONDS", "gpu_report"]

SECONDS = 540.0  # of a whole report; a case that has begun is ended
SCHEDULES = ("in_order", "greedy_reversed")  # two unlike ones; the tests run all
MODEL = "model decode"
TINY, SMALL, LARGE = "tiny", "small", "2b4t"  # of the emulator, of a quick report, of a whole one
TARGET = "sm_90a"  # what the targets are about

Progress = Callable[[float, str], None]


def gpu_report(
    *,
    quick: bool = False,
    every_architecture: bool = False,
    seconds: float = SECONDS,
    on_progress: Progress | None = None,
) -> GpuReport:
    """Check everything that can be checked here, and measure every case where there is a GPU.

    Args:
        quick: the short list of cases.
        every_architecture: machine code for all that NVRTC compiles for, not only for the GPU of
            this host and the one of the targets.
        seconds: after which no case is begun.

    What only a GPU can do comes first, so that it is what the time is spent on. A fault is a check
    of the report, not an error; a lost context ends the measuring.
    """
    say = on_progress or (lambda _share, _what: None)
    begin = time.monotonic()
    until = begin + seconds
    checks: list[GpuCheck] = []
    there, reason = available()
    rows: list[GpuRow] = []
    left, unchecked = list[str](), list[str]()
    ceilings, model, clocks, card = None, None, "", None
    if not there:
        unchecked.append(f"{MODEL} on a GPU: skipped ({NONE})")
    else:
        session = gpu_session()
        clocks, card = session.clocks.source, session.runner.number
        ceilings = _ceilings(session, checks, say)
        if time.monotonic() > until:
            left.append(f"{MODEL}, {SMALL if quick else LARGE}")
        else:
            model = _model(session, SMALL if quick else LARGE, (checks, left), say)
        _measure(session, gpu_cases(quick), until, (checks, rows, left), say)
    # Where it was measured, there is no time to spare for what another host can check as well.
    rest = until if there else None
    checks += _machine_code(every_architecture, card, rest, (unchecked, left), say)
    checks += _on_cpu(rest, (unchecked, left), say)
    computed = computed_rows(model_sizes(LARGE))
    found = gpu()
    return GpuReport(
        run=uuid.uuid4().hex[:12],
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        tool=_native.__version__,
        seconds=time.monotonic() - begin,
        device=found.devices[card or 0].name if found.devices else "",
        driver=found.driver,
        nvrtc="" if nvrtc.why_not() else nvrtc.nvrtc().version,
        clocks=clocks,
        skipped=reason,
        checks=tuple(checks),
        unchecked=tuple(unchecked),
        ceilings=ceilings,
        model=model,
        rows=tuple(rows),
        left_out=tuple(left),
        computed=computed,
    )


def _machine_code(
    every: bool,
    card: int | None,
    until: float | None,
    into: tuple[list[str], list[str]],
    say: Progress,
) -> Iterator[GpuCheck]:
    """Every kernel compiled and disassembled. card: the GPU that was measured; into: what cannot be
    checked here, and what the time does not reach."""
    missing = nvrtc.why_not() or sass.why_not()
    unchecked, left = into
    if missing:
        unchecked.append(f"machine code: {missing}")
        return
    wanted = nvrtc.nvrtc().architectures if every else _architectures(card)
    files = list(dict.fromkeys(kernel.file for kernel in KERNELS))
    for architecture in wanted:
        for file in files:
            if until is not None and time.monotonic() > until:
                left.append(f"machine code: {file} for {architecture}")
                continue
            say(0.9, f"machine code: {file} for {architecture}")
            yield from _inspected(file, architecture)


def _architectures(card: int | None) -> tuple[str, ...]:
    """That of the GPU that was measured, and that of the targets."""
    known = nvrtc.nvrtc().architectures
    found = [TARGET] if TARGET in known else []
    if card is not None:
        found.append(choose_architecture(gpu().devices[card].capability, known))
    return tuple(dict.fromkeys(found))


def _inspected(file: str, architecture: str) -> Iterator[GpuCheck]:
    kernels = [k for k in KERNELS if k.file == file and architecture in k.architectures]
    if not kernels:
        return
    try:
        cubin = compile_file(sources() / file, expressions(file, architecture), architecture)
        functions = sass.disassemble(cubin.path)
    except BitnetPerfError as error:
        yield GpuCheck(place="machine code", name=f"{file} for {architecture}", fault=str(error),
                       detail="")  # fmt: skip
        return
    for kernel in kernels:
        found = inspect(kernel, cubin, functions)
        yield GpuCheck(
            place="machine code",
            name=f"{kernel.name} for {architecture}",
            fault="; ".join(faults(kernel, found)),
            detail=_told(found),
        )


def _told(found: Inspection) -> str:
    words = [f"{found.usage.registers} registers", f"{found.usage.spill_stores} bytes spilled"]
    if found.per_word:
        words.append(f"{found.per_word:.1f} instructions for 16 weights")
    return ", ".join(words)


def _on_cpu(
    until: float | None, into: tuple[list[str], list[str]], say: Progress
) -> Iterable[GpuCheck]:
    """Every family on the emulator, under two schedules, against independent results."""
    checks: list[GpuCheck] = []
    unchecked, left = into
    for case in small_cases():
        for schedule in SCHEDULES:
            name = f"{case.name}, {schedule}"
            if until is not None and time.monotonic() > until:
                left.append(f"on the CPU: {name}")
                continue
            say(0.95, f"on the CPU: {case.name}")
            try:
                check = _checked("CPU", name, case, Emulated(H200, schedule))
            except EnvironmentRefused as error:
                unchecked.append(f"execution on the CPU: {error}")
                return checks
            checks.append(check)
    if until is not None and time.monotonic() > until:
        left.append(f"on the CPU: {MODEL}, {TINY}")
        return checks
    say(0.99, f"on the CPU: {MODEL}")
    try:
        checks.append(_model_on_cpu())
    except EnvironmentRefused as error:
        unchecked.append(f"{MODEL} on the CPU: {error}")
    return checks


def _model_on_cpu() -> GpuCheck:
    """A whole model on the emulator beside the CPU's engine."""
    name = f"{MODEL}, {TINY}"
    with tempfile.TemporaryDirectory(prefix="bitnet_perf.") as folder:
        try:
            found = check_model(TINY, Emulated(), Path(folder))
        except EnvironmentRefused:
            raise
        except BitnetPerfError as error:
            return GpuCheck(place="CPU", name=name, fault=str(error), detail="")
    return GpuCheck(place="CPU", name=name, fault="", detail=_near(found.rows, found.worst))


def _near(rows: int, worst: float) -> str:
    return f"logits of {rows} positions compared, NMSE at most {worst:.1e}"


def _model(
    session: GpuSession, shape: str, into: tuple[list[GpuCheck], list[str]], say: Progress
) -> GpuModelRow | None:
    """Decoding of a model, where its logits are right."""
    say(0.1, f"{MODEL}: {shape}")
    checks, left = into
    name = f"{MODEL}, {shape}"
    try:
        row = measure_model(shape, session.runner, session.clocks)
    except SlowClock as error:
        left.append(str(error))
        return None
    except Exception as error:  # of CuPy too; the cases still count
        said = str(error) if isinstance(error, BitnetPerfError) else repr(error)
        checks.append(GpuCheck(place="GPU", name=name, fault=said, detail=""))
        return None
    checks.append(GpuCheck(place="GPU", name=name, fault="", detail=_near(row.checked, row.worst)))
    return row


def _checked(place: str, name: str, case: GpuCase, runner: Emulated) -> GpuCheck:
    try:
        compared = check_case(case, runner)
    except EnvironmentRefused:
        raise
    except BitnetPerfError as error:
        return GpuCheck(place=place, name=name, fault=str(error), detail="")
    return GpuCheck(place=place, name=name, fault="", detail=f"{compared} values compared")


def _ceilings(session: GpuSession, checks: list[GpuCheck], say: Progress) -> GpuCeilings | None:
    say(0.0, "limits of the GPU")
    try:
        return session.ceilings()
    except Exception as error:
        said = str(error) if isinstance(error, BitnetPerfError) else repr(error)
        checks.append(GpuCheck(place="GPU", name="limits", fault=said, detail=""))
        return None


def _measure(
    session: GpuSession,
    cases: tuple[GpuCase, ...],
    until: float,
    into: tuple[list[GpuCheck], list[GpuRow], list[str]],
    say: Progress,
) -> None:
    """Measure the cases one by one, as far as the time goes and the context lives."""
    checks, rows, left = into
    for number, case in enumerate(cases):
        if time.monotonic() > until:
            left += [each.name for each in cases[number:]]
            return
        say(0.2 + 0.7 * number / len(cases), case.name)
        try:
            row = session.measure(case)
        except ContextLost as error:
            checks.append(GpuCheck(place="GPU", name=case.name, fault=str(error), detail=""))
            left += [each.name for each in cases[number + 1 :]]
            return
        except SlowClock as error:  # the result was right
            left.append(str(error))
            continue
        except Exception as error:  # of CuPy too; the other cases still count
            said = str(error) if isinstance(error, BitnetPerfError) else repr(error)
            checks.append(GpuCheck(place="GPU", name=case.name, fault=said, detail=""))
            continue
        rows.append(row)
        checks.append(
            GpuCheck(place="GPU", name=case.name, fault="", detail=f"{row.checked} values compared")
        )
