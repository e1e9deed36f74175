"""Accuracy by format and data, and perplexity, against what can be computed by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

import bitnet_perf as bp
from bitnet_perf import cli
from bitnet_perf.model.model import Model
from bitnet_perf.review.accuracy import formats_with_accuracy, perplexity


@pytest.fixture(scope="module")
def rows():
    return bp.accuracy()


def of(rows, format, data):
    return next(r for r in rows if r.format == format and r.distribution.startswith(data))


def test_every_format_on_every_kind_of_data(rows):
    assert len(rows) == 3 * len(formats_with_accuracy())
    assert {"i2_s", "tq1_0", "q6_k", "f16", "quant.tl2"} <= {row.format for row in rows}


@pytest.mark.parametrize("format", ["i2_s", "tl1", "tl2"])
def test_ternary_data_is_ternary_but_for_the_mean_rule(rows, format):
    """absmean takes the mean of |w|, two thirds of the true scale: weights a third too small."""
    row = of(rows, format, "ternary")
    assert row.cosine == pytest.approx(1, abs=1e-6)
    assert row.accuracy == pytest.approx(100 * 2 / 3, abs=0.5)


def test_wide_formats_lose_little_and_narrow_ones_much(rows):
    gaussian = {row.format: row.accuracy for row in rows if row.distribution.startswith("Gauss")}
    assert gaussian["f32"] == 100
    assert gaussian["f16"] > 99.9 > gaussian["q8_0"] > 99 > gaussian["q6_k"] > 95
    assert gaussian["q6_k"] > gaussian["q4_k"] > gaussian["i2_s"]
    assert gaussian["i2_s"] == gaussian["tl1"] == gaussian["tl2"]


def test_bits_are_those_of_the_bytes(rows):
    assert of(rows, "f16", "Gauss").bits == 16
    assert of(rows, "q6_k", "Gauss").bits == pytest.approx(210 * 8 / 256)
    assert of(rows, "tq1_0", "Gauss").bits == pytest.approx(54 * 8 / 256)


def test_an_array_of_ones_own():
    x = np.random.default_rng(0).normal(size=(32, 256)).astype(np.float32)
    (row,) = bp.accuracy(x, ["q8_0"])
    assert row.distribution == "the given array"
    assert row.values == x.size
    (ragged,) = bp.accuracy(x[:, :100].copy(), ["f16", "q6_k"])
    assert ragged.format == "f16"  # rows of 100 are no blocks of q6_k


def test_the_weights_of_a_file(tmp_path):
    path = bp.make_model(tmp_path / "tiny.gguf", vocab=300)
    (row,) = bp.accuracy(path, ["f32"])
    assert row.accuracy == 100
    assert row.values == 2 * (2 * 256 * 256 + 2 * 128 * 256 + 3 * 512 * 256)
    assert "tiny.gguf" in row.distribution


@pytest.mark.parametrize(
    ("given", "formats", "error", "text"),
    [
        (None, ["q2_k"], bp.ConfigError, "formats: found 'q2_k'"),
        (np.zeros(3), None, bp.ShapeError, "float64"),
        (np.full((1, 256), np.nan, np.float32), ["f16"], bp.FormatError, "NaN"),
    ],
)
def test_what_is_refused(given, formats, error, text):
    with pytest.raises(error, match=text):
        bp.accuracy(given, formats)


def test_perplexity_is_the_likelihood_of_the_text(tmp_path):
    model = Model.load(bp.make_model(tmp_path / "tiny.gguf", vocab=300))
    text = "the quick brown fox jumps over the lazy dog"
    ids = model.tokenizer.encode(text)
    logits = model.forward(ids).astype(np.float64)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    want = np.exp(-np.mean(np.log([p[i, ids[i + 1]] for i in range(len(ids) - 1)])))
    found, judged = perplexity(model, text)
    assert found == pytest.approx(want)
    assert judged == len(ids) - 1
    _, cut = perplexity(model, text, window=10)
    assert cut == sum(min(10, len(ids) - b) - 1 for b in range(0, len(ids), 10))
    with pytest.raises(bp.ConfigError, match="window: found 1"):
        perplexity(model, text, window=1)


def test_the_command(tmp_path, capsys):
    path = bp.make_model(tmp_path / "tiny.gguf", vocab=300)
    (tmp_path / "text").write_text("some words")
    arguments = ["accuracy", "i2_s", "--model", str(path), "--text", str(tmp_path / "text")]
    for more in ([], ["--json", "-"]):
        with pytest.raises(SystemExit) as ended:
            cli.main([*arguments, *more])
        assert ended.value.code == 0
    out = capsys.readouterr().out
    shown, _, parsed = out.partition("{")
    assert "perplexity" in shown
    assert json.loads("{" + parsed)["perplexity"]["tokens"] > 1
