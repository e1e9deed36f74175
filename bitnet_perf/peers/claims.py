"""What a record says of itself that no machine can have measured: mock, failed, contradictory."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from bitnet_perf.peers.results import RATE, SECOND, Claims, ResultRow, Stated

__all__ = ["Reason", "rates_of", "short", "why_unreal"]

Rule = Literal["nothing measured", "mock", "failed", "no speed", "contradiction", "roofline",
               "no commit", "foreign"]  # fmt: skip
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


def why_unreal(record: ResultRow) -> tuple[Reason, ...]:
    """The reasons why nothing measured `record`; empty where something may have.

    Rules: it says that it failed; a kernel, the compute path or a text of the run says mock; a rate
    of 0 or below; a rate that its own latencies or times contradict.
    """
    claims = record.claims
    reasons = [*_not_real(claims), *_failed(claims)]
    rates = rates_of(record)
    if rates and min(rates) <= 0:
        called = ", and calls that a pass" if claims.passed else ""
        reasons.append(Reason("no speed", f"{short(min(rates))} tokens/s{called}"))
    if rates and max(rates) > 0:
        reasons += _contradictions(claims, max(rates))
    return tuple(reasons)


def rates_of(record: ResultRow) -> list[float]:
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
    speed = f"{short(rate)} tokens/s"
    mean, middle, total, part = claims.mean, claims.middle, claims.total, claims.part
    if mean and not 1 / LOOSE <= rate * mean.seconds <= LOOSE:
        allowed = f"{_ms(mean)} a token are {short(1 / mean.seconds)} tokens/s"
        found.append(Reason("contradiction", f"{speed}, but {allowed}"))
    # Half of the tokens took the median or longer, so that all took at least half of it on average.
    if middle and rate * middle.seconds > 2:
        allowed = f"{_ms(middle)} allow at most {short(2 / middle.seconds)} tokens/s"
        found.append(Reason("contradiction", f"{speed}, but {allowed}"))
    if total and claims.tokens and claims.tokens / rate > LOOSE * total.seconds:
        took = f"{claims.tokens} tokens would take {short(claims.tokens / rate)} s"
        found.append(Reason("contradiction", f"{speed}: {took}, but {_ms(total)} hold them"))
    if total and part and part.seconds > total.seconds:
        found.append(Reason("contradiction", f"{_ms(part)} are part of {_ms(total)}"))
    return found


def _ms(stated: Stated) -> str:
    return f"{stated.field.rsplit('.', 1)[-1]} {short(1e3 * stated.seconds)}"


def short(number: float) -> str:
    """A number as a reason shows it: four digits, or all before the point."""
    return f"{number:.4g}" if abs(number) < 1e4 else f"{number:.0f}"
