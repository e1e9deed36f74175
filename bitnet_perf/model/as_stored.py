"""Models whose products read ternary matrices in the layout of the file: nothing is repacked."""

from __future__ import annotations

import os

from bitnet_perf.formats import Packed
from bitnet_perf.model.gguf import read_gguf
from bitnet_perf.model.model import Model
from bitnet_perf.model.weights import MATRICES

__all__ = ["load_as_stored"]


def load_as_stored(path: str | os.PathLike[str], *, threads: int | None = None) -> Model:
    """What `Model.load` gives, by another way: its logits are those that a loaded model must have.

    tl1 and tl2 tensors are read with the tiling that `pack` would choose. Slower than a loaded
    model, and larger in memory. Raises the errors of `Model.load`.
    """
    model = Model.load(path, threads=threads)
    file = read_gguf(path)
    for layer in range(model.config.layers):
        for name in MATRICES:
            tensor = file.tensor(f"blk.{layer}.{name}.weight")
            N, K = tensor.shape
            w = Packed.from_bytes(file.tensor_data(tensor.name), tensor.type, (N, K))
            model._engine.set_ternary(layer, name, w.data, w.format, N, K, w.tile, w.scale)
    return model
