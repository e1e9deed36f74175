"""What a measurement depends on: the host, and what built the kernels."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from bitnet_perf import _native
from bitnet_perf.errors import EnvironmentRefused

__all__ = ["Cache", "Fingerprint", "fingerprint", "host_key", "refuse_other_host", "same_host",
           "this_host"]  # fmt: skip

# What does not decide whether two times are of one host: what this process was given, what a
# balloon driver may change, and the versions of what measures.
INFORMATION = frozenset({"allowed", "memory_bytes", "python", "version"})


class Cache(BaseModel):
    """One cache as CPU 0 sees it; `shared_by` CPUs use it together."""

    model_config = ConfigDict(frozen=True)

    level: int
    bytes: int
    shared_by: int


class Fingerprint(BaseModel):
    """A host and what built the kernels; `same_host` tells what makes two of them differ.

    Nothing in it changes from one moment to the next. Unknown values are None. Where the CPU is an
    ARM, `family`, `model` and `stepping` are its implementer, part and revision.
    """

    model_config = ConfigDict(frozen=True)

    cpu: str
    family: str | None = None
    model: str | None = None
    stepping: str | None = None
    microcode: str | None = None
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


def fingerprint(root: Path = Path("/")) -> Fingerprint:
    """The fingerprint of this host, from /proc and /sys below `root` and the native module.

    A file or field that is missing or malformed there is None, or no cache.
    """
    cpuinfo = _read(root / "proc/cpuinfo") or ""
    cpu = root / "sys/devices/system/cpu/cpu0"
    return Fingerprint(
        cpu=_field(cpuinfo, "model name") or platform.processor() or platform.machine(),
        family=_field(cpuinfo, "cpu family") or _field(cpuinfo, "CPU implementer"),
        model=_field(cpuinfo, "model") or _field(cpuinfo, "CPU part"),
        stepping=_field(cpuinfo, "stepping") or _field(cpuinfo, "CPU revision"),
        microcode=_field(cpuinfo, "microcode"),
        machine=platform.machine(),
        cores=os.cpu_count() or 1,
        allowed=_native.default_threads(),
        isas=tuple(name for name, _, _, built, runs in _native.isas() if built and runs),
        caches=_caches(cpu / "cache"),
        memory_bytes=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        governor=_read(cpu / "cpufreq/scaling_governor"),
        hypervisor="hypervisor" in (_field(cpuinfo, "flags") or "").split(),
        huge_pages=_chosen(_read(root / "sys/kernel/mm/transparent_hugepage/enabled")),
        kernel=platform.release(),
        compiler=_native.compiler,
        python=platform.python_version(),
        version=_native.__version__,
    )


def same_host(a: Fingerprint, b: Fingerprint) -> list[str]:
    """What differs, a text "field: value of a, value of b" each; empty where times of both are of
    one host and can be compared."""
    found = []
    for name in Fingerprint.model_fields:
        first, second = getattr(a, name), getattr(b, name)
        if name not in INFORMATION and first != second:
            found.append(f"{name}: {_shown(first)}, {_shown(second)}")
    return found


def host_key(facts: Mapping[str, Any] | str) -> str:
    """A name for a host, the same where `same_host` finds nothing that differs, the compiler aside.

    facts: a fingerprint as plain JSON values, or what another tool told of its host.
    """
    if not isinstance(facts, str):
        left_out = INFORMATION | {"compiler"}
        facts = {key: value for key, value in facts.items() if key not in left_out}
    text = json.dumps(facts, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def this_host() -> str:
    """The key of the host that this process runs on."""
    return host_key(fingerprint().model_dump(mode="json"))


def refuse_other_host(a: Fingerprint, b: Fingerprint) -> None:
    """Raise EnvironmentRefused, naming what differs, where times of two hosts would be compared."""
    differing = same_host(a, b)
    if differing:
        raise EnvironmentRefused(
            f"fingerprint: times of different hosts cannot be compared ({'; '.join(differing)}); "
            "measure both sides on one host"
        )


def _shown(value: object) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, tuple):
        return (
            " ".join(
                f"L{each.level}={each.bytes}/{each.shared_by}"
                if isinstance(each, Cache)
                else str(each)
                for each in value
            )
            or "none"
        )
    return str(value)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip() or None
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


def _caches(folder: Path) -> tuple[Cache, ...]:
    found = []
    for index in sorted(folder.glob("index*")):
        if _read(index / "type") == "Instruction":
            continue
        size = re.fullmatch(r"(\d+)([KMG]?)", _read(index / "size") or "")
        level = _read(index / "level") or ""
        if size is None or not level.isdecimal():
            continue
        unit = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}[size[2]]
        shared = _count(_read(index / "shared_cpu_list") or "")
        found.append(Cache(level=int(level), bytes=int(size[1]) * unit, shared_by=shared))
    return tuple(found)


def _count(cpus: str) -> int:
    """How many CPUs a list such as "0-3,8" names; 1 where it cannot be read."""
    parts = [re.fullmatch(r"(\d+)(?:-(\d+))?", part) for part in cpus.split(",")]
    if not all(parts):
        return 1
    return sum(int(part[2] or part[1]) - int(part[1]) + 1 for part in parts if part)
