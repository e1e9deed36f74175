"""The inputs that fuzzing found worth keeping, read again."""

from __future__ import annotations

from pathlib import Path

import pytest

from bitnet_perf.errors import ModelError
from bitnet_perf.model.gguf import read_gguf

CORPUS = sorted((Path(__file__).resolve().parents[1] / "fuzz" / "corpus" / "gguf").iterdir())


@pytest.mark.parametrize(
    "path", [p for p in CORPUS if p.name.startswith("valid-")], ids=lambda path: path.name
)
def test_valid_files_are_read(path):
    file = read_gguf(path)
    for tensor in file.tensors:
        assert file.tensor_data(tensor.name).size == tensor.nbytes


def test_others_are_read_or_refused():
    refused = 0
    for path in CORPUS:
        try:
            file = read_gguf(path)
            known = [each.name for each in file.tensors if not each.type.startswith("ggml_")]
            assert sum(file.tensor_data(name).size for name in known) <= path.stat().st_size
        except ModelError as error:
            assert str(error).startswith(f"{path}: ")  # noqa: PT017 - no error is right too
            refused += 1
    assert refused < len(CORPUS)
