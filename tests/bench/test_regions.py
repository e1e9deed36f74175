"""The regression area: a file selects what it can change, and what is in doubt is measured."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitnet_perf import _native
from bitnet_perf.bench.cases import matches, select
from bitnet_perf.bench.regions import FEEDS, REGIONS, region_of

ROOT = Path(__file__).parents[2]
CASES = tuple(case.name for case in select())
FILES = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in ("csrc", "cmake", "bitnet_perf", "docs")
    for path in (ROOT / folder).rglob("*")
    if path.is_file() and path.suffix in {".cpp", ".hpp", ".inc", ".py", ".md", ".cmake"}
)


def chosen(*paths):
    return region_of(paths, CASES).cases


@pytest.mark.parametrize(
    ("path", "some", "none"),
    [
        ("csrc/kernels/gemv/i2_s/x86_avx2.cpp", "gemv/i2_s/2560x2560/t1", "gemv/tl1/*"),
        ("csrc/kernels/gemv/i2_s/x86_avx2.cpp", "decode/i2_s/small-n32/t1", "tokenization/*"),
        ("csrc/kernels/gemv/gemv.cpp", "gemv/tl1/*", "pack/*"),
        ("csrc/kernels/block_quantize/quant_i2s/scalar.cpp", "block_quantize/quant.i2s/*",
         "block_quantize/quant.tl1/*"),
        ("csrc/kernels/pack/i2_s/scalar.cpp", "load/gguf/i2_s/small/t1", "decode/*"),
        ("csrc/engine/sample.cpp", "sample/top_p/*", "decode/*"),
        ("csrc/engine/engine.cpp", "prefill/*", "gemv/*"),
        ("csrc/gguf/reader.cpp", "load/*", "gemm/*"),
        ("bitnet_perf/model/tokenizer.py", "tokenization/*", "load/*"),
        ("bitnet_perf/errors.py", "load/*", "gemv/*"),
    ],
)  # fmt: skip
def test_the_area_of_a_file(path, some, none):
    found = chosen(path)
    assert any(matches(name, some) for name in found)
    assert not any(matches(name, none) for name in found)


@pytest.mark.parametrize(
    "path",
    ["csrc/core/team.cpp", "cmake/isa.cmake", "CMakeLists.txt", "pyproject.toml",
     "csrc/kernels/two_bit.hpp", "csrc/kernels/all.inc", "csrc/formats/i2_s.hpp", "setup.py",
     "src/unknown.cpp", "csrc/kernels/newest/i2_s/scalar.cpp"],
)  # fmt: skip
def test_what_is_shared_or_unknown_selects_everything(path):
    assert chosen(path) == CASES


@pytest.mark.parametrize(
    "path", ["docs/using.md", "tests/bench/test_cases.py", "README.md", "LICENSE", "Makefile",
             "bitnet_perf/report/page.py", ".github/workflows/ci.yml", "notes/plan.md"]
)  # fmt: skip
def test_what_runs_in_no_case_selects_nothing(path):
    assert chosen(path) == ()


def test_every_line_is_a_place_of_this_repository_or_of_one_like_it():
    there = {
        start for start, _ in REGIONS if list(ROOT.glob(f"{start}*")) or (ROOT / start).exists()
    }
    assert {start for start, _ in REGIONS} - there <= {"cuda/"}
    assert len({start for start, _ in REGIONS}) == len(REGIONS)


def test_every_family_of_kernels_says_what_runs_it():
    assert {row[0] for row in _native.kernels()} == FEEDS.keys()
    for glob in (glob for globs in FEEDS.values() for glob in globs):
        assert any(matches(name, glob) for name in CASES), glob


@pytest.mark.parametrize("row", _native.kernels(), ids=lambda row: "/".join(row[:3]))
def test_a_kernel_selects_its_own_cases(row):
    family, codec, isa, *_ = row
    found = set(chosen(f"csrc/kernels/{family}/{codec}/{isa}.cpp"))
    mine = {
        name
        for name in CASES
        if name.split("/")[1] == family
        and name.split("/")[2].partition(".b")[0].replace(".", "_") == codec
    }
    assert mine <= found


@settings(deadline=None, max_examples=30)
@given(st.lists(st.sampled_from(FILES), max_size=4), st.sampled_from(FILES))
def test_one_more_file_never_takes_a_case_away(files, more):
    before, after = chosen(*files), chosen(*files, more)
    assert set(before) <= set(after)
    assert list(after) == [name for name in CASES if name in set(after)]
    assert region_of(files, CASES).files == tuple((path, len(chosen(path))) for path in files)
