"""The records of a gate in a folder: everything its report is computed from, and nothing else.

`raw.npz` holds the samples, `review.json` what was planned and decided beforehand (`Facts`),
`evidence.json` what was measured beside the comparison, `profile.json` the paired profiles of the
stages, `history.json` what earlier runs say. `review.json` is written last and holds the
digests of the others.
"""

from __future__ import annotations

import datetime
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from bitnet_perf.analyze.attribution import Commit
from bitnet_perf.analyze.evidence import Evidence
from bitnet_perf.bench.gpu_rows import GpuRow
from bitnet_perf.bench.paired.profiles import Profiles
from bitnet_perf.bench.paired.raw import Raw
from bitnet_perf.config.settings import Settings
from bitnet_perf.errors import FormatError
from bitnet_perf.files import write_atomic
from bitnet_perf.report.stored import read_stored
from bitnet_perf.review.history import Trend

__all__ = ["EVIDENCE", "PAST", "PROFILE", "RAW", "REVIEW", "Facts", "Past", "Records",
           "digest"]  # fmt: skip

RAW, REVIEW = "raw.npz", "review.json"
EVIDENCE, PROFILE, PAST = "evidence.json", "profile.json", "history.json"
Part = TypeVar("Part")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Facts(_Frozen):
    """What a gate knew before it measured, `review.json`.

    sides: base and candidate in words. head: None for the working tree. changed: files that differ
    between the sides, `commits` oldest first. places: file and line of the native functions that
    were counted. kernels: (family, format, isa) of this build that run on the host, best first.
    settings: a snapshot without the tables that say where results go. command: what measures it
    again. mixed: FP16 on a GPU in this run, gpu: why it was not measured. interrupted: by Ctrl-C.
    absent: why a part is not there, by its name. digests: SHA-256 of the files beside.
    """

    version: Literal[1] = 1
    tool: str
    run: str
    date: datetime.date
    sides: tuple[str, str]
    base: str
    head: str | None
    dirty: bool
    changed: tuple[str, ...]
    commits: tuple[Commit, ...] = ()
    places: dict[str, tuple[str, int]] = Field(default_factory=dict)
    suite: str
    cases: tuple[str, ...]
    model: str | None = None
    kernels: tuple[tuple[str, str, str], ...] = ()
    settings: Settings
    notes: tuple[str, ...] = ()
    command: str
    gpu: str
    mixed: GpuRow | None = None
    interrupted: bool = False
    absent: dict[str, str] = Field(default_factory=dict)
    digests: dict[str, str] = Field(default_factory=dict)


class Past(_Frozen):
    """What the history knew of the cases before this run, on this host."""

    version: Literal[1] = 1
    trends: tuple[Trend, ...]


@dataclass(frozen=True)
class Records:
    """The records of one gate, `sealed` when they are complete. A part that is None was not
    measured; `facts.absent` says why."""

    facts: Facts
    raw: Raw
    evidence: Evidence
    profile: Profiles | None = None
    past: Past | None = None

    def sealed(self) -> Records:
        """The records of a run that has just been measured, with their digests in the facts."""
        digests = {name: hashlib.sha256(held).hexdigest() for name, held in self.contents.items()}
        return replace(self, facts=self.facts.model_copy(update={"digests": digests}))

    @cached_property
    def contents(self) -> Mapping[str, bytes]:
        """The files beside `review.json`, by name."""
        return {RAW: self.raw.packed()} | {
            name: TypeAdapter(kind).dump_json(part, indent=1) + b"\n"
            for name, kind, part in self._parts()
            if part is not None
        }

    @property
    def digests(self) -> Mapping[str, str]:
        """SHA-256 of every file as it was measured, `review.json` among them."""
        return {REVIEW: hashlib.sha256(self._review).hexdigest(), **self.facts.digests}

    @property
    def _review(self) -> bytes:
        return self.facts.model_dump_json(indent=1).encode() + b"\n"

    def _parts(self) -> tuple[tuple[str, Any, Any], ...]:
        """(file, type, content) of every part that may be absent."""
        return (
            (EVIDENCE, Evidence, self.evidence),
            (PROFILE, Profiles, self.profile),
            (PAST, Past, self.past),
        )

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the files into `folder`, `review.json` last; what an earlier run left there of a
        part that this one lacks is removed."""
        target = Path(folder)
        for name, held in self.contents.items():
            write_atomic(target / name, held)
        for name, _, part in self._parts():
            if part is None:
                (target / name).unlink(missing_ok=True)
        write_atomic(target / REVIEW, self._review)
        return target

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Records:
        """Read what `save` wrote, without trust; FormatError names the file and what is wrong."""
        source = Path(folder)
        facts = read_stored(source / REVIEW, Facts)
        return cls(
            facts,
            Raw.load(source / RAW),
            read_stored(source / EVIDENCE, Evidence),
            _part(source, facts, PROFILE, Profiles),
            _part(source, facts, PAST, Past),
        )

    @staticmethod
    def in_folder(folder: str | os.PathLike[str]) -> bool:
        """Whether `folder` holds the records of a gate."""
        return (Path(folder) / REVIEW).is_file()


def _part(folder: Path, facts: Facts, name: str, kind: type[Part]) -> Part | None:
    """A part that the facts do not call absent."""
    return None if name in facts.absent else read_stored(folder / name, kind)


def digest(path: Path) -> str:
    """SHA-256 of a file, hexadecimal; FormatError where it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise FormatError(f"{path}: cannot be read ({error.strerror})") from error
