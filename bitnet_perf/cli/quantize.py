"""`bitnet-perf quantize`: a model file with its ternary matrices as another type."""

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
    shows_text,
    table,
)


def command(
    source: Annotated[Path, typer.Argument(help="The GGUF file to read.")],
    target: Annotated[Path, typer.Argument(help="The file to write.")],
    *,
    type_: Annotated[
        str, typer.Option("--type", help="i2_s, tl1, tl2, tq1_0 or tq2_0.", show_default=False)
    ],
    head: Annotated[
        str | None,
        typer.Option("--head", help="Also embedding and head: f16, q8_0, q6_k, ..."),
    ] = None,
    rule: Annotated[
        str, typer.Option("--rule", help="For float matrices: absmean or absmax_sign.")
    ] = "absmean",
    json_to: JsonOption = None,
    quiet: QuietOption = False,
) -> None:
    """Convert between ternary types, and float weights to ternary ones; say what it cost.

    Example: `bitnet-perf quantize tiny.gguf tiny-tl2.gguf --type tl2 --head q6_k`
    """
    from bitnet_perf.model.convert import quantize_file

    with progress("quantize", quiet) as step:
        made = quantize_file(
            source, target, type_, head=head, rule=rule,
            progress=lambda done, total: step(done / total, f"{done >> 20} MiB"),
        )  # fmt: skip
    emit(made.to_dict(), json_to)
    if not shows_text(json_to, quiet):
        return
    out = console()
    groups: dict[tuple[str, str, str], list[float]] = {}
    for change in made.changes:
        name = change.name.removesuffix(".weight").split(".")[-1]
        groups.setdefault((name, change.source, change.target), []).append(change.error)
    rows = (
        (name, str(len(errors)), old, new, f"{max(errors):.3g}" if max(errors) else "exact")
        for (name, old, new), errors in groups.items()
    )
    columns = ["tensor", ">count", "from", "to", ">largest error"]
    title = "Converted tensors; error = rms(x - x^) / rms(x) of the file's own weights"
    out.print(table(title, columns, rows))
    out.print(
        f"{made.path}: {made.bytes_before / 1e6:.1f} MB -> {made.bytes_after / 1e6:.1f} MB, "
        + ("every weight is what it was" if made.exact else "weights changed as shown"),
        markup=False,
        soft_wrap=True,
    )
