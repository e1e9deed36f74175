"""Every form in which a judged report is written: one line a form."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bitnet_perf.files import write_atomic
from bitnet_perf.report.document import Report
from bitnet_perf.report.judged import Judged
from bitnet_perf.report.junit import as_junit
from bitnet_perf.report.markdown import as_markdown
from bitnet_perf.report.page import html_page
from bitnet_perf.report.traces import as_chrome, as_folded, as_speedscope

__all__ = ["FORMS", "JSON", "Form", "as_json", "first_forms", "forms_of", "save_forms"]


@dataclass(frozen=True)
class Form:
    """The file of a form, and how it follows from a judgement and its report; None: there is
    nothing to write."""

    file: str
    text: Callable[[Judged, Report], str | None]


def as_json(report: Report) -> str:
    """The report as text of JSON."""
    return json.dumps(report.to_dict(), indent=1, ensure_ascii=False) + "\n"


JSON = "json"
FORMS = {
    "markdown": Form("report.md", lambda _, report: as_markdown(report)),
    JSON: Form("report.json", lambda _, report: as_json(report)),
    "html": Form("report.html", lambda judged, report: html_page(report, judged)),
    "junit": Form("junit.xml", as_junit),
    "chrome": Form("trace.json", lambda judged, _: as_chrome(judged.stacks)),
    "speedscope": Form("profile.speedscope.json", lambda judged, _: as_speedscope(judged.stacks)),
    "folded": Form("profile.folded", lambda judged, _: as_folded(judged.stacks)),
}


def first_forms(report: Report) -> dict[str, str]:
    """File and content of every form that a report without a judgement has."""
    return {
        FORMS["markdown"].file: as_markdown(report),
        FORMS[JSON].file: as_json(report),
        FORMS["html"].file: html_page(report),
    }


def forms_of(judged: Judged, report: Report) -> dict[str, str | None]:
    """File and content of every form; None: there is nothing to write."""
    return {form.file: form.text(judged, report) for form in FORMS.values()}


def save_forms(judged: Judged, report: Report, folder: Path) -> None:
    """Write the file of every form into `folder`."""
    for name, text in forms_of(judged, report).items():
        if text is None:
            (folder / name).unlink(missing_ok=True)
        else:
            write_atomic(folder / name, text)
