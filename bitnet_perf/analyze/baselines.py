"""Which records nothing may be measured against: mock, impossible or of no known code.

Some projects keep figures that no machine produced: constants written as results, runs of a mock
that call themselves real, rates that their own latencies contradict. Readers read them as they
stand; here is decided which of them are refused as a baseline, and why.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from bitnet_perf.analyze.evidence import BaselineFile
from bitnet_perf.analyze.levels import level_of, level_of_runs
from bitnet_perf.analyze.roofline import TOLERANCE
from bitnet_perf.bench.ceilings import Ceilings
from bitnet_perf.bench.paired.raw import Raw
from bitnet_perf.peers.cargo_console import Console
from bitnet_perf.peers.results import RATE, SECOND, Claims, ResultRow, Stated

__all__ = ["Baseline", "Reason", "Trend", "judge_baseline", "why_refused"]

Rule = Literal["nothing measured", "mock", "failed", "no speed", "contradiction", "roofline",
               "no commit", "foreign"]  # fmt: skip
COMMIT = re.compile(r"[0-9a-f]{7,64}")
MOCK = re.compile(r"(?<![a-z])mock", re.IGNORECASE)
GENERATED = re.compile(r"\[mock\b", re.IGNORECASE)  # a text may be about mocks, one may not say so
LOOSE = 1.25  # factor by which a rate and a mean may differ: rounding, prompts counted or not


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a record is refused: the rule that fired, and the figures or words it saw."""

    rule: Rule
    text: str

    def __str__(self) -> str:
        return self.text


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
    reasons = [*_not_real(claims), *_failed(claims)]
    rates = _rates(record)
    if rates:
        low, high = min(rates), max(rates)
        if low <= 0:
            called = ", and calls that a pass" if claims.passed else ""
            reasons.append(Reason("no speed", f"{_short(low)} tokens/s{called}"))
        if high > 0:
            reasons += _contradictions(claims, high)
            size = claims.bytes_per_token or bytes_per_token
            reasons += _over_roofline(high, size, gb_per_s)
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


def _rates(record: ResultRow) -> list[float]:
    """Tokens a second of each sample; none where the record is of something else."""
    tokens = record.claims.tokens
    if record.unit == RATE:
        return list(record.samples)
    if record.unit == SECOND and record.claims.bytes_per_token and tokens:
        return [tokens / seconds for seconds in record.samples]
    return []


def _not_real(claims: Claims) -> list[Reason]:
    """What gives away a run that computed nothing."""
    found = [Reason("mock", f"kernel {name!r}") for name in claims.kernels if MOCK.search(name)]
    for field, text in claims.statements.items():
        pattern = GENERATED if field == "generated_text" else MOCK
        if hit := pattern.search(text):
            part = text[max(0, hit.start() - 20) : hit.end() + 40]
            found.append(Reason("mock", f"{field}: {part!r}"))
        elif field == "compute_path" and text != "real":
            found.append(Reason("mock", f"compute_path: {text[:60]!r}, not 'real'"))
    return found


def _failed(claims: Claims) -> list[Reason]:
    if claims.error or claims.passed is False:
        return [Reason("failed", f"the run failed: {(claims.error or 'it says so')[:200]}")]
    return []


def _contradictions(claims: Claims, rate: float) -> list[Reason]:
    """Rates against the latencies and times of the same record, for one stream of tokens."""
    found = []
    speed = f"{_short(rate)} tokens/s"
    mean, middle, total, part = claims.mean, claims.middle, claims.total, claims.part
    if mean and not 1 / LOOSE <= rate * mean.seconds <= LOOSE:
        allowed = f"{_ms(mean)} a token are {_short(1 / mean.seconds)} tokens/s"
        found.append(Reason("contradiction", f"{speed}, but {allowed}"))
    # Half of the tokens took the median or longer, so that all took at least half of it on average.
    if middle and rate * middle.seconds > 2:
        allowed = f"{_ms(middle)} allow at most {_short(2 / middle.seconds)} tokens/s"
        found.append(Reason("contradiction", f"{speed}, but {allowed}"))
    if total and claims.tokens and claims.tokens / rate > LOOSE * total.seconds:
        took = f"{claims.tokens} tokens would take {_short(claims.tokens / rate)} s"
        found.append(Reason("contradiction", f"{speed}: {took}, but {_ms(total)} hold them"))
    if total and part and part.seconds > total.seconds:
        found.append(Reason("contradiction", f"{_ms(part)} are part of {_ms(total)}"))
    return found


def _over_roofline(rate: float, size: int | None, gb_per_s: float | None) -> list[Reason]:
    if size is None or gb_per_s is None or rate * size / 1e9 <= TOLERANCE * gb_per_s:
        return []
    needed = f"{_short(rate)} tokens/s of {_short(size / 1e9)} GB read {_short(rate * size / 1e9)}"
    return [Reason("roofline", f"{needed} GB/s, more than the {_short(gb_per_s)} of its host")]


def _ms(stated: Stated) -> str:
    return f"{stated.field.rsplit('.', 1)[-1]} {_short(1e3 * stated.seconds)}"


def _short(number: float) -> str:
    return f"{number:.4g}" if abs(number) < 1e4 else f"{number:.0f}"
