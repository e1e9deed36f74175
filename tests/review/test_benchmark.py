"""The end-to-end benchmark: what it says, in BitNet.rs's keys and in llama-bench's."""

from __future__ import annotations

import csv
import io
import json
from functools import partial

import pytest
from rich.console import Console

import bitnet_perf as bp
from bitnet_perf import _native, cli
from bitnet_perf.bench import ceilings
from bitnet_perf.cli.benchmark import _print
from bitnet_perf.model.model import Model
from bitnet_perf.review.benchmark import FORMATS, _percentiles, _spread, benchmark


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return bp.make_model(tmp_path_factory.mktemp("model") / "tiny.gguf")


@pytest.fixture(scope="module")
def found(tiny):
    return benchmark(tiny, 6, "abc", warmup_tokens=2, threads=1, stream=False)


# Keys of `xtask benchmark --json` (BitNet.rs, xtask/src/main.rs) and of its receipts.
KEYS = {
    "model_path", "tokenizer_path", "prompt", "generated_text", "tokens_generated",
    "warmup_tokens", "device", "vocab", "version", "timing", "performance", "success", "error",
    "backend", "compute_path", "deterministic", "environment", "kernels", "model",
    "schema_version", "timestamp", "tokens_per_second", "tokens_requested",
}  # fmt: skip


def test_keys_of_the_crates(found):
    result = json.loads(json.dumps(found.to_dict()))
    assert result.keys() >= KEYS
    assert result["timing"].keys() == {
        "warmup_ms", "prefill_ms", "decode_ms", "generation_ms", "total_ms",
    }  # fmt: skip
    assert result["performance"].keys() == {
        "tokens_per_sec", "ms_per_token", "total_tokens_per_sec",
    }  # fmt: skip
    assert result["tokens_generated"] == result["tokens_requested"] == 6
    assert result["model"] == {"path": result["model_path"]}
    assert not any("mock" in name for name in result["kernels"])


def test_figures_agree_with_each_other(found):
    assert 3 <= len(found.samples) <= 10
    assert len(found.first_token_seconds) == found.decode.runs == len(found.samples)
    assert found.decode.low <= found.decode.mean <= found.decode.high
    rates = [5 / run["decode"] for run in found.samples]
    assert found.decode.mean == pytest.approx(sum(rates) / len(rates))
    assert found.percent_of_stream is None
    assert found.synthetic
    config = Model.load(found.model).config
    assert found.bytes_per_token > config.kv_bytes_per_token * (found.prompt_tokens + 6)
    assert [row.stage for row in found.stages if row.seconds] == [row.stage for row in found.stages]


def test_what_is_in_no_stage_is_told(found):
    assert found.outside_seconds > 0
    assert found.to_dict()["outside_seconds"] == found.outside_seconds


def test_the_table_of_stages_adds_up(found):
    out = io.StringIO()
    _print(Console(file=out, width=100), found, 45.0, text=False)
    stages = out.getvalue().partition("Stages of one more run")[2].splitlines()
    shares = [float(line.split()[-2]) for line in stages if line.rstrip().endswith("%")]
    assert len(shares) == 6
    assert sum(shares) == pytest.approx(100, abs=0.4)  # each is rounded to 0.1
    assert any(line.startswith("in no stage ") for line in stages)


def test_forms_of_llama_bench(found):
    rows = [json.loads(line) for line in FORMATS["jsonl"](found).splitlines()]
    assert [(row["n_prompt"], row["n_gen"]) for row in rows] == [(found.prompt_tokens, 0), (0, 5)]
    assert rows[0]["cpu_info"] == found.host["cpu"] != ""
    assert rows[1]["samples_ns"] == [round(1e9 * run["decode"]) for run in found.samples]
    assert len(list(csv.DictReader(io.StringIO(FORMATS["csv"](found))))) == 2
    assert "tg5" in FORMATS["md"](found)
    assert "synthetic weights" in FORMATS["md"](found)


def test_spread_is_students_interval():
    known = _spread([10.0, 12.0, 11.0])
    assert known.mean == 11
    assert known.high - known.mean == pytest.approx(4.302653 / 3**0.5)
    assert not known.known
    assert _spread([10.0, 10.001, 9.999]).known
    assert not _spread([10.0]).known


def test_percentiles():
    assert _percentiles([float(i) for i in range(100)]) == {
        "p50": 50, "p90": 90, "p95": 95, "p99": 99,
    }  # fmt: skip


def test_too_few_tokens(tiny):
    with pytest.raises(bp.ConfigError, match="tokens: found 1"):
        benchmark(tiny, 1)


@pytest.mark.parametrize(
    "arguments",
    [
        ("profile", "--tokens", "3"),
        ("profile", "--tokens", "3", "--json", "-"),
        ("generate", "abc", "--tokens", "3"),
        ("generate", "abc", "--tokens", "3", "--json", "-"),
    ],
)
def test_commands_over_a_model(tiny, capsys, arguments, monkeypatch):
    limits = partial(ceilings.measure_ceilings, rounds=2, memory=64 << 20)
    monkeypatch.setattr(ceilings, "measure_ceilings", limits)
    with pytest.raises(SystemExit) as stopped:
        cli.main([*arguments, "--model", str(tiny)])
    out = capsys.readouterr().out
    assert stopped.value.code == 0
    if "--json" in arguments:
        found = json.loads(out)
        if arguments[0] == "profile":
            assert f"gemv/{_native.native_layout()}/" in json.dumps(found)
    elif arguments[0] == "profile":
        assert max(map(len, out.split("\n"))) <= 100
        for word in ("Model Load", "decode_loop", "synthetic weights"):
            assert word in out


def test_files_are_made_and_converted(tmp_path, capsys):
    made, other = str(tmp_path / "a.gguf"), str(tmp_path / "b.gguf")
    for arguments in (
        ["make-model", made, "--vocab", "300"],
        ["quantize", made, other, "--type", "tq1_0"],
    ):
        with pytest.raises(SystemExit) as stopped:
            cli.main(arguments)
        assert stopped.value.code == 0
    out = capsys.readouterr().out
    assert "synthetic weights" in out
    assert "ffn_down" in out
