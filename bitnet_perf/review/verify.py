"""A stored report against its records: every figure computed again, every file compared."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from bitnet_perf.errors import FormatError
from bitnet_perf.report.build import RUN, RunResults, build_report
from bitnet_perf.report.document import Figure, Report, figures_of
from bitnet_perf.report.forms import FORMS, JSON, first_forms, forms_of
from bitnet_perf.report.judged import Judged
from bitnet_perf.report.stored import read_stored
from bitnet_perf.report.verdicts import build_judged_report
from bitnet_perf.review.assemble import assemble
from bitnet_perf.review.records import REVIEW, Facts, Records, digest

__all__ = ["Difference", "Rendered", "has_records", "rendered", "verify"]

NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Difference:
    """A place of a file where what is stored is not what the records give."""

    place: str
    stored: str
    recomputed: str

    def __str__(self) -> str:
        return f"{self.place}: stored {self.stored}, recomputed {self.recomputed}"


@dataclass(frozen=True, slots=True)
class Rendered:
    """What the records of a folder give: the report, its judgement where two sides were compared,
    and the content of every file of it (None: no file)."""

    report: Report
    judged: Judged | None
    files: Mapping[str, str | None]


def has_records(folder: str | os.PathLike[str]) -> bool:
    """Whether a gate or a first run wrote its records there."""
    return Records.in_folder(folder) or (Path(folder) / RUN).is_file()


def rendered(folder: str | os.PathLike[str]) -> Rendered:
    """The report that the records of a folder give, of a gate or of a first run.

    Raises FormatError where there are none or one cannot be read.
    """
    source = Path(folder)
    if Records.in_folder(source):
        judged = assemble(Records.load(source))
        report = build_judged_report(judged)
        return Rendered(report, judged, forms_of(judged, report))
    if (source / RUN).is_file():
        report = build_report(read_stored(source / RUN, RunResults))
        return Rendered(report, None, first_forms(report))
    raise FormatError(
        f"{source}: holds no {REVIEW} and no {RUN}, accepted is a folder that `gate` or `run` wrote"
    )


def verify(folder: str | os.PathLike[str]) -> tuple[Difference, ...]:
    """Everything in a folder that does not follow from its records, changed records first.

    Raises FormatError where the folder holds no records at all, or one that was never readable.
    """
    source = Path(folder)
    changed = tuple(_records(source))
    try:
        again = rendered(source)
    except FormatError as error:
        if not changed:
            raise
        return (*changed, Difference("records", str(error), "a file that can be read"))
    found = [*changed, *_figures(source / FORMS[JSON].file, again.report)]
    for name, text in again.files.items():
        found += _text(source / name, text)
    return tuple(found)


def _records(folder: Path) -> Iterator[Difference]:
    """Records whose content is not what was measured, by the digests that the plan and the report
    state."""
    stated: dict[str, str] = {}
    with suppress(FormatError):
        stated |= read_stored(folder / REVIEW, Facts).digests
    with suppress(FormatError):
        stated |= read_stored(folder / FORMS[JSON].file, Report).records
    for name, wanted in stated.items():
        if Path(name).name != name:
            yield Difference(f"{name!r}: name", name, "a file of the folder")
            continue
        path = folder / name
        found = digest(path) if path.is_file() else NOTHING
        if found != wanted:
            yield Difference(f"{name}: SHA-256", found, wanted)


def _figures(path: Path, report: Report) -> Iterator[Difference]:
    """Figures of report.json that differ, each with the place where it stands."""
    try:
        stored = read_stored(path, Report)
    except FormatError as error:
        yield Difference(path.name, str(error), "a report of version 2")
        return
    pairs = zip_longest(figures_of(stored), figures_of(report))
    for mine, again in pairs:
        if mine != again:
            place = (again or mine or ("", None))[0]
            was, now = (NOTHING if each is None else _words(each[1]) for each in (mine, again))
            yield Difference(f"{path.name}: {place}", was, now)


def _words(figure: Figure) -> str:
    return f"{figure.text} ({figure.value!r} {figure.unit} of {figure.file}, {figure.row})"


def _text(path: Path, again: str | None) -> Iterator[Difference]:
    """The first line of a file that differs."""
    stored = path.read_bytes() if path.is_file() else None
    wanted = None if again is None else again.encode()
    if stored == wanted:
        return
    if stored is None or wanted is None:
        yield Difference(path.name, *(NOTHING if c is None else "a file" for c in (stored, wanted)))
        return
    lines = zip_longest(stored.split(b"\n"), wanted.split(b"\n"), fillvalue=b"")
    for number, (mine, other) in enumerate(lines, 1):
        if mine != other:
            yield Difference(f"{path.name}: line {number}", _near(mine, other), _near(other, mine))
            return


def _near(line: bytes, other: bytes) -> str:
    """A line from shortly before the place where it parts from the other."""
    same = next((n for n, (a, b) in enumerate(zip(line, other, strict=False)) if a != b), 0)
    shown = line[max(0, same - 30) : same + 60].decode(errors="replace")
    return json.dumps(shown, ensure_ascii=False)
