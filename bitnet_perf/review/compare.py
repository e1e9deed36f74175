"""The comparison as a whole act: sides made ready, canaries, pairs, and verdicts."""

from __future__ import annotations

import datetime
import os
import re
import secrets
import shlex
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic_core import to_jsonable_python

from bitnet_perf.analyze.paired.comparison import Row, decide_records, judge, overall
from bitnet_perf.analyze.paired.rules import Rules
from bitnet_perf.analyze.paired.words import percent
from bitnet_perf.bench.cases import SUITES, class_of, select
from bitnet_perf.bench.fingerprint import fingerprint
from bitnet_perf.bench.paired.driver import CTRL_C, Driver, Recording, Settings, Step, threads_of
from bitnet_perf.bench.paired.interchange import write_pyperf
from bitnet_perf.bench.paired.raw import Raw, clock_of
from bitnet_perf.bench.paired.schema import printable
from bitnet_perf.bench.paired.sides import (
    NATIVE,
    Ready,
    Side,
    check_source,
    prepare_side,
    prepare_sides,
)
from bitnet_perf.errors import ConfigError
from bitnet_perf.notebook import frame, html_table
from bitnet_perf.review.counted import Counting, Mode

__all__ = ["Comparison", "compare", "seconds_of", "stepper"]

OnProgress = Callable[[float, str], None]
Code = tuple[bool, str, Mapping[str, tuple[str, str]]]  # identical, why, hashes by kernel
SAME_CODE = "the kernel's machine code is unchanged"
BUILT = ("revision", "environment", "wheel")  # kinds whose code can be compared before timing


@dataclass(frozen=True)
class Comparison:
    """A judged comparison. `raw` is the truth; `rows()` follows from it alone."""

    raw: Raw
    rules: Rules

    @cached_property
    def _rows(self) -> tuple[Row, ...]:
        return judge(self.raw, self.rules)

    def rows(self) -> tuple[Row, ...]:
        """One row per case, in the order of the cases; slowdown 0.05 is 5 % slower."""
        return self._rows

    @property
    def verdict(self) -> str:
        """The verdict over all cases: pass, action, concern, inconclusive or skipped."""
        return overall(self._rows)[0]

    @property
    def exit_code(self) -> int:
        """0 pass, 1 action, 3 concern, 4 inconclusive, 6 nothing measured."""
        return overall(self._rows)[1]

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended the run."""
        return str(self.raw.meta.get("stopped", "")) == CTRL_C

    @property
    def annotations(self) -> Mapping[str, tuple[str, ...]]:
        """What instruction counts and code hashes add to the times, as lines of text, by case.

        They never decide a verdict. Equal code is told where a case does not pass.
        """
        found = {}
        passes = {row.case for row in self._rows if row.gate == "pass"}
        for case, hashes in zip(self.raw.cases(), self.raw.meta["code_hashes"], strict=True):
            lines = list(case.get("counts", ()))
            if "isas" in case and isinstance(hashes, list) and len(hashes) == 2:
                same = hashes[0] and hashes[0] == hashes[1]
                lines += [SAME_CODE] if same and case["name"] not in passes else []
            if lines:
                found[case["name"]] = tuple(lines)
        return found

    @property
    def commands(self) -> Mapping[str, str]:
        """The line of cargo that runs a case by itself, for the cases of a Cargo workspace."""
        return {
            case["name"]: shlex.join(case["command"])
            for case in self.raw.cases()
            if "command" in case
        }

    def replay(self, rules: Rules | None = None) -> Comparison:
        """Judge the raw file again, by its own rules or by others."""
        return Comparison(self.raw, rules or _rules_of(self.raw))

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Keep the raw file (.npz)."""
        return self.raw.save(path)

    def save_pyperf(self, folder: str | os.PathLike[str]) -> tuple[Path, Path]:
        """Write base.json and candidate.json for pyperf's own tools into `folder`; their paths."""
        return write_pyperf(self.raw, Path(folder))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Comparison:
        """Read a raw file. Raises FormatError with file, column and row where it is not one."""
        raw = Raw.load(path)
        return cls(raw, _rules_of(raw))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: sides, verdict, rows, and what was recorded beside the samples."""
        meta = {key: value for key, value in self.raw.meta.items() if key != "cases"}
        found = {**meta, "verdict": self.verdict, "exit_code": self.exit_code}
        rows = [row.to_dict() for row in self._rows]
        plain: dict[str, Any] = to_jsonable_python({**found, "rows": rows}, inf_nan_mode="null")
        return plain

    def to_frame(self) -> Any:
        """The rows as a pandas DataFrame; EnvironmentRefused where pandas is missing."""
        return frame(row.to_dict() for row in self._rows)

    def plot(self, axes: Any = None) -> Any:
        """Each case's interval against the budget lines; matplotlib axes."""
        from bitnet_perf.report.pictures import comparison_axes

        return comparison_axes(self._rows, self.rules, axes)

    @property
    def title(self) -> str:
        """The two sides in words."""
        sides = self.raw.meta["sides"]
        names = [side.get("label", "?") if isinstance(side, dict) else side for side in sides]
        return f"{names[1]} against {names[0]}"

    def _repr_html_(self) -> str:
        columns = ("case", "verdict", ">slowdown", ">at least", ">at most", ">pairs", "reason")
        rows = (
            (r.case, r.verdict, *map(percent, (r.slowdown, r.low, r.high)), r.pairs, r.reason)
            for r in self._rows
        )
        return html_table(f"{self.title}: {self.verdict}", columns, rows)


