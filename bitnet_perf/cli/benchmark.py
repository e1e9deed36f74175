"""`bitnet-perf benchmark`: end-to-end inference."""

from __future__ import annotations

import sys
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
    progress,
    seconds_text,
    shows_text,
    table,
)
from bitnet_perf.errors import ConfigError

if TYPE_CHECKING:
    from bitnet_perf.review.benchmark import Benchmark, Spread


def command(
    *,
    model: Annotated[Path, typer.Option("--model", "-m", help="GGUF file.", show_default=False)],
    tokens: Annotated[int, typer.Option("--tokens", help="New tokens of a run.")] = 128,
    prompt: Annotated[
        str, typer.Option("--prompt", help="The text before them.")
    ] = "The capital of France is",
    warmup_tokens: Annotated[
        int, typer.Option("--warmup-tokens", help="Generated first and not measured.")
    ] = 10,
    no_output: Annotated[bool, typer.Option("--no-output", help="Leave out the text.")] = False,
    threads: Annotated[int | None, typer.Option("--threads", help="Default: all allowed.")] = None,
    isa: Annotated[
        str | None, typer.Option("--isa", "--kernel", help="Force an instruction set.")
    ] = None,
    device: DeviceOption = "cpu",
    format_: Annotated[
        str, typer.Option("--format", help="table, or md, csv, jsonl with llama-bench's names.")
    ] = "table",
    json_to: JsonOption = None,
    quiet: QuietOption = False,
) -> None:
    """Load a model, generate until the speed is known, and show where the time went.

    Options and JSON keys are those of `cargo run -p xtask -- benchmark` of BitNet.rs, and more.

    Example: `bitnet-perf benchmark --model tiny.gguf --tokens 32 --no-output`
    """
    from bitnet_perf.config.load import load_settings
    from bitnet_perf.review.benchmark import FORMATS, benchmark

    if format_ != "table" and format_ not in FORMATS:
        raise ConfigError(f"--format: found {format_!r}, accepted are table, {', '.join(FORMATS)}")
    target = load_settings().settings.targets.tokens_per_second
    with progress("benchmark", quiet) as step:
        found = benchmark(
            model, tokens, prompt, warmup_tokens=warmup_tokens, threads=threads, isa=isa,
            device=device, on_progress=step,
        )  # fmt: skip
    result = found.to_dict()
    if no_output:
        result["generated_text"] = result["text"] = ""
    emit(result, json_to)
    if not shows_text(json_to, quiet):
        return
    if format_ != "table":
        sys.stdout.write(FORMATS[format_](found))
        return
    _print(console(), found, target, text=not no_output)


def _print(out: Console, found: Benchmark, target: float, *, text: bool) -> None:
    kind = "synthetic weights" if found.synthetic else "weights of the file"
    alone = f" ({found.decode_threads} in decode)" if found.decode_threads != found.threads else ""
    out.print(
        f"{found.model}: {kind}, {found.activation}, {found.threads} threads{alone}, "
        f"{found.gpu or found.host['cpu']}",
        markup=False,
    )
    if text:
        out.print(found.text, markup=False)
    steps = ", ".join(f"{name} {seconds_text(s)}" for name, s in found.step_seconds.items())
    first = seconds_text(sorted(found.first_token_seconds)[len(found.first_token_seconds) // 2])
    rows = [
        ("load", "", "", seconds_text(found.load_seconds)),
        _rate(f"prefill {found.prompt_tokens} tokens", found.prefill, f"first token {first}"),
        _rate(f"decode {found.tokens - 1} steps", found.decode, steps),
    ]
    out.print(
        table("Mean of runs, 95 % interval", ["what", ">tokens/s", ">interval", "time"], rows)
    )
    met = "met" if found.decode.low >= target else "not met"
    out.print(f"target: decode {target:g} tokens/s or more: {met}", markup=False)
    share = found.percent_of_stream
    if share is not None and found.stream_gb_per_s is not None:
        rate = found.decode.mean * found.bytes_per_token / 1e9
        out.print(
            f"a token reads {found.bytes_per_token / 1e6:.0f} MB: {rate:.1f} GB/s of "
            f"{found.stream_gb_per_s:.1f} measured, {share:.0f} %",
            markup=False,
        )
    if found.peak_rss is not None:
        out.print(f"peak of the memory {found.peak_rss / 1e6:.0f} MB", markup=False)
    stages = [
        (row.stage, row.reason, "")
        if row.seconds is None or row.share is None
        else (row.stage, seconds_text(row.seconds), f"{100 * row.share:.1f} %")
        for row in found.stages
    ]
    rest = found.outside_seconds
    whole = rest + sum(row.seconds or 0.0 for row in found.stages)
    stages.append(("in no stage", seconds_text(rest), f"{100 * rest / whole:.1f} %"))
    out.print()
    out.print(table("Stages of one more run", ["stage", ">self time", ">share"], stages))


def _rate(what: str, found: Spread, time: str) -> tuple[str, str, str, str]:
    return what, f"{found.mean:.1f}", f"{found.low:.1f}-{found.high:.1f}", time
