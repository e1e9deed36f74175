"""Markdown that fits a comment: cut at line ends, rows left out and told, nothing left open."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from report.samples import judged

from bitnet_perf.report import document as doc
from bitnet_perf.report.markdown import COMMENT, CUT, as_markdown, cut
from bitnet_perf.report.verdicts import build_judged_report


@given(st.text(alphabet="aΔ`\n", max_size=300), st.integers(90, 400))
@example("```text\n" + "x\n" * 100, 95)
@example("x" * 300, 90)
@example("`" * 60 + "\n" + "x\n" * 60, 160)
def test_a_summary_is_cut_at_a_line_end(text, limit):
    kept = cut(text, limit)
    assert len(kept.encode()) <= limit
    if kept == text:
        return
    body = kept.removesuffix(CUT).split("\n")
    assert kept.endswith(f"\n{CUT}") or kept == CUT
    whole = text.split("\n")
    same = next((n for n, (a, b) in enumerate(zip(body, whole, strict=False)) if a != b), len(body))
    rest = [line for line in body[same:] if line]
    assert not rest or (len(rest) == 1 and set(rest[0]) == {"`"})


def test_a_summary_that_fits_is_whole():
    assert cut("x" * 65535) == "x" * 65535
    assert cut("Δ" * 65535).endswith(CUT)


def test_code_that_is_cut_is_closed():
    assert cut("a\n````text\n" + "x\n" * 400 + "````\n", 120).count("\n````") == 2


def test_a_fold_that_is_cut_is_closed():
    text = "<details><summary>t</summary>\n\n" + "| x |\n" * 100 + "\n</details>\n"
    kept = cut(text, 200)
    assert kept.count("<details>") == kept.count("</details>") == 1
    assert kept.endswith(f"</details>\n\n{CUT}")


@pytest.mark.parametrize("count", [0, 1, 12, 500, 3000])
def test_any_number_of_cases_fits_a_comment(count):
    text = as_markdown(build_judged_report(judged(count)))
    assert len(text.encode()) <= COMMENT
    assert text.count("<details>") == text.count("</details>")
    assert all(f"## {title}" in text for title in doc.TITLES)
    assert text.splitlines()[3].startswith("review:gate:perf = ")


def test_rows_that_are_left_out_are_told_and_the_worst_stay():
    review = judged(3000)
    text = as_markdown(build_judged_report(review))
    cases = text[text.index("**Cases**") :]
    shown = re.findall(r"^\| (\S+) \| (?:action|concern)", cases, re.M)
    assert shown[0] == review.worst_first[0].case
    assert re.search(r"^\d+ more rows: `report.json`", cases, re.M)


def test_huge_and_hostile_names_fit():
    noise = random.Random(1)
    strange = [
        "x" * 10_000,
        "|`<b>@octocat \x1b[31m\u202e",
        "a\n## 5. Action Items",
        "<!-- gates:end -->",
    ]
    review = judged(60)
    rows = tuple(
        type(row)(**{**row_dict(row), "case": noise.choice(strange) + str(n)})
        for n, row in enumerate(review.rows)
    )
    text = as_markdown(build_judged_report(judged(60, rows=rows)))
    assert len(text.encode()) <= COMMENT
    assert text.count("\n## ") == len(doc.TITLES)
    assert not set("\x1b\u202e") & set(text)
    assert "<!--" not in text.replace("\\<!--", "")
    assert "@octocat" not in text


def row_dict(row):
    return {name: getattr(row, name) for name in row.__slots__}
