"""What is posted, as data: written to disk first, read again by the job that may write to GitHub.

A payload may come from the pull request of a stranger. It is checked when it is read, its texts are
made harmless when they are posted, and it says nothing about what the poster may do.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bitnet_perf.files import write_atomic
from bitnet_perf.report.document import Report
from bitnet_perf.report.evidence import parse_line
from bitnet_perf.report.stored import read_stored

__all__ = ["CHECK", "Annotation", "Level", "Payload", "Regression", "Row", "Status", "Target"]

CHECK = "review:gate:perf"
Word = Annotated[str, Field(max_length=2000)]
Status = Literal["pass", "fail", "skipped"]
Level = Literal["notice", "warning", "failure"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Target(_Frozen):
    """A pull request and the commit of its head that was judged, never a merge commit of CI."""

    repository: str = Field(
        pattern=r"^[0-9A-Za-z][0-9A-Za-z_-]*/[0-9A-Za-z._-]*[0-9A-Za-z_-][0-9A-Za-z._-]*$"
    )
    pull: int = Field(gt=0)
    head: str = Field(pattern=r"^(?:[0-9a-f]{40}|[0-9a-f]{64})$")


class Row(_Frozen):
    """A row of the Gates table; the lines of its evidence stand in one cell."""

    gate: Literal["perf", "benchmarks"]
    status: Status
    evidence: tuple[Word, ...] = Field(max_length=20)


class Annotation(_Frozen):
    """A remark on a file of the pull request."""

    path: Word
    line: int = Field(default=1, gt=0)
    level: Level
    title: Word
    message: Word


class Regression(_Frozen):
    """A case over its budget. slowdown: part of the base's time (0.05 = 5 % slower)."""

    case: Word
    slowdown: float = Field(allow_inf_nan=False)


class Payload(_Frozen):
    """A judged review. `status`, `title` and `reason` are those of the check run, `hop` and `why`
    sentences for the ledger, `agent` acts next; `report` holds every number that is told."""

    version: Literal[1] = 1
    target: Target
    status: Status
    inconclusive: bool
    title: Word
    reason: Word
    rows: tuple[Row, ...] = Field(min_length=1, max_length=2)
    hop: Word
    why: Word
    agent: Word
    annotations: tuple[Annotation, ...] = Field(default=(), max_length=1000)
    regressions: tuple[Regression, ...] = Field(default=(), max_length=1000)
    commands: tuple[Word, ...] = Field(default=(), max_length=50)
    report: Report

    @model_validator(mode="after")
    def _says_one_thing(self) -> Payload:
        stated = [parse_line(line) for line in self.report.lines]
        gates = [line.status for line in stated if line.subject == "gate"]
        if gates != [self.status] or self.rows[0].gate != "perf":
            raise ValueError(f"status: found {self.status!r}, the report's gate says {gates}")
        if self.rows[0].status != self.status:
            raise ValueError(f"rows: found {self.rows[0].status!r}, accepted is {self.status!r}")
        if self.inconclusive and self.status != "fail":
            raise ValueError("inconclusive: what is not known has to fail")
        return self

    @property
    def digest(self) -> str:
        """16 hexadecimal digits that are the same for the same result of the same head."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write it as JSON, whole or not at all."""
        return write_atomic(path, self.model_dump_json(indent=1) + "\n")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Payload:
        """Read what `save` wrote; FormatError names the file, the place and what is accepted."""
        return read_stored(Path(path), cls)
