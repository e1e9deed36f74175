"""Tuning as a whole act: every tunable measured on this host, what is fastest chosen and kept."""

from __future__ import annotations

import datetime
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from bitnet_perf import _native
from bitnet_perf.analyze.tuning import (
    SPENT,
    Candidate,
    Choice,
    Effect,
    Tuning,
    best,
    effect,
    threshold,
)
from bitnet_perf.bench.fingerprint import fingerprint, host_key
from bitnet_perf.bench.paired.sides import Ready, Side, prepare_side
from bitnet_perf.bench.tuning import (
    AHEAD_OF,
    CROSSOVERS,
    Crossover,
    Option,
    Part,
    Times,
    Work,
    crossover_parts,
    layout_of,
    options_of,
    parts_of,
    runs,
    time_options,
    work_of,
)
from bitnet_perf.cache import cache_folder
from bitnet_perf.config.settings import Tuned
from bitnet_perf.errors import ConfigError
from bitnet_perf.files import write_atomic
from bitnet_perf.kernels.tunables import tunables

__all__ = ["BUDGET", "kept_tuning", "tune"]

BUDGET = 120.0  # seconds
LARGEST = 1 << 20  # bytes of a kept file
REFERENCE = "reference"

OnProgress = Callable[[float, str], None]
Value = int | str

# The parts of the work that each tunable is measured in, in the order in which they are chosen:
# what comes later is measured with what was chosen before.
PARTS: dict[str, tuple[str, ...]] = {
    "weights_layout": ("decode", "prefill"),
    "decode_threads": ("decode",),
    "prefill_threads": ("prefill",),
    "gemv_isa": ("decode",),
    "gemm_isa": ("prefill",),
    "prefetch_bytes": ("decode",),
    "near_prefetch_bytes": ("decode",),
    "far_prefetch_bytes": ("decode",),
    "head_prefetch_bytes": ("head",),
}


def tune(
    model: str | None = None,
    *,
    time_budget: float = BUDGET,
    again: bool = False,
    on_progress: OnProgress | None = None,
) -> Tuning:
    """What is fastest on this host for the layers of `model`: a GGUF file, or a shape (2B4T's).

    A run is kept in the cache by the host's fingerprint, and given back where one is there, unless
    `again`. After `time_budget` seconds no candidate is begun: what is left keeps its default, and
    such a run is not kept. Raises ConfigError for a model or a kept file that is none.
    """
    work = work_of(model)
    path = _place(work)
    kept = None if again else kept_tuning(path)
    if kept is not None:
        return kept
    begin = time.monotonic()
    run = _Run(work, prepare_side(Side.isa("")), begin + time_budget, on_progress or _ignore)
    for number, name in enumerate(PARTS):
        run.at(number, name)
        run.sweep(name, [parts_of(work)[each] for each in PARTS[name]])
    for number, crossover in enumerate(CROSSOVERS, len(PARTS)):
        run.at(number, crossover.tunable)
        run.cross(crossover)
    found = Tuning(
        host=_host(),
        build=_build(),
        subject=work.subject,
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        seconds=time.monotonic() - begin,
        candidates=tuple(run.rows),
        choices=tuple(run.choices),
    )
    if not found.unmeasured:
        write_atomic(path, found.model_dump_json(indent=2))
    return found


def kept_tuning(path: Path) -> Tuning | None:
    """The run that a file of the cache holds; None where there is none, or where it was made by
    another build or for another number of CPUs. Raises ConfigError for a file that holds none."""
    try:
        if not path.exists():
            return None
        if path.stat().st_size > LARGEST:
            raise ValueError(f"it is larger than {LARGEST >> 10} KiB")
        found = Tuning.model_validate_json(path.read_bytes())
        if found.host != _host():
            raise ValueError(f"it is of host {found.host:.40}, this is {_host()}")
        Tuned.model_validate(found.values)  # names and bounds
    except (OSError, ValueError) as error:
        why = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise ConfigError(
            f"{path}: no record of a tuning run ({why}): remove it, or measure with --again"
        ) from error
    return found if found.build == _build() else None


def _place(work: Work) -> Path:
    """The file of the cache for these layers on this host."""
    subject = hashlib.sha256(repr(work).encode()).hexdigest()[:8]
    return cache_folder("tuned") / f"{_host()}-{subject}.json"


def _host() -> str:
    return host_key(fingerprint().model_dump(mode="json"))


def _build() -> str:
    """What makes a run worth repeating on the same host."""
    native = hashlib.sha256(Path(_native.__file__).read_bytes()).hexdigest()[:12]
    return f"{_native.__version__}, {_native.compiler}, {_native.default_threads()} CPUs, {native}"


def _ignore(_share: float, _what: str) -> None:
    """Nobody looks at the progress."""


def _against(default: Times, other: Times) -> Effect | None:
    """What a candidate is against the default, over the sets that both have."""
    if not default.seconds or not other.seconds:
        return None
    return effect(default.seconds[: len(other.seconds)], other.seconds)


