"""End-to-end inference, measured: prefill, decode, the stages, and how near the memory it runs."""

from __future__ import annotations

import csv
import datetime
import io
import json
import platform
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bitnet_perf import _native
from bitnet_perf.bench.ceilings import measure_ceilings
from bitnet_perf.bench.fingerprint import fingerprint
from bitnet_perf.errors import ConfigError, MeasurementError
from bitnet_perf.memory import forget_peak, peak_resident
from bitnet_perf.model.generation import Generation
from bitnet_perf.model.model import Model
from bitnet_perf.stages import StageRow, profile

__all__ = ["FORMATS", "Benchmark", "Spread", "benchmark"]

PROMPT = "The capital of France is"
LEAST_RUNS, MOST_RUNS = 3, 10
ENOUGH = 0.02  # half width of the interval, as a share of the rate, at which no more runs are made
Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class Spread:
    """Tokens a second over runs: mean and its 95 % interval by Student's t."""

    mean: float
    low: float
    high: float
    runs: int

    @property
    def known(self) -> bool:
        """The interval is narrow enough to stop."""
        return self.high - self.low <= 2 * ENOUGH * self.mean


@dataclass(frozen=True)
class Benchmark:
    """A measured model.

    threads: of prefill and loading; decode_threads: of decode steps. load_seconds: reading the file
    and making its weights ready. step_seconds: percentiles of single decode steps, by name.
    bytes_per_token: what a decode step has to read at the end of the text: every weight once, and
    the keys and values. stream_gb_per_s: reading from memory with as many threads as a decode step,
    measured after the runs; None where it was not. peak_rss: bytes of memory at most while it was
    loaded and ran; None where the host does not say. gpu: the name of the GPU that ran it, "" where
    the CPU did; there is no stream_gb_per_s then. stages: self times of one more run, recorded;
    `outside_seconds` of it are in none of them. synthetic: the weights are random.
    """

    model: str
    synthetic: bool
    prompt: str
    text: str
    prompt_tokens: int
    tokens: int
    warmup_tokens: int
    threads: int
    decode_threads: int
    vocab: int
    activation: str
    kernels: tuple[str, ...]
    host: dict[str, Any]
    load_seconds: float
    warmup_seconds: float
    total_seconds: float
    first_token_seconds: tuple[float, ...]
    prefill: Spread
    decode: Spread
    step_seconds: dict[str, float]
    bytes_per_token: int
    stream_gb_per_s: float | None
    peak_rss: int | None
    stages: tuple[StageRow, ...]
    outside_seconds: float
    samples: tuple[dict[str, float], ...]
    timestamp: str
    gpu: str = ""

    @property
    def percent_of_stream(self) -> float | None:
        """Bytes that decoding read a second, in percent of the measured stream."""
        if self.stream_gb_per_s is None:
            return None
        return 100 * self.decode.mean * self.bytes_per_token / 1e9 / self.stream_gb_per_s

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: the keys of BitNet.rs's `xtask benchmark --json` and of its receipts,
        and beside them everything of this class."""
        prefill = statistics.fmean(run["prefill"] for run in self.samples)
        decode = statistics.fmean(run["decode"] for run in self.samples)
        return {
            **asdict(self),
            "percent_of_stream": self.percent_of_stream,
            "model_path": self.model,
            "tokenizer_path": None,
            "generated_text": self.text,
            "tokens_generated": self.tokens,
            "device": "cuda" if self.gpu else "cpu",
            "version": _native.__version__,
            "timing": {
                "warmup_ms": round(1e3 * self.warmup_seconds),
                "prefill_ms": round(1e3 * prefill),
                "decode_ms": round(1e3 * decode),
                "generation_ms": round(1e3 * (prefill + decode)),
                "total_ms": round(1e3 * self.total_seconds),
            },
            "performance": {
                "tokens_per_sec": self.decode.mean,
                "ms_per_token": 1e3 / self.decode.mean,
                "total_tokens_per_sec": self.tokens / (prefill + decode),
            },
            "success": True,
            "error": None,
            "backend": "cuda" if self.gpu else "cpu",
            "compute_path": "real",
            "deterministic": True,
            "environment": {
                "BITNET_PERF_VERSION": _native.__version__,
                "OS": f"{platform.system()}-{platform.machine()}".lower(),
                "COMPILER": _native.compiler,
            },
            "model": {"path": self.model},
            "schema_version": "1.0.0",
            "tokens_requested": self.tokens,
            "tokens_per_second": self.decode.mean,
        }

    def rows(self) -> list[dict[str, Any]]:
        """Two rows in the field names of llama-bench: prompt and generation."""
        common = {
            "model_filename": self.model,
            "model_type": "synthetic weights" if self.synthetic else "",
            "cpu_info": self.host["cpu"],
            "n_threads": self.threads,
            "test_time": self.timestamp,
        }
        prefill = [run["prefill"] for run in self.samples]
        decode = [run["decode"] for run in self.samples]
        return [
            {**common, "n_prompt": self.prompt_tokens, "n_gen": 0}
            | _llama_bench(prefill, self.prompt_tokens),
            {**common, "n_prompt": 0, "n_gen": self.tokens - 1}
            | _llama_bench(decode, self.tokens - 1),
        ]


def _llama_bench(seconds: list[float], tokens: int) -> dict[str, Any]:
    rates = [tokens / each for each in seconds]
    return {
        "avg_ns": round(1e9 * statistics.fmean(seconds)),
        "stddev_ns": round(1e9 * statistics.stdev(seconds)),
        "avg_ts": statistics.fmean(rates),
        "stddev_ts": statistics.stdev(rates),
        "samples_ns": [round(1e9 * each) for each in seconds],
    }


def benchmark(
    path: Path,
    tokens: int = 128,
    prompt: str = PROMPT,
    *,
    warmup_tokens: int = 10,
    threads: int | None = None,
    isa: str | None = None,
    device: str = "cpu",
    stream: bool = True,
    on_progress: Progress | None = None,
) -> Benchmark:
    """Load a model and generate `tokens` tokens greedily, again and again until the mean rate of
    decoding is known within 2 % (3 to 10 times).

    stream: measure what the memory gives the CPU, too. Every run has to give the same tokens.
    Raises ConfigError for fewer than 2 tokens, ModelError for the file, MeasurementError where two
    runs differ.
    """
    if tokens < 2:
        raise ConfigError(f"tokens: found {tokens}, accepted is 2 or more (decoding needs a step)")
    step = on_progress or _ignore
    step(0.0, "load")
    known_peak = forget_peak()
    how: dict[str, Any] = {"threads": threads, "isa": isa, "device": device}
    begin = _native.now_ns()
    model = Model.load(path, **how)
    loaded = _native.now_ns()
    warmup = _warm_up(model, prompt, warmup_tokens)
    made = _repeat(model, prompt, tokens, step)
    peak = peak_resident() if known_peak else None
    step(0.8, "stages")
    with profile() as recorded:
        again = Model.load(path, **how)  # freed later: no part of a stage
        again.generate(prompt, tokens, stop=())
    end = _native.now_ns()
    shown = recorded.result()
    return Benchmark(
        model=str(path),
        synthetic=model.synthetic,
        prompt=prompt,
        text=made[0].text,
        prompt_tokens=made[0].prompt_tokens,
        tokens=tokens,
        warmup_tokens=warmup_tokens,
        threads=model.threads,
        decode_threads=model.decode_threads,
        vocab=model.config.vocab,
        activation=model.config.activation,
        kernels=model.kernels,
        host=fingerprint().model_dump(mode="json"),
        load_seconds=(loaded - begin) / 1e9,
        warmup_seconds=warmup,
        total_seconds=(end - begin) / 1e9,
        first_token_seconds=tuple(each.timings.first_token for each in made),
        prefill=_spread([each.prefill_tokens_per_second for each in made]),
        decode=_decode(made),
        step_seconds=_percentiles([step for each in made for step in each.timings.steps]),
        bytes_per_token=model.step_bytes + _cached(model, made[0].prompt_tokens + tokens),
        stream_gb_per_s=_stream(model, step) if stream else None,
        peak_rss=peak,
        stages=shown.stages(),
        outside_seconds=max(shown.outside, 0.0),
        samples=tuple(_sample(each) for each in made),
        timestamp=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        gpu=model.gpu,
    )


def _cached(model: Model, tokens: int) -> int:
    """Bytes of their keys and values."""
    return model.config.kv_bytes_per_token * tokens


def _stream(model: Model, step: Progress) -> float | None:
    """GB/s of reading from the memory of the CPU, where that is the model's."""
    if model.gpu:
        return None
    step(0.9, "limits of the memory")
    threads = model.decode_threads
    limit = measure_ceilings(threads, rounds=9).read_limit(1 << 40, threads)
    return None if limit is None else limit.gb_per_s


