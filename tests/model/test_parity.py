"""The engine against the logits that bitnet.cpp and llama.cpp computed, teacher-forced."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import bitnet_perf as bp

GOLDEN = Path(__file__).parents[1] / "golden"


def ids(folder: str, name: str) -> list[int]:
    return [int(word) for word in (GOLDEN / folder / name).read_text().split()]


def logits_of(model: bp.Model, folder: str) -> np.ndarray:
    """The prompt as one batch, then token by token."""
    prompt, greedy = ids(folder, "tokens.txt"), ids(folder, "greedy.txt")
    with model.sequence() as sequence:
        rows = [sequence.extend(prompt)]
        rows += [sequence.extend([token]) for token in greedy]
    return np.concatenate(rows).astype(np.float64)


def nmse(found: np.ndarray, want: np.ndarray) -> np.ndarray:
    want = want.astype(np.float64)
    return ((found - want) ** 2).sum(axis=1) / (want**2).sum(axis=1)


def check_top(found: np.ndarray, want: np.ndarray, margin: float) -> None:
    """The same token on top wherever the reference is sure of it."""
    first, second = np.sort(want, axis=1)[:, [-1, -2]].T
    sure = (first - second) / want.std(axis=1) > margin
    assert sure.sum() > len(want) / 2
    assert np.array_equal(found.argmax(axis=1)[sure], want.argmax(axis=1)[sure])


@pytest.fixture(scope="module")
def bitnet_cpp() -> tuple[str, np.ndarray]:
    folder = GOLDEN / "bitnet_cpp"
    return str(folder / "tiny-i2_s.gguf"), np.load(folder / "tiny-i2_s.logits.npy")


@pytest.mark.parametrize("isa", [None, "scalar"])
def test_bitnet_cpp_by_our_own_rounding(bitnet_cpp, isa):
    path, want = bitnet_cpp
    found = logits_of(bp.Model.load(path, isa=isa, threads=1), "bitnet_cpp")
    error = nmse(found, want)
    assert np.median(error) <= 1.2e-3
    assert error.max() <= 3e-3
    check_top(found, want, 0.1)


@pytest.mark.parametrize("isa", [None, "scalar"])
def test_bitnet_cpp_by_its_rounding(bitnet_cpp, isa):
    path, want = bitnet_cpp
    found = logits_of(bp.Model.load(path, isa=isa, threads=1, parity="bitnet.cpp"), "bitnet_cpp")
    error = nmse(found, want)
    assert np.median(error) <= 1e-6
    assert np.median(error[:24]) <= 1e-6
    assert error.max() <= 2e-3
    check_top(found, want, 0.05)


@pytest.mark.parametrize("isa", [None, "scalar"])
@pytest.mark.parametrize("type", ["tq1_0", "tq2_0"])
def test_llama_cpp(type, isa):
    folder = GOLDEN / "llama_cpp"
    want = np.load(folder / f"tiny-{type}.logits.npy")
    path = folder / f"tiny-{type}.gguf"
    model = bp.Model.load(path, isa=isa, threads=1, activation="silu", act_quant="q8_k")
    assert model.config.kv == "f32"
    found = logits_of(model, "llama_cpp")
    error = nmse(found, want)
    assert np.median(error) <= 1e-6
    assert error.max() <= 2e-3
    check_top(found, want, 0.05)


def test_tq1_0_and_tq2_0_give_the_same_bits():
    found = [
        logits_of(bp.Model.load(GOLDEN / "llama_cpp" / f"tiny-{t}.gguf"), "llama_cpp")
        for t in ("tq1_0", "tq2_0")
    ]
    assert np.array_equal(found[0], found[1])


@pytest.mark.parametrize(
    ("folder", "file", "options"),
    [
        ("bitnet_cpp", "tiny-i2_s.gguf", {}),
        ("bitnet_cpp", "tiny-i2_s.gguf", {"parity": "bitnet.cpp"}),
        ("llama_cpp", "tiny-tq2_0.gguf", {"act_quant": "q8_k"}),
    ],
)
def test_free_running_greedy_is_theirs(folder, file, options):
    model = bp.Model.load(GOLDEN / folder / file, **options)
    greedy = ids(folder, "greedy.txt")
    made = model.generate(ids(folder, "tokens.txt"), max_tokens=len(greedy), stop=())
    assert list(made.tokens) == greedy


def test_the_wrong_activation_is_far_away(bitnet_cpp):
    """The limits above can tell: with SiLU the same file gives other logits."""
    path, want = bitnet_cpp
    found = logits_of(bp.Model.load(path, activation="silu"), "bitnet_cpp")
    assert np.median(nmse(found, want)) > 0.1
