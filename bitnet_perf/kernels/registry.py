"""The list of kernels of this build and host."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from bitnet_perf import _native
from bitnet_perf.kernels import numba_backend

__all__ = ["Kernel", "isas"]


@dataclass(frozen=True)
class Kernel:
    """One row of `isas()`.

    Attributes:
        family: what it computes, such as gemv.
        format: the packed format, block codec or activation format.
        isa: the instruction set, or the back end "numba".
        runnable: whether this host can run it.
        reason: why not; empty where it can.
        chosen: whether isa=None picks it.
    """

    family: str
    format: str
    isa: str
    runnable: bool
    reason: str
    chosen: bool

    def to_dict(self) -> dict[str, Any]:
        """The row as plain values, for JSON."""
        return asdict(self)


def isas() -> list[Kernel]:
    """Every kernel, by family and format, best first within one; the numba back end last."""
    rows = []
    codecs = {kernel: codec for codec, kernel, *_ in _native.block_codecs()}
    for family, kernel, isa, reason in _native.kernels():
        format = codecs.get(kernel, kernel)
        chosen = not reason and isa == _native.select(family, kernel)
        rows.append(Kernel(family, format, isa, not reason, reason, chosen))
    reason = numba_backend.why_not()
    rows += [
        Kernel(family, numba_backend.FORMAT, numba_backend.ISA, not reason, reason, False)
        for family in numba_backend.FAMILIES
    ]
    return rows
