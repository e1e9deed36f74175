"""A survey of two sides: one live, of a package with seeded faults, and records that lie."""

from __future__ import annotations

import json
import shutil
import sys
import venv
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

import bitnet_perf as bp
from bitnet_perf.analyze.assessed import assess_review
from bitnet_perf.analyze.evidence import Evidence, Loaded, SideEvidence
from bitnet_perf.bench.ceilings import measure_ceilings
from bitnet_perf.bench.inputs import model_file
from bitnet_perf.bench.paired.sides import Ready, own_environment, prepare_side
from bitnet_perf.bench.toolchain import dependency_folders
from bitnet_perf.review import evidence as module
from bitnet_perf.review.evidence import Scope, load_evidence, survey_sides, unsurveyed
from bitnet_perf.review.measure import _slower
from bitnet_perf.review.surveys import ask, memory, speed
from bitnet_perf.review.surveys.ask import NoAnswer, ask_side, well_formed

PACKAGE = Path(bp.__file__).parent
GEMV = "forward/gemv/i2_s/64x256/t1"
DECODE = "generation/decode/i2_s/tiny-n4/t1"

# File of the package -> what is added to it: accuracy lost, memory that grows with the square of
# the layers and at every token, and tokens that depend on the number of threads.
FAULTS = {
    "kernels/blocks.py": """
_right = dequantize_blocks
def dequantize_blocks(blocks):
    return _right(blocks) * np.float32(0.9)
""",
    "model/model.py": """
_load, _generate = Model.load.__func__, Model.generate
_kept = []
def _faulty_load(cls, *words, **named):
    model = _load(cls, *words, **named)
    model.waste = np.ones(model.config.layers ** 2 << 19, np.uint8)
    return model
def _faulty_generate(self, *words, **named):
    _kept.append(np.ones(1 << 17, np.uint8))
    made = _generate(self, *words, **named)
    return made if self.threads == 1 else type(made)(
        made.tokens[1:], made.text, made.prompt_tokens, made.seed, made.stop_reason, made.timings)
Model.load = classmethod(_faulty_load)
Model.generate = _faulty_generate
""",
}


@pytest.fixture(scope="module")
def sides(tmp_path_factory):
    """This installation, and a copy of its Python with faults over the same extension."""
    base = prepare_side(bp.Side.isa(""))
    root = tmp_path_factory.mktemp("faulty")
    rubbish = shutil.ignore_patterns("__pycache__", "*.so")
    shutil.copytree(PACKAGE, root / "bitnet_perf", ignore=rubbish)
    for name, text in FAULTS.items():
        with (root / "bitnet_perf" / name).open("a") as file:
            file.write(text)
    assert base.environment is not None
    native = base.options.get("native") or str(Path(bp._native.__file__).parent)
    options = {**base.options, "root": str(root), "native": native}
    python = plain_python(root / "environment")
    environment = replace(base.environment, package=root, native=Path(bp._native.__file__))
    return base, Ready(bp.Side.isa(""), python, options, environment)


def plain_python(folder):
    """A Python with the dependencies of this one, where no editable package offers its files."""
    venv.create(folder)
    site = next(folder.glob("lib/python*/site-packages"))
    (site / "dependencies.pth").write_text("\n".join(map(str, dependency_folders())))
    return str(folder / "bin" / "python")


