"""One run: a change made, judged live by the gate, and judged again on resampled raw files."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acceptance.doses import calibrate, draw
from acceptance.judge import found_in, wrong
from acceptance.resample import resampled_records
from acceptance.scratch import Change, make_change, new_scratch, state_of
from acceptance.seeds import Seed

from bitnet_perf.files import write_atomic
from bitnet_perf.review.records import Records

__all__ = ["RESAMPLINGS", "Store", "judge_folder", "run_seed"]

RESAMPLINGS = 10
MOST_DRAWN = 40  # for so many
LONGEST = 900.0  # seconds of one gate


@dataclass(frozen=True)
class Store:
    """A folder of results: `runs.jsonl` has a line for each run, `NAME-TURN/` what it measured,
    `scratch/NAME` the repositories. Lines of another state of the tree, or of a seed that was
    changed, are not looked at."""

    folder: Path
    state: str

    @classmethod
    def at(cls, folder: Path) -> Store:
        """The store of the tree as committed."""
        folder.mkdir(parents=True, exist_ok=True)
        return cls(folder, state_of())

    def lines(self, seeds: Iterable[Seed]) -> list[dict[str, Any]]:
        """Every run of these seeds on this state, the last of each name and turn."""
        path, keys = self.folder / "runs.jsonl", {seed.name: self._key(seed) for seed in seeds}
        texts = path.read_text().splitlines() if path.exists() else []
        found = [json.loads(text) for text in texts]
        mine = {(each["name"], each["turn"]): each for each in found
                if each["state"] == keys.get(each["name"])}  # fmt: skip
        return [mine[key] for key in sorted(mine)]

    def add(self, seed: Seed, line: Mapping[str, Any]) -> None:
        """Add a line."""
        path = self.folder / "runs.jsonl"
        before = path.read_text() if path.exists() else ""
        told = {**line, "name": seed.name, "state": self._key(seed)}
        write_atomic(path, f"{before}{json.dumps(told)}\n")

    def _key(self, seed: Seed) -> str:
        return f"{self.state}-{seed.digest}"

    def of_turn(self, seed: Seed, turn: int) -> Path:
        """Where the records of one run are."""
        return self.folder / f"{seed.name}-{turn}"

    def slope(self, seed: Seed, scratch: Path) -> float:
        """What a part of 10,000 costs on this host: measured once, then kept."""
        path = self.folder / "scratch" / f"{seed.name}-{self._key(seed)}.slope"
        if seed.cost is None:
            return 0.0
        if not path.exists():
            write_atomic(path, f"{calibrate(scratch, seed)}\n")
        return float(path.read_text())


def run_seed(store: Store, seed: Seed, turn: int, number: int) -> dict[str, Any]:
    """Make the change, let the gate judge it live, and resample; the line of this run."""
    begin = time.monotonic()
    scratch = new_scratch(store.folder / "scratch" / seed.name)
    dose = draw(seed, number, turn, store.slope(seed, scratch))
    change = make_change(scratch, seed, f"turn-{turn}", dose.parts)
    folder = store.of_turn(seed, turn)
    shutil.rmtree(folder, ignore_errors=True)
    measured = time.monotonic()
    review = _gate(change, seed, folder)
    line = {
        "name": seed.name,
        "turn": turn,
        "seed": number,
        "cost": dose.cost,
        "dose": dose.parts,
        "seeded": change.seeded,
        "gate_seconds": round(time.monotonic() - measured, 1),
    }
    line |= judge_folder(folder, seed, number)
    said = (review["report"]["verdict"], review["report"]["route"])
    if said != (line["found"]["flow"], line["found"]["agent"]):
        line["wrong"] = [*line["wrong"], f"the gate said {said}, its records say otherwise"]
    return line | {"seconds": round(time.monotonic() - begin, 1)}


def judge_folder(folder: Path, seed: Seed, number: int) -> dict[str, Any]:
    """What the records of a run say as measured and resampled, and what of that is wrong.

    A resampling that leaves a case open, which the gate would then have looked at once more, is no
    recording of a run: it is drawn anew, and `drawn` counts them all.
    """
    records = Records.load(folder)
    found = found_in(records, seed)
    again, drawn = [], 0
    while len(again) < RESAMPLINGS and drawn < MOST_DRAWN:
        judged = found_in(resampled_records(records, number + drawn), seed)
        drawn += 1
        if not judged.unsettled:
            again.append(wrong(judged, seed))
    few = [] if len(again) == RESAMPLINGS else [f"{len(again)} of {drawn} resamplings are settled"]
    return {
        "found": found.to_dict(),
        "wrong": [*wrong(found, seed), *few],
        "resampled": [list(each) for each in again],
        "drawn": drawn,
    }


def _gate(change: Change, seed: Seed, folder: Path) -> Any:
    """`bitnet-perf gate` on the change, as a user would call it; its JSON."""
    words = (
        "gate", "--repository", str(change.repository), "--base", change.base, "--head",
        change.head, "--suite", seed.name, "--quiet", "--report-only", "--json", "-",
        "--output", str(folder),
    )  # fmt: skip
    done = subprocess.run(
        [str(Path(sys.executable).parent / "bitnet-perf"), *words],
        capture_output=True, text=True, timeout=LONGEST, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(f"{seed.name}: the gate ended with {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)
