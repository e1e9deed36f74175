"""Payloads, and a client of the local server whose clock does not wait."""

from __future__ import annotations

from typing import Any

import httpx
from github.server import APP_TOKEN, HEAD

from bitnet_perf.github.payload import Annotation, Payload, Regression, Row, Target
from bitnet_perf.github.post import Post
from bitnet_perf.github.publish import publish
from bitnet_perf.github.transport import Api, Clock
from bitnet_perf.report.document import TITLES, Report, Section, Text
from bitnet_perf.report.evidence import Measured, inference_line
from bitnet_perf.report.figures import Source

OLD = (
    "<!-- gates:start -->\n| Gate | Status | Evidence |\n|--|--|--|\n| tests | ✅ PASS | 9/9 |\n"
    "| perf | ⏳ | waiting |\n<!-- gates:end -->\n"
)
CASE = "forward/gemv/i2_s/2560x2560/t1"
VERDICTS = {"pass": "performance validation complete", "fail": "significant regression detected"}


def measured(value: float) -> Measured:
    return Measured(value, 5, "r", Source("evidence.json", "decode"))


def report(status: str, text: str = "words") -> Report:
    """A report whose gate says `status`."""
    return Report(
        run="r",
        date="2026-01-01",
        host={},
        verdict=VERDICTS.get(status, "skipped"),
        route="perf-fixer",
        evidence=(
            inference_line(measured(45.2), measured(0.12), run="r"),
            f"review:gate:perf = {status} (12 judged)",
        ),
        sections=tuple(Section(title=title, blocks=(Text(text=text),)) for title in TITLES),
    )


def payload(status: Any = "pass", annotations: int = 0, **changes: Any) -> Payload:
    """A result of the head of the server's pull request."""
    values = {
        "target": Target(repository="maintainer/kernels", pull=7, head=HEAD),
        "status": status,
        "inconclusive": False,
        "title": VERDICTS.get(status, "skipped"),
        "reason": "12 judged",
        "rows": (Row(gate="perf", status=status, evidence=("Δ ≤ threshold",)),),
        "hop": "aaaaaaa: judged",
        "why": "12 judged",
        "agent": "test-finalizer",
        "annotations": tuple(
            Annotation(path=f"csrc/{n}.cpp", level="warning", title="slower", message=f"by {n} us")
            for n in range(annotations)
        ),
        "regressions": (Regression(case=CASE, slowdown=0.071),) if status == "fail" else (),
        "commands": (f"bitnet-perf compare a b --cases '{CASE}'",),
        "report": report(status),
    }
    return Payload(**{**values, **changes})


class Waits:
    """A clock that moves when it is slept on, and by `step` whenever it is read."""

    def __init__(self, step: float = 0.0) -> None:
        self.time = 1_000_000.0
        self.step = step
        self.slept: list[float] = []

    def read(self) -> float:
        self.time += self.step
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds

    @property
    def clock(self) -> Clock:
        return Clock(self.read, self.read, self.sleep)


def client(url: str, token: str = APP_TOKEN, waits: Waits | None = None, **more: Any) -> Api:
    """A client of the server at `url`."""
    environment = {"GITHUB_TOKEN": token, "GITHUB_API_URL": url}
    more.setdefault("transport", httpx.HTTPTransport(verify=False))  # no certificates to load
    return Api(environment, clock=(waits or Waits()).clock, **more)


def post(url: str, result: Payload, token: str = APP_TOKEN, **options):
    more = {name: options.pop(name) for name in ("waits", "transport") if name in options}
    with client(url, token, **more) as api:
        return publish(Post(result, api, **options))


def again(result: Payload) -> Payload:
    """Another result of the same head: the same verdict with other words."""
    return result.model_copy(update={"hop": "aaaaaaa: measured again"})
