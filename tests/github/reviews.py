"""Completed reviews of rows that are given."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bitnet_perf.analyze.assessment import budgets_target
from bitnet_perf.analyze.attribution import Attribution, FileSuspect
from bitnet_perf.analyze.facts import Facts
from bitnet_perf.analyze.paired.comparison import Row, overall
from bitnet_perf.analyze.paired.rules import Rules
from bitnet_perf.analyze.routing import decided, situation_of
from bitnet_perf.analyze.steps import steps
from bitnet_perf.analyze.suggestions import watches
from bitnet_perf.report.judged import Judged
from bitnet_perf.report.verdicts import build_judged_report
from bitnet_perf.review.gate import Plan, Review

CASE = "forward/gemv/i2_s/2560x2560/t1"
FILE = "csrc/kernels/gemv/i2_s/x86_avx2.cpp"
row = partial(
    Row, case=CASE, verdict="pass", slowdown=0.0, low=-0.01, high=0.01, mde=0.01, pairs=8,
    reason="inside", look=1, gate="pass", notes=(), class_="core", bound="unknown", clock="cpu",
    wall=None, cpu=None, clocks=None, canaries=(),
)  # fmt: skip
slower = partial(row, verdict="action", slowdown=0.12, gate="fail", reason="outside")


def review(*rows: Row, repository: Path = Path(), head: str | None = None) -> Review:
    """A review of these rows, whose one changed file makes one kernel slower."""
    verdict, code = overall(rows)
    situation = situation_of(rows, None)
    path = ("Forward Pass", "gemv", "gemv/i2_s/x86_avx2")
    known = Facts(rows=rows, base="aaaaaaaaaaaa", candidate="bbbbbbbbbbbb")
    placed = Attribution(suspects=(FileSuspect(FILE, 1.0, 1.0, 1.0, path, ()),))
    sides = ("revision aaaaaaaaaaaa", "revision bbbbbbbbbbbb")
    judged = Judged(
        "r", "2026-01-01", sides, {"CPU": "c"}, rows, Rules(), code, verdict, situation,
        decided(situation), base="aaaaaaaaaaaa", candidate="bbbbbbbbbbbb", attribution=placed,
        steps=steps(situation, known, {}, "c"), targets=(budgets_target(rows),),
        watches=watches(rows, Rules()),
    )  # fmt: skip
    plan = Plan(repository, "b" * 40, head, False, (FILE,), "quick", (CASE,))
    records: Any = SimpleNamespace(save=Path, facts=SimpleNamespace(interrupted=False))
    return Completed(plan, records, judged, build_judged_report(judged))


class Completed(Review):
    """A review whose comparison is not needed."""

    comparison: Any = SimpleNamespace(to_dict=dict)
