"""The report as data: five titles, JSON that reads back, Markdown that strangers cannot break."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bitnet_perf.errors import FormatError
from bitnet_perf.report import document as doc
from bitnet_perf.report.page import html_page


def make(titles=doc.TITLES, cell="x"):
    table = doc.Table(title="t", columns=("case", ">ns"), rows=((cell, "1"),))
    lines = doc.Lines(language="evidence", lines=("review:gate:perf = skipped (no baseline)",))
    sections = tuple(
        doc.Section(title=title, blocks=(doc.Text(text="words"), table, lines)) for title in titles
    )
    return doc.Report(
        run="r",
        date="2026-01-01",
        host={"cpu": "c"},
        verdict="baseline establishment needed",
        route="review-summarizer",
        evidence=("perf: inference: skipped (no model given)",),
        sections=sections,
    )


def test_markdown_has_the_five_sections_in_order():
    text = make().markdown()
    places = [text.index(f"## {title}") for title in doc.TITLES]
    assert places == sorted(places)
    assert "review:gate:perf = skipped (no baseline)" in text
    assert "| --- | ---: |" in text


@pytest.mark.parametrize("titles", [doc.TITLES[:4], doc.TITLES[::-1], (*doc.TITLES, "6. More")])
def test_other_sections_are_refused(titles):
    with pytest.raises(FormatError, match="sections"):
        make(titles).markdown()


def test_json_reads_back():
    report = make()
    assert doc.Report.model_validate(json.loads(json.dumps(report.to_dict()))) == report


@pytest.mark.parametrize("change", [{"version": 2}, {"verdict": None}, {"surprise": 1}])
def test_json_of_another_form_is_refused(change):
    with pytest.raises(ValidationError):
        doc.Report.model_validate({**make().to_dict(), **change})


@given(st.text())
def test_a_strange_cell_stays_one_row_of_the_table(cell):
    row = next(line for line in make(cell=cell).markdown().split("\n") if line.endswith("| 1 |"))
    unescaped = row.replace("\\\\", "").replace("\\|", "")
    assert unescaped.count("|") == 3
    assert "<" not in unescaped.replace("\\<", "")


def test_schema_is_published():
    assert doc.schema()["properties"]["version"]["const"] == 1


def test_rows_are_as_wide_as_their_columns():
    with pytest.raises(ValidationError, match="row 0 has 1 cells, accepted are 2"):
        doc.Table(title="t", columns=("a", "b"), rows=(("x",),))


@pytest.mark.parametrize("drawn", [False, True])
def test_a_page_holds_everything_and_runs_nothing(drawn):
    strange = "<script>alert(1)</script>"

    def draw(axes):
        axes.set_title(strange)

    page = html_page(make(cell=strange), draw if drawn else None)
    assert all(title in page for title in doc.TITLES)
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert (page.count("<svg"), page.count("<?xml")) == (int(drawn), 0)
    assert '<td class="number">1</td>' in page
