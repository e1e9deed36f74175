"""bitnet_perf: measure and judge the speed of 1-bit language model kernels (BitNet b1.58).

Public names are loaded on first use, so that `import bitnet_perf` (and the worker entry
`bitnet_perf._bench`) load neither NumPy nor anything else that is slow to start.
"""

from __future__ import annotations

import importlib

from bitnet_perf._public import MODULES, PUBLIC

TYPE_CHECKING = False  # as in typing, which takes half of what a worker needs to start
if TYPE_CHECKING:
    from typing import Any

_HOME = {name: module for module, names in PUBLIC.items() for name in names}

__all__ = sorted([*_HOME, *MODULES, "__version__"])  # noqa: PLE0605 - the table is the one list


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.import_module("bitnet_perf._native").__version__
    if name in MODULES:
        return importlib.import_module(f"bitnet_perf.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'bitnet_perf' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"bitnet_perf.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
