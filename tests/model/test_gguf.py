"""GGUF files that other programs wrote, read to the last key and tensor."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest

from bitnet_perf.errors import ModelError, ShapeError
from bitnet_perf.formats import Packed, unpack
from bitnet_perf.model.gguf import GgufFile, read_gguf

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
I2_S = GOLDEN / "bitnet_cpp" / "tiny-i2_s.gguf"
TQ1_0 = GOLDEN / "llama_cpp" / "tiny-tq1_0.gguf"
TQ2_0 = GOLDEN / "llama_cpp" / "tiny-tq2_0.gguf"

ROWS = {
    "attn_q": (256, 256),
    "attn_k": (128, 256),
    "attn_v": (128, 256),
    "attn_output": (256, 256),
    "ffn_gate": (512, 256),
    "ffn_up": (512, 256),
    "ffn_down": (256, 512),
}


def same_value(found: object, wanted: object) -> bool:
    """Equal, also where one is an ndarray or tuple and the other a list."""
    if isinstance(found, np.ndarray | tuple):
        return isinstance(wanted, list) and list(found) == wanted
    return type(found) is type(wanted) and found == wanted


def assert_as_read_by_the_package(file: GgufFile) -> None:
    """The `gguf` package finds the same keys, values, tensors, places and bytes."""
    oracle = gguf.GGUFReader(file.path)
    keys = {
        name: field.contents()
        for name, field in oracle.fields.items()
        if not name.startswith("GGUF.")
    }
    assert list(file.metadata) == list(keys)
    for name, wanted in keys.items():
        assert same_value(file.metadata[name], wanted), name
    assert file.version == oracle.fields["GGUF.version"].contents()
    assert file.alignment == oracle.alignment
    assert len(file.tensors) == len(oracle.tensors)
    for tensor, other in zip(file.tensors, oracle.tensors, strict=True):
        assert tensor.name == other.name
        assert tensor.shape == tuple(other.shape.tolist()[::-1])
        assert tensor.ggml_type == int(other.tensor_type)
        assert tensor.type.upper() == other.tensor_type.name
        assert (tensor.offset, tensor.nbytes) == (other.data_offset, other.n_bytes)
        data = np.asarray(other.data).reshape(-1).view(np.uint8)
        assert np.array_equal(file.tensor_data(tensor.name), data), tensor.name


@pytest.mark.parametrize("path", [TQ1_0, TQ2_0], ids=lambda path: path.stem)
def test_llama_cpp_files_as_the_package_reads_them(path):
    assert_as_read_by_the_package(read_gguf(path))


def test_bitnet_cpp_file_to_the_last_key():
    file = read_gguf(I2_S)
    other = read_gguf(TQ2_0)
    ours = {name.replace("bitnet-b1.58.", "bitnet."): each for name, each in file.metadata.items()}
    assert list(ours) == list(other.metadata)
    assert ours["general.architecture"] == "bitnet-b1.58"
    differ = {"general.architecture", "general.file_type"}
    for name, value in other.metadata.items():
        assert name in differ or np.array_equal(ours[name], value), name
    assert ours["tokenizer.ggml.add_bos_token"] is True
    assert len(ours["tokenizer.ggml.tokens"]) == 1024
    assert ours["tokenizer.ggml.token_type"].dtype == np.int32


def test_bitnet_cpp_tensors_hold_the_weights_of_the_llama_cpp_file():
    file, other = read_gguf(I2_S), read_gguf(TQ2_0)
    assert [tensor.name for tensor in file.tensors] == [tensor.name for tensor in other.tensors]
    for tensor in file.tensors:
        kind = tensor.name.split(".")[-2]
        data, same = file.tensor_data(tensor.name), other.tensor_data(tensor.name)
        if kind not in ROWS:
            assert tensor.type == ("f16" if kind == "token_embd" else "f32")
            assert np.array_equal(data, same), tensor.name
            continue
        assert (tensor.type, tensor.shape) == ("i2_s", ROWS[kind])
        assert tensor.nbytes == np.prod(tensor.shape) // 4 + 32
        ternary = unpack(Packed.from_bytes(data, "i2_s", tensor.shape))
        assert np.array_equal(ternary, unpack(Packed.from_bytes(same, "tq2_0", tensor.shape)))
    last = file.tensors[-1]
    assert last.offset + last.nbytes == file.nbytes


def test_a_tensor_goes_into_memory_that_is_given():
    file = read_gguf(I2_S)
    tensor = file.tensor("output_norm.weight")
    out = np.zeros(tensor.nbytes, np.uint8)
    assert file.tensor_data(tensor.name, out) is out
    assert np.array_equal(out, file.tensor_data(tensor.name))
    assert out.any()
    strided = np.zeros(2 * tensor.nbytes, np.uint8)[::2]
    frozen = np.zeros(tensor.nbytes, np.uint8)
    frozen.flags.writeable = False
    for wrong in (out[1:], out.view(np.int8), strided, frozen):
        with pytest.raises(ShapeError, match=r"out: found .* accepted is .*uint8\[1024\]"):
            file.tensor_data(tensor.name, wrong)


def test_a_tensor_that_is_not_there():
    with pytest.raises(
        ModelError, match=r"no tensor 'x'; there are 'token_embd.weight', .* and 12 more"
    ):
        read_gguf(I2_S).tensor_data("x")
