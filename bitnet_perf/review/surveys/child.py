"""One question of a survey, answered by a side's own Python and package.

Run as a script with one argument, a JSON file: `worker` is the file of the paired worker, which
finds the package; `root` and `native` are where that is, `tuned` its tunables; `ask` names a
function of this file and `answer` the file to write, JSON too; the rest are its arguments. Only
names of the public interface are used, so that an older package can answer too; one that lacks what
is asked says so.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import sys

TYPE_CHECKING = False  # as in typing, which is slow to load
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType
    from typing import Any

    Asked = Mapping[str, Any]

# Families whose main input comes back only after everything else of a pass over the model.
ROUND = ("gemv", "gemm", "gemv_dense", "gemm_dense", "embed", "attention")
ACTIVATIONS = {"q8_act": 0, "q8_k": 256, "q8_0": 32}  # format -> values that share a scale, 0: all


def resident(field: str) -> int:
    """Bytes of `field` (VmRSS, VmHWM) of this process. Raises OSError where /proc does not say."""
    with open("/proc/self/status", encoding="utf-8", errors="replace") as file:
        found = re.search(rf"{field}:\s+(\d+) kB", file.read())
    if found is None:
        raise OSError(f"/proc/self/status names no {field}")
    return 1024 * int(found[1])


def digest(array: Any) -> str:
    """Equal for equal shape, type and bits."""
    import numpy as np

    whole = np.ascontiguousarray(array)
    head = f"{whole.dtype.str}{whole.shape}".encode()
    return hashlib.sha256(head + whole.tobytes()).hexdigest()[:32]


def formats(asked: Asked) -> dict[str, Any]:
    """Each array of `data` (files) through each of `formats`; what comes back goes to `folder`.

    Gives the files by place of the data and format, and why a format has none.
    """
    import numpy as np

    files: dict[str, str] = {}
    lacks: dict[str, str] = {}
    for place, path in enumerate(asked["data"]):
        x = np.load(path)
        for name in asked["formats"]:
            key = f"{place}-{name}"
            try:
                restored = round_trip(x, name)
            except Exception as error:
                lacks[key] = f"{type(error).__name__}: {error}"[:200]
                continue
            files[key] = f"{asked['folder']}/{key}.npy"
            np.save(files[key], np.asarray(restored, np.float32))
    return {"files": files, "lacks": lacks}


def round_trip(x: Any, name: str) -> Any:
    """x[N, K] quantized and restored."""
    import numpy as np

    import bitnet_perf as bp

    if name in ACTIVATIONS:
        found = bp.quantize_activations(x, format=name) if name != "q8_act" else (
            bp.quantize_activations(x)
        )  # fmt: skip
        if ACTIVATIONS[name] == 0:
            return found.values / found.scale[:, None]
        return found.values * np.repeat(found.scale, ACTIVATIONS[name], axis=1)
    if "." in name:
        return bp.dequantize_blocks(bp.quantize_blocks(x, name)).reshape(x.shape)
    return bp.dequantize(bp.quantize(x, name))


def outputs(asked: Asked) -> dict[str, Any]:
    """Logits of `tokens` by each of `models` (files), as files in `folder`."""
    import numpy as np

    import bitnet_perf as bp

    files = []
    for place, path in enumerate(asked["models"]):
        logits = bp.Model.load(path, threads=asked["threads"]).forward(asked["tokens"])
        files.append(f"{asked['folder']}/logits-{place}.npy")
        np.save(files[-1], logits)
    return {"files": files}


def answers(asked: Asked) -> dict[str, Any]:
    """Digests: [what, instruction set, threads, run, digest] of a model's output in `runs` runs for
    each of `threads`, and of kernels on every instruction set that runs here."""
    import bitnet_perf as bp

    found: list[list[object]] = []
    for threads in asked["threads"]:
        model = bp.Model.load(asked["model"], threads=threads)
        for run in range(asked["runs"]):
            logits = model.forward(asked["tokens"])
            made = model.generate(list(asked["tokens"]), asked["new"], stop=())
            found.append(["logits", "", threads, run, digest(logits)])
            found.append(["tokens", "", threads, run, digest(list(made.tokens))])
    return {"answers": found + kernels(asked["threads"])}


def kernels(teams: list[int]) -> list[list[object]]:
    """Digests of products, codecs and quantizers by instruction set and threads."""
    import numpy as np

    import bitnet_perf as bp

    rng = np.random.default_rng(7)
    weights = rng.integers(-1, 2, (160, 768)).astype(np.int8)
    x = rng.normal(size=(5, 768)).astype(np.float32)
    q = bp.quantize_activations(x)
    packed: dict[str, Any] = {}

    def product(name: str, rows: Any, **where: Any) -> Any:
        packed.setdefault(name, bp.pack(weights, name, scale=0.5))
        return bp.matmul_int(rows, packed[name], **where)

    calls: dict[str, Callable[..., Any]] = {
        "gemv": lambda name, **where: product(name, q.values[0], **where),
        "gemm": lambda name, **where: product(name, q.values, **where),
        "block_quantize": lambda name, **where: _bytes(bp.quantize_blocks(x, name, **where)),
        "quantize_activations": lambda name, **where: (
            bp.quantize_activations(x, format=name, **where).values
        ),
    }
    ternary = {row.format for row in bp.isas() if row.family == "pack"}
    ternary -= {name for name in ternary if name.startswith("native")}
    found: list[list[object]] = []
    for row in bp.isas():
        products = row.family in ("gemv", "gemm") and row.format in ternary
        codec = row.family in ("block_quantize", "quantize_activations")
        if not row.runnable or row.isa == "numba" or not (products or codec):
            continue
        for threads in teams:
            made = calls[row.family](row.format, isa=row.isa, threads=threads)
            found.append([f"{row.family}/{row.format}", row.isa, threads, 0, digest(made)])
    return found


def _bytes(blocks: Any) -> Any:
    import numpy as np

    return np.concatenate([blocks.data.view(np.uint8), blocks.scales.view(np.uint8).ravel()])


def memory(asked: Asked) -> dict[str, Any]:
    """Resident bytes before, and at most while `model` is loaded and `new` tokens are decoded."""
    import bitnet_perf as bp

    bp.Model.load(asked["first"], threads=asked["threads"]).generate([1, 2], 2, stop=())
    before = resident("VmRSS")
    model = bp.Model.load(asked["model"], threads=asked["threads"])
    model.generate([1, 5, 300], asked["new"], stop=())
    return {"before": before, "peak": resident("VmHWM")}


def in_use() -> int | None:
    """Bytes that malloc gave and has not got back; None where the C library does not say."""
    import ctypes

    names = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks",
             "fordblks", "keepcost")  # fmt: skip

    class Info(ctypes.Structure):
        _fields_ = [(name, ctypes.c_size_t) for name in names]

    call = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if call is None:
        return None
    call.restype = Info
    found = call()
    return int(found.uordblks) + int(found.hblkhd)


def held(asked: Asked) -> dict[str, Any]:
    """Bytes after each repeat: of loading and decoding, of decoding, of the kernels. Resident ones,
    what malloc gave (freed memory that is taken again hides a leak from the resident ones for
    long), and what Python objects take."""
    import gc
    import tracemalloc

    import numpy as np

    import bitnet_perf as bp

    path, threads = asked["model"], asked["threads"]
    model = bp.Model.load(path, threads=threads)
    rng = np.random.default_rng(3)
    weights = rng.integers(-1, 2, (256, 2304)).astype(np.int8)
    x = rng.normal(size=(64, 2304)).astype(np.float32)

    def load() -> None:
        bp.Model.load(path, threads=threads).generate([1, 2], 2, stop=())

    def decode() -> None:
        model.generate([1, 2, 3], asked["new"], stop=())

    def kernels() -> None:
        packed = bp.pack(weights, "i2_s", scale=0.5)
        bp.unpack(packed)
        bp.matmul(x, packed, threads=threads)
        bp.dequantize_blocks(bp.quantize_blocks(x, "quant.i2s"))

    calls = {"load and decode": load, "decode": decode, "kernels": kernels}
    reads: dict[str, Callable[[], int | None]] = {
        "resident": lambda: resident("VmRSS"),
        "allocated": in_use,
        "python": lambda: tracemalloc.get_traced_memory()[0],
    }
    found: list[dict[str, Any]] = []
    gc.collect()
    gc.freeze()  # what is there before the first repeat is never looked at again
    for traced in (False, True):
        if traced:
            tracemalloc.start()
        kinds = ("python",) if traced else ("resident", "allocated")
        for name, call in calls.items():
            sizes: dict[str, list[int | None]] = {kind: [] for kind in kinds}
            for _ in range(asked["repeats"]):
                call()
                gc.collect()
                for kind in kinds:
                    sizes[kind].append(reads[kind]())
            found += [
                {"what": name, "kind": kind, "sizes": each}
                for kind, each in sizes.items()
                if None not in each
            ]
    return {"held": found}


def stages(asked: Asked) -> dict[str, Any]:
    """Of one load, prefill and `new` decode steps: memory by stage, and the kernels that ran.

    `footprint` of a kernel: bytes after which its data come back, which for weights, keys and
    values is a whole pass over the model.
    """
    import bitnet_perf as bp

    with bp.profile() as recorded:
        model = bp.Model.load(asked["model"], threads=asked["threads"])
        words = getattr(model, "has_tokenizer", True)
        model.generate("The capital of France" if words else [1, 5, 77], asked["new"], stop=())
    memory = [
        {
            "stage": row.stage,
            "allocations": row.allocations,
            "allocated": row.allocated,
            "peak": row.peak_rss,
        }
        for row in recorded.stages()
        if row.calls
    ]
    ran = [
        {
            "kernel": row.name,
            "threads": asked["threads"],
            "calls": row.calls,
            "seconds": row.seconds,
            "bytes": row.bytes,
            "ops": row.ops,
            "footprint": model.weight_bytes
            if row.name.partition("/")[0] in ROUND
            else row.bytes // row.calls,
        }
        for row in recorded.kernels()
        if row.name.count("/") == 2 and row.seconds > 0
    ]
    return {"stages": memory, "kernels": ran}


ASKS: dict[str, Callable[[Asked], dict[str, Any]]] = {
    "formats": formats,
    "outputs": outputs,
    "answers": answers,
    "memory": memory,
    "held": held,
    "stages": stages,
}


def load_file(path: str) -> ModuleType:
    """The module in a file, whatever package it belongs to."""
    spec = importlib.util.spec_from_file_location("bitnet_perf_worker", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def main() -> None:
    """Answer one question."""
    import site

    with open(sys.argv[1], encoding="utf-8") as file:
        asked = json.load(file)
    worker = load_file(asked["worker"])
    options = {key: asked[key] for key in ("root", "native") if key in asked}
    worker.import_package(options)
    if "tuned" in asked:
        worker.beside("tuned.py").use_tuned(asked)
    import bitnet_perf  # noqa: F401 - before an editable installation can offer its own

    site.main()  # where this interpreter has NumPy; it was started without (-S)
    found = ASKS[asked["ask"]](asked)
    worker.check_origin(options)
    with open(asked["answer"], "w", encoding="utf-8") as file:
        json.dump(found, file)


if __name__ == "__main__":
    main()
