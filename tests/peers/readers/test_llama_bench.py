"""llama-bench in its four forms, and the same forms of `bitnet-perf benchmark`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from reference.results_files import FILES, LLAMA, LLAMA_TESTS, llama_jsonl, llama_sql

import bitnet_perf as bp

CASES = [
    "tiny-i2_s.gguf/pp512/t8",
    "tiny-i2_s.gguf/tg128/t8",
    "tiny-i2_s.gguf/tg128@d64/t8 b=256 fa=1",
]
FORMS = {name: FILES[f"llama.{name}"][1].decode() for name in ("json", "jsonl", "csv", "sql")}


def read(path: Path, text: str) -> bp.Results:
    path.write_text(text)
    return bp.read_results(path)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_names_the_same_tests(form, tmp_path):
    found = read(tmp_path / "x", FORMS[form])
    assert [row.case for row in found] == CASES
    assert {row.unit for row in found} == {"second"}
    assert all(row.host == {"cpu": "A CPU"} for row in found)
    claims = [row.claims for row in found]
    assert {each.commit for each in claims} == {"8cf427ff"}
    # A generated token reads the model; a prompt is read in batches.
    assert [(each.tokens, each.bytes_per_token) for each in claims] == [
        (None, None), (128, 600000000), (128, 600000000),
    ]  # fmt: skip


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_samples_are_those_in_nanoseconds(form, tmp_path):
    """The stddev_ns of the file is one that wrapped: it is never read."""
    found = read(tmp_path / "x", FORMS[form])
    assert found[0].samples == pytest.approx((1.95, 2.05, 2.0))
    assert "wraps in 64-bit integers (and 2 more)" in found.dropped[0]


@pytest.mark.parametrize("form", ["csv", "sql"])
def test_without_samples_the_mean_is_the_sample(form, tmp_path):
    found = read(tmp_path / "x", FORMS[form])
    assert [row.samples for row in found] == [(2.0,), (4.0,), (2.0,)]
    assert "csv and sql hold no samples: avg_ns is the one sample" in found.dropped[0]


def test_the_older_table(tmp_path):
    assert [row.case for row in read(tmp_path / "x", llama_sql("test"))] == CASES


def test_a_file_written_to_again_holds_runs(tmp_path):
    found = read(tmp_path / "x", llama_jsonl() * 3)
    assert [row.case for row in found] == CASES
    assert [row.runs for row in found] == [(3, 3, 3)] * 3
    assert found[0].processes()[2] == pytest.approx((1.95, 2.05, 2.0))


def test_prompt_and_generation_in_one(tmp_path):
    found = read(tmp_path / "x", json.dumps([LLAMA | {"n_gen": 128, "model_filename": "C:\\a\\b"}]))
    assert [row.case for row in found] == ["b/pp512+tg128/t8"]


def test_a_quote_in_a_value(tmp_path):
    """The SQL is not valid then; it is read all the same."""
    text = llama_sql().replace("'A CPU'", "'Bob's CPU'")
    assert read(tmp_path / "x", text)[0].host == {"cpu": "Bob's CPU"}
    text = FORMS["csv"].replace('"A CPU"', '"Bob""s CPU"')
    assert read(tmp_path / "x", text)[0].host == {"cpu": 'Bob"s CPU'}


def test_nothing_repeated(tmp_path):
    tests = [LLAMA | {"samples_ns": [], "avg_ns": 0}, LLAMA_TESTS[1]]
    found = read(tmp_path / "x", json.dumps(tests))
    assert [row.case for row in found] == CASES[1:2]
    assert "[0]: no repetition took any time" in found.dropped
    found = read(tmp_path / "x", FORMS["csv"].replace('"2000000000"', '"0"', 1))
    assert "line 2.avg_ns: 0: nothing was measured" in found.dropped


def test_our_own_files(tmp_path):
    """What `bitnet-perf benchmark --format csv | jsonl` writes of a model."""
    from bitnet_perf.review.benchmark import FORMATS, benchmark

    model = bp.make_model(tmp_path / "m.gguf")
    made = benchmark(model, 4, warmup_tokens=0, threads=1, stream=False)
    rows = {}
    for form in ("csv", "jsonl"):
        rows[form] = list(read(tmp_path / f"x.{form}", FORMATS[form](made)))
        assert [row.case for row in rows[form]] == [
            f"m.gguf/pp{made.prompt_tokens}/t1", "m.gguf/tg3/t1",
        ]  # fmt: skip
    assert [row.samples for row in rows["csv"]] == [row.samples for row in rows["jsonl"]]
    assert len(rows["csv"][1].samples) == len(made.samples)
    found = read(tmp_path / "x.json", json.dumps(made.to_dict()))
    assert [(row.case, row.unit) for row in found] == [
        ("m.gguf/decode/cpu", "token/second"), ("m.gguf/prefill/cpu", "second"),
    ]  # fmt: skip
    seconds = [each["decode"] for each in made.samples]
    assert [3 / rate for rate in found[0].samples] == pytest.approx(seconds)
    assert found[0].claims.bytes_per_token == made.bytes_per_token
    assert found[0].host["cpu"] == made.host["cpu"]


BROKEN = [
    ("json", '"avg_ns": 2000000000', '"avg_ns": 2100000000',
     "[0].avg_ns: 2100000000; accepted: the mean of samples_ns, 2000000000"),
    ("json", "1950000000", "-1", "[0].samples_ns[0]: -1; accepted: a finite number above zero"),
    ("json", '"n_prompt": 512', '"n_prompt": "512"', "[0].n_prompt: '512'; accepted: a whole"),
    ("csv", '"8"', '"8","9"', "line 2: 34 cells; accepted: 33, as in the first line"),
    ("csv", '"8"', '"8"x', "line 2: ',' expected after '\"'; accepted: CSV"),
    ("csv", '"512","0"', '"5e2","0"', "line 2.n_prompt: '5e2'; accepted: a whole number"),
    ("sql", "'8', ", "", "values; accepted: "),
    ("sql", "INSERT", "DROP TABLE x; INSERT", "accepted: the statements of llama-bench -o sql"),
    ("sql", "'2000000000'", "'x'", ".avg_ns: 'x'; accepted: a whole number of 0 or more"),
]  # fmt: skip


@pytest.mark.parametrize(("form", "old", "new", "message"), BROKEN)
def test_wrong_field(form, old, new, message, tmp_path):
    assert old in FORMS[form]
    with pytest.raises(bp.MeasurementError) as caught:
        read(tmp_path / "x", FORMS[form].replace(old, new, 1))
    assert str(caught.value).startswith(f"{tmp_path / 'x'}: ")
    assert message in str(caught.value)


def test_a_file_cut_short(tmp_path):
    """As where the program ends early."""
    with pytest.raises(bp.MeasurementError, match="is not valid JSON"):
        read(tmp_path / "x", FORMS["json"][:-300])
    with pytest.raises(bp.MeasurementError, match=r"line 3: .*a JSON object on each line"):
        read(tmp_path / "x", FORMS["jsonl"][:-30])
