"""Files that are written here are read by the `gguf` package and by our own reader alike."""

from __future__ import annotations

import os

import numpy as np
import pytest
from gguf import GGUFReader

from bitnet_perf.errors import EnvironmentRefused, ModelError
from bitnet_perf.model.gguf import read_gguf
from bitnet_perf.model.gguf_write import TensorSource, write_gguf

METADATA = {
    "general.architecture": "llama",
    "flag": True,
    "count": 7,
    "large": 2**40,
    "negative": -3,
    "ratio": 0.25,
    "words": ["a", "", "\u00e4\U0001f600"],
    "numbers": [1, -2, 3],
    "scores": [0.5, -1.0],
    "exact": np.float64(0.1),
    "bytes": np.arange(5, dtype=np.uint8),
}


def source(name, array, ggml_type=0):
    data = array.tobytes()
    return TensorSource(name, array.shape, ggml_type, len(data), lambda: [data[:3], data[3:]])


def test_both_readers_give_what_was_written(tmp_path):
    arrays = {
        "norm": np.arange(5, dtype=np.float32),
        "matrix": np.arange(6, dtype=np.float16).reshape(2, 3),
        "last": np.ones((1, 1), np.float32),
    }
    tensors = [source(n, a, 1 if a.dtype == np.float16 else 0) for n, a in arrays.items()]
    path = write_gguf(tmp_path / "x.gguf", METADATA, tensors)
    theirs, ours = GGUFReader(path), read_gguf(path)
    for key, value in METADATA.items():
        for found in (theirs.fields[key].contents(), ours.metadata[key]):
            assert np.array_equal(np.asarray(found), np.asarray(value)), key
    assert theirs.fields["count"].types[0].name == "UINT32"
    assert [tensor.name for tensor in ours.tensors] == list(arrays)
    for tensor in theirs.tensors:
        want = arrays[tensor.name]
        assert np.array_equal(np.asarray(tensor.data).reshape(want.shape), want)
        assert ours.tensor(tensor.name).shape == want.shape
        assert ours.tensor_data(tensor.name).tobytes() == want.tobytes()
        assert ours.tensor(tensor.name).offset == tensor.data_offset


def test_progress_counts_every_byte(tmp_path):
    seen = []
    array = np.zeros(10, np.float32)
    write_gguf(tmp_path / "x.gguf", {}, [source("a", array), source("b", array)], seen.append)
    assert sum(seen) == 80


@pytest.mark.parametrize("value", [None, {}, [], [1, "a"], object(), np.zeros((2, 2))])
def test_values_that_no_reader_knows(tmp_path, value):
    with pytest.raises(ModelError, match="key odd"):
        write_gguf(tmp_path / "x.gguf", {"odd": value}, [])
    assert not list(tmp_path.iterdir())


def test_a_tensor_of_another_size_leaves_nothing(tmp_path):
    old = tmp_path / "x.gguf"
    old.write_bytes(b"old")
    wrong = TensorSource("short", (4,), 0, 16, lambda: [b"1234"])
    with pytest.raises(ModelError, match="tensor short: wrote 4 bytes, it has 16"):
        write_gguf(old, {}, [wrong])
    assert old.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [old]


def test_a_full_disk_leaves_nothing(tmp_path):
    def full():
        yield b"1234"
        raise OSError(28, os.strerror(28))

    with pytest.raises(EnvironmentRefused, match="No space left"):
        write_gguf(tmp_path / "x.gguf", {}, [TensorSource("a", (4,), 0, 16, full)])
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentRefused, match="cannot be written"):
        write_gguf(tmp_path / "file" / "x.gguf", {}, [])
