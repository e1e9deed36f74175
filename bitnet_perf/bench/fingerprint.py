"""What a measurement depends on: the host, and what built the kernels."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from bitnet_perf import _native

__all__ = ["Cache", "Fingerprint", "fingerprint"]


class Cache(BaseModel):
    """One cache as CPU 0 sees it; `shared_by` CPUs use it together."""

    model_config = ConfigDict(frozen=True)

    level: int
    bytes: int
    shared_by: int


class Fingerprint(BaseModel):
    """Two measurements are of one host where these are equal. Unknown values are None."""

    model_config = ConfigDict(frozen=True)

    cpu: str
    machine: str
    cores: int
    allowed: int
    isas: tuple[str, ...]
    caches: tuple[Cache, ...]
    memory_bytes: int
    governor: str | None
    hypervisor: bool
    huge_pages: str | None
    kernel: str
    compiler: str
    python: str
    version: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return self.model_dump(mode="json")

    def cache_bytes(self, level: int) -> int | None:
        """Size of the data cache of that level, or None where the host does not tell."""
        return next((cache.bytes for cache in self.caches if cache.level == level), None)


def fingerprint() -> Fingerprint:
    """The fingerprint of this host, from /proc, /sys and the native module."""
    cpuinfo = _read(Path("/proc/cpuinfo")) or ""
    return Fingerprint(
        cpu=_field(cpuinfo, "model name") or platform.processor() or platform.machine(),
        machine=platform.machine(),
        cores=os.cpu_count() or 1,
        allowed=_native.default_threads(),
        isas=tuple(name for name, _, _, built, runs in _native.isas() if built and runs),
        caches=_caches(),
        memory_bytes=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        governor=_read(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
        hypervisor=" hypervisor" in (_field(cpuinfo, "flags") or ""),
        huge_pages=_chosen(_read(Path("/sys/kernel/mm/transparent_hugepage/enabled"))),
        kernel=platform.release(),
        compiler=_native.compiler,
        python=platform.python_version(),
        version=_native.__version__,
    )


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None


def _field(cpuinfo: str, name: str) -> str | None:
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None


def _chosen(text: str | None) -> str | None:
    """The bracketed word of "always [madvise] never"."""
    return text.partition("[")[2].partition("]")[0] if text else None


def _caches() -> tuple[Cache, ...]:
    found = []
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, size = _read(folder / "level"), _read(folder / "size")
        if _read(folder / "type") == "Instruction" or not level or not size:
            continue
        unit = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}.get(size[-1], 1)
        found.append(
            Cache(
                level=int(level),
                bytes=int(size.rstrip("KMG")) * unit,
                shared_by=_count(_read(folder / "shared_cpu_list") or "0"),
            )
        )
    return tuple(found)


def _count(cpus: str) -> int:
    """How many CPUs a list such as "0-3,8" names."""
    total = 0
    for part in cpus.split(","):
        first, _, last = part.partition("-")
        total += int(last or first) - int(first) + 1
    return total
