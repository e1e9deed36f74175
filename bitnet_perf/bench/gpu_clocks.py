"""Clocks of a GPU, observed and never set."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["Clock", "Clocks", "clocks_of"]

SECONDS = 10.0  # that nvidia-smi may take
QUERY = "clocks.sm,clocks.default_applications.graphics,clocks.max.sm"


@dataclass(frozen=True, slots=True)
class Clock:
    """MHz of the multiprocessors: now, and where nobody asked for another; 0 where unknown."""

    now: int
    default: int

    def below(self, share: float) -> bool:
        """Whether the clock is known to be under this share of the default."""
        return bool(self.now and self.default) and self.now < share * self.default


class Clocks(Protocol):
    """Observes one GPU; `source` says how."""

    source: str

    def read(self) -> Clock:
        """The clock now."""


class Unobserved:
    """Where there is neither NVML for Python nor nvidia-smi."""

    source = "not observed: neither pynvml nor nvidia-smi is there"

    def read(self) -> Clock:
        return Clock(0, 0)


class _Nvml:
    source = "pynvml"

    def __init__(self, api: Any, bus: str) -> None:
        self.api = api
        api.nvmlInit()
        self.handle = api.nvmlDeviceGetHandleByPciBusId(bus)
        self.default = self._default()

    def _default(self) -> int:
        """MHz that were set by default, else the most."""
        api = self.api
        with contextlib.suppress(api.NVMLError):
            return int(
                api.nvmlDeviceGetDefaultApplicationsClock(self.handle, api.NVML_CLOCK_GRAPHICS)
            )
        with contextlib.suppress(api.NVMLError):
            return int(api.nvmlDeviceGetMaxClockInfo(self.handle, api.NVML_CLOCK_SM))
        return 0

    def read(self) -> Clock:
        try:
            now = int(self.api.nvmlDeviceGetClockInfo(self.handle, self.api.NVML_CLOCK_SM))
        except self.api.NVMLError:
            now = 0
        return Clock(now, self.default)


class _Program:
    source = "nvidia-smi"

    def __init__(self, program: str, bus: str) -> None:
        self.command = [program, "-i", bus, f"--query-gpu={QUERY}",
                        "--format=csv,noheader,nounits"]  # fmt: skip

    def read(self) -> Clock:
        try:
            done = subprocess.run(
                self.command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                timeout=SECONDS, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired):
            return Clock(0, 0)
        words = [word.strip() for word in done.stdout.strip().split(",")]
        if done.returncode or len(words) != QUERY.count(",") + 1:
            return Clock(0, 0)
        now, default, most = (int(word) if word.isdecimal() else 0 for word in words)
        return Clock(now, default or most)


def clocks_of(bus: str) -> Clocks:
    """The clocks of the GPU at this PCI address, by the best source of this host."""
    try:
        import pynvml
    except ImportError:
        pynvml = None
    if pynvml is not None:
        with contextlib.suppress(pynvml.NVMLError):
            return _Nvml(pynvml, bus)
    program = shutil.which("nvidia-smi")
    return Unobserved() if program is None else _Program(program, bus)
