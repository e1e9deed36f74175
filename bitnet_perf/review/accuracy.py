"""What each format costs in accuracy, on data whose distribution is named; perplexity."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitnet_perf import _native
from bitnet_perf.analyze.accuracy import Accuracy, accuracy_of
from bitnet_perf.errors import ConfigError, ModelError, ShapeError
from bitnet_perf.formats import Packed, dequantize, quantize
from bitnet_perf.formats.dense import dense_format, dense_formats, pack_dense
from bitnet_perf.kernels.blocks import dequantize_blocks, quantize_blocks
from bitnet_perf.model.gguf import GgufFile, read_gguf
from bitnet_perf.model.model import Model
from bitnet_perf.model.weights import FLOATS, MATRICES, TERNARY_FORMATS, as_floats
from bitnet_perf.notebook import frame

__all__ = [
    "CODECS",
    "FormatAccuracy",
    "accuracy",
    "formats_with_accuracy",
    "model_matrices",
    "perplexity",
    "random_data",
]

SEED = 20
SHAPE = (256, 2304)  # whole blocks of every format
SIGMA = 0.02
NOISE = 0.25  # of the scale: how far trained weights lie from their ternary values here
CODECS = ("quant.i2s", "quant.tl1", "quant.tl2")

Data = tuple[str, NDArray[np.float32], NDArray[np.int8] | None]


@dataclass(frozen=True)
class FormatAccuracy(Accuracy):
    """The accuracy of one format; bits: a weight, scales included."""

    format: str
    bits: float


class AccuracyRows(tuple[FormatAccuracy, ...]):
    """The rows, as a table too."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"rows": [row.to_dict() for row in self]}

    def to_frame(self) -> Any:
        """A pandas DataFrame; EnvironmentRefused where pandas is missing."""
        return frame(row.to_dict() for row in self)


def formats_with_accuracy() -> tuple[str, ...]:
    """Ternary formats, formats of heads, and the codecs of the BitNet.rs crates."""
    ternary = [row[0] for row in _native.formats() if row[1] >= 0]
    return (*ternary, *(each.name for each in dense_formats()), *CODECS)


def accuracy(
    model_or_array: str | os.PathLike[str] | NDArray[np.float32] | None = None,
    formats: Sequence[str] | None = None,
) -> AccuracyRows:
    """100 * (1 - rms(x - x^) / rms(x)) and cosine of every format.

    model_or_array: a GGUF file (the weights of its ternary or float matrices), float32[N, K], or
    None: ternary, trained-like and Gaussian random data. formats: of `formats_with_accuracy`; None
    is all of them. Rows stand by data, then in the order of the formats. Formats that do not admit
    the shape of a matrix leave it out; one that admits none has no row.
    Raises ConfigError for an unknown format, ModelError for the file, FormatError for NaN.
    """
    known = formats_with_accuracy()
    wanted = known if formats is None else tuple(formats)
    for name in wanted:
        if name not in known:
            raise ConfigError(f"formats: found {name!r}, accepted are {', '.join(known)}")
    rows: list[FormatAccuracy] = []
    for distribution, matrices in _data(model_or_array):
        for name in wanted:
            row = _row(name, distribution, matrices)
            if row is not None:
                rows.append(row)
    return AccuracyRows(rows)


def _data(given: Any) -> Iterator[tuple[str, Callable[[], Iterator[NDArray[np.float32]]]]]:
    if isinstance(given, str | os.PathLike):
        file = read_gguf(given)
        yield f"the weights of {Path(given).name}", lambda: _of_file(file)
    elif given is None:
        for name, matrix, _ in random_data():
            yield name, lambda matrix=matrix: iter([matrix])  # type: ignore[misc]
    else:
        array = np.asarray(given)
        if array.dtype != np.float32 or array.ndim != 2 or array.size == 0:
            raise ShapeError(
                f"array: found {array.dtype}{list(array.shape)}, accepted is float32[N, K]"
            )
        yield "the given array", lambda: iter([array])