def compare(
    base: Side,
    candidate: Side,
    cases: Iterable[str] = (),
    *,
    pairs: int | None = None,
    threads: int = 1,
    time_budget: float | None = None,
    seed: int | None = None,
    rules: Rules | None = None,
    canaries: bool = True,
    counts: Mode = "alarms",
    on_progress: OnProgress | None = None,
) -> Comparison:
    """Compare two sides with fresh process pairs in ABBA order, and judge every case.

    `cases` are globs (the quick cases of the suites without one) or whole case names; functions and
    commands bring their own. `pairs` takes one look of so many pairs instead of three looks.
    `time_budget` in seconds bounds the measuring. `counts` says whose instructions are counted:
    "alarms", "changed" (those and kernels with other machine code), "all" or "off". Both sides are
    built before anything is timed; what fails to build raises its error, a candidate that fails
    its check CandidateWrong. Ctrl-C while measuring gives what was measured until then.
    """
    say = on_progress or (lambda _share, _what: None)
    rules = rules or Rules()
    if pairs is not None:
        if pairs < 2:
            raise ConfigError(f"pairs: found {pairs}, accepted is 2 or more")
        rules = replace(rules, looks=(pairs,), long_looks=(pairs,))
    seed = secrets.randbits(32) if seed is None else seed
    ready, tuned = prepare_sides((base, candidate), lambda what: say(0.0, what))
    names = _names(ready, cases, threads)
    checks = _checks(ready, names, say)
    settings = Settings(rules.looks, rules.long_looks, rules.canary_pairs, time_budget, seed)
    code = _code_identity(ready)
    end = None if time_budget is None else time.monotonic() + time_budget
    counting = Counting(ready, counts, say, end)
    driver = Driver(ready, settings, stepper(say))
    recording = driver.recording
    if code is not None and code[0]:
        for name in names:
            recording.add_case({"name": name, "threads": threads_of(name), "identical": True})
    else:
        if canaries:
            side = ready[0] if ready[0].runs_canaries else prepare_side(Side.isa(""))
            driver.run_canaries(side, _canary_rule(recording, rules))
        if recording.stopped:
            for name in names:
                recording.add_case({"name": name, "threads": threads_of(name)})
        else:
            driver.run_cases(names, _stop_rule(recording, rules, counting))
    meta = _meta(ready, recording, rules, seed, code) | ({"checks": checks} if checks else {})
    meta |= {"tuned": printable(tuned)} if tuned else {}
    raw = Raw.build(meta, recording.pairs)
    return Comparison(raw if recording.stopped == CTRL_C else counting.told(raw, rules), rules)


