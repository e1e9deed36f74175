"""The five pipeline stages: what belongs to each, and where the time of a run went."""

from bitnet_perf.spans import span
from bitnet_perf.stages.layer import run_layer
from bitnet_perf.stages.profile import Profile, StageRow, profile
from bitnet_perf.stages.table import STAGES, stage_of
from bitnet_perf.stages.totals import LayerRow, Stack, Total, totals

__all__ = [
    "STAGES",
    "LayerRow",
    "Profile",
    "Stack",
    "StageRow",
    "Total",
    "profile",
    "run_layer",
    "span",
    "stage_of",
    "totals",
]
