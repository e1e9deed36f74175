"""The one table from what a span is called to its stage.

Kernels are called `family/format/isa`; the stage of a family stands in the list of families that
can be timed. Everything else is one of the operations below.
"""

from __future__ import annotations

from bitnet_perf import _bench

__all__ = ["NO_MODEL", "OPERATIONS", "STAGES", "stage_of"]

# Stage -> title, in the order of a run.
STAGES = {
    "load": "Model Load",
    "quantization": "Quantization",
    "forward": "Forward Pass",
    "tokenization": "Tokenization",
    "generation": "Generation",
}

# Stages that only a model runs.
NO_MODEL = frozenset({"load", "tokenization", "generation"})

# Operation -> stage; the matrices of a layer.
OPERATIONS = {
    "qkv": "forward",
    "o_proj": "forward",
    "gate_up": "forward",
    "down": "forward",
}


def stage_of(name: str) -> str | None:
    """The stage of the span `name`; None for what belongs to none, such as probes of the host."""
    family = name.partition("/")[0]
    stage = OPERATIONS.get(name) or _bench.families().get(family)
    return stage if stage in STAGES else None
