"""What formats cost in accuracy and what a model gives, of both sides on the same data."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bitnet_perf.analyze.accuracy import accuracy_of
from bitnet_perf.analyze.evidence import Agreement, Outputs, RoundTrip
from bitnet_perf.bench.cases import FORMATS
from bitnet_perf.bench.inputs import model_file
from bitnet_perf.bench.paired.calls import TOKENS
from bitnet_perf.bench.paired.sides import Ready
from bitnet_perf.errors import BitnetPerfError
from bitnet_perf.review.accuracy import CODECS, model_matrices, random_data
from bitnet_perf.review.surveys.ask import NoAnswer, ask_side

__all__ = ["SURVEYED", "Data", "data_of", "formats_of", "outputs_of"]

ACTIVATIONS = ("q8_act",)  # which keep more of a value than its sign
SURVEYED = (*FORMATS, *CODECS, *ACTIVATIONS)
LARGEST = 1 << 22  # values of a named model that are taken

Floats = NDArray[np.float32]
Key = tuple[int, str]  # place of the data, format
Trips = tuple[tuple[RoundTrip, ...], str]  # of one side, and why there are none


@dataclass(frozen=True)
class Data:
    """float32[N, K], what distribution they have, and the ternary values they were made of."""

    name: str
    values: Floats
    codes: NDArray[np.int8] | None


def data_of(model: Path | None, largest: int = LARGEST) -> list[Data]:
    """Random data, and before them the first matrices of a named model. Raises ModelError."""
    found = [] if model is None else _of_model(model, largest)
    for name, values, codes in random_data():
        found.append(Data(name, values, codes))
    return found


def _of_model(model: Path, largest: int) -> list[Data]:
    """As many whole matrices of the shape of the first one as fit in `largest` values, or one."""
    taken: list[Floats] = []
    for matrix in model_matrices(model):
        if taken and (matrix.shape != taken[0].shape or matrix.size * (len(taken) + 1) > largest):
            break
        taken.append(matrix)
    count = f"{len(taken)} matrices of {taken[0].shape[0]} x {taken[0].shape[1]}"
    return [Data(f"weights of {model.name} ({count})", np.concatenate(taken), None)]


def formats_of(
    sides: Sequence[Ready], data: Sequence[Data]
) -> tuple[list[Trips], tuple[Agreement, ...]]:
    """Round trips of each side through every format that it has, and how far they agree."""
    with tempfile.TemporaryDirectory(prefix="bitnet-perf-") as name:
        files = [str(Path(name, f"data-{place}.npy")) for place in range(len(data))]
        for file, each in zip(files, data, strict=True):
            np.save(file, each.values)
        restored, whys = [], []
        for number, side in enumerate(sides):
            folder = Path(name, str(number))
            folder.mkdir()
            found, why = _restored(side, files, folder)
            restored.append(found)
            whys.append(why)
    agreements = _agreements(restored, data)
    base = _trips(restored[0], data, {})
    same = {key: base[key] for key, each in agreements.items() if each.equal == 1 and key in base}
    candidate = _trips(restored[1], data, same)
    trips = [tuple(each.values()) for each in (base, candidate)]
    return list(zip(trips, whys, strict=True)), tuple(agreements.values())


def _restored(side: Ready, files: Sequence[str], folder: Path) -> tuple[dict[Key, Floats], str]:
    """What a side restores, by place of the data and format; why nothing."""
    try:
        asked = {"data": list(files), "formats": list(SURVEYED), "folder": str(folder)}
        answer = ask_side(side, "formats", asked)
        lacks = sorted(set(map(str, answer["lacks"].values())))
        found = {}
        for place in range(len(files)):
            for name in SURVEYED:
                path = folder / f"{place}-{name}.npy"
                if path.is_file():
                    found[place, name] = np.load(path, allow_pickle=False)
    except (NoAnswer, OSError, ValueError, KeyError, AttributeError) as error:
        return {}, str(error)[:300]
    return found, "" if found else "; ".join(lacks)[:300]


def _trips(
    found: Mapping[Key, Floats], data: Sequence[Data], known: Mapping[Key, RoundTrip]
) -> dict[Key, RoundTrip]:
    """What each format makes of its data; `known` are those of the same bits."""
    trips = {}
    for key, restored in found.items():
        place, name = key
        if key in known:
            trips[key] = known[key]
            continue
        each = data[place]
        try:
            trip = accuracy_of(each.values, restored, each.name)
        except BitnetPerfError:
            continue  # values that are none, or another shape: this format gives nothing to judge
        rms = float(np.sqrt(np.mean(np.square(each.values, dtype=np.float64))))
        signed = each.codes is not None and name not in ACTIVATIONS
        codes = None if not signed else float(np.mean(np.sign(restored) == each.codes))
        trips[key] = RoundTrip(
            format=name,
            data=each.name,
            values=trip.values,
            rms=rms,
            error=trip.rms_error,
            cosine=trip.cosine,
            codes=codes,
        )
    return trips


def _agreements(
    restored: Sequence[Mapping[Key, Floats]], data: Sequence[Data]
) -> dict[Key, Agreement]:
    base, candidate = restored
    found = {}
    for key, one in base.items():
        other = candidate.get(key)
        if other is not None and other.shape == one.shape:
            equal = float(np.mean(one.view(np.uint32) == other.view(np.uint32)))
            name = data[key[0]].name
            found[key] = Agreement(format=key[1], data=name, values=one.size, equal=equal)
    return found


def outputs_of(
    sides: Sequence[Ready], model: Path | None, threads: int
) -> tuple[tuple[Outputs, ...], list[str]]:
    """Logits of both sides beside each other, of small random models and the named one; why a side
    gave none."""
    paths = [model_file("tiny", type) for type in ("i2_s", "tl2")]
    paths += [model_file("small")] + ([] if model is None else [model])
    with tempfile.TemporaryDirectory(prefix="bitnet-perf-") as name:
        logits, whys = [], []
        for number, side in enumerate(sides):
            folder = Path(name, str(number))
            folder.mkdir()
            asked = {"models": list(map(str, paths)), "tokens": TOKENS, "threads": threads}
            try:
                ask_side(side, "outputs", {**asked, "folder": str(folder)})
                files = (folder / f"logits-{place}.npy" for place in range(len(paths)))
                logits.append([np.load(file, allow_pickle=False) for file in files])
                whys.append("")
            except (NoAnswer, OSError, ValueError) as error:
                whys.append(str(error)[:300])
        if len(logits) < 2:
            return (), whys
        return tuple(
            _compared(_name(path), one, other)
            for path, one, other in zip(paths, *logits, strict=True)
        ), whys


def _name(path: Path) -> str:
    """The file, less the hash of what made it."""
    return path.stem.rpartition("-s0-")[0] or path.name


def _compared(model: str, base: Floats, candidate: Floats) -> Outputs:
    if base.shape != candidate.shape or base.ndim != 2:
        return Outputs(model=model, rows=max(1, len(base)), equal=False, error=1.0, same_choice=0.0)
    with np.errstate(all="ignore"):
        difference = np.square(candidate.astype(np.float64) - base).sum(axis=1)
        errors = difference / np.square(base.astype(np.float64)).sum(axis=1)
    worst = float(errors.max())
    same = float(np.mean(base.argmax(axis=1) == candidate.argmax(axis=1)))
    return Outputs(
        model=model,
        rows=len(base),
        equal=bool(np.array_equal(base.view(np.uint32), candidate.view(np.uint32))),
        error=worst if np.isfinite(worst) else 1e9,
        same_choice=same,
    )
