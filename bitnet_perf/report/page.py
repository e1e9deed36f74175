"""The report as one page of HTML that needs nothing beside it: no network, no scripts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bitnet_perf.report.document import Report, Words, heading, parts
from bitnet_perf.report.escape import plain
from bitnet_perf.report.evidence import parse_line
from bitnet_perf.report.figures import Source, words
from bitnet_perf.report.judged import EVIDENCE, Judged, case_source
from bitnet_perf.report.plots.chosen import pictures_of

__all__ = ["html_page"]

SYMBOLS = {"pass": "✓", "fail": "✗", "skipped": "○"}
VERDICTS = ("action", "concern", "inconclusive", "accepted", "pass", "improved", "identical",
            "new", "gone")  # fmt: skip
LOOKS = {name: name for name in VERDICTS} | {
    "met": "pass",
    "missed now": "action",
    "not met before or after": "accepted",
    "not measured": "unknown",
}  # how a word of a verdict or a target looks


def html_page(report: Report, judged: Judged | None = None) -> str:
    """`report` as a page, with the pictures of `judged` where it is given.

    Every text of the report is escaped; raises FormatError where the sections are not the five.
    """
    report.checked()
    page: str = (
        _environment()
        .get_template("page.html.j2")
        .render(
            report=report,
            judged=judged,
            status=_status(report),
            symbols=SYMBOLS,
            looks=LOOKS,
            strip=_strip(judged) if judged else (),
            facts=_facts(report, judged) if judged else (),
            pictures=pictures_of(judged) if judged else {},
        )
    )
    return page


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("bitnet_perf.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"plain": _plain, "parts": parts, "code": _code, "heading": heading}
    return environment


def _plain(text: str) -> str:
    """Text without what is not seen; blanks at its ends stay, they part it from what is beside."""
    before, after = (" " if end.isspace() else "" for end in (text[:1], text[-1:]))
    body = plain(text)
    return f"{before}{body}{after}" if body else before


def _code(html: Markup) -> Markup:
    """Escaped text whose words in backticks become code."""
    return Markup(re.sub(r"`([^`<>]+)`", r"<code>\1</code>", str(html)))


def _status(report: Report) -> str:
    """The gate's word."""
    return parse_line(report.lines[-1]).status if report.evidence else "skipped"


def _strip(judged: Judged) -> list[Mapping[str, Any]]:
    """How many cases have each verdict, the worst first."""
    counts = {name: sum(row.verdict == name for row in judged.rows) for name in VERDICTS}
    return [{"verdict": name, "count": count} for name, count in counts.items() if count]


def _facts(report: Report, judged: Judged) -> list[tuple[str, Words, str]]:
    """What one looks for first: (name, value, note)."""
    found: list[tuple[str, Words, str]] = [("Next", report.route, judged.decided.rule)]
    timed = [row for row in judged.rows if row.slowdown is not None]
    if timed:
        worst = max(timed, key=lambda row: row.slowdown or 0.0)
        source = case_source(worst.case)
        found.append(("Largest slowdown", source.percent(worst.slowdown), worst.case))
    over, unknown = len(judged.situation.over), len(judged.situation.unknown)
    count = case_source("rows").count
    found.append(
        (
            "Over budget",
            words(count(over), " of ", count(len(judged.rows))),
            f"{unknown} more not known, which fails" if unknown else "none left open",
        )
    )
    if judged.targets:
        met = sum(target.status == "met" for target in judged.targets)
        missed = sum(target.gates for target in judged.targets)
        told = Source(EVIDENCE, "targets").count
        value = words(told(met), " of ", told(len(judged.targets)))
        found.append(("Targets met", value, f"{missed} missed now, met before"))
    if judged.situation.localized:
        name, share = judged.situation.localized
        held = case_source("rows").percent(share, ".0f")
        found.append(("Of the change in one place", held, name))
    return found
