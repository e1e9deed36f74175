"""The table of kernels under the limits of a host, shared by bench and roofline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from rich.table import Table

from bitnet_perf.cli.output import seconds_text, table

if TYPE_CHECKING:
    from bitnet_perf.analyze.roofline import Place
    from bitnet_perf.bench.ceilings import Ceilings
    from bitnet_perf.bench.results import BenchRow


def short(case: str) -> str:
    """A case without its stage: the family tells it."""
    return case.partition("/")[2]


def place_table(
    title: str, places: Iterable[Place], rows: Mapping[str, BenchRow] | None = None
) -> Table:
    """One line a case: time and spread where `rows` has them, rates, and the part of the limit."""
    timed = rows is not None
    columns = ["case", "isa", *([">median", ">IQR"] if timed else []), ">GB/s", ">Gop/s", "place"]
    cells = []
    for place in places:
        row = rows.get(place.case) if rows is not None else None
        times = [seconds_text(row.median), seconds_text(row.spread)] if row else ["", ""]
        where = "-"
        if place.part is not None:
            limit = place.level if place.bound == "memory" else "peak"
            where = f"{100 * place.part:.0f} % of {limit}"
        rates = [f"{rate:.1f}" if rate else "-" for rate in (place.gb_per_s, place.gop_per_s)]
        cells.append([short(place.case), place.isa, *(times if timed else []), *rates, where])
    return table(title, columns, cells)


def limit_table(limits: Ceilings) -> Table:
    """The measured limits of the host."""
    reads = [
        (
            f"read from {r.level}",
            r.pattern,
            str(r.threads),
            f"{r.gb_per_s:.1f} GB/s",
            f"{r.spread:.1f}",
        )
        for r in limits.reads
    ]
    macs = [
        ("multiply-add", m.isa, str(m.threads), f"{m.gop_per_s:.1f} Gop/s", f"{m.spread:.1f}")
        for m in limits.macs
    ]
    joins = [
        (
            "fork-join",
            "chunks",
            str(j.threads),
            f"{j.seconds * 1e6:.2f} us",
            f"{j.spread * 1e6:.2f}",
        )
        for j in limits.joins
    ]
    rows = [*reads, *macs, *joins]
    return table("Limits", ["what", "how", ">threads", ">median", ">IQR"], rows)
