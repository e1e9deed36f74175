"""The Criterion reader: recorded trees, and files that Criterion would not have written."""

import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bitnet_perf.errors import FormatError
from bitnet_perf.peers import fields
from bitnet_perf.peers.readers import criterion
from bitnet_perf.peers.readers.criterion import read_criterion

GOLDEN = Path(__file__).parents[2] / "golden"


def write_bench(root: Path, full_id: str, *, saved: str = "new", ns: float = 100.0) -> Path:
    """One benchmark as Criterion 0.7 writes it: 5 linear samples of about `ns` an iteration."""
    folder = root / full_id / saved
    folder.mkdir(parents=True, exist_ok=True)
    group, function, value = full_id.split("/")
    names = {"group_id": group, "function_id": function, "value_str": value}
    names |= {"throughput": {"Elements": 64}, "full_id": full_id, "title": full_id}
    iters = [2.0, 4.0, 6.0, 8.0, 10.0]
    times = [n * ns * f for n, f in zip(iters, (1.0, 1.1, 0.9, 1.2, 1.0), strict=True)]
    estimate = {"point_estimate": ns, "standard_error": 1.0}
    numbers = dict.fromkeys(("mean", "median", "slope", "std_dev"), estimate)
    sample = {"sampling_mode": "Linear", "iters": iters, "times": times}
    for name, value_ in zip(criterion.FILES, (names, numbers, sample), strict=True):
        (folder / name).write_text(json.dumps(value_))
    return folder


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "criterion"
    write_bench(root, "round_trip/I2S_round_trip/64")
    return root


def edit(folder: Path, name: str, **fields: object) -> None:
    """Replace fields of one JSON file of a benchmark."""
    path = folder / name
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_recorded_tree_is_read_whole() -> None:
    tree = read_criterion(GOLDEN / "criterion_fresh")
    assert len(tree.rows) == 60
    assert tree.dropped == ()
    assert [row.id for row in tree.rows] == sorted(row.id for row in tree.rows)
    row = next(row for row in tree.rows if row.id == "quantization_sizes/I2S_quantize/1024")
    assert (row.group, row.function, row.value) == ("quantization_sizes", "I2S_quantize", "1024")
    assert row.throughput == ("Elements", 1024)
    assert len(row.samples) == 100
    assert sum(row.slope is None for row in tree.rows) == 17
    assert {row.sampling for row in tree.rows if row.slope is None} == {"Flat"}


def test_units_are_seconds_per_iteration() -> None:
    tree = read_criterion(GOLDEN / "criterion_fresh_t1")
    row = next(row for row in tree.rows if row.id == "round_trip/I2S_round_trip/16384")
    assert row.samples[0] == pytest.approx(425068e-9 / 2, rel=1e-12)
    assert row.median == pytest.approx(213527.1326923077e-9, rel=1e-12)
    assert row.mean == pytest.approx(211677.44837240395e-9, rel=1e-12)
    assert row.slope == pytest.approx(213454.65339589183e-9, rel=1e-12)
    assert row.to_dict()["source"] == "round_trip/I2S_round_trip/16384/new"


def test_change_folders_are_named_as_dropped() -> None:
    tree = read_criterion(GOLDEN / "criterion_fresh_t1" / "criterion")
    assert len(tree.rows) == len(tree.dropped) == 60
    assert all("/change: Criterion's comparison" in line for line in tree.dropped)


def test_other_record_of_the_project() -> None:
    golden = os.environ.get("BITNET_PERF_GOLDEN")
    if not golden:
        pytest.skip("BITNET_PERF_GOLDEN is not set: criterion_pr448 may not be copied")
    tree = read_criterion(Path(golden) / "criterion_pr448")
    assert len(tree.rows) == len(tree.dropped) == 25
    assert all(line.endswith("/base: identical copy of new") for line in tree.dropped)


