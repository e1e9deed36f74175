"""`bitnet-perf profile`: time by stage, operation and kernel."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from bitnet_perf.cli.output import (
    DeviceOption,
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
    from bitnet_perf.analyze.roofline import Place
    from bitnet_perf.stages import Profile, Stack

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
    device: DeviceOption = "cpu",
    limits: Annotated[
        bool,
        typer.Option("--limits/--no-limits", help="Place the spans under this host's limits."),
    ] = True,
    by_layer: Annotated[
        bool, typer.Option("--by-layer", help="Also the operations of every layer of the model.")
    ] = False,
    python_memory: Annotated[
        bool, typer.Option("--python-memory", help="Also trace Python objects, which is slower.")
    ] = False,
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
    if model is None and device != "cpu":
        raise ConfigError(f"--device: found {device!r}, accepted without --model is cpu")
    if model is None:
        recorded = _layer(
            tokens, repeats, format_, isa, threads=threads, python_memory=python_memory
        )
        title = f"{repeats} layers, {tokens} tokens, {format_}"
    else:
        recorded, title = _model(
            model, prompt, tokens, isa, threads=threads, device=device, python_memory=python_memory
        )
    places = _places(recorded, threads) if limits else {}
    if save is not None:
        recorded.save(save)
    placed = [{"stack": list(stack), **place.to_dict()} for stack, place in places.items()]
    emit({**recorded.to_dict(), "places": placed}, json_to)
    if shows_text(json_to, quiet):
        out = console()
        _print_stages(out, recorded, title)
        _print_operations(out, recorded, places)
        if by_layer:
            _print_layers(out, recorded)


def _places(recorded: Profile, threads: int) -> dict[Stack, Place]:
    from bitnet_perf.bench.ceilings import measure_ceilings
    from bitnet_perf.review.profile import place_profile

    return place_profile(recorded, measure_ceilings(threads), threads)


def _layer(
    tokens: int,
    repeats: int,
    format: str,
    isa: str | None,
    *,
    threads: int,
    python_memory: bool,
) -> Profile:
    from bitnet_perf.stages import profile, run_layer

    run_layer(tokens, format=format, isa=isa, threads=threads)  # makes and warms the weights
    with profile(python_memory=python_memory) as recorded:
        for _ in range(repeats):
            run_layer(tokens, format=format, isa=isa, threads=threads)
    return recorded.result()


def _model(
    path: Path,
    prompt: str,
    tokens: int,
    isa: str | None,
    *,
    threads: int,
    device: str,
    python_memory: bool,
) -> tuple[Profile, str]:
    from bitnet_perf.model.model import Model
    from bitnet_perf.stages import profile

    with profile(python_memory=python_memory) as recorded:
        loaded = Model.load(path, isa=isa, threads=threads, device=device)
        made = loaded.generate(prompt, tokens, stop=())
    title = f"{path.name}, {made.prompt_tokens} prompt tokens, {len(made.tokens)} new, t{threads}"
    title += "" if device == "cpu" else f", {device}"
    return recorded.result(), title + (", synthetic weights" if loaded.synthetic else "")


def _print_stages(out: Console, found: Profile, title: str) -> None:
    rows = (
        (row.stage, row.reason)
        if row.seconds is None or row.share is None
        else (
            row.stage,
            seconds_text(row.seconds),
            f"{100 * row.share:.1f} %",
            str(row.calls),
            _bytes(row.allocated) + f" in {row.allocations}" if row.allocations else "none",
            "" if row.peak_rss is None else _bytes(row.peak_rss),
            *(() if row.python_peak is None else (_bytes(row.python_peak),)),
        )
        for row in found.stages()
    )
    columns = ["stage", ">self time", ">share", ">spans", ">allocated natively", ">peak memory"]
    if found.peak.python is not None:
        columns.append(">Python objects")
    filled = [(*row, *[""] * (len(columns) - len(row))) for row in rows]
    out.print(table(f"Stages: {title}", columns, filled))
    out.print(
        f"in no stage: {seconds_text(max(found.outside, 0.0))} of {seconds_text(found.seconds)}"
        + (f"; peak memory unknown: {found.peak_reason}" if found.peak_reason else "")
        + (f"; {found.lost} spans lost" if found.lost else ""),
        markup=False,
    )


def _print_operations(out: Console, found: Profile, places: dict[Stack, Place]) -> None:
    from bitnet_perf.stages import totals

    rows = (
        (
            "  " * (len(stack) - 1) + each.name,
            str(each.calls),
            seconds_text(each.seconds),
            f"{100 * each.seconds / found.seconds:.1f} %",
            f"{each.bytes / each.seconds / 1e9:.1f}" if each.bytes else "",
            f"{each.ops / each.seconds / 1e9:.1f}" if each.ops else "",
            _limit(places.get(stack)),
        )
        for root in totals(found.tree())
        for stack, each in root.walk()
        if each.seconds >= LEAST_SHARE * found.seconds
    )
    columns = ["operation or kernel", ">calls", ">time", ">share", ">GB/s", ">Gop/s", ">of limit"]
    out.print()
    out.print(table("Operations and the kernels in them", columns, rows))
    if any(place.over for place in places.values()):
        out.print("Over 100 %: the host gave less while its limits were measured than before.")


def _print_layers(out: Console, found: Profile) -> None:
    rows = (
        (
            str(row.layer),
            row.operation,
            str(row.calls),
            seconds_text(row.seconds),
            f"{100 * row.seconds / found.seconds:.2f} %",
            f"{row.bytes / row.seconds / 1e9:.1f}" if row.bytes else "",
            f"{row.ops / row.seconds / 1e9:.1f}" if row.ops else "",
        )
        for row in found.layers()
    )
    columns = [">layer", "operation", ">calls", ">time", ">share", ">GB/s", ">Gop/s"]
    out.print()
    out.print(table("Layers", columns, rows))


def _limit(place: Place | None) -> str:
    """As "84 % memory" or "31 % compute"."""
    if place is None or place.part is None:
        return ""
    where = place.level if place.bound == "memory" else "compute"
    return f"{100 * place.part:.0f} % {where}"


def _bytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB"
