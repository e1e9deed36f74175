"""Whether this host has a GPU that something here could measure."""

from __future__ import annotations

from pathlib import Path

__all__ = ["why_no_gpu"]


def why_no_gpu(root: Path = Path("/")) -> str:
    """Why nothing is measured on a GPU: the host has none, or this build has nothing to run."""
    there = (root / "dev/nvidiactl").exists()
    return "no GPU kernels in this build" if there else "no-gpu-available"
