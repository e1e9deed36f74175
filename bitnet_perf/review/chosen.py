"""Which cases a gate compares, and what it says about those that it does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bitnet_perf.bench.cases import gate_cases, skipped_cases
from bitnet_perf.bench.inputs import model_cases
from bitnet_perf.bench.regions import region_of
from bitnet_perf.errors import MeasurementError
from bitnet_perf.kernels.cuda.device import why_no_gpu

__all__ = ["Chosen", "case_seconds", "choose_cases"]

NAMED = 5  # files in a message
# About what a case takes that its first look settles, measured on two cores: a kernel, and a case
# whose one iteration is longer than a sample should be.
SHORT_SECONDS, LONG_SECONDS = 5.0, 20.0
_LONG = ("gguf", "prefill", "decode")


@dataclass(frozen=True, slots=True)
class Chosen:
    """The names of the cases, and notes for the report."""

    cases: tuple[str, ...]
    notes: tuple[str, ...] = ()


def case_seconds(case: str) -> float:
    """About what a case takes that its first look settles."""
    return LONG_SECONDS if case.split("/")[1] in _LONG else SHORT_SECONDS


def choose_cases(
    suite: str,
    own: Mapping[str, Sequence[str]],
    *,
    model: str | None = None,
    changed: Sequence[str] | None = None,
) -> Chosen:
    """The cases of a suite (`own` are those of the project) and those of a model; of these the
    regression area of the `changed` files, where they are given.

    Raises MeasurementError, which is a skipped gate, where no case is left; ConfigError for an
    unknown suite or model.
    """
    names = gate_cases(suite, own)
    if model is not None:
        names = tuple(dict.fromkeys((*names, *model_cases(model))))
    skipped = skipped_cases(suite, why_no_gpu(), own)
    notes = []
    if skipped:
        first, why = skipped[0]
        notes.append(f"Skipped ({why}): mixed precision, {len(skipped)} cases such as {first}.")
    if changed is not None:
        region = region_of(changed, names)
        notes.append(
            f"Regression area of {len(changed)} changed files: {len(region.cases)} of "
            f"{len(names)} cases."
        )
        names = region.cases
    if not names:
        why = skipped[0][1] if changed is None and skipped else _no_region(suite, changed or ())
        raise MeasurementError(f"nothing was measured: {why}")
    return Chosen(names, tuple(notes))


def _no_region(suite: str, changed: Sequence[str]) -> str:
    if not changed:
        return "no file changed"
    more = f" and {len(changed) - NAMED} more" if len(changed) > NAMED else ""
    return (
        f"no case of suite {suite} is in the regression area of {', '.join(changed[:NAMED])}{more}"
    )
