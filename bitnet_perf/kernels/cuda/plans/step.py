"""A step of a model as one list of launches over arrays with names: what the CPU's engine does.

`body` takes M tokens of one sequence through all layers, `head` makes the logits of one of them and
finds the largest, `decode` is both for one token, with the next one in its place at the end: id and
length stand in memory of the device, so that it is the same launches for every token.

Names: those of `inputs` and `workspace`, of weights as `weight_arrays` has them, and of the cache
`keys` and `values`, each behind "blk.N." where it is one of a layer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from bitnet_perf.kernels.cuda import frag16x32
from bitnet_perf.kernels.cuda.plans import layer as of_layer
from bitnet_perf.kernels.cuda.plans import w2a8
from bitnet_perf.kernels.cuda.plans.plan import Array, Launch, Machine, Plan

__all__ = ["JOINED", "Joined", "Place", "Sizes", "Step", "body", "decode", "head",
           "joined_rows", "views", "weight_arrays", "workspace"]  # fmt: skip


class Joined(NamedTuple):
    """Matrices of a file, one below the other as one product."""

    name: str
    parts: tuple[str, ...]


JOINED = (
    Joined("qkv", ("attn_q", "attn_k", "attn_v")),
    Joined("output", ("attn_output",)),
    Joined("gate_up", ("ffn_gate", "ffn_up")),
    Joined("down", ("ffn_down",)),
)


@dataclass(frozen=True, slots=True)
class Sizes:
    """A model as its launches see it. neighbours: rotated pairs are (2 i, 2 i + 1), else halves;
    activation: relu2 or silu; table: number type of the embedding; sub_norms: (layer, name) of
    those that the model has; positions: for which there are rotations."""

    layers: int
    width: int
    ffn: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    rope_dim: int
    neighbours: bool
    activation: str
    eps: float
    scale: float
    positions: int
    table: str
    sub_norms: frozenset[tuple[int, str]] = frozenset()

    @property
    def q_width(self) -> int:
        """Queries of a token."""
        return self.heads * self.head_dim

    @property
    def kv_width(self) -> int:
        """Keys of a token."""
        return self.kv_heads * self.head_dim

    def rows(self, part: str) -> int:
        """N of a matrix of the file."""
        return {
            "attn_q": self.q_width, "attn_k": self.kv_width, "attn_v": self.kv_width,
            "ffn_gate": self.ffn, "ffn_up": self.ffn,
        }.get(part, self.width)  # fmt: skip

    def columns(self, name: str) -> int:
        """K of a product of JOINED."""
        return {"output": self.q_width, "down": self.ffn}.get(name, self.width)


class Place(NamedTuple):
    """Where a launch belongs: an operation of the CPU's engine, and its layer, -1 outside."""

    operation: str
    layer: int


@dataclass(frozen=True, slots=True)
class Step:
    """Launches over named arrays, and the place of each."""

    plan: Plan
    places: tuple[Place, ...]


