"""The ledger, text to text: our row, bullet, decision and state change, every other byte stays."""

from __future__ import annotations

import dataclasses
import json
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bitnet_perf.errors import FormatError
from bitnet_perf.github.gates import gate_named, with_row
from bitnet_perf.github.ledger import LARGEST, Entry, create, is_ledger, mark_of, read_state, update
from bitnet_perf.github.payload import Row
from bitnet_perf.github.regions import ORDER, region
from bitnet_perf.report.evidence import parse_line

INFERENCE = "perf: inference: 45.2 tokens/sec; Δ vs baseline: +12%"
PASS = Row(gate="perf", status="pass", evidence=("Δ ≤ threshold", INFERENCE))
ENTRY = Entry(
    head="a" * 40,
    rows=(PASS,),
    hop="aaaaaaa: performance validation complete, 12 pass",
    state="in-progress",
    why="performance validation complete",
    agent="test-finalizer",
)
OTHER = dataclasses.replace(ENTRY, head="b" * 40, hop="bbbbbbb: significant regression detected")
CELL = "pass | Δ ≤ threshold<br>perf: inference: 45.2 tokens/sec; Δ vs baseline: +12% |"
TABLE = "| Gate | Status | Evidence |\n| ---- | ------ | -------- |\n"


def gates(body: str) -> str:
    return f"<!-- gates:start -->\n{body}<!-- gates:end -->\n"


def test_a_new_ledger_has_its_four_regions_in_order():
    text = create(ENTRY)
    places = [text.index(f"<!-- {name}:{end} -->") for name in ORDER for end in ("start", "end")]
    assert places == sorted(places)
    assert gates(f"{TABLE}| perf | {CELL}\n") in text
    assert "### Hop log\n- [performance-benchmark] aaaaaaa: performance validation" in text
    assert "complete, 12 pass; NEXT→test-finalizer\n" in text
    assert "**State:** in-progress\n**Why:** performance validation complete\n" in text
    assert "**Next:** NEXT → test-finalizer\n<!-- decision:end -->" in text
    assert is_ledger(text)
    assert update(text, ENTRY) == text


def test_the_evidence_of_a_cell_reads_back():
    cell = re.search(r"\| perf \| pass \| (.*) \|", create(ENTRY))
    assert parse_line(cell[1].split("<br>")[1]).numbers == {"tokens/sec": 45.2, "delta": 0.12}


@pytest.mark.parametrize("state", ["ready", "merged"])
def test_a_pull_request_that_is_ready_ends_the_gate(state):
    text = create(dataclasses.replace(ENTRY, state=state))
    assert "**Next:** FINALIZE → perf/test-finalizer\n" in text
    assert "**Next:** FINALIZE → perf/test-finalizer" in update(
        text, dataclasses.replace(OTHER, state=state)
    )


@pytest.mark.parametrize(
    "row",
    [
        "| perf | ❌ fail | old |",
        "| perf | **FAIL** | old |",
        "| **perf** | fail | old \\| older |",
        "| `perf` | ⏭️ skipped | `method: mock` |",
        "| PERF | pending |  |",
        "| review:gate:perf | fail | old |",
        "| **review:gate:perf** | fail | old |",
        "| ✅ Perf | fail | old |",
        "| [perf](https://x.example) | fail | old |",
        "| <b>perf</b> | fail | old |",
        "|perf|fail|old|",
        "| perf | fail",
        "| perf |",
        "perf | fail | old",
    ],
)
def test_the_row_is_found_however_it_is_written(row):
    before, after = "| tests | ✅ PASS | 9/9 \\| ok |", "| perfect | pass | x |"
    text = gates(f"{TABLE}{before}\n{row}\n{after}\n")
    name = row.removeprefix("|").split("|")[0]
    lead = "|" if row.startswith("|") else ""
    expected = gates(f"{TABLE}{before}\n{lead}{name}| {CELL}\n{after}\n")
    assert with_row(text, PASS) == expected
    assert with_row(expected, PASS) == expected


@pytest.mark.parametrize(
    "name", ["perfect", "integrative:gate:perf", "perf-gpu", "no perf", "benchmarks", ""]
)
def test_other_gates_are_left_alone(name):
    text = gates(f"{TABLE}| {name} | fail | old |\n")
    assert with_row(text, PASS) == gates(f"{TABLE}| {name} | fail | old |\n| perf | {CELL}\n")


