"""The formats that exist, as rows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from bitnet_perf import _native

__all__ = ["Format", "list_formats"]


@dataclass(frozen=True)
class Format:
    """One packed format.

    ggml_type: the type number in GGUF files, None for layouts of our own.
    bits_per_weight: codes and block scales, without what stands once per tensor.
    block: weights along K that are packed together; K is padded to a multiple of it.
    native: made by `prepare`, found in no file.
    kernels: (family, ISA) of every kernel of this build, best first within a family.
    """

    name: str
    ggml_type: int | None
    bits_per_weight: float
    block: int
    native: bool
    kernels: tuple[tuple[str, str], ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def list_formats() -> tuple[Format, ...]:
    """Every packed format of this build, in the order of the native list."""
    kernels = _native.kernels()
    return tuple(
        Format(
            name=name,
            ggml_type=None if ggml_type < 0 else ggml_type,
            bits_per_weight=bits,
            block=block,
            native=native,
            kernels=tuple((row[0], row[2]) for row in kernels if row[1] == name),
        )
        for name, ggml_type, bits, block, native in _native.formats()
    )
