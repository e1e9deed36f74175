"""Instructions of one benchmark of a bench program, by crate and function, counted by callgrind.

Criterion's `--profile-time` iterates for a second: once, then twice, then four times, each in one
call of its `Bencher`, and callgrind writes a profile of each call. The last less the one before it
is free of what a call has around its iterations, and of what a first iteration does once. Work on
other threads counts; what threads do while they wait does not, because it is chance.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bitnet_perf.bench.callgrind import Profile, parse
from bitnet_perf.bench.counters import Unavailable
from bitnet_perf.bench.process import run_program
from bitnet_perf.errors import FormatError
from bitnet_perf.peers.cargo.metadata import Workspace
from bitnet_perf.peers.cargo.runs import Runner

__all__ = ["Counted", "Counter", "Place", "place_lines"]

SECONDS = 120.0  # that one run under Valgrind may take
ITERATE = ("--profile-time", "1")
# The two patterns differ on purpose: Valgrind 3.19 obeys only the first of two equal ones.
_PARTS = (
    "--dump-before=criterion::bencher::*Bencher*::iter*",
    "--dump-after=*criterion::bencher::*Bencher*::iter*",
)
_TRIGGER = re.compile(r"^desc: Trigger: --dump-after=(.*)$", re.MULTILINE)
_HEAD = 4096  # bytes of a profile that hold its trigger
_FUNCTION = re.compile(
    r"""^\s*(?:pub(?:\([^)]*\))?\s+)?(?:(?:const|async|unsafe|default|extern(?:\s+"[^"]*")?)\s+)*"""
    r"fn\s+([A-Za-z_]\w*)"
)
# What waits for work and looks for it: parts of rayon, the crates under it, and what they call. Not
# what runs a job, because the job's own code may be inlined there.
_WAITING = re.compile(
    r"^<?(?:rayon_core::(?:registry::WorkerThread::(?:find_work|take_local_job|wait_until)"
    r"|sleep::|latch::)|crossbeam_(?:deque|epoch|utils)::"
    r"|std::sys::(?:\w+::)*(?:mutex|condvar|futex)::|sched_yield$|syscall$)"
)
_HASH = re.compile(r"::h[0-9a-f]{16}$")
_REGISTRY = re.compile(r"/registry/src/[^/]+/([\w-]+?)-\d[^/]*/")
_LIBRARY = re.compile(r"/(?:library|rust)/(core|alloc|std)/src/")
Functions = tuple[tuple[int, str], ...]  # where each begins, and its name, ascending


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A function of a crate; `file` (from the top of the workspace) is "" where it is none of its
    members', or where debugging information does not tell."""

    crate: str
    function: str
    file: str = ""


@dataclass(frozen=True, slots=True)
class Counted:
    """Instructions of one iteration of a benchmark: in all, by place, and the first line of each
    place. `iterations` is how many it is the mean of; 1 may be a first one."""

    total: float
    by_place: Mapping[Place, float]
    first_line: Mapping[Place, int]
    iterations: int


@dataclass(frozen=True)
class Counter:
    """Counts the benchmarks of one program, which was built in `build_folder`."""

    runner: Runner
    workspace: Workspace
    build_folder: Path

    def count(self, name: str) -> Counted | Unavailable:
        """The instructions of one iteration of a benchmark, or why there is no count."""
        valgrind = shutil.which("valgrind")
        if valgrind is None:
            return Unavailable("Valgrind is missing: 'apt-get install valgrind'")
        with tempfile.TemporaryDirectory(prefix="bitnet-perf-") as scratch:
            place = Path(scratch)
            tool = [valgrind, "--tool=callgrind", f"--callgrind-out-file={place / 'counts'}",
                    f"--log-file={place / 'valgrind.log'}", *_PARTS]  # fmt: skip
            done = run_program(
                [*tool, *self.runner.command(["--bench", *ITERATE, "--exact", "--", name])],
                self.runner.directory,
                self.runner.environment(place),
                SECONDS,
            )
            if done.timed_out:
                return Unavailable(f"callgrind takes longer than {SECONDS:g} s")
            if done.status != 0:
                return Unavailable(f"the program ends with {done.status} under callgrind")
            try:
                return self._read(place)
            except (OSError, FormatError) as error:
                return Unavailable(f"callgrind's profile cannot be read: {error}")

    def _read(self, place: Path) -> Counted | Unavailable:
        """One iteration, out of the profiles in `place`."""
        calls = _calls(place)
        if not calls:
            return Unavailable("no call of Criterion's Bencher is found by its name")
        read = []
        for path in calls[-2:]:
            with path.open(encoding="utf-8", errors="replace") as file:
                profile = parse(file, path.name)
            folder = self.runner.folder
            read.append(place_lines(profile, self.workspace, folder, self.build_folder))
        if len(read) == 1:
            return read[0]
        return _each(read[1], read[0], 2 ** min(len(calls) - 2, 60))


def _calls(place: Path) -> list[Path]:
    """The profiles of the calls of the Bencher, in order. Where one function of it calls another,
    the work is in the inner one's: in the largest files."""
    by_function: dict[str, list[tuple[int, Path]]] = {}
    for path in place.glob("counts.*"):
        with path.open("rb") as file:
            trigger = _TRIGGER.search(file.read(_HEAD).decode(errors="replace"))
        if trigger:
            number = int(path.suffix[1:])
            by_function.setdefault(trigger[1], []).append((number, path))
    found = max(
        by_function.values(), key=lambda of: max(p.stat().st_size for _, p in of), default=[]
    )
    return [path for _, path in sorted(found)]


def place_lines(
    profile: Profile, workspace: Workspace, sources: Path, build_folder: Path
) -> Counted:
    """The counts of a profile by place. `sources` is a checkout of what `build_folder` built.

    Code of a member counts for the function that its file and line lie in, also where it was
    inlined into another; all other code, inlined or not, for the function that holds it.
    """
    by_place: dict[Place, float] = {}
    first: dict[Place, int] = {}
    functions: dict[str, Functions] = {}
    crates = {member.crate.replace("-", "_"): member.crate for member in workspace.members}
    paths = {file: _below(file, build_folder) for file in {key[1] for key in profile.lines}}
    owners = {file: path and workspace.owner(path) for file, path in paths.items()}
    for (symbol, file, line), cost in profile.lines.items():
        if _WAITING.match(symbol):
            continue
        path, crate, inside = paths[file], owners[file], None
        if path and crate:
            if path not in functions:
                functions[path] = _functions(sources / path)
            inside = _function_at(functions[path], line)
        if path and crate and inside:
            place = Place(crate, inside[0], path)
            first[place] = inside[1]
        else:
            home = profile.home.get(symbol, "")
            place = _by_symbol(symbol, home, crates, _below(home, build_folder))
        by_place[place] = by_place.get(place, 0) + cost
    return Counted(sum(by_place.values()), by_place, first, 1)


def _each(last: Counted, before: Counted, iterations: int) -> Counted:
    """One of the `iterations` that the last call has more than the one before it.

    A place that the longer call has less of (an allocator's, by chance) has no part in one.
    """
    rest = {
        place: (last.by_place.get(place, 0) - before.by_place.get(place, 0)) / iterations
        for place in {**last.by_place, **before.by_place}
    }
    each = {place: cost for place, cost in rest.items() if cost > 0}
    return Counted(sum(each.values()), each, {**before.first_line, **last.first_line}, iterations)


def _below(file: str, folder: Path) -> str:
    """A file by its path from `folder`, "" where it lies elsewhere."""
    path = file.removeprefix(f"{folder}/").removeprefix("./")
    return "" if path.startswith("/") or ".." in path.split("/") else path


def _by_symbol(symbol: str, home: str, crates: Mapping[str, str], below: str) -> Place:
    """A place by the name of its function alone, which is defined in the file `home`; `below` is
    that file from the top of the workspace, "" where it lies elsewhere."""
    name = _HASH.sub("", re.sub(r"'\d+$", "", symbol))
    for word in re.finditer(r"(\w+)::", name):
        if word[1] in crates:
            return Place(crates[word[1]], _last_part(name[word.start() :]), below)
    outside = _REGISTRY.search(home) or _LIBRARY.search(home)
    return Place(outside[1] if outside else "", name)


def _last_part(name: str) -> str:
    """The function of a path such as `x::Y::f::{{closure}}` or `x::Y as z::T>::f`."""
    plain = re.sub(r"::\{\{?closure\}?\}?(?:#\d+)?|::\{closure[^}]*\}", "", name)
    words = re.findall(r"\w+", plain)
    return words[-1] if words else name


def _functions(path: Path) -> Functions:
    """(line, name) of every function that a file of Rust defines, ascending."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ()
    found = ((number, _FUNCTION.match(line)) for number, line in enumerate(text.splitlines(), 1))
    return tuple((number, match[1]) for number, match in found if match)


def _function_at(functions: Functions, line: int) -> tuple[str, int] | None:
    """The function that begins last before a line, and where it begins."""
    before = [(name, number) for number, name in functions if number <= line]
    return before[-1] if before else None
