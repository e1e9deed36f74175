"""The rules of the verdict: budgets, guard, error rate and looks. Recorded in each raw file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from bitnet_perf.errors import ConfigError, FormatError

__all__ = ["Budget", "Class", "Rules"]

Class = Literal["core", "other"]


@dataclass(frozen=True, slots=True)
class Budget:
    """How much slower is too slow, as parts of the base's time: `concern` and `action`."""

    concern: float = 0.05
    action: float = 0.10


@dataclass(frozen=True, slots=True)
class Rules:
    """What a comparison was decided by. Every field has the default that is used everywhere.

    core, other: budgets of the two classes. guard: how far inside the concern budget a pass must
    be (0.005 = half a point). alpha: probability that a pass at the margin is wrong, shared by the
    looks. looks, long_looks: fresh pairs of each look, of short and of long cases. canary_pairs:
    pairs of one run of a canary. least_pairs: fewer never pass a core case. alarm_pairs: a single
    look raises an alarm with so many, a first of several never. precise: the half width, on the log
    scale, below which the last look decides at the budget. slow_part: the part of pairs beyond the
    action budget above which a case is bimodal.

    Raises ConfigError naming the field for values that make no rule.
    """

    core: Budget = Budget()
    other: Budget = Budget()
    guard: float = 0.005
    alpha: float = 0.01
    looks: tuple[int, ...] = (8, 20, 40)
    long_looks: tuple[int, ...] = (8, 8, 16)
    canary_pairs: int = 16
    least_pairs: int = 8
    alarm_pairs: int = 20
    precise: float = 0.01
    slow_part: float = 0.10

    def __post_init__(self) -> None:
        for name, budget in (("core", self.core), ("other", self.other)):
            if not 0 < self.guard < budget.concern < budget.action < math.inf:
                raise ConfigError(
                    f"rules: guard {self.guard}, {name}: found concern {budget.concern}, action "
                    f"{budget.action}; accepted is 0 < guard < concern < action"
                )
        if not 0 < self.alpha < 0.5:
            raise ConfigError(f"rules: alpha: found {self.alpha}, accepted is 0 to 0.5, exclusive")
        for name in ("looks", "long_looks"):
            plan = getattr(self, name)
            if not 1 <= len(plan) <= 3 or not all(pairs >= 1 for pairs in plan):
                raise ConfigError(f"rules: {name}: found {plan}, accepted are 1 to 3 counts >= 1")
        for name in ("canary_pairs", "least_pairs", "alarm_pairs"):
            if getattr(self, name) < 2:
                raise ConfigError(f"rules: {name}: found {getattr(self, name)}, accepted is >= 2")
        for name in ("precise", "slow_part"):
            if not 0 < getattr(self, name) < 1:
                raise ConfigError(f"rules: {name}: found {getattr(self, name)}, accepted is 0 to 1")

    def budget(self, class_: Class) -> Budget:
        """The budget of a class."""
        return self.core if class_ == "core" else self.other

    @property
    def alpha_look(self) -> float:
        """The error of one look: three looks together err at most `alpha` (union bound)."""
        return self.alpha / 3

    def to_dict(self) -> dict[str, Any]:
        """The `rules` of a raw file: plain JSON values."""
        budgets = {
            name: {"concern": budget.concern, "action": budget.action}
            for name, budget in (("core", self.core), ("other", self.other))
        }
        others = {field.name: getattr(self, field.name) for field in fields(self)[2:]}
        plain = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in others.items()
        }
        return {"budgets": budgets, **plain}

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Rules:
        """The rules of a raw file; what it does not name keeps its default, other keys are free.

        Raises FormatError naming the key for values of another type or that make no rule.
        """
        values: dict[str, Any] = {}
        budgets = found.get("budgets", {})
        if not isinstance(budgets, Mapping):
            raise FormatError(f"rules: 'budgets': found {budgets!r:.80}, accepted is an object")
        for name in ("core", "other"):
            values[name] = _budget(f"rules: budgets {name!r}", budgets.get(name, {}))
        defaults = cls()
        for field in fields(cls)[2:]:
            if field.name in found:
                values[field.name] = _like(
                    f"rules: {field.name!r}", found[field.name], getattr(defaults, field.name)
                )
        try:
            return replace(defaults, **values)
        except ConfigError as error:
            raise FormatError(str(error)) from error


def _budget(place: str, found: Any) -> Budget:
    if not isinstance(found, Mapping):
        raise FormatError(f"{place}: found {found!r:.80}, accepted is an object")
    default = Budget()
    return Budget(
        *(
            _like(f"{place} {name!r}", found.get(name, getattr(default, name)), 0.0)
            for name in ("concern", "action")
        )
    )


def _like(place: str, found: Any, default: Any) -> Any:
    """`found` where it is a number or a list of integers as the default is."""
    if isinstance(default, tuple):
        if isinstance(found, list) and all(_is(value, int) for value in found):
            return tuple(found)
        raise FormatError(f"{place}: found {found!r:.80}, accepted is a list of integers")
    kinds = int if isinstance(default, int) else (int, float)
    try:
        if _is(found, kinds):
            return found if isinstance(default, int) else float(found)
    except OverflowError:  # an integer beyond the floats
        pass
    raise FormatError(f"{place}: found {found!r:.80}, accepted is a number")


def _is(value: Any, kinds: Any) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool)
