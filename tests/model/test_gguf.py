"""GGUF files that other programs wrote, read to the last key and tensor."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.gguf_file import small_file

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


INTEGERS = {"UINT8": (0, 2**8), "INT8": (-(2**7), 2**7), "UINT16": (0, 2**16)}
INTEGERS |= {"INT16": (-(2**15), 2**15), "UINT32": (0, 2**32), "INT32": (-(2**31), 2**31)}
INTEGERS |= {"UINT64": (0, 2**64), "INT64": (-(2**63), 2**63)}
VALUES: dict[str, st.SearchStrategy[Any]] = {
    **{name: st.integers(low, high - 1) for name, (low, high) in INTEGERS.items()},
    "FLOAT32": st.floats(allow_nan=False, width=32),
    "FLOAT64": st.floats(allow_nan=False),
    "BOOL": st.booleans(),
    "STRING": st.text(),
}
DTYPES = [np.float32, np.float16, np.float64, np.int8, np.int16, np.int32, np.int64]
NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=1, max_size=20)


@st.composite
def typed_values(draw: st.DrawFn) -> tuple[str, Any]:
    kind = draw(st.sampled_from(sorted(VALUES)))
    array = st.lists(VALUES[kind], min_size=1, max_size=40)  # the package writes no empty array
    return kind, draw(VALUES[kind] | array)


def written(
    folder: str, keys: dict[str, tuple[str, Any]], tensors: dict[str, Any], alignment: int
) -> Path:
    """A file made by the package's writer."""
    path = Path(folder) / "x.gguf"
    writer = gguf.GGUFWriter(path, "bitnet")
    writer.add_custom_alignment(alignment)
    for name, (kind, value) in keys.items():
        number = gguf.GGUFValueType[kind]
        if isinstance(value, list):
            writer.add_key_value(name, value, gguf.GGUFValueType.ARRAY, number)
        else:
            writer.add_key_value(name, value, number)
    for name, (shape, dtype, seed) in tensors.items():
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        data = np.random.default_rng(seed).integers(0, 256, size, np.uint8)
        writer.add_tensor(name, data.view(dtype).reshape(shape))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@settings(deadline=None, max_examples=60)
@given(
    st.dictionaries(NAMES, typed_values(), max_size=8),
    st.dictionaries(
        NAMES,
        st.tuples(
            st.lists(st.integers(1, 6), min_size=1, max_size=4),
            st.sampled_from(DTYPES),
            st.integers(0, 99),
        ),
        max_size=5,
    ),
    st.sampled_from([8, 16, 32, 64, 1024]),
)
def test_any_file_of_the_package_as_it_reads_it(keys, tensors, alignment):
    with tempfile.TemporaryDirectory() as folder:
        file = read_gguf(written(folder, keys, tensors, alignment))
        assert_as_read_by_the_package(file)
        for name, (_, value) in keys.items():
            assert same_value(file.metadata[name], value)
        assert list(file.by_name) == list(tensors)


@pytest.mark.parametrize("kind", ["f16", "bf16", "q8_0", "q4_0"])
def test_dense_tensors_of_the_package(tmp_path, kind):
    values = np.random.default_rng(3).standard_normal((12, 256), np.float32)
    number = gguf.GGMLQuantizationType[kind.upper()]
    writer = gguf.GGUFWriter(tmp_path / "x.gguf", "llama")
    writer.add_tensor("w", gguf.quants.quantize(values, number), raw_dtype=number)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    file = read_gguf(tmp_path / "x.gguf")
    assert_as_read_by_the_package(file)
    assert (file.tensor("w").type, file.tensor("w").shape) == (kind, (12, 256))


def test_the_reference_writer_agrees_with_the_package(tmp_path):
    content, places = small_file()
    at = places["id b.weight"]  # the package does not know type 36: let it see 2, q4_0
    (tmp_path / "x.gguf").write_bytes(content[:at] + b"\2\0\0\0" + content[at + 4 :])
    oracle = gguf.GGUFReader(tmp_path / "x.gguf")
    (tmp_path / "x.gguf").write_bytes(content)
    file = read_gguf(tmp_path / "x.gguf")
    for name, value in file.metadata.items():
        if name != "none":  # of an empty array the package tells nothing
            assert same_value(value, oracle.fields[name].contents()), name
    assert [tensor.offset for tensor in file.tensors] == [
        tensor.data_offset for tensor in oracle.tensors
    ]
