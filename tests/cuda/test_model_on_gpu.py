"""`Model.load(device="cuda")` on a made-up device: graphs, spans, memory, and what is refused."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
from cuda_build import NEEDS_COMPILER
from cuda_device import CUDARuntimeError
from cuda_models import MINI, PROMPT, make_mini

import bitnet_perf as bp
from bitnet_perf.bench import gpu_model
from bitnet_perf.bench.gpu_clocks import clocks_of
from bitnet_perf.cli import main
from bitnet_perf.errors import ConfigError, EnvironmentRefused, MeasurementError, ModelError
from bitnet_perf.kernels.cuda import device
from bitnet_perf.kernels.cuda.catalog import KERNELS
from bitnet_perf.kernels.cuda.device import ContextLost
from bitnet_perf.kernels.cuda.launch import Emulated, on_device
from bitnet_perf.kernels.cuda.plans import step
from bitnet_perf.model import synthetic
from bitnet_perf.model.gguf import read_gguf
from bitnet_perf.model.gpu_engine import GpuEngine
from bitnet_perf.model.sequence import TokenSequence
from bitnet_perf.model.weights import AS_STORED, load_weights
from bitnet_perf.report import gpu
from bitnet_perf.review import benchmark as review
from bitnet_perf.stages import profile
from bitnet_perf.stages.table import stage_of

pytestmark = NEEDS_COMPILER
ALL = 1 << 32  # replays of a graph that are carried out


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return make_mini(tmp_path_factory.mktemp("models"))


@pytest.fixture
def model(cupy, path):
    cupy.replays = ALL
    return bp.Model.load(path, device="cuda", threads=1)


def on_emulator(model):
    file = read_gguf(model.path)
    engine = GpuEngine(model.config, Emulated(), "f16")
    load_weights(engine, file, model.config.layers, layout=AS_STORED)
    return engine


def test_a_text_is_one_graph_replayed(cupy, model):
    assert model.device == "cuda"
    made = model.generate(PROMPT[:2], 4, stop=())
    (graph,) = cupy.graphs
    wanted = step.decode(model._engine.weights.sizes, 64, model._engine._runner.machine)
    assert [name for name, _ in graph.launches] == [x.kernel.name for x in wanted.plan.launches]
    assert graph.replayed == 2  # the first of three steps loads the kernels
    assert "gemv_w2a8_q8/m1/sm_90a" in model.kernels
    assert "gemm_w2a8" in " ".join(model.kernels)
    engine = on_emulator(model)
    tokens = [*PROMPT[:2]]
    with TokenSequence(engine) as sequence:
        rows = sequence.extend(tokens)
        for token in made.tokens:
            assert int(rows[-1].argmax()) == token
            rows = sequence.extend([token])
    again = model.generate(PROMPT[:2], 2, stop=())  # in the memory of the one before, by its graph
    assert again.tokens == made.tokens[:2]
    assert len(cupy.graphs) == 1


def test_spans_are_those_of_the_cpu_with_the_time_of_the_device(cupy, model, path):
    names = [kernel.rpartition("/")[0] for kernel in model.kernels]
    cupy.costs = {name: 1e-6 * (1 + i) for i, name in enumerate(names)}
    with profile(memory=False) as recorded:
        model.generate(PROMPT[:1], 2, stop=())
    with profile(memory=False) as of_cpu:
        bp.Model.load(path, threads=1).generate(PROMPT[:1], 2, stop=())
    of_layers = [{row.operation for row in found.layers()} for found in (recorded, of_cpu)]
    assert of_layers[0] == of_layers[1] - {"act"}  # part of ffn_sub_norm
    seconds = {row.name: row.seconds for row in recorded.kernels()}
    gemv = [name for name in names if name.startswith("gemv_w2a8")]
    launched = 4 * 2 * 2  # products, layers, steps
    assert seconds[f"{gemv[0]}/sm_90a"] == pytest.approx(launched * cupy.costs[gemv[0]], abs=2e-8)
    assert all(stage_of(name) for name in seconds)


def test_every_kernel_of_a_step_has_a_stage(model):
    assert all(stage_of(name) for name in model.kernels)


def test_the_emulator_tells_no_time(model):
    engine = on_emulator(model)
    with profile(memory=False) as recorded, TokenSequence(engine) as sequence:
        sequence.extend(PROMPT[:1])
    assert not [row for row in recorded.kernels() if "/" in row.name]


def test_memory_that_is_too_small(cupy, path):
    cupy.room = 100_000
    said = r"memory of the GPU: asked are .* MB \(layers .*, head .*\), free are 0\.1 MB"
    with pytest.raises(EnvironmentRefused, match=said):
        bp.Model.load(path, device="cuda")


def test_a_cache_that_does_not_fit(cupy, model):
    cupy.room = 20_000
    with pytest.raises(EnvironmentRefused, match="keys and values of 90 positions"):
        model.generate(PROMPT, 86, stop=())


def test_a_lost_context_stays_lost(cupy, model):
    with model.sequence() as sequence:
        sequence.extend(PROMPT[:1])
        cupy.fail = CUDARuntimeError(700, "illegal address")
        with pytest.raises(ContextLost, match="in a graph of"):
            sequence.extend([9])
        assert sequence.length == 1
        cupy.fail = None
        with pytest.raises(ContextLost, match="start a new process"):
            sequence.extend([9])


def test_without_a_gpu(monkeypatch, path):
    monkeypatch.setitem(sys.modules, "cupy", None)
    device.gpu.cache_clear()
    try:
        with pytest.raises(EnvironmentRefused, match=r"skipped \(no-gpu-available\): CuPy is not"):
            bp.Model.load(path, device="cuda")
    finally:
        device.gpu.cache_clear()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"act_quant": "q8_k"}, "act_quant: found 'q8_k', accepted on a GPU is 'q8_act'"),
        ({"kv": "f32"}, "kv: found 'f32', accepted on a GPU is 'f16'"),
        ({"parity": "bitnet.cpp"}, "parity: found 'bitnet.cpp', accepted on a GPU is None"),
        ({"isa": "scalar"}, "isa: found 'scalar', accepted with device='cuda' is None"),
        ({"device": "tpu"}, "device: found 'tpu', accepted are cpu and cuda"),
    ],
)
def test_options_that_only_the_cpu_has(cupy, path, options, said):  # noqa: ARG001
    with pytest.raises(ConfigError, match=said):
        bp.Model.load(path, **{"device": "cuda"} | options)


def test_sizes_that_no_kernel_takes(model):
    for changed, said in (
        ({"head_dim": 80}, "attention.head_count: found heads 80 wide, accepted on a GPU are 64"),
        ({"width": 130}, "embedding_length: found 130, accepted on a GPU are multiples of 4"),
    ):
        with pytest.raises(ModelError, match=said):
            GpuEngine(replace(model.config, **changed), Emulated(), "f16")


def test_weights_that_are_refused(model):
    data = np.zeros(128 * 32 + 32, np.uint8)
    for scale, N, said in (
        (None, 128, "a scale for each block"),
        (1.0, 96, r"attn_q: found shape \[96, 128\], accepted is \[128, 128\]"),
    ):
        with pytest.raises(ModelError, match=said):
            model._engine.set_ternary(0, "attn_q", data, "i2_s", N, 128, (0, 0, 0), scale)


def test_tokens_that_are_refused(model):
    engine = model._engine
    with model.sequence() as sequence:
        for tokens, said in (
            ([], "found none"),
            ([260], "ids 0 to 259"),
            ([1] * 97, "found 97 positions, the context of the model holds 96"),
        ):
            with pytest.raises(ModelError, match=said):
                sequence.extend(tokens)
        assert sequence.length == 0
        with pytest.raises(bp.ShapeError, match="rows: found 1"):
            sequence.extend([1, 2], [1, 1])
        with pytest.raises(bp.ShapeError, match="out: found float64"):
            sequence.extend([1], out=np.zeros((1, 260)))
        engine.weights.arrays["blk.1.down.scales"][0] = np.nan
        with pytest.raises(ModelError, match="the logit of token 0 is NaN"):
            sequence.extend([1])
    with pytest.raises(ModelError, match="sequence: found 0, accepted is one that was added"):
        engine.length(0)


def command(*arguments):
    with pytest.raises(SystemExit) as ended:
        main([*map(str, arguments)])
    return ended.value.code


def test_the_commands_run_there(cupy, path, tmp_path, capsys):
    cupy.replays = ALL
    cupy.costs = {kernel.name: 1e-6 for kernel in KERNELS}
    of_model = ("--model", path, "--device", "cuda", "--tokens", 2)
    assert command("generate", "a", *of_model) == 0
    assert "Card, relu2, 2 prompt tokens" in capsys.readouterr().err
    trace = tmp_path / "trace.json"
    assert command("profile", "--prompt", "a", *of_model, "--no-limits", "--save", trace) == 0
    assert "gemv_w2a8_q8/m1/sm_90a" in trace.read_text()
    assert command("profile", "--device", "cuda") == 2


def test_a_benchmark_says_where_it_ran(cupy, path, monkeypatch):
    cupy.replays = ALL
    monkeypatch.setattr(review, "LEAST_RUNS", 2)
    monkeypatch.setattr(review, "MOST_RUNS", 2)
    found = review.benchmark(path, 2, "a", warmup_tokens=0, threads=1, device="cuda")
    assert (found.gpu, found.stream_gb_per_s) == ("Card", None)
    told = found.to_dict()
    assert (told["device"], told["backend"]) == ("cuda", "cuda")
    weights = 2 * (256 * 128 + 128 * 128 + 512 * 128 + 128 * 256) // 4 + 260 * 128
    assert weights < found.bytes_per_token < 1.2 * weights  # scales, norms, keys and values


def test_the_commands_say_that_there_is_no_gpu(monkeypatch, path, capsys):
    monkeypatch.setitem(sys.modules, "cupy", None)
    device.gpu.cache_clear()
    try:
        assert command("generate", "a", "--model", path, "--device", "cuda") == 5
    finally:
        device.gpu.cache_clear()
    assert "device 'cuda': skipped (no-gpu-available)" in capsys.readouterr().err


def test_a_report_compares_the_model_and_times_its_operations(cupy, monkeypatch):
    cupy.replays = 1  # that of the comparison
    cupy.costs = {kernel.name: 1e-6 for kernel in KERNELS}
    monkeypatch.setitem(synthetic.SHAPES, "mini", MINI)
    monkeypatch.setattr(gpu_model, "NEW", 3)
    monkeypatch.setattr(gpu_model, "PROMPT", 2)
    monkeypatch.setattr(gpu_model, "STEPS", 2)
    row = gpu_model.measure_model("mini", on_device(), clocks_of("none"))
    assert row.checked == 4
    assert row.worst < gpu_model.WORST
    assert row.seconds == pytest.approx(1e-6 * row.launches)
    assert row.operations["qkv"] == pytest.approx(2e-6)
    assert row.operations["attention"] == pytest.approx(2e-6)
    assert sum(row.operations.values()) == pytest.approx(row.seconds)
    page = "\n".join(gpu._model(row))
    assert "mini, i2_s, synthetic weights: 40000 tokens/s on the device (25.0 us a token" in page
    assert "| qkv | 2.0 |" in page


def test_a_model_whose_logits_are_wrong_is_not_timed():
    rows = np.random.default_rng(0).standard_normal((5, 40)).astype(np.float32)
    rows[:, 7] += 9
    assert gpu_model.compare(rows, rows).worst == 0
    wrong = rows.copy()
    wrong[3] = -rows[3]
    with pytest.raises(MeasurementError, match="another in 1 clear rows; nothing was timed"):
        gpu_model.compare(wrong, rows)
    with pytest.raises(MeasurementError, match="NMSE nan"):
        gpu_model.compare(np.full_like(rows, np.nan), rows)
