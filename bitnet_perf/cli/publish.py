"""`bitnet-perf publish`: a stored result on its pull request; and what `gate` needs to post one."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bitnet_perf.cli.output import (
    JsonOption,
    QuietOption,
    SetOption,
    console,
    emit,
    publish,
    shows_text,
)
from bitnet_perf.errors import ConfigError

if TYPE_CHECKING:
    from bitnet_perf.config.settings import GitHub
    from bitnet_perf.github.payload import Payload
    from bitnet_perf.review.gate import Plan, Review

STORED = "payload.json"
WAYS = ("github", "file")
PublishOption = Annotated[
    str | None,
    typer.Option(
        "--publish", metavar="github|file", help="Post the result, or store what would be posted."
    ),
]
PullOption = Annotated[
    str | None,
    typer.Option(
        "--pull-request", metavar="OWNER/NAME#N", help="Where (default: that of the Actions event)."
    ),
]
RowOption = Annotated[
    bool, typer.Option("--benchmarks-row", help="Write the row `benchmarks` of the ledger too.")
]
PromoteOption = Annotated[
    bool | None,
    typer.Option("--promote/--no-promote", help="Mark a draft ready once the gate passed."),
]
IssueOption = Annotated[
    bool | None,
    typer.Option("--open-issue/--no-open-issue", help="Open issues for what two results found."),
]


def command(
    stored: Annotated[Path, typer.Argument(help="A payload.json, or the folder that holds one.")],
    *,
    promote: PromoteOption = None,
    open_issue: IssueOption = None,
    set_: SetOption = None,
    json_to: JsonOption = None,
    quiet: QuietOption = False,
) -> int:
    """Post a stored result: check run `review:gate:perf` and the ledger of its pull request.

    The token comes from GITHUB_TOKEN or GH_TOKEN. Posting twice changes nothing; a result whose
    head has moved on is not posted. In a run of Actions the payload has to be for its repository,
    and for the commit of the run that it follows. Exit code 7 where GitHub does not take it.

    Example: `bitnet-perf publish results/payload.json --promote`
    """
    from bitnet_perf.config.load import load_settings, parse_flags
    from bitnet_perf.github.payload import Payload

    flags = parse_flags(set_ or ()) | options(promote, open_issue)
    settings = load_settings(Path(), flags).settings.github
    payload = Payload.load(stored / STORED if stored.is_dir() else stored)
    send = poster(payload, settings)
    return publish(lambda: tell(send(), json_to, quiet), 0)


def options(promote: bool | None, open_issue: bool | None) -> dict[str, object]:
    """The two options as settings; None where they were not given."""
    return {"github.promote": promote, "github.open_issue": open_issue}


def poster(payload: Payload, settings: GitHub) -> Callable[[], tuple[str, ...]]:
    """What posts `payload`; what the environment lacks, or a payload that is not for this run, is
    refused now."""
    from bitnet_perf.github.event import source_of
    from bitnet_perf.github.post import Post
    from bitnet_perf.github.publish import publish as post
    from bitnet_perf.github.transport import Api

    source = source_of(payload, os.environ)
    api = Api()

    def send() -> tuple[str, ...]:
        with api:
            return post(Post(payload, api, settings.promote, settings.open_issue, source))

    return send


def tell(done: tuple[str, ...], json_to: str | None, quiet: bool) -> None:
    """Say what was done."""
    emit({"done": list(done)}, json_to)
    if shows_text(json_to, quiet):
        out = console()
        for line in done:
            out.print(line, markup=False, soft_wrap=True)


def after_gate(
    plan: Plan, way: str | None, pull: str | None, *, row: bool, quiet: bool
) -> Callable[[Review, Path], None] | None:
    """What stores, and where asked posts, the result of a gate that is about to run; None where
    neither is wanted. What is missing for it is refused before anything is measured."""
    settings = plan.settings.github
    way = way or ("github" if settings.publish and _in_pull_request(os.environ) else None)
    if way is None:
        return None
    if way not in WAYS:
        raise ConfigError(f"--publish: found {way!r}, accepted is {' or '.join(WAYS)}")
    from bitnet_perf.review.publication import payload_of, target_for

    target = target_for(plan, pull, os.environ)
    if way == "github":
        from bitnet_perf.github.transport import Api

        with Api():  # refuses a missing token
            pass

    def finish(review: Review, folder: Path) -> None:
        payload = payload_of(review, target, benchmarks=row)
        path = payload.save(folder / STORED)
        if way == "github":
            try:
                done = poster(payload, settings)()
            except BaseException:
                console(stderr=True).print(
                    f"not posted; `bitnet-perf publish {path}` tries again", markup=False
                )
                raise
            tell(done, None, quiet)

    return finish


def _in_pull_request(environment: Mapping[str, str]) -> bool:
    return environment.get("GITHUB_EVENT_NAME", "").startswith("pull_request")
