"""What a run of GitHub Actions knows of its pull request, from its environment and event file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bitnet_perf.errors import ConfigError
from bitnet_perf.github.payload import Payload, Target
from bitnet_perf.report.escape import plain

__all__ = ["source_of", "target_of"]


def target_of(named: str | None, head: str, environment: Mapping[str, str]) -> Target:
    """The pull request that a result is for: the one `named` as OWNER/NAME#NUMBER, with this
    `head`, else that of the event, with the head that the event names.

    Raises ConfigError where there is neither.
    """
    if named is not None:
        found = re.fullmatch(r"([^#\s]+)#(\d{1,9})", named)
        if found is None:
            raise ConfigError(f"--pull-request: found {named!r}, accepted is OWNER/NAME#NUMBER")
        return _target("--pull-request", found[1], int(found[2]), head)
    pull = _event(environment).get("pull_request")
    if not isinstance(pull, dict):
        raise ConfigError(
            "--publish: found no pull request, accepted is one named with --pull-request "
            "OWNER/NAME#NUMBER, or a run of GitHub Actions for a pull_request"
        )
    place = "GITHUB_EVENT_PATH"
    return _target(
        place,
        environment.get("GITHUB_REPOSITORY", ""),
        _part(pull, "number"),
        _part(pull, "head", "sha"),
    )


def source_of(payload: Payload, environment: Mapping[str, str]) -> str | None:
    """The repository that the head has to come from, where the run that posts knows it.

    A payload may be a stranger's. In a run of Actions it has to be for this repository, and in one
    that follows another (`workflow_run`) for the commit of that one; ConfigError where it is not.
    """
    repository = environment.get("GITHUB_REPOSITORY")
    target = payload.target
    if repository and target.repository.lower() != repository.lower():
        raise ConfigError(
            f"payload: found a result of {target.repository}, accepted is one of {repository}"
        )
    run = _event(environment).get("workflow_run")
    if not isinstance(run, dict):
        return None
    head = _part(run, "head_sha")
    if head != target.head:
        raise ConfigError(
            f"payload: found a result of {target.head}, accepted is one of {plain(str(head), 64)}, "
            "which the run before was for"
        )
    return str(_part(run, "head_repository", "full_name"))


def _target(place: str, repository: str, pull: Any, head: Any) -> Target:
    try:
        return Target(repository=repository, pull=pull, head=head)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        found = plain(repr(first["input"]), 100)
        raise ConfigError(f"{place}: {first['loc'][0]}: found {found}, {first['msg']}") from error


def _event(environment: Mapping[str, str]) -> dict[str, Any]:
    path = environment.get("GITHUB_EVENT_PATH")
    if not path:
        return {}
    try:
        event = json.loads(Path(path).read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"GITHUB_EVENT_PATH: {path} cannot be read ({error})") from error
    return event if isinstance(event, dict) else {}


def _part(data: Any, *path: str) -> Any:
    for name in path:
        if not isinstance(data, dict) or name not in data:
            raise ConfigError(f"GITHUB_EVENT_PATH: the event has no {'.'.join(path)}")
        data = data[name]
    return data
