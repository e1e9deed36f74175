"""The native entry: names, checks before times, and what it loads. No time is judged."""

import subprocess
import sys

import pytest

import bitnet_perf as bp
from bitnet_perf import _bench, _native
from bitnet_perf.formats.dense import dense_formats

SMALL = {
    "gemv": "forward/gemv/i2_s/64x256/t1",
    "gemm": "forward/gemm/i2_s/5x64x256/t1",
    "prefill": "forward/prefill/i2_s/tiny-n5/t1",
    "decode": "generation/decode/i2_s/tiny-n5/t1",
    "rms_norm": "forward/rms_norm/f32/3x257/t1",
    "rope": "forward/rope/f32/3x2x20/t1",
    "attention": "forward/attention/f16/2x6x2x150x24/t1",
    "relu2_mul": "forward/relu2_mul/f32/3x101/t1",
    "silu_mul": "forward/silu_mul/f32/3x101/t1",
    "add": "forward/add/f32/3x101/t1",
    "argmax": "generation/argmax/f32/101/t1",
    "softmax": "generation/softmax/f32/1301/t1",
    "sample": "generation/sample/all/1301/t1",
    "quantize_activations": "quantization/quantize_activations/q8_act/3x257/t1",
    "pack": "quantization/pack/tl2/64x288/t1",
    "unpack": "quantization/unpack/tq1_0/5x300/t1",
    "quantize_weights": "quantization/quantize_weights/i2_s/64x256/t1",
    "ternarize": "quantization/ternarize/f16/3x101/t1",
    "block_matmul": "forward/block_matmul/matmul_i2s/7x33x64/t1",
    "gemv_dense": "forward/gemv_dense/q6_k/64x512/t1",
    "gemm_dense": "forward/gemm_dense/f16/5x64x257/t1",
    "embed": "forward/embed/q4_k/3x20x256/t1",
    "block_quantize": "quantization/block_quantize/quant.i2s.b64/1000/t1",
    "block_dequantize": "quantization/block_dequantize/quant.tl1/32x32/t1",
    "block_round_trip": "quantization/block_round_trip/quant.tl2/1024/t1",
    "probe_read": "host/probe_read/plain/16384/t1",
    "probe_write": "host/probe_write/stream/16384/t1",
    "probe_mac": "host/probe_mac/chain/3840/t1",
    "probe_join": "host/probe_join/chunks/100/t2",
}
# What a family runs that has another name than its kernels.
KERNEL_OF = {
    "block_round_trip": "block_quantize",
    "decode": "gemv",
    "prefill": "gemm",
    "quantize_weights": "pack",
    "sample": "softmax",
}


