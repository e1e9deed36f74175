"""Accuracy and vector speed-ups of a built side, measured by that side's own code.

Run as a script it is the child: it measures the package that its arguments name, and writes JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bitnet_perf.analyze.accuracy import Accuracy
    from bitnet_perf.bench.paired.sides import Ready
    from bitnet_perf.report.build import Speedup

__all__ = ["NOT_SURVEYED", "Evidence", "survey_of"]

TIMEOUT = 300.0  # seconds


@dataclass(frozen=True)
class Evidence:
    """What was measured beside the comparison; `why` says why there is nothing."""

    accuracy: Mapping[str, Accuracy] = field(default_factory=dict)
    speedups: tuple[Speedup, ...] = ()
    why: str = ""


NOT_SURVEYED = Evidence(why="interrupted before it was measured")


def survey_of(side: Ready) -> Evidence:
    """Measure in a process of the side's own Python, with its package and extension.

    A side that cannot (an older one has another interface, or its kernels give an error) is
    Evidence without numbers that says why.
    """
    from pydantic import TypeAdapter, ValidationError

    from bitnet_perf.analyze.accuracy import Accuracy
    from bitnet_perf.bench.toolchain import dependency_folders
    from bitnet_perf.report.build import Speedup

    environment = side.environment
    if environment is None:
        return Evidence(why=f"{side.side.label} is no package")
    native = "" if environment.native is None else environment.native.parent
    places = (environment.package, native, *dependency_folders())
    command = [str(environment.python), "-I", "-S", __file__, *map(str, places)]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            timeout=TIMEOUT, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return Evidence(why=f"{side.side.label}: {error}"[:200])
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        return Evidence(why=f"{side.side.label} could not be surveyed: {said[-1][:160]}")
    try:
        accuracy, speedups = json.loads(done.stdout)
        return Evidence(
            TypeAdapter(dict[str, Accuracy]).validate_python(accuracy),
            TypeAdapter(tuple[Speedup, ...]).validate_python(speedups),
        )
    except (ValueError, ValidationError):
        return Evidence(why=f"{side.side.label} has another interface")


def _child(package: str, native: str, *dependencies: str) -> None:
    """Measure `package`, whose extension is in `native` where that is another folder."""
    sys.path[:0] = [package, *dependencies]
    if native:
        import bitnet_perf

        bitnet_perf.__path__.append(native)
    from bitnet_perf.review.survey import SPEEDUP_CASES, measure_accuracy, measure_speedups

    accuracy = {name: asdict(found) for name, found in measure_accuracy().items()}
    speedups = [asdict(found) for found in measure_speedups(SPEEDUP_CASES)]
    os.write(1, json.dumps([accuracy, speedups]).encode())


if __name__ == "__main__":
    _child(*sys.argv[1:])