def test_more_columns_and_another_order_keep_their_cells():
    head = "| Status | **Gate** | Agent | Evidence | When |\n|--|--|--|--|--|\n"
    text = gates(f"## Status of gates\n\n{head}| ✅ PASS | perf | me | old | today |\n\n")
    after = with_row(text, PASS)
    assert "| pass | perf | me | Δ ≤ threshold<br>" in after
    assert "+12% | today |\n\n<!-- gates:end -->" in after
    added = with_row(gates(head), PASS)
    assert "| pass | perf |  | Δ ≤ threshold<br>" in added


def test_two_rows_of_the_gate_say_the_same():
    text = gates(f"{TABLE}| perf | fail | a |\n| tests | pass | t |\n\n| `perf` | pass | b |\n")
    assert with_row(text, PASS).count(f"| {CELL}") == 2


def test_benchmarks_have_a_row_of_their_own():
    row = Row(gate="benchmarks", status="pass", evidence=("method: primary; result: 12 cases",))
    text = gates(f"{TABLE}| perf | fail | a |\n| benchmarks | skipped | b |\n")
    after = with_row(text, row)
    assert "| perf | fail | a |\n| benchmarks | pass | method: primary; result: 12 cases |" in after


@pytest.mark.parametrize("body", ["", "## Gates\n\n", "nothing here yet\n"])
def test_anchors_without_a_table_get_one(body):
    after = with_row(gates(body), PASS)
    assert after.startswith(f"<!-- gates:start -->\n{body.rstrip()}")
    assert f"{TABLE}| perf | {CELL}\n" in after
    assert after.endswith("<!-- gates:end -->\n")


@pytest.mark.parametrize(
    "text",
    [
        f"{TABLE}| perf | fail | x |\n<!-- gates:end -->\n",
        f"<!-- gates:start -->\n{TABLE}| perf | fail | x |\n",
        f"# Ledger\n\n{TABLE}| perf | fail | x |\n\n<!-- hoplog:start -->\n<!-- hoplog:end -->\n",
        f"<!-- GATES : START -->\n{TABLE}| perf | fail | x |\n<!--gates:end-->",
        f"<!-- gates:start -->\n```\n{TABLE}| perf | fail | x |\n```\n<!-- gates:end -->\n",
    ],
)
def test_missing_and_odd_anchors(text):
    assert with_row(text, PASS) == text.replace("fail | x |", CELL)


def test_line_ends_stay_as_they_are():
    text = create(ENTRY).replace("\n", "\r\n")
    after = update(text, OTHER)
    assert after.count("\n") == after.count("\r\n") == text.count("\r\n") + 1


HOPS = "<!-- hoplog:start -->\n{}<!-- hoplog:end -->\n"
FENCES = ("```\n", "```\n")
BULLET = (
    "- [performance-benchmark] aaaaaaa: performance validation complete, 12 pass;"
    " NEXT→test-finalizer\n"
)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (HOPS.format("### Hop log\n"), HOPS.format(f"### Hop log\n{BULLET}")),
        (HOPS.format("## Hop Log\n\n- a\n\n"), HOPS.format(f"## Hop Log\n\n- a\n{BULLET}\n")),
        (HOPS.format("```\n- a\n```\n"), HOPS.format(f"```\n- a\n{BULLET}```\n")),
        (HOPS.format("~~~text\n~~~\n"), HOPS.format(f"~~~text\n{BULLET}~~~\n")),
        (HOPS.format("```\n- a\n"), HOPS.format(f"```\n- a\n{BULLET}")),
        (HOPS.format("- a\n").join(FENCES), HOPS.format(f"- a\n{BULLET}").join(FENCES)),
        (HOPS.format(""), HOPS.format(BULLET)),
        (HOPS.format("- a "), HOPS.format(f"- a \n{BULLET}")),
        ("### Hop log\n- a\n\n## Next\n", f"### Hop log\n- a\n{BULLET}\n## Next\n"),
        ("## 🪵 **Hop Log**\n- a\n\n---\n", f"## 🪵 **Hop Log**\n- a\n{BULLET}\n---\n"),
        ("### Hop log\n", f"### Hop log\n{BULLET}"),
        ("", HOPS.format(f"### Hop log\n{BULLET}")),
    ],
)
def test_one_bullet_goes_to_the_end_of_the_hop_log(before, after):
    head = create(ENTRY).split("<!-- hoplog:start -->")[0].replace(CELL, "fail | x |")
    found = update(head + before, ENTRY)
    rest = found.removeprefix(head.replace("fail | x |", CELL)).lstrip("\n")
    assert rest.startswith(after)
    assert found.count(BULLET) == 1
    again = update(found.replace(ENTRY.head, "c" * 40), ENTRY)  # another commit, the same words
    assert again.count(BULLET) == 1


