"""The workspace runner against a pretended checkout and a pretended cargo.

The pretended cargo is a Python program. It finds its orders in `orders.json` of the checkout: for
each line (told apart by `--bench NAME` or `--workspace`) a list of steps.
"""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from processes import is_running, wait_until

from bitnet_perf.bench import process
from bitnet_perf.errors import ConfigError, EnvironmentRefused
from bitnet_perf.peers.bitnet_rs.workspace import LINES, SHORT_SAMPLES, revision, run_workspace

CARGO = r"""#!{python}
import json, os, subprocess, sys, time
arguments = sys.argv[1:]
line = "workspace" if "--workspace" in arguments else arguments[arguments.index("--bench") + 1]
with open("calls.jsonl", "a") as file:
    keep = ("CARGO_TARGET_DIR", "RAYON_NUM_THREADS")
    call = {{"line": line, "arguments": arguments, **{{k: os.environ[k] for k in keep}}}}
    file.write(json.dumps(call) + "\n")
def bench(name, ns, files=("benchmark", "estimates", "sample")):
    folder = os.path.join(os.environ["CARGO_TARGET_DIR"], "criterion", *name.split("/"), "new")
    os.makedirs(folder, exist_ok=True)
    group, function, value = name.split("/")
    count = eval(value.replace("x", "*")) if group != "block_sizes" else 65536
    point = {{"point_estimate": ns}}
    content = {{
        "benchmark": {{"group_id": group, "function_id": function, "value_str": value,
                      "full_id": name, "throughput": {{"Elements": count}}}},
        "estimates": {{"mean": point, "median": point, "slope": None}},
        "sample": {{"sampling_mode": "Flat", "iters": [10.0] * 3,
                   "times": [ns * 9, ns * 10, ns * 12]}},
    }}
    for file in files:
        with open(os.path.join(folder, file + ".json"), "w") as out:
            json.dump(content[file], out)
for verb, *values in json.load(open("orders.json"))[line]:
    if verb == "bench":
        bench(*values)
        print(f"{{values[0]}}\n{{' ' * 24}}time:   [{{values[1]}} ns {{values[1]}} ns 9.9 ns]")
    elif verb == "write":
        bench(*values)
    elif verb == "print":
        print(*values)
    elif verb == "spawn":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        open("child.pid", "w").write(str(child.pid))
    elif verb == "sleep":
        sys.stdout.flush()
        time.sleep(values[0])
    elif verb == "exit":
        sys.exit(values[0])
    sys.stdout.flush()
"""
IGNORED = ["print", "running 1 test\ntest a::b ... ignored\n\ntest result: ok."]
EMPTY = ["print", "running 0 tests\n\ntest result: ok."]
I2S = "quantization_sizes/I2S_quantize/1024"
TL2 = "quantization_sizes/TL2_quantize/1024"
Checkout = Callable[..., Path]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    """A checkout whose cargo follows the orders given by line name; PATH leads to that cargo."""
    folder = tmp_path / "bin"
    folder.mkdir()
    cargo = folder / "cargo"
    cargo.write_text(CARGO.format(python=sys.executable))
    cargo.chmod(cargo.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("CARGO_TARGET_DIR", raising=False)
    root = tmp_path / "bitnet-rs"
    for crate in ("bitnet-quantization", "bitnet-kernels"):
        (root / "crates" / crate).mkdir(parents=True)
        manifest = root / "crates" / crate / "Cargo.toml"
        manifest.write_text(f'[package]\nname = "{crate}"\n')
    (root / "Cargo.toml").write_text('[workspace]\nmembers = ["crates/*"]\n')

    def order(**lines: list[list[object]]) -> Path:
        (root / "orders.json").write_text(json.dumps(lines))
        return root

    return order


def calls(root: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (root / "calls.jsonl").read_text().splitlines()]


def assert_ends(pid: int) -> None:
    wait_until(lambda: not is_running(pid), 10)


def test_the_reviewers_lines(checkout: Checkout) -> None:
    root = checkout(
        quantization=[["bench", I2S, 2.0], ["bench", TL2, 3.0]],
        simd_comparison=[IGNORED],
        mixed_precision_bench=[
            ["print", "error: linking with `cc` failed: x\nunable to find library -lcuda"],
            ["exit", 101],
        ],
        workspace=[EMPTY],
    )
    seen: list[tuple[str, str]] = []
    results = run_workspace(root, progress=lambda name, text: seen.append((name, text)))
    assert [(result.name, result.status) for result in results] == [
        ("quantization", "measured"),
        ("simd_comparison", "measured nothing: only ignored tests (1)"),
        ("mixed_precision_bench", "measured nothing: does not link: libcuda not found"),
        (
            "workspace",
            "measured nothing: 0 tests run "
            "(the bench target lacks harness = false, or its features are off)",
        ),
    ]
    assert [row.id for row in results[0].rows] == [I2S, TL2]
    assert results[0].rows[0].median == pytest.approx(2e-9)
    assert results[0].note is None
    assert [result.exit_status for result in results] == [0, 0, 101, 0]
    assert ("quantization", I2S) in seen
    assert results[1].to_dict()["status"] == results[1].status
    assert {"command", "seconds", "rows"} <= set(results[0].to_dict())
    first, *others = LINES[:4]
    assert [call["arguments"] for call in calls(root)] == [
        [*first.arguments, "--", *SHORT_SAMPLES],
        *(list(line.arguments) for line in others),
    ]


def test_commands_are_those_of_the_reviewer() -> None:
    cpu = "--no-default-features --features cpu"
    gpu = "--no-default-features --features gpu"
    assert [" ".join(line.arguments) for line in LINES] == [
        f"bench -p bitnet-quantization --bench quantization {cpu}",
        f"bench -p bitnet-quantization --bench simd_comparison {cpu}",
        f"bench -p bitnet-kernels --bench mixed_precision_bench {gpu}",
        f"bench --workspace {cpu}",
        f"bench -p bitnet-kernels --bench mixed_precision_bench {cpu}",
    ]


def test_options_reach_cargo(checkout: Checkout, tmp_path: Path) -> None:
    root = checkout(quantization=[["bench", I2S, 2.0]], simd_comparison=[IGNORED])
    (result, _) = run_workspace(
        root,
        lines=["quantization", "simd_comparison", "quantization"],
        target=tmp_path / "private",
        criterion_args=("--warm-up-time", "0.5"),
        threads=2,
    )
    assert result.status == "measured"
    assert result.command.startswith("RAYON_NUM_THREADS=2 cargo bench -p bitnet-quantization")
    first, second = calls(root)
    assert first["arguments"][-3:] == ["--", "--warm-up-time", "0.5"]
    assert "--" not in second["arguments"]  # libtest would refuse Criterion's options
    assert (first["CARGO_TARGET_DIR"], first["RAYON_NUM_THREADS"]) == (
        str(tmp_path / "private"),
        "2",
    )
    assert not (root / "target").exists()


def test_target_of_the_environment(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARGO_TARGET_DIR", "elsewhere")
    root = checkout(quantization=[["bench", I2S, 2.0]])
    assert run_workspace(root, lines=["quantization"])[0].status == "measured"
    assert (root / "elsewhere" / "criterion").is_dir()


def test_results_of_an_earlier_run_are_not_read(checkout: Checkout) -> None:
    root = checkout(quantization=[["bench", I2S, 2.0], ["bench", TL2, 3.0]])
    assert len(run_workspace(root, lines=["quantization"])[0].rows) == 2
    checkout(quantization=[["bench", TL2, 5.0]])
    (result,) = run_workspace(root, lines=["quantization"])
    assert [(row.id, row.median) for row in result.rows] == [(TL2, pytest.approx(5e-9))]
    checkout(quantization=[EMPTY])
    (result,) = run_workspace(root, lines=["quantization"])
    assert (result.rows, result.status[:28]) == ((), "measured nothing: 0 tests ru")


def test_half_written_results_are_not_read(checkout: Checkout) -> None:
    root = checkout(quantization=[["bench", I2S, 2.0]])
    run_workspace(root, lines=["quantization"])
    checkout(quantization=[["write", I2S, 4.0, ["benchmark"]], ["exit", 1]])
    (result,) = run_workspace(root, lines=["quantization"])
    assert result.rows == ()
    assert result.why == "exit status 1 without a reason"


def test_printed_times_without_results(checkout: Checkout) -> None:
    root = checkout(quantization=[["print", "a/b/c\n   time:   [1.0 ns 1.0 ns 1.0 ns]"]])
    (result,) = run_workspace(root, lines=["quantization"])
    assert "1 benchmarks printed a time and left no result below" in result.status


def test_results_that_cannot_be_read_are_told(checkout: Checkout) -> None:
    root = checkout(quantization=[["bench", I2S, 2.0], ["bench", TL2, -1.0]])
    (result,) = run_workspace(root, lines=["quantization"])
    assert [row.id for row in result.rows] == [I2S]
    assert "times[0]: -9.0; accepted: a finite number above zero" in str(result.note)


def test_failure_after_a_measurement(checkout: Checkout) -> None:
    root = checkout(
        workspace=[["bench", I2S, 2.0], ["print", "error: bench failed"], ["exit", 101]]
    )
    (result,) = run_workspace(root, lines=["workspace"])
    assert (result.status, result.note) == ("measured", "cargo failed: bench failed")


def test_timeout_ends_everything(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    root = checkout(quantization=[["bench", I2S, 2.0], ["spawn"], ["print", "go"], ["sleep", 600]])
    ahead = 0.0

    def go(_: str, text: str) -> None:
        nonlocal ahead
        ahead = 3600.0 if text == "go" else ahead

    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + ahead, sleep=time.sleep)
    monkeypatch.setattr(process, "time", clock)
    (result,) = run_workspace(root, lines=["quantization"], timeout=3600.0, progress=go)
    assert result.status == "measured"
    assert str(result.note).startswith("stopped at its limit, after 36")
    assert str(result.note).endswith(" s, at: go")
    assert_ends(int((root / "child.pid").read_text()))


def test_timeout_before_any_result(checkout: Checkout) -> None:
    root = checkout(quantization=[["sleep", 600]])
    (result,) = run_workspace(root, lines=["quantization"], timeout=0.3)
    assert result.status.startswith("measured nothing: stopped at its limit")


def test_interrupt_ends_everything(checkout: Checkout) -> None:
    root = checkout(quantization=[["spawn"], ["print", "go"], ["sleep", 600]])

    def interrupt(_: str, text: str) -> None:
        if text == "go":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_workspace(root, lines=["quantization"], progress=interrupt)
    assert_ends(int((root / "child.pid").read_text()))


def test_ctrl_c_ends_everything(checkout: Checkout) -> None:
    root = checkout(quantization=[["spawn"], ["print", "go"], ["sleep", 600]])
    program = (
        "import sys; from bitnet_perf.peers.bitnet_rs.workspace import run_workspace; "
        "run_workspace(sys.argv[1], progress=lambda name, text: print(text, flush=True))"
    )
    command = [sys.executable, "-c", program, str(root)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "go\n"
        running.send_signal(signal.SIGINT)
        assert "KeyboardInterrupt" in running.communicate()[1]
    assert running.returncode != 0
    assert_ends(int((root / "child.pid").read_text()))


def test_a_listed_member_is_left_to_cargo(checkout: Checkout) -> None:
    root = checkout(simd_comparison=[["print", "error: failed to load manifest"], ["exit", 101]])
    (root / "crates" / "bitnet-quantization" / "Cargo.toml").unlink()
    (root / "Cargo.toml").write_text('[workspace]\nmembers = ["crates/bitnet-quantization"]\n')
    (result,) = run_workspace(root, lines=["simd_comparison"])
    assert result.why == "cargo failed: failed to load manifest"


def test_nothing_is_left_behind_by_a_normal_end(checkout: Checkout) -> None:
    root = checkout(quantization=[["spawn"], ["bench", I2S, 2.0]])
    (result,) = run_workspace(root, lines=["quantization"])
    assert (result.status, result.note) == ("measured", None)
    assert_ends(int((root / "child.pid").read_text()))


def test_cargo_is_absent(checkout: Checkout) -> None:
    root = checkout(quantization=[])
    with pytest.raises(EnvironmentRefused, match=r"'no-cargo' is not on PATH.*rustup"):
        run_workspace(root, cargo="no-cargo")


def test_folder_is_no_checkout(checkout: Checkout, tmp_path: Path) -> None:
    root = checkout(quantization=[])
    with pytest.raises(
        ConfigError, match=r"nowhere/Cargo.toml does not exist; accepted: a checkout"
    ):
        run_workspace(tmp_path / "nowhere")
    member = root / "crates" / "bitnet-kernels" / "Cargo.toml"
    member.write_text('[package]\nname = "other"\n')
    with pytest.raises(ConfigError, match="is not the crate bitnet-kernels"):
        run_workspace(root)
    member.unlink()
    with pytest.raises(ConfigError, match=r"has no member crates/bitnet-kernels; acc"):
        run_workspace(root)
    (root / "Cargo.toml").write_text("[workspace\n")
    with pytest.raises(ConfigError, match=r"accepted: a valid Cargo.toml"):
        run_workspace(root)
    (root / "Cargo.toml").write_text("[package]\n")
    with pytest.raises(ConfigError, match=r"has no \[workspace\] table"):
        run_workspace(root)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lines": ["quantisation"]}, "lines: 'quantisation'; accepted: quantization, simd_c"),
        ({"lines": []}, "lines: none; accepted: quantization"),
        ({"timeout": 0}, "timeout: 0; accepted: seconds above zero"),
        ({"timeout": float("nan")}, "timeout: nan"),
        ({"threads": 0}, "threads: 0; accepted: 1 or more"),
    ],
)
def test_option_that_is_not_accepted(
    checkout: Checkout, options: dict[str, object], message: str
) -> None:
    root = checkout(quantization=[])
    with pytest.raises(ConfigError, match=message):
        run_workspace(root, **options)  # type: ignore[arg-type]


def test_revision(tmp_path: Path) -> None:
    assert revision(tmp_path) is None
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run([*git, "init", "-q"], check=True)
    assert revision(tmp_path) is None
    (tmp_path / "a").write_text("1")
    subprocess.run([*git, "add", "a"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "a"], check=True)
    commit = revision(tmp_path)
    assert commit is not None
    assert len(commit) == 40
    (tmp_path / "a").write_text("2")
    assert revision(tmp_path) == f"{commit}-dirty"
