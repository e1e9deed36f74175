"""Judged reviews of rows that are made up: for how they look, never for what they say."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import partial

from bitnet_perf.analyze.attribution import (
    Attribution,
    CaseAttribution,
    FileSuspect,
    Localized,
    TreeNode,
)
from bitnet_perf.analyze.efficiency import Gain, Placed, Ratio
from bitnet_perf.analyze.evidence import Evidence, RoundTrip, SideEvidence
from bitnet_perf.analyze.facts import Facts
from bitnet_perf.analyze.paired.comparison import Row, overall
from bitnet_perf.analyze.paired.rules import Rules
from bitnet_perf.analyze.roofline import place
from bitnet_perf.analyze.routing import decided, situation_of
from bitnet_perf.analyze.steps import steps
from bitnet_perf.analyze.suggestions import suggestions, watches
from bitnet_perf.analyze.targets import Target
from bitnet_perf.bench.ceilings import Ceilings, MacLimit, ReadLimit
from bitnet_perf.bench.fingerprint import fingerprint
from bitnet_perf.report.judged import Judged
from bitnet_perf.report.plots.trends import TrendLine
from bitnet_perf.report.traces import StackTime

ROW = partial(
    Row, mde=0.011, pairs=8, look=1, notes=(), bound="unknown", clock="cpu", wall=None, cpu=None,
    clocks=None, canaries=(),
)  # fmt: skip
# verdict, gate, slowdown
KINDS = (
    ("action", "fail", 0.124), ("concern", "fail", 0.071), ("inconclusive", "closed", 0.043),
    ("accepted", "note", 0.062), ("improved", "pass", -0.082), ("pass", "pass", 0.004),
    ("pass", "pass", -0.006), ("pass", "pass", 0.011),
)  # fmt: skip
CASES = (
    "forward/gemv/i2_s/2560x2560/t1", "forward/gemm/i2_s/16x2560x2560/t1",
    "forward/gemv/tl2/6912x2560/t1", "quantization/pack/i2_s/2560x2560/t1",
    "quantization/block_quantize/quant.i2s/65536/t1", "forward/gemv/tl1/2560x2560/t1",
    "generation/decode/i2_s/2b4t-n32/t2", "tokenization/encode/bpe/4096/t1",
)  # fmt: skip


def row(number: int, noise: random.Random) -> Row:
    """One of KINDS, with some noise."""
    verdict, gate, slowdown = KINDS[number % len(KINDS)]
    at = slowdown + noise.gauss(0, 0.002)
    half = 0.025 if verdict == "inconclusive" else 0.006 + abs(noise.gauss(0, 0.002))
    name = CASES[number % len(CASES)]
    name = name if number < len(CASES) else name.replace("/t1", f"-v{number}/t1")
    class_ = "core" if name.startswith(("forward", "generation")) else "other"
    reason = f"slowdown {at:.3f}, at least {at - half:.3f}"
    return ROW(
        case=name, verdict=verdict, gate=gate, slowdown=at, low=at - half, high=at + half,
        reason=reason, class_=class_,
    )  # fmt: skip


def judged(count: int = 12, **changes: object) -> Judged:
    """A review of `count` cases of all verdicts."""
    noise = random.Random(7)
    rows = tuple(row(n, noise) for n in range(count))
    verdict, code = overall(rows)
    situation = situation_of(rows, ("gemv/i2_s/x86_avx2", 0.83))
    values = {
        "run": "3f2a9c11d0be",
        "date": "2026-01-01",
        "sides": ("revision 4b1c22aa90ff", "revision 9e77d01c55aa"),
        "host": {"CPU": "Some CPU @ 2.80GHz", "ISAs": "x86_avx2, scalar", "CPUs": "2"},
        "rows": rows,
        "rules": Rules(),
        "exit_code": code,
        "verdict": verdict,
        "situation": situation,
        "decided": decided(situation),
        "digests": {"raw.npz": "0" * 64},
    }
    return Judged(**{**values, **changes})  # type: ignore[arg-type]


def node(change: float, base: float, *path: str) -> TreeNode:
    """A place with these seconds; its bounds are 0.2 ms or a tenth of the change away."""
    level = ("total", "stage", "operation", "kernel")[len(path)]
    half = max(2e-4, 0.1 * abs(change))
    return TreeNode(level, path, base, change, change - half, change + half, base / 0.042)


KERNEL = "gemv/i2_s/x86_avx2"
NODES = (
    node(3.1e-3, 42e-3),
    node(1e-5, 2e-3, "Model Load"),
    node(-3e-4, 5e-3, "Quantization"),
    node(3.3e-3, 30e-3, "Forward Pass"),
    node(2e-6, 1e-3, "Tokenization"),
    node(8.8e-5, 4e-3, "Generation"),
    node(-3e-4, 4.5e-3, "Quantization", "act_quant"),
    node(1.0e-3, 8e-3, "Forward Pass", "qkv"),
    node(1.6e-3, 11e-3, "Forward Pass", "gate_up"),
    node(7e-4, 6e-3, "Forward Pass", "down"),
    node(1e-5, 3e-3, "Forward Pass", "attention"),
    node(5e-5, 3e-3, "Generation", "sampling"),
    node(1.0e-3, 7.5e-3, "Forward Pass", "qkv", KERNEL),
    node(1.5e-3, 10e-3, "Forward Pass", "gate_up", KERNEL),
    node(6e-4, 5e-3, "Forward Pass", "down", KERNEL),
)
# kernel, operations per byte, Gop/s
PLACES = (
    ("gemv/i2_s", 7.9, 90.0), ("gemm/i2_s", 60.0, 180.0), ("gemv/tl2", 9.5, 70.0),
    ("pack/i2_s", 0.8, 3.0), ("block_quantize/quant.i2s", 1.2, 8.0),
)  # fmt: skip


def limits() -> Ceilings:
    """Limits of a host that is made up."""
    rates = {"L1": 180.0, "L2": 80.0, "L3": 40.0, "memory": 12.0}
    reads = tuple(
        ReadLimit(
            level=level, bytes=1 << 20, threads=1, pattern="plain", gb_per_s=rate, spread=1.0,
            patterns={"plain": rate},
        )
        for level, rate in rates.items()
    )  # fmt: skip
    macs = (
        MacLimit(isa="x86_avx2", threads=1, gop_per_s=320.0, spread=3.0),
        MacLimit(isa="scalar", threads=1, gop_per_s=6.0, spread=0.1),
    )
    return Ceilings(host=fingerprint(), reads=reads, macs=macs)


def places() -> tuple[Placed, ...]:
    """Three shapes of every kernel."""
    found = []
    for name, step, rate in PLACES:
        for number, more in enumerate((1.0, 1.08, 1.15)):
            work = (int(1e9 * rate * more / step), int(1e9 * rate * more))
            case = f"forward/{name}/{640 * (number + 1)}x2560/t1"
            at = place(case, "x86_avx2", 1.0, work, read=("L3", 40.0), mac=320.0)
            found.append(Placed(case, at, at))
    return tuple(found)


def trends(noise: random.Random) -> tuple[TrendLine, ...]:
    """Five cases over 24 commits; one becomes slower by 8 % at the sixteenth."""
    return tuple(
        TrendLine(
            f"forward/gemv/i2_s/{64 * n}x2560/t1",
            "second",
            tuple(f"{step:040x}" for step in range(24)),
            tuple(
                1e-4 * (1.08 if step > 14 and n == 1 else 1) * (1 + 0.01 * noise.random())
                for step in range(24)
            ),
            (15,) if n == 1 else (),
        )
        for n in range(1, 6)
    )


def stacks() -> tuple[StackTime, ...]:
    """The kernels of NODES in one case, and what is in no kernel."""
    case = "generation/decode/i2_s/2b4t-n32/t2"
    leaves = [n for n in NODES if len(n.path) == 3]
    return (
        StackTime(case, (), (0.02, 0.0201)),
        *(StackTime(case, n.path, (n.base, n.base + n.change)) for n in leaves),
    )


def evidence() -> Evidence:
    """What was measured beside: the limits, and accuracies."""
    trip = RoundTrip(format="quant.i2s", data="Gaussian", values=9, rms=1.0, error=0.2, cosine=0.9)
    sides = (SideEvidence(label=each, round_trips=(trip,)) for each in ("base", "candidate"))
    base, candidate = sides
    return Evidence(base=base, candidate=candidate, ceilings=limits())


def pictured(count: int = 12) -> Judged:
    """A review of `count` cases that has every picture, table and trace."""
    file = "csrc/kernels/gemv/i2_s/x86_avx2.cpp"
    path = ("Forward Pass", "gate_up", KERNEL)
    commits = ("9e77d01c55aa gemv: rows of any length",)
    found = judged(
        count,
        attribution=Attribution(
            cases=(CaseAttribution("generation/decode/i2_s/2b4t-n32/t2", NODES),),
            nodes=NODES,
            suspects=(FileSuspect(file, 0.93, 0.48, 1.0, path, commits),),
            localized=Localized("kernel", KERNEL, 0.94),
        ),
        evidence=evidence(),
        targets=(
            Target("inference throughput", "missed now",
                   "41.2 tokens/s at least, base 46.0 at least; asked are 45.",
                   46.0, 41.2, 45.0, "tokens/s", ("raw.npz: decode",)),
            Target("deterministic output", "met", "the same bits."),
            Target("linear memory scaling", "not measured", "Not measured: no model."),
        ),
        places=places(),
        gains=(Gain(CASES[0], "x86_avx2", 1, None, Ratio(41.5, 40, 43, 11)),),
        trends=trends(random.Random(3)),
        stacks=stacks(),
    )  # fmt: skip
    known = Facts(
        rows=found.rows,
        base="4b1c22aa90ff",
        candidate="9e77d01c55aa",
        localized=found.situation.localized,
        places=tuple(each.candidate for each in places() if each.candidate is not None),
    )
    return replace(
        found,
        suggestions=suggestions(known),
        watches=watches(found.rows, Rules()),
        steps=steps(found.situation, known, found.seconds, "c"),
    )
