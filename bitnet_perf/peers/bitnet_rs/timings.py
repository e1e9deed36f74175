"""Reader of `timings.json`: raw samples of the crates' functions, taken on another host.

They stand beside our times and are never divided by them: a ratio needs one host.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from bitnet_perf.errors import FormatError
from bitnet_perf.peers.bitnet_rs.folder import first_problem, read_json
from bitnet_perf.peers.bitnet_rs.ids import TL2_BLOCK

NANOSECOND = 1e-9
#: families of ids that have a kernel of ours: pattern -> case name without its threads
CASES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (
            r"(?P<codec>(?:quant|device|kernel)\.\w+)\.(?P<op>quantize|dequantize)(?:\.\w+)?\.n(?P<n>\d+)",
            "quantization/block_{op}/{codec}/{n}",
        ),
        (
            r"(?P<codec>matmul_i2s|matmul)\.\w+\.m(?P<m>\d+)n(?P<n>\d+)k(?P<k>\d+)(?:b\d+)?",
            "forward/block_matmul/{codec}/{m}x{n}x{k}",
        ),
    )
)


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True)
    id: str
    level: str
    threads: PositiveInt = Field(alias="RAYON_NUM_THREADS")
    rustflags: str = Field(default="", alias="RUSTFLAGS")
    iters: list[PositiveInt]
    times: list[float]


class _File(BaseModel):
    model_config = ConfigDict(frozen=True)
    format: Literal[1]
    note: str = ""
    provenance: dict[str, Any]
    cpus: PositiveInt
    entries: list[_Entry]


@dataclass(frozen=True)
class Timing:
    """Samples of one function: seconds per call, one value per recorded sample.

    `case` is the name of our case that does the same work, or None with the reason.
    """

    id: str
    level: str
    threads: int
    rustflags: str
    samples: tuple[float, ...]
    case: str | None
    reason: str

    @property
    def seconds(self) -> float:
        """Median of the samples."""
        return median(self.samples)


@dataclass(frozen=True)
class Timings:
    """All rows of a file, and the host that they were taken on, in words."""

    host: str
    note: str
    rows: tuple[Timing, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def read_timings(folder: Path) -> Timings | None:
    """Rows of `timings.json`, None where the folder has none; raises FormatError."""
    path = folder / "timings.json"
    if not path.exists():
        return None
    try:
        data = _File.model_validate(read_json(path))
    except ValidationError as error:
        raise first_problem(path, error) from error
    rows = []
    for place, entry in enumerate(data.entries):
        if len(entry.times) != len(entry.iters) or not entry.times:
            raise FormatError(
                f"{path}: entries.{place}: {len(entry.times)} times and {len(entry.iters)} iters; "
                "one of each per sample is needed"
            )
        pairs = zip(entry.times, entry.iters, strict=True)
        samples = tuple(time * NANOSECOND / calls for time, calls in pairs)
        case, reason = case_of(entry.id, entry.level, entry.threads)
        rows.append(
            Timing(entry.id, entry.level, entry.threads, entry.rustflags, samples, case, reason)
        )
    return Timings(_host(data), data.note, tuple(rows))


def case_of(identifier: str, level: str, threads: int) -> tuple[str | None, str]:
    """(our case that does the same work, "") or (None, why there is none).

    `quant.tl2` takes its block size from the CPU level; where that is not the default of our
    kernel the name says so, as in `quant.tl2.b128`.
    """
    for pattern, name in CASES:
        match = pattern.fullmatch(identifier)
        if match is not None:
            parts = match.groupdict()
            block = TL2_BLOCK.get(level, TL2_BLOCK["scalar"])
            if parts["codec"] == "quant.tl2" and block != TL2_BLOCK["scalar"]:
                parts["codec"] += f".b{block}"
            return f"{name.format(**parts)}/t{threads}", ""
    if identifier.startswith("qk256."):
        return None, "qk256 is checked by an oracle and has no native kernel"
    return None, "not a function that one of our cases re-implements"


def _host(data: _File) -> str:
    """The recording host and build in one line."""
    source = data.provenance
    flags = source.get("cpu_flags", [])
    simd = [name for name in ("avx512f", "avx2") if name in flags] or ["no AVX2"]
    parts = (
        f"{source.get('cpu_vendor', 'unknown CPU')} family {source.get('cpu_family', '?')}",
        f"{data.cpus} CPUs",
        simd[0],
        str(source.get("rustc", "unknown rustc")),
        f"{source.get('repository', 'unknown')} at {str(source.get('git_sha', 'unknown'))[:8]}",
    )
    return ", ".join(parts)
