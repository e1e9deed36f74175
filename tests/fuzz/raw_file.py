"""Raw files of paired comparisons from mutated bytes, guided by coverage (atheris).

    python tests/fuzz/raw_file.py -max_total_time=20 CORPUS

The first byte of an input says what the rest replaces in a small valid file: 0 the file itself,
n its n-th member (`meta`, then the columns). So mutations reach the checks behind the archive's
checksums. Whatever loads is judged, shown as JSON, written for pyperf, saved and loaded again;
FormatError is the only refusal, beside that nothing was timed where pyperf files are written.
An empty corpus folder is filled with the valid file first.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import sys
import tempfile
import zipfile
from pathlib import Path
from types import FunctionType

import atheris
import numpy as np
from rich.console import Console

from bitnet_perf.analyze.paired.comparison import judge
from bitnet_perf.bench.paired.interchange import write_pyperf
from bitnet_perf.bench.paired.raw import Raw
from bitnet_perf.bench.paired.schema import COLUMNS, PAIRS
from bitnet_perf.cli.verdicts import print_comparison
from bitnet_perf.errors import FormatError, MeasurementError
from bitnet_perf.review.compare import Comparison

# Imports cannot be instrumented where an editable installation has a loader of its own.
for each in gc.get_objects():
    if isinstance(each, FunctionType) and (each.__module__ or "").startswith("bitnet_perf."):
        atheris.instrument_func(each)


def members() -> dict[str, bytes]:
    """A valid file: one case of two pairs and two blocks, one canary pair."""
    cases = [
        {
            "name": "forward/gemv/i2_s/64x64/t1",
            "class": "core",
            "bound": "compute",
            "isas": ["a", "b"],
        },
        {"name": "canary/compute", "class": "core", "canary": "compute"},
    ]
    meta = {
        "version": 1, "sides": ["a", {"label": "b"}], "code": "equal", "stopped": "Ctrl-C",
        "seed": 3, "cases": cases, "iterations": [1, 1], "threads": [1, 1],
        "code_hashes": [[None, None]] * 2, "fingerprint": {"cpu": "x", "cores": 2},
        "rules": {"budgets": {"core": {"concern": 0.05, "action": 0.1}}, "looks": [8, 20, 40]},
        "clock": "cpu",
    }  # fmt: skip
    values = {
        "case": [0] * 16 + [1] * 8,
        "look": [0] * 8 + [1] * 8 + [-1] * 8,
        "pair": [0] * 8 + [1] * 8 + [2] * 8,
        "block": ([0] * 4 + [1] * 4) * 3,
        "position": [0, 1, 2, 3] * 6,
        "side": [0, 1, 1, 0, 1, 0, 0, 1] * 3,
        "wall_ns": np.linspace(4e5, 5e5, 24),
        "cpu_ns": np.linspace(3e5, 5e5, 24),
        "switches": [0] * 24,
        "pair_case": [0, 0, 1],
        "pair_look": [0, 1, -1],
        "pair_cpu": [0, 1, -1],
        "pair_steal_ms": [0, np.nan, 2],
        "pair_load": [1, 2, np.nan],
    }
    arrays = {"meta": np.frombuffer(json.dumps(meta).encode(), np.uint8)}
    arrays |= {
        name: np.asarray(values[name], dtype) for name, dtype in {**COLUMNS, **PAIRS}.items()
    }
    contents = {}
    for name, array in arrays.items():
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, array)
        contents[name] = buffer.getvalue()
    return contents


VALID = members()
NAMES = list(VALID)
FOLDER = tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
PLACE = Path(FOLDER.name) / "input.npz"


def archive(contents: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in contents.items():
            file.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def one_input(data: bytes) -> None:
    which, rest = (data[0] % (len(NAMES) + 1), data[1:]) if data else (0, b"")
    PLACE.write_bytes(rest if which == 0 else archive({**VALID, NAMES[which - 1]: rest}))
    try:
        found = Comparison.load(PLACE)
    except FormatError:
        return
    file, rows = found.raw, found.rows()
    json.dumps(found.to_dict(), allow_nan=False, ensure_ascii=False).encode()
    if not found.title.isprintable():
        raise AssertionError("the title could steer a terminal")
    print_comparison(Console(file=io.StringIO(), width=100), found)
    with contextlib.suppress(MeasurementError, FormatError):
        write_pyperf(file, PLACE.parent)
    if judge(Raw.load(file.save(PLACE))) != rows:
        raise AssertionError("saved and loaded again, the file is judged differently")


def main() -> None:
    folders = [Path(word) for word in sys.argv[1:] if not word.startswith("-")]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "valid").write_bytes(b"\0" + archive(VALID))
        for number, name in enumerate(NAMES, 1):
            (folder / f"valid-{name}").write_bytes(bytes([number]) + VALID[name])
    # The valid members are kept although they cover the same code, and at their full length.
    atheris.Setup([*sys.argv, "-keep_seed=1", "-len_control=0", "-max_len=8192"], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
