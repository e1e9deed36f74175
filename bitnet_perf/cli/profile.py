"""`bitnet-perf profile`: time by stage and kernel."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from bitnet_perf.cli.output import (
    JsonOption,
    QuietOption,
    console,
    emit,
    seconds_text,
    shows_text,
    table,
)
from bitnet_perf.errors import ConfigError

if TYPE_CHECKING:
    from bitnet_perf.stages.profile import Profile


def command(
    *,
    tokens: Annotated[int, typer.Option("--tokens", help="Rows of activations: 1 is decode.")] = 1,
    repeats: Annotated[int, typer.Option("--repeats", help="How often the layer runs.")] = 20,
    format_: Annotated[
        str, typer.Option("--format", help="Packed format of the weights.")
    ] = "i2_s",
    isa: Annotated[str | None, typer.Option("--isa", help="Force an instruction set.")] = None,
    threads: Annotated[int, typer.Option("--threads", help="Threads of every product.")] = 1,
    save: Annotated[
        Path | None,
        typer.Option("--save", help="Also write trace.json, x.speedscope.json or x.folded."),
    ] = None,
    json_to: JsonOption = None,
    quiet: QuietOption = False,
) -> None:
    """Run the products of one 2B4T-shaped layer, and show the time by stage and kernel.

    Stages that only a model has say so.

    Example: `bitnet-perf profile --tokens 16 --save layer.speedscope.json`
    """
    from bitnet_perf.stages import profile, run_layer

    for name, value in (("--tokens", tokens), ("--repeats", repeats)):
        if value < 1:
            raise ConfigError(f"{name}: found {value}, accepted is 1 or more")
    run_layer(tokens, format=format_, isa=isa, threads=threads)  # makes and warms the weights
    with profile() as recorded:
        for _ in range(repeats):
            run_layer(tokens, format=format_, isa=isa, threads=threads)
    if save is not None:
        recorded.save(save)
    emit(recorded.to_dict(), json_to)
    if shows_text(json_to, quiet):
        _print(console(), recorded, f"{repeats} layers, {tokens} tokens, {format_}")


def _print(out: Console, found: Profile, title: str) -> None:
    stages = (
        (row.stage, row.reason, "", "")
        if row.seconds is None or row.share is None
        else (row.stage, seconds_text(row.seconds), f"{100 * row.share:.1f} %", str(row.calls))
        for row in found.stages()
    )
    out.print(table(f"Stages: {title}", ["stage", ">self time", ">share", ">spans"], stages))
    out.print(
        f"in no span: {seconds_text(max(found.outside, 0.0))} of {seconds_text(found.seconds)}"
        + (f"; {found.lost} spans lost" if found.lost else ""),
        markup=False,
    )
    kernels = (
        (
            row.name,
            str(row.calls),
            seconds_text(row.seconds),
            f"{100 * row.share:.1f} %",
            f"{row.bytes / row.seconds / 1e9:.1f}" if row.bytes else "",
            f"{row.ops / row.seconds / 1e9:.1f}" if row.ops else "",
        )
        for row in found.kernels()
    )
    columns = ["kernel or operation", ">calls", ">self time", ">share", ">GB/s", ">Gop/s"]
    out.print()
    out.print(table("Kernels", columns, kernels))
