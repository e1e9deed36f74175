"""`bitnet-perf import`: results into the history."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bitnet_perf.cli.output import JsonOption, QuietOption, console, emit, shows_text, table

UrlOption = Annotated[
    str | None,
    typer.Option("--url", help="The database: sqlite:///FILE, postgresql://USER@HOST/NAME."),
]
RepositoryOption = Annotated[
    Path, typer.Option("--repository", help="A folder of it; its history is the default.")
]


def command(
    files: Annotated[list[Path], typer.Argument(help="Files or folders.", show_default=False)],
    *,
    url: UrlOption = None,
    commit: Annotated[
        str | None, typer.Option("--commit", help="The revision of files that name none.")
    ] = None,
    repository: RepositoryOption = Path(),
    force: Annotated[
        bool, typer.Option("--force", help="Also records that are mock or impossible.")
    ] = False,
    json_to: JsonOption = None,
    quiet: QuietOption = False,
) -> None:
    """Add results to the history: each file once, all of it or nothing.

    Raw files of comparisons, folders of a gate, the JSON of `benchmark` and `bench`, and results of
    pyperf, Criterion, Google Benchmark, llama-bench and others. What is left out is said.

    Examples: `bitnet-perf import results`, `bitnet-perf import raw.npz --url sqlite:///perf.db`
    """
    from bitnet_perf.review.imports import import_files

    done = import_files(files, url, commit=commit, repository=repository, force=force)
    emit({"files": [each.to_dict() for each in done]}, json_to)
    if not shows_text(json_to, quiet):
        return
    out = console()
    cells = (
        (each.name, each.kind, each.points, "yes" if each.added else "was there before")
        for each in done
    )
    out.print(table("History", ["file", "kind", ">points", "added"], cells))
    for each in done:
        for line in each.dropped:
            out.print(f"  {each.name}: left out: {line}", markup=False)
