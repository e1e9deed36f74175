"""`bitnet-perf profile`: time by stage, operation and kernel."""

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

PROMPT = "The capital of France is"
LEAST_SHARE = 0.001  # of the run: what is below is not shown


def command(
    *,
    model: Annotated[
        Path | None, typer.Option("--model", "-m", help="GGUF file; without it one layer runs.")
    ] = None,
    prompt: Annotated[str, typer.Option("--prompt", help="With --model: the text.")] = PROMPT,
    tokens: Annotated[
        int, typer.Option("--tokens", help="With --model: new tokens. Else rows of activations.")
    ] = 16,
    repeats: Annotated[int, typer.Option("--repeats", help="How often the layer runs.")] = 20,
    format_: Annotated[
        str, typer.Option("--format", help="Packed format of the layer's weights.")
    ] = "i2_s",
    isa: Annotated[str | None, typer.Option("--isa", help="Force an instruction set.")] = None,
    threads: Annotated[int, typer.Option("--threads", help="Threads of every kernel.")] = 1,
    save: Annotated[
        Path | None,
        typer.Option("--save", help="Also write trace.json, x.speedscope.json or x.folded."),
    ] = None,
    json_to: JsonOption = None,
    quiet: QuietOption = False,
) -> None:
    """Load and run a model, or the products of one 2B4T-shaped layer, and show where the time goes.

    Example: `bitnet-perf profile --tokens 16 --save layer.speedscope.json`
    """
    for name, value in (("--tokens", tokens), ("--repeats", repeats)):
        if value < 1:
            raise ConfigError(f"{name}: found {value}, accepted is 1 or more")
    if model is None:
        recorded = _layer(tokens, repeats, format_, isa, threads)
        title = f"{repeats} layers, {tokens} tokens, {format_}"
    else:
        recorded, title = _model(model, prompt, tokens, isa, threads)
    if save is not None:
        recorded.save(save)
    emit(recorded.to_dict(), json_to)
    if shows_text(json_to, quiet):
        _print(console(), recorded, title)


def _layer(tokens: int, repeats: int, format: str, isa: str | None, threads: int) -> Profile:
    from bitnet_perf.stages import profile, run_layer

    run_layer(tokens, format=format, isa=isa, threads=threads)  # makes and warms the weights
    with profile() as recorded:
        for _ in range(repeats):
            run_layer(tokens, format=format, isa=isa, threads=threads)
    return recorded.result()


def _model(
    path: Path, prompt: str, tokens: int, isa: str | None, threads: int
) -> tuple[Profile, str]:
    from bitnet_perf.model.model import Model
    from bitnet_perf.stages import profile

    with profile() as recorded:
        loaded = Model.load(path, isa=isa, threads=threads)
        made = loaded.generate(prompt, tokens, stop=())
    title = f"{path.name}, {made.prompt_tokens} prompt tokens, {len(made.tokens)} new, t{threads}"
    return recorded.result(), title + (", synthetic weights" if loaded.synthetic else "")


def _print(out: Console, found: Profile, title: str) -> None:
    from bitnet_perf.stages import STAGES, totals

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
    rows = (
        (
            "  " * depth + each.name,
            STAGES.get(each.stage or "", ""),
            str(each.calls),
            seconds_text(each.seconds),
            f"{100 * each.seconds / found.seconds:.1f} %",
            f"{each.bytes / each.seconds / 1e9:.1f}" if each.bytes else "",
            f"{each.ops / each.seconds / 1e9:.1f}" if each.ops else "",
        )
        for root in totals(found.tree())
        for depth, each in root.walk()
        if each.seconds >= LEAST_SHARE * found.seconds
    )
    columns = ["operation or kernel", "stage", ">calls", ">time", ">share", ">GB/s", ">Gop/s"]
    out.print()
    out.print(table("Operations and the kernels in them", columns, rows))