DECISION = "<!-- decision:start -->\n{}<!-- decision:end -->\n"
DECIDED = (
    "**State:** in-progress\n**Why:** performance validation complete\n"
    "**Next:** NEXT → test-finalizer\n"
)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("**State:** ready\n**Why:** x\n**Next:** y\n", DECIDED),
        ("", DECIDED),
        ("## Decision\n\n**State**: ready_for_review\n", f"## Decision\n\n{DECIDED}"),
        ("state: READY\n\nWhy: a\nb\nc\n\nNext: z\n", DECIDED.replace("\n**", "\n\n**")),
        ("**Next:** FINALIZE → gate/agent\n", DECIDED),
        (
            "**State:** ready\n**Why:** x\n**Next:** y\n\n**Routing:**\n- a\n",
            f"{DECIDED}\n**Routing:**\n- a\n",
        ),
    ],
)
def test_the_decision_is_refreshed_line_by_line(before, after):
    text = update(create(ENTRY).split("<!-- decision:start")[0] + DECISION.format(before), OTHER)
    assert DECISION.format(after) in text


def test_the_same_result_edits_nothing_and_a_new_one_adds_one_hop():
    first = create(ENTRY)
    worn = first.replace(f"| perf | {CELL}", "| perf | ✅ pass | edited by a person |")
    assert update(worn, ENTRY) == worn
    second = update(first, OTHER)
    assert second.count("- [performance-benchmark]") == 2
    assert read_state(second) == dataclasses.replace(
        read_state(first), head=OTHER.head, result=OTHER.result
    )
    third = update(second, dataclasses.replace(ENTRY, head="c" * 40, over=(mark_of("x"),)))
    fourth = update(third, OTHER)
    assert (read_state(third).over, read_state(fourth).before) == ((mark_of("x"),),) * 2
    assert second.count("bitnet-perf:state") == 1


@pytest.mark.parametrize(
    "broken",
    [
        "{",
        "{}",
        "[1]",
        '{"head": 1, "result": "x"}',
        "{x}",
        '{"head":"a","result":"b","over":["\\u003e"]}',
    ],
)
def test_a_broken_state_is_written_anew(broken):
    text = re.sub(r"(bitnet-perf:state )\{.*\}", lambda m: m[1] + broken, create(ENTRY))
    assert read_state(text) is None
    after = update(text, ENTRY)
    assert after.count("- [performance-benchmark]") == 1
    assert read_state(after).head == ENTRY.head


def test_a_ledger_that_is_full_says_so():
    with pytest.raises(FormatError, match="shorten its hop log"):
        update(create(ENTRY) + "x" * (LARGEST - 700), OTHER)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (create(ENTRY), True),
        (gates(""), True),
        ("<!-- hoplog:start --><!-- hoplog:end --><!-- decision:start -->", True),
        ("<!-- hoplog:start -->", False),
        ("a comment", False),
        (f"How it looks:\n```md\n{create(ENTRY).split('<!-- bitnet-perf')[0]}```\n", False),
        ("Edit between `<!-- gates:start -->` and `<!-- gates:end -->`, please", False),
        ("> <!-- gates:start -->\n> | perf | fail | x |\n\nWhy?", False),
    ],
)
def test_what_is_a_ledger(text, found):
    assert is_ledger(text) is found


STRANGE = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\x0b\x0c\x1c\x1d\x1e\x85"),
    max_size=40,
)


@given(STRANGE, STRANGE)
@example("<!-- gates:end --> | fail |", "\u202ex -->")
@example("```\n- x", "@octocat")
def test_words_of_strangers_stay_in_their_places(words, case):
    entry = dataclasses.replace(
        ENTRY,
        rows=(Row(gate="perf", status="fail", evidence=(words,)),),
        hop=words,
        why=words,
        over=(mark_of(case),),
    )
    text = create(entry)
    assert update(text, entry) == text
    assert [line.split(" | ")[0] for line in text.splitlines() if line.startswith("|")] == [
        "| Gate", "| ----", "| perf",
    ]  # fmt: skip
    assert len(text.split("\n")) == len(create(ENTRY).split("\n"))
    for name in ORDER:
        assert text.count(f"<!-- {name}:start -->") == text.count(f"<!-- {name}:end -->") == 1
    assert len(read_state(text).over) == 1