def seconds_of(text: str) -> float:
    """Seconds of "60s", "5m", "1h" or "60"; ConfigError for anything else."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|m|min|h)?", text.strip())
    seconds = (
        float(match[1]) * {"m": 60, "min": 60, "h": 3600}.get(match[2] or "", 1) if match else 0
    )
    if seconds <= 0:
        raise ConfigError(f"time: found {text!r}, accepted is a length such as 60s, 5m or 1h")
    return seconds


def _names(ready: Sequence[Ready], globs: Iterable[str], threads: int) -> list[str]:
    """The case names to measure."""
    base, candidate = ready
    kinds = [side.side.kind for side in ready]
    if all(kind in NATIVE for kind in kinds):
        wanted = tuple(globs)
        whole = [name for name in wanted if name.count("/") == 4 and not set(name) & set("*?[")]
        table = {case.name for suite in SUITES.values() for case in suite}
        named = [name for name in whole if name not in table]
        chosen = [name for name in wanted if name not in named]
        found = select(chosen, quick=not chosen, threads=threads) if chosen or not named else ()
        return list(dict.fromkeys([*(case.name for case in found), *named]))
    if kinds[0] != kinds[1]:
        raise ConfigError(
            f"sides: found {base.side.label} and {candidate.side.label}, accepted are two of a "
            f"kind where one is a function or a command (or both of {', '.join(NATIVE)})"
        )
    first, second = (f"{side.cases[0]}/t{threads}".split("/") for side in ready)
    if first != second:
        place = 3 if kinds[0] == "function" else 2
        first[place] = f"{first[place]}-{second[place]}"
    return ["/".join(first)]


def _checks(ready: Sequence[Ready], names: Sequence[str], say: OnProgress) -> dict[str, Any]:
    """What the checks of candidate kernels found, by side and family; the first fault is raised."""
    found: dict[str, Any] = {}
    for side in (each.side for each in ready):
        if side.kind == "source":
            say(0.0, f"checking {side.label}")
            checked = check_source(side, names)
            found[side.label] = {family: each.to_dict() for family, each in checked.items()}
    return found


def _code_identity(ready: Sequence[Ready]) -> Code | None:
    """(equal, reason, hashes of kernels) of two built sides; None where that does not apply."""
    first, second = ready
    if any(side.side.kind not in BUILT or side.environment is None for side in ready):
        return None
    if first.side.isa_name != second.side.isa_name or first.side.extra or second.side.extra:
        return None
    from bitnet_perf.bench.identity import compare_code

    assert first.environment is not None
    assert second.environment is not None
    found = compare_code(first.environment, second.environment)
    return found.identical, found.reason, found.kernels


def _stop_rule(
    recording: Recording, rules: Rules, counting: Counting
) -> Callable[[int, bool], bool]:
    """What settles a case: the same decision that a replay of the raw file takes."""

    def settled(number: int, last: bool) -> bool:
        case = recording.cases[number]
        looks = sorted({pair.look for pair in recording.pairs_of(number)})
        decision = decide_records(
            [recording.pairs_of(number, look) for look in looks],
            rules,
            class_of(case["name"]),
            clock=clock_of({}, case, case["threads"]),
            last=last,
            contested=case.get("contested", False),
        )
        if decision.settled and not last and counting.contests(case, decision.verdict):
            case["contested"] = True
            return False
        return decision.settled

    return settled


def _canary_rule(recording: Recording, rules: Rules) -> Callable[[int, bool], bool]:
    """A canary that does not pass runs once more."""

    def passes(number: int, last: bool) -> bool:
        pairs = recording.pairs_of(number)
        decision = decide_records([pairs], rules, "core", clock="cpu", last=True)
        return last or decision.verdict == "pass"

    return passes


def stepper(say: OnProgress) -> Callable[[Step], None]:
    """What a driver reports, told as a share and a text with the seconds that are left."""

    def step(at: Step) -> None:
        left = "" if at.seconds_left is None else f", about {at.seconds_left:.0f} s left"
        say(at.share, at.what + left)

    return step


def _meta(
    ready: Sequence[Ready],
    recording: Recording,
    rules: Rules,
    seed: int,
    code: Code | None,
) -> dict[str, Any]:
    """The `meta` object of the raw file."""
    cases = []
    for case in recording.cases:
        name = case["name"]
        entry = {**case, "class": "core" if "canary" in case else class_of(name)}
        if "canary" not in case:
            entry["bound"] = "streaming" if re.search(r"-\d+mb/", name) else "unknown"
        cases.append(entry)
    hashes = code[2] if code else {}
    meta: dict[str, Any] = {
        "sides": [side.describe() for side in ready],
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "seed": seed,
        "cases": cases,
        "iterations": [
            recording.plans[n].iterations if n in recording.plans else 1 for n in range(len(cases))
        ],
        "threads": [case["threads"] for case in cases],
        "code_hashes": [_hashes(case, hashes) for case in cases],
        "fingerprint": fingerprint().to_dict(),
        "rules": rules.to_dict(),
    }
    if code is not None:
        meta["code"] = printable(code[1])
    if recording.stopped:
        meta["stopped"] = recording.stopped
    return meta


def _hashes(case: Mapping[str, Any], hashes: Mapping[str, tuple[str, str]]) -> list[str]:
    """The code hashes of the kernel that a case ran on both sides; empty where unknown."""
    family, codec = (*case["name"].split("/"), "", "", "")[1:3]
    isa = case.get("isas", [""])[0]
    name = "_".join((family, codec.replace(".", "_"), isa))
    return list(hashes.get(name, ("", "")))


def _rules_of(raw: Raw) -> Rules:
    return Rules.from_dict(raw.meta.get("rules", {}))
