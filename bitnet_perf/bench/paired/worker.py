"""One side of a pair: run by that side's own interpreter, as a script, with the standard library.

The driver starts two of these, gives each one case, and has them alternate: each takes the samples
that bear its letter in a pattern such as "ABBABAAB", and hands a one-byte token through a pipe
where the next sample is the other's. Nobody else runs meanwhile.

Options come as `key=value` arguments, requests as lines on `requests`, replies as lines on
`replies` (file descriptors); what the measured code prints goes to stderr. Fields of a line are
separated by tabs. A reply begins with `ok`, `error` (kind, message) or `unknown` (message: this
side does not have the case).

    ready                          -> ok  isa  note
    sample N                       -> ok  wall cpu switches        ns of the whole sample
    warm N LEAST MOST CLOCK        -> ok  samples taken            CLOCK: wall or cpu
    run N PATTERN                  -> ok  wall cpu switches  wall cpu switches ...
    tune NAME=VALUE,...            -> ok                           tunables, from the next sample on
    digest                         -> ok  a text that is equal where results are
    profile N PATTERN              -> ok  JSON (recorded.py)       the same with spans recorded
    functions N PATTERN            -> ok  JSON: Python functions of every sample of mine
"""

from __future__ import annotations

import gc
import os
import sys
import time
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, RUSAGE_THREAD, getrusage

TYPE_CHECKING = False  # as in typing, which is slow to load
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Times = tuple[int, int, int]  # wall ns, CPU ns, involuntary context switches
    Sampler = Callable[[int], Times]

WALL = getattr(time, "CLOCK_MONOTONIC_RAW", time.CLOCK_MONOTONIC)
STABLE = 0.05  # three samples in a row within this part of each other end the warm-up
UNKNOWN = ("ConfigError", "FormatError")  # how a side says that it does not have a case


class Unknown(Exception):
    """This side does not have the case."""


class Subject:
    """What a worker times: `sample` runs N iterations; `isa` and `note` say what that is."""

    def __init__(self, sample: Sampler, isa: str = "", note: str = "", digest: str = "") -> None:
        self.sample = sample
        self.isa = isa
        self.note = note
        self.digest = digest


def beside(name: str) -> Any:
    """The module of a file that the driver brings beside this one."""
    return load_file(os.path.join(os.path.dirname(__file__), name))


def import_package(options: dict[str, str]) -> None:
    """Make `import bitnet_perf` find the side's package, and its extension where that is apart."""
    if "root" in options:
        sys.path.insert(0, options["root"])
    for path in filter(None, options.get("path", "").split(os.pathsep)):
        sys.path.append(path)
    if "native" in options:
        import bitnet_perf

        bitnet_perf.__path__.append(options["native"])


def native(options: dict[str, str]) -> Subject:
    """A case of the side's own native loop."""
    import_package(options)
    note = beside("tuned.py").use_tuned(options) if "tuned" in options else ""
    try:
        import bitnet_perf._bench
    except ModuleNotFoundError as error:
        if error.name != "bitnet_perf._bench":  # it is there, and broken
            raise
        return python_loop(options)
    _bench = bitnet_perf._bench
    case, isa = options["case"], options.get("isa", "")
    if "library" in options:
        _bench.load_candidate(options["library"])
    extra = float(options.get("extra", "0"))
    try:
        work = _bench.work(case, isa)  # makes the inputs and checks the result
    except Exception as error:
        if type(error).__name__ in UNKNOWN:
            raise Unknown(str(error)) from error
        raise

    def sample(iterations: int) -> Times:
        return _bench.loop(case, iterations, isa)

    def longer(iterations: int) -> Times:
        return _bench.loop(case, iterations, isa, extra)

    return Subject(longer if extra else sample, work.isa, note)


def python_loop(options: dict[str, str]) -> Subject:
    """The same case through the public names: for sides without the native entry."""
    import site

    site.main()  # where this interpreter has NumPy; a worker starts without (-S)
    import numpy as np

    import bitnet_perf as bp

    _, family, format_, shape, threads = options["case"].split("/")
    if "-" in shape:
        raise Unknown(f"{options['case']}: cases spread over memory need the native entry")
    sizes = [int(part) for part in shape.split("x")]
    keywords: dict[str, Any] = {"isa": options.get("isa") or None, "threads": int(threads[1:])}
    rng = np.random.default_rng(1)
    if family in ("gemv", "gemm"):
        *m, n, k = sizes
        weights = rng.integers(-1, 2, (n, k), dtype=np.int8)
        x = rng.normal(size=(*m, k)).astype(np.float32)
        packed, q = bp.pack(weights, format_, scale=1.0), bp.quantize_activations(x)
        want = q.values.astype(np.int64) @ weights.T.astype(np.int64)
        if not np.array_equal(bp.matmul_int(q, packed, **keywords), want):
            raise ArithmeticError("wrong result: nothing is timed")

        def call() -> object:
            return bp.matmul_int(q, packed, **keywords)

    elif family == "block_quantize":
        x = rng.normal(size=sizes).astype(np.float32)

        def call() -> object:
            return bp.quantize_blocks(x, format_, **keywords)

    else:
        raise Unknown(f"{options['case']}: needs the native entry, which this side lacks")
    return Subject(timed(call, int(threads[1:])), keywords["isa"] or "", "python loop")


