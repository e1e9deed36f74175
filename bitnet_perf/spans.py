"""Named spans around Python code, beside those that native code records itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bitnet_perf import _native

__all__ = ["span"]


@contextmanager
def span(name: str) -> Iterator[None]:
    """Record an operation around kernels, while a profile is recorded; costs little otherwise."""
    if not _native.spans_on():
        yield
        return
    begin = _native.now_ns()
    try:
        yield
    finally:
        _native.record_span(name, begin, _native.now_ns())
