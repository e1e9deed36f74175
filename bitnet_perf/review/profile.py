"""The spans of a profile under the limits of the host."""

from __future__ import annotations

from collections.abc import Iterator

from bitnet_perf.analyze.roofline import Place, place
from bitnet_perf.bench.ceilings import Ceilings
from bitnet_perf.stages import Profile, Stack, Total, totals
from bitnet_perf.stages.table import ONCE_A_ROUND

__all__ = ["place_profile"]


def place_profile(profile: Profile, ceilings: Ceilings, threads: int = 1) -> dict[Stack, Place]:
    """Place every stack of spans that states bytes or operations (see `stages.totals`) under the
    limits for `threads` threads; the first profile and the limits should be of one host and time.

    A kernel stands under the multiply-adds of its instruction set and under the stream of the level
    that its data comes from: weights, keys and values return once in a round, so that is the level
    that holds the bytes of a round (the loop around it, one pass over the layers where there is
    none); other kernels work on the bytes of a call. All bytes count as read. An operation stands
    under the limits of the kernel in it that moves most bytes; without one, as reading a file is,
    under the stream of all its bytes.
    """
    roots = totals(profile.tree())
    whole = sum(_round_bytes(root) for root in roots)
    return dict(found for root in roots for found in _places(root, (), whole, ceilings, threads))


def _places(
    total: Total, above: Stack, around: float, ceilings: Ceilings, threads: int
) -> Iterator[tuple[Stack, Place]]:
    """`around`: the bytes of the round that `total` is part of."""
    stack = (*above, total.name)
    if total.stage == "generation":
        around = total.bytes / total.calls
    if total.bytes or total.ops:
        kernel, footprint = _main_kernel(total, around)
        read = ceilings.read_limit(round(footprint), threads)
        isa = kernel.name.rpartition("/")[2] if kernel else ""
        mac = ceilings.mac_limit(isa, threads)
        yield (
            stack,
            place(
                ";".join(stack),
                isa,
                total.seconds,
                (total.bytes, total.ops),
                read=(read.level, read.gb_per_s) if read else None,
                mac=mac.gop_per_s if mac else None,
            ),
        )
    for child in total.children.values():
        yield from _places(child, stack, around, ceilings, threads)


def _main_kernel(total: Total, around: float) -> tuple[Total | None, float]:
    """The kernel that moves most bytes, it or in it, and the bytes its data comes back after."""
    if "/" in total.name:
        family = total.name.partition("/")[0]
        return total, around if family in ONCE_A_ROUND else total.bytes / total.calls
    inside = [child for child in total.children.values() if child.bytes]
    if not inside:
        return None, total.bytes
    most = max(inside, key=lambda child: child.bytes)
    return _main_kernel(most, most.bytes / most.calls if most.stage == "generation" else around)


def _round_bytes(total: Total) -> float:
    """Bytes of one pass over the layers."""
    return total.bytes / total.calls * max(1, len(total.layers))
