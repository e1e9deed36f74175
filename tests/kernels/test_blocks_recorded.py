"""Native block codecs and products against every scalar-level run recorded from the crates."""

import json
from pathlib import Path

import numpy as np
import pytest
from reference.blocks import BLOCK

import bitnet_perf as bp
from bitnet_perf import _native

GOLDEN = Path(__file__).parents[1] / "golden" / "bitnet_rs"
# Runs of the scalar level: the CPU level itself, codecs without SIMD, and the functions that sum in
# the order of k.
SCALAR = {"scalar", "any", "fallback", "i2s_matmul_f32", "dequantize_and_matmul"}
SCALAR |= {"simd_matmul_i2s@scalar"}
PRODUCTS = {"matmul_i2s", "matmul"}


def native(case):
    """Cases of the two-bit symmetric codecs and of the products: those with a native kernel."""
    codec, params = case["codec"].removeprefix("bitnet_rs."), case["params"]
    usual = params.get("bits", 2) == 2 and not params.get("use_asymmetric", False)
    return codec in PRODUCTS or (codec in BLOCK and usual)


CASES = [c for c in json.loads((GOLDEN / "index.json").read_text())["cases"] if native(c)]
ISAS = sorted({isa for family, _, isa, why in _native.kernels() if "block" in family and not why})


def product(codec, x, params, isa):
    size = params.get("c_len", params["m"] * params["n"])
    out = None if "c_len" not in params else np.zeros(size, np.float32)
    if codec == "matmul":
        c = bp.matmul_blocks(x["x"], x["w"], x["scales"], params["block_size"], isa=isa, out=out)
    else:
        c = bp.matmul_i2s(x["a"], x["b"], isa=isa, out=out)
    return {"c": c}


def into_buffers(codec, x, params, isa):
    data = x["out_init"].copy() if "out_init" in x else np.zeros(params["output_bytes"], np.uint8)
    scales = np.zeros(params["scales_len"], np.float32)
    bp.quantize_blocks(x["x"], codec, isa=isa, out=(data, scales))
    return {"data": data, "scales": scales}


def encoded(codec, x, params, isa, wanted):
    block = params["block_size"] if isinstance(params["block_size"], int) else None
    if x["x"].size == 0:  # the public function refuses what the crates encode to nothing
        data, scales, _ = _native.block_quantize(x["x"], codec, block, isa)
        return {"data": data, "scales": scales, "dequantized": np.zeros(0, np.float32)}
    b = bp.quantize_blocks(x["x"], codec, block, isa=isa)
    got = {"data": b.data, "scales": b.scales}
    if codec.startswith("quant."):
        codes = (b.data[:, None] >> np.uint8([0, 2, 4, 6]) & 3).ravel()[: x["x"].size]
        got["levels"] = got["levels_scalar"] = codes.astype(np.int8) - 2
    if "dequantized" in wanted:
        got["dequantized"] = bp.dequantize_blocks(b, isa=isa)
    elif "data" in wanted:  # the decoder refused
        with pytest.raises(bp.FormatError, match="block"):
            bp.dequantize_blocks(b, isa=isa)
    if "dequantized_other" in wanted:
        other = params["dequantize_block_size"]
        got["dequantized_other"] = bp.dequantize_blocks(b, block=other, isa=isa)
    return got


def run(codec, x, params, isa, wanted):
    if codec in PRODUCTS:
        return product(codec, x, params, isa)
    if "output_bytes" in params:
        return into_buffers(codec, x, params, isa)
    return encoded(codec, x, params, isa, wanted)


def assert_equal_with_signs(got, want):
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got, want)
    if want.dtype == np.float32:
        number = ~np.isnan(want)
        np.testing.assert_array_equal(np.signbit(got[number]), np.signbit(want[number]))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_native_kernel_equals_the_crate(case, isa):
    codec, params = case["codec"].removeprefix("bitnet_rs."), case["params"]
    with np.load(GOLDEN / case["file"]) as arrays:
        x = {name: arrays[key] for name, key in case["inputs"].items()}
        results = [result for level, result in case["results"].items() if level in SCALAR]
        assert results
        for result in results:
            if result["status"] != "ok":
                with pytest.raises(bp.BitnetPerfError):
                    run(codec, x, params, isa, ())
                continue
            got = run(codec, x, params, isa, result["outputs"])
            for output, key in result["outputs"].items():
                assert_equal_with_signs(got[output], arrays[key])


def test_most_recorded_cases_have_a_native_kernel():
    assert len(CASES) > 190
    assert {c["codec"].removeprefix("bitnet_rs.") for c in CASES} == {*BLOCK, *PRODUCTS}
