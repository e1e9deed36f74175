"""What a tensor's type number means, where programs disagree about it."""

from __future__ import annotations

import re

import gguf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitnet_perf import formats
from bitnet_perf.errors import ModelError
from bitnet_perf.model.gguf_types import ARCHITECTURES, decide_type

GGML = {int(each): each.name.lower() for each in gguf.GGMLQuantizationType}
SIZES = {int(each): size for each, size in gguf.GGML_QUANT_SIZES.items()}
NEVER_STORED = {"q8_1", "q8_k"}
TERNARY = {row.name: row for row in formats() if not row.native}
SHAPE = (64, 768)
BYTES = {
    "i2_s": 64 * 768 // 4 + 32,
    "tl1": 64 * 768 // 4 + 32,
    "tl2": ((768 - 256) * 64 // 3 * 5 // 8 + 256 * 64 // 2 * 4 // 8 + 31) // 32 * 32 + 32,
    "tq1_0": 64 * 768 // 256 * 54,
    "tq2_0": 64 * 768 // 256 * 66,
}


@pytest.mark.parametrize(
    "number", [n for n, name in GGML.items() if name not in NEVER_STORED], ids=GGML.get
)
def test_names_and_sizes_are_those_of_the_package(number):
    weights, size = SIZES[number]
    assert decide_type(number, (3, 5 * weights), 15 * size + 7, 32, "any") == (
        GGML[number],
        15 * size,
    )
    if weights > 1:
        with pytest.raises(ModelError, match=f"multiple of {weights}$|not of this shape"):
            decide_type(number, (3, 5 * weights + 1), 10**6, 32, "any")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("name", TERNARY)
def test_ternary_tensors_of_exact_size(name, architecture):
    number, nbytes = TERNARY[name].ggml_type, BYTES[name]
    assert number is not None
    room = (nbytes + 31) // 32 * 32
    assert decide_type(number, SHAPE, room, 32, architecture) == (name, nbytes)
    if name.startswith("tq"):
        return
    for wrong in (room - 32, room + 32):
        with pytest.raises(ModelError, match=rf"it is none of {name} \({nbytes} bytes\)"):
            decide_type(number, SHAPE, wrong, 32, architecture)


@pytest.mark.parametrize("architecture", ["gpt-oss", "", None])
@pytest.mark.parametrize("name", ["i2_s", "tl1", "tl2"])
def test_other_architectures_have_no_ternary_tensors_of_clashing_numbers(name, architecture):
    number = TERNARY[name].ggml_type
    assert number is not None
    with pytest.raises(ModelError, match=rf"type {number} of .* is none of (iq4_nl|mxfp4)\S* \("):
        decide_type(number, SHAPE, BYTES[name], 32, architecture)


@pytest.mark.parametrize("architecture", ["gpt-oss", "llama", "bitnet", None])
def test_mxfp4_is_told_by_its_size(architecture):
    nbytes = 64 * 768 // 32 * 17
    assert decide_type(39, (64, 768), nbytes, 32, architecture) == ("mxfp4", nbytes)
    with pytest.raises(ModelError, match=r"it is none of tl2 \(\d+ bytes\)$"):
        decide_type(39, (64, 768), nbytes, 32, "bitnet-b1.58")


def test_what_stays_ambiguous_is_refused_with_the_candidates():
    # MXFP4 needs 544 bytes and TL2 608: beside padding to 1024, both fit.
    words = r"in a place of 1024 bytes: it may be tl2 \(608 bytes\) or mxfp4 \(544 bytes\)"
    for architecture in ("bitnet", "llama"):
        with pytest.raises(ModelError, match=words):
            decide_type(39, (32, 32), 1024, 1024, architecture)
        assert decide_type(39, (32, 32), 608, 32, architecture) == ("tl2", 608)
        assert decide_type(39, (32, 32), 544, 32, architecture) == ("mxfp4", 544)
    assert decide_type(39, (32, 32), 1024, 1024, "bitnet-b1.58") == ("tl2", 608)
    assert decide_type(39, (32, 32), 1024, 1024, "gpt-oss") == ("mxfp4", 544)


@pytest.mark.parametrize(
    ("number", "name", "shape"),
    [(36, "i2_s", (2, 192)), (38, "tl1", (31, 128)), (39, "tl2", (64, 24)), (36, "i2_s", (128,)),
     (36, "i2_s", (2, 2, 128))],
)  # fmt: skip
def test_shapes_that_a_format_does_not_admit(number, name, shape):
    with pytest.raises(ModelError, match=rf"it is none of {name} \(not of this shape\)"):
        decide_type(number, shape, 96, 32, "bitnet-25")


def test_retired_and_unknown_numbers_are_listed():
    assert decide_type(37, (2, 64), 72, 8, "llama") == ("iq4_nl_4_8", 72)
    assert decide_type(31, (2, 64), 96, 32, "llama") == ("q4_0_4_4", 72)
    assert decide_type(42, (2, 64), 64, 32, "llama") == ("q2_0", 36)
    for number in (4, 5, 9, 15, 43, 135, 2**32 - 1):
        assert decide_type(number, (2, 64), 96, 32, "llama") == (f"ggml_{number}", 96)


@settings(deadline=None)
@given(
    st.integers(0, 50),
    st.lists(st.integers(1, 2**40), min_size=1, max_size=4),
    st.integers(1, 2**62),
    st.sampled_from([1, 8, 32, 4096]),
    st.sampled_from([None, "gpt-oss", *ARCHITECTURES]),
)
def test_any_tensor_is_decided_or_refused(number, shape, room, alignment, architecture):
    try:
        name, nbytes = decide_type(number, tuple(shape), room, alignment, architecture)
    except ModelError as error:
        assert re.search(r"shape \[", str(error))  # noqa: PT017 - either way is right
        return
    assert 0 < nbytes <= room
    assert name
