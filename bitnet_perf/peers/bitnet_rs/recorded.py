"""The check of our kernels and oracles against recorded outputs of the crates.

A run is *equal* (the record is what our native kernel gives, or the oracle where there is no
kernel), *classified* (it differs from our kernel, the oracle of its CPU level reproduces it
exactly, and a named divergence covers every difference), or *unexplained*. There is no tolerance;
NaN equals NaN, whatever its sign and payload.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bitnet_perf.errors import BitnetPerfError, FormatError
from bitnet_perf.peers.bitnet_rs.codecs import PREFIX, at_scalar_level, run_oracle
from bitnet_perf.peers.bitnet_rs.common import Arrays, Call, Outcome, Refusal
from bitnet_perf.peers.bitnet_rs.divergence import DIVERGENCES, explain
from bitnet_perf.peers.bitnet_rs.folder import (
    Case,
    DamagedError,
    Result,
    broken_arrays,
    read_arrays,
    read_index,
)

#: codec -> kernel; None: no native kernel for this call; raises BitnetPerfError where it refuses
NativeTable = Mapping[str, Callable[[Call], Outcome | None]]
UNCOMPARED_META = ("accuracy_report",)
#: meta about the tensor; the rest is about the CPU and the provider
TENSOR_META = ("block_size", "compression_ratio", "shape")
REFUSED_DECODE = "dequantize_error"


@dataclass(frozen=True)
class RunReport:
    """Verdict on one recorded run."""

    case: str
    run: str
    codec: str
    verdict: Literal["equal", "classified", "unexplained"]
    against: Literal["native", "oracle"]
    divergences: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class RecordedReport:
    """Verdict on a whole folder."""

    folder: str
    cases: int
    details: tuple[RunReport, ...]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def equal(self) -> int:
        """Runs that equal our kernel, or the oracle where there is none."""
        return sum(run.verdict == "equal" for run in self.details)

    @property
    def classified(self) -> dict[str, int]:
        """Runs by the divergence that tells most; a run counts once."""
        names = (run.divergences[0] for run in self.details if run.verdict == "classified")
        return dict(Counter(names).most_common())

    @property
    def unexplained(self) -> list[str]:
        """Ids of the cases with a run that nothing explains."""
        return list(dict.fromkeys(r.case for r in self.details if r.verdict == "unexplained"))

    @property
    def summary(self) -> str:
        """The report in one line."""
        odd = sum(run.verdict == "unexplained" for run in self.details)
        return (
            f"{self.cases} cases, {len(self.details)} runs: {self.equal} equal, "
            f"{sum(self.classified.values())} classified, {odd} unexplained"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data: counts, classified {name: runs}, unexplained [ids], runs not equal."""
        return {
            "folder": self.folder,
            "cases": self.cases,
            "runs": len(self.details),
            "equal": self.equal,
            "classified": self.classified,
            "unexplained": self.unexplained,
            "divergences": {name: DIVERGENCES[name] for name in self.classified},
            "native_runs": sum(run.against == "native" for run in self.details),
            "provenance": dict(self.provenance),
            "details": [asdict(run) for run in self.details if run.verdict != "equal"],
        }


@dataclass(frozen=True, eq=False)
class Expected:
    """What a run should have given: by the oracle of its CPU level, by that of the scalar level,
    and by our kernel (None: there is none)."""

    call: Call
    crate: Outcome | Refusal
    scalar: Outcome | Refusal
    native: Outcome | Refusal | None


def check_recorded(folder: Path, native: NativeTable) -> RecordedReport:
    """Check every run of a folder of recorded outputs.

    Raises FormatError, naming file and field, where the folder is not of that form.
    """
    index = read_index(folder)
    details: list[RunReport] = []
    for case in index.cases:
        try:
            arrays = read_arrays(folder, case)
        except DamagedError as error:
            details += (_report(case, run, "oracle", reason=str(error)) for run in case.results)
            continue
        broken = broken_arrays(case, arrays)
        for run in case.results:
            details.append(check_run(case, run, arrays, native, broken))
    return RecordedReport(str(folder), len(index.cases), tuple(details), index.provenance)


def check_run(
    case: Case,
    run: str,
    arrays: Arrays,
    native: NativeTable,
    broken: Mapping[str, str] | None = None,
) -> RunReport:
    """Verdict on one run of a case; `broken` names arrays that are not what the index says."""
    outputs = case.results[run].outputs.values()
    others = {key for result in case.results.values() for key in result.outputs.values()}
    for key, reason in (broken or {}).items():
        if key in outputs or key not in others:
            return _report(case, run, "oracle", reason=reason)
    try:
        wanted = expect(case.call(run, arrays), native)
    except KeyError as error:
        raise FormatError(f"index.json: case {case.id}: inputs: {error} is missing") from error
    except (ArithmeticError, IndexError, MemoryError, TypeError, ValueError) as error:
        return _report(case, run, "oracle", reason=f"inputs do not fit together: {error}")
    return judge(case, run, arrays, wanted)


