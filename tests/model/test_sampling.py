"""What is chosen against the oracle, and the oracle's filters against their definitions."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import sampling as oracle
from reference.sampling import min_p, penalize, top_k, top_p

import bitnet_perf as bp
from bitnet_perf import _native
from bitnet_perf.errors import ConfigError, IsaError, ShapeError
from bitnet_perf.model.sampling import Sampling, generator, sample

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
    temperature=st.sampled_from([1e-320, 1e-3, 0.7, 1.0, 5.0, 50.0, 1e300]),
    top_k=st.integers(0, 25),
    top_p=st.sampled_from([0.9, 0.999, 1.0]) | st.floats(0.01, 1),
    min_p=st.sampled_from([0.0, 0.02, 0.5, 1.0]) | st.floats(0, 1),
    repetition_penalty=st.sampled_from([1e-320, 0.5, 1.0, 1.3, 1e300]),
    seed=st.integers(0, 2**64),
)


ISAS = [row.isa for row in bp.isas() if row.family == "softmax" and row.runnable]


class Number:
    """A generator of one number."""

    def __init__(self, number):
        self.number = number

    def random(self):
        return self.number


def nearly(options, by):
    """The options with top_p and min_p that far away, still valid."""
    return dataclasses.replace(
        options,
        top_p=min(max(options.top_p * (1 + by), 1e-300), 1),
        min_p=min(max(options.min_p * (1 + by), 0), 1),
    )


def check_every_token(logits, options, history):
    """Each id that the oracle keeps is drawn in the middle of its part, at most 100 of them.

    Rounding may move a limit of probabilities: where the oracle itself keeps others when the
    options differ by 1e-12, any of those is right.
    """
    kept, reached = oracle.kept(logits, options, history)
    other = [oracle.kept(logits, nearly(options, by), history) for by in (-1e-12, 1e-12)]
    if any(ids.tolist() != kept.tolist() for ids, _ in other):
        return
    begin = np.concatenate([[0.0], reached[:-1]])
    middles = (begin + reached) / 2 / reached[-1]
    wide = np.flatnonzero(reached - begin > 1e-9)
    places = wide[:: max(1, wide.size // 100)]
    for isa in ISAS:
        found = [
            sample(logits, options, history, Number(float(middles[place])), isa=isa)
            for place in places
        ]
        assert found == kept[places].tolist()


# Few values: ties everywhere, and close pairs.
ties = st.lists(quarters, min_size=1, max_size=60).map(lambda row: np.array(row, np.float32))


@given(logits=st.one_of(anywhere, ties), options=every_option, data=st.data())
@settings(deadline=None)
def test_every_token_is_drawn_as_the_oracle_says(logits, options, data):
    history = data.draw(st.lists(st.integers(0, logits.size - 1), max_size=8))
    check_every_token(logits, options, history)


@pytest.mark.parametrize("scale", [1e-4, 1.0, 6.0])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"top_k": 40},
        {"top_k": 3000},
        {"top_p": 0.3},
        {"top_p": 0.95},
        {"top_p": 1 - 2**-40},
        {"min_p": 0.02},
        {"top_k": 3000, "min_p": 0.5},
        {"top_p": 0.99, "min_p": 0.5},
        {"top_k": 3000, "top_p": 0.9, "min_p": 0.01, "repetition_penalty": 1.2},
        {"top_p": 0.9, "repetition_penalty": 0.8},
        {"top_k": 4000, "temperature": 0.05},
        {"top_p": 0.9, "temperature": 50.0},
    ],
    ids=str,
)
def test_rows_of_many_blocks(options, scale):
    rng = np.random.default_rng(3)
    logits = (scale * rng.standard_normal(5003)).astype(np.float32)
    logits[::7] = logits[0]  # a tie of 715
    history = rng.integers(0, logits.size, 300).tolist()
    chosen = Sampling(**{"temperature": 0.8, **options})
    check_every_token(logits, chosen, history)


@given(logits=st.one_of(anywhere, ties), penalty=st.sampled_from([0.5, 1.0, 1.3]), data=st.data())
@settings(deadline=None)
def test_greedy_is_the_oracle_s(logits, penalty, data):
    history = data.draw(st.lists(st.integers(0, logits.size - 1), max_size=30))
    options = Sampling(repetition_penalty=penalty)
    for isa in ISAS:
        assert sample(logits, options, history, None, isa=isa) == oracle.choose(
            logits, options, history, 0.0
        )


def test_the_numbers_of_a_seed_choose_what_the_oracle_chooses():
    logits = (3 * np.random.default_rng(5).standard_normal(20_000)).astype(np.float32)
    options = Sampling(temperature=0.9, top_k=5000, top_p=0.97, min_p=1e-4, seed=8)
    numbers = np.random.Generator(np.random.PCG64(8)).random(200)
    expected = [oracle.choose(logits, options, (), number) for number in numbers]
    rng = generator(options)
    assert [sample(logits, options, (), rng) for _ in range(200)] == expected


def test_threads_change_nothing():
    logits = np.random.default_rng(6).standard_normal(100_003).astype(np.float32)
    options = Sampling(temperature=0.9, top_p=0.8)
    for number in (0.0, 0.2, 0.999):
        once = sample(logits, options, (), Number(number))
        assert sample(logits, options, (), Number(number), threads=3) == once


def test_a_greedy_choice_takes_no_memory():
    logits = np.random.default_rng(6).standard_normal(50_000).astype(np.float32)
    options = Sampling(temperature=0.9, top_p=0.8)
    sample(logits, options, (), Number(0.5))
    before = _native.allocations()
    sample(logits, options, (), Number(0.5))  # nor any other, once the row was as long
    sample(logits, GREEDY, (), None)
    assert _native.allocations() == before


def test_an_instruction_set_that_does_not_exist():
    with pytest.raises(IsaError, match="isa: found 'sse9'"):
        sample(np.zeros(3, np.float32), GREEDY, (), None, isa="sse9")


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


@pytest.mark.parametrize("count", [4, 4096])
@pytest.mark.parametrize("options", [{}, {"top_p": 0.75}])
def test_a_number_on_a_limit_is_the_next_token_s(count, options):
    kept = round(count * options.get("top_p", 1))
    for place in (0, 1, kept // 3, kept // 3 * 2, kept - 1):
        assert draw(np.zeros(count), rng=Number(place / kept), **options) == place


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
    assert draw([-1e30, 0.0, 0.0, -1e30], rng=Number(number)) == token


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


@pytest.mark.parametrize("history", [[5], [-1], [0, 7], (9,), np.array([6])])
def test_a_history_of_other_tokens(history):
    with pytest.raises(ConfigError, match=r"history: ids .*the logits have 5"):
        draw(np.zeros(5), history, repetition_penalty=1.1)


@pytest.mark.parametrize("history", [[0, 1.5], ["a"], [None], [2**70]])
def test_a_history_of_no_ids(history):
    with pytest.raises(ConfigError, match=r"history: entry \d is .*, accepted is an id"):
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
