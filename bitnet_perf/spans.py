"""Named spans around Python code, beside those that native code records itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from bitnet_perf import _native
from bitnet_perf.memory import Peak, PeakWatch

__all__ = ["Peaks", "span", "watch_peaks"]

Peaks = dict[tuple[str, int], Peak]  # by name and begin of a span

_watched: list[tuple[PeakWatch, Peaks]] = []  # at most one; of all threads


@contextmanager
def watch_peaks(watch: PeakWatch) -> Iterator[Peaks]:
    """Have the spans inside that bound a stage tell their peak of memory."""
    found: Peaks = {}
    _watched.append((watch, found))
    try:
        yield found
    finally:
        _watched.pop()


@contextmanager
def span(name: str, *, peak: bool = False) -> Iterator[None]:
    """Record an operation around kernels, while a profile is recorded; costs little otherwise.

    peak: also the peak of memory while it runs, where the profile asks for it. That takes time
    outside of the span: for spans that bound a stage, not for those of a loop.
    """
    if not _native.spans_on():
        yield
        return
    watched = _watched[0] if peak and _watched else None
    with nullcontext(Peak()) if watched is None else watched[0].piece() as reached:
        begun = _native.begin_span()
        try:
            yield
        finally:
            _native.end_span(name, begun)
            if watched is not None:
                watched[1][name, begun[2]] = reached