def expect(call: Call, native: NativeTable) -> Expected:
    """Compute what `call` should have given."""
    kernel = native.get(call.codec)
    mine: Outcome | Refusal | None
    try:
        mine = kernel(call) if kernel is not None else None
    except BitnetPerfError as error:
        mine = Refusal(str(error))
    return Expected(call, _oracle(call), _oracle(at_scalar_level(call)), mine)


def _oracle(call: Call) -> Outcome | Refusal:
    try:
        return run_oracle(call)
    except Refusal as refusal:
        return refusal


def judge(case: Case, run: str, arrays: Arrays, wanted: Expected) -> RunReport:
    """Compare a record with what was expected."""
    result = case.results[run]
    against: Literal["native", "oracle"] = "oracle" if wanted.native is None else "native"
    record = {name: arrays[key] for name, key in result.outputs.items()}
    problem = _difference(result, record, wanted.crate)
    if not problem and wanted.native is not None:
        problem = disagreement(wanted.native, wanted.scalar)
        problem = problem and f"the native kernel is not the scalar level: {problem}"
    if problem:
        return _report(case, run, against, reason=problem)
    if wanted.native is None or not disagreement(wanted.scalar, wanted.crate):
        return _report(case, run, against, equal=True)
    scalar, crate = (
        None if isinstance(outcome, Refusal) else outcome
        for outcome in (wanted.scalar, wanted.crate)
    )
    names = explain(wanted.call, scalar, crate)
    reason = "" if names else "differs from the native kernel as no known divergence does"
    return _report(case, run, against, divergences=names, reason=reason)


def _report(
    case: Case,
    run: str,
    against: Literal["native", "oracle"],
    *,
    equal: bool = False,
    divergences: tuple[str, ...] = (),
    reason: str = "",
) -> RunReport:
    verdict: Literal["equal", "classified", "unexplained"] = "unexplained"
    if equal or divergences:
        verdict = "equal" if equal else "classified"
    codec = case.codec.removeprefix(PREFIX)
    return RunReport(case.id, run, codec, verdict, against, divergences, reason)


def _difference(result: Result, record: Arrays, crate: Outcome | Refusal) -> str:
    """How a record differs from the oracle of its level; empty where it does not."""
    if isinstance(crate, Refusal):
        return "" if result.status != "ok" else f"recorded a result, the oracle refuses: {crate}"
    if result.status != "ok":
        return f"recorded a refusal ({result.error}), the oracle gives a result"
    if record.keys() != crate.outputs.keys():
        return f"outputs {sorted(record)}, the oracle gives {sorted(crate.outputs)}"
    for name, array in record.items():
        text = unequal(array, crate.outputs[name])
        if text:
            return f"{name}: {text}"
    meta = {k: v for k, v in (result.meta or {}).items() if k not in UNCOMPARED_META}
    return "" if meta == crate.meta else f"meta {meta}, the oracle gives {crate.meta}"


def disagreement(found: Outcome | Refusal, expected: Outcome | Refusal) -> str:
    """How `found` contradicts `expected`; it may say less, and a refusal equals a refusal."""
    if isinstance(found, Refusal) or isinstance(expected, Refusal):
        if isinstance(found, Refusal) and isinstance(expected, Refusal):
            return ""
        return f"{_word(found)} instead of {_word(expected)}"
    for name, array in found.outputs.items():
        if name not in expected.outputs:
            return f"{name} instead of a refusal"
        text = unequal(array, expected.outputs[name])
        if text:
            return f"{name}: {text}"
    for name in TENSOR_META:
        if name in found.meta and found.meta[name] != expected.meta.get(name):
            return f"{name} {found.meta[name]} instead of {expected.meta.get(name)}"
    if (REFUSED_DECODE in found.meta) != (REFUSED_DECODE in expected.meta):
        return "one decodes what the other refuses to decode"
    return ""


def _word(outcome: Outcome | Refusal) -> str:
    return f"a refusal ({outcome})" if isinstance(outcome, Refusal) else "a result"


def unequal(found: NDArray[Any], expected: NDArray[Any]) -> str:
    """How two arrays differ; empty where dtype, shape and every bit agree, NaN as NaN."""
    if found.dtype != expected.dtype or found.shape != expected.shape:
        return f"{found.dtype}{list(found.shape)} instead of {expected.dtype}{list(expected.shape)}"
    size = found.dtype.itemsize
    bits = [np.ascontiguousarray(a).reshape(-1).view(f"u{size}") for a in (found, expected)]
    differ = bits[0] != bits[1]
    if found.dtype.kind == "f":
        differ &= ~(np.isnan(found) & np.isnan(expected)).reshape(-1)
    places = np.flatnonzero(differ)
    if places.size == 0:
        return ""
    first = int(places[0])
    values = found.reshape(-1)[first], expected.reshape(-1)[first]
    return f"{places.size} of {found.size} differ, first at {first}: {values[0]} is not {values[1]}"
