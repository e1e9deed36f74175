"""The sides of a comparison: what a user names, and how a worker runs it."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import bitnet_perf
from bitnet_perf import _native
from bitnet_perf.bench.builds import (
    Environment,
    build_revision,
    install_wheel,
    use_environment,
)
from bitnet_perf.bench.candidate_check import Checked, check_candidate
from bitnet_perf.bench.candidates import FAMILIES, compile_candidate
from bitnet_perf.bench.inputs import inputs_of
from bitnet_perf.bench.paired.calls import calls_python
from bitnet_perf.bench.paired.schema import printable
from bitnet_perf.errors import ConfigError, MeasurementError
from bitnet_perf.kernels.tunables import as_text, tuned_values

__all__ = [
    "NATIVE",
    "CandidateWrong",
    "Ready",
    "Side",
    "check_source",
    "own_environment",
    "parse_side",
    "prepare_side",
    "prepare_sides",
]

Kind = Literal["isa", "revision", "environment", "wheel", "source", "function", "command"]
NATIVE = ("isa", "revision", "environment", "wheel", "source")  # kinds that time named cases
SOURCES = (".c", ".cc", ".cpp", ".cxx", ".so", ".py", ".cu")
TUNABLES = Path("bitnet_perf", "kernels", "tunables.py")  # in a package
OnStep = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison; made by the class methods.

    `isa` forces an instruction set where the kind admits one; `extra` adds work of known size
    (0.05: 5 %), which is how the comparison itself is tried.
    """

    kind: Kind
    value: Any
    isa_name: str = ""
    extra: float = 0.0

    @classmethod
    def isa(cls, name: str) -> Side:
        """This installation, forced to one instruction set; "" for the best of each kernel."""
        return cls("isa", name, name)

    @classmethod
    def revision(
        cls, name: str | None, *, repository: str | os.PathLike[str] = ".", isa: str = ""
    ) -> Side:
        """A git revision, built into an environment of its own; None is the working tree."""
        return cls("revision", (os.fspath(repository), name), isa)

    @classmethod
    def environment(cls, path: str | os.PathLike[str], *, isa: str = "") -> Side:
        """An installed environment: its folder, or its interpreter."""
        return cls("environment", os.fspath(path), isa)

    @classmethod
    def wheel(cls, path: str | os.PathLike[str], *, isa: str = "") -> Side:
        """A wheel file of this package."""
        return cls("wheel", os.fspath(path), isa)

    @classmethod
    def source(cls, path: str | os.PathLike[str]) -> Side:
        """A candidate kernel: a .c or .cpp file against candidate.h, what it was compiled to (.so),
        or a .py file with marked functions. It is checked before it is timed."""
        return cls("source", os.path.abspath(path), "candidate")

    @classmethod
    def function(cls, function: Callable[[], object] | str) -> Side:
        """A Python function without arguments, defined in a file: itself, or "FILE.py:NAME"."""
        return cls("function", _function_place(function))

    @classmethod
    def command(cls, words: Iterable[str] | str) -> Side:
        """Any program: its whole process is one sample, in wall-clock time."""
        try:
            return cls("command", tuple(shlex.split(words) if isinstance(words, str) else words))
        except ValueError as error:
            raise ConfigError(
                f"command: found {words!r} ({error}), accepted is a program and its arguments, "
                "quoted as in a shell"
            ) from error

    @property
    def label(self) -> str:
        """For people: "revision HEAD~1"; printable whatever a path holds."""
        return printable(self._words)

    @property
    def _words(self) -> str:
        if self.kind == "revision":
            name = self.value[1]
            whole = name is not None and re.fullmatch("[0-9a-f]{40,64}", name)
            return "working tree" if name is None else f"revision {name[:12] if whole else name}"
        if self.kind == "function":
            return f"function {self.value[1]}"
        if self.kind == "source":
            return f"candidate {os.path.basename(self.value)}"
        if self.kind == "command":
            return f"command {shlex.join(self.value)}"
        return f"{self.kind} {self.value or 'best'}"


