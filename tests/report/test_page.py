"""The page: whole by itself, no scripts, links that lead somewhere, strangers' text harmless."""

from __future__ import annotations

import math
import random
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report.pages import Page
from report.samples import judged, pictured

from bitnet_perf.report.document import TITLES
from bitnet_perf.report.page import html_page
from bitnet_perf.report.verdicts import build_judged_report

PICTURES = ["ratios", "waterfall", "flame", "roofline", "history"]
STRANGE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\x1b[31m\u202e&amp; @octocat"


def page_of(review):
    return html_page(build_judged_report(review), review)


def test_a_page_holds_everything_and_loads_nothing():
    html = page_of(pictured())
    page = Page(html)
    assert page.open == []
    assert all(title in html for title in TITLES)
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "link", "iframe", "object", "embed", "img", "base", "form"}
    assert not page.values("src")
    assert all(target.startswith("#") for target in page.values("href"))
    assert not re.search(r"url\((?!#)|@import|https?://", html)
    assert not [name for _, found in page.tags for name in found if name.startswith("on")]


def test_ids_are_unique_and_every_link_and_pattern_is_there():
    html = page_of(pictured())
    page = Page(html)
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    assert {target[1:] for target in page.values("href")} <= set(ids)
    assert set(re.findall(r"url\(#([\w-]+)\)", html)) <= set(ids)
    labels = {name for each in page.values("aria-labelledby") for name in each.split()}
    assert labels
    assert labels <= set(ids)


def test_every_picture_has_words_and_a_table():
    html = page_of(pictured())
    pictures = re.findall(r'<figure id="([\w-]+)">(.*?)</figure>', html, re.DOTALL)
    assert [name for name, _ in pictures] == PICTURES
    for name, body in pictures:
        assert re.search(r"<title[^>]*>[^<]{10,}</title><desc[^>]*>[^<]{20,}</desc>", body), name
        assert "<table>" in body or 'href="#case-' in body, name


def test_words_without_colour_say_the_same():
    html = page_of(judged(12))
    strip = re.search(r'class="strip".*?</div>', html, re.DOTALL)
    assert strip
    assert re.findall(r">(\d+ \w+)</span>", strip[0]) == [
        "2 action", "2 concern", "2 inconclusive", "2 accepted", "3 pass", "1 improved",
    ]  # fmt: skip


def test_strangers_write_no_markup():
    review = pictured()
    rows = tuple(
        replace(row, case=f"{STRANGE}{n}", reason=STRANGE) for n, row in enumerate(review.rows)
    )
    html = page_of(
        replace(review, rows=rows, sides=(STRANGE, STRANGE), notes=(STRANGE,), run=STRANGE)
    )
    page = Page(html)
    assert page.open == []
    assert not {tag for tag, _ in page.tags} & {"script", "img"}
    assert not set("\x1b\u202e") & set(html)
    assert not [name for _, found in page.tags for name in found if name.startswith("on")]


@settings(max_examples=25)
@given(
    st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=80), min_size=1, max_size=6)
)
def test_any_names_leave_the_page_whole(names):
    noise = random.Random(1)
    review = judged(8)
    rows = tuple(
        replace(row, case=noise.choice(names), reason=noise.choice(names)) for row in review.rows
    )
    assert Page(page_of(replace(review, rows=rows))).open == []


@pytest.mark.parametrize("count", [0, 1, 500])
def test_pages_of_any_size_stay_small(count):
    assert len(page_of(judged(count)).encode()) < 3_000_000


def test_an_interval_that_is_not_known_is_told_and_not_drawn():
    review = pictured()
    nodes = tuple(replace(node, low=-math.inf, high=math.inf) for node in review.attribution.nodes)
    found = replace(review, attribution=replace(review.attribution, nodes=nodes))
    html = page_of(found)
    assert Page(html).open == []
    assert "not known" in html
    assert not re.search(r"\b(?:inf|nan)\b", html)


def test_more_families_than_marks_share_the_last():
    review = pictured()
    many = tuple(
        replace(placed, case=case, candidate=replace(placed.candidate, case=case))
        for n, placed in enumerate(review.places * 2)
        for case in (f"forward/kernel{n}/f32/8x8/t1",)
    )
    html = page_of(replace(review, places=many))
    legend = re.search(r'<figure id="roofline">.*?<ul class="legend">(.*?)</ul>', html, re.DOTALL)
    assert legend
    assert legend[1].count("others") == 1
    assert "kernel29" not in legend[1]
