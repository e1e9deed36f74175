"""Profiles of callgrind by crate and function."""

from pathlib import Path

import pytest

from bitnet_perf.bench.callgrind import parse
from bitnet_perf.bench.counters import Unavailable
from bitnet_perf.peers.cargo import instructions
from bitnet_perf.peers.cargo.instructions import Counted, Counter, Place, place_lines
from bitnet_perf.peers.cargo.metadata import Member, Workspace
from bitnet_perf.peers.cargo.runs import Runner

NONE: frozenset[str] = frozenset()
WORKSPACE = Workspace(
    tuple(Member(name, f"crates/{name}/", NONE, NONE, NONE, ()) for name in ("my-crate", "other"))
)
SOURCE = """struct X;

impl X {
    pub(crate) const unsafe fn first() {
        1;
    }

    fn second<T>() {
        2;
    }
}
"""
PROFILE = """events: Ir
fl=(1) {build}/crates/my-crate/src/a.rs
fn=(1) my_crate::X::second::hffffffffffffffff
5 10
9 20
fi=(2) /rustc/abc/library/core/src/num.rs
7 3
fl=(9) {build}/crates/my-crate/src/gone.rs
fn=(2) <my_crate::X as other::T>::g::{{{{closure}}}}'2
1 4
fl=(3) /cargo/registry/src/index/rayon-1.2.3/src/lib.rs
fn=(3) rayon::run
1 5
fi=(1)
5 7
fi=(7) {build}/crates/my-crate/../../../etc/passwd
1 2
fl=(3)
fn=(4) rayon_core::registry::WorkerThread::find_work
1 1000
fl=(5) malloc.c
fn=(5) malloc
1 6
cfn=(6) criterion::bencher::Bencher<M>::iter
calls=5 1
1 50
fn=(6)
1 0
totals: 1057
"""


def place(tmp_path: Path):
    folder = tmp_path / "crates/my-crate/src"
    folder.mkdir(parents=True)
    (folder / "a.rs").write_text(SOURCE)
    text = PROFILE.format(build="/b/source")
    return place_lines(parse(text.splitlines(), "x"), WORKSPACE, tmp_path, Path("/b/source"))


def test_places(tmp_path):
    found = place(tmp_path)
    path = "crates/my-crate/src/a.rs"
    assert found.by_place == {
        Place("my-crate", "first", path): 10 + 7,  # 7 of them inlined into another crate
        Place("my-crate", "second", path): 20 + 3,
        Place("my-crate", "g", "crates/my-crate/src/gone.rs"): 4,
        Place("rayon", "rayon::run"): 5 + 2,
        Place("", "malloc"): 6,
        Place("", "criterion::bencher::Bencher<M>::iter"): 0,
    }
    assert found.first_line == {
        Place("my-crate", "first", path): 4, Place("my-crate", "second", path): 8,
    }  # fmt: skip
    assert found.total == sum(found.by_place.values())
    assert found.iterations == 1


@pytest.mark.parametrize(
    "name",
    [
        "rayon_core::sleep::Sleep::sleep",
        "<std::sys::sync::mutex::futex::Mutex>::lock_contended",
        "<crossbeam_deque::deque::Stealer<T>>::steal",
        "sched_yield",
    ],
)
def test_waiting_is_left_out(name):
    assert instructions._WAITING.match(name)


@pytest.mark.parametrize(
    "name",
    [
        "<rayon_core::job::StackJob<L,F,R> as rayon_core::job::Job>::execute",
        "rayon_core::join::join_context",
        "rayon_core::registry::Registry::in_worker",
        "my_crate::wait",
    ],
)
def test_work_is_not(name):
    assert not instructions._WAITING.match(name)


def written(folder: Path, number: int, trigger: str, cost: int) -> None:
    (folder / f"counts.{number}").write_text(
        f"desc: Trigger: --dump-{trigger}\nevents: Ir\n"
        f"fl=(1) a.c\nfn=(1) f\n1 {cost}\ntotals: {cost}\n" + "# \n" * cost
    )


def read(folder: Path):
    counter = Counter(Runner(0, Path("/bin/true"), folder, ""), WORKSPACE, folder)
    return counter._read(folder)


def test_the_last_call_less_the_one_before_it(tmp_path):
    assert read(tmp_path) == Unavailable("no call of Criterion's Bencher is found by its name")
    around, setup, each = 40, 7, 10
    for call in range(12):
        written(tmp_path, 2 * call + 1, "before=criterion::bencher::Bencher<M>::iter", setup)
        first = around if call == 0 else 3
        written(tmp_path, 2 * call + 2, "after=criterion::bencher::Bencher<M>::iter",
                first + each * 2**call)  # fmt: skip
        found = read(tmp_path)
        if call == 0:
            assert (found.total, found.iterations) == (around + each, 1)
        elif call > 1:
            assert (found.total, found.iterations) == (each, 2 ** (call - 1))


def test_of_a_function_that_calls_another_the_inner_one_counts(tmp_path):
    for number, (name, cost) in enumerate(
        [("iter_batched", 100), ("iter_with_large_drop", 1), ("iter_batched", 200),
         ("iter_with_large_drop", 2)], 1,
    ):  # fmt: skip
        written(tmp_path, number, f"after=criterion::bencher::Bencher<M>::{name}", cost)
    assert read(tmp_path).total == 100


def test_no_place_has_less_than_nothing():
    malloc, work = Place("", "malloc"), Place("my-crate", "work")
    last, before = (
        Counted(cost, {malloc: cost, work: 90 * n}, {}, 1) for cost, n in ((3, 2), (9, 1))
    )
    assert instructions._each(last, before, 1) == Counted(90, {work: 90}, {}, 1)


def test_no_valgrind_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    counter = Counter(Runner(0, Path("/bin/true"), tmp_path, ""), WORKSPACE, tmp_path)
    assert counter.count("a") == Unavailable("Valgrind is missing: 'apt-get install valgrind'")
