"""The five pipeline stages: what belongs to each, and where the time of a run went."""

from bitnet_perf.stages.profile import Profile, profile, span
from bitnet_perf.stages.table import STAGES, stage_of

__all__ = ["STAGES", "Profile", "profile", "span", "stage_of"]