def joined_rows(sizes: Sizes, joined: Joined) -> dict[str, int]:
    """Part -> its first row; "" -> the rows of all. Each part begins with 16 rows of its own."""
    begins, at = {}, 0
    for part in joined.parts:
        begins[part] = at
        at += -(-sizes.rows(part) // frag16x32.ROWS) * frag16x32.ROWS
    return {**begins, "": at if len(joined.parts) > 1 else sizes.rows(joined.parts[0])}


def weight_arrays(sizes: Sizes) -> dict[str, Array]:
    """The weights of a model by name, all but the embedding, which `table` holds."""
    made: dict[str, Array] = {}
    for layer in range(sizes.layers):
        for joined in JOINED:
            rows = joined_rows(sizes, joined)[""]
            shape = frag16x32.shape_of(rows, sizes.columns(joined.name))
            made[f"blk.{layer}.{joined.name}.weights"] = Array(shape, "uint32")
            made[f"blk.{layer}.{joined.name}.scales"] = Array(shape[:1], "float32")
        for name in ("attn_norm", "ffn_norm"):
            made[f"blk.{layer}.{name}"] = Array((sizes.width,), "float32")
        for name, width in (("attn_sub_norm", sizes.q_width), ("ffn_sub_norm", sizes.ffn)):
            if (layer, name) in sizes.sub_norms:
                made[f"blk.{layer}.{name}"] = Array((width,), "float32")
    columns = w2a8.padded(sizes.width)
    return made | {
        "output_norm": Array((sizes.width,), "float32"),
        "head.weights": Array((sizes.vocab, columns), "int8"),
        "head.scales": Array((sizes.vocab,), "float32"),
        "all_cos": Array((sizes.positions, sizes.rope_dim // 2), "float32"),
        "all_sin": Array((sizes.positions, sizes.rope_dim // 2), "float32"),
    }


def workspace(sizes: Sizes, M: int) -> dict[str, Array]:
    """What launches of M tokens, and of the head, write for each other."""
    s = sizes
    pairs = s.rope_dim // 2
    columns = {
        "x": s.width, "normed": s.width, "branch": s.width, "cos": pairs, "sin": pairs,
        "qkv": s.q_width + 2 * s.kv_width, "attended": s.q_width,
        "gate_up": joined_rows(s, JOINED[2])[""], "act": s.ffn,
    }  # fmt: skip
    return {
        "ids": Array((M,), "int32"),
        "length": Array((M,), "int32"),
        **{name: Array((M, width), "float32") for name, width in columns.items()},
        "head_normed": Array((1, s.width), "float32"),
        "logits": Array((1, s.vocab), "float32"),
        "result": Array((1, 2), "int32"),
    }


def views(sizes: Sizes) -> dict[str, tuple[str, int]]:
    """Name -> the array of the workspace that it is a part of, and where in its flat values."""
    return {
        "k": ("qkv", sizes.q_width),
        "v": ("qkv", sizes.q_width + sizes.kv_width),
        "up": ("gate_up", joined_rows(sizes, JOINED[2])["ffn_up"]),
    }


def body(sizes: Sizes, M: int, capacity: int, machine: Machine) -> Step:
    """Reads ids and length, int32[M], of M tokens of one sequence, each counted in with those
    before it; leaves x and branch, whose sum goes to the head, and their keys and values.

    capacity: positions of the cache. The bits of a token depend on it, and on no other token of M.
    """
    made = _List(_weights(sizes))
    pairs = sizes.rope_dim // 2
    made.add("embed", of_layer.embed(M, sizes.width, pairs, sizes.table))
    for number in range(sizes.layers):
        _attention_block(made, sizes, number, M, (capacity, machine))
        _feed_forward_block(made, sizes, number, M, machine)
    return made.step()


def head(sizes: Sizes) -> Step:
    """Reads x and branch of one token; writes logits, float32[1, vocab], and result, int32[1, 2],
    as `layer.argmax` has it."""
    made = _List(_weights(sizes))
    width = sizes.width
    made.add("output_norm", of_layer.add_norm(1, width, sizes.eps), weight="output_norm",
             out="head_normed")  # fmt: skip
    quantized = w2a8.quantized(1, width)
    made.scratch.update({f"head.{name}": array for name, array in quantized.items()})
    made.add("lm_head", w2a8.quantize(1, width, "f32"), x="head_normed", values="head.values",
             x_scales="head.x_scales", x_sums="head.x_sums")  # fmt: skip
    made.add("lm_head", of_layer.lm_head(1, sizes.vocab, width), values="head.values",
             x_scales="head.x_scales", weights="head.weights", scales="head.scales")  # fmt: skip
    made.add("sampling", of_layer.argmax(1, sizes.vocab))
    return made.step()


def decode(sizes: Sizes, capacity: int, machine: Machine) -> Step:
    """One token through body and head; then ids holds the one that argmax chose, and length counts
    it in: the same launches take it, too."""
    made = _List(_weights(sizes))
    for part in (body(sizes, 1, capacity, machine), head(sizes)):
        made.join(part)
    made.add("sampling", of_layer.advance())
    return made.step()


def _weights(sizes: Sizes) -> frozenset[str]:
    """What no launch of a model writes."""
    return frozenset({*weight_arrays(sizes), "table"})


@dataclass
class _List:
    """Plans one after another under names of the whole step; `constant` as `Plan` has it."""

    constant: frozenset[str]
    launches: list[Launch] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    reads: list[str] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    scratch: dict[str, Array] = field(default_factory=dict)

    def add(
        self, operation: str, plan: Plan, layer: int = -1, before: str = "", **names: str
    ) -> None:
        """names: of the plan's arrays here, the same where left out. before: the operation that the
        quantization of activations is part of, where it is a launch of its own."""
        known: dict[str, str] = {name: f"{operation}.{name}" for name in plan.scratch} | names
        for launch in plan.launches:
            arguments = tuple(
                known.get(each, each) if isinstance(each, str) else each
                for each in launch.arguments
            )
            self.launches.append(Launch(launch.kernel, launch.geometry, arguments))
            apart = launch.kernel.family == "quantize_activations" and before
            self.places.append(Place(before if apart else operation, layer))
        self.reads += [known.get(name, name) for name in plan.reads]
        self.writes += [known.get(name, name) for name in plan.writes]
        self.scratch |= {known[name]: array for name, array in plan.scratch.items()}

    def join(self, step: Step) -> None:
        """All of another list."""
        self.launches += step.plan.launches
        self.places += step.places
        self.reads += step.plan.reads
        self.writes += step.plan.writes
        self.scratch |= step.plan.scratch

    def step(self) -> Step:
        outside = [
            tuple(name for name in dict.fromkeys(names) if name not in self.scratch)
            for names in (self.reads, self.writes)
        ]
        scratch = dict(self.scratch)
        plan = Plan(tuple(self.launches), outside[0], outside[1], scratch, self.constant)
        return Step(plan, tuple(self.places))


def _attention_block(
    made: _List, s: Sizes, number: int, M: int, where: tuple[int, Machine]
) -> None:
    capacity, machine = where
    own, at = f"blk.{number}.", number
    first = of_layer.rms_norm(M, s.width, "f32", s.eps)
    norm = of_layer.add_norm(M, s.width, s.eps) if number > 0 else first
    made.add("attn_norm", norm, at, weight=own + "attn_norm", out="normed")
    stride = s.q_width + 2 * s.kv_width
    _product(made, s, ("qkv", "qkv", "attn_norm"), (number, M), machine, x="normed", y="qkv")
    turned = of_layer.rope(M, s.heads + s.kv_heads, s.head_dim, stride, rope_dim=s.rope_dim,
                           neighbours=s.neighbours)  # fmt: skip
    made.add("rope", turned, at, x="qkv")
    cache = {"keys": own + "keys", "values": own + "values"}
    stored = of_layer.store_kv(M, s.kv_heads, s.head_dim, capacity, stride, together=True)
    made.add("attention", stored, at, **cache)
    one = _attended(s, 1, capacity, machine)
    parts = one.launches[0].geometry.grid[0]  # those of a token alone: a batch gives the same bits
    made.add("attention", _attended(s, M, capacity, machine, parts), at, q="qkv", out="attended",
             **cache)  # fmt: skip
    before = _sub_norm(made, s, (number, M), "attn_sub_norm", "attended")
    _product(made, s, ("o_proj", "output", before or "o_proj"), (number, M), machine, x="attended",
             y="branch")  # fmt: skip


def _attended(s: Sizes, M: int, capacity: int, machine: Machine, parts: int | None = None) -> Plan:
    return of_layer.attention(
        M, (s.heads, s.kv_heads), s.head_dim, capacity, scale=s.scale, machine=machine,
        q_stride=s.q_width + 2 * s.kv_width, parts=parts, together=True,
    )  # fmt: skip


def _feed_forward_block(made: _List, s: Sizes, number: int, M: int, machine: Machine) -> None:
    own = f"blk.{number}."
    made.add("ffn_norm", of_layer.add_norm(M, s.width, s.eps), number, weight=own + "ffn_norm",
             out="normed")  # fmt: skip
    _product(made, s, ("gate_up", "gate_up", "ffn_norm"), (number, M), machine, x="normed",
             y="gate_up")  # fmt: skip
    stride = joined_rows(s, JOINED[2])[""]
    act = of_layer.combine(f"{s.activation}_mul", M, s.ffn, "f32", stride=stride)
    made.add("act", act, number, a="gate_up", b="up", out="act")
    before = _sub_norm(made, s, (number, M), "ffn_sub_norm", "act")
    _product(made, s, ("down", "down", before or "act"), (number, M), machine, x="act", y="branch")


def _sub_norm(made: _List, s: Sizes, place: tuple[int, int], name: str, x: str) -> str:
    """The norm of x in place, where the layer has it; its operation, "" where it has none."""
    number, M = place
    if (number, name) not in s.sub_norms:
        return ""
    width = s.q_width if name == "attn_sub_norm" else s.ffn
    made.add(name, of_layer.rms_norm(M, width, "f32", s.eps), number, x=x, out=x,
             weight=f"blk.{number}.{name}")  # fmt: skip
    return name


def _product(
    made: _List, s: Sizes, names: tuple[str, str, str], place: tuple[int, int], machine: Machine,
    **arrays: str,
) -> None:  # fmt: skip
    """names: of the operation, of the weights in JOINED, of the operation that quantizes."""
    operation, joined, before = names
    number, M = place
    rows = joined_rows(s, next(each for each in JOINED if each.name == joined))[""]
    columns = s.columns(joined)
    plan = w2a8.matmul((M, rows, columns), "f32", "f32", machine)
    own = f"blk.{number}.{joined}."
    made.add(operation, plan, number, before, weights=own + "weights", scales=own + "scales",
             **arrays)  # fmt: skip
