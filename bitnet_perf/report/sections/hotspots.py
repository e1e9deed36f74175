"""2. Hotspot Analysis: where the change is, down to functions and files, and its suspects."""

from __future__ import annotations

from bitnet_perf.analyze.attribution import Attribution, Node, TreeNode
from bitnet_perf.analyze.attribution.cases import suspects
from bitnet_perf.peers.bitnet_rs.crates import crate_of
from bitnet_perf.report.document import Block, Part, Table, Text, Words
from bitnet_perf.report.figures import Source, between, join, words
from bitnet_perf.report.judged import PROFILE, RAW, Judged
from bitnet_perf.report.sections.machine import machine

__all__ = ["hotspots", "node_source"]

SHOWN = 12  # rows of a level, suspects, commits of each
LEVELS = (("stage", "Stages"), ("operation", "Operations"), ("kernel", "Kernels"))


def hotspots(judged: Judged) -> list[Block]:
    """What holds the change, the change by level, suspects, memory, and how the host is used."""
    return [
        *_held(judged),
        *(_suspects(judged) if judged.attribution.suspects else _made_of(judged)),
        *_levels(judged),
        *_cases(judged),
        *machine(judged),
    ]


def _held(judged: Judged) -> list[Block]:
    held = judged.attribution.localized
    if held is None:
        return []
    source = Source(_file(judged), f"localized {held.name}")
    share = source.percent(held.share, ".0f")
    text = words(
        share, " of what became slower is in one ", held.kind, ": ", source.told(held.name), "."
    )
    return [Text(text=text)]


def _file(judged: Judged) -> str:
    """The record that tells where the change is."""
    return PROFILE if judged.attribution.nodes else RAW


def _suspects(judged: Judged) -> list[Block]:
    """Changed files that have a part in what became slower, with their commits."""
    rows: list[tuple[Words, ...]] = []
    for each in judged.attribution.suspects[:SHOWN]:
        source = Source(_file(judged), f"suspect {each.file}")
        commits = "; ".join(each.commits[:SHOWN]) or "not committed"
        rows.append(
            (
                Source("review.json", "changed").told(each.file),
                source.share(each.score),
                source.told(" > ".join(filter(None, each.path))),
                crate_of(each.file) or "",
                Source("review.json", "commits").told(commits),
            )
        )
    columns = ("changed file", ">share of the change", "nearest to", "crate", "commits")
    return [Table(title="Suspects", columns=columns, rows=tuple(rows))]


def _made_of(judged: Judged) -> list[Block]:
    """Where no file has a score: the changed files that a slower kernel or bench is made of."""
    found: list[Block] = []
    files = Source("review.json", "changed")
    for each in suspects(judged.kernels, judged.changed)[:SHOWN]:
        source = Source(RAW, f"kernel {each.kernel}")
        named: list[Words] = [files.told(name) for name in each.files[:SHOWN]]
        made = join(", ", named) if named else "none of the changed files"
        change = source.change(each.change)
        text = words(source.told(each.kernel), ": ", change, "; made of ", made, ".")
        found.append(Text(text=text))
    return found


def node_source(node: TreeNode) -> Source:
    """Where the figures of a place follow from."""
    file = RAW if node.source == "callgrind" else PROFILE
    return Source(file, f"{node.level} {' > '.join(node.path)}".strip())


def _levels(judged: Judged) -> list[Block]:
    """The summed trees; of a run without profiles the compared cases alone."""
    found = judged.attribution
    if not found.nodes:
        why = Source("review.json", "absent").told(judged.absent.get(PROFILE, "none was recorded"))
        none = words("There is no paired profile of the stages: ", why, ".")
        return [Text(text=none), *_functions(found)]
    blocks: list[Block] = [
        Text(
            text="One iteration of each stage case, both sides alternating with their spans "
            "recorded; more is slower. Changes add up level by level:"
        )
    ]
    for level, title in LEVELS:
        rows = tuple(
            map(_place, [n for n in found.level(level) if len(n.path) != 1 or level == "stage"])
        )
        columns = ("place", ">share", ">base", ">change", ">bounds", ">of the change", "file")
        blocks.append(Table(title=title, columns=columns, rows=rows[:SHOWN]))
    return [*blocks, *_functions(found), *_checks(found)]


