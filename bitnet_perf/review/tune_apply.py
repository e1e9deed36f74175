"""A tuning run applied: written to the settings, measured end to end, taken back where slower."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bitnet_perf import _native
from bitnet_perf.analyze.tuning import Effect, Tuning, effect
from bitnet_perf.bench.inputs import model_cases, model_file
from bitnet_perf.bench.paired.sides import Ready, Side, prepare_side
from bitnet_perf.bench.tuning import SHAPE
from bitnet_perf.bench.turns import Turn, take_turns
from bitnet_perf.config.load import load_settings
from bitnet_perf.config.tuned import tuned_settings, write_tuned
from bitnet_perf.errors import MeasurementError
from bitnet_perf.files import write_atomic
from bitnet_perf.kernels.tunables import as_text, tunables
from bitnet_perf.model.synthetic import SHAPES

__all__ = ["Applied", "Whole", "apply_tuning"]

SETS, ROUNDS = 3, 5
SAMPLE = 0.1  # seconds
SET_SECONDS = 15.0
HEAD = "q6_k"  # of models of random weights
LENGTHS = {"decode": 12, "prefill": 128}  # tokens

OnProgress = Callable[[float, str], None]
Values = Mapping[str, int | str]


@dataclass(frozen=True, slots=True)
class Whole:
    """A model before and after: median seconds of a case, and what the change is."""

    what: str
    before: float
    after: float
    effect: Effect


@dataclass(frozen=True, slots=True)
class Applied:
    """The file that was written, the values before and after, and what that changed; `kept`: it was
    not taken back. `rows` is empty where nothing had to change."""

    file: Path
    before: Values
    after: Values
    rows: tuple[Whole, ...]
    kept: bool

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "file": str(self.file)}


def apply_tuning(
    found: Tuning,
    model: str | None = None,
    folder: Path = Path(),
    *,
    on_progress: OnProgress | None = None,
) -> Applied:
    """Write the choice to the settings of `folder`, and measure decode and prefill of a whole model
    with what held before and with the choice, in turns.

    What the run did not reach keeps its value. Where one of them is slower for sure the file gets
    back what it held. Raises ConfigError for
    settings that cannot be written, MeasurementError where a model cannot be timed.
    """
    before = tuned_settings(load_settings(folder)).values
    after = {k: v for k, v in before.items() if k in found.unmeasured} | found.values
    path, text = write_tuned(folder, after)
    if dict(before) == after:
        return Applied(path, before, after, (), True)
    try:
        rows = _measure(before, after, model, on_progress or (lambda _share, _what: None))
    except BaseException:
        _restore(path, text)
        raise
    kept = all(row.effect.says != "slower" for row in rows)
    if not kept:
        _restore(path, text)
    return Applied(path, before, after, rows, kept)


def _restore(path: Path, text: str | None) -> None:
    if text is None:
        path.unlink()
    else:
        write_atomic(path, text)


def _measure(
    before: Values, after: Values, model: str | None, say: OnProgress
) -> tuple[Whole, ...]:
    ready = prepare_side(Side.isa(""))
    say(0.0, "the model")
    shape = SHAPE if model is None else model
    file = str(model_file(shape, head=HEAD)) if shape in SHAPES else shape
    rows = []
    for number, (what, tokens) in enumerate(LENGTHS.items()):
        case = next(name for name in model_cases(file) if f"/{what}/" in name)
        case = f"{case.rpartition('-n')[0]}-n{tokens}"
        sets: list[list[tuple[float, ...]]] = [[], []]
        for place in range(SETS):
            say((number * SETS + place) / (SETS * len(LENGTHS)), f"{what}, set {place + 1}")
            turns = [_turn(ready, case, what, values) for values in (before, after)]
            times = take_turns(turns, ROUNDS, SAMPLE, "wall", SET_SECONDS)
            for own, taken in zip(sets, times, strict=True):
                if not taken.seconds:
                    raise MeasurementError(f"{case}: {taken.why}")
                own.append(taken.seconds)
        first, second = (statistics.median(s for each in own for s in each) for own in sets)
        rows.append(Whole(f"{what} {tokens}", first, second, effect(*sets)))
    return tuple(rows)


def _turn(ready: Ready, case: str, what: str, values: Values) -> Turn:
    """The case with these values, on the threads that they choose."""
    allowed = _native.default_threads()
    threads = min(int(values.get(f"{what}_threads") or allowed), allowed)
    every = {row.name: row.default for row in tunables()} | dict(values)
    side = replace(ready, options={**ready.options, "tuned": as_text(every)})
    return Turn(side, f"{case}/t{threads}")
