"""The command lines that reports name, each made in one place; a test parses every one of them."""

from __future__ import annotations

import re
import shlex

__all__ = [
    "FEATURES",
    "MIXED_PRECISION",
    "accuracy",
    "bench",
    "benchmark",
    "bisect",
    "bisect_workspace",
    "cargo_bench",
    "compare",
    "compare_isas",
    "counted",
    "gate",
    "history",
    "keep",
    "profile",
    "quantize",
    "roofline",
    "shape_of",
    "try_kernel",
    "tune",
    "workspace",
    "xtask",
]

MODEL = "models/bitnet/model.gguf"  # where BitNet.rs's own lines expect it
# Features that turn on the vector code that a crate of BitNet.rs measures; elsewhere "cpu".
FEATURES = {
    "bitnet-quantization": "cpu,bitnet-kernels/avx2",
    "bitnet-kernels": "cpu,avx2",
    "bitnet-inference": "cpu,bench",
}
# From what a gate exits with to what git wants: good, bad, not known.
CODES = "0) exit 0;; [13]) exit 1;; *) exit 125;;"
MIXED_PRECISION = ("bitnet-kernels", "mixed_precision_bench")


def _line(*words: str) -> str:
    return shlex.join(("bitnet-perf", *words))


def compare(base: str, candidate: str, *cases: str) -> str:
    """Both sides of a review again, on some cases."""
    return _line("compare", base, candidate, *(w for case in cases for w in ("--cases", case)))


def counted(base: str, candidate: str, case: str) -> str:
    """The same with the instructions of both sides by function."""
    return _line("compare", base, candidate, "--cases", case, "--counts", "all")


def compare_isas(base: str, candidate: str, case: str) -> str:
    """Two instruction sets of this build against each other."""
    return _line("compare", f"isa:{base}", f"isa:{candidate}", "--cases", case)


def bisect(good: str, bad: str, case: str) -> str:
    """The first bad commit of a case."""
    return _line("bisect", good, bad, "--case", case)


def bisect_workspace(good: str, bad: str, case: str) -> str:
    """The first bad commit of a case of a Cargo workspace: git's own bisection, by gates of that
    case alone. It skips what a gate does not know."""
    suite = ("--suite", "one", "--set", f"suites.one={case}")
    judge = f"{_line('gate', '--base', good, *suite)}; case $? in {CODES} esac"
    start = shlex.join(("git", "bisect", "start", bad, good))
    return f"{start} && git bisect run sh -c {shlex.quote(judge)}"


def history(case: str) -> str:
    """The stored times of a case."""
    return _line("history", "--case", case)


def roofline(name: str, threads: int = 1) -> str:
    """The limits of the host, and a case under them, or the cases of a kernel (family/format/isa,
    which writes its format without dots)."""
    family, *rest = name.split("/")
    glob = f"{family}/{rest[0].replace('_', '?')}/*" if len(rest) == 2 else name
    return _line("roofline", *_threads(glob, threads), "--full")


def bench(case: str, threads: int = 1) -> str:
    """The time of the cases that a glob selects."""
    return _line("bench", *_threads(case, threads))


def _threads(case: str, threads: int) -> tuple[str, ...]:
    """The case on so many threads: a glob, because its name ends in them."""
    if threads == 1:
        return (case,)
    return (re.sub(r"/t\d+$", "/t*", case), "--threads", str(threads))


def try_kernel(case: str, against: str = "") -> str | None:
    """A candidate kernel of the case against the best variant, or another; None where no candidate
    can stand for it."""
    from bitnet_perf.bench.candidates import FAMILIES

    family = "_".join(case.split("/")[1:3])
    if family not in FAMILIES:
        return None
    other = ("--against", against) if against else ()
    return _line("try", "candidate.cpp", "--family", family, "--shape", shape_of(case), *other)


def shape_of(case: str) -> str:
    """The shape of a kernel case, without the memory that it is spread over."""
    return case.split("/")[3].partition("-")[0]


def profile(model: str | None = None, *, python: bool = False) -> str:
    """Stages, operations and kernels; of one layer without a model."""
    words = ("--model", model) if model else ()
    return _line("profile", *words, *(("--python-memory",) if python else ()))


def tune(model: str | None = None) -> str:
    """The fastest layout, threads, variants and crossovers of this host."""
    return _line("tune", *(("--model", model) if model else ()))


def gate(base: str, suite: str = "quick") -> str:
    """A gate of the working tree."""
    return _line("gate", "--base", base, "--suite", suite)


def keep(folder: str) -> str:
    """The results in a folder into the history."""
    return _line("import", folder)


def accuracy(model: str | None = None) -> str:
    """The error of every format, on a model's own weights where one is named."""
    return _line("accuracy", *(("--model", model) if model else ()))


def benchmark(model: str, tokens: int = 128) -> str:
    """Tokens a second of a model, end to end."""
    return _line("benchmark", "--model", model, "--tokens", str(tokens), "--no-output")


def quantize(source: str, target: str, format: str) -> str:
    """A model in another format."""
    return _line("quantize", source, target, "--type", format)


def workspace(folder: str) -> str:
    """The bench lines of a checkout of BitNet.rs, and our times beside them."""
    return _line("rust", "--workspace", folder)


def cargo_bench(crate: str, bench: str, features: str) -> str:
    """One bench of a crate of BitNet.rs with these features."""
    words = ("-p", crate, "--bench", bench, "--no-default-features", "--features", features)
    return shlex.join(("cargo", "bench", *words))


def xtask(model: str = MODEL, tokens: int = 128) -> str:
    """BitNet.rs's own end-to-end benchmark."""
    words = ("--model", model, "--tokens", str(tokens), "--no-output")
    return shlex.join(("cargo", "run", "-p", "xtask", "--", "benchmark", *words))
