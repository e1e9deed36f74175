"""One run over everything this host can measure without a baseline: what `bitnet-perf run` does."""

from __future__ import annotations

import datetime
import statistics
import subprocess
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from bitnet_perf import _bench
from bitnet_perf.analyze.accuracy import Accuracy, accuracy_of
from bitnet_perf.analyze.assessment import QUANTIZERS
from bitnet_perf.analyze.roofline import check_places
from bitnet_perf.bench.ceilings import measure_ceilings, sampler
from bitnet_perf.bench.gpu_session import mixed_precision
from bitnet_perf.bench.runner import QUICK_OPTIONS, run_suites
from bitnet_perf.errors import ConfigError
from bitnet_perf.kernels.blocks import dequantize_blocks, quantize_blocks
from bitnet_perf.peers.bitnet_rs.native import native_table
from bitnet_perf.peers.bitnet_rs.recorded import check_recorded
from bitnet_perf.report.build import RunResults, Speedup, StageTime
from bitnet_perf.review.crates import golden_folder
from bitnet_perf.review.roofline import place_rows
from bitnet_perf.review.surveys.speed import VECTOR_CASES
from bitnet_perf.stages import profile, run_layer

__all__ = ["measure_accuracy", "measure_speedups", "survey"]

Progress = Callable[[float, str], None]

SPEEDUP_ROUNDS = 11
SPEEDUP_SAMPLE = 0.001
LAYER_REPEATS = 5

VALUES = 1 << 20
SIGMA = 0.02
SEED = 20


def survey(*, pyperf_json: Path | None = None, on_progress: Progress) -> RunResults:
    """Check, measure, place and profile everything once; the results of one run, named anew.

    `pyperf_json` receives the plain pyperf file of the bench part. Raises MeasurementError for a
    wrong result or a kernel above a limit; Ctrl-C leaves no process and no half-written file.
    """
    on_progress(0.0, "recorded outputs of the crates")
    try:
        recorded = check_recorded(golden_folder(), native_table()).to_dict()
    except ConfigError:
        recorded = {}  # an installed wheel has no recorded outputs; the report then says nothing
    ceilings = measure_ceilings(rounds=15, on_progress=lambda what: on_progress(0.05, what))
    rows = run_suites(
        quick=True,
        options=QUICK_OPTIONS,
        output=pyperf_json,
        on_progress=lambda at: on_progress(0.2 + 0.6 * at.done / at.total, at.case),
    )
    places = place_rows(rows, ceilings)
    check_places(places)
    on_progress(0.8, "vector variants against scalar")
    speedups = measure_speedups(VECTOR_CASES)
    on_progress(0.9, "accuracy of the quantizers")
    accuracy = measure_accuracy()
    on_progress(0.95, "profile of a layer")
    stages, kernels = _profile_layer()
    mixed = mixed_precision()
    on_progress(1.0, "report")
    return RunResults(
        run=uuid.uuid4().hex[:12],
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        commit=_commit(),
        ceilings=ceilings,
        rows=rows,
        places=places,
        stages=stages,
        kernels=kernels,
        speedups=speedups,
        accuracy=accuracy,
        recorded=recorded,
        gpu=mixed.why,
        mixed=mixed.row,
    )


def measure_speedups(cases: Iterable[str]) -> tuple[Speedup, ...]:
    """The chosen variant of every case against scalar, samples in turns (ABBA); medians of ratios.

    A case whose chosen variant is scalar has no speed-up and is left out.
    """
    found = []
    for case in cases:
        isa = _bench.work(case).isa
        if isa == "scalar":
            continue
        fast, slow = sampler(case, SPEEDUP_SAMPLE, isa), sampler(case, SPEEDUP_SAMPLE, "scalar")
        ratios = []
        for _ in range(SPEEDUP_ROUNDS):
            first, between, again, last = fast(), slow(), slow(), fast()
            ratios.append((between.seconds + again.seconds) / (first.seconds + last.seconds))
        low, _, high = statistics.quantiles(ratios, n=4)
        found.append(Speedup(case, isa, statistics.median(ratios), low, high, len(ratios)))
    return tuple(found)


def measure_accuracy() -> dict[str, Accuracy]:
    """Error of the crates' three quantizers on Gaussian data, like that of trained weights."""
    rng = np.random.default_rng(SEED)
    x = rng.normal(0.0, SIGMA, VALUES).astype(np.float32)
    distribution = f"Gaussian, standard deviation {SIGMA}, seed {SEED}"
    return {
        name: accuracy_of(x, dequantize_blocks(quantize_blocks(x, codec)), distribution)
        for name, codec in QUANTIZERS.items()
    }


def _profile_layer() -> tuple[tuple[StageTime, ...], tuple[tuple[str, float, int], ...]]:
    run_layer()  # caches, pages and threads as they are in a second step
    with profile() as recorded:
        for _ in range(LAYER_REPEATS):
            run_layer()
    stages = tuple(StageTime(row.stage, row.seconds, row.reason) for row in recorded.stages())
    kernels = tuple((row.name, row.seconds, row.calls) for row in recorded.kernels())
    return stages, kernels


def _commit() -> str | None:
    """The commit of the sources that are installed in place, or None outside a checkout."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip() or None
