"""Generation: prompt to new tokens, greedy or sampled, each step timed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from bitnet_perf import _native
from bitnet_perf.errors import ConfigError
from bitnet_perf.model.sampling import Sampling, generator, sample
from bitnet_perf.model.sequence import TokenSequence
from bitnet_perf.model.tokenizer import Tokenizer
from bitnet_perf.spans import span

__all__ = ["Generation", "OnToken", "Timings", "generate"]

# Called after each token with its id and the text that became readable; False ends the generation.
OnToken = Callable[[int, str], bool | None]
StopReason = Literal["max_tokens", "stop_token", "context", "callback"]


@dataclass(frozen=True, slots=True)
class Timings:
    """Wall seconds of a generation.

    prefill: from the first prompt token to the logits of the last. first_token: the same and the
    choice of the first new token. steps: each later token, its forward pass and its choice.
    """

    prefill: float
    first_token: float
    steps: tuple[float, ...]

    @property
    def decode(self) -> float:
        """Seconds of all steps."""
        return sum(self.steps)


@dataclass(frozen=True, slots=True)
class Generation:
    """What was generated.

    tokens: the new ids, a stop token not included. text: the same, decoded. prompt_tokens: how many
    there were. seed: the one that was used; None where nothing was drawn. stop_reason: why it
    ended.
    """

    tokens: tuple[int, ...]
    text: str
    prompt_tokens: int
    seed: int | None
    stop_reason: StopReason
    timings: Timings

    @property
    def prefill_tokens_per_second(self) -> float:
        """Prompt tokens a second."""
        return self.prompt_tokens / self.timings.prefill

    @property
    def decode_tokens_per_second(self) -> float | None:
        """New tokens after the first, a second; None where there was none."""
        return len(self.timings.steps) / self.timings.decode if self.timings.steps else None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self) | {
            "prefill_tokens_per_second": self.prefill_tokens_per_second,
            "decode_tokens_per_second": self.decode_tokens_per_second,
        }


class _Stream:
    """Text that becomes readable token by token: bytes of a character may be spread over tokens.

    Decodes from the last token that was readable, so that a step costs the same however long the
    text is.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._ids: list[int] = []
        self._begin = self._shown = 0

    def add(self, token: int) -> str:
        self._ids.append(token)
        text = self._tokenizer.decode(self._ids[self._begin :])
        if text.endswith("\ufffd"):
            return ""
        before = self._tokenizer.decode(self._ids[self._begin : self._shown])
        self._begin, self._shown = self._shown, len(self._ids)
        return text[len(before) :]


def generate(
    sequence: TokenSequence,
    tokenizer: Tokenizer | None,
    prompt: Sequence[int],
    options: Sampling,
    *,
    context: int,
    max_tokens: int,
    stop: Collection[int],
    on_token: OnToken | None,
) -> Generation:
    """Run `prompt` through an empty sequence and choose up to max_tokens tokens.

    Raises ConfigError for max_tokens below 1; ModelError where the prompt is empty, holds unknown
    ids, or leaves no room in the context.
    """
    if max_tokens < 1:
        raise ConfigError(f"max_tokens: found {max_tokens}, accepted is 1 or more")
    if options.temperature > 0 and options.seed is None:
        options = replace(options, seed=int(np.random.SeedSequence().generate_state(1)[0]))
    room = min(max_tokens, context - len(prompt) + 1)
    sequence.reserve(min(context, len(prompt) + max(room, 1) - 1))
    stream = None if tokenizer is None or on_token is None else _Stream(tokenizer)
    tokens: list[int] = []
    steps: list[float] = []
    prefill = 0.0
    reason: StopReason = "max_tokens" if room == max_tokens else "context"
    with span("generation_loop", peak=True):
        begin = _native.now_ns()
        for token, computed in _choices(sequence, prompt, options):
            end = _native.now_ns()
            steps.append((end - begin) / 1e9)
            prefill = prefill or (computed - begin) / 1e9
            with span("stop_test"):
                if token in stop:
                    reason = "stop_token"
                    break
                tokens.append(token)
                if on_token is not None:
                    with span("decode"):
                        piece = "" if stream is None else stream.add(token)
                    if on_token(token, piece) is False:
                        reason = "callback"
                        break
                if len(tokens) == room:
                    break
            begin = _native.now_ns()
    with span("decode"):
        text = "" if tokenizer is None or not tokens else tokenizer.decode(tokens)
    used = options.seed if options.temperature > 0 else None
    timings = Timings(prefill, steps[0], tuple(steps[1:]))
    return Generation(tuple(tokens), text, len(prompt), used, reason, timings)


def _choices(
    sequence: TokenSequence, prompt: Sequence[int], options: Sampling
) -> Iterator[tuple[int, int]]:
    """(token, when its logits were there), for ever: whoever takes them stops."""
    rng = generator(options)
    isa, threads = sequence.isa, sequence.threads
    history = list(prompt)
    with span("prefill_loop"):
        logits = sequence.extend(prompt, [len(prompt) - 1])
    while True:
        computed = _native.now_ns()
        with span("sampling"):
            token = sample(logits[0], options, history, rng, isa=isa, threads=threads)
        history.append(token)
        yield token, computed
        with span("decode_loop"):
            sequence.extend([token], out=logits)  # the same memory: a step takes none
