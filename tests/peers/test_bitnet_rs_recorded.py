"""The recorded outputs of the crates: everything reproduced, and every changed byte noticed."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from bitnet_perf.errors import BitnetPerfError, FormatError
from bitnet_perf.peers.bitnet_rs.codecs import PREFIX
from bitnet_perf.peers.bitnet_rs.divergence import DIVERGENCES
from bitnet_perf.peers.bitnet_rs.folder import read_arrays, read_index, sha256
from bitnet_perf.peers.bitnet_rs.native import native_table
from bitnet_perf.peers.bitnet_rs.recorded import check_recorded, check_run, expect, judge, unequal

GOLDEN = Path(__file__).parents[1] / "golden" / "bitnet_rs"
CASES = read_index(GOLDEN).cases
NATIVE = native_table()


@pytest.fixture(scope="module")
def report():
    return check_recorded(GOLDEN, NATIVE)


def test_no_run_is_unexplained(report):
    found = report.to_dict()
    assert [run for run in found["details"] if run["verdict"] == "unexplained"] == []
    assert (found["cases"], found["runs"], found["unexplained"]) == (249, 687, [])
    assert found["equal"] + sum(found["classified"].values()) == 687
    assert found["classified"].keys() <= DIVERGENCES.keys()
    assert found["divergences"].keys() == found["classified"].keys()
    json.dumps(found)
    named = sum(found["classified"].values())
    assert report.summary == (
        f"249 cases, 687 runs: {found['equal']} equal, {named} classified, 0 unexplained"
    )


@pytest.mark.parametrize(("isa", "threads"), [("scalar", 1), (None, 2)])
def test_every_variant_gives_the_same_verdicts(report, isa, threads):
    assert check_recorded(GOLDEN, native_table(isa, threads)).details == report.details


def test_codecs_with_a_kernel_are_checked_against_it(report):
    against = {(r.codec, r.against) for r in report.details if r.run != "any"}
    assert {codec for codec, how in against if how == "native"} == {
        "quant.i2s", "quant.tl1", "quant.tl2", "kernel.i2s", "kernel.tl1", "kernel.tl2",
        "matmul_i2s", "matmul",
    }  # fmt: skip
    assert report.to_dict()["native_runs"] == 567


@pytest.mark.parametrize("codec", NATIVE)
def test_a_kernel_that_errs_is_never_explained_away(codec):
    def wrong(call):
        outcome = NATIVE[codec](call)
        for array in outcome.outputs.values() if outcome else ():
            array.reshape(-1).view(np.uint8)[-1:] ^= np.uint8(0x41)
        return outcome

    cases = [case for case in CASES if case.codec == PREFIX + codec]
    for case in cases:
        arrays = read_arrays(GOLDEN, case)
        for run in case.results:
            outcome = outcome_of(NATIVE[codec], case.call(run, arrays))
            verdict = check_run(case, run, arrays, {codec: wrong}).verdict
            if outcome is not None and any(a.size for a in outcome.outputs.values()):
                assert verdict == "unexplained"


def outcome_of(kernel, call):
    try:
        return kernel(call)
    except BitnetPerfError:
        return None


def test_divergences_of_the_recording_by_name(report):
    named = {(r.codec, r.run, name) for r in report.details for name in r.divergences}
    assert {
        ("quant.i2s", "avx2", "repeated-codes"),
        ("quant.i2s", "avx2", "ties"),
        ("quant.tl2", "avx512", "block-size"),
        ("kernel.tl2", "avx512", "zero-code"),
        ("kernel.tl2", "avx2", "dirty-output"),
        ("quant.tl2", "avx2", "non-finite"),
        ("matmul", "simd_matmul_i2s@avx2", "summation-order"),
        ("matmul_i2s", "avx512", "summation-order"),
    } <= named
    assert all(r.verdict == "equal" for r in report.details if r.run in ("scalar", "any"))


def flip(array, rng):
    """A copy with one byte changed, in an element that is not NaN."""
    changed = array.copy()
    raw = changed.reshape(-1).view(np.uint8).reshape(array.size, -1)
    plain = np.flatnonzero(~np.isnan(array.reshape(-1).astype(np.float64)))
    element = rng.choice(plain) if plain.size else rng.integers(array.size)
    place = rng.integers(raw.shape[1]) if plain.size else raw.shape[1] - 1
    # all NaN: clear exponent bits, so that the payload is no longer one
    raw[element, place] ^= rng.integers(1, 256) if plain.size else 0x7F
    return changed


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_one_flipped_byte_names_every_run_that_holds_it(case):
    rng = np.random.default_rng([7, *case.id.encode()])
    arrays = read_arrays(GOLDEN, case)
    wanted = {run: expect(case.call(run, arrays), NATIVE) for run in case.results}
    holders = {}
    for run, result in case.results.items():
        for key in result.outputs.values():
            holders.setdefault(key, set()).add(run)
    for key, runs in holders.items():
        if arrays[key].size == 0:
            continue
        broken = arrays | {key: flip(arrays[key], rng)}
        verdicts = {run: judge(case, run, broken, wanted[run]) for run in case.results}
        assert {run for run, r in verdicts.items() if r.verdict == "unexplained"} == runs
        assert all(verdicts[run].case == case.id and verdicts[run].reason for run in runs)


def test_nan_equals_nan_whatever_its_payload_and_zero_keeps_its_sign():
    plain, other = (
        np.array([bits], np.uint32).view(np.float32) for bits in (0x7FC00000, 0xFFC00001)
    )
    assert not unequal(plain, other)
    assert unequal(np.float32([0.0]), np.float32([-0.0]))
    assert unequal(np.float32([1]), np.float64([1]))
    assert unequal(np.zeros((2, 2), np.float32), np.zeros(4, np.float32))


@pytest.fixture
def small(tmp_path):
    """A folder of three cases, with its index as plain data."""
    index = json.loads((GOLDEN / "index.json").read_text())
    names = ("quant.i2s.new--vec8", "kernel.tl2--vec8", "iq2s.error")
    index["cases"] = [case for case in index["cases"] if case["id"] in names]
    for case in index["cases"]:
        shutil.copy(GOLDEN / case["file"], tmp_path)
    write(tmp_path, index)
    return tmp_path, index


def write(folder, index):
    (folder / "index.json").write_text(json.dumps(index))


def rewrite_array(folder, case, key, change):
    arrays = dict(np.load(folder / case["file"]))
    arrays[key] = change(arrays[key])
    np.savez(folder / case["file"], **arrays)
    return arrays[key]


@pytest.mark.parametrize("regenerated", [False, True], ids=["old index", "new index"])
def test_a_changed_file_is_noticed_with_and_without_a_new_index(small, regenerated):
    folder, index = small
    case = index["cases"][0]
    changed = rewrite_array(folder, case, "avx2.data", lambda a: a ^ np.uint8([0, 1]))
    if regenerated:
        case["arrays"]["avx2.data"]["sha256"] = sha256(changed)
        write(folder, index)
    report = check_recorded(folder, NATIVE)
    assert report.unexplained == [case["id"]]
    (run,) = (r for r in report.details if r.verdict == "unexplained")
    assert run.run == "avx2"
    assert "data" in run.reason


def test_an_input_that_is_not_the_indexed_one_spoils_every_run(small):
    folder, index = small
    rewrite_array(folder, index["cases"][0], "in.x", lambda a: a * np.float32(2))
    report = check_recorded(folder, NATIVE)
    assert [r.run for r in report.details if r.verdict == "unexplained"] == [
        "scalar",
        "avx2",
        "avx512",
    ]
    assert "sha256" in report.details[0].reason


def test_recorded_meta_and_status_count(small):
    folder, index = small
    first, second, refused = index["cases"]
    first["results"]["scalar"]["meta"]["block_size"] = 33
    second["results"]["avx2"] = {
        "status": "error",
        "error": "no",
        "run_params": {"provider": "avx2"},
    }
    refused["results"]["any"] = {"status": "ok", "outputs": {}}
    write(folder, index)
    assert check_recorded(folder, NATIVE).unexplained == [
        case["id"] for case in (first, second, refused)
    ]


def edit(path, value):
    """A change of the index: the value at a dotted path set, or the key removed (None)."""

    def change(index):
        *parents, last = path
        for key in parents:
            index = index[key]
        if value is None:
            del index[last]
        else:
            index[last] = value

    return change


CASE0 = ("cases", 0)
HOSTILE = [
    (edit(("cases",), None), "cases"),
    (edit(("format",), 9), "format"),
    (edit(("cases",), {}), "cases"),
    (edit((*CASE0, "file"), "../secret.npz"), "file"),
    (edit((*CASE0, "file"), "/etc/passwd"), "file"),
    (edit((*CASE0, "file"), "absent.npz"), "absent.npz"),
    (edit((*CASE0, "file"), "a\0b"), "file"),
    (edit((*CASE0, "codec"), "bitnet_rs.quant.q9"), "codec"),
    (edit((*CASE0, "id"), "kernel.tl2--vec8"), "id"),
    (edit((*CASE0, "inputs"), {}), "inputs"),
    (edit((*CASE0, "inputs"), {"x": "in.y"}), "in.y"),
    (edit((*CASE0, "results", "scalar", "status"), "fine"), "status"),
    (edit((*CASE0, "arrays", "in.q"), {"dtype": "<f4", "shape": [1], "sha256": ""}), "in.q"),
    (edit((*CASE0, "arrays", "in.x"), None), "in.x"),
]


@pytest.mark.parametrize(("change", "named"), HOSTILE)
def test_an_index_that_does_not_fit_is_one_clear_error(small, change, named):
    folder, index = small
    change(index)
    write(folder, index)
    with pytest.raises(FormatError, match=r"index\.json|npz|case") as caught:
        check_recorded(folder, NATIVE)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 100_000, b"null"])
def test_an_index_that_is_not_json_is_one_clear_error(tmp_path, content):
    (tmp_path / "index.json").write_bytes(content)
    with pytest.raises(FormatError, match=r"index\.json"):
        check_recorded(tmp_path, NATIVE)


def test_a_folder_without_an_index_is_one_clear_error(tmp_path):
    with pytest.raises(FormatError, match=r"index\.json: cannot be read"):
        check_recorded(tmp_path / "absent", NATIVE)


def test_a_pickle_is_never_loaded(small):
    folder, index = small
    case = index["cases"][0]
    rewrite_array(folder, case, "in.x", lambda _: np.array([{"a": 1}], dtype=object))
    with pytest.raises(FormatError, match=r"quant\.i2s\.new--vec8.*in\.x"):
        check_recorded(folder, NATIVE)


def test_a_damaged_archive_names_its_case_and_leaves_the_others(small):
    folder, index = small
    case = index["cases"][1]
    rewrite_array(folder, case, "in.x", lambda a: a)
    raw = bytearray((folder / case["file"]).read_bytes())
    raw[raw.index(b"\x93NUMPY") + 130] ^= 1
    (folder / case["file"]).write_bytes(raw)
    report = check_recorded(folder, NATIVE)
    assert report.unexplained == [case["id"]]
    assert all("damaged" in r.reason for r in report.details if r.verdict == "unexplained")


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04" + bytes(60)])
def test_a_broken_npz_is_one_clear_error(small, content):
    folder, index = small
    (folder / index["cases"][0]["file"]).write_bytes(content)
    with pytest.raises(FormatError, match=r"vec8\.npz"):
        check_recorded(folder, NATIVE)


@pytest.mark.parametrize(
    ("params", "shape"),
    [({"m": 10**7, "n": 10**7, "k": 10**7}, (2, 2)), ({"m": -1, "n": 2, "k": 2}, (2, 2))],
)
def test_parameters_that_fit_no_input_leave_the_run_unexplained(tmp_path, params, shape):
    a, b = np.ones(shape, np.int8), np.ones(shape, np.uint8)
    arrays = {"in.a": a, "in.b": b, "c": np.zeros(shape, np.float32)}
    np.savez(tmp_path / "one.npz", **arrays)
    info = {
        key: {"dtype": v.dtype.str, "shape": list(v.shape), "sha256": sha256(v)}
        for key, v in arrays.items()
    }
    case = {
        "id": "one",
        "file": "one.npz",
        "codec": "matmul_i2s",
        "params": params,
        "inputs": {"a": "in.a", "b": "in.b"},
        "arrays": info,
        "results": {"scalar": {"status": "ok", "outputs": {"c": "c"}}},
    }
    write(tmp_path, {"format": 1, "cases": [case]})
    assert check_recorded(tmp_path, NATIVE).unexplained == ["one"]
