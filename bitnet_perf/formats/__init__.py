"""Packed ternary weights: what formats exist, and the ways into and out of them.

The package itself is callable: `bp.formats()` lists the formats.
"""

from __future__ import annotations

import sys
from types import ModuleType

from bitnet_perf.formats.convert import dequantize, pack, prepare, quantize, unpack
from bitnet_perf.formats.packed import Packed, Prepared
from bitnet_perf.formats.table import Format, list_formats
from bitnet_perf.formats.tiling import Tiling

__all__ = [
    "Format",
    "Packed",
    "Prepared",
    "Tiling",
    "dequantize",
    "formats",
    "pack",
    "prepare",
    "quantize",
    "unpack",
]


class _Callable(ModuleType):
    """`bp.formats` is this package and, by the published interface, also a function."""

    def __call__(self) -> tuple[Format, ...]:
        return list_formats()


formats = sys.modules[__name__]
formats.__class__ = _Callable
