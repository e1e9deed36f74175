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
from bitnet_perf.peers.bitnet_rs.codecs import PREFIX, run_oracle
from bitnet_perf.peers.bitnet_rs.common import Arrays, Call, Outcome, Refusal
from bitnet_perf.peers.bitnet_rs.divergence import explain
from bitnet_perf.peers.bitnet_rs.folder import (
    Case,
    Result,
    broken_arrays,
    read_arrays,
    read_index,
)

#: codec -> kernel; None: no native kernel for this call; raises BitnetPerfError where it refuses
NativeTable = Mapping[str, Callable[[Call], Outcome | None]]
UNCOMPARED_META = ("accuracy_report",)


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

    def to_dict(self) -> dict[str, Any]:
        """Plain data: counts, classified {name: runs}, unexplained [ids], runs not equal."""
        return {
            "folder": self.folder,
            "cases": self.cases,
            "runs": len(self.details),
            "equal": self.equal,
            "classified": self.classified,
            "unexplained": self.unexplained,
            "native_runs": sum(run.against == "native" for run in self.details),
            "provenance": dict(self.provenance),
            "details": [asdict(run) for run in self.details if run.verdict != "equal"],
        }


@dataclass(frozen=True, eq=False)
class Expected:
    """What a run should have given: by the oracle of its level, and by our kernel (None: none)."""

    call: Call
    crate: Outcome | Refusal
    native: Outcome | Refusal | None


def check_recorded(folder: Path, native: NativeTable) -> RecordedReport:
    """Check every run of a folder of recorded outputs.

    Raises FormatError, naming file and field, where the folder is not of that form.
    """
    index = read_index(folder)
    details: list[RunReport] = []
    for case in index.cases:
        arrays = read_arrays(folder, case)
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
        raise FormatError(f"case {case.id}: inputs: {error} is missing") from error
    except (ArithmeticError, IndexError, MemoryError, TypeError, ValueError) as error:
        return _report(case, run, "oracle", reason=f"inputs do not fit together: {error}")
    return judge(case, run, arrays, wanted)


def expect(call: Call, native: NativeTable) -> Expected:
    """Compute what `call` should have given."""
    crate: Outcome | Refusal
    try:
        crate = run_oracle(call)
    except Refusal as refusal:
        crate = refusal
    kernel = native.get(call.codec)
    mine: Outcome | Refusal | None
    try:
        mine = kernel(call) if kernel is not None else None
    except BitnetPerfError as error:
        mine = Refusal(str(error))
    if isinstance(mine, Outcome) and isinstance(crate, Outcome):
        mine = Outcome({**crate.outputs, **mine.outputs}, {**crate.meta, **mine.meta})
        if "dequantize_error" in mine.meta:
            mine.outputs.pop("dequantized", None)
    return Expected(call, crate, mine)


def judge(case: Case, run: str, arrays: Arrays, wanted: Expected) -> RunReport:
    """Compare a record with what was expected."""
    result = case.results[run]
    against: Literal["native", "oracle"] = "oracle" if wanted.native is None else "native"
    record = {name: arrays[key] for name, key in result.outputs.items()}
    problem = _difference(result, record, wanted.crate)
    if problem:
        return _report(case, run, against, reason=problem)
    if wanted.native is None or _agree(wanted.native, wanted.crate):
        return _report(case, run, against, equal=True)
    mine, crate = (None if isinstance(o, Refusal) else o for o in (wanted.native, wanted.crate))
    names = explain(wanted.call, mine, crate)
    if names:
        return _report(case, run, against, divergences=names)
    refused = f" (it refused: {wanted.native})" if mine is None else ""
    reason = f"differs from the native kernel{refused} in a way that no known divergence covers"
    return _report(case, run, against, reason=reason)


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


def _agree(native: Outcome | Refusal, crate: Outcome | Refusal) -> bool:
    if isinstance(native, Refusal) or isinstance(crate, Refusal):
        return isinstance(native, Refusal) and isinstance(crate, Refusal)
    if native.outputs.keys() != crate.outputs.keys():
        return False
    # a refusal equals a refusal: the text of one may be its own
    mine, theirs = (
        {k: v for k, v in o.meta.items() if k != "dequantize_error"} for o in (native, crate)
    )
    same_arrays = (not unequal(native.outputs[k], crate.outputs[k]) for k in crate.outputs)
    return mine == theirs and all(same_arrays)


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
