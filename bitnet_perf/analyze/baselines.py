"""Which records nothing may be measured against: mock, impossible or of no known code.

Some projects keep figures that no machine produced: constants written as results, runs of a mock
that call themselves real, rates that their own latencies contradict. Readers read them as they
stand; here is decided which of them are refused as a baseline, and why.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from bitnet_perf.analyze.evidence import BaselineFile
from bitnet_perf.analyze.levels import level_of, level_of_runs
from bitnet_perf.analyze.roofline import TOLERANCE
from bitnet_perf.bench.ceilings import Ceilings
from bitnet_perf.bench.paired.raw import Raw
from bitnet_perf.peers.cargo_console import Console
from bitnet_perf.peers.claims import Reason, rates_of, short, why_unreal
from bitnet_perf.peers.results import SECOND, ResultRow

__all__ = ["Baseline", "Trend", "judge_baseline", "why_refused"]

COMMIT = re.compile(r"[0-9a-f]{7,64}")


def why_refused(
    record: ResultRow | Console,
    *,
    gb_per_s: float | None = None,
    bytes_per_token: int | None = None,
    host: Mapping[str, Any] | None = None,
) -> tuple[Reason, ...]:
    """The reasons why `record` is no baseline; empty where it may be one.

    record: a row of `read_results`, or a console of `cargo bench`. gb_per_s: what the memory of the
    record's own host gives at most, where it is known; bytes_per_token: what a decode step of its
    model reads, where the record does not say; host: `cpu` of this host, None where any will do.
    Rules: it measured nothing, or says that it failed;
    a kernel, the compute path or a text of the run says mock; a rate of 0 or below; a rate that its
    own latencies or times contradict; more bytes a second than the memory gives; no commit; another
    host, or none that it names.
    """
    if isinstance(record, Console):
        return () if record.why is None else (Reason("nothing measured", record.status),)
    claims = record.claims
    size = claims.bytes_per_token or bytes_per_token
    high = max(rates_of(record), default=0.0)
    reasons = [*why_unreal(record), *_over_roofline(high, size, gb_per_s)]
    if not (claims.commit and COMMIT.fullmatch(claims.commit)):
        found = f"found {claims.commit[:60]!r}" if claims.commit else "names none"
        reasons.append(Reason("no commit", f"no commit of the code that was measured: {found}"))
    if host is not None:
        reasons += _foreign(record.host.get("cpu"), str(host.get("cpu", "")))
    return tuple(reasons)


def _foreign(theirs: str | int | None, ours: str) -> list[Reason]:
    if isinstance(theirs, str) and theirs.split() == ours.split():
        return []
    named = f"measured on {theirs[:60]!r}" if isinstance(theirs, str) else "it names no CPU"
    return [Reason("foreign", f"{named}, this host is {ours[:60]!r}")]


@dataclass(frozen=True, slots=True)
class Trend:
    """A case of an accepted baseline beside the same case of the candidate, in seconds: of another
    run, so that it never gates. change: 0.05 is 5 % slower than the baseline."""

    case: str
    baseline: float
    candidate: float
    change: float


@dataclass(frozen=True, slots=True)
class Baseline:
    """A baseline file, judged: why it is refused (each reason once, with its case), whether it is
    used all the same, and the trend against it where it is used."""

    name: str
    refused: tuple[str, ...]
    forced: bool
    trends: tuple[Trend, ...] = ()

    @property
    def used(self) -> bool:
        """Whether anything may stand beside it."""
        return self.forced or not self.refused

    @property
    def sentence(self) -> str:
        """For the report."""
        reasons = "; ".join(self.refused)
        if not self.refused:
            return f"{self.name} is accepted as a baseline: a trend, which never gates."
        if self.forced:
            return f"{self.name} is used because that was forced, although: {reasons}."
        return f"{self.name} is refused as a baseline: {reasons}."

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self) | {"used": self.used, "sentence": self.sentence}


def judge_baseline(
    file: BaselineFile,
    raw: Raw | None,
    host: Mapping[str, Any],
    ceilings: Ceilings | None = None,
) -> Baseline:
    """Whether nothing in `file` is mock, impossible or of another host, and the candidate of `raw`
    beside it.

    One refused record refuses the file: who invents one figure is not believed in the next. The
    memory of the host, as `ceilings` have it, bounds records of the same CPU.
    """
    reads = [each.gb_per_s for each in ceilings.reads if each.level == "memory"] if ceilings else []
    reasons: dict[str, list[str]] = {}
    if file.why:
        reasons[file.why] = []
    for each in file.consoles:
        found = why_refused(Console(**each.model_dump()))
        for reason in found or (Reason("no commit", "a console names no commit and no host"),):
            reasons.setdefault(str(reason), [])
    for row in file.rows:
        ours = not _foreign(row.host.get("cpu"), str(host.get("cpu", "")))
        limit = max(reads) if ours and reads else None
        for reason in why_refused(row, gb_per_s=limit, host=host):
            reasons.setdefault(str(reason), []).append(row.case)
    refused = tuple(_with_cases(reason, cases) for reason, cases in reasons.items())
    used = file.forced or not refused
    trends = tuple(_trends(file.rows, raw)) if used and raw is not None else ()
    return Baseline(file.name, refused, file.forced, trends)


def _with_cases(reason: str, cases: list[str]) -> str:
    if not cases:
        return reason
    return f"{cases[0]}{f' and {len(cases) - 1} more' if len(cases) > 1 else ''}: {reason}"


def _trends(rows: Iterable[ResultRow], raw: Raw) -> Iterable[Trend]:
    numbers = {case["name"]: number for number, case in enumerate(raw.cases())}
    for row in rows:
        if row.unit != SECOND or row.case not in numbers:
            continue
        before, now = level_of_runs(row.processes()), level_of(raw, numbers[row.case], 1)
        if before is not None and now is not None:
            change = now.value / before.value - 1
            yield Trend(row.case, before.value, now.value, change)


def _over_roofline(rate: float, size: int | None, gb_per_s: float | None) -> list[Reason]:
    if size is None or gb_per_s is None or rate * size / 1e9 <= TOLERANCE * gb_per_s:
        return []
    needed = f"{short(rate)} tokens/s of {short(size / 1e9)} GB read {short(rate * size / 1e9)}"
    return [Reason("roofline", f"{needed} GB/s, more than the {short(gb_per_s)} of its host")]
