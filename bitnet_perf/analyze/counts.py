"""Instruction counts beside times: what differs by function, and what both signals say together.

Counts never decide a verdict. They are exact, so a small difference in them is real; but more
instructions need not take longer, and slower code need not have more of them.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any, Literal

from bitnet_perf.analyze.paired.verdict import ALARMS
from bitnet_perf.bench.counters import Counts, Unavailable
from bitnet_perf.peers.cargo.instructions import Counted

__all__ = [
    "Annotation",
    "Difference",
    "FunctionDifference",
    "PlaceDifference",
    "annotate",
    "compare_counts",
    "compare_places",
    "crate_of",
    "lines",
]

SAME = 0.001  # a relative change of less is none
MUCH = 0.02  # a relative change above this is told although the time passes
SHOWN = 4  # functions in the text
LOCALIZED = 0.70  # of a change, in one kernel, module or crate
PLACES_NOTE = "counted on the instruction sets that Valgrind knows (no VNNI, AVX-512 or AMX)"

Kind = Literal["layout, memory or noise", "latent", "attributed", ""]


@dataclass(frozen=True, slots=True)
class FunctionDifference:
    """Instructions of one iteration in a function itself on each side, 0 where it is not called.

    `share` is the change over the total of base: 0.02 means that this function alone adds 2 %.
    `base_whole` and `candidate_whole` hold what it calls as well.
    """

    name: str
    base: float
    candidate: float
    share: float
    base_whole: float
    candidate_whole: float

    @property
    def label(self) -> str:
        """The name as people read it."""
        return short_name(self.name)


@dataclass(frozen=True, slots=True)
class PlaceDifference:
    """Instructions of one benchmark in a function of a crate on each side, see FunctionDifference.

    `file` (from the top of the workspace) and `line` (where the function begins on the candidate's
    side, else on the base's) are "" and 0 where nothing tells them.
    """

    name: str
    base: float
    candidate: float
    share: float
    crate: str
    file: str = ""
    line: int = 0

    @property
    def label(self) -> str:
        """Function, crate and place as people read them."""
        crate = f" of {self.crate}" if self.crate else ""
        line = f":{self.line}" if self.line else ""
        return f"{short_name(self.name)}{crate}" + (f" ({self.file}{line})" if self.file else "")


@dataclass(frozen=True, slots=True)
class Difference:
    """Counts of both sides; `change` is candidate / base - 1, positive where there are more.

    `functions` holds those that differ, the largest difference first; it is empty where a side has
    no functions.
    """

    base: float
    candidate: float
    change: float
    functions: tuple[FunctionDifference | PlaceDifference, ...]
    tool: str
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Annotation:
    """What counts add to a verdict by time. `next_look`: more pairs are worth their time."""

    kind: Kind
    text: str
    next_look: bool = False


def compare_counts(
    base: Counts | Unavailable, candidate: Counts | Unavailable
) -> Difference | Unavailable:
    """What differs between two sides that one host counted with one tool, in one call."""
    for side, counts in (("base", base), ("candidate", candidate)):
        if isinstance(counts, Unavailable):
            both = base == candidate
            return counts if both else Unavailable(f"{side}: {counts.why}")
    assert isinstance(base, Counts)
    assert isinstance(candidate, Counts)
    if base.tool != candidate.tool:
        return Unavailable(f"counted by different tools: {base.tool}, {candidate.tool}")
    notes = [
        f"{side}: {counts.note}" if base.note != candidate.note else counts.note
        for side, counts in (("base", base), ("candidate", candidate))
        if counts.note
    ]
    if base.isa != candidate.isa:
        notes.append(f"instruction sets differ: {base.isa}, {candidate.isa}")
    return Difference(
        base.total,
        candidate.total,
        candidate.total / base.total - 1,
        _functions(base, candidate),
        base.tool,
        tuple(dict.fromkeys(notes)),
    )


def _functions(base: Counts, candidate: Counts) -> tuple[FunctionDifference, ...]:
    if not base.by_function or not candidate.by_function:
        return ()
    found = []
    for name in {**base.by_function, **candidate.by_function}:
        a, b = base.by_function.get(name), candidate.by_function.get(name)
        before, after = (a.exclusive if a else 0.0), (b.exclusive if b else 0.0)
        if before != after:
            whole = (a.inclusive if a else 0.0), (b.inclusive if b else 0.0)
            found.append(
                FunctionDifference(name, before, after, (after - before) / base.total, *whole)
            )
    return tuple(sorted(found, key=lambda row: (-abs(row.share), row.name)))


def compare_places(
    base: Counted | Unavailable, candidate: Counted | Unavailable
) -> Difference | Unavailable:
    """What differs between two programs of a Cargo workspace, by crate and function."""
    for side, counted in (("base", base), ("candidate", candidate)):
        if isinstance(counted, Unavailable):
            return counted if base == candidate else Unavailable(f"{side}: {counted.why}")
    assert isinstance(base, Counted)
    assert isinstance(candidate, Counted)
    if base.total <= 0:
        return Unavailable("base: not one instruction")
    found = []
    for place in {**base.by_place, **candidate.by_place}:
        before, after = base.by_place.get(place, 0), candidate.by_place.get(place, 0)
        line = candidate.first_line.get(place) or base.first_line.get(place, 0)
        if before != after:
            share = (after - before) / base.total
            found.append(
                PlaceDifference(place.function, before, after, share, place.crate, place.file, line)
            )
    return Difference(
        base.total,
        candidate.total,
        candidate.total / base.total - 1,
        tuple(sorted(found, key=lambda row: (-abs(row.share), row.name))),
        "callgrind",
        (PLACES_NOTE,),
    )


def crate_of(difference: Difference) -> tuple[str, float] | None:
    """(crate, its share) where one crate holds at least LOCALIZED of the instructions that were
    added in all; None otherwise."""
    added = difference.candidate - difference.base
    by_crate: dict[str, float] = {}
    for row in difference.functions:
        if isinstance(row, PlaceDifference):
            by_crate[row.crate] = by_crate.get(row.crate, 0.0) + row.candidate - row.base
    most = max(by_crate, key=lambda crate: by_crate[crate], default="")
    if added <= 0 or not most or by_crate[most] < LOCALIZED * added:
        return None
    return most, by_crate[most] / added


def annotate(difference: Difference | Unavailable, verdict: str) -> Annotation:
    """What counts add to a verdict by time (`pass`, `improved`, `concern`, `action`, ...).

    An alarm without more instructions is "layout, memory or noise" and worth the next look; more
    instructions by 2 % while the time passes are "latent"; an alarm with more instructions is
    "attributed" to the function that adds the most. Everything else gets an empty annotation.
    """
    if isinstance(difference, Unavailable):
        return Annotation("", "")
    change = difference.change
    told = f"{change:+.2%} instructions"
    if verdict in ALARMS:
        if abs(change) < SAME:
            return Annotation(
                "layout, memory or noise", f"layout, memory or noise: {told}", next_look=True
            )
        if change > 0:
            return Annotation("attributed", f"{told}{_main_cause(difference)}")
    if verdict in ("pass", "improved") and change > MUCH:
        return Annotation("latent", f"latent: {told}{_main_cause(difference)}, and the time passes")
    return Annotation("", "")


def _main_cause(difference: Difference) -> str:
    """ ", FUNCTION adds ..." for the function that adds most, "" where functions are unknown."""
    most = max(difference.functions, key=lambda row: row.share, default=None)
    if most is None or most.share <= 0:
        return ""
    return f", {most.label} adds {most.share:.2%}"


def lines(difference: Difference | Unavailable, annotation: Annotation) -> tuple[str, ...]:
    """Text for a row: both totals with their change, the annotation, and the functions that differ
    most. One line where there are no counts, which says why."""
    if isinstance(difference, Unavailable):
        return (f"instructions: unavailable ({difference.why})",)
    found = [
        f"instructions: {difference.base:,.0f} -> {difference.candidate:,.0f} "
        f"({difference.change:+.2%}, {difference.tool})"
    ]
    found += [annotation.text] if annotation.text else []
    for row in difference.functions[:SHOWN]:
        found.append(f"  {row.label}: {row.base:,.0f} -> {row.candidate:,.0f} ({row.share:+.2%})")
    more = len(difference.functions) - SHOWN
    found += [f"  {more} more functions differ"] if more > 0 else []
    return (*found, *(f"note: {note}" for note in difference.notes))


def short_name(name: str) -> str:
    """A demangled name without arguments and template parameters: "bp::run_product".

    >>> short_name("bp::(anonymous namespace)::reuse(bp::slot, unsigned long) [clone .cold]")
    'bp::reuse'
    """
    short, previous = name.replace("(anonymous namespace)::", ""), ""
    while short != previous:  # from the inside out
        previous, short = short, re.sub(r"<[^<>()]*>|\([^<>()]*\)", "", short)
    return re.sub(r"\s*\[clone [^]]*\]|\s*const$", "", short).rpartition(" ")[2] or name
