"""Cargo workspaces for tests: one whose cargo is a stand-in, one of Rust without dependencies.

The stand-in knows `metadata`, `-vV`, `bench --no-run`, and `build` of an `xtask` whose speed in
tokens a second stands in rate.json of the crate, or {"rate": speed, "kernels": names of what it
says ran, "text": what it says it generated ("each its own": another in each run)}. What it builds
is a shell script that speaks Criterion's command line; the times that it "measures" stand in
BENCH.json of the crate: {"NAME": ns, or "hang" | "crash" | "nothing"}, under "build" why building
fails, under "plain" what a program says that is none of Criterion's. Samples scatter by half a
percent around the time.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from checkout import commit, new_checkout

_CARGO = r"""#!@PYTHON@
import json, os, pathlib, random, sys, time, zlib
words = sys.argv[1:]
root = pathlib.Path.cwd()
if words == ["-vV"]:
    print("cargo 1.0.0 (stand-in)")
elif words[0] == "metadata":
    packages = []
    for manifest in sorted(root.glob("**/crate.json")):
        crate = json.loads(manifest.read_text())
        names = sorted(path.stem for path in (manifest.parent / "benches").glob("*.json"))
        packages.append({
            "name": crate["name"], "manifest_path": str(manifest.parent / "Cargo.toml"),
            "features": crate.get("features", {}),
            "targets": [{"kind": ["bench"], "name": n, "required-features": []} for n in names],
            "dependencies": [{"name": n, "path": "x", "kind": k} for n, k in crate["needs"]],
        })
    print(json.dumps({"packages": packages}))
elif words[:4] == ["build", "--release", "--message-format=json-render-diagnostics", "-p"]:
    orders = json.loads((root / "crates/xtask/rate.json").read_text())
    orders = orders if isinstance(orders, dict) else {"rate": orders}
    rate = orders["rate"]
    program = pathlib.Path(os.environ["CARGO_TARGET_DIR"], "xtask-%08x" % zlib.crc32(
        json.dumps(orders).encode()))
    program.parent.mkdir(parents=True, exist_ok=True)
    decode = 128000 / rate
    report = json.dumps({
        "model_path": "m.gguf", "tokens_generated": 128, "device": "cpu", "version": None,
        "generated_text": orders.get("text", "text"), "kernels": orders.get("kernels", []),
        "success": True, "error": None,
        "timing": {"warmup_ms": 1, "prefill_ms": 5, "decode_ms": decode,
                   "generation_ms": decode + 5, "total_ms": decode + 6},
        "performance": {"tokens_per_sec": rate, "ms_per_token": 1000 / rate,
                        "total_tokens_per_sec": rate}})
    last = "#!/bin/sh\nfor word in \"$@\"; do :; done\n"
    if orders.get("text") == "each its own":
        report = report.replace("each its own", "'$$'")
    program.write_text(last + "echo '%s' > \"$word\"\n" % report)
    program.chmod(0o755)
    print(json.dumps({"target": {"kind": ["bin"], "name": "xtask"}, "executable": str(program)}))
else:
    with open(os.path.join(os.environ["CARGO_TARGET_DIR"] + ".calls"), "a") as calls:
        calls.write(json.dumps(words) + "\n")
    crate, bench = (words[words.index(flag) + 1] for flag in ("-p", "--bench"))
    (source,) = [p for p in root.glob("**/benches/%s.json" % bench)
                 if json.loads((p.parents[1] / "crate.json").read_text())["name"] == crate]
    orders = json.loads(source.read_text())
    if "sleep" in orders:
        pathlib.Path(orders["sleep"]).write_text(str(os.getpid()))
        time.sleep(600)
    if "build" in orders:
        sys.exit("error: " + orders["build"])
    key = "%s-%08x" % (bench, zlib.crc32(source.read_bytes()))
    here = pathlib.Path(os.environ["CARGO_TARGET_DIR"], "deps", key)
    here.mkdir(parents=True, exist_ok=True)
    ids = {name: what for name, what in orders.items() if name != "plain"}
    (here / "list").write_text("".join(name + ": benchmark\n" for name in ids))
    lines = []
    for number, (name, what) in enumerate(ids.items()):
        quoted = "'" + name.replace("'", "'\\''") + "'"
        if not isinstance(what, (int, float)):
            act = {"hang": "echo $$ > '%s/pid'; sleep 600" % root, "nothing": "exit 0",
                   "crash": "echo \"thread 'main' panicked at x.rs:1:1:\"; echo boom; exit 101"}
            lines.append("%s) %s;;" % (quoted, act[what]))
            continue
        for turn in range(8):
            rng = random.Random(zlib.crc32(("%s %s %d" % (name, what, turn)).encode()))
            times = [10 * what * (1 + rng.gauss(0, 0.005)) for _ in range(11)]
            middle = {"point_estimate": sorted(times)[5] / 10}
            mean = {"point_estimate": sum(times) / 110}
            new = here / str(number) / str(turn) / "b" / "new"
            new.mkdir(parents=True, exist_ok=True)
            (new / "benchmark.json").write_text(json.dumps({
                "group_id": "g", "function_id": None, "value_str": None, "full_id": name,
                "throughput": None}))
            (new / "estimates.json").write_text(json.dumps(
                {"mean": mean, "median": middle, "slope": None}))
            (new / "sample.json").write_text(json.dumps(
                {"sampling_mode": "Flat", "iters": [10.0] * 11, "times": times}))
        lines.append("%s) cp -r '%s'/%d/$(($$ %% 8))/b \"$CRITERION_HOME\";;"
                     % (quoted, here, number))
    text = "#!/bin/sh\nfor word in \"$@\"; do\n"
    if "plain" in orders:
        text += "echo '%s'; exit 0\n" % orders["plain"]
    text += "[ \"$word\" = --list ] && { cat '%s/list'; exit 0; }\ndone\n" % here
    text += "case \"$word\" in\n" + "\n".join(lines) + "\n*) exit 0;;\nesac\n"
    program = here / bench
    program.write_text(text)
    program.chmod(0o755)
    print(json.dumps({"target": {"kind": ["bench"], "name": bench}, "executable": str(program)}))