@dataclass
class _Run:
    """A run on its way: `rows` and `choices` so far."""

    work: Work
    ready: Ready
    end: float
    say: OnProgress
    rows: list[Candidate] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)
    share: float = 0.0
    chosen: dict[str, Value] = field(
        default_factory=lambda: {row.name: row.default for row in tunables()}
    )

    def at(self, number: int, name: str) -> None:
        """Say which tunable is measured."""
        self.share = number / (len(PARTS) + len(CROSSOVERS))
        self.say(self.share, name)

    def sweep(self, name: str, parts: list[Part]) -> None:
        """Measure the candidates of a tunable and take the best, where it is so once more."""
        layout = layout_of(self.chosen)
        if name in AHEAD_OF and not AHEAD_OF[name](layout):
            self._leave(name, f"products of {layout} do not ask by it")
            return
        options = options_of(name, self.chosen, self.work)
        if len(options) == 1 or time.monotonic() > self.end:
            self._leave(name, "nothing else runs here" if len(options) == 1 else SPENT)
            return
        value, why = self._compared(name, parts, options)
        if value != options[0].value:
            self.say(self.share, f"{name}: {value} once more")
            pair = [options[0], next(each for each in options if each.value == value)]
            value, why = self._compared(name, parts, pair)
            if value == pair[0].value:
                why = f"{pair[1].value} was faster once, not twice"
        self._choose(name, value, why)

    def _compared(self, name: str, parts: list[Part], options: list[Option]) -> tuple[Value, str]:
        """The best option and why, the rows of what was measured."""
        times = time_options(
            parts, options, self.ready, self.end,
            lambda what: self.say(self.share, f"{name}: {what}"),
        )  # fmt: skip
        effects: dict[Value, list[Effect]] = {}
        for option, by_part in zip(options, times, strict=True):
            for part in parts:
                own, base = by_part[part.name], times[0][part.name]
                against = None if option is options[0] else _against(base, own)
                if against is not None:
                    effects.setdefault(option.value, []).append(against)
                self._row(name, str(option.value), (part, option.layout), own, against)
        whole = {value: each for value, each in effects.items() if len(each) == len(parts)}
        return best(whole, options[0].value)

    def cross(self, crossover: Crossover) -> None:
        """Measure both ways of a kernel at each number of tokens and take the crossover, where the
        sizes between it and the default say so once more."""
        name = crossover.tunable
        isa = next((each for each in crossover.isas if runs("gemm", crossover.layout, each)), None)
        if isa is None or time.monotonic() > self.end:
            lacks = f"{' and '.join(crossover.isas)} cannot run here"
            self._leave(name, lacks if isa is None else SPENT)
            return
        row = next(each for each in tunables() if each.name == name)
        default = int(row.default)
        chosen = {**self.chosen, "weights_layout": crossover.layout}
        ways = [Option(least, chosen, {name: least}, isa) for least in (row.most, row.least)]
        points: dict[int, Effect] = {}
        parts = crossover_parts(self.work, crossover)
        if not self._points(name, parts, ways, points):
            self._leave(name, SPENT)
            return
        value, why = threshold(points, default, row.most)
        if value != default:
            between = range(min(value, default), max(value, default))
            twice = self._points(name, [p for p in parts if p.tokens in between], ways, points)
            again, why = threshold(points, default, row.most)
            if not twice or again != value:
                value, why = default, f"{value} was the crossover once, not twice"
        self._choose(name, value, why)

    def _points(
        self, name: str, parts: list[Part], ways: list[Option], points: dict[int, Effect]
    ) -> bool:
        """Measure the second way against the first in each part; False where the time is spent."""
        for part in parts:
            if time.monotonic() > self.end:
                return False
            self.say(self.share, f"{name}: {part.name}")
            first, second = (
                each[part.name] for each in time_options([part], ways, self.ready, self.end)
            )
            against = _against(first, second)
            if against is not None:
                points[part.tokens] = against
            self._row(name, "from more on", (part, ways[0].layout), first, None)
            self._row(name, f"from {part.tokens} on", (part, ways[0].layout), second, against)
        return True

    def _leave(self, name: str, why: str) -> None:
        """Keep the default."""
        self._choose(name, next(row.default for row in tunables() if row.name == name), why)

    def _row(
        self,
        name: str,
        candidate: str,
        place: tuple[Part, str],
        times: Times,
        against: Effect | None,
    ) -> None:
        part, layout = place
        says = REFERENCE if against is None else against.says
        if not times.seconds:
            says = (times.why or "not measured")[:300]
        row = Candidate(tunable=name, candidate=candidate, part=part.name, says=says)
        if times.seconds:
            rate, unit = part.rate(layout, times.median)
            row = row.model_copy(update={"seconds": times.median, "rate": rate, "unit": unit})
        if against is not None:
            row = row.model_copy(
                update={"change": against.change, "low": against.low, "high": against.high}
            )
        self.rows.append(row)

    def _choose(self, name: str, value: Value, why: str) -> None:
        default = next(row.default for row in tunables() if row.name == name)
        self.chosen[name] = value
        self.choices.append(Choice(tunable=name, value=value, default=default, why=why[:300]))
