"""From a CUDA source to machine code for one architecture, kept in the cache.

A result is found again by all that decides it: the source and everything that it includes, the
options, the architecture, the kernels that are wanted and the version of the compiler.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import bitnet_perf
from bitnet_perf.cache import cache_folder, keep_newest
from bitnet_perf.errors import ConfigError, EnvironmentRefused, IsaError
from bitnet_perf.files import write_atomic
from bitnet_perf.kernels.cuda.nvrtc import Compiled, compile_source, header_folder, nvrtc

__all__ = ["OPTIONS", "Cubin", "Usage", "choose_architecture", "compile_file", "sources"]

# Arithmetic is what the source says: no flush to zero, no division by an approximation, and no
# multiplication and addition made one where the source does not, as in the kernels of the CPU.
OPTIONS = (
    "--std=c++20",
    "--ftz=false",
    "--prec-div=true",
    "--prec-sqrt=true",
    "--fmad=false",
    "--ptxas-options=-v",
)
KEPT = 2048  # files in the cache, two a result
FORM = 3  # of what is written beside a cubin


@dataclass(frozen=True, slots=True)
class Usage:
    """What a kernel takes, as the assembler states it: registers of a thread, bytes of its stack,
    bytes that it spills and loads again, bytes of static shared memory of a block."""

    registers: int
    stack: int
    spill_stores: int
    spill_loads: int
    shared: int


@dataclass(frozen=True, slots=True)
class Cubin:
    """Machine code of a source for one architecture.

    Attributes:
        path: the file, for `device.load`.
        architecture: such as sm_90a.
        names: the name in the file of each expression that was asked for.
        usage: by that name.
        warnings: what the compiler complained about; empty where nothing.
        note: why it is not kept in the cache; empty where it is.
    """

    path: Path
    architecture: str
    names: dict[str, str]
    usage: dict[str, Usage]
    warnings: str
    note: str = ""


def sources() -> Path:
    """The folder of the CUDA sources of this package: in it where it is installed, beside it in a
    checkout."""
    package = Path(bitnet_perf.__file__).resolve().parent
    for folder in (package / "cuda", package.parent / "cuda"):
        if folder.is_dir():
            return folder
    raise EnvironmentRefused(
        f"{package / 'cuda'}: the CUDA sources are missing; install bitnet_perf again"
    )


def choose_architecture(capability: tuple[int, int], among: Iterable[str]) -> str:
    """The best of the architectures `among` for a device of this compute capability: sm_90a for
    9.0, else its own, else the nearest lower one of the same major version.

    Raises IsaError where none of them runs on it.
    """
    names = list(among)
    major, minor = capability
    wanted = [f"sm_{major}{lower}" for lower in range(minor, -1, -1)]
    if capability == (9, 0):
        wanted.insert(0, "sm_90a")
    for name in wanted:
        if name in names:
            return name
    raise IsaError(
        f"architecture: found a device of compute capability {major}.{minor}, accepted are those "
        f"that run one of {', '.join(names) or 'no architecture'}"
    )


def compile_file(
    file: Path, expressions: Sequence[str], architecture: str, options: Sequence[str] = ()
) -> Cubin:
    """Machine code of `file` for one architecture, out of the cache where it is there and whole.

    `expressions` name the kernels as C++ does, "saxpy<128>"; `options` come after OPTIONS. Files
    are included from the folder of `file`, then `sources()`, then CUDA's own headers. Where the
    cache cannot be written, the result lives as long as this process and `note` says why.

    Raises ConfigError where the file is missing, does not compile or has no such kernel, IsaError
    for an architecture that NVRTC does not know, EnvironmentRefused where there is no NVRTC.
    """
    folders = _folders(file)
    name, seen = _seen(file, folders)
    version = nvrtc().version
    wanted = sorted(set(expressions))
    key = _digest(
        json.dumps([FORM, version, architecture, *OPTIONS, *options, wanted]).encode(),
        *(part for each in seen.items() for part in (each[0].encode(), each[1])),
    )[:32]
    for folder, note in _places():
        if (found := _read(folder / key, architecture, note)) is not None:
            return found
    includes = [f"--include-path={folder}" for folder in folders]
    made = compile_source(
        seen[name],
        name,
        architecture,
        [*OPTIONS, *options, "--no-source-include", *includes],
        wanted,
    )
    if _seen(file, folders)[1] != seen:
        raise ConfigError(f"{file}: it or an included file changed while it was compiled")
    return _store(key, architecture, made)


def _folders(file: Path) -> list[Path]:
    headers = header_folder()
    own = [file.absolute().parent, sources(), *([headers] if headers else [])]
    return list(dict.fromkeys(own))


def _seen(file: Path, folders: Sequence[Path]) -> tuple[str, dict[str, bytes]]:
    """The name of `file` in messages, and the content of it and of all that it includes, by name.

    What no folder has is left out: the compiler says so, unless it does not read that line.
    """
    root = sources()
    inside = file.absolute().is_relative_to(root)
    name = f"cuda/{file.absolute().relative_to(root)}" if inside else str(file)
    try:
        seen = {name: file.read_bytes()}
    except OSError as error:
        raise ConfigError(
            f"{file}: cannot be read ({error.strerror}), accepted is a .cu file"
        ) from (error)
    waiting = [(name, seen[name])]
    while waiting:
        includer, content = waiting.pop()
        for included in _included(includer, content):
            path = next((f / included for f in folders if (f / included).is_file()), None)
            if path is not None and included not in seen:
                seen[included] = path.read_bytes()
                waiting.append((included, seen[included]))
    return name, seen


def _included(name: str, content: bytes) -> Iterator[str]:
    for line in re.findall(rb"^[ \t]*#[ \t]*include\b[ \t]*(.*)", content, re.MULTILINE):
        found = re.match(rb"<([^>]+)>|\"([^\"]+)\"", line)
        if found is not None:
            yield (found[1] or found[2]).decode(errors="replace")
        elif name.endswith((".cu", ".cuh")):
            raise ConfigError(
                f"{name}: found '#include {line.decode(errors='replace').strip()}', accepted is a "
                "name in quotes or angle brackets"
            )


def _digest(*parts: bytes) -> str:
    """One number for a row of byte strings, each with its length before it."""
    state = hashlib.sha256()
    for part in parts:
        state.update(len(part).to_bytes(8, "little"))
        state.update(part)
    return state.hexdigest()


def _places() -> Iterator[tuple[Path, str]]:
    """Where a result may be, each with what is to be said of one there."""
    with contextlib.suppress(EnvironmentRefused):
        yield cache_folder("cubin"), ""
    for why, folder in _temporary.items():
        yield folder, why


_temporary: dict[str, Path] = {}  # by why they are needed; removed when this process ends


def _read(stem: Path, architecture: str, note: str) -> Cubin | None:
    """A result that is there as it was written, else None."""
    path, facts = stem.with_suffix(".cubin"), stem.with_suffix(".json")
    try:
        content, text = path.read_bytes(), facts.read_bytes()
        digest, _, body = text.partition(b"\n")
        if digest.decode() != _digest(content, body):
            return None
        found = json.loads(body)
    except (OSError, ValueError):
        return None
    for each in (path, facts):
        with contextlib.suppress(OSError):
            os.utime(each)  # it was used: others go first
    return _cubin(path, architecture, found, note)


def _cubin(path: Path, architecture: str, facts: dict[str, Any], note: str) -> Cubin:
    usage = {name: Usage(**each) for name, each in facts["usage"].items()}
    return Cubin(path, architecture, facts["names"], usage, facts["warnings"], note)


def _store(key: str, architecture: str, made: Compiled) -> Cubin:
    facts = {
        "names": made.names,
        "usage": {name: asdict(usage) for name, usage in read_usage(made.log).items()},
        "warnings": read_warnings(made.log),
    }
    body = json.dumps(facts, sort_keys=True).encode()
    digest = _digest(made.cubin, body).encode()

    def write(folder: Path, note: str) -> Cubin:
        path = write_atomic(folder / f"{key}.cubin", made.cubin)
        write_atomic(folder / f"{key}.json", b"\n".join((digest, body)))
        return _cubin(path, architecture, facts, note)

    try:
        folder = cache_folder("cubin")
        cubin = write(folder, "")
        keep_newest(folder, KEPT)
        return cubin
    except EnvironmentRefused as error:
        note = f"kernels are compiled anew by every process: {error}"
    return write(_temporary_folder(note), note)


def _temporary_folder(note: str) -> Path:
    if note not in _temporary:
        try:
            folder = tempfile.mkdtemp(prefix="bitnet_perf.")
        except OSError as error:
            raise EnvironmentRefused(f"{note}; and no temporary folder: {error}") from error
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        _temporary[note] = Path(folder)
    return _temporary[note]


def read_usage(log: str) -> dict[str, Usage]:
    """What every kernel takes, by its name, from what the assembler said of it (`-v`).

    Spills of functions that a kernel calls come after its heading and are added to its own.
    """
    found: dict[str, Usage] = {}
    for part in re.split(r"^ptxas info *: Compiling entry function '", log, flags=re.MULTILINE)[1:]:
        frames = re.findall(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes", part)
        used = re.search(r"Used (\d+) registers(.*)", part)
        if used is None or not frames:
            raise EnvironmentRefused(f"ptxas: no registers in what it said: {part[:200]!r}")
        shared = re.search(r"(\d+) bytes smem", used[2])
        stack, stores, loads = (sum(int(frame[at]) for frame in frames) for at in range(3))
        found[part.partition("'")[0]] = Usage(
            int(used[1]), stack, stores, loads, int(shared[1]) if shared else 0
        )
    return found


def read_warnings(log: str) -> str:
    """What a log complains about, without what it tells of every kernel. The assembler says of code
    that it had to make slower, such as products that wait for one another, by way of "info"."""
    told = re.compile(r"ptxas (info| +\.)|Remark: | +\d+ bytes stack frame")
    slower = re.compile("Potential Performance Loss|warpgroup.arrive is injected")
    return "\n".join(
        line
        for line in log.splitlines()
        if line.strip() and (slower.search(line) or not told.match(line))
    )