@dataclass(frozen=True, slots=True)
class Ready:
    """A side that can be run: the interpreter and what its worker is told."""

    side: Side
    python: str
    options: Mapping[str, str]
    environment: Environment | None = None
    notes: tuple[str, ...] = ()
    cases: tuple[str, ...] = field(default=())  # where it is no package: what it has, less `/tN`

    @property
    def runs_canaries(self) -> bool:
        """Whether it times every native case as this host does it best: no forced instruction set,
        no candidate, and a package that has the native entry."""
        package = self.environment.package if self.environment else None
        return (
            package is not None
            and not self.side.isa_name
            and (package / "bitnet_perf" / "_bench.py").is_file()
        )

    def for_case(self, case: str, threads: int) -> dict[str, str]:
        """The options of a worker for one case, whose inputs are made here. Raises ConfigError for
        a case that calls Python and cannot be."""
        options = {**self.options, "case": case, "threads": str(threads)}
        if self.options["kind"] == "native" and calls_python(case):
            options |= {**inputs_of(case), "kind": "python_call"}
        return options

    @property
    def has_tunables(self) -> bool:
        """Whether it is no package, or one whose tunables can be set."""
        env = self.environment
        return env is None or (env.package / TUNABLES).is_file()

    def describe(self) -> dict[str, Any]:
        """What the raw file says about it."""
        env = self.environment
        found: dict[str, Any] = {"kind": self.side.kind, "label": self.side.label}
        if self.side.isa_name:
            found["isa"] = self.side.isa_name
        if self.side.extra:
            found["extra"] = self.side.extra
        if env is not None:
            found |= {"commit": env.commit, "tree": env.tree, "dirty": env.dirty}
        return found

    def with_extra(self, extra: float) -> Ready:
        """The same side with work of known size added."""
        options = {key: value for key, value in self.options.items() if key != "extra"}
        options |= {"extra": repr(extra)} if extra else {}
        return replace(self, side=replace(self.side, extra=extra), options=options)


def own_environment() -> Environment:
    """The installation that runs this."""
    return Environment(
        python=Path(sys.executable),
        package=Path(bitnet_perf.__file__).resolve().parents[1],
        description="this installation",
        native=Path(_native.__file__).resolve(),
    )


def parse_side(text: str) -> Side:
    """A side from the command line: `KIND:VALUE`, or a form that speaks for itself.

    An instruction set (`x86_avx2`), a wheel (`x.whl`), a candidate kernel (`x.cpp`,
    `x.py`), a folder with an environment, `tree` (the working tree), and a git revision for
    everything else.
    """
    kind, colon, value = text.partition(":")
    makers: dict[str, Callable[[str], Side]] = {
        "isa": Side.isa,
        "revision": Side.revision,
        "environment": Side.environment,
        "wheel": Side.wheel,
        "source": Side.source,
        "function": Side.function,
        "command": Side.command,
    }
    if colon and kind in makers:
        return makers[kind](value)
    if text in ("", "-") or text.startswith("-"):
        raise ConfigError(f"side: found {text!r}, accepted is one of {', '.join(makers)}:VALUE")
    if text in {row[0] for row in _native.isas()}:
        return Side.isa(text)
    if text == "tree":
        return Side.revision(None)
    if Path(text).suffix in SOURCES:
        return Side.source(text)
    if text.endswith(".whl"):
        return Side.wheel(text)
    if any((Path(text) / "bin" / name).exists() for name in ("python", "python3")):
        return Side.environment(text)
    return Side.revision(text)


