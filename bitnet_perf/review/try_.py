"""One candidate kernel tried: checked, compared with the best there is, placed under the limits of
this host, its instructions counted, and what the evidence says to try next."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bitnet_perf import _bench
from bitnet_perf.analyze.counts import Difference, annotate, compare_counts, lines
from bitnet_perf.analyze.paired.comparison import Row
from bitnet_perf.analyze.roofline import Place
from bitnet_perf.bench.candidate_check import Checked, shape_numbers
from bitnet_perf.bench.candidates import case_name, compile_candidate, split_family
from bitnet_perf.bench.ceilings import measure_ceilings
from bitnet_perf.bench.counters import Subject, Unavailable, count_both
from bitnet_perf.bench.paired.sides import CandidateWrong, Side, own_environment
from bitnet_perf.errors import BitnetPerfError, ConfigError, MeasurementError
from bitnet_perf.kernels.tunables import as_text, tuned_values
from bitnet_perf.review.compare import Comparison, compare
from bitnet_perf.review.roofline import ROUNDS, place_case

__all__ = ["Trial", "advice", "try_candidate"]

NEAR = 0.9  # of a limit: little is left to gain
PROBED = 256 << 20  # bytes walked for the limit of memory
FEWER = 0.02  # fewer instructions by more than this part is worth a word

NOT_COUNTED = Unavailable("not counted")
INTERRUPTED = "interrupted"

Places = tuple[Place, Place]  # base, candidate


@dataclass(frozen=True)
class Trial:
    """What is known of a candidate. `comparison` is None where the check found a fault; `places`
    are base and candidate under the limits, or the reason why there are none. What Ctrl-C has cut
    short or left out is "interrupted"."""

    source: str
    case: str
    checked: Checked
    comparison: Comparison | None = None
    places: Places | str = "not measured"
    counts: Difference | Unavailable = NOT_COUNTED

    @property
    def verdict(self) -> str:
        """`wrong`, or the verdict of the comparison with the base."""
        return "wrong" if self.comparison is None else self.comparison.verdict

    @property
    def exit_code(self) -> int:
        """1 for a wrong candidate, else that of the comparison."""
        return 1 if self.comparison is None else self.comparison.exit_code

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended the trial: before its last step, the places, was done."""
        return self.places == INTERRUPTED

    @property
    def next_steps(self) -> tuple[str, ...]:
        """What the evidence says to try next."""
        if self.comparison is None:
            return ("make it right first: " + self.checked.reason,)
        return advice(self.comparison.rows()[0], self.places, self.counts)

    @property
    def count_lines(self) -> tuple[str, ...]:
        """Instruction counts in words."""
        return lines(self.counts, annotate(self.counts, self.verdict))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        placed = self.places
        return {
            "source": self.source,
            "case": self.case,
            "verdict": self.verdict,
            "check": self.checked.to_dict(),
            "comparison": None if self.comparison is None else self.comparison.to_dict(),
            "places": placed if isinstance(placed, str) else [each.to_dict() for each in placed],
            "counts": asdict(self.counts),
            "next": list(self.next_steps),
        }


