"""Tunables: one list, checked values, and results that never depend on them."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
import threading

import numpy as np
import pytest
from house.tree import ROOT
from reference import formats, matmul

import bitnet_perf as bp
from bitnet_perf import _bench, _native
from bitnet_perf.formats.dense import pack_dense
from bitnet_perf.kernels.tunables import as_text, tuned_values, tuned_with
from bitnet_perf.model.model import Model

ROWS = {row.name: row for row in bp.tunables()}
RUNNABLE = [row[2] for row in _native.kernels() if not row[3]]
PRODUCTS = [
    (family, format, isa)
    for family, format, isa, why in _native.kernels()
    if family in ("gemv", "gemm") and not why
]


def values_of(row):
    """The bounds of a number and what lies beside its default; every word that runs here."""
    if row.words:
        skipped = {isa[0] for isa in _native.isas() if not isa[4]}
        return [word for word in row.words if word not in skipped]
    return sorted({row.least, row.least + 1, row.default, row.most})


CROSSOVERS = [name for name in ROWS if name.endswith("panel_tokens") or name == "amx_tokens"]
SETTINGS = [(name, value) for name, row in ROWS.items() for value in values_of(row)]


@pytest.fixture(autouse=True)
def _defaults():
    with tuned_with({}):
        yield


def test_the_list_is_the_one_of_the_build():
    text = (ROOT / "csrc" / "core" / "tunables.inc").read_text()
    listed = re.findall(r"^BP_TUN(?:ABLE|ED_WORD)\((\w+)", text, re.M)
    assert list(ROWS) == listed
    assert all(row.value == row.default and row.meaning for row in ROWS.values())
    assert all(row.default in row.words for row in ROWS.values() if row.words)
    assert all(row.least <= row.default <= row.most for row in ROWS.values() if not row.words)


@pytest.mark.parametrize(("name", "value"), SETTINGS)
def test_a_value_holds_until_it_is_set_back(name, value):
    bp.set_tunables({name: value})
    held = {row.name: row.value for row in bp.tunables()}
    assert held == {key: row.default for key, row in ROWS.items()} | {name: value}
    assert tuned_values() == ({} if value == ROWS[name].default else {name: value})
    bp.set_tunables({name: None})
    assert tuned_values() == {}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"amx_tokens": 0}, "amx_tokens: found '0', accepted is 1 to 4096 tokens"),
        ({"prefetch_bytes": 65537}, "prefetch_bytes: found '65537', accepted is 0 to 65536 bytes"),
        ({"amx_tokens": "four"}, "amx_tokens: found 'four', accepted is 1 to 4096 tokens"),
        ({"amx_tokens": 2.5}, "amx_tokens: found '2.5'"),
        ({"amx_token": 4}, "tunables: found 'amx_token', accepted are decode_threads, "),
        (
            {"weights_layout": "q6_k"},
            "weights_layout: found 'q6_k', accepted is native, i2_s, ",
        ),
        ({"gemv_isa": "avx2"}, "gemv_isa: found 'avx2', accepted is list, scalar, "),
    ],
)
def test_what_is_not_accepted_changes_nothing(values, said):
    with pytest.raises(bp.ConfigError) as error:
        bp.set_tunables({"panel_tokens": 7, **values})
    assert said in str(error.value)
    assert tuned_values() == {}


def test_a_variant_that_cannot_run_here_is_refused():
    words = ROWS["gemv_isa"].words
    missing = next(isa[0] for isa in _native.isas() if not isa[4] and isa[0] in words)
    with pytest.raises(bp.IsaError, match=f"gemv_isa: '{missing}' cannot run here"):
        bp.set_tunables({"gemv_isa": missing})


def test_text_and_back():
    values = {"amx_tokens": 9, "gemv_isa": "scalar"}
    code = (
        "from bitnet_perf import _bench; import bitnet_perf as bp; "
        f"_bench.set_tunables({as_text(values)!r}); _bench.set_tunables(''); "
        "print({r.name: r.value for r in bp.tunables() if r.value != r.default})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(values)


def made(format, M):
    rng = np.random.default_rng(M)
    w = rng.integers(-1, 2, (96, 768), np.int8)
    q = rng.integers(-128, 128, (M, 768)).astype(np.int8)
    packed = (
        bp.pack(w, format).data
        if not format.startswith("native_")
        else formats.pack(format, w, 1.0)
    )
    return packed, q, matmul.sums(q, w)


CASES = {
    (format, M): made(format, M)
    for format in sorted({row[1] for row in PRODUCTS})
    for M in (1, 2, 5, 17, 50)
}


@pytest.mark.parametrize(("name", "value"), SETTINGS)
def test_integer_products_give_the_same_sums(name, value):
    bp.set_tunables({name: value})
    for family, format, isa in [*PRODUCTS, *((f, x, "") for f, x, _ in PRODUCTS)]:
        for M in (1,) if family == "gemv" else (1, 2, 5, 17, 50):
            packed, q, want = CASES[format, M]
            run = _native.gemv if family == "gemv" else _native.gemm
            found = run(packed, format, 96, 768, q[0] if family == "gemv" else q, isa, 2)
            np.testing.assert_array_equal(
                np.atleast_2d(found), want, err_msg=f"{family}/{format}/{isa} M={M}"
            )


FLOATS = np.random.default_rng(5).normal(size=(50, 768)).astype(np.float32)
HELD = bp.prepare(bp.pack(np.random.default_rng(6).integers(-1, 2, (96, 768), np.int8), "i2_s"))


@pytest.fixture(scope="module")
def products():
    return [bp.matmul(FLOATS[:M], HELD, isa="scalar") for M in (1, 2, 5, 17, 50)]


@pytest.mark.parametrize(("name", "value"), SETTINGS)
def test_products_in_float_give_the_same_bits(name, value, products):
    bp.set_tunables({name: value})
    for want in products:
        found = bp.matmul(FLOATS[: len(want)], HELD, threads=2)
        np.testing.assert_array_equal(found, want)


@pytest.mark.parametrize("family", ["gemv", "gemm"])
def test_a_tuned_variant_is_the_one_that_is_chosen(family):
    mine = [isa for f, format, isa in PRODUCTS if (f, format) == (family, "i2_s")]
    for isa in mine:
        bp.set_tunables({f"{family}_isa": isa})
        assert _native.select(family, "i2_s") == isa
        assert [r.isa for r in bp.isas() if r.chosen and (r.family, r.format) == (family, "i2_s")] \
            == [isa]  # fmt: skip
    lacking = [r for r in _native.kernels() if r[0] == "rms_norm" and not r[3]]
    assert _native.select("rms_norm", "f32") == lacking[0][2], "float families keep the list"


@pytest.mark.parametrize("format", ["f16", "q6_k", "q8_0", "q4_k"])
def test_heads_give_the_same_bits(format):
    rng = np.random.default_rng(3)
    w = pack_dense(rng.normal(size=(48, 512)).astype(np.float32), format)
    x = rng.normal(size=(3, 512)).astype(np.float32)
    found = []
    for value in values_of(ROWS["head_prefetch_bytes"]):
        bp.set_tunables({"head_prefetch_bytes": value})
        for isa in [
            r[2] for r in _native.kernels() if r[:2] == ("gemm_dense", format) and not r[3]
        ]:
            found.append((isa, _native.gemm_dense(w, format, 48, 512, x, isa).tobytes()))
    assert len(set(found)) == len({isa for isa, _ in found})


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "tiny.gguf"
    bp.make_model(path, "tiny", "tq2_0")
    return path


TOKENS = (1, 5, 300, 77, 5, 201)


@pytest.fixture(scope="module")
def wanted(file):
    model = Model.load(file)
    return model.forward(TOKENS), model.generate(list(TOKENS), 4, stop=()).tokens


@pytest.mark.parametrize(("name", "value"), SETTINGS)
def test_a_model_gives_the_same_logits(name, value, file, wanted):
    bp.set_tunables({name: value})
    model = Model.load(file)
    np.testing.assert_array_equal(model.forward(TOKENS), wanted[0])
    assert model.generate(list(TOKENS), 4, stop=()).tokens == wanted[1]
    if name == "weights_layout":
        value = _native.native_layout() if value == "native" else value
        assert any(f"/{value}/" in kernel for kernel in model.kernels)


@pytest.mark.parametrize("type", ["i2_s", "tl1", "tl2", "tq1_0", "tq2_0"])
def test_every_type_is_held_in_every_layout(type, tmp_path):
    bp.make_model(tmp_path / "m.gguf", "tiny", type)
    want = Model.load(tmp_path / "m.gguf").forward(TOKENS)
    for layout in ROWS["weights_layout"].words:
        bp.set_tunables({"weights_layout": layout})
        np.testing.assert_array_equal(Model.load(tmp_path / "m.gguf").forward(TOKENS), want)


def test_threads_of_a_model_are_what_was_tuned_and_never_more_than_allowed(file):
    allowed = _native.default_threads()
    model = Model.load(file)
    assert (model.threads, model.decode_threads) == (allowed, allowed)
    bp.set_tunables({"decode_threads": 1, "prefill_threads": 256})
    model = Model.load(file)
    assert (model.threads, model.decode_threads) == (allowed, 1)
    model = Model.load(file, threads=3)
    assert (model.threads, model.decode_threads) == (3, 3)


def test_sums_a_block_stay_in_the_layout_that_has_a_place_for_them(file):
    want = Model.load(file, act_quant="q8_k").forward(TOKENS)
    bp.set_tunables({"weights_layout": "i2_s"})
    model = Model.load(file, act_quant="q8_k")
    np.testing.assert_array_equal(model.forward(TOKENS), want)
    assert any("gemv/native_i2_r4/" in kernel for kernel in model.kernels)


def test_values_that_change_during_a_pass_change_no_result(tmp_path):
    """What one product left for the next is used only where that one would make the same."""
    bp.make_model(tmp_path / "m.gguf", "small", "i2_s")
    model, done = Model.load(tmp_path / "m.gguf", threads=1), threading.Event()
    tokens = range(1, 15)
    want = model.forward(tokens)

    def change():
        for value in itertools.cycle((1, 4096)):
            if done.is_set():
                return
            _bench.set_tunables(",".join(f"{name}={value}" for name in CROSSOVERS))

    other = threading.Thread(target=change)
    other.start()
    try:
        for _ in range(60):
            np.testing.assert_array_equal(model.forward(tokens), want)
    finally:
        done.set()
        other.join()
