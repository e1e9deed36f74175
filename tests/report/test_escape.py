"""Text from strangers: one line, nothing unseen, no markup, nobody mentioned."""

import shlex
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitnet_perf.report import document as doc
from bitnet_perf.report.escape import escape, fence, plain, prose, shell_word
from bitnet_perf.report.markdown import as_markdown

UNSEEN = {"Cc", "Cf", "Co", "Cs"}
STRANGE = st.text(st.characters(codec=None), max_size=60)


@given(STRANGE)
def test_plain_text_is_one_visible_line(text):
    line = plain(text)
    assert not {unicodedata.category(c) for c in line} & (UNSEEN | {"Zl", "Zp"})
    assert line == " ".join(line.split()) == plain(line)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("a\x1b[31mred\x1b[0m b", "ared b"),
        ("\x1b]8;;http://x\x07link\x1b]8;;\x07", "link"),
        ("\x9b2Jgone", "gone"),
        ("gemv\u202ecod.exe", "gemvcod.exe"),
        ("a \u2066b\u2069\u200b c", "a b c"),
        ("a\r\n\u2028b\x00", "a b"),
        ("x" * 3000, "x" * 1999 + "…"),
    ],
)
def test_what_is_not_seen_is_gone(text, seen):
    assert plain(text) == seen


def test_huge_names_are_cut():
    assert plain("x" * 10**7, 20) == "x" * 19 + "…"


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("a | b", "a \\| b"),
        ("<!-- gates:end -->", "\\<!-- gates:end --\\>"),
        ("![x](y) `z` *b*", "!\\[x\\](y) \\`z\\` \\*b\\*"),
        ("@octocat fixes #12 GH-3", "@&#8203;octocat fixes #&#8203;12 GH-&#8203;3"),
        ("https://x.example www.x.example", "https:&#8203;//x.example www&#8203;.x.example"),
        ("forward/gemv/i2_s/t1@x86_avx2", "forward/gemv/i2_s/t1@x86_avx2"),
        ("Δ vs baseline: +12%", "Δ vs baseline: +12%"),
    ],
)
def test_markup_is_literal(text, literal):
    assert escape(text) == literal


@pytest.mark.parametrize("start", ["# a", "- a", "+ a", "1. a", "2) a", "~~~ a", "=== a"])
def test_a_paragraph_stays_one(start):
    assert "\\" in prose(start)[:2]


def test_code_spans_of_a_paragraph_stay():
    assert prose("Try *x*; `run '*'` tests it.") == "Try \\*x\\*; `run '*'` tests it."
    assert prose("one ` of *them*") == "one \\` of \\*them\\*"


@given(st.lists(STRANGE, max_size=4))
def test_no_line_ends_its_block(lines):
    first, *body, last = fence([*lines, "a ```` b"], "text")
    assert first == last + "text"
    assert len(body) == len(lines) + 1
    assert not any(last in line for line in body)


def test_lines_of_a_report_stand_in_a_block_that_holds():
    block = doc.Lines(language="shell", lines=("x\n```\n# heading",))
    sections = [doc.Section(title=title, blocks=(block,)) for title in doc.TITLES]
    report = doc.Report(
        run="r", date="d", host={}, verdict="v", route="n", evidence=(), sections=tuple(sections)
    )
    assert "\n# heading" not in as_markdown(report)
    assert "````sh\nx ``` # heading\n````" in as_markdown(report)


@given(STRANGE)
def test_a_word_of_a_shell_is_one(text):
    assert shlex.split(shell_word(text)) == [plain(text)]
