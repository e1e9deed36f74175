"""The report of a GPU: every check and every figure of one run, as JSON and as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydantic import BaseModel, ConfigDict

from bitnet_perf.bench.gpu_computed import BF16, COPY, LAUNCH, ComputedRow
from bitnet_perf.bench.gpu_rows import FP32, GpuCeilings, GpuModelRow, GpuRow
from bitnet_perf.kernels.cuda.device import NONE
from bitnet_perf.report import evidence
from bitnet_perf.report.document import Words, text_of
from bitnet_perf.report.escape import plain
from bitnet_perf.report.evidence import Measured
from bitnet_perf.report.figures import Source

__all__ = ["JSON", "GpuCheck", "GpuReport", "gpu_words", "markdown"]

JSON = "gpu-report.json"
SHOWN = 20  # faults in the text


class GpuCheck(BaseModel):
    """One check. `place`: machine code, CPU (the emulator) or GPU; `fault`: what is wrong, empty
    where nothing is; `detail`: what was found or compared."""

    model_config = ConfigDict(frozen=True)

    place: str
    name: str
    fault: str
    detail: str


class GpuReport(BaseModel):
    """Everything one run of `gpu-report` checked and measured.

    skipped: why nothing ran on a GPU, empty where it did. unchecked: parts that could not be
    checked here, with the reason. left_out: what the time did not reach, or a low clock made
    worthless. computed: targets without a device.
    """

    model_config = ConfigDict(frozen=True)

    version: int = 1
    run: str
    date: str
    tool: str
    seconds: float
    device: str
    driver: str
    nvrtc: str
    clocks: str
    skipped: str
    checks: tuple[GpuCheck, ...]
    unchecked: tuple[str, ...]
    ceilings: GpuCeilings | None
    rows: tuple[GpuRow, ...]
    model: GpuModelRow | None = None
    left_out: tuple[str, ...]
    computed: tuple[ComputedRow, ...] = ()

    @property
    def verdict(self) -> str:
        """`fail` where any check found a fault, `skipped` where no GPU was measured, `incomplete`
        where something asked for was left out."""
        if any(check.fault for check in self.checks):
            return "fail"
        if not self.rows:
            return "skipped"
        return "incomplete" if self.left_out else "pass"

    @property
    def exit_code(self) -> int:
        """0 pass, 1 fail, 6 nothing or not everything was measured."""
        return {"pass": 0, "fail": 1, "incomplete": 6, "skipped": 6}[self.verdict]

    @property
    def evidence(self) -> str:
        """The line of mixed precision."""
        row = next((r for r in self.rows if "/mixed_matmul/f16/4096x" in r.case), None)
        why = self.skipped and NONE
        return text_of(gpu_words(row, why or "not measured", self.run, JSON))

    @property
    def gate(self) -> str:
        """The line of the gate where there is no GPU, else nothing: what this measures is for
        people, and `gate` judges the CPU."""
        return text_of(evidence.gate_line("skipped", NONE)) if self.skipped else ""

    def to_dict(self) -> dict[str, object]:
        """Plain JSON values."""
        return {
            **self.model_dump(mode="json", exclude={"rows"}),
            "verdict": self.verdict,
            "evidence": self.evidence,
            "gate": self.gate,
            "rows": [row.to_dict() for row in self.rows],
        }


def gpu_words(row: GpuRow | None, why: str, run: str, file: str) -> Words:
    """The evidence line of mixed precision from the row that shows it; else why there is none."""
    if row is None:
        return evidence.skipped_line("gpu", why)
    if FP32 not in row.peers:
        return evidence.skipped_line("gpu", "FP32 was not measured")
    found = Measured(row.speedup(FP32), row.samples, run, Source(file, row.case))
    return evidence.gpu_line(found, precision="FP16", run=run)


def markdown(report: GpuReport) -> str:
    """The report for people."""
    state = report.verdict + (f" ({NONE})" if report.verdict == "skipped" else "")
    lines = [
        f"# GPU report: {state}",
        "",
        "```text",
        report.evidence,
        *filter(None, [report.gate]),
        "```",
        "",
    ]
    lines += [f"Run `{report.run}`, {report.date}, bitnet_perf {report.tool}, "
              f"{report.seconds:.0f} s.", ""]  # fmt: skip
    if report.skipped:
        lines += [f"Nothing ran on a GPU: {plain(report.skipped)}. What this host can check "
                  "without one is below; no time is stated.", ""]  # fmt: skip
    else:
        lines += [f"{report.device}, driver for CUDA {report.driver}. Clocks: {report.clocks}.", ""]
    lines += _checks(report)
    if report.computed:
        lines += _computed(report.computed)
    if report.model is not None:
        lines += _model(report.model)
    if report.rows:
        lines += _figures(report)
    if report.left_out:
        lines += ["## Left out", "", *(f"- {plain(each)}" for each in report.left_out), ""]
    return "\n".join(lines).rstrip() + "\n"


def _checks(report: GpuReport) -> list[str]:
    places = dict.fromkeys(check.place for check in report.checks)
    counts = []
    for place in places:
        of = [check for check in report.checks if check.place == place]
        wrong = sum(bool(check.fault) for check in of)
        counts.append((place, str(len(of)), str(wrong)))
    lines = ["## Checks", "", *_table(("where", "checks", "faults"), counts), ""]
    lines += [f"- Not checked: {plain(each)}" for each in report.unchecked]
    faults = [f"{check.place}: {plain(check.fault)}" for check in report.checks if check.fault]
    lines += [f"- {fault}" for fault in faults[:SHOWN]]
    if len(faults) > SHOWN:
        lines.append(f"- and {len(faults) - SHOWN} more, in `{JSON}`")
    code = [check for check in report.checks if check.place == "machine code"]
    table = _table(("kernel", "machine code"), [(check.name, check.detail) for check in code])
    return [*lines, "", *(table if code else []), ""]


def _model(row: GpuModelRow) -> list[str]:
    gb = row.bytes / row.seconds / 1e9
    parts = sorted(row.operations.items(), key=lambda each: -each[1])
    return [
        "## Decoding a model", "",
        f"{row.model}: {row.tokens_per_second:.0f} tokens/s on the device ({1e6 * row.seconds:.1f} "
        f"us a token, quartiles {1e6 * row.low:.1f} to {1e6 * row.high:.1f}, {row.samples} replays "
        f"of a graph of {row.launches} launches, {gb:.0f} GB/s of weights), "
        f"{row.host_tokens_per_second:.0f} tokens/s with sampling on the host, prompt "
        f"{row.prefill_tokens_per_second:.0f} tokens/s. Logits of {row.checked} positions beside "
        f"the CPU's engine: NMSE {row.median:.1e} (median), {row.worst:.1e} (worst).", "",
        "Launches of an operation in all layers as a graph of their own:", "",
        *_table(("operation", "us"), [(name, f"{1e6 * s:.1f}") for name, s in parts]), "",
    ]  # fmt: skip


def _computed(rows: Iterable[ComputedRow]) -> list[str]:
    """Targets as computed."""
    columns = ("computed", "floor", "issue", "instructions for 16 weights", "launches", "all",
               "share", "target", "")  # fmt: skip
    told = [
        (row.what, f"{1e6 * row.floor:.2f}", "" if row.issue is None else f"{1e6 * row.issue:.2f}",
         "" if row.instructions is None else f"{row.instructions:.1f}", str(row.launches),
         f"{1e6 * row.computed:.2f}", row.share, row.target, row.verdict)
        for row in rows
    ]  # fmt: skip
    return [
        "## Computed, not measured", "",
        f"For an H200, in microseconds of its stated limits: {COPY / 1e12:.1f} TB/s copied, "
        f"{BF16 / 1e12:.0f} TFLOP/s of bf16 and twice that of int8, {1e6 * LAUNCH:.1f} a launch of "
        "a graph, four instructions of a warp a cycle and multiprocessor.", "",
        *_table(columns, told), "",
    ]  # fmt: skip


def _figures(report: GpuReport) -> list[str]:
    limits = report.ceilings
    lines = ["## Figures", ""]
    if limits is not None:
        dense = limits.bf16_tflop_per_s
        told = f"{dense:.0f} TFLOP/s" if dense else f"not measured ({limits.why})"
        lines += [f"Measured limits: copy {limits.copy_gb_per_s:.0f} GB/s; bf16 product of cuBLAS, "
                  f"4096 cubed, {told}; a launch that does nothing, as a node of a graph, "
                  f"{1e6 * limits.launch:.2f}.", ""]  # fmt: skip
    lines += [
        "Microseconds of one launch, medians: graph replay over buffers of at least five times the "
        "L2 (*: smaller), quartiles beside it; one launch behind a flush of the L2; a call from "
        "Python until it is done. Peers in the same run. Every result was compared first.",
        "",
    ]
    columns = ("case", "us", "quartiles", "flushed", "host", "packed GB/s", "GB/s", "% copy",
               "% of floor + launch", "TOP/s", "% bf16", "peers (us, ratio)", "MHz")  # fmt: skip
    lines += [*_table(columns, [_row(row, limits) for row in report.rows]), ""]
    return lines


def _row(row: GpuRow, limits: GpuCeilings | None) -> tuple[str, ...]:
    copy = limits.copy_gb_per_s if limits else None
    dense = limits.bf16_tflop_per_s if limits else None
    peers = [f"{name} {1e6 * s:.1f} ({row.speedup(name):.2f}x)" for name, s in row.peers.items()]
    peers += [f"{name}: {why}" for name, why in row.absent.items()]
    return (
        row.case, f"{1e6 * row.seconds:.2f}" + ("" if row.cold else "*"),
        f"{1e6 * row.low:.2f} to {1e6 * row.high:.2f}", f"{1e6 * row.flushed:.2f}",
        f"{1e6 * row.host:.1f}", f"{row.packed_gb_per_s:.0f}" if row.packed else "",
        f"{row.gb_per_s:.0f}", f"{100 * row.gb_per_s / copy:.0f}" if copy else "",
        f"{100 * row.of_floor(limits):.0f}" if limits else "",
        f"{row.top_per_s:.1f}" if row.ops else "",
        f"{100 * row.top_per_s / dense:.0f}" if dense and row.ops else "",
        ", ".join(peers), f"{row.clock}/{row.default}" if row.clock else "unknown",
    )  # fmt: skip


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [columns, ["---"] * len(columns), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
