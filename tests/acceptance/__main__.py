"""`make acceptance`: seeded changes in scratch repositories, judged live and on resampled files.

It goes on where it was cut: a run that is in the store of this state of the tree is not repeated.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from pathlib import Path
from typing import Annotated

import typer
from acceptance.runs import Store, judge_folder, run_seed
from acceptance.seeds import SEEDS, Seed
from acceptance.table import complete, markdown
from rich.console import Console

from bitnet_perf.errors import BitnetPerfError
from bitnet_perf.files import write_atomic

OUT = Console()


def main(
    *,
    only: Annotated[list[str] | None, typer.Option(help="A seed by its name; repeated.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Live runs of each.")] = 3,
    folder: Annotated[Path, typer.Option(help="Where results are kept.")] = Path(
        "results/acceptance"
    ),
    seed: Annotated[int | None, typer.Option(help="Draws the costs (default: a new one).")] = None,
    replay: Annotated[bool, typer.Option(help="Judge what is stored again; run nothing.")] = False,
) -> None:
    """Run what is missing, print the table, and exit with 1 where anything is wrong."""
    folder = folder.absolute()
    _share_builds(folder)
    store, chosen = Store.at(folder), _chosen(only)
    if replay:
        _replay(store, chosen)
    else:
        number = secrets.randbits(32) if seed is None else seed
        OUT.print(f"seed {number}")
        _run(store, chosen, rounds, number)
    lines = store.lines(chosen)
    text = markdown(lines, chosen)
    write_atomic(folder / "acceptance.md", text)
    write_atomic(folder / "acceptance.json", json.dumps(lines, indent=1))
    OUT.print(text, markup=False, soft_wrap=True)
    raise typer.Exit(0 if complete(lines, chosen, rounds) else 1)


def _share_builds(folder: Path) -> None:
    """Each scratch repository has a build folder of its own; with ccache the second one takes
    seconds, because paths below `folder` are the same to it."""
    os.environ.setdefault("BITNET_PERF_CACHE", str(folder / "cache"))
    if shutil.which("ccache"):
        os.environ |= {"CCACHE_BASEDIR": str(folder), "CCACHE_NOHASHDIR": "1"}
        if "ccache" not in os.environ.get("CXX", ""):
            os.environ["CMAKE_CXX_COMPILER_LAUNCHER"] = "ccache"


def _chosen(only: list[str] | None) -> tuple[Seed, ...]:
    known = {seed.name: seed for seed in SEEDS}
    for name in only or ():
        if name not in known:
            raise typer.BadParameter(f"found {name!r}, accepted are {', '.join(known)}")
    return tuple(known[name] for name in only or known)


def _run(store: Store, chosen: tuple[Seed, ...], rounds: int, number: int) -> None:
    """What fails is told, and the others go on."""
    done = {(line["name"], line["turn"]) for line in store.lines(chosen)}
    for turn in range(1, rounds + 1):
        for each in chosen:
            if (each.name, turn) in done:
                continue
            try:
                line = run_seed(store, each, turn, number)
            except (BitnetPerfError, RuntimeError) as error:
                OUT.print(f"{each.name}, turn {turn}: {error}", markup=False)
                continue
            store.add(each, line)
            again = sum(not faults for faults in line["resampled"])
            OUT.print(
                f"{each.name}, turn {turn}: {'; '.join(line['wrong']) or 'as expected'}; "
                f"{again} of {len(line['resampled'])} resamplings as expected; "
                f"{line['seconds']:.0f} s, the gate {line['gate_seconds']:.0f} s",
                markup=False,
            )


def _replay(store: Store, chosen: tuple[Seed, ...]) -> None:
    seeds = {each.name: each for each in chosen}
    for line in store.lines(chosen):
        mine = seeds[line["name"]]
        again = judge_folder(store.of_turn(mine, line["turn"]), mine, line["seed"])
        store.add(mine, {**line, **again})


if __name__ == "__main__":
    typer.run(main)