def test_importing_the_entry_loads_no_numpy():
    code = (
        "import sys; from bitnet_perf import _bench; "
        "_bench.loop('forward/gemv/i2_s/8x128/t1', 1); print('numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_every_family_that_can_be_timed_has_a_small_case():
    assert set(SMALL) == set(_bench.families())


@pytest.mark.parametrize("case", SMALL.values())
def test_times_come_from_the_whole_loop(case):
    one = _bench.loop(case, 1)
    many = _bench.loop(case, 50)
    assert one.wall_ns > 0
    assert many.cpu_ns > 0
    assert many.switches >= 0


def runnable(case):
    """The variants of every kernel that the case runs."""
    family, format_ = case.split("/")[1:3]
    if family == "sample":  # the format says what is on
        format_ = "f32"
    family = KERNEL_OF.get(family, family)
    format_ = format_.partition(".b")[0].replace(".", "_")
    return [r[2] for r in _native.kernels() if r[:2] == (family, format_) and not r[3]]


@pytest.mark.parametrize("format_", sorted({r[1] for r in _native.kernels() if r[0] == "pack"}))
def test_every_format_has_right_cases(format_):
    for family, shape in (("gemv", "64x288"), ("gemm", "3x64x288")):
        if any(r[:2] == (family, format_) for r in _native.kernels()):
            _bench.check(f"forward/{family}/{format_}/{shape}/t1")
    for family in ("pack", "unpack", "quantize_weights"):
        _bench.check(f"quantization/{family}/{format_}/64x288/t2")


@pytest.mark.parametrize("format_", [f.name for f in dense_formats()])
def test_every_dense_format_has_right_cases(format_):
    _bench.check(f"forward/gemv_dense/{format_}/64x768/t2")
    _bench.check(f"forward/gemm_dense/{format_}/5x64x512-3mb/t1")
    _bench.check(f"forward/embed/{format_}/7x64x512/t1")


@pytest.mark.parametrize("format_", ["q8_k", "q8_0"])
def test_activations_in_blocks_have_right_cases(format_):
    _bench.check(f"quantization/quantize_activations/{format_}/3x512/t1")
    with pytest.raises(bp.ConfigError, match=f"{format_} accepts K in multiples"):
        _bench.check(f"quantization/quantize_activations/{format_}/3x500/t1")


@pytest.mark.parametrize("family", SMALL)
def test_every_byte_of_a_wrong_result_is_caught_on_every_isa(family):
    case = SMALL[family]
    isas = runnable(case)
    assert "scalar" in isas
    for isa in isas:
        _bench.check(case, isa)
        for byte in (*range(8), 63, 127):
            with pytest.raises(bp.MeasurementError, match="wrong result"):
                _bench.check(case, isa, flip=byte)


def test_work_is_what_the_kernel_states():
    work = _bench.work("forward/gemv/i2_s/64x256/t1", "scalar")
    assert work.bytes == 64 * 256 // 4 + 32 + 256 + 64 * 4
    assert work.ops == 2 * 64 * 256
    assert work.isa == "scalar"


def test_a_spread_case_walks_through_that_much_memory():
    assert _bench.work("forward/gemv/i2_s/64x256-3mb/t1").footprint >= 3 << 20
    assert _bench.work("forward/gemv/i2_s/64x256/t1").footprint < 1 << 20


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ("gemv/i2_s/64x256/t1", "stage/family/format/shape/threads"),
        ("forward/gemw/i2_s/64x256/t1", "families: gemv"),
        ("load/gemv/i2_s/64x256/t1", "stage of gemv is 'forward'"),
        ("forward/gemv/i2_s/64/t1", "NxK"),
        ("forward/gemv/i2_s/0x256/t1", "shape"),
        ("forward/gemv/i2_s/-5x256/t1", "512mb"),
        ("forward/gemv/i2_s/99999999x99999999/t1", "2\\^32"),
        ("forward/gemv/i2_s/64x256-lots/t1", "512mb"),
        ("forward/gemv/i2_s/64x256/t0", "t1"),
        ("forward/gemv/i2_s/64x256/2", "t1"),
        ("host/probe_read/plain/1000/t1", "multiple of 1024"),
    ],
)
def test_a_bad_name_says_what_is_accepted(case, says):
    with pytest.raises(bp.ConfigError, match=says):
        _bench.loop(case, 1)


def test_other_bad_input():
    case = "forward/gemv/i2_s/64x256/t1"
    with pytest.raises(bp.ConfigError, match="iterations"):
        _bench.loop(case, 0)
    with pytest.raises(bp.IsaError, match="runnable here"):
        _bench.loop(case, 1, "x87")
    with pytest.raises(bp.FormatError, match="formats that have one"):
        _bench.loop("forward/gemv/i3_s/64x256/t1", 1)
    with pytest.raises(bp.EnvironmentRefused, match="MiB"):
        _bench.loop("forward/gemv/i2_s/64x256-65536mb/t1", 1)


def test_extra_work_is_of_the_size_that_is_asked_for():
    n, k, iterations = 64, 256, 20
    case = f"forward/gemv/i2_s/{n}x{k}/t1"
    _bench.loop(case, 1)
    _native.start_spans()
    _bench.loop(case, iterations, extra=0.13)  # 2.6 iterations more
    spans, lost = _native.stop_spans()
    rows = [ops // (2 * k) for _, _, _, _, _, ops, *_ in spans]
    assert lost == 0
    assert rows == [n] * (iterations + 2) + [round(0.6 * n)]


def test_extra_work_that_no_case_can_do_is_refused():
    with pytest.raises(bp.ConfigError, match=r"extra: found -0\.1"):
        _bench.loop(SMALL["gemv"], 1, extra=-0.1)
    with pytest.raises(bp.ConfigError, match="admits no part"):
        _bench.loop(SMALL["gemm"], 1, extra=0.1)
    assert _bench.loop(SMALL["gemm"], 1, extra=2.0).wall_ns > 0  # whole iterations are possible
