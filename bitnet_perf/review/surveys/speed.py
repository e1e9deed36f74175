"""Speed of both sides in turns: vector variants against scalar, and threads against one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bitnet_perf import _bench
from bitnet_perf.analyze.evidence import Timed, WorkOf
from bitnet_perf.bench.cases import with_threads
from bitnet_perf.bench.paired.calls import calls_python
from bitnet_perf.bench.paired.sides import Ready
from bitnet_perf.bench.turns import Clock, Taken, Turn, take_turns
from bitnet_perf.errors import BitnetPerfError

__all__ = ["MODEL_CASES", "VECTOR_CASES", "speed_of", "works_of"]

# Cases that stand for the vector variants: the decode and prefill products and what feeds them.
VECTOR_CASES = (
    "forward/gemv/i2_s/2560x2560/t1",
    "forward/gemm/i2_s/16x2560x2560/t1",
    "quantization/quantize_activations/q8_act/1x2560/t1",
    "quantization/block_quantize/quant.i2s/65536/t1",
    "quantization/block_dequantize/quant.i2s/65536/t1",
)
MODEL_CASES = ("generation/decode/i2_s/small-n32/t1", "forward/prefill/i2_s/small-n32/t1")
ROUNDS = 9
SAMPLE = 0.001  # seconds of a sample of a kernel
STEP = 0.004  # of a model

Sided = tuple[list[tuple[Timed, ...]], list[str]]


def speed_of(sides: Sequence[Ready], threads: Iterable[int], budget: float) -> Sided:
    """Every vector case by its best variant and by scalar, every model case on one and on each
    number of `threads`, all sides in turns; `budget`: seconds that a case may take. By side, and
    why one has nothing."""
    teams = [count for count in threads if count > 1]
    found: list[list[Timed]] = [[] for _ in sides]
    whys = ["" for _ in sides]
    for case in VECTOR_CASES:
        _time([(case, isa) for isa in ("", "scalar")], sides, found, whys, budget)
    for case in MODEL_CASES if teams else ():
        names = [case, *(with_threads(case, count) for count in teams)]
        _time([(name, "") for name in names], sides, found, whys, budget)
    return [tuple(each) for each in found], [
        why if not mine else "" for why, mine in zip(whys, found, strict=True)
    ]


def _time(
    asked: Sequence[tuple[str, str]],
    sides: Sequence[Ready],
    found: list[list[Timed]],
    whys: list[str],
    budget: float,
) -> None:
    """Add what was timed of `asked` (case and instruction set) to each side."""
    turns = [
        (number, Turn(side, case, isa)) for case, isa in asked for number, side in enumerate(sides)
    ]
    model = asked[0][0] in MODEL_CASES
    length = STEP if model else SAMPLE
    clock: Clock = "wall" if model else "cpu"
    taken = take_turns([turn for _, turn in turns], ROUNDS, length, clock, budget)
    for (number, turn), each in zip(turns, taken, strict=True):
        if each.seconds:
            found[number].append(_timed(turn, each))
        else:
            whys[number] = whys[number] or f"{turn.case}: {each.why}"[:300]


def _timed(turn: Turn, taken: Taken) -> Timed:
    return Timed(case=turn.case, asked=turn.isa, ran=taken.isa, seconds=taken.seconds)


def works_of(cases: Iterable[str]) -> tuple[WorkOf, ...]:
    """What one iteration of each case does, by this installation; those that build models, call
    Python or stream from memory are left out, which profiles place."""
    found = []
    for case in dict.fromkeys([*VECTOR_CASES, *cases]):
        stage, family, _, shape, _ = case.split("/")
        heavy = "-" in shape or family in ("decode", "prefill") or stage == "load"
        if heavy or calls_python(case):
            continue
        try:
            work = _bench.work(case)
        except BitnetPerfError:
            continue  # a case of the sides alone
        found.append(WorkOf(case=case, **work._asdict()))
    return tuple(found)
