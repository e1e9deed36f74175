"""The raw file: what is written is read again, and what breaks the schema is refused by place."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from analyze.paired.synthetic import case, meta, raw, record

from bitnet_perf.bench.paired.npz import META_LIMIT
from bitnet_perf.bench.paired.raw import Raw
from bitnet_perf.bench.paired.schema import COLUMNS, PAIRS
from bitnet_perf.errors import EnvironmentRefused, FormatError

GOLDEN = Path(__file__).parents[2] / "golden" / "lockstep"
FILES = sorted(GOLDEN.glob("*.npz"))


def small() -> Raw:
    """Two pairs of one case, and a quiet canary pair of each kind."""
    return raw([case()], {(0, 0): [0.01, 0.02]}, canary={"compute": [0.0], "streaming": [0.0]})


def written(path: Path, file: Raw, arrays=(), **changes) -> Path:
    """`file` at `path`, its arrays replaced by `arrays` and its meta keys by `changes`."""
    content = {**file.columns, **file.pairs, **dict(arrays)}
    content.setdefault("meta", np.frombuffer(json.dumps({**file.meta, **changes}).encode(), "u1"))
    np.savez(path, **content)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(FormatError) as refused:
        Raw.load(path)
    assert str(path) in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_files_of_other_programs_are_read(path):
    file = Raw.load(path)
    with np.load(path) as reference:
        assert {*file.columns, *file.pairs, "meta"} == set(reference.files)
        for name, array in {**file.columns, **file.pairs}.items():
            np.testing.assert_array_equal(array, reference[name])
            assert array.dtype == reference[name].dtype
        assert file.meta == json.loads(bytes(reference["meta"]))
    assert [item["name"] for item in file.cases()][1:] == ["canary/compute", "canary/streaming"]
    assert [file.looks(index) for index in range(3)] == [(0, 1, 2), (-1,), (-1,)]
    assert [file.samples(0, look).pairs for look in (0, 1, 2)] == [8, 20, 17]


def test_samples_are_the_blocks_of_their_pairs():
    file = Raw.load(FILES[0])
    for look in (0, 2):
        samples = file.samples(0, look)
        rows = np.flatnonzero((file.columns["case"] == 0) & (file.columns["look"] == look))
        assert samples.starts.tolist() == list(range(0, 80 * samples.pairs + 1, 80))
        np.testing.assert_array_equal(samples.wall_ns.ravel(), file.columns["wall_ns"][rows])
        np.testing.assert_array_equal(samples.side.ravel(), file.columns["side"][rows])


def test_rows_may_stand_in_any_order(tmp_path):
    file = Raw.load(FILES[0])
    order = np.random.default_rng(3).permutation(len(file.columns["case"]))
    mixed = written(tmp_path / "mixed.npz", file, {k: v[order] for k, v in file.columns.items()})
    for look in (0, 1, 2):
        one, other = file.samples(0, look), Raw.load(mixed).samples(0, look)
        for name in ("starts", "side", "wall_ns", "cpu_ns"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_pairs_may_have_different_blocks():
    long = record(0, 0, 0.3)
    short = record(0, 0, 0.1)
    short = dataclasses.replace(
        short,
        **{
            name: getattr(short, name)[:4]
            for name in ("block", "position", "side", "wall_ns", "cpu_ns", "switches")
        },
    )
    samples = Raw.build(meta([case()]), [long, short, long]).samples(0, 0)
    assert samples.starts.tolist() == [0, 3, 4, 7]
    assert samples.side.shape == (7, 4)


def test_what_is_built_is_what_is_loaded(tmp_path):
    records = [
        record(0, 0, 0.01, cpu=-1, steal_ms=float("nan"), load=float("nan")),
        record(0, 1, 0.02, cpu=3, steal_ms=1.5, load=7.25),
    ]
    built = Raw.build(meta([case(note="kept")], extra={"kept": [1, 2.5, None]}), records)
    loaded = Raw.load(built.save(tmp_path / "deep" / "raw.npz"))
    assert loaded.meta == built.meta
    assert loaded.meta["version"] == 1
    assert loaded.meta["extra"] == {"kept": [1, 2.5, None]}
    assert loaded.cases()[0]["note"] == "kept"
    for name in {**COLUMNS, **PAIRS}:
        one = {**built.columns, **built.pairs}[name]
        np.testing.assert_array_equal(one, {**loaded.columns, **loaded.pairs}[name])
        assert not one.flags.writeable
    assert loaded.columns["pair"].tolist() == [0] * 12 + [1] * 12
    assert loaded.pairs["pair_cpu"].tolist() == [-1, 3]
    np.testing.assert_array_equal(loaded.pairs["pair_load"], [np.nan, 7.25])
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["deep", "raw.npz"]


def test_a_file_without_pairs(tmp_path):
    empty = Raw.build(meta([case(identical=True)]), [])
    again = Raw.load(empty.save(tmp_path / "empty.npz"))
    assert again.looks(0) == ()
    assert again.samples(0, 0).pairs == 0


def test_a_folder_cannot_be_written(tmp_path):
    with pytest.raises(EnvironmentRefused, match="cannot be written"):
        small().save(tmp_path)


@pytest.mark.parametrize(
    ("column", "row", "value", "words"),
    [
        ("wall_ns", 5, np.nan, "finite and above 0"),
        ("wall_ns", 5, np.inf, "finite and above 0"),
        ("wall_ns", 7, -1.0, "finite and above 0"),
        ("wall_ns", 7, 0.0, "finite and above 0"),
        ("cpu_ns", 9, -1e-9, "not below 0"),
        ("cpu_ns", 9, np.nan, "not below 0"),
        ("switches", 2, -1, "0 or more"),
        ("case", 4, 3, "0 to 2"),
        ("case", 4, -1, "0 to 2"),
        ("case", 4, 1, "its pair's"),  # one pair spans two cases
        ("look", 4, 3, "-1 to 2"),
        ("look", 4, -2, "-1 to 2"),
        ("look", 4, 1, "its pair's"),
        ("pair", 4, -1, "0 or more"),
        ("position", 4, 4, "0 to 3"),
        ("position", 4, 1, "once each"),
        ("block", 4, -1, "0 or more"),
        ("side", 4, 2, "0 to 1"),
        ("side", 4, 0, "ABBA or BAAB"),
        ("pair_cpu", 1, -2, "-1 or more"),
        ("pair_steal_ms", 1, -0.5, "nan, or finite"),
        ("pair_load", 1, np.inf, "nan, or finite"),
    ],
)  # fmt: skip
def test_a_wrong_entry_is_refused_with_column_and_row(tmp_path, column, row, value, words):
    file = small()
    array = {**file.columns, **file.pairs}[column].copy()
    assert array[row] != value
    array[row] = value
    said = refusal(written(tmp_path / "wrong.npz", file, {column: array}))
    place = row if words != "ABBA or BAAB" else 4
    assert f"column {column!r}, row {place}: found" in said
    assert words in said


@pytest.mark.parametrize(
    ("column", "value"), [("block", 7), ("pair", 1)], ids=["moved block", "pair id used twice"]
)
def test_a_block_without_its_four_rows_is_refused(tmp_path, column, value):
    file = small()
    array = file.columns[column].copy()
    array[2] = value
    assert "once each" in refusal(written(tmp_path / "wrong.npz", file, {column: array}))


def test_a_pair_id_that_stands_for_two_pairs_is_refused(tmp_path):
    file = small()
    ids = file.columns["pair"].copy()
    ids[ids == 1] = 0
    said = refusal(written(tmp_path / "twice.npz", file, {"pair": ids}))
    assert "'pair_case' has 4 entries, 'pair' names 3 pairs" in said


def test_a_row_is_missing(tmp_path):
    file = small()
    cut = {name: array[:-1] for name, array in file.columns.items()}
    assert "once each" in refusal(written(tmp_path / "cut.npz", file, cut))


def test_looks_and_canaries_belong_together(tmp_path):
    file = small()
    cases = [dict(item) for item in file.cases()]
    del cases[1]["canary"]
    assert "column 'look', row 24" in refusal(written(tmp_path / "a.npz", file, cases=cases))
    cases[1]["canary"], cases[0]["canary"] = "compute", "compute"
    assert "column 'look', row 0" in refusal(written(tmp_path / "b.npz", file, cases=cases))


@pytest.mark.parametrize("column", [*COLUMNS, *PAIRS])
def test_every_column_must_be_there_with_its_type_and_length(tmp_path, column):
    file = small()
    array = {**file.columns, **file.pairs}[column]
    other = array.astype(np.int64 if array.dtype.kind == "i" else np.float32)
    assert "accepted is" in refusal(written(tmp_path / "type.npz", file, {column: other}))
    assert "dimensions" in refusal(written(tmp_path / "rank.npz", file, {column: array[None]}))
    said = refusal(written(tmp_path / "long.npz", file, {column: np.append(array, array[:1])}))
    assert "entries" in said
    content = {**file.columns, **file.pairs}
    del content[column]
    content["meta"] = np.frombuffer(json.dumps(file.meta).encode(), np.uint8)
    np.savez(tmp_path / "less.npz", **content)
    assert f"{column!r} is missing" in refusal(tmp_path / "less.npz")


def test_a_newer_version_is_refused_by_name(tmp_path):
    said = refusal(written(tmp_path / "new.npz", small(), version=2))
    assert "version 2, newer than version 1" in said


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("version", None), ("version", "1"), ("version", 0), ("version", True), ("version", 1.0),
        ("sides", "two"), ("sides", ["one"]), ("sides", [1, 2]), ("sides", ["a\x1b[31m", "b"]),
        ("sides", ["a", {"label": "\n"}]), ("sides", ["a", {"label": None}]),
        ("sides", ["a", {"label": "x" * 501}]), ("code", "\x1b[31m"), ("code", None),
        ("stopped", "x" * 501), ("stopped", ["Ctrl-C"]),
        ("seed", None), ("seed", 0.5), ("fingerprint", None), ("fingerprint", 7),
        ("rules", []), ("clock", "sun"), ("clock", []), ("cases", None), ("cases", {}),
        ("iterations", [1]), ("iterations", [1, 1, -1]), ("iterations", [1, 1, 1.0]),
        ("threads", [1, 0, 1]), ("threads", "111"), ("code_hashes", None),
    ],
)  # fmt: skip
def test_a_wrong_key_is_refused(tmp_path, key, value):
    said = refusal(written(tmp_path / "meta.npz", small(), **{key: value}))
    assert f"meta {key!r}" in said
    assert "accepted is" in said


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""}, {"name": 3}, {"name": "a\x1b[31m"}, {"name": "x" * 501},
        {"name": "canary/compute"}, {"class": "best"}, {"class": None}, {"bound": "memory"},
        {"canary": "both"}, {"identical": "yes"}, {"identical": 1}, {"clock": "sun"},
        {"only": "both"}, {"bound": []}, {"isas": 5}, {"isas": ["a"]}, {"isas": ["a", 5]},
        {"isas": ["a", "\x1b[31m"]}, {"counts": "few"}, {"counts": ["\x1b[31m"]},
        {"command": "ls"}, {"command": ["a\nb"]},
        {"evidence": "much"}, {"skipped": 5}, {"skipped": "a\tb"}, {"id": ["a"]},
    ],
    ids=str,
)  # fmt: skip
def test_a_wrong_case_is_refused(tmp_path, change):
    cases = [dict(item) for item in small().cases()]
    cases[0].update(change)
    said = refusal(written(tmp_path / "case.npz", small(), cases=cases))
    assert "meta 'cases'[" in said
    said = refusal(written(tmp_path / "case.npz", small(), cases=[1, *cases[1:]]))
    assert "accepted is an object" in said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "no UTF-8 JSON"),
        (b"{", "no UTF-8 JSON"),
        (b"\xff\xfe", "no UTF-8 JSON"),
        (b"[" * 100_000, "no UTF-8 JSON"),
        (b"[]", "accepted is an object"),
        (b'{"seed": NaN}', "holds NaN"),
        (b'{"seed": ' + b"1" * 5000 + b"}", "no UTF-8 JSON"),
        (b'{"seed": 1e400}', "no UTF-8 JSON"),
        (b'{"free": ["\\ud800"]}', "no UTF-8 JSON"),
        (b'{"\\udc80": 1}', "no UTF-8 JSON"),
        (b'{"free": ' + b"[" * 64 + b"]" * 64 + b"}", "more than 64 levels"),
    ],
    ids=[
        "empty", "cut", "encoding", "deep", "list", "nan", "huge integer", "huge number",
        "surrogate", "surrogate key", "nested",
    ],
)  # fmt: skip
def test_meta_that_is_no_json(tmp_path, text, words):
    path = written(tmp_path / "meta.npz", small(), {"meta": np.frombuffer(text, np.uint8)})
    assert words in refusal(path)


def test_build_refuses_what_load_would():
    times = record(0, 0, 0.1).wall_ns.copy()
    times[3] = np.nan
    with pytest.raises(FormatError, match=r"records: column 'wall_ns', row 3: found nan"):
        Raw.build(meta([case()]), [record(0, 0, 0.1, wall_ns=times)])
    with pytest.raises(FormatError, match="'switches' of a pair has shape"):
        Raw.build(meta([case()]), [record(0, 0, 0.1, switches=np.zeros(3, np.int32))])
    with pytest.raises(FormatError, match=r"column 'switches', row 0: found 4294967296"):
        Raw.build(meta([case()]), [record(0, 0, 0.1, switches=np.full(12, 1 << 32))])
    with pytest.raises(FormatError, match="accepted is what JSON can hold"):
        Raw.build(meta([case()], extra=object()), [])
    with pytest.raises(FormatError, match="accepted is what JSON can hold"):
        Raw.build(meta([case()], extra=float("nan")), [])
    with pytest.raises(FormatError, match="bytes of JSON"):
        Raw.build(meta([case()], extra="x" * META_LIMIT), []).save("never")