@pytest.fixture(scope="module")
def surveyed(sides):
    """Both surveyed once, over small cases."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "VOCABULARY", 512)
        patch.setattr(module, "LAYERS", (4, 8, 12, 16))
        patch.setattr(speed, "VECTOR_CASES", (GEMV,))
        patch.setattr(speed, "MODEL_CASES", (DECODE,))
        patch.setattr(module, "cache_cases", lambda *_: ("forward/gemv/i2_s/64x256/t2",))
        limits = measure_ceilings(2, rounds=2, memory=1 << 26)
        patch.setattr(module, "measure_ceilings", lambda *_, **__: limits)
        patch.setattr(Scope, "threads", (1, 2))
        said = []
        patch.setattr(memory, "REPEATS", 10)
        scope = Scope(model=model_file("tiny"))
        report = lambda _, what: said.append(what)  # noqa: E731
        found = survey_sides(*sides, (GEMV, DECODE), scope, report)
    assert len(said) == len(module._PARTS)
    return found


def test_cache_misses_are_those_of_what_became_slower_and_of_the_products_of_the_suite():
    rope, wide = "forward/rope/f32/20x128/t1", "forward/gemv/tl1/2560x2560/t1"
    two = "forward/gemv/i2_s/64x256/t2"
    suite = (rope, two, GEMV, GEMV.replace("/t1", "/t2"), wide, wide.replace("2560x", "640x"),
             DECODE, "tokenization/tokenize/bpe/4096/t1")  # fmt: skip
    assert module.cache_cases(suite, ()) == (GEMV, wide)
    assert module.cache_cases(suite, (DECODE, rope)) == (rope, GEMV, wide)
    assert module.cache_cases((DECODE,), ()) == module.VECTOR_CASES[:2]


def test_the_most_slowed_down_comes_first():
    rows = [
        SimpleNamespace(case=case, low=low, slowdown=slowdown)
        for case, low, slowdown in (("a", 0.01, 0.02), ("b", 0.1, 0.2), ("c", -0.1, 0.3),
                                    ("d", None, None))
    ]  # fmt: skip
    assert _slower(SimpleNamespace(rows=lambda: rows)) == ("b", "a")


def test_every_part_is_measured_or_says_why(surveyed):
    for side in surveyed.sides:
        assert set(side.missing) == {"cache"}, side.missing
        assert "several threads" in side.missing["cache"]
        assert [each.layers for each in side.loaded] == [4, 8, 12, 16]
        assert {each.ran for each in side.timed if each.asked == "scalar"} == {"scalar"}
        assert all(each.seconds for each in side.timed)
        assert {each.stage for each in side.stages} >= {"Model Load", "Forward Pass"}
        assert any(each.kernel.startswith("gemv/") for each in side.kernels)
    assert [each.case for each in surveyed.works] == [GEMV]
    assert set(surveyed.seconds) == {name for name, _, _ in module._PARTS}


def test_seeded_faults_are_found_and_the_rest_is_met(surveyed):
    targets = {each.name: each for each in assess_review(surveyed, None, ()).targets}
    missed = {name for name, each in targets.items() if each.gates}
    own = {name for name in missed if name.startswith("quantization accuracy on weights of tiny-")}
    assert len(own) == 1
    assert missed - own == {
        "quantization accuracy on ternary times 0.02, seed 20",
        "quantization accuracy against the base",
        "linear memory scaling",
        "peak memory against the base",
        "memory held by repeats",
        "deterministic output",
    }
    lost = targets["quantization accuracy against the base"]
    assert "quant.i2s, quant.tl1, quant.tl2" in lost.sentence
    assert lost.candidate < lost.base - 0.5
    assert "different bits of tokens" in targets["deterministic output"].sentence
    assert targets["model output against the base"].status == "met"
    assert targets["inference throughput"].status == "not measured"


def test_equal_sides_miss_nothing(surveyed):
    again = surveyed.model_copy(update={"candidate": surveyed.base})
    found = assess_review(again, None, ())
    assert found.missed == ()
    assert found.exit_code(0) == 0
    assert [gain.case for gain in found.vectors] == [GEMV]
    assert [gain.case for gain in found.threads] == [DECODE.replace("/t1", "/t2")]
    assert found.accuracy.keys() == {"I2S", "TL1", "TL2"}
    assert all(each.base and each.candidate for each in found.kernels)


def test_it_is_written_and_read(surveyed, tmp_path):
    module.save_evidence(surveyed, tmp_path)
    assert load_evidence(tmp_path) == surveyed


def change(path, value):
    """Evidence with one field set, as JSON."""
    trip = {"format": "f", "data": "d", "values": 1, "rms": 1.0, "error": 0.1, "cosine": 1.0}
    loaded = {"layers": 1, "model": 1, "before": 1, "peak": 2}
    held = {"what": "w", "kind": "python", "sizes": [1, 2, 3, 4]}
    timed = {"case": "a/b/c/d/t1", "asked": "", "ran": "x", "seconds": [1.0]}
    side = {"label": "s", "round_trips": [trip], "loaded": [loaded], "held": [held]}
    found = {"base": {**side, "timed": [timed]}, "candidate": {"label": "t"}}
    at = found
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return json.dumps(found)


BASE = ("base", "round_trips", 0)


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("version",), 2, "version"),
        (("extra",), 1, "extra"),
        (("base",), None, "base"),
        ((*BASE, "rms"), 0.0, "rms"),
        ((*BASE, "rms"), float("nan"), "rms"),
        ((*BASE, "error"), float("inf"), "error"),
        ((*BASE, "cosine"), 2.0, "cosine"),
        ((*BASE, "codes"), 1.5, "codes"),
        ((*BASE, "values"), 0, "values"),
        ((*BASE, "format"), "x" * 1001, "format"),
        (("base", "loaded", 0, "peak"), -1, "peak"),
        (("base", "loaded", 0, "model"), 1 << 70, "model"),
        (("base", "held", 0, "sizes"), [1], "sizes"),
        (("base", "timed", 0, "seconds"), [], "seconds"),
        (("base", "timed", 0, "seconds"), [-1.0], "seconds"),
        (("base", "timed", 0, "case"), "a/b/c/d/tx", "case"),
        (("base", "missing"), {"nothing": "x"}, "missing"),
        (("ceilings",), {"host": 1}, "ceilings"),
        (("baseline",), {"name": "x", "rows": [{"case": 1}]}, "baseline"),
    ],
)
def test_records_that_lie_are_refused_by_their_field(tmp_path, path, value, says):
    (tmp_path / module.FILE).write_text(change(path, value))
    with pytest.raises(bp.FormatError, match=says):
        load_evidence(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{", "null", "[" * 100_000, '{"base": 1}'])
def test_what_is_no_record_is_refused(tmp_path, text):
    (tmp_path / module.FILE).write_text(text)
    with pytest.raises(bp.FormatError, match=r"evidence\.json"):
        load_evidence(tmp_path)


def test_a_folder_without_one_is_refused(tmp_path):
    with pytest.raises(bp.FormatError, match="cannot be read"):
        load_evidence(tmp_path)


def test_a_minimal_record_assesses_to_nothing_measured(tmp_path):
    (tmp_path / module.FILE).write_text(change(("base", "label"), "\u202e<b>|x"))
    found = assess_review(load_evidence(tmp_path), None, ())
    assert {each.status for each in (*found.targets, found.budgets)} == {"not measured"}
    assert found.exit_code(3) == 3
    nothing = unsurveyed(("a", "b"), "why")
    assert all("why" in each.sentence for each in assess_review(nothing, None, ()).targets[1:])


def faulty(tmp_path, text):
    """A side whose package is this text."""
    (tmp_path / "bitnet_perf").mkdir()
    (tmp_path / "bitnet_perf" / "__init__.py").write_text(text)
    environment = replace(own_environment(), package=tmp_path, native=None)
    options = {"kind": "native", "root": str(tmp_path)}
    return Ready(bp.Side.isa(""), sys.executable, options, environment)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("raise ValueError('wrong codes')", "wrong codes"),
        ("import os; os.kill(os.getpid(), 9)", "status -9"),
        ("", "has no attribute"),
        ("import os, sys; print('x' * 500); sys.exit(3)", "xxx"),
    ],
)
def test_a_side_that_cannot_answer_says_why(tmp_path, text, says):
    with pytest.raises(NoAnswer, match=says) as error:
        ask_side(faulty(tmp_path, text), "held", {"model": "m", "threads": 1})
    assert len(str(error.value)) < 300


def test_a_side_that_hangs_is_ended(tmp_path):
    side = faulty(tmp_path, "import time; time.sleep(600)")
    with pytest.raises(NoAnswer, match=r"no answer within 0\.2 s"):
        ask_side(side, "held", {}, limit=0.2)


def test_what_is_no_package_has_no_evidence():
    side = Ready(bp.Side.command("true"), sys.executable, {})
    with pytest.raises(NoAnswer, match="is no package"):
        ask_side(side, "held", {})


@pytest.mark.parametrize("text", ["", "[1]", "[" * 100_000, "{"])
def test_an_answer_that_is_none(tmp_path, text):
    (tmp_path / "answer").write_text(text)
    with pytest.raises(NoAnswer, match="its answer"):
        ask._read(tmp_path / "answer")


def test_an_answer_with_wrong_fields_is_refused():
    with pytest.raises(NoAnswer, match="peak"):
        well_formed(Loaded, {"layers": 1, "model": 1, "before": 1, "peak": "many"})
    with pytest.raises(NoAnswer):
        well_formed(Loaded, 3)


def test_a_part_that_fails_takes_nothing_from_the_rest():
    survey = module._Survey((None, None), (), [{}, {}])
    with survey.part("memory"):
        raise bp.EnvironmentRefused("no space\n" * 100)
    assert len(survey.missing[0]["memory"]) <= 300
    made = [SideEvidence(label="x", missing=each) for each in survey.missing]
    found = Evidence(base=made[0], candidate=made[1], seconds=survey.seconds)
    assert found.why("memory").startswith("candidate: no space")
    assert found.why("speed") == "not measured"


def test_threads_of_a_scope(monkeypatch):
    monkeypatch.setattr(module, "allowed_cpus", lambda: tuple(range(6)))
    assert Scope().threads == (1, 6)
    assert Scope(full=True).threads == (1, 2, 4, 6)
    monkeypatch.setattr(module, "allowed_cpus", lambda: (3,))
    assert Scope(full=True).threads == (1,)
