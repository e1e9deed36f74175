"""Small results files in the forms of other tools, rebuilt from what their sources print, and ways
to break a file. Figures are made up; every text of a form is as its program writes it."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).parents[1] / "golden" / "peers"

LLAMA = {
    "build_commit": "8cf427ff", "build_number": 5163, "cpu_info": "A CPU", "gpu_info": "",
    "backends": "CPU", "model_filename": "models/tiny-i2_s.gguf", "model_type": "bitnet 2B I2_S",
    "model_size": 600000000, "model_n_params": 2412820480, "n_batch": 2048, "n_ubatch": 512,
    "n_threads": 8, "cpu_mask": "0x0", "cpu_strict": False, "poll": 50, "type_k": "f16",
    "type_v": "f16", "n_gpu_layers": 99, "split_mode": "layer", "main_gpu": 0,
    "no_kv_offload": False, "flash_attn": False, "tensor_split": "0.00", "use_mmap": True,
    "embeddings": False, "n_prompt": 512, "n_gen": 0, "n_depth": 0,
    "test_time": "2026-01-01T00:00:00Z", "avg_ns": 2000000000, "stddev_ns": 4294967296,
    "avg_ts": 256.1, "stddev_ts": 6.4, "samples_ns": [1950000000, 2050000000, 2000000000],
    "samples_ts": [262.564, 249.756, 256.0],
}  # fmt: skip
LLAMA_TESTS = (
    LLAMA,
    {**LLAMA, "n_prompt": 0, "n_gen": 128, "avg_ns": 4000000000,
     "samples_ns": [4000000000, 4100000000, 3900000000]},
    {**LLAMA, "n_prompt": 0, "n_gen": 128, "n_depth": 64, "n_batch": 256, "flash_attn": True},
)  # fmt: skip
_BOOL = {True: "1", False: "0"}


def llama_json() -> str:
    return json.dumps(LLAMA_TESTS, indent=2)


def llama_jsonl() -> str:
    return "".join(json.dumps(test) + "\n" for test in LLAMA_TESTS)


def _texts(test: dict[str, Any]) -> dict[str, str]:
    """What csv and sql print of a test: no samples, everything text."""
    return {
        name: _BOOL[value] if isinstance(value, bool) else str(value)
        for name, value in test.items()
        if not name.startswith("samples_")
    }


def llama_csv() -> str:
    lines = [",".join(_texts(LLAMA))]
    for test in LLAMA_TESTS:
        cells = ('"' + text.replace('"', '""') + '"' for text in _texts(test).values())
        lines.append(",".join(cells))
    return "\n".join(lines) + "\n"


def llama_sql(table: str = "llama_bench") -> str:
    types = {float: "REAL", str: "TEXT", int: "INTEGER", bool: "INTEGER"}
    kinds = {name: types[type(LLAMA[name])] for name in _texts(LLAMA)}
    columns = ",\n".join(f"  {name} {kind}" for name, kind in kinds.items())
    text = f"CREATE TABLE IF NOT EXISTS {table} (\n{columns}\n);\n\n"
    for test in LLAMA_TESTS:
        values = ", ".join(f"'{value}'" for value in _texts(test).values())
        text += f"INSERT INTO {table} ({', '.join(kinds)}) VALUES ({values});\n"
    return text


XTASK_BENCHMARK = {
    "model_path": "models/tiny-i2_s.gguf", "tokenizer_path": None, "prompt": "Once",
    "generated_text": "Once upon a time", "tokens_generated": 64, "warmup_tokens": 5,
    "device": "cpu", "vocab": 1024, "version": "0a1b2c3",
    "timing": {"warmup_ms": 120, "prefill_ms": 80, "decode_ms": 1600, "generation_ms": 1680,
               "total_ms": 1810},
    "performance": {"tokens_per_sec": 40.0, "ms_per_token": 25.0, "total_tokens_per_sec": 38.1},
    "success": True, "error": None,
}  # fmt: skip
XTASK_RECEIPT = {
    "schema_version": "1.0.0", "timestamp": "2026-01-01T00:00:00+00:00", "compute_path": "real",
    "backend": "cpu", "deterministic": True, "tokens_requested": 16, "tokens_generated": 16,
    "tokens_per_second": 12.5, "kernels": ["i2s_gemv", "rope_apply"],
    "environment": {"BITNET_VERSION": "0.1.0", "OS": "linux-x86_64", "RUST_VERSION": "rustc 1.92"},
    "model": {"path": "models/tiny-i2_s.gguf"},
}  # fmt: skip
BITNET_RECEIPT = {
    "schema_version": "1.0.0", "timestamp": "2026-01-01T00:00:00+00:00", "compute_path": "real",
    "backend": "cpu", "backend_summary": "", "kernels": ["i2s_gemv"], "deterministic": True,
    "environment": {"OS": "linux-x86_64", "CPU_BRAND": "A CPU"},
    "model_info": {"model_path": "models/tiny-i2_s.gguf", "layers": 30},
    "test_results": {"total_tests": 1, "passed": 1, "failed": 0},
    "performance_baseline": {"tokens_generated": 32, "total_time_ms": 3300,
                             "tokens_per_second": 10.0, "first_token_latency_ms": 150,
                             "average_token_latency_ms": 100, "memory_usage_mb": 900},
    "corrections": [],
}  # fmt: skip
METRICS = {
    "git": {"sha": "0a1b2c3d", "branch": "main", "cpp_tag": "main"},
    "timestamp_utc": "2026-01-01T00:00:00Z",
    "device": {"backend": "cpu", "compute_caps": "avx2", "driver": "n/a"},
    "model": {"name": "tiny", "vocab": 1024},
    "metrics": {"ppl": 7.0, "acc": 0.7, "latency_p50_ms": 20.0, "latency_p95_ms": 40.0,
                "tok_s": 45.0, "gpu_mem_mb": 0.0},
}  # fmt: skip
CI_BASELINE = {
    "cpu": {"tiny_cpu": {"tok_s": 30.0, "rss_mb": 500}}, "gpu": {"tiny_gpu": {"tok_s": 200.0}},
    "metadata": {"version": "1.0.0", "cpu": "A CPU", "gpu": "A GPU", "note": ""},
}  # fmt: skip
CROSSVAL = {
    "version": "1.0.0", "methodology": {"iterations": 5},
    "baselines": {"linux-x86_64": {
        "rust_implementation": {"throughput_tokens_per_second": 50.0, "latency_p50_ms": 19.0,
                                "memory_usage_mb": 1000.0},
        "cpp_legacy": {}, "performance_ratios": {},
    }},
    "thresholds": {}, "metadata": {},
}  # fmt: skip
PARITY = {
    "commit": "unknown", "environment": {}, "parity": {"status": "rust_only"},
    "rust": {"n_steps": 4}, "tokenization": {"tokens_match": True}, "tokenizer": {"kind": "gpt2"},
}  # fmt: skip
GATE_CHECK = {
    "check_run": {"name": "some:gate", "head_sha": "0a1b2c3d4e5f", "conclusion": "success",
                  "output": {"title": "PASS", "summary": "inference: 20 tok/s"}},
    "validation": {"compute_path": "real", "kernels_executed": 7},
    "metrics": {"prefill_ms": 300, "tokens_generated": 16, "tokens_per_second": 20.0,
                "backend": "cpu", "deterministic": True},
}  # fmt: skip
GATE_RUN = {
    "gate": "benchmarks", "execution": {"model_path": "models/tiny-i2_s.gguf"},
    "output": {"generated_tokens": 8},
    "performance_baseline": {"warmup_ms": 10, "prefill_ms": 100, "decode_ms": 400,
                             "generation_ms": 500, "total_ms": 520, "tokens_per_sec": 20.0,
                             "ms_per_token": 50.0},
    "cpu_benchmarks": {"backend": "cpu"}, "gate_decision": {"status": "pass"},
    "schema_version": "1.0.0", "compute_path": "real", "kernels": ["i2s_gemv"],
}  # fmt: skip


def _summary(tag: str, **data: tuple[str, str]) -> dict[str, Any]:
    rows = [{"name": name, "type": kind, "value": text} for name, (kind, text) in data.items()]
    return {"tag": tag, "name": "A name", "hint": "duration", "data": rows}


def nvbench(times: str | None = None, count: int = 3) -> dict[str, Any]:
    """A benchmark of two states, one of them skipped; `times` names the file of `count` times."""
    summaries = [
        _summary("nv/cold/sample_size", value=("int64", str(count))),
        _summary("nv/cold/time/gpu/mean", value=("float64", "0.0010034715849794225")),
    ]
    if times is not None:
        summaries.append(
            _summary("nv/json/bin:nv/cold/sample_times", filename=("string", times),
                     size=("int64", str(count)))
        )  # fmt: skip
    states = [
        {"name": "Device=0 N=64", "device": 0, "axis_values": None, "summaries": summaries,
         "is_skipped": False},
        {"name": "Device=0 N=65", "device": 0, "axis_values": None, "summaries": None,
         "is_skipped": True, "skip_reason": "N is odd"},
    ]  # fmt: skip
    form = {"major": 1, "minor": 0, "patch": 0, "string": "1.0.0"}
    return {
        "meta": {"argv": ["bench"], "version": {"json": form, "nvbench": form}},
        "devices": [{"id": 0, "name": "A GPU", "sm_version": 900}],
        "benchmarks": [
            {"name": "gemv", "index": 0, "devices": [0], "axes": None, "states": states}
        ],
    }


def float32(*seconds: float) -> bytes:
    """Times as `--jsonbin` keeps them."""
    return struct.pack(f"<{len(seconds)}f", *seconds)


# Name of a file -> the reader that owns it, and its content.
FILES: dict[str, tuple[str, bytes]] = {
    "pyperf.json": ("pyperf", (GOLDEN / "pyperf.json").read_bytes()),
    "google.json": ("google_benchmark", (GOLDEN / "google_benchmark.json").read_bytes()),
    "aggregates.json": (
        "google_benchmark", (GOLDEN / "google_benchmark_aggregates.json").read_bytes()),
    "pytest.json": ("pytest_benchmark", (GOLDEN / "pytest_benchmark.json").read_bytes()),
    "saved.json": ("pytest_benchmark", (GOLDEN / "pytest_benchmark_saved.json").read_bytes()),
    "asv.json": ("asv", (GOLDEN / "asv/host/64519db6-existing.json").read_bytes()),
    "llama.json": ("llama_bench", llama_json().encode()),
    "llama.jsonl": ("llama_bench", llama_jsonl().encode()),
    "llama.csv": ("llama_bench", llama_csv().encode()),
    "llama.sql": ("llama_bench", llama_sql().encode()),
    "old.sql": ("llama_bench", llama_sql("test").encode()),
    **{
        f"{name}.json": (reader, json.dumps(value, indent=2).encode())
        for name, reader, value in (
            ("benchmark", "xtask_benchmark", XTASK_BENCHMARK),
            ("xtask", "xtask_receipt", XTASK_RECEIPT),
            ("receipt", "bitnet_receipt", BITNET_RECEIPT),
            ("metrics", "bitnet_rs_baseline", METRICS),
            ("ci", "bitnet_rs_baseline", CI_BASELINE),
            ("crossval", "bitnet_rs_baseline", CROSSVAL),
            ("check", "bitnet_rs_gate", GATE_CHECK),
            ("run", "bitnet_rs_gate", GATE_RUN),
            ("nvbench", "nvbench", nvbench()),
        )
    },
}  # fmt: skip

HOSTILE: tuple[Any, ...] = (
    None, True, 0, -1, 1, 2**63, 10**400, -0.0, 1e308, 5e-324, float("nan"), float("inf"), "", "x",
    "0", "nan", "x" * 2000, "a\x1b[31m\nb", "\u202e\ud800", "1e999", "../../etc/passwd", [], {},
    [[]], [None], [1e308, 1e308], {"name": 1}, [{"value": "x"}], {"": None},
)  # fmt: skip


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every part of a JSON value: (the list or object that holds it, its index or key)."""
    found: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting:
        holder = waiting.pop()
        keys = holder if isinstance(holder, dict) else range(len(holder))
        for key in list(keys):
            found.append((holder, key))
            if isinstance(holder[key], dict | list):
                waiting.append(holder[key])
    return found


def broken(value: Any, choices: Iterator[int]) -> Any:
    """`value` with some of its parts replaced, left out, doubled or moved, as `choices` say."""
    for first in choices:
        parts = places(value) if isinstance(value, dict | list) else []
        if not parts:
            break
        holder, key = parts[first % len(parts)]
        what = next(choices, 0)
        if what % 8 == 0 and isinstance(holder, dict):
            del holder[key]
        elif what % 8 == 1 and isinstance(holder, list):
            holder.append(holder[key])
        elif what % 8 == 2:
            other, at = parts[next(choices, 0) % len(parts)]
            holder[key] = json.loads(json.dumps(other[at]))
        else:
            holder[key] = json.loads(json.dumps(HOSTILE[what // 8 % len(HOSTILE)]))
    return value
