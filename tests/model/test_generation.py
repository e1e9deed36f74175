"""Generation: stops, seeds, streaming, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import bitnet_perf as bp
from bitnet_perf import _native


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return bp.Model.load(bp.make_model(tmp_path_factory.mktemp("model") / "tiny.gguf", seed=3))


def test_greedy_is_the_argmax_of_every_step(model):
    prompt = [5, 6, 7]
    made = model.generate(prompt, 6, stop=())
    tokens = list(prompt)
    for token in made.tokens:
        assert token == model.forward(tokens)[-1].argmax()
        tokens.append(token)
    assert made.stop_reason == "max_tokens"
    assert made.prompt_tokens == 3
    assert made.seed is None
    assert len(made.timings.steps) == 5


def test_one_seed_one_text(model):
    options = {"max_tokens": 12, "temperature": 2.0, "top_k": 50, "stop": ()}
    first, again = (model.generate("abc", seed=4, **options) for _ in range(2))
    other = model.generate("abc", seed=5, **options)
    assert first.tokens == again.tokens != other.tokens
    assert first.seed == 4


def test_a_drawn_seed_is_told_and_repeats(model):
    options = {"max_tokens": 12, "temperature": 2.0, "stop": ()}
    drawn = model.generate("abc", **options)
    assert drawn.seed is not None
    assert model.generate("abc", seed=drawn.seed, **options).tokens == drawn.tokens


def test_a_stop_token_ends_and_is_left_out(model):
    free = model.generate([5, 6, 7], 6, stop=())
    ended = model.generate([5, 6, 7], 6, stop={free.tokens[3]})
    first = free.tokens.index(free.tokens[3])
    assert ended.tokens == free.tokens[:first]
    assert ended.stop_reason == "stop_token"


def test_streaming_gives_the_text_piece_by_piece(model):
    seen = []
    made = model.generate("h\u00e9llo", 40, temperature=3.0, seed=1, stop=(),
                          on_token=lambda token, piece: seen.append((token, piece)))  # fmt: skip
    assert [token for token, _ in seen] == list(made.tokens)
    shown = "".join(piece for _, piece in seen)
    assert made.text.startswith(shown)
    assert len(shown) > len(made.text) / 2


def test_the_callback_may_end_it(model):
    made = model.generate([1], 10, stop=(), on_token=lambda *_: False)
    assert len(made.tokens) == 1
    assert made.stop_reason == "callback"


def test_the_context_ends_it(model):
    made = model.generate([1] * 508, 50, stop=())
    assert made.stop_reason == "context"
    assert len(made.tokens) == 512 - 508 + 1


@pytest.mark.parametrize(
    ("prompt", "options", "error", "text"),
    [
        ([], {}, bp.ModelError, "tokens: found none"),
        ([1] * 513, {}, bp.ModelError, "512"),
        ([1024], {}, bp.ModelError, "1024"),
        ([1], {"max_tokens": 0}, bp.ConfigError, "max_tokens: found 0"),
        ([1], {"temperature": -1.0}, bp.ConfigError, "temperature"),
        ([1], {"top_p": 0.0}, bp.ConfigError, "top_p"),
    ],
)
def test_what_is_refused(model, prompt, options, error, text):
    with pytest.raises(error, match=text):
        model.generate(prompt, **options)


def test_a_decode_step_allocates_nothing(model):
    with model.sequence() as sequence:
        sequence.reserve(40)
        logits = sequence.extend([1] * 10, [9])
        assert sequence.extend([2], out=logits) is logits  # memory that is kept has been made
        before = _native.allocations()
        for _ in range(29):
            sequence.extend([2], out=logits)
        assert _native.allocations() == before
        sequence.extend([2])
        assert _native.allocations()[0] > before[0]  # the counter counts


def test_logits_go_where_they_should(model):
    with model.sequence() as sequence:
        out = np.empty((2, model.config.vocab), np.float32)
        sequence.extend([1, 2], out=out)
        assert np.array_equal(out, model.forward([1, 2]))
        with pytest.raises(bp.ShapeError, match="out"):
            sequence.extend([3], out=out)
        assert sequence.length == 2
