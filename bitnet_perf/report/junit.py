"""A judged report as JUnit XML, which CI systems show as tests: a case is a test."""

from __future__ import annotations

from xml.etree import ElementTree

from bitnet_perf.analyze.paired.comparison import Row
from bitnet_perf.report.document import Report, text_of
from bitnet_perf.report.escape import plain
from bitnet_perf.report.judged import Judged, case_source

__all__ = ["as_junit"]

# gate of a row -> the element that says why it does not pass
_ELEMENTS = {"fail": "failure", "closed": "error"}


def as_junit(judged: Judged, report: Report) -> str:
    """One suite: over budget is a failure, what is not known an error, what one side alone has is
    skipped. Times are what measuring took."""
    bad = {gate: sum(row.gate == gate for row in judged.rows) for gate in _ELEMENTS}
    skipped = sum(_is_skipped(row) for row in judged.rows)
    seconds = sum(judged.seconds.get(row.case, 0.0) for row in judged.rows)
    counts = {
        "name": "review:gate:perf",
        "tests": str(len(judged.rows)),
        "failures": str(bad["fail"]),
        "errors": str(bad["closed"]),
        "skipped": str(skipped),
        "time": f"{seconds:.3f}",
    }
    root = ElementTree.Element("testsuites", counts)
    suite = ElementTree.SubElement(root, "testsuite", counts, timestamp=f"{judged.date}T00:00:00")
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in (("run", judged.run), ("verdict", report.verdict), ("route", report.route)):
        ElementTree.SubElement(properties, "property", name=name, value=plain(value))
    for row in judged.rows:
        _case(suite, row, judged)
    ElementTree.SubElement(suite, "system-out").text = "\n".join(map(plain, report.lines))
    ElementTree.indent(root)
    body = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _is_skipped(row: Row) -> bool:
    return row.verdict in ("new", "gone")


def _case(suite: ElementTree.Element, row: Row, judged: Judged) -> None:
    name = plain(row.case)
    family = ".".join(name.split("/")[:2])
    took = f"{judged.seconds.get(row.case, 0.0):.3f}"
    test = ElementTree.SubElement(suite, "testcase", name=name, classname=family, time=took)
    source = case_source(row.case)
    known = row.slowdown is not None
    low, high = (text_of(source.percent(end)) for end in (row.low, row.high))
    change = f" {text_of(source.percent(row.slowdown))} ({low} to {high})" if known else ""
    if _is_skipped(row):
        ElementTree.SubElement(test, "skipped", message=plain(row.reason))
    elif row.gate in _ELEMENTS:
        message = plain(f"{row.verdict}{change}")
        element = ElementTree.SubElement(test, _ELEMENTS[row.gate], message=message)
        element.set("type", plain(row.verdict))
        element.text = "\n".join(
            plain(text) for text in (row.reason, *row.notes, *judged.annotations.get(row.case, ()))
        )
    elif known or row.notes:
        said = plain("; ".join((f"{row.verdict}{change}", *row.notes)))
        ElementTree.SubElement(test, "system-out").text = said
