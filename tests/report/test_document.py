"""The report as data: five titles, JSON that reads back, Markdown that strangers cannot break."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bitnet_perf.errors import FormatError
from bitnet_perf.report import document as doc
from bitnet_perf.report.figures import Source
from bitnet_perf.report.markdown import as_markdown


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
    text = as_markdown(make())
    places = [text.index(f"## {title}") for title in doc.TITLES]
    assert places == sorted(places)
    assert "review:gate:perf = skipped (no baseline)" in text
    assert "| --- | ---: |" in text


@pytest.mark.parametrize("titles", [doc.TITLES[:4], doc.TITLES[::-1], (*doc.TITLES, "6. More")])
def test_other_sections_are_refused(titles):
    with pytest.raises(FormatError, match="sections"):
        as_markdown(make(titles))


def test_json_reads_back():
    report = make()
    assert doc.Report.model_validate(json.loads(json.dumps(report.to_dict()))) == report


@pytest.mark.parametrize("change", [{"version": 1}, {"verdict": None}, {"surprise": 1}])
def test_json_of_another_form_is_refused(change):
    with pytest.raises(ValidationError):
        doc.Report.model_validate({**make().to_dict(), **change})


@given(st.text())
def test_a_strange_cell_stays_one_row_of_the_table(cell):
    cell = doc.Told(told=cell, file="raw.npz")
    row = next(line for line in as_markdown(make(cell=cell)).split("\n") if line.endswith("| 1 |"))
    unescaped = row.replace("\\\\", "").replace("\\|", "")
    assert unescaped.count("|") == 3
    assert "<" not in unescaped.replace("\\<", "")


def test_schema_is_published():
    assert doc.schema()["properties"]["version"]["const"] == 2


def test_rows_are_as_wide_as_their_columns():
    with pytest.raises(ValidationError, match="row 0 has 1 cells, accepted are 2"):
        doc.Table(title="t", columns=("a", "b"), rows=(("x",),))


@pytest.mark.parametrize(
    "words",
    ["slower by 5 %", "12.5%", "4.1x faster", "3 us", "1.2 ms", "took 7 s", "80 GB/s", "12 MB",
     "45 tokens/s", ("at ", "5", " %"), ("+1", ".5 ", "us"), "\u22123.1 %", "2 KiB", "1.5\u00d7"],
)  # fmt: skip
def test_plain_words_state_no_measurement(words):
    for make_block in (
        lambda: doc.Text(text=words),
        lambda: doc.Table(title="t", columns=("a",), rows=((words,),)),
        lambda: doc.Lines(language="evidence", lines=(words,)),
    ):
        with pytest.raises(ValidationError, match="in plain words"):
            make_block()
    told = tuple(doc.Told(told=part, file="f") for part in doc.parts(words))
    assert doc.text_of(doc.Text(text=told).text) == doc.text_of(words)


@pytest.mark.parametrize(
    "words",
    ["2B4T", "x86_avx2", "16x2560x2560", "12 cases", "t1", "i2_s", "3 of 12", "8 pairs", "v0.1"],
)
def test_counts_and_names_are_plain_words(words):
    assert doc.Text(text=words).text == words


@pytest.mark.parametrize("title", ["took 5 ms", "5 %"])
def test_titles_and_verdicts_state_no_measurement(title):
    with pytest.raises(ValidationError, match="in plain words"):
        doc.Table(title=title, columns=(), rows=())
    with pytest.raises(ValidationError, match="in plain words"):
        doc.Report.model_validate({**make().to_dict(), "verdict": title})


SOURCE = Source("raw.npz", "case")
VALUES = st.floats(min_value=-1e9, max_value=1e9)


@given(VALUES)
def test_a_figure_shows_its_value(value):
    for part in (
        SOURCE.percent(value), SOURCE.micro(value), SOURCE.seconds(abs(value)), SOURCE.count(value),
        SOURCE.change(value), SOURCE.number(value, "MB"), SOURCE.bare(value, "us"),
        SOURCE.bytes(value),
    ):  # fmt: skip
        if isinstance(part, doc.Figure):
            assert (part.file, part.row) == ("raw.npz", "case")
            assert doc.Figure.model_validate_json(part.model_dump_json()) == part
        else:
            assert part == SOURCE.told("any")
            assert abs(value) >= 100


@given(st.floats(-1e6, 1e6), st.floats(min_value=0.02, max_value=1e6))
def test_a_figure_cannot_show_another_value(value, off):
    with pytest.raises(ValidationError, match="shows another number"):
        doc.Figure(text=f"{value:.2f} us", value=value + off, unit="us", file="f", row="r")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"file": ""}, "file"),
        ({"row": ""}, "row"),
        ({"value": float("nan")}, "value"),
        ({"value": float("inf")}, "value"),
        ({"text": "fast"}, "accepted is a number"),
        ({"text": "5 ms"}, "accepted is a number and 'us'"),
        ({"text": "5 us of 7"}, "accepted is a number"),
    ],
)
def test_a_number_without_a_measurement_cannot_be_made(changes, said):
    values = {"text": "5 us", "value": 5.0, "unit": "us", "file": "raw.npz", "row": "case"}
    assert doc.Figure(**values).value == 5.0
    with pytest.raises(ValidationError, match=said):
        doc.Figure(**{**values, **changes})


@pytest.mark.parametrize("value", [None, float("nan")])
def test_what_was_not_measured_is_no_figure(value):
    assert SOURCE.percent(value) == "not measured"


def test_every_figure_of_a_report_is_found_with_its_place():
    report = make(cell=SOURCE.percent(0.05))
    found = list(doc.figures_of(report))
    assert len(found) == len(doc.TITLES)
    assert found[0][0] == f"{doc.TITLES[0]}: t: +5.0 %: case"


def test_the_published_schema_is_that_of_the_document():
    published = json.loads((Path(__file__).parents[2] / "docs" / "report.schema.json").read_text())
    assert published == doc.schema()