def prepare_side(side: Side, on_step: OnStep | None = None) -> Ready:
    """Build, install or look up what a worker of `side` needs.

    Raises the errors of bench.builds where that fails; then nothing is timed.
    """
    step = on_step or (lambda _: None)
    if side.kind == "function":
        file, name = side.value
        path = os.pathsep.join(filter(None, sys.path))
        options = {"kind": "function", "file": file, "name": name, "path": path}
        return Ready(side, sys.executable, options, cases=(f"forward/function/python/{name}",))
    if side.kind == "command":
        if not side.value:
            raise ConfigError("command: found nothing, accepted is a program and its arguments")
        options = {"kind": "command", "program": "\x1f".join(side.value)}
        program = printable(Path(side.value[0]).name)
        return Ready(side, sys.executable, options, cases=(f"forward/command/{program}/run",))
    if side.kind == "revision":
        repository, name = side.value
        step(f"building {side.label}")
        return _package(side, build_revision(Path(repository), name, on_progress=step))
    if side.kind == "source":
        step(f"compiling {side.label}")
        return _source(side)
    if side.kind == "environment":
        return _package(side, use_environment(side.value))
    if side.kind == "wheel":
        step(f"installing {side.label}")
        return _package(side, install_wheel(side.value))
    return _package(side, own_environment())


def prepare_sides(sides: Iterable[Side], on_step: OnStep | None = None) -> tuple[list[Ready], str]:
    """Sides made ready, with the tunables of this process where all of them have tunables; and what
    is tuned, in words, empty where nothing is."""
    ready = [prepare_side(side, on_step) for side in sides]
    values = next((text for each in ready if (text := each.options.get("tuned"))), "")
    lacking = [each.side.label for each in ready if not each.has_tunables]
    if not values or not lacking:
        return ready, values
    plain = [
        replace(each, options={k: v for k, v in each.options.items() if k != "tuned"})
        for each in ready
    ]
    return plain, f"nothing on either side: {', '.join(lacking)} has no tunables"


class CandidateWrong(MeasurementError):
    """A candidate that fails its check: `checked` says what was found. Nothing is timed."""

    def __init__(self, label: str, checked: Checked) -> None:
        super().__init__(f"{label} is wrong, nothing is timed: {checked.reason}")
        self.checked = checked


def check_source(side: Side, cases: Iterable[str]) -> dict[str, Checked]:
    """Check a candidate on what `cases` time, in a process of its own; the result by family.

    Raises CandidateWrong at the first fault, ConfigError for a case that no candidate can have.
    """
    found: dict[str, Checked] = {}
    for case in cases:
        family = "_".join(case.split("/")[1:3])
        if family not in FAMILIES:
            raise ConfigError(f"case: found {case}, a candidate has {', '.join(FAMILIES)}")
        shape = case.split("/")[3].partition("-")[0]
        checked = check_candidate(Path(side.value), family, shape=shape)
        if not checked.right:
            raise CandidateWrong(side.label, checked)
        found[family] = checked
    return found


def _source(side: Side) -> Ready:
    """A candidate in this installation: loaded by the native loop, or called from Python."""
    ready = _package(side, own_environment())
    path = Path(side.value)
    if path.suffix != ".py":
        library = compile_candidate(path)
        return replace(ready, options={**ready.options, "library": str(library)})
    options = {
        **ready.options,
        "kind": "marked",
        "file": side.value,
        "path": os.pathsep.join(filter(None, sys.path)),
    }
    return replace(ready, options=options)


def _package(side: Side, environment: Environment) -> Ready:
    options = {"kind": "native", "root": str(environment.package), "isa": side.isa_name}
    if environment.native is not None:
        options["native"] = str(environment.native.parent)
    if tuned_values():  # of this process: both sides of a comparison get the same
        options["tuned"] = as_text(tuned_values())
    if side.extra:
        options["extra"] = repr(side.extra)
    return Ready(side, str(environment.python), options, environment)


def _function_place(function: Callable[[], object] | str) -> tuple[str, str]:
    """(file, qualified name) of a function that another process can import."""
    if isinstance(function, str):
        file, colon, name = function.rpartition(":")
        if not colon or not name.replace(".", "").isidentifier():
            raise ConfigError(f"function: found {function!r}, accepted is FILE.py:NAME")
        return os.path.abspath(file), name
    name = getattr(function, "__qualname__", "")
    place = getattr(sys.modules.get(function.__module__), "__file__", None)
    if not name.isidentifier() or place is None or not os.path.exists(place):
        raise ConfigError(
            f"function: found {function!r}, accepted is a function at the top level of a file: a "
            "worker imports it by file and name"
        )
    return os.path.abspath(place), name
