"""Spans of launches on a GPU: the operations of the CPU's engine, each with its kernels."""

from __future__ import annotations

from collections.abc import Sequence

from bitnet_perf import _native
from bitnet_perf.kernels.cuda.launch import Bound
from bitnet_perf.kernels.cuda.plans.step import Place

__all__ = ["run_recorded"]


def run_recorded(bound: Bound, places: Sequence[Place]) -> None:
    """Launch all of it; while a profile is recorded to its end, with a span for each launch and one
    for the launches of an operation that follow each other.

    Times are those of the events of the device, put behind the time of the host at the first of
    them: a span reaches from the end of the launch before to its own, so where the host is slower
    than the kernels it holds the waiting for the host. Without a clock, on the emulator, there is
    no span.
    """
    if not _native.spans_on():
        bound.launch()
        return
    begin = _native.now_ns()
    seconds = bound.runner.timed(bound)
    if seconds is None:
        return
    architecture = bound.runner.machine.architecture
    from_, at, passed = begin, begin, 0.0  # `from_`: of the operation
    for i, (launch, place, each) in enumerate(
        zip(bound.plan.launches, places, seconds, strict=True)
    ):
        passed += each
        end = begin + round(1e9 * passed)
        _native.keep_span(f"{launch.kernel.name}/{architecture}", place.layer, at, end)
        at = end
        if i + 1 == len(places) or places[i + 1] != place:
            _native.keep_span(place.operation, place.layer, from_, end)
            from_ = end
