"""Where a change lies: stage, operation, kernel, function, and which files and commits made it."""

from bitnet_perf.analyze.attribution.cases import (
    Node,
    Part,
    Suspect,
    attribute,
    localized,
    parts_of,
)
from bitnet_perf.analyze.attribution.functions import Places
from bitnet_perf.analyze.attribution.memory import Growth, MemoryRow
from bitnet_perf.analyze.attribution.ranking import (
    Commit,
    FileSuspect,
    Localized,
    Portion,
    rank_by_stage,
)
from bitnet_perf.analyze.attribution.tree import TreeNode
from bitnet_perf.analyze.attribution.whole import (
    Attribution,
    CaseAttribution,
    attribute_profiles,
)
from bitnet_perf.analyze.attribution.workspace import attribute_workspace, is_of_workspace

__all__ = [
    "Attribution",
    "CaseAttribution",
    "Commit",
    "FileSuspect",
    "Growth",
    "Localized",
    "MemoryRow",
    "Node",
    "Part",
    "Places",
    "Portion",
    "Suspect",
    "TreeNode",
    "attribute",
    "attribute_profiles",
    "attribute_workspace",
    "is_of_workspace",
    "localized",
    "parts_of",
    "rank_by_stage",
]