def test_saved_runs_beside_the_new_one(tree: Path) -> None:
    shutil.copytree(
        tree / "round_trip/I2S_round_trip/64/new", tree / "round_trip/I2S_round_trip/64/base"
    )
    write_bench(tree, "round_trip/TL1_round_trip/64")
    write_bench(tree, "round_trip/TL1_round_trip/64", saved="base", ns=50.0)
    result = read_criterion(tree)
    assert [row.median for row in result.rows] == pytest.approx([100e-9, 100e-9])
    assert result.dropped == (
        "round_trip/I2S_round_trip/64/base: identical copy of new",
        "round_trip/TL1_round_trip/64/base: another run than new",
    )
    base = read_criterion(tree, baseline="base")
    assert [row.median for row in base.rows] == pytest.approx([100e-9, 50e-9])


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("benchmark.json", {"full_id": ""}, "full_id: ''; accepted: a non-empty string"),
        ("benchmark.json", {"group_id": 7}, "group_id: 7"),
        ("benchmark.json", {"throughput": {"Elements": -1}}, "throughput: dict of 1"),
        ("benchmark.json", {"throughput": 64}, "throughput: 64"),
        ("estimates.json", {"mean": None}, "mean: nothing"),
        ("estimates.json", {"median": {"point_estimate": -1.0}}, "median.point_estimate: -1.0"),
        ("estimates.json", {"median": {"point_estimate": 90.0}}, "accepted: files of one run"),
        ("estimates.json", {"slope": {"point_estimate": True}}, "slope.point_estimate: True"),
        ("sample.json", {"times": [1.0]}, "times: 1 values for 5 iters"),
        ("sample.json", {"times": []}, "times: list of 0"),
        ("sample.json", {"iters": [0, 4, 6, 8, 10]}, r"iters\[0\]: 0"),
        ("sample.json", {"times": [1.0, -2.0, 3.0, 4.0, 5.0]}, r"times\[1\]: -2.0"),
        ("sample.json", {"times": [10**400, 2, 3, 4, 5]}, r"times\[0\]: an integer of 1329 bits"),
        ("sample.json", {"times": ["1", 2, 3, 4, 5]}, r"times\[0\]: '1'"),
        ("sample.json", {"sampling_mode": "Auto"}, "sampling_mode: 'Auto'; accepted: Linear, Flat"),
    ],
)
def test_wrong_field(tree: Path, name: str, fields: dict[str, object], message: str) -> None:
    edit(tree / "round_trip/I2S_round_trip/64/new", name, **fields)
    with pytest.raises(FormatError, match=message) as caught:
        read_criterion(tree)
    assert name in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "is not valid JSON"),
        (b"{", "is not valid JSON"),
        (b"\xff\xfe{", "is no text"),
        (b'{"iters": [NaN]}', r"iters\[0\]: nan"),
        (b'{"iters": [-Infinity]}', r"iters\[0\]: -inf"),
        (b'{"iters": [1e999], "times": [1]}', r"iters\[0\]: inf"),
        (b'{"iters": [' + b"9" * 5000 + b"]}", "is not valid JSON"),
        (b"[" * 100_000, "is not valid JSON"),
        (b"[1, 2]", "holds list of 2; accepted: a JSON object"),
    ],
)
def test_wrong_text(tree: Path, text: bytes, message: str) -> None:
    (tree / "round_trip/I2S_round_trip/64/new/sample.json").write_bytes(text)
    with pytest.raises(FormatError, match=message):
        read_criterion(tree)


@pytest.mark.parametrize("name", criterion.FILES)
def test_missing_file(tree: Path, name: str) -> None:
    (tree / "round_trip/I2S_round_trip/64/new" / name).unlink()
    with pytest.raises(FormatError, match=f"{name}: is missing"):
        read_criterion(tree)


def test_link_out_of_the_tree(tree: Path, tmp_path: Path) -> None:
    path = tree / "round_trip/I2S_round_trip/64/new/sample.json"
    path.rename(tmp_path / "elsewhere.json")
    path.symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(FormatError, match=r"sample.json: is a link that leaves"):
        read_criterion(tree)


def test_linked_folders_are_not_followed(tree: Path, tmp_path: Path) -> None:
    write_bench(tmp_path / "other", "a/b/c")
    (tree / "linked").symlink_to(tmp_path / "other")
    (tree / "loop").symlink_to(tree)
    assert [row.id for row in read_criterion(tree).rows] == ["round_trip/I2S_round_trip/64"]


def test_no_regular_file(tree: Path) -> None:
    path = tree / "round_trip/I2S_round_trip/64/new/sample.json"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(FormatError, match="is no regular file"):
        read_criterion(tree)


def test_huge_file(tree: Path) -> None:
    path = tree / "round_trip/I2S_round_trip/64/new/estimates.json"
    with path.open("r+b") as file:
        file.truncate(fields.MAX_BYTES + 1)
    with pytest.raises(FormatError, match="accepted: at most"):
        read_criterion(tree)


def test_one_id_twice(tree: Path) -> None:
    folder = write_bench(tree, "round_trip/copy/64")
    edit(folder, "benchmark.json", full_id="round_trip/I2S_round_trip/64")
    with pytest.raises(FormatError, match="also stands in round_trip/I2S_round_trip/64/new"):
        read_criterion(tree)


def test_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"no \*/new/benchmark.json"):
        read_criterion(tmp_path)
    with pytest.raises(FormatError, match="is not a folder"):
        read_criterion(tmp_path / "absent")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    name=st.sampled_from(criterion.FILES),
    field=st.sampled_from(["full_id", "throughput", "mean", "median", "slope", "iters", "times"]),
    value=json_values,
)
def test_any_value_is_read_or_refused(tree: Path, name: str, field: str, value: object) -> None:
    folder = write_bench(tree, "round_trip/I2S_round_trip/64")
    edit(folder, name, **{field: value})
    try:
        rows = read_criterion(tree).rows
    except FormatError as error:
        assert name in str(error)  # noqa: PT017 - a refusal is not required, only well formed
    else:
        assert all(sample > 0 for sample in rows[0].samples)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(name=st.sampled_from(criterion.FILES), data=st.binary(max_size=40), cut=st.integers(0, 400))
def test_any_bytes_are_read_or_refused(tree: Path, name: str, data: bytes, cut: int) -> None:
    path = write_bench(tree, "round_trip/I2S_round_trip/64") / name
    path.write_bytes(path.read_bytes()[:cut] + data)
    try:
        read_criterion(tree)
    except FormatError as error:
        assert name in str(error)  # noqa: PT017 - a refusal is not required, only well formed
