"""Results files of other tools from mutated bytes, guided by coverage (atheris).

    python tests/fuzz/results_file.py -max_total_time=20 CORPUS

The first byte of an input picks a small valid file, the second says how the rest breaks it: as
choices of parts of its JSON and of what replaces them, as bytes at places, or as the whole file.
Whatever is read is judged as a baseline, saved and loaded again; MeasurementError is the only
refusal. An empty corpus folder is filled with the valid files first.
"""

from __future__ import annotations

import gc
import json
import sys
import tempfile
from pathlib import Path
from types import FunctionType

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from reference.results_files import FILES, broken

from bitnet_perf.analyze.baselines import why_refused
from bitnet_perf.errors import MeasurementError
from bitnet_perf.peers.read import read_results
from bitnet_perf.peers.readers import READERS, reader
from bitnet_perf.peers.results import Results

for name in READERS:
    reader(name)
# Imports cannot be instrumented where an editable installation has a loader of its own.
for each in gc.get_objects():
    if isinstance(each, FunctionType) and (each.__module__ or "").startswith("bitnet_perf.peers"):
        atheris.instrument_func(each)

VALID = [content for _, content in FILES.values()]
FOLDER = tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
PLACE, SAVED = Path(FOLDER.name) / "input", Path(FOLDER.name) / "saved"


def content_of(data: bytes) -> bytes:
    if len(data) < 2:
        return data
    valid, how, rest = VALID[data[0] % len(VALID)], data[1] % 3, data[2:]
    if how == 0:
        return rest
    if how == 1:
        try:
            value = json.loads(valid)
        except ValueError:  # one of llama-bench's forms
            return valid
        choices = (int.from_bytes(rest[at : at + 2]) for at in range(0, len(rest), 2))
        return json.dumps(broken(value, choices)).encode()
    out = bytearray(valid)
    for at in range(0, len(rest) - 3, 4):
        place = int.from_bytes(rest[at : at + 2]) % len(out)
        out[place : place + rest[at + 2] % 8] = rest[at + 3 : at + 4]
    return bytes(out)


def one_input(data: bytes) -> None:
    PLACE.write_bytes(content_of(data))
    try:
        found = read_results(PLACE)
    except MeasurementError as error:
        if not str(error).isprintable():
            raise AssertionError("the message could steer a terminal") from None
        return
    for row in found:
        if not row.case.isprintable() or sum(row.runs) != len(row.samples) or not row.samples:
            raise AssertionError(f"{row}: not what a row is")
        why_refused(row, gb_per_s=10.0)
    SAVED.write_text(json.dumps(found.to_dict(), allow_nan=False, ensure_ascii=False))
    if Results.load(SAVED) != found:
        raise AssertionError("saved and loaded again, the rows are others")


def main() -> None:
    folders = [Path(word) for word in sys.argv[1:] if not word.startswith("-")]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        for number, content in enumerate(VALID):
            (folder / f"valid-{number}").write_bytes(bytes([number, 0]) + content)
            (folder / f"parts-{number}").write_bytes(bytes([number, 1, 0, 3, 0, 11]))
            (folder / f"bytes-{number}").write_bytes(bytes([number, 2, 0, 3, 1, 11]))
    # The valid files are kept although they cover the same code, and at their full length.
    atheris.Setup([*sys.argv, "-keep_seed=1", "-len_control=0", "-max_len=16384"], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
