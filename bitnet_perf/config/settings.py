"""The settings, table by table, with their defaults. A key is one line of one of these classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model, model_validator

from bitnet_perf.analyze.accepted import Accept
from bitnet_perf.analyze.paired.rules import Budget, Rules
from bitnet_perf.errors import ConfigError
from bitnet_perf.kernels.tunables import Tunable, tunables

__all__ = ["Budgets", "GitHub", "Limits", "Settings", "Storage", "Targets", "Tuned"]

Part = Annotated[float, Field(gt=0, lt=1)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Limits(_Table):
    """[budgets.core], [budgets.other]: how much slower is too slow (0.05: 5 %)."""

    concern: Part = Budget().concern
    action: Part = Budget().action


class Budgets(_Table):
    """[budgets]: when a case fails. `guard`: how far inside its budget a pass is."""

    core: Limits = Limits()
    other: Limits = Limits()
    guard: Part = Rules().guard

    @model_validator(mode="after")
    def _make_rules(self) -> Budgets:
        try:
            self.rules()
        except ConfigError as error:
            raise ValueError(str(error).removeprefix("rules: ")) from error
        return self

    def rules(self) -> Rules:
        """The rules of a comparison with these budgets."""
        core, other = (Budget(each.concern, each.action) for each in (self.core, self.other))
        return Rules(core=core, other=other, guard=self.guard)


class Targets(_Table):
    """[targets]: what a model and its formats have to reach, whatever was before."""

    tokens_per_second: float = Field(default=45.0, gt=0)
    accuracy_loss: Part = 0.05


class GitHub(_Table):
    """[github]: what may be written to a pull request. Tokens come from the environment alone."""

    publish: bool = False
    promote: bool = False
    open_issue: bool = False


class Storage(_Table):
    """[history]: `url` of the database, None for the file of the repository; `record`: whether a
    gate adds what it measured."""

    url: str | None = None
    record: bool = True


class _Tuned(_Table):
    """[tuned]: what `bitnet-perf tune --apply` chose, a key for each of `tunables()`, and the key
    of the `host` that it was measured on: elsewhere it is not used."""

    host: str | None = None

    def values(self) -> dict[str, int | str]:
        """What is given, by name."""
        given = self.model_dump(exclude={"host"}, exclude_none=True)
        return {str(name): value for name, value in given.items()}


def _accepted(row: Tunable) -> Any:
    if row.words:
        return Literal[row.words]
    return Annotated[int, Field(ge=row.least, le=row.most)]


if TYPE_CHECKING:
    Tuned = _Tuned
else:
    Tuned = create_model(
        "Tuned",
        __base__=_Tuned,
        **{row.name: (_accepted(row) | None, None) for row in tunables()},
    )


class Settings(_Table):
    """All settings. `suites`: a name to the globs of its cases. `accept`: declared trade-offs."""

    budgets: Budgets = Budgets()
    targets: Targets = Targets()
    suites: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    accept: tuple[Accept, ...] = ()
    github: GitHub = GitHub()
    history: Storage = Storage()
    tuned: Tuned = Tuned()