def _place(node: TreeNode) -> tuple[Words, ...]:
    source = node_source(node)
    return (
        source.told(" > ".join(node.path[1:] or node.path)),
        source.share(node.share),
        source.seconds(node.base),
        source.change(node.change),
        between(source.change(node.low), source.change(node.high)),
        source.percent(node.of_change, ".0f", none=""),
        source.told(node.file),
    )


def _functions(found: Attribution) -> list[Block]:
    rows: list[tuple[Words, ...]] = []
    for node in sorted(
        found.functions,
        key=lambda n: (n.low <= 0 <= n.high, -abs(n.change / n.base if n.base else n.change)),
    )[:SHOWN]:
        source = node_source(node)
        place = f"{node.file}:{node.line}" if node.line else node.file
        rows.append(
            (
                source.told(node.name),
                source.told(place),
                _amount(node, node.base),
                _amount(node, node.change, sign=True),
                _bounds(node),
                source.percent(node.of_change, ".0f", none=""),
                node.source,
            )
        )
    columns = ("function", "place", ">base", ">change", ">bounds", ">of the change", "by")
    return [Table(title="Functions", columns=columns, rows=tuple(rows))]


def _bounds(node: TreeNode) -> Words:
    """The interval of a change over the pairs; a count of instructions has none."""
    if node.unit == "instructions":
        return "exact"
    return between(_amount(node, node.low, sign=True), _amount(node, node.high, sign=True))


def _amount(node: TreeNode, value: float, *, sign: bool = False) -> Part:
    """Seconds, or instructions."""
    source = node_source(node)
    if node.unit == "instructions":
        return source.figure(value, f"{value:+.0f}" if sign else f"{value:.0f}", "instructions")
    return source.change(value) if sign else source.seconds(value)


def _checks(found: Attribution) -> list[Block]:
    """Where a profile and the comparison of the same case differ, and what has no profile."""
    return [
        Text(text=Source(PROFILE, each.case).told(f"{each.case}: {said}."))
        for each in found.cases
        for said in (each.missing or (each.check if each.agrees is False else ""), *each.notes)
        if said
    ]


def _cases(judged: Judged) -> list[Block]:
    if not judged.kernels:
        return [Text(text="No case was timed, so no change of a case can be placed.")]
    columns = ("what", ">cases", ">share of time", ">change us", ">bounds us", ">of the change")
    if judged.commands:
        return [_benches(judged)]
    rows = tuple(map(_summed, (*judged.stages, *judged.kernels)))
    title = "The compared cases by stage and kernel"
    return [Table(title=title, columns=columns, rows=rows, detail=bool(judged.attribution.nodes))]


def _benches(judged: Judged) -> Table:
    """The cases of a Cargo workspace, each alike: changes relative to the base."""
    rows: list[tuple[Words, ...]] = []
    for node in (*judged.stages, *judged.kernels):
        source = Source(RAW, f"{node.level} {node.name}")
        mean, low, high = (
            source.percent(value / node.cases) for value in (node.change, node.low, node.high)
        )
        part = source.percent(node.of_change, ".0f", none="")
        rows.append(
            (source.told(node.name), source.count(node.cases), mean, between(low, high), part)
        )
    columns = ("what", ">cases", ">mean change", ">bounds", ">of the change")
    title = "The compared cases by stage and bench"
    return Table(title=title, columns=columns, rows=tuple(rows))


def _summed(node: Node) -> tuple[Words, ...]:
    source = Source(RAW, f"{node.level} {node.name}")
    return (
        source.told(node.name),
        source.count(node.cases),
        source.share(node.share),
        source.micro(node.change),
        between(source.micro(node.low), source.micro(node.high)),
        source.percent(node.of_change, ".0f", none=""),
    )
