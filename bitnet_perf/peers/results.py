"""What is read from other tools' results: rows, what was dropped, and what records say of
themselves."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any, overload

from pydantic import TypeAdapter, ValidationError

from bitnet_perf.files import write_atomic
from bitnet_perf.notebook import frame, html_table
from bitnet_perf.peers.fields import MAX_NAME, Document, Node, escaped

__all__ = ["RATE", "SECOND", "Claims", "ResultRow", "Results", "Stated", "Table"]

SECOND, RATE, BYTE = "second", "token/second", "byte"
Host = Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Stated:
    """A time that a record states beside its samples: the field that says so, in seconds."""

    field: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Claims:
    """What a record says of itself beside its samples; None or empty where it says nothing.

    commit: of the code that was measured. kernels: what it says ran. statements: field -> text in
    which a run says how it was made. mean, middle: seconds of one token, their mean and median.
    tokens: of one sample, or of the run that a rate speaks of; total: seconds of that run; part:
    seconds of what the total includes. bytes_per_token: what a decode step has to read. passed: it
    calls itself a success; error: its own words for a failure.
    """

    commit: str | None = None
    kernels: tuple[str, ...] = ()
    statements: Mapping[str, str] = field(default_factory=dict)
    mean: Stated | None = None
    middle: Stated | None = None
    tokens: int | None = None
    total: Stated | None = None
    part: Stated | None = None
    bytes_per_token: int | None = None
    passed: bool | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class ResultRow:
    """One case of a results file.

    samples: in `unit`, in the order of the file. Times ("second") are above 0; other values are
    finite and as recorded, also a rate ("token/second") of 0. runs: how many of the samples each
    process gave, where the file tells; else one. host: cpu, cores, gpu, os, as far as the file
    tells. source: file and place.
    """

    case: str
    samples: tuple[float, ...]
    unit: str
    host: Host
    source: str
    runs: tuple[int, ...]
    claims: Claims = Claims()

    def processes(self) -> list[tuple[float, ...]]:
        """The samples of each process."""
        found, at = [], 0
        for count in self.runs:
            found.append(self.samples[at : at + count])
            at += count
        return found

    def to_dict(self) -> dict[str, Any]:
        """The row as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Results(Sequence[ResultRow]):
    """The rows of one results file, a sequence of them, and one line for everything dropped.

    kind: the reader, for example `google_benchmark`. rows: one per case, in the order of the file.
    dropped: place and reason of what was seen and not read.
    """

    path: str
    kind: str
    rows: tuple[ResultRow, ...]
    dropped: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> ResultRow: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[ResultRow, ...]: ...
    def __getitem__(self, index: int | slice) -> ResultRow | tuple[ResultRow, ...]:
        return self.rows[index]

    def __iter__(self) -> Iterator[ResultRow]:
        return iter(self.rows)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write as JSON, whole or not at all."""
        text = json.dumps(self.to_dict(), indent=1, allow_nan=False, ensure_ascii=False)
        return write_atomic(path, text + "\n")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Results:
        """Read what `save` wrote; raises MeasurementError that names file and field otherwise."""
        document = Document(path)
        try:
            found = _adapter().validate_json(document.data)
        except ValidationError as error:
            first = error.errors()[0]
            place = escaped(".".join(map(str, first["loc"])))[:200]
            document.fail(place, escaped(first["msg"])[:200], "what Results.save wrote")
        for row in found.rows:
            if sum(row.runs) != len(row.samples) or not all(map(math.isfinite, row.samples)):
                document.fail(row.case, "samples that are not those of its runs", "finite numbers")
        return found

    def to_frame(self) -> Any:
        """The rows as a pandas DataFrame; EnvironmentRefused where pandas is missing."""
        return frame(row.to_dict() for row in self.rows)

    def _repr_html_(self) -> str:
        rows = (
            (row.case, len(row.samples), f"{median(row.samples):.4g}", row.unit)
            for row in self.rows
        )
        return html_table(
            f"{self.path} ({self.kind})", ("case", ">samples", ">median", "unit"), rows
        )


@cache
def _adapter() -> TypeAdapter[Results]:
    return TypeAdapter(Results)


class Table:
    """Rows as a reader finds them; lines of the same reason are counted, not repeated."""

    def __init__(self, document: Document, host: Mapping[str, object] | None = None) -> None:
        self.document = document
        self.host = clean_host(host or {})
        self._rows: dict[str, ResultRow] = {}
        self._dropped: dict[str, tuple[str, int]] = {}

    def add(
        self,
        case: str,
        processes: Sequence[Sequence[float]],
        at: Node | str,
        *,
        unit: str = SECOND,
        host: Mapping[str, object] | None = None,
        claims: Claims | None = None,
    ) -> None:
        """Add a case with the samples of each process; `at` is where it stands in the file.

        Raises ResultsError for a name that is too long or stands twice, and for a sample that is
        no number of its unit.
        """
        place = at if isinstance(at, str) else at.place
        for what, name in (("name", case), ("unit", unit)):
            if len(name) > MAX_NAME:
                accepted = f"at most {MAX_NAME} characters"
                self.document.fail(place, f"a {what} of {len(name)} characters", accepted)
        case = escaped(case)
        if case in self._rows:
            first = self._rows[case].source
            self.document.fail(
                place, f"{case!r} also stands in {first}", "one result for every name"
            )
        values = tuple(float(value) for samples in processes for value in samples)
        least = 0.0 if unit == SECOND else -math.inf
        wrong = next((each for each in values if not least < each < math.inf), None)
        if wrong is not None:
            accepted = f"a finite number of {unit}s" + (", above 0" if unit == SECOND else "")
            self.document.fail(place, f"a sample of {wrong!r}", accepted)
        self._rows[case] = ResultRow(
            case=case,
            samples=values,
            unit=escaped(unit),
            host=self.host if host is None else clean_host(host),
            source=f"{self.document.name}: {place}" if place else self.document.name,
            runs=tuple(map(len, processes)),
            claims=_clean(claims) if claims else Claims(),
        )

    def drop(self, at: Node | str, reason: str) -> None:
        """Say that what stands at `at` is not read, and why."""
        place = at if isinstance(at, str) else at.place
        reason = escaped(reason[:MAX_NAME])
        first, count = self._dropped.get(reason, (place, 0))
        self._dropped[reason] = (first, count + 1)

    def __len__(self) -> int:
        return len(self._rows)

    def results(self, kind: str) -> Results:
        """What was found."""
        dropped = (
            f"{place}: {reason}" + (f" (and {count - 1} more)" if count > 1 else "")
            for reason, (place, count) in self._dropped.items()
        )
        return Results(self.document.name, kind, tuple(self._rows.values()), tuple(dropped))


def _clean(claims: Claims) -> Claims:
    """With texts cut to their ends and printable."""
    return replace(
        claims,
        commit=claims.commit and escaped(claims.commit[-MAX_NAME:]),
        kernels=tuple(escaped(name[-MAX_NAME:]) for name in claims.kernels),
        statements={key: escaped(text[-MAX_NAME:]) for key, text in claims.statements.items()},
        error=claims.error and escaped(claims.error[-MAX_NAME:]),
    )


def clean_host(host: Mapping[str, object]) -> dict[str, str | int]:
    """What a file tells of its host, without what it does not tell; texts cut and printable."""
    found: dict[str, str | int] = {}
    for key, value in host.items():
        if isinstance(value, str) and value.strip():
            found[key] = escaped(value.strip()[:MAX_NAME])
        elif type(value) is int and 0 < value < 1 << 63:
            found[key] = value
    return found
