"""Cases of a Cargo workspace: how they are named and classed, what is built and run for them."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bitnet_perf.analyze.paired.rules import Class
from bitnet_perf.bench.cases import class_of, matches
from bitnet_perf.bench.paired.schema import PROCESSES, printable
from bitnet_perf.peers.bitnet_rs.crates import bench_stages, stage_of_crate
from bitnet_perf.peers.cargo.build import Builder, Program
from bitnet_perf.peers.cargo.metadata import Bench, Workspace
from bitnet_perf.peers.cargo.runs import LONGEST_NAME, Runner, Subject, command_of, is_name

__all__ = [
    "XTASK",
    "BothSides",
    "BuiltPair",
    "build_all",
    "case_of",
    "cases_of",
    "is_wanted",
    "named_by",
    "place_of",
    "runner_of",
]

UNKNOWN = "workspace"  # the first segment of cases of a crate that the table of crates lacks
XTASK = "xtask"  # the crate of BitNet.rs whose `benchmark` runs a model
BothSides = tuple[Bench | None, Bench | None]  # a bench as base and head have it, None: not there


@dataclass(frozen=True)
class BuiltPair:
    """One bench of both sides: programs (None where a side has no such bench), what runs them
    (None where a program lacks), and the bench as each side has it."""

    bench: Bench
    programs: tuple[Program | None, Program | None]
    runners: tuple[Runner, Runner] | None
    sides: BothSides


def is_wanted(name: str, globs: Sequence[str]) -> bool:
    """Whether a glob matches the name, or there is none."""
    return not globs or any(matches(name, glob) for glob in globs)


def named_by(benches: Sequence[Bench], globs: Sequence[str]) -> tuple[Bench, ...]:
    """The benches that a glob names by its first segments; all, where none does so."""

    def begins(bench: Bench, glob: str) -> bool:
        wanted = glob.split("/")
        places = [place.split("/") for place in _places_of(bench)]
        return any(
            all(map(fnmatch.fnmatchcase, place[at:], wanted))
            for place in places
            for at in range(len(place))
        )

    named = tuple(bench for bench in benches if any(begins(bench, glob) for glob in globs))
    return named or tuple(benches)


def place_of(bench: Bench, criterion_id: str | None = None) -> str:
    """STAGE/CRATE/BENCH of a bench, or of one id of it; of `xtask` what it does.

    The stage is that of the id's group in the table of crates; where the table does not tell, that
    of the bench, which is its crate's where its groups are of several stages.
    """
    if not bench.name:
        return f"generation/{bench.crate}/benchmark"
    mine = () if criterion_id is None else bench_stages(bench.crate, bench.name, criterion_id)
    known = mine or bench_stages(bench.crate, bench.name)
    stage = known[0] if len(known) == 1 else stage_of_crate(bench.crate) or UNKNOWN
    return f"{stage}/{bench.crate}/{bench.name}"


def _places_of(bench: Bench) -> list[str]:
    """Every STAGE/CRATE/BENCH that cases of a bench can have."""
    stages = bench_stages(bench.crate, bench.name)
    more = (f"{stage}/{bench.crate}/{bench.name}" for stage in stages if bench.name)
    return list(dict.fromkeys([place_of(bench), *more]))


def _class_of(name: str) -> Class:
    """A crate that the table lacks has the budget of the core: nothing says that it is another."""
    return "core" if name.startswith(f"{UNKNOWN}/") else class_of(name)


def build_all(
    builder: Builder,
    workspace: Workspace,
    trees: tuple[str, str],
    wanted: Sequence[BothSides],
    model: Path | None,
) -> list[BuiltPair]:
    """Both programs of every bench, all of base first, so that cargo compiles each tree once; with
    a model those of `xtask` too."""
    benches = list(wanted)
    if model is not None and workspace.member(XTASK) is not None:
        member = workspace.member(XTASK)
        features = ("inference",) if member and "inference" in member.features else ()
        benches.append((Bench(XTASK, "", features, plain=True),) * 2)
    programs: list[list[Program | None]] = []
    for side, tree in enumerate(trees):
        of_side = ((both[side] if all(both) else None) for both in benches)
        programs.append(
            [None if bench is None else builder.build(tree, bench) for bench in of_side]
        )
    pairs = []
    for both, base, candidate in zip(benches, *programs, strict=True):
        bench = both[1] or both[0]
        runners = None
        if base and candidate and base.path is not None and candidate.path is not None:
            runners = (
                runner_of(builder, workspace, trees[0], 0, base),
                runner_of(builder, workspace, trees[1], 1, candidate),
            )
        assert bench is not None
        pairs.append(BuiltPair(bench, (base, candidate), runners, both))
    return pairs


def runner_of(
    builder: Builder, workspace: Workspace, tree: str, side: int, program: Program
) -> Runner:
    """What runs the program of a side in a checkout of its tree."""
    member = workspace.member(program.bench.crate)
    folder = member.folder if member is not None and program.bench.name else ""
    assert program.path is not None
    return Runner(side, program.path, builder.run_folder(tree, side), folder)


def cases_of(
    each: BuiltPair, wanted: Sequence[str], model: Path | None
) -> Iterator[tuple[dict[str, Any], Subject | None]]:
    """The cases of one bench that match the globs `wanted` (all without one), and what is run for
    them; None where nothing can be."""
    place = place_of(each.bench)
    whole = case_of(place, each.bench)
    why = _unbuilt(each)
    if why is not None or each.runners is None:
        yield whole | (why or {}), None
        return
    if not each.bench.name:
        subject, name = Subject(None, model), model.stem if model else ""
        yield case_of(f"{place}/{name}", each.bench, subject), subject
        return
    (base, no_base), (candidate, no_candidate) = (runner.listed() for runner in each.runners)
    if not base and not candidate:
        said = no_base if no_base == no_candidate else f"base: {no_base}, candidate: {no_candidate}"
        yield whole | {"skipped": printable(str(said))}, None
        return
    codes = {program.code for program in each.programs if program is not None}
    same = {"identical": True} if len(codes) == 1 else {}
    for name in dict.fromkeys([*base, *candidate]):
        place = place_of(each.bench, name)
        if not is_name(name):
            shown = printable(f"{place}/{name[:LONGEST_NAME]}")
            yield whole | {"name": shown, "skipped": "its name cannot be shown or asked for"}, None
            continue
        case = case_of(f"{place}/{name}", each.bench, Subject(name)) | {"id": name}
        if not is_wanted(case["name"], wanted):
            continue
        if name in base and name in candidate:
            yield case | same, None if same else Subject(name)
        else:
            yield case | {"only": "base" if name in base else "candidate"}, None


def case_of(name: str, bench: Bench, subject: Subject | None = None) -> dict[str, Any]:
    """The case object of a bench as a whole, or of one subject of it."""
    return {
        "name": printable(name), "threads": 1, "clock": "wall", "class": _class_of(name),
        "bound": "unknown", "evidence": PROCESSES, "crate": bench.crate, "bench": bench.name,
        "command": [printable(word) for word in command_of(bench, subject)],
    }  # fmt: skip


def _unbuilt(each: BuiltPair) -> dict[str, Any] | None:
    """What a bench becomes that one side, or both, lack or do not build; None where both do."""
    base, candidate = each.programs
    if base is None or candidate is None:
        return {"only": "candidate" if each.sides[0] is None else "base"}
    if base.path is not None and candidate.path is not None:
        return None
    if candidate.path is None and base.path is not None:
        return {"error": printable(f"candidate: {candidate.why}"), "error_side": 1}
    both = candidate.path is None and candidate.why == base.why
    return {"skipped": printable(base.why if both else f"base: {base.why}")}