def try_candidate(
    source: str | os.PathLike[str],
    family: str,
    shape: str,
    *,
    threads: int = 1,
    against: str = "",
    pairs: int | None = None,
    time_budget: float | None = None,
    seed: int | None = None,
    on_progress: Callable[[float, str], None] | None = None,
) -> Trial:
    """Try the candidate kernel in `source` (.c, .cpp, .so, .py) for `family` ("gemv_i2_s").

    `shape` is NxK, or MxNxK for gemm; `against` the instruction set of the base, the best one of
    this build where it is "". A fault that the check finds is a Trial without a comparison. Raises
    ConfigError for a family, shape or file that is none, EnvironmentRefused where what is needed to
    build it is missing, MeasurementError where its worker fails while it is timed. Ctrl-C once
    timing has begun gives what is known by then.
    """
    say = on_progress or (lambda _share, _what: None)
    path = Path(source).absolute()
    if not shape_numbers(split_family(family)[0], shape):
        raise ConfigError("shape: found '', accepted is NxK, MxNxK for gemm")
    case = case_name(family, shape, threads)
    isa = _bench.work(case, against).isa
    try:
        found = compare(
            Side.isa(isa),
            Side.source(path),
            [case],
            pairs=pairs,
            time_budget=time_budget,
            seed=seed,
            counts="off",
            on_progress=say,
        )
    except CandidateWrong as wrong:
        return Trial(str(path), case, wrong.checked)
    entry = next(each for each in found.raw.cases() if each["name"] == case)
    if "error" in entry:
        raise MeasurementError(f"{path.name}: {case}: {entry['error']}")
    ((_, checks),) = found.raw.meta["checks"].items()
    checked = Checked(**checks[family])
    if path.suffix == ".py" or found.interrupted:
        why = INTERRUPTED if found.interrupted else "calls from Python have no place and no count"
        return Trial(str(path), case, checked, found, why, Unavailable(why))
    places: Places | str = INTERRUPTED
    counts: Difference | Unavailable = Unavailable(INTERRUPTED)
    with suppress(KeyboardInterrupt):
        library = compile_candidate(path)
        say(1.0, "instructions")
        own = own_environment()
        tuned = as_text(tuned_values())
        subjects = (
            Subject(own, isa, None, tuned), Subject(own, "candidate", library, tuned),
        )  # fmt: skip
        counts = compare_counts(*count_both(*subjects, case))
        say(1.0, "limits of this host")
        places = _places(library, case, isa)
    return Trial(str(path), case, checked, found, places, counts)


def _places(library: Path, case: str, isa: str) -> Places | str:
    """Base and candidate under the limits, in a process of its own that may end in any way."""
    context = multiprocessing.get_context("spawn")
    try:
        tuned = (as_text(tuned_values()),)
        with ProcessPoolExecutor(1, context, _bench.set_tunables, tuned) as process:
            return process.submit(_place_both, str(library), case, isa).result()
    except BrokenProcessPool:
        return "the process that places it died"
    except BitnetPerfError as error:
        return str(error)


def _place_both(library: str, case: str, isa: str) -> Places:
    threads = int(case.rpartition("/t")[2])
    limits = measure_ceilings(threads, rounds=ROUNDS, memory=PROBED)
    _bench.load_candidate(library)
    base = place_case(case, isa, threads, limits, ROUNDS)
    best = _bench.work(case).isa  # a candidate may use whatever this CPU has
    return base, place_case(case, "candidate", threads, limits, ROUNDS, peak_of=best)


def advice(row: Row, places: Places | str, counts: Difference | Unavailable) -> tuple[str, ...]:
    """What to try next, from the verdict, the place of the candidate and the counts alone."""
    said = []
    mine = None if isinstance(places, str) else places[1]
    if row.verdict == "inconclusive":
        said.append(f"the times do not decide ({row.reason}): quieten the host, or --pairs 40")
    if mine is not None and mine.part is not None:
        at = f"{100 * mine.part:.0f} %"
        if mine.part >= NEAR:
            said.append(f"at {at} of its limit little is left here: read fewer bytes, or fuse work")
        elif mine.bound == "memory":
            said.append(
                f"memory-bound at {at} of {mine.level} bandwidth: prefetch further ahead, read "
                "weights in one stream, try a layout of its own (_plan, _prepare)"
            )
        else:
            said.append(
                f"compute-bound at {at} of the peak: fewer instructions a weight (wider multiply-"
                "adds, more rows at once, unpacking shared between them)"
            )
    if isinstance(counts, Difference) and row.slowdown is not None:
        if counts.change < -FEWER and row.slowdown > 0:
            said.append(
                "fewer instructions, yet no faster: latency or memory decides; more independent "
                "accumulators, alignment, prefetch"
            )
        elif counts.change > FEWER and row.slowdown < 0:
            said.append("faster with more instructions: taking some away may gain more")
    if row.verdict == "improved":
        said.append(f"it is faster: try other shapes and --threads 2 before it replaces {row.case}")
    return tuple(said)