def random_data() -> Iterator[Data]:
    """Ternary, trained-like and Gaussian matrices: their name, values, and the ternary values that
    they were made of."""
    rng = np.random.default_rng(SEED)
    codes = rng.integers(-1, 2, SHAPE).astype(np.int8)
    ternary = (SIGMA * codes).astype(np.float32)
    yield f"ternary times {SIGMA}, seed {SEED}", ternary, codes
    noise = rng.normal(0, NOISE * SIGMA, SHAPE).astype(np.float32)
    trained = f"trained-like: ternary times {SIGMA} + Gaussian of {NOISE} of it"
    yield trained, ternary + noise, codes
    gaussian = rng.normal(0, SIGMA, SHAPE).astype(np.float32)
    yield f"Gaussian, standard deviation {SIGMA}", gaussian, None


def model_matrices(path: str | os.PathLike[str]) -> Iterator[NDArray[np.float32]]:
    """The ternary and float matrices of the layers of a GGUF file, float32[N, K] each; ModelError
    for the file, and where there are none."""
    return _of_file(read_gguf(path))


def _of_file(file: GgufFile) -> Iterator[NDArray[np.float32]]:
    found = False
    for tensor in file.tensors:
        words = tensor.name.split(".")
        if len(tensor.shape) != 2 or len(words) != 4 or words[2] not in MATRICES:
            continue
        data, (N, K) = file.tensor_data(tensor.name), tensor.shape
        if tensor.type in TERNARY_FORMATS:
            yield dequantize(Packed.from_bytes(data, tensor.type, (N, K)))
        elif tensor.type in FLOATS:
            yield as_floats(data, tensor.type).reshape(N, K)
        else:
            continue
        found = True
    if not found:
        raise ModelError(f"{file.path}: found no ternary or float matrix of a layer")


def _row(
    name: str, distribution: str, matrices: Callable[[], Iterator[NDArray[np.float32]]]
) -> FormatAccuracy | None:
    pairs = []
    nbytes = 0
    for x in matrices():
        try:
            restored, size = _round_trip(x, name)
        except ShapeError:
            continue  # the format does not admit this shape
        nbytes += size
        pairs.append((x, restored))
    if not pairs:
        return None
    originals = np.concatenate([x.ravel() for x, _ in pairs])
    found = accuracy_of(originals, np.concatenate([y.ravel() for _, y in pairs]), distribution)
    return FormatAccuracy(**found.to_dict(), format=name, bits=8 * nbytes / originals.size)


def _round_trip(x: NDArray[np.float32], name: str) -> tuple[NDArray[np.float32], int]:
    """(what the format makes of x, bytes it takes)."""
    N, K = x.shape
    if name in TERNARY_FORMATS:
        packed = quantize(x, name)
        return dequantize(packed), packed.nbytes
    if name in CODECS:
        blocks = quantize_blocks(x, name)
        return dequantize_blocks(blocks), blocks.data.nbytes + blocks.scales.nbytes
    data = pack_dense(x, name)
    rows = np.arange(N, dtype=np.int32)
    return _native.embed(data, name, N, K, rows), dense_format(name).nbytes(N, K)


def perplexity(model: Model, text: str, window: int = 512) -> tuple[float, int]:
    """(exp of the mean negative log likelihood a token, tokens judged) of a text.

    The text is cut into windows of `window` tokens; the first token of each is not judged, as
    nothing stands before it. Raises ModelError for fewer than 2 tokens, ConfigError for the window.
    """
    if not 2 <= window <= model.config.context:
        raise ConfigError(f"window: found {window}, accepted is 2 to {model.config.context}")
    ids = model.tokenizer.encode(text)
    if len(ids) < 2:
        raise ModelError(f"text: found {len(ids)} tokens, accepted are 2 or more")
    total, judged = 0.0, 0
    for begin in range(0, len(ids) - 1, window):
        part = ids[begin : begin + window]
        if len(part) < 2:
            break
        logits = model.forward(part)[:-1].astype(np.float64)
        most = logits.max(axis=1)
        logsum = most + np.log(np.exp(logits - most[:, None]).sum(axis=1))
        total += float((logsum - logits[np.arange(len(part) - 1), part[1:]]).sum())
        judged += len(part) - 1
    return float(np.exp(total / judged)), judged