def _warm_up(model: Model, prompt: str, tokens: int) -> float:
    """Makes what is made at first use and generates `tokens`, in so many seconds."""
    model.tokenizer  # noqa: B018
    begin = _native.now_ns()
    if tokens > 0:
        model.generate(prompt, tokens, stop=())
    return (_native.now_ns() - begin) / 1e9


def _sample(made: Generation) -> dict[str, float]:
    return {"prefill": made.timings.prefill, "decode": made.timings.decode}


def _ignore(_share: float, _what: str) -> None:
    """Nobody looks at the progress."""


def _repeat(model: Model, prompt: str, tokens: int, step: Progress) -> list[Generation]:
    """Runs until the rate of decoding is known."""
    made: list[Generation] = []
    while len(made) < LEAST_RUNS or (len(made) < MOST_RUNS and not _decode(made).known):
        step(0.2 + 0.7 * len(made) / MOST_RUNS, f"run {len(made) + 1}")
        made.append(model.generate(prompt, tokens, stop=()))
        if made[-1].tokens != made[0].tokens:
            raise MeasurementError("two runs of the same prompt gave different tokens")
    return made


def _decode(made: list[Generation]) -> Spread:
    return _spread([rate for each in made if (rate := each.decode_tokens_per_second)])


def _spread(rates: list[float]) -> Spread:
    from scipy.stats import t

    mean = statistics.fmean(rates)
    if len(rates) < 2:
        return Spread(mean, 0.0, float("inf"), len(rates))
    half = float(t.ppf(0.975, len(rates) - 1)) * statistics.stdev(rates) / len(rates) ** 0.5
    return Spread(mean, max(0.0, mean - half), mean + half, len(rates))


def _percentiles(steps: list[float]) -> dict[str, float]:
    ordered = sorted(steps)
    return {
        f"p{percent}": ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]
        for percent in (50, 90, 95, 99)
    }


def _csv(found: Benchmark) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(found.rows()[0]))
    writer.writeheader()
    writer.writerows(found.rows())
    return text.getvalue()


def _markdown(found: Benchmark) -> str:
    lines = ["| model | threads | test | t/s |", "|---|---|---|---|"]
    for row in found.rows():
        test = f"pp{row['n_prompt']}" if row["n_prompt"] else f"tg{row['n_gen']}"
        rate = f"{row['avg_ts']:.2f} +- {row['stddev_ts']:.2f}"
        kind = f" ({row['model_type']})" if row["model_type"] else ""
        lines.append(f"| {Path(found.model).name}{kind} | {found.threads} | {test} | {rate} |")
    return "\n".join(lines) + "\n"


def _jsonl(found: Benchmark) -> str:
    return "".join(json.dumps(row) + "\n" for row in found.rows())


# Name of a text form -> what writes it, in the field names of llama-bench.
FORMATS: dict[str, Callable[[Benchmark], str]] = {"md": _markdown, "csv": _csv, "jsonl": _jsonl}