def python_call(options: dict[str, str]) -> Subject:
    """A case of calls.py, which stands beside this file."""
    import site

    import_package(options)
    import bitnet_perf  # noqa: F401 - before an editable installation can offer its own

    site.main()  # where this interpreter has NumPy; a worker starts without (-S)
    if "extra" in options:
        raise ValueError(f"extra: {options['case']} admits no added work")
    note = beside("tuned.py").use_tuned(options) if "tuned" in options else ""
    calls = beside("calls.py")
    try:
        call = calls.make_call(options)
    except Exception as error:
        if isinstance(error, calls.Lacking) or type(error).__name__ in UNKNOWN:
            raise Unknown(str(error)) from error
        raise
    check_origin(options)
    return Subject(timed(call, int(options["threads"])), calls.ISA, note)


def check_origin(options: dict[str, str]) -> None:
    """Raise ImportError where a module of the package is not the side's own."""
    own = [os.path.realpath(options[key]) + os.sep for key in ("root", "native") if key in options]
    for name, module in sys.modules.items():
        file = os.path.realpath(getattr(module, "__file__", None) or "")
        if name.partition(".")[0] == "bitnet_perf" and not file.startswith(tuple(own)):
            raise ImportError(f"{name}: found {file}, accepted are files in {' and '.join(own)}")


def marked(options: dict[str, str]) -> Subject:
    """A candidate in Python: the function of `file` that is marked for the case's family."""
    import_package(options)
    from pathlib import Path

    from bitnet_perf.bench.candidate_data import python_call

    case = options["case"]
    try:
        call = python_call(Path(options["file"]), case)
    except Exception as error:
        if type(error).__name__ in UNKNOWN:
            raise Unknown(str(error)) from error
        raise
    return Subject(timed(call, int(case.rpartition("/t")[2])), "candidate", "called from Python")


def timed(call: Callable[[], object], threads: int = 1) -> Sampler:
    """A sampler that calls `call` N times."""
    who = RUSAGE_THREAD if threads == 1 else RUSAGE_SELF
    cpu_clock = time.thread_time_ns if threads == 1 else time.process_time_ns

    def sample(iterations: int) -> Times:
        switches = getrusage(who).ru_nivcsw
        cpu = cpu_clock()
        begin = time.clock_gettime_ns(WALL)
        for _ in range(iterations):
            call()
        wall = time.clock_gettime_ns(WALL) - begin
        return wall, cpu_clock() - cpu, getrusage(who).ru_nivcsw - switches

    return sample


def function(options: dict[str, str]) -> Subject:
    """A Python function without arguments: `file` and `name` in it."""
    import_package(options)
    sys.path.insert(0, os.path.dirname(options["file"]))
    call: object = load_file(options["file"])
    for part in options["name"].split("."):
        call = getattr(call, part)
    if not callable(call):
        raise TypeError(f"{options['name']} in {options['file']} is not a function")
    return Subject(timed(call, int(options.get("threads", "1"))), "", "", fingerprint(call()))


