"""The results of a first run, made up."""

from __future__ import annotations

from bitnet_perf.analyze.accuracy import Accuracy
from bitnet_perf.analyze.roofline import place
from bitnet_perf.bench.ceilings import Ceilings, MacLimit, ReadLimit
from bitnet_perf.bench.fingerprint import fingerprint
from bitnet_perf.bench.results import BenchRow
from bitnet_perf.report.build import RunResults, Speedup, StageTime

CASE = "forward/gemv/i2_s/2560x2560/t1"


def ceilings() -> Ceilings:
    read = ReadLimit(
        level="memory",
        bytes=1 << 30,
        threads=1,
        pattern="plain",
        gb_per_s=20.0,
        spread=1.0,
        patterns={"plain": 20.0},
    )
    mac = MacLimit(isa="x86_avx2", threads=1, gop_per_s=320.0, spread=3.0)
    return Ceilings(host=fingerprint(), reads=(read,), macs=(mac,))


def first_results() -> RunResults:
    """One case, one layer, one quantizer."""
    row = BenchRow(
        case=CASE,
        isa="x86_avx2",
        median=1e-4,
        spread=1e-5,
        values=10,
        processes=2,
        bytes=1_651_200,
        ops=13_107_200,
        footprint=1_651_200,
        threads=1,
    )
    where = place(
        CASE, "x86_avx2", row.median, (row.bytes, row.ops), read=("memory", 20.0), mac=320.0
    )
    return RunResults(
        run="abc",
        date="2026-01-01",
        commit="c0ffee",
        ceilings=ceilings(),
        rows=(row,),
        places=(where,),
        stages=(StageTime("Model Load", None, "no model given"), StageTime("Forward Pass", 0.25)),
        kernels=(("gemv/i2_s/x86_avx2", 0.25, 7),),
        speedups=(Speedup(CASE, "x86_avx2", 41.5, 40.0, 43.0, 11),),
        accuracy={"I2S": Accuracy(34.04, 0.9, 0.01, 1024, "Gaussian, seed 1")},
        recorded={
            "cases": 249,
            "runs": 687,
            "equal": 570,
            "classified": {"ties": 117},
            "unexplained": [],
        },
    )
