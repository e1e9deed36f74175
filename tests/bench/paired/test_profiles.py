"""The profile file: what is written is read back, and strangers' files are refused."""

from __future__ import annotations

import json

import pytest
from analyze.attribution.synthetic import pair_of, profile, profiles, raw
from hypothesis import given, settings
from hypothesis import strategies as st

from bitnet_perf.analyze.attribution import attribute_profiles
from bitnet_perf.bench.paired.profiles import CaseProfile, Profiles
from bitnet_perf.errors import FormatError
from bitnet_perf.review.attribution import load_profiles

CASE = "load/gguf/i2_s/small/t1"


@pytest.fixture(scope="module")
def known():
    return profiles(profile(pairs=2, blocks=2), CaseProfile(case=CASE, missing="base: too old"))


def refused(tmp_path, text):
    path = tmp_path / "profile.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(FormatError) as error:
        load_profiles(path)
    assert str(path) in str(error.value)
    return str(error.value)


def changed(known, change):
    value = json.loads(known.model_dump_json())
    change(value)
    return json.dumps(value)


def test_what_is_written_is_read_back(known, tmp_path):
    assert load_profiles(known.save(tmp_path / "profile.json")) == known


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FormatError, match=r"gone\.json: cannot be read"):
        load_profiles(tmp_path / "gone.json")


def pair(value):
    return value["cases"][0]["pairs"][0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda v: v.update(version=2), "version"),
        (lambda v: v.update(more=1), "more"),
        (lambda v: v.update(sides=["one"]), "sides"),
        (lambda v: pair(v).update(pattern="AABB"), "pattern"),
        (lambda v: pair(v).update(pattern="ABBA" * 2000), "pattern"),
        (lambda v: pair(v)["wall_ns"].append(5), "wall_ns: 9 entries, the pattern has 8"),
        (lambda v: pair(v)["wall_ns"].__setitem__(0, 1), "sample 0: its parts add up to"),
        (lambda v: pair(v)["wall_ns"].__setitem__(0, 10**30), "wall_ns"),
        (lambda v: pair(v)["self_ns"][0].append(0), "pair 0: a row does not have the 7"),
        (lambda v: pair(v)["self_ns"][0].__setitem__(0, "x"), "self_ns"),
        (lambda v: pair(v)["counts"][0][0].update(calls=-1), "calls"),
        (lambda v: pair(v)["counts"][0].pop(), "pair 0: a row does not have the 7"),
        (lambda v: pair(v)["grown"][0].__setitem__(0, 2**70), "grown"),
        (lambda v: pair(v).update(peak=[1]), "peak"),
        (lambda v: v["cases"][0].update(iterations=0), "iterations"),
        (lambda v: v["cases"][0]["stacks"].__setitem__(0, ["down"]), "one stands there twice"),
        (lambda v: v["cases"][0]["stacks"].__setitem__(0, ["x"] * 65), "stacks"),
        (lambda v: v["cases"][0].update(case="x" * 501), "case"),
        (lambda v: v["cases"][1].update(missing=""), "'missing' does not say why"),
        (lambda v: v["cases"].append(v["cases"][1]), "stands there twice"),
    ],
)  # fmt: skip
def test_what_breaks_the_schema_is_refused_with_its_place(known, tmp_path, change, said):
    assert said in refused(tmp_path, changed(known, change))


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", "null", b"\xff\xfe", '{"version": NaN}', '{"version": 1}', "[" * 100_000],
)
def test_what_is_no_profile_is_refused(tmp_path, text):
    refused(tmp_path, text)


def test_text_that_steers_a_terminal_does_not_reach_the_error(known, tmp_path):
    said = refused(tmp_path, changed(known, lambda v: v.update({"\x1b[31m": 1})))
    assert "\x1b" not in said


def test_zero_times_are_refused():
    with pytest.raises(ValueError, match="it took 0 and"):
        pair_of("ABBA", [(0,)] * 4)


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_a_file_with_one_value_changed_is_refused_or_analyzed(data):
    value = json.loads(profiles(profile(pairs=2, blocks=1)).model_dump_json())
    place, key = value, "cases"
    while isinstance(place[key], dict | list) and place[key] and data.draw(st.booleans()):
        place = place[key]
        keys = sorted(place) if isinstance(place, dict) else range(len(place))
        key = data.draw(st.sampled_from(list(keys)))
    junk = [None, -1, 0, 1, 2**80, 1.5, "", "ABBA", [], {}, True, [[]], "\x00"]
    place[key] = data.draw(st.sampled_from(junk))
    try:
        read = Profiles.model_validate_json(json.dumps(value))
    except ValueError:
        return
    json.dumps(attribute_profiles(read, raw(), ()).to_dict(), allow_nan=False)
