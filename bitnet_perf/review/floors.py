"""The speeds that every host with AVX2 must reach: ratios inside one run, and rates."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from bitnet_perf import _bench, _native
from bitnet_perf.bench.ceilings import Sample, sampler, stream_probes

__all__ = ["Floor", "measure_floors"]

SAMPLE = 0.003  # seconds of one sample
ROUNDS = 15
TOKENS = 128
GEMV = "forward/gemv/i2_s/2560x2560/t1"
GEMV_STREAMING = "forward/gemv/i2_s/2560x2560-512mb/t1"
GEMM = f"forward/gemm/i2_s/{TOKENS}x2560x2560/t1"
STREAMING = {  # case -> least part of the streaming bandwidth
    GEMV_STREAMING: 0.60,
    "quantization/block_quantize/quant.i2s/16777216/t1": 0.60,
    "quantization/block_dequantize/quant.i2s/16777216/t1": 0.60,
}
MEMORY = 1 << 30  # bytes that the streaming probes walk through
PACKED = ("i2_s", "tl1", "tl2", "tq1_0", "tq2_0")


@dataclass(frozen=True, slots=True)
class Floor:
    """What was measured, how much of it, and the least that is accepted, in `unit`."""

    name: str
    value: float
    least: float
    unit: str
    detail: str

    @property
    def met(self) -> bool:
        """The value is at least the floor."""
        return self.value >= self.least

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "met": self.met}


def measure_floors(on_progress: Callable[[str], None] | None = None) -> tuple[Floor, ...]:
    """Measure every floor on one thread; what is compared takes turns, medians are given.

    Raises MeasurementError for a wrong result, IsaError where a kernel cannot run here.
    """
    say = on_progress or (lambda _: None)
    say("gemv against scalar, from cache")
    fast, slow = _medians(sampler(GEMV, SAMPLE), sampler(GEMV, SAMPLE, "scalar"))
    found = [
        Floor(
            "gemv i2_s 2560x2560 against scalar, from cache",
            slow.seconds / fast.seconds,
            12.0,
            "x",
            f"{fast.seconds * 1e6:.1f} us on {_bench.work(GEMV).isa}",
        )
    ]
    say("gemm against gemv")
    one, warm, many = _medians(*(sampler(c, SAMPLE) for c in (GEMV_STREAMING, GEMV, GEMM)))
    for gemv, where in ((one, "streaming"), (warm, "from cache")):
        found.append(
            Floor(
                f"gemm i2_s 2560x2560, M = {TOKENS}, per token against gemv {where}",
                gemv.seconds / (many.seconds / TOKENS),
                2.0,
                "x",
                f"{many.gop_per_s:.0f} against {gemv.gop_per_s:.0f} Gop/s",
            )
        )
    for case, least in STREAMING.items():
        say(case)
        found.append(_streaming(case, least))
    for family in ("pack", "unpack"):
        for format_ in PACKED:
            say(f"{family} {format_}")
            (each,) = _medians(sampler(f"quantization/{family}/{format_}/2560x2560/t1", SAMPLE))
            rate = 2560 * 2560 / each.seconds / 1e6
            isa = _native.select(family, format_)
            found.append(Floor(f"{family} {format_}", rate, 200.0, "million weights/s", isa))
    return tuple(found)


def _streaming(case: str, least: float) -> Floor:
    """A case as a part of the best read pattern beside it."""
    probes = [sampler(probe, SAMPLE) for probe in stream_probes(MEMORY, 1).values()]
    kernel, *reads = _medians(sampler(case, SAMPLE), *probes)
    limit = max(read.gb_per_s for read in reads)
    family, format_, shape = case.split("/")[1:4]
    return Floor(
        f"{family} {format_} {shape} of the streaming bandwidth",
        100 * kernel.gb_per_s / limit,
        100 * least,
        "%",
        f"{kernel.gb_per_s:.1f} of {limit:.1f} GB/s",
    )


def _medians(*cases: Callable[[], Sample]) -> list[Sample]:
    """The median of each case, samples in turns."""
    rounds = [[case() for case in cases] for _ in range(ROUNDS)]
    return [
        Sample(
            statistics.median(sample.seconds for sample in column),
            statistics.median(sample.gb_per_s for sample in column),
            statistics.median(sample.gop_per_s for sample in column),
        )
        for column in zip(*rounds, strict=True)
    ]