# A line of somebody else: anything that is no line of ours, no anchor and opens no code.
LINE = STRANGE.filter(
    lambda line: (
        not re.search(r"<!--|-->|`{3}|~{3}|\|", line)
        and not re.match(r"\s*(#|>|[-*+]\s|---|\*\*|__|state|why|next)", line, re.IGNORECASE)
    )
)
NAME = st.sampled_from(
    ["tests", "build-cpu", "**docs**", "integrative:gate:perf", "perfect", "✅ a"]
)
ROW = st.tuples(NAME, STRANGE.map(lambda cell: re.sub(r"[|\\]", "", cell))).map(
    lambda cells: f"| {cells[0]} | ✅ PASS | {cells[1]} |"
)
HOP = LINE.map(lambda words: f"- {words}x")


def block(name, lines):
    return [f"<!-- {name}:start -->", *lines, f"<!-- {name}:end -->"]


@st.composite
def ledgers(draw):
    """(lines of others, line of ours where there is one): a ledger as people leave it."""
    aside = st.lists(LINE, max_size=3)
    ours = draw(st.sampled_from([None, "| perf | ❌ | x |", "| **review:gate:perf** | pass | y |"]))
    rows = draw(st.lists(ROW, max_size=4))
    table = [*TABLE.splitlines(), *rows]
    if ours:
        table.insert(draw(st.integers(2, len(table))), ours)
    heading = draw(st.sampled_from([[], ["## Gates", ""]]))
    lines = draw(aside) + block("gates", heading + table) + draw(aside)
    lines += block("hoplog", ["### Hop log", *draw(st.lists(HOP, max_size=4))]) + draw(aside)
    fields = draw(st.sampled_from([[], ["**State:** ready", "**Why:** x", "**Next:** y"]]))
    lines += block("decision", fields) + draw(aside)
    return lines, {ours, *fields}


@given(ledgers(), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_every_byte_of_others_stays(ledger, newline, ends):
    lines, ours = ledger
    text = newline.join(lines) + (newline if ends or lines[-1] == "" else "")
    after = update(text, ENTRY)
    written = {
        *(line.rstrip("\n") for line in (BULLET, *DECIDED.splitlines())),
        *(line for line in create(ENTRY).splitlines() if "bitnet-perf:state" in line),
    }
    kept = [
        line
        for line in after.split(newline)
        if line not in written and not line.endswith(f"| {CELL}")
    ]
    assert kept == [*(line for line in lines if line not in ours), ""]
    assert after.count(f"| {CELL}") == 1
    assert update(after, ENTRY) == after
    for name in ("gates", "hoplog", "decision"):
        assert region(after, name) is not None


PIECES = st.sampled_from([
    "<!-- gates:start -->", "<!-- gates:end -->", "<!-- hoplog:start -->", "<!-- hoplog:end -->",
    "<!-- decision:start -->", "<!-- decision:end -->", "```", "~~~", "| perf | x | y |", "| a |",
    *TABLE.splitlines(), "### Hop log", "- a", "**State:** x", "**Why:** y", "text", "", "---",
])  # fmt: skip


@given(st.lists(PIECES, max_size=14), st.sampled_from(["\n", "\r\n"]))
def test_whatever_people_left_nothing_of_it_is_lost(lines, newline):
    text = newline.join(lines)
    after = update(text, ENTRY)
    assert after.count(f"| {CELL}") >= 1
    assert after.count(BULLET.strip()) == 1
    assert read_state(after).result == ENTRY.result
    assert update(after, ENTRY) == after
    rest = iter(after.splitlines())
    ours = re.compile(r"\| perf \||\*\*(State|Why)|text$")
    assert all(line in rest for line in lines if line and not ours.match(line))


@given(st.text(max_size=30))
def test_names_of_gates_are_read_without_trouble(cell):
    assert re.fullmatch(r"[a-z0-9:_-]*", gate_named(cell))


def test_the_state_is_compact_json():
    found = re.search(r"<!-- bitnet-perf:state (.*) -->", create(ENTRY))
    assert json.loads(found[1]) == {
        "v": 1, "head": ENTRY.head, "result": ENTRY.result, "over": [], "before": [],
    }  # fmt: skip
    assert " " not in found[1]
