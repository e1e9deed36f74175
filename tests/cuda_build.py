"""What tests of CUDA sources share: small sources, the architectures to compile for, skips."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bitnet_perf.kernels.cuda import nvrtc, sass

SOURCES = Path(__file__).parent / "cuda" / "sources"
RECORDED = Path(__file__).parent / "cuda" / "recorded"
# Turing without cp.async, the first with it, Hopper with wgmma, the newest; LANE_ALL: every one.
FEW = ("sm_75", "sm_80", "sm_90a", "sm_120")
ALL = bool(os.environ.get("LANE_ALL"))
NEEDS_COMPILER = pytest.mark.skipif(bool(nvrtc.why_not()), reason=nvrtc.why_not())
NEEDS_DISASSEMBLER = pytest.mark.skipif(bool(sass.why_not()), reason=sass.why_not())


def architectures(among: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """Those to compile for in this run, of what NVRTC covers and a kernel has."""
    covered = () if nvrtc.why_not() else nvrtc.nvrtc().architectures
    wanted = covered if ALL else FEW
    return tuple(n for n in covered if n in wanted and (among is None or n in among))
