"""`bitnet-perf make-model`: a model of random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bitnet_perf.cli.output import (
    JsonOption,
    QuietOption,
    console,
    emit,
    progress,
    seconds_text,
    shows_text,
)


def command(
    out: Annotated[Path, typer.Argument(help="The file to write.")],
    *,
    shape: Annotated[
        str, typer.Option("--shape", help="tiny, small, 1b, 2b4t, 3b or 7b.")
    ] = "tiny",
    type_: Annotated[
        str, typer.Option("--type", help="Of the ternary matrices: i2_s, tl1, tl2, tq1_0, tq2_0.")
    ] = "i2_s",
    head: Annotated[
        str,
        typer.Option("--head", help="Of the embedding: f16, bf16, f32, q8_0, q6_k, q4_0, q4_k."),
    ] = "f16",
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same file.")] = 0,
    vocab: Annotated[
        int | None, typer.Option("--vocab", help="Another size of the vocabulary.")
    ] = None,
    json_to: JsonOption = None,
    quiet: QuietOption = False,
) -> None:
    """Write a GGUF file of random ternary weights in the shape of a real model.

    i2_s, tl1 and tl2 make a file for bitnet.cpp, tq1_0 and tq2_0 one for llama.cpp.

    Example: `bitnet-perf make-model --shape small --type i2_s --head q6_k small.gguf`
    """
    import time

    from bitnet_perf.model.synthetic import make_model

    begin = time.perf_counter()
    with progress("make-model", quiet) as step:
        path = make_model(
            out, shape, type_, head, seed, vocab=vocab,
            progress=lambda done, total: step(done / total, f"{done >> 20} MiB"),
        )  # fmt: skip
    seconds = time.perf_counter() - begin
    nbytes = path.stat().st_size
    emit(
        {
            "path": str(path),
            "shape": shape,
            "type": type_,
            "head": head,
            "seed": seed,
            "bytes": nbytes,
            "seconds": seconds,
            "weights": "synthetic",
        },
        json_to,
    )
    if shows_text(json_to, quiet):
        console().print(
            f"{path}: {shape}, {type_} with a {head} head, synthetic weights, "
            f"{nbytes / 1e6:.1f} MB in {seconds_text(seconds)} ({nbytes / seconds / 1e6:.0f} MB/s)",
            markup=False,
            soft_wrap=True,
        )
