"""`bitnet-perf accuracy`: what each format costs."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import typer

from bitnet_perf.cli.output import JsonOption, QuietOption, console, emit, shows_text, table
from bitnet_perf.errors import ConfigError


def command(
    formats: Annotated[
        list[str] | None, typer.Argument(help="Formats; all of them without one.")
    ] = None,
    *,
    model: Annotated[
        Path | None, typer.Option("--model", "-m", help="GGUF file: its own weights.")
    ] = None,
    text: Annotated[
        Path | None, typer.Option("--text", help="With --model: a text, for its perplexity.")
    ] = None,
    threads: Annotated[int | None, typer.Option("--threads", help="Default: all allowed.")] = None,
    json_to: JsonOption = None,
    quiet: QuietOption = False,
) -> None:
    """Show the error of every format on data whose distribution is named.

    Example: `bitnet-perf accuracy i2_s q6_k quant.i2s`
    """
    from bitnet_perf.review.accuracy import accuracy, perplexity

    if text is not None and model is None:
        raise ConfigError("--text: needs --model, whose perplexity it is")
    rows = accuracy(model, formats)
    result: dict[str, Any] = rows.to_dict()
    if text is not None and model is not None:
        from bitnet_perf.model.model import Model

        loaded = Model.load(model, threads=threads)
        value, tokens = perplexity(loaded, text.read_text(encoding="utf-8"))
        result["perplexity"] = {
            "value": value, "tokens": tokens, "text": str(text), "synthetic": loaded.synthetic,
        }  # fmt: skip
    emit(result, json_to)
    if not shows_text(json_to, quiet):
        return
    out = console()
    for distribution, group in groupby(rows, key=lambda row: row.distribution):
        shown = (
            (
                row.format, f"{row.bits:.2f}", f"{row.accuracy:.2f} %", f"{row.cosine:.6f}",
                f"{row.rms_error:.3g}",
            )
            for row in group
        )  # fmt: skip
        columns = ["format", ">bits a weight", ">accuracy", ">cosine", ">rms error"]
        out.print(table(distribution, columns, shown))
        out.print()
    if text is not None:
        found = result["perplexity"]
        kind = "synthetic weights: chance decides" if found["synthetic"] else "weights of the file"
        out.print(
            f"perplexity {found['value']:.4g} over {found['tokens']} tokens ({kind})", markup=False
        )
