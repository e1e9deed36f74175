"""`bitnet-perf generate`: run a model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from bitnet_perf.cli.output import DeviceOption, JsonOption, QuietOption, console, emit, shows_text


def command(
    prompt: Annotated[str, typer.Argument(help="The text to continue.")],
    *,
    model: Annotated[Path, typer.Option("--model", "-m", help="GGUF file.", show_default=False)],
    tokens: Annotated[int, typer.Option("--tokens", "-n", help="Most new tokens.")] = 128,
    temperature: Annotated[float, typer.Option("--temperature", help="0: greedy.")] = 0.0,
    top_k: Annotated[int, typer.Option("--top-k", help="0: off.")] = 0,
    top_p: Annotated[float, typer.Option("--top-p", help="1: off.")] = 1.0,
    min_p: Annotated[float, typer.Option("--min-p", help="0: off.")] = 0.0,
    repetition_penalty: Annotated[
        float, typer.Option("--repetition-penalty", help="1: off.")
    ] = 1.0,
    seed: Annotated[int | None, typer.Option("--seed", help="The same: the same text.")] = None,
    threads: Annotated[int | None, typer.Option("--threads", help="Default: all allowed.")] = None,
    isa: Annotated[str | None, typer.Option("--isa", help="Force an instruction set.")] = None,
    activation: Annotated[
        str | None, typer.Option("--activation", help="relu2 or silu; default: the file's.")
    ] = None,
    device: DeviceOption = "cpu",
    json_to: JsonOption = None,
    quiet: QuietOption = False,
) -> None:
    """Continue a prompt, the text as it comes, then the speed.

    Example: `bitnet-perf generate "Once upon" --model tiny.gguf --tokens 16`
    """
    from bitnet_perf.model.model import Model

    loaded = Model.load(model, threads=threads, isa=isa, activation=activation, device=device)
    text = shows_text(json_to, quiet)

    def show(_: int, piece: str) -> None:
        if text:
            sys.stdout.write(piece)
            sys.stdout.flush()

    made = loaded.generate(
        prompt, tokens, temperature, top_k, top_p, min_p, repetition_penalty, seed, show
    )
    emit(made.to_dict(), json_to)
    if not text:
        return
    sys.stdout.write("\n")
    out = console(stderr=True)
    for warning in loaded.tokenizer.warnings:
        out.print(warning, markup=False)
    decode = made.decode_tokens_per_second
    out.print(
        (f"{loaded.gpu}, " if loaded.gpu else "")
        + f"{loaded.config.activation}, {made.prompt_tokens} prompt tokens at "
        f"{made.prefill_tokens_per_second:.1f}/s, {len(made.tokens)} new"
        + (f" at {decode:.1f}/s" if decode else "")
        + (f", seed {made.seed}" if made.seed is not None else "")
        + ("; synthetic weights" if loaded.synthetic else ""),
        markup=False,
    )