"""


_CRITERION = """
pub mod bencher {
    pub struct Bencher<M> { pub iters: u64, pub elapsed: std::time::Duration, pub measurement: M }
    impl<M> Bencher<M> {
        #[inline(never)]
        pub fn iter<O, R: FnMut() -> O>(&mut self, mut routine: R) {
            let start = std::time::Instant::now();
            for _ in 0..self.iters { std::hint::black_box(routine()); }
            self.elapsed = start.elapsed();
        }
    }
}
use bencher::Bencher;
pub fn bench_function<F: FnMut(&mut Bencher<()>)>(id: &str, mut f: F) {
    let words: Vec<String> = std::env::args().collect();
    if words.iter().any(|word| word == "--list") { println!("{id}: benchmark"); return; }
    if words.last().map(String::as_str) != Some(id) { return; }
    if !words.iter().any(|word| word == "--profile-time") { return; }
    let mut b = Bencher { iters: 1, elapsed: Default::default(), measurement: () };
    while b.iters < 64 { f(&mut b); b.iters *= 2; }
}
"""
_BENCH = """
fn main() {
    let data: Vec<u32> = (0..4096).collect();
    criterion::bench_function("heavy", |b| b.iter(|| adder::outer(std::hint::black_box(&data))));
    criterion::bench_function("light", |b| b.iter(|| std::hint::black_box(&data).len()));
}
"""
_WORK = """pub mod part;
#[inline(never)]
pub fn outer(data: &[u32]) -> u32 { part::heavy(data) + part::rest(data) }
"""
_PART = """
#[inline(never)]
pub fn rest(data: &[u32]) -> u32 { data.iter().fold(0, |s, x| s.rotate_left(3) ^ *x) }

// Inlined: its lines alone tell that work was added here.
#[inline(always)]
pub fn heavy(data: &[u32]) -> u32 {
    let mut sum = 0u32;
    let mut at = 0;
    while at < @COUNT@ {
        sum = ((sum << 5) | (sum >> 27)) ^ data[at];
        at += 1;
    }
    sum
}
"""


def rust_crates(count: int) -> dict[str, str]:
    """A workspace of Rust, with a Criterion of its own that times nothing. Its benchmark `heavy`
    goes through `count` of 4096 numbers in `heavy` of the crate `adder`, and through all in `rest`.
    """
    package = '[package]\nname = "{}"\nversion = "0.1.0"\nedition = "2021"\n'
    bench = '[dev-dependencies]\ncriterion = { path = "../criterion" }\n'
    bench += '[[bench]]\nname = "all"\nharness = false\n'
    return {
        "Cargo.toml": '[workspace]\nmembers = ["crates/*"]\nresolver = "2"\n',
        "crates/criterion/Cargo.toml": package.format("criterion"),
        "crates/criterion/src/lib.rs": _CRITERION,
        "crates/adder/Cargo.toml": package.format("adder") + bench,
        "crates/adder/src/lib.rs": _WORK,
        "crates/adder/src/part.rs": _PART.replace("@COUNT@", str(count)),
        "crates/adder/benches/all.rs": _BENCH,
    }


def use_stand_in(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """PATH leads to the stand-in; programs are kept below `folder`."""
    cargo = folder / "bin" / "cargo"
    cargo.parent.mkdir()
    cargo.write_text(_CARGO.replace("@PYTHON@", f"{sys.executable} -IS"))
    cargo.chmod(0o755)
    patch.setenv("PATH", f"{cargo.parent}{os.pathsep}{os.environ['PATH']}")
    patch.setenv("BITNET_PERF_CACHE", str(folder / "cache"))
    patch.delenv("CARGO_TARGET_DIR", raising=False)


def crate(
    name: str,
    benches: Mapping[str, Mapping[str, Any]],
    needs: Mapping[str, str | None] | None = None,
    *,
    features: bool = False,
) -> dict[str, str]:
    """The files of a crate; `needs` are the crates it depends on, with "dev" or None."""
    own = {
        "name": name,
        "needs": list((needs or {}).items()),
        "features": {"cpu": []} if features else {},
    }
    folder = f"crates/{name}"
    found = {f"{folder}/crate.json": json.dumps(own), f"{folder}/src/lib.rs": "pub fn f() {}\n"}
    return found | {
        f"{folder}/benches/{bench}.json": json.dumps(orders) for bench, orders in benches.items()
    }


def repository(folder: Path, *revisions: Mapping[str, str]) -> Path:
    """A repository of a workspace with these commits, one after the other."""
    root = new_checkout(folder)
    manifest = {"Cargo.toml": '[workspace]\nmembers = ["crates/*"]\n'}
    for files in revisions:
        shutil.rmtree(root / "crates", ignore_errors=True)
        commit(root, manifest | dict(files))
    return root
