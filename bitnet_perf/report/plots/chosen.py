"""Which pictures a judged report has, and in which section each stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bitnet_perf.analyze.attribution import Attribution, TreeNode
from bitnet_perf.report.figures import Source
from bitnet_perf.report.judged import EVIDENCE, PROFILE, RAW, Judged
from bitnet_perf.report.plots.flame import Frame, flame
from bitnet_perf.report.plots.ratios import ratios
from bitnet_perf.report.plots.roofline import roofline
from bitnet_perf.report.plots.svg import Picture
from bitnet_perf.report.plots.trends import trends
from bitnet_perf.report.plots.waterfall import Bar, waterfall
from bitnet_perf.stages.table import STAGES

__all__ = ["pictures_of"]


def pictures_of(judged: Judged) -> Mapping[int, tuple[Picture, ...]]:
    """Pictures by number of the section, those that have something to show."""
    limits = None if judged.evidence is None else judged.evidence.ceilings
    chosen: Mapping[int, tuple[Picture | None, ...]] = {
        1: (ratios(judged.worst_first, judged.rules),),
        2: (
            waterfall(_bars(judged.attribution), "One iteration of each stage case"),
            flame(_frames(judged.attribution)),
            roofline(limits, judged.places, EVIDENCE),
        ),
        5: (trends(judged.trends),),
    }
    return {
        number: tuple(picture for picture in several if picture is not None)
        for number, several in chosen.items()
    }


def _source(node: TreeNode) -> Source:
    file = RAW if node.source == "callgrind" else PROFILE
    return Source(file, f"{node.level} {' > '.join(node.path)}".strip())


def _bars(found: Attribution) -> list[Bar]:
    """The stages in the order of the pipeline."""
    order = list(STAGES.values())
    stages = sorted(
        found.level("stage"),
        key=lambda n: order.index(n.name) if n.name in order else len(order),
    )
    return [Bar(n.name, n.base, n.change, n.low, n.high, _source(n)) for n in stages]


def _frames(found: Attribution) -> Frame | None:
    """The summed tree: stages over operations over kernels. Functions are measured apart from it,
    and stand in a table."""
    root = next((node for node in found.nodes if node.level == "total"), None)
    return None if root is None else _frame(root, found.nodes)


def _frame(node: TreeNode, nodes: Sequence[TreeNode]) -> Frame:
    below = [
        each
        for each in nodes
        if len(each.path) == len(node.path) + 1 and each.path[: len(node.path)] == node.path
        and (len(each.path) > 1 or each.level == "stage")
    ]  # fmt: skip
    children = tuple(_frame(each, nodes) for each in below)
    return Frame(node.name, node.base, node.change, node.low, node.high, _source(node), children)
