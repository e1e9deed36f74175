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
from bitnet_perf.kernels.cuda.plans import norms, w2a8
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
        "x": s.width, "branch": s.width, "cos": pairs, "sin": pairs,
        "qkv": s.q_width + 2 * s.kv_width, "attended": s.q_width,
        "gate_up": joined_rows(s, JOINED[2])[""],
    }  # fmt: skip
    return {
        "ids": Array((M,), "int32"),
        "length": Array((M,), "int32"),
        **{name: Array((M, width), "float32") for name, width in columns.items()},
        **w2a8.quantized(M, max(s.width, s.q_width, s.ffn)),
        "logits": Array((1, s.vocab), "float32"),
        "result": Array((1, 2), "int32"),
    }


def views(sizes: Sizes) -> dict[str, tuple[str, int]]:
    """Name -> the array of the workspace that it is a part of, and where in its flat values."""
    return {
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


def head(sizes: Sizes, machine: Machine) -> Step:
    """Reads x and branch of one token; writes logits, float32[1, vocab], and result, int32[1, 2],
    as `layer.argmax` has it."""
    made = _List(_weights(sizes))
    width = sizes.width
    made.add("output_norm", norms.quantized_row("add", 1, width, machine, eps=sizes.eps), a="x",
             b="branch", weight="output_norm")  # fmt: skip
    made.add("lm_head", of_layer.lm_head(1, sizes.vocab, width), weights="head.weights",
             scales="head.scales")  # fmt: skip
    made.add("sampling", of_layer.argmax(1, sizes.vocab))
    return made.step()


def decode(sizes: Sizes, capacity: int, machine: Machine) -> Step:
    """One token through body and head; then ids holds the one that argmax chose, and length counts
    it in: the same launches take it, too."""
    made = _List(_weights(sizes))
    for part in (body(sizes, 1, capacity, machine), head(sizes, machine)):
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

    def add(self, operation: str, plan: Plan, layer: int = -1, **names: str) -> None:
        """names: of the plan's arrays here, the same where left out."""
        known: dict[str, str] = {name: f"{operation}.{name}" for name in plan.scratch} | names
        self.launches += [launch.renamed(known) for launch in plan.launches]
        self.places += [Place(operation, layer)] * len(plan.launches)
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
    _norm(made, s, ("attn_norm", number, M), machine, "add" if number > 0 else "itself")
    _product(made, s, ("qkv", "qkv"), (number, M), machine, y="qkv")
    cache = {"keys": own + "keys", "values": own + "values"}
    turned = of_layer.rope_store(M, (s.heads, s.kv_heads), s.head_dim, capacity,
                                 rope_dim=s.rope_dim, neighbours=s.neighbours,
                                 together=True)  # fmt: skip
    made.add("rope", turned, at, **cache)
    one = _attended(s, 1, capacity, machine)
    parts = one.launches[0].geometry.grid[0]  # those of a token alone: a batch gives the same bits
    made.add("attention", _attended(s, M, capacity, machine, parts), at, q="qkv", out="attended",
             **cache)  # fmt: skip
    if (number, "attn_sub_norm") in s.sub_norms:
        _norm(made, s, ("attn_sub_norm", number, M), machine, "itself")
    else:
        made.add("o_proj", w2a8.quantize(M, s.q_width, "f32"), at, x="attended")
    _product(made, s, ("o_proj", "output"), (number, M), machine, y="branch")


def _attended(s: Sizes, M: int, capacity: int, machine: Machine, parts: int | None = None) -> Plan:
    return of_layer.attention(
        M, (s.heads, s.kv_heads), s.head_dim, capacity, scale=s.scale, machine=machine,
        q_stride=s.q_width + 2 * s.kv_width, parts=parts, together=True,
    )  # fmt: skip


def _feed_forward_block(made: _List, s: Sizes, number: int, M: int, machine: Machine) -> None:
    _norm(made, s, ("ffn_norm", number, M), machine, "add")
    _product(made, s, ("gate_up", "gate_up"), (number, M), machine, y="gate_up")
    op = f"{s.activation}_mul"
    if (number, "ffn_sub_norm") in s.sub_norms:
        _norm(made, s, ("ffn_sub_norm", number, M), machine, op)
    else:
        stride = joined_rows(s, JOINED[2])[""]
        act = norms.quantized_row(op, M, s.ffn, machine, eps=None, stride=stride)
        made.add("act", act, number, a="gate_up", b="up")
    _product(made, s, ("down", "down"), (number, M), machine, y="branch")


def _norm(
    made: _List, s: Sizes, of: tuple[str, int, int], machine: Machine, op: str
) -> None:  # fmt: skip
    """of: the norm, which is its operation too, its layer, and M. op: what makes the row."""
    name, number, M = of
    arrays = {"a": "x", "b": "branch"}
    K, stride = s.width, s.width
    if name == "attn_sub_norm":
        arrays, K, stride = {"a": "attended"}, s.q_width, s.q_width
    elif name == "ffn_sub_norm":
        arrays, K, stride = {"a": "gate_up", "b": "up"}, s.ffn, joined_rows(s, JOINED[2])[""]
    plan = norms.quantized_row(op, M, K, machine, eps=s.eps, stride=stride)
    made.add(name, plan, number, weight=f"blk.{number}.{name}", **arrays)


def _product(
    made: _List, s: Sizes, names: tuple[str, str], place: tuple[int, int], machine: Machine,
    **arrays: str,
) -> None:  # fmt: skip
    """names: of the operation, of the weights in JOINED."""
    operation, joined = names
    number, M = place
    rows = joined_rows(s, next(each for each in JOINED if each.name == joined))[""]
    plan = w2a8.result((M, rows, s.columns(joined)), machine)
    own = f"blk.{number}.{joined}."
    made.add(operation, plan, number, weights=own + "weights", scales=own + "scales",
             **arrays)  # fmt: skip
