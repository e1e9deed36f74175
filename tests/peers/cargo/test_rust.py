"""A workspace of Rust: built by the real cargo, counted by the real callgrind."""

import shutil

import pytest
from checkout import commit, new_checkout, run_git
from workspaces import rust_crates

from bitnet_perf.analyze.counts import compare_places, crate_of, lines
from bitnet_perf.bench import revisions
from bitnet_perf.bench.counters import Unavailable
from bitnet_perf.peers.cargo.build import open_builder
from bitnet_perf.peers.cargo.instructions import Counter
from bitnet_perf.peers.cargo.runs import Runner

pytestmark = pytest.mark.skipif(
    shutil.which("cargo") is None or shutil.which("valgrind") is None,
    reason="needs a Rust toolchain and Valgrind",
)


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    """(builder, workspace, trees, programs, counters) of three revisions: the second goes through
    15 % more numbers in `heavy`, the third differs from the first by a comment."""
    folder = tmp_path_factory.mktemp("rust")
    root = new_checkout(folder / "repository")
    trees = []
    for count, comment in ((2000, ""), (2300, ""), (2000, "// the same\n")):
        files = rust_crates(count)
        files["crates/adder/src/part.rs"] += comment
        commit(root, files)
        trees.append(run_git(root, "rev-parse", "HEAD^{tree}"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BITNET_PERF_CACHE", str(folder / "cache"))
        for name in ("CARGO_TARGET_DIR", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"):
            patch.delenv(name, raising=False)
        with open_builder(revisions.repository_root(root), lambda _: None) as builder:
            workspace = builder.workspace(trees[0])
            (bench,) = workspace.benches
            programs = [builder.build(tree, bench) for tree in trees]
            source = builder.slot / "source"
            counters = []
            for side in (0, 1):
                program = programs[side]
                assert program.path is not None, program.why
                place = builder.run_folder(trees[side], side)
                runner = Runner(side, program.path, place, "crates/adder/")
                counters.append(Counter(runner, workspace, source))
            yield builder, workspace, trees, programs, counters


def test_members_and_what_is_built_into_what(counted):
    workspace = counted[1]
    adder = workspace.member("adder")
    assert (adder.folder, adder.depends, adder.develops) == ("crates/adder/", set(), {"criterion"})
    assert [bench.arguments for bench in workspace.benches] == [("-p", "adder", "--bench", "all")]
    assert workspace.affected(["crates/criterion/src/lib.rs"]) == {"criterion"}
    assert workspace.benches_of(["crates/criterion/src/lib.rs"]) == workspace.benches
    assert workspace.affected(["docs/x.rs", "crates/adder/README.md"]) == set()
    assert workspace.affected(["Cargo.lock"]) == {"criterion", "adder"}


def test_equal_code_is_known_and_other_code_too(counted):
    base, more, comment = counted[3]
    assert base.code == comment.code != more.code


def test_what_was_added_is_located_though_it_is_inlined(counted):
    base, candidate = counted[4]
    assert base.runner.listed() == (("heavy", "light"), None)
    found = compare_places(base.count("heavy"), candidate.count("heavy"))
    assert not isinstance(found, Unavailable)
    first = found.functions[0]
    assert (first.crate, first.name, first.file) == ("adder", "heavy", "crates/adder/src/part.rs")
    text = (candidate.runner.folder / first.file).read_text().splitlines()
    assert "pub fn heavy" in text[first.line - 1]
    assert first.candidate / first.base == pytest.approx(1.15, abs=0.01)
    assert first.candidate - first.base == pytest.approx(found.candidate - found.base, rel=0.3)
    crate, share = crate_of(found)
    assert (crate, share > 0.7) == ("adder", True)
    told = lines(found, annotation_of(found))
    assert any(f"heavy of adder (crates/adder/src/part.rs:{first.line})" in line for line in told)


def test_counts_are_repeatable(counted):
    base = counted[4][0]
    first, second = base.count("heavy"), base.count("heavy")
    assert first.total == pytest.approx(second.total, rel=1e-3)
    assert first.iterations == second.iterations == 16


def test_a_benchmark_that_is_not_there_has_no_count(counted):
    found = counted[4][0].count("no such")
    assert found == Unavailable("no call of Criterion's Bencher is found by its name")


def test_what_does_not_compile_is_told_with_its_log(counted):
    builder, workspace, _, _, _ = counted
    files = rust_crates(1)
    files["crates/adder/src/part.rs"] += "pub fn f() { x }\n"
    commit(builder.root, files)
    tree = run_git(builder.root, "rev-parse", "HEAD^{tree}")
    program = builder.build(tree, workspace.benches[0])
    assert program.path is None
    assert program.why == "does not compile: adder: E0425 cannot find value `x` in this scope"
    assert "E0425" in program.log.read_text()
    assert builder.known(tree, workspace.benches[0]) is None


def annotation_of(difference):
    from bitnet_perf.analyze.counts import annotate

    return annotate(difference, "inconclusive")
