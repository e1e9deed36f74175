"""Each filter against the definition, and what is drawn against the probabilities."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitnet_perf.errors import ConfigError, ShapeError
from bitnet_perf.model.sampling import Sampling, generator, min_p, penalize, sample, top_k, top_p

GREEDY = Sampling()
# Quarters make ties frequent, and sums and products of a few of them exact.
quarters = st.integers(-40, 40).map(lambda number: number / 4)
rows = st.lists(quarters, min_size=1, max_size=30).map(lambda row: np.array(row, np.float64))
anywhere = st.lists(
    st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=20
).map(lambda row: np.array(row, np.float32))


def shares(values):
    powers = [math.exp(value - max(values)) for value in values]
    return [power / math.fsum(powers) for power in powers]


def best_first(values):
    """Places from the largest value on, of equal ones the first."""
    return sorted(range(len(values)), key=lambda place: (-values[place], place))


def draw(logits, history=(), rng=None, **options):
    chosen = Sampling(**{"temperature": 1.0, **options})
    return sample(np.asarray(logits, np.float32), chosen, history, rng or generator(chosen))


@given(values=rows, k=st.integers(0, 35))
def test_top_k(values, k):
    expected = best_first(values)[: k or None]
    assert top_k(values, k).tolist() == sorted(expected)


@given(values=rows, p=st.floats(0.001, 1))
def test_top_p(values, p):
    order, parts = best_first(values), shares(values)
    sums = [math.fsum(parts[place] for place in order[:n]) for n in range(1, len(order) + 1)]
    kept = top_p(values, p).tolist()
    assert kept == sorted(order[: len(kept)])
    assert len(kept) == len(order) or sums[len(kept) - 1] >= p - 1e-12
    assert len(kept) == 1 or p == 1 or sums[len(kept) - 2] < p + 1e-12


@given(values=rows, p=st.floats(0, 1))
def test_min_p(values, p):
    parts = shares(values)
    kept = set(min_p(values, p).tolist())
    for place, part in enumerate(parts):
        if abs(part - p * max(parts)) > 1e-12:
            assert (place in kept) == (part > p * max(parts))
    assert int(np.argmax(values)) in kept


def test_filters_that_are_off_keep_all():
    values = np.array([0.0, -1e30, 5.0])
    for kept in (top_k(values, 0), top_p(values, 1.0), min_p(values, 0.0)):
        assert kept.tolist() == [0, 1, 2]


def test_filters_by_hand():
    values = np.log(np.array([0.1, 0.4, 0.2, 0.3]))
    assert top_k(values, 2).tolist() == [1, 3]
    assert top_p(values, 0.69).tolist() == [1, 3]
    assert top_p(values, 0.71).tolist() == [1, 2, 3]
    assert top_p(np.zeros(4), 0.5).tolist() == [0, 1]
    assert min_p(values, 0.45).tolist() == [1, 2, 3]
    assert min_p(values, 0.55).tolist() == [1, 3]
    assert top_k(np.array([1.0, 1.0, 2.0, 1.0]), 2).tolist() == [0, 2]
    assert min_p(np.array([3.0, 1.0, 3.0]), 1.0).tolist() == [0, 2]


@given(values=rows, data=st.data(), penalty=st.sampled_from([0.5, 1.0, 1.25, 2.0]))
def test_penalty(values, data, penalty):
    history = data.draw(st.lists(st.integers(0, values.size - 1), max_size=12))
    expected = [
        value if at not in history else value / penalty if value > 0 else value * penalty
        for at, value in enumerate(values.tolist())
    ]
    before = values.copy()
    assert penalize(values, history, penalty).tolist() == expected
    assert values.tolist() == before.tolist()


def test_a_repeated_token_loses():
    assert sample(np.array([2.0, 1.5], np.float32), GREEDY, [0], None) == 0
    penalized = Sampling(repetition_penalty=2.0)
    assert sample(np.array([2.0, 1.5], np.float32), penalized, [0, 0, 0], None) == 1
    assert sample(np.array([-1.0, -1.5], np.float32), penalized, [0], None) == 1


@given(logits=anywhere, options=st.sampled_from([{"temperature": 0.0}, {"top_k": 1}]))
def test_no_temperature_and_top_one_are_the_first_largest(logits, options):
    assert draw(logits, **options) == int(np.argmax(logits))


every_option = st.builds(
    Sampling,
    temperature=st.sampled_from([1e-320, 1e-3, 0.7, 1.0, 50.0, 1e300]),
    top_k=st.integers(0, 25),
    top_p=st.floats(0.01, 1),
    min_p=st.floats(0, 1),
    repetition_penalty=st.sampled_from([1e-320, 0.5, 1.0, 1.3, 1e300]),
    seed=st.integers(0, 2**64),
)


@given(logits=anywhere, options=every_option)
@settings(deadline=None)
def test_what_is_drawn_is_what_the_filters_keep(logits, options):
    history = [0, logits.size - 1]
    values = penalize(logits.astype(np.float64), history, options.repetition_penalty)
    with np.errstate(over="ignore"):
        values = (values - values.max()) / options.temperature
    kept = top_k(values, options.top_k)
    kept = kept[top_p(values[kept], options.top_p)]
    kept = kept[min_p(values[kept], options.min_p)]
    rng = generator(options)
    assert {sample(logits, options, history, rng) for _ in range(8)} <= set(kept.tolist())


def test_the_same_seed_gives_the_same_ids():
    logits = np.linspace(0, 3, 200).astype(np.float32)

    def ids(seed):
        options = Sampling(temperature=1.0, seed=seed)
        rng = generator(options)
        return [sample(logits, options, (), rng) for _ in range(50)]

    assert ids(5) == ids(5)
    assert len({tuple(ids(seed)) for seed in (5, 6, None, None)}) == 4


def test_one_number_of_pcg64_is_one_draw():
    """Token t is drawn where the number lies in its part of the probabilities, in order of id."""
    logits = np.log(np.array([0.5, 0.125, 0.375], np.float32))
    numbers = np.random.Generator(np.random.PCG64(11)).random(200)
    expected = np.searchsorted([0.5, 0.625], numbers, side="right").tolist()
    rng = generator(Sampling(seed=11))
    assert [draw(logits, rng=rng) for _ in range(200)] == expected
    rng, untouched = generator(Sampling(seed=11)), generator(Sampling(seed=11))
    draw(logits, rng=rng, temperature=0.0)
    assert rng.random() == untouched.random()


def test_temperature_comes_before_the_filters():
    """Of 0.5, 0.3, 0.2 the first two reach 0.79; at temperature 4 only all three do."""
    logits = np.log(np.array([0.5, 0.3, 0.2], np.float32))
    rng = generator(Sampling(seed=1))
    assert {draw(logits, rng=rng, top_p=0.79) for _ in range(100)} == {0, 1}
    assert {draw(logits, rng=rng, top_p=0.79, temperature=4.0) for _ in range(100)} == {0, 1, 2}


def test_the_penalty_comes_before_the_temperature():
    """Logits 1 and 4 at temperature 4: the penalty of 8 is of the logits, not of the quotients
    less their largest."""
    logits = np.array([1.0, 4.0], np.float32)
    assert draw(logits, [1], repetition_penalty=8.0, top_k=1, temperature=4.0) == 0


@pytest.mark.parametrize(("number", "token"), [(0.0, 1), (1 - 2**-53, 2)])
def test_impossible_tokens_are_never_drawn(number, token):
    class Number:
        def random(self):
            return number

    assert draw([-1e30, 0.0, 0.0, -1e30], rng=Number()) == token


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_probabilities_are_those_of_the_temperature(temperature):
    """By the same 4096 evenly spread numbers, not by chance."""
    logits = np.array([1.0, 0.0, 2.0, -1.0, 1.0], np.float32)

    class Even:
        numbers = iter((np.arange(4096) + 0.5) / 4096)

        def random(self):
            return next(self.numbers)

    rng = Even()
    drawn = [draw(logits, rng=rng, temperature=temperature) for _ in range(4096)]
    parts = shares([value / temperature for value in logits.tolist()])
    for token, part in enumerate(parts):
        assert abs(drawn.count(token) / 4096 - part) <= 1 / 4096


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("options", [GREEDY, Sampling(temperature=1.0, top_k=1)])
def test_logits_that_are_no_numbers(value, options):
    logits = np.zeros(5, np.float32)
    logits[3] = value
    with pytest.raises(ConfigError, match=f"logits: entry 3 is {value}"):
        sample(logits, options, (), generator(options))


@pytest.mark.parametrize(
    "logits",
    [
        np.zeros((2, 2), np.float32),
        np.zeros(3, np.float64),
        np.zeros(0, np.float32),
        [0.0, 1.0],
        np.zeros(3, np.int32),
    ],
)
def test_what_is_no_row_of_logits(logits):
    with pytest.raises(ShapeError, match="logits: "):
        sample(logits, GREEDY, (), generator(GREEDY))


@pytest.mark.parametrize("history", [[5], [-1], [0, 7]])
def test_a_history_of_other_tokens(history):
    with pytest.raises(ConfigError, match=r"history: ids .*the logits have 5"):
        draw(np.zeros(5), history, repetition_penalty=1.1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -0.1),
        ("temperature", math.nan),
        ("temperature", math.inf),
        ("temperature", True),
        ("top_k", -1),
        ("top_k", 1.5),
        ("top_p", 0.0),
        ("top_p", 1.01),
        ("top_p", math.nan),
        ("min_p", -0.1),
        ("min_p", 1.1),
        ("repetition_penalty", 0.0),
        ("repetition_penalty", -1.0),
        ("repetition_penalty", math.inf),
        ("seed", -1),
        ("seed", 0.5),
        ("temperature", None),
        ("top_k", None),
        ("temperature", "1"),
    ],
)
def test_options_that_are_not_accepted(name, value):
    with pytest.raises(ConfigError, match=f"^{name}: "):
        Sampling(**{name: value})


def test_options_do_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        GREEDY.top_k = 3
    assert Sampling(top_k=2, temperature=1, seed=2**70).temperature == 1