def load_file(path: str) -> Any:
    """The module in a file, whatever package it belongs to."""
    import importlib.util

    spec = importlib.util.spec_from_file_location("bitnet_perf_side", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def fingerprint(value: Any) -> str:
    """A short text of `value`: equal for equal results, "" where it has no stable form."""
    import hashlib

    if hasattr(value, "tobytes") and hasattr(value, "dtype"):
        head = f"{value.dtype.str}{value.shape}".encode()
        return hashlib.sha256(head + value.tobytes()).hexdigest()
    if isinstance(value, (bytes, bytearray)):
        return hashlib.sha256(bytes(value)).hexdigest()
    if value is None or isinstance(value, (bool, int, float, str, complex)):
        return hashlib.sha256(repr(value).encode()).hexdigest()
    if isinstance(value, (list, tuple)):
        parts = [fingerprint(each) for each in value]
        return hashlib.sha256("".join(parts).encode()).hexdigest() if all(parts) else ""
    return ""


def command(options: dict[str, str]) -> Subject:
    """A whole process: `program` (NUL between arguments); its exit status must be 0."""
    words = options["program"].split("\x1f")
    devnull = os.open(os.devnull, os.O_RDWR)
    actions = [(os.POSIX_SPAWN_DUP2, devnull, 0), (os.POSIX_SPAWN_DUP2, devnull, 1)]

    def sample(iterations: int) -> Times:
        before = getrusage(RUSAGE_CHILDREN)
        begin = time.clock_gettime_ns(WALL)
        for _ in range(iterations):
            child = os.posix_spawnp(words[0], words, os.environ, file_actions=actions)
            _, status = os.waitpid(child, 0)
            if status != 0:
                raise ChildProcessError(f"{words[0]}: {ended(status)}")
        wall = time.clock_gettime_ns(WALL) - begin
        after = getrusage(RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return wall, round(cpu * 1e9), after.ru_nivcsw - before.ru_nivcsw

    sample(1)
    return Subject(sample)


def ended(status: int) -> str:
    """The end of a process in words, from its wait status."""
    code = os.waitstatus_to_exitcode(status)
    return f"exit status {code}" if code >= 0 else f"ended by signal {-code}"


KINDS = {
    "native": native,
    "python_call": python_call,
    "marked": marked,
    "function": function,
    "command": command,
}


def warm(sample: Sampler, iterations: int, least: int, most: int, clock: str) -> int:
    """Take samples until the last three agree by that clock; how many were taken."""
    times: list[int] = []
    while len(times) < most:
        times.append(sample(iterations)[clock == "cpu"])
        if len(times) >= least:
            low, high = min(times[-3:]), max(times[-3:])
            if high - low <= STABLE * high:
                break
    return len(times)


def run(
    sample: Callable[[int], Any], iterations: int, pattern: str, options: dict[str, str]
) -> list[Any]:
    """Take my samples of `pattern`: wait for the token before a run of them, pass it after."""
    mine, give, take = options["letter"], int(options["give"]), int(options["take"])
    found = []
    held = pattern[0] == mine
    for at, letter in enumerate(pattern):
        if letter != mine:
            continue
        if not held:
            if os.read(take, 1) != b"t":
                raise ChildProcessError("the other side ended in the middle of the pair")
            held = True
        found.append(sample(iterations))
        if at + 1 < len(pattern) and pattern[at + 1] != mine:
            os.write(give, b"t")
            held = False
    return found


def profiled(subject: Subject, words: list[str], options: dict[str, str]) -> str:
    """The JSON of a request `profile` or `functions`."""
    import json

    recorded = beside("recorded.py")
    iterations, pattern = int(words[1]), words[2]
    if words[0] == "profile":
        try:
            recorder = recorded.Recorder(subject.sample, beside("../../memory.py"))
        except recorded.Lacking as error:
            raise Unknown(str(error)) from error
        run(recorder.sample, iterations, pattern, options)
        return json.dumps(recorder.collected())
    roots = [os.path.realpath(options[key]) for key in ("root", "native") if key in options]

    return json.dumps(
        run(lambda n: recorded.functions(subject.sample, n, roots), iterations, pattern, options)
    )


def answer(subject: Subject, words: list[str], options: dict[str, str]) -> list[object]:
    """The fields of the reply to one request."""
    if words[0] == "ready":
        return [subject.isa, subject.note]
    if words[0] == "digest":
        return [subject.digest]
    if words[0] == "tune":
        import bitnet_perf._bench

        bitnet_perf._bench.set_tunables(words[1])
        return []
    iterations = int(words[1])
    if words[0] == "sample":
        return list(subject.sample(iterations))
    if words[0] == "warm":
        return [warm(subject.sample, iterations, int(words[2]), int(words[3]), words[4])]
    if words[0] in ("profile", "functions"):
        return [profiled(subject, words, options)]
    samples = run(subject.sample, iterations, words[2], options)
    return [number for times in samples for number in times]


def main() -> None:
    """Serve requests until there are no more."""
    options = dict(word.partition("=")[::2] for word in sys.argv[1:])
    held = bytearray(int(options.get("pad", "0")))  # moves what malloc gives from here on
    replies = int(options["replies"])
    requests = os.fdopen(int(options["requests"]), encoding="utf-8")
    os.dup2(2, 1)

    def reply(*fields: object) -> None:
        text = "\t".join(" ".join(str(field).split()) for field in fields) + "\n"
        data = text.encode(errors="replace")
        while data:
            data = data[os.write(replies, data) :]

    try:
        subject = KINDS[options["kind"]](options)
        gc.collect()
        gc.disable()
        for line in requests:
            reply("ok", *answer(subject, line.rstrip("\n").split("\t"), options))
    except Unknown as error:
        reply("unknown", error)
    except BrokenPipeError:
        reply("error", "ChildProcessError", "the other side ended in the middle of the pair")
    except Exception as error:
        reply("error", type(error).__name__, error)
    del held


if __name__ == "__main__":
    main()
