"""JUnit XML: one suite, a test a case, harmless whatever the names are."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st
from report.samples import judged

from bitnet_perf.report.junit import as_junit
from bitnet_perf.report.verdicts import build_judged_report


def suite_of(review):
    root = ElementTree.fromstring(as_junit(review, build_judged_report(review)))
    assert root.tag == "testsuites"
    (suite,) = root.findall("testsuite")
    return suite


def test_every_case_is_a_test_with_its_verdict():
    review = judged(16, seconds={judged(16).rows[0].case: 1.5})
    suite = suite_of(review)
    tests = suite.findall("testcase")
    assert [test.get("name") for test in tests] == [row.case for row in review.rows]
    found = {kind: len(suite.findall(f".//{kind}")) for kind in ("failure", "error", "skipped")}
    assert found == {"failure": 4, "error": 2, "skipped": 0}
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("16", "4", "2")
    assert tests[0].get("time") == "1.500"
    failure = tests[0].find("failure")
    assert failure.get("type") == "action"
    assert failure.get("message").startswith("action +12.")
    assert "review:gate:perf = fail" in suite.findtext("system-out")


def test_what_one_side_alone_has_is_skipped():
    review = judged(2)
    rows = (replace(review.rows[0], verdict="new", gate="neutral"), review.rows[1])
    suite = suite_of(judged(2, rows=rows))
    assert suite.get("skipped") == "1"
    assert len(suite.findall(".//skipped")) == 1


@settings(max_examples=50)
@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_any_text_is_valid_xml(text):
    review = judged(4)
    rows = tuple(replace(row, case=f"a/{text}", reason=text, notes=(text,)) for row in review.rows)
    suite = suite_of(replace(review, rows=rows, run=text, annotations={f"a/{text}": (text,)}))
    assert len(suite.findall("testcase")) == 4
