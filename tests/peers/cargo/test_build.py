"""How bench programs are built, with a stand-in for cargo."""

import json

import pytest
from checkout import commit, run_git
from processes import is_running
from workspaces import crate, repository, use_stand_in

from bitnet_perf.bench import revisions
from bitnet_perf.peers.cargo.build import ALIGNMENT, Builder, open_builder
from bitnet_perf.peers.cargo.metadata import Bench

ONE = Bench("a", "one", ("cpu",), plain=True)


@pytest.fixture
def root(tmp_path, monkeypatch):
    use_stand_in(tmp_path, monkeypatch)
    for name in ("RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"):
        monkeypatch.delenv(name, raising=False)
    return repository(tmp_path / "r", crate("a", {"one": {"x": 5}}, features=True))


def opened(root):
    return open_builder(revisions.repository_root(root), lambda _: None)


def tree_of(root) -> str:
    return run_git(root, "rev-parse", "HEAD^{tree}")


def calls(builder: Builder) -> list[list[str]]:
    text = (builder.slot / "target.calls").read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_a_crate_with_a_feature_cpu_is_built_with_it(root):
    with opened(root) as builder:
        (bench,) = builder.workspace(tree_of(root)).benches
    assert bench == ONE
    assert bench.arguments == (
        "-p", "a", "--bench", "one", "--no-default-features", "--features", "cpu",
    )  # fmt: skip


def test_flags_of_the_tree_stay_and_alignment_is_added(root):
    commit(root, {".cargo/config.toml": '[build]\nrustflags = ["-C", "target-cpu=native"]\n'})
    with opened(root) as builder:
        assert builder.build(tree_of(root), ONE).path is not None
        (words,) = calls(builder)
    assert words[:2] == ["bench", "--no-run"]
    key, _, value = words[words.index("--config") + 1].partition("=")
    assert key == "target.'cfg(all())'.rustflags"
    assert json.loads(value) == ["-C", "target-cpu=native", *ALIGNMENT]


def test_flags_of_the_environment_come_first_as_with_cargo(root, monkeypatch):
    monkeypatch.setenv("RUSTFLAGS", "-C opt-level=2")
    with opened(root) as builder:
        assert builder.build(tree_of(root), ONE).path is not None
        assert not any("--config" in words for words in calls(builder))
        environment = builder._environment(root)
    assert environment["CARGO_ENCODED_RUSTFLAGS"].split("\x1f") == ["-C", "opt-level=2", *ALIGNMENT]
    monkeypatch.delenv("RUSTFLAGS")
    with opened(root) as builder:  # other flags are another program
        assert builder.known(tree_of(root), ONE) is None


def test_a_slow_build_is_ended(root, tmp_path):
    mark = tmp_path / "building"
    commit(root, crate("a", {"one": {"sleep": str(mark)}}, features=True))
    with opened(root) as builder:
        program = builder.build(tree_of(root), ONE, timeout=1.0)
    assert (program.path, program.why) == (None, "building takes longer than 1 s")
    assert not mark.exists() or not is_running(int(mark.read_text()))


def test_a_bench_that_is_not_there(root):
    with opened(root) as builder:
        program = builder.build(tree_of(root), Bench("a", "none"))
    assert program.path is None
    assert program.log is not None
    assert "ValueError" in program.log.read_text()


def test_checkouts_that_a_killed_run_left_are_made_again(root):
    def spoil() -> None:
        with opened(root) as builder:
            (builder._source(tree_of(root)) / "Cargo.toml").write_text("spoilt")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        spoil()
    with opened(root) as builder:
        assert "workspace" in (builder._source(tree_of(root)) / "Cargo.toml").read_text()


def test_each_side_runs_in_a_checkout_of_its_own(root):
    first = tree_of(root)
    commit(root, {"crates/a/data.txt": "new"})
    with opened(root) as builder:
        places = [
            builder.run_folder(tree, side) for side, tree in enumerate((first, tree_of(root)))
        ]
        assert [(place / "crates/a/data.txt").exists() for place in places] == [False, True]
