"""The regression area of a change: which cases the changed files can have an effect on. One table.

What is in doubt is measured: a file that no line knows selects everything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bitnet_perf.bench.cases import matches

__all__ = ["FEEDS", "REGIONS", "Region", "region_of"]

EVERYTHING = ("*",)
NOTHING: tuple[str, ...] = ()
_MODELS = ("prefill/*", "decode/*")
_NAMED = ("prefill/*/*.*", "decode/*/*.*")  # of a model file, which Python runs
_PYTHON = ("load/*", "tokenization/*", *_NAMED)  # what `paired.calls` runs
_TEXT = ("tokenization/*",)

# (beginning of a path, globs of the cases that it can change); the longest that fits counts. Of
# kernels below their family's folder, see FEEDS.
REGIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("csrc/core/", EVERYTHING),
    ("csrc/bench/", EVERYTHING),
    ("csrc/bind/", EVERYTHING),
    ("csrc/formats/", EVERYTHING),
    ("csrc/kernels/", EVERYTHING),
    ("csrc/engine/", (*_MODELS, "load/*")),
    ("csrc/engine/kv_cache", _MODELS),
    ("csrc/engine/chain", _MODELS),
    ("csrc/engine/load", ("load/*",)),
    ("csrc/engine/sample", ("sample/*",)),
    ("csrc/gguf/", _PYTHON),
    ("cmake/", EVERYTHING),
    ("CMakeLists.txt", EVERYTHING),
    ("pyproject.toml", EVERYTHING),
    ("cuda/", ("mixed_*",)),
    ("bitnet_perf/", _PYTHON),
    ("bitnet_perf/_bench.py", EVERYTHING),
    ("bitnet_perf/model/tokenizer.py", _TEXT),
    ("bitnet_perf/model/sentencepiece.py", _TEXT),
    ("bitnet_perf/model/vocabulary.py", _TEXT),
    ("bitnet_perf/model/weights.py", ("load/*",)),
    ("bitnet_perf/model/generation.py", _NAMED),
    ("bitnet_perf/model/sampling.py", _NAMED),
    *((f"bitnet_perf/{package}/", NOTHING) for package in (
        "stages", "bench", "peers", "analyze", "store", "report", "github", "review", "cli",
        "config",
    )),
    ("bench/", NOTHING),
    ("tests/", NOTHING),
    ("docs/", NOTHING),
    (".github/", NOTHING),
    (".ci/", NOTHING),
    (".gitignore", NOTHING),
    ("Makefile", NOTHING),
)  # fmt: skip

_LAYER = ("rms_norm", "rope", "attention", "relu2_mul", "silu_mul", "add", "embed")
# Family of kernels -> the other cases that run it.
FEEDS: dict[str, tuple[str, ...]] = {
    "gemv": (*_MODELS, "gemm/*"),
    "gemm": _MODELS,
    "gemv_dense": (*_MODELS, "gemm_dense/*"),
    "gemm_dense": _MODELS,
    **dict.fromkeys(_LAYER, _MODELS),
    "quantize_activations": _MODELS,
    "argmax": ("sample/*",),
    "softmax": ("sample/*",),
    "pack": ("quantize_weights/*", "load/*"),
    "unpack": ("load/*",),
    "ternarize": ("quantize_weights/*",),
    "block_quantize": ("block_round_trip/*",),
    "block_dequantize": ("block_round_trip/*",),
    "block_matmul": NOTHING,
    "probe_mac": NOTHING,
    "probe_read": NOTHING,
    "probe_write": NOTHING,
    "probe_join": NOTHING,
}

_KERNEL = re.compile(r"csrc/kernels/(\w+)/(?:(\w+)/)?")
_TEXTS = (".md", ".rst", ".txt", ".svg", ".png")


@dataclass(frozen=True, slots=True)
class Region:
    """The cases of a list that a change can have an effect on, in their order, and for each changed
    file how many of them are its own."""

    cases: tuple[str, ...]
    files: tuple[tuple[str, int], ...]


def region_of(changed: Sequence[str], cases: Iterable[str]) -> Region:
    """Select from `cases` what the changed files can have an effect on."""
    names = tuple(cases)
    found: set[str] = set()
    files = []
    for path in changed:
        own = {name for name in names if any(matches(name, glob) for glob in _globs(path))}
        files.append((path, len(own)))
        found |= own
    return Region(tuple(name for name in names if name in found), tuple(files))


def _globs(path: str) -> tuple[str, ...]:
    kernel = _KERNEL.match(path)
    if kernel and kernel[1] in FEEDS:
        family, codec = kernel[1], (kernel[2] or "").replace("_", "?")
        return (f"{family}/{codec}*" if codec else f"{family}/*", *FEEDS[family])
    known = [(len(start), globs) for start, globs in REGIONS if path.startswith(start)]
    if known:
        return max(known)[1]
    return NOTHING if path.endswith(_TEXTS) or ("/" not in path and "." not in path) else EVERYTHING
