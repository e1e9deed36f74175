"""The twelve seeded changes: which lines of the tree each one edits, and what a review must find.

An edit is found by its text, so that it moves with the tree; `DOSE` in the new text is how much of
the work is done once more, in parts of 10,000, which `doses` makes out of the wanted cost.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from bitnet_perf import _native
from bitnet_perf.stages.table import STAGES

__all__ = ["DOSE", "SEEDS", "Edit", "Expected", "Seed", "edited"]

DOSE = "@DOSE@"
CORE, OTHER = (0.08, 0.15), (0.12, 0.20)  # what a seed costs its case
ALARMS = ("concern", "action")

GEMV = "forward/gemv/i2_s/2560x2560/t1"
UNPACK = "quantization/unpack/i2_s/2560x2560/t1"


def _called(format: str, names: dict[str, str]) -> str:
    """The gemv of `format` that this host calls, of those in `names`."""
    isa = _native.select("gemv", format)
    return isa if isa in names else "x86_avx2"


# The function of rows in the variants, each by its own name.
ROWS_OF = {
    "x86_avx2": "gemv_rows",
    "x86_avxvnni": "gemv_rows_dot",
    "x86_avx512vnni": "gemv_rows_dot",
}
I2_S = _called("i2_s", ROWS_OF)
# Instructions are counted by Valgrind where the host counts none, and it knows AVX2.
KERNEL = (f"^gemv/i2_s/{I2_S}$", *((f"bp::gemv_i2_s_{I2_S}",) if I2_S == "x86_avx2" else ()))

SLOWER = ("significant regression detected", "perf-fixer")
QUANTIZATION = ("quantization performance issues", "quantization-optimizer")
WITHIN = ("regression detected within threshold", "promotion-validator")
FINE = ("performance validation complete", "test-finalizer")


@dataclass(frozen=True)
class Edit:
    """`marker`, which stands in `file` once, becomes `text`."""

    file: str
    marker: str
    text: str


@dataclass(frozen=True)
class Expected:
    """What a review must find: the verdict of the seeded case (one of `verdicts`); the stage that
    holds the change, its place (a name for each pattern of `functions`: operation, kernel,
    function), the changed files to look at; the verdict of the flow, and who acts next. `target`:
    a pattern of the one that is missed now. `leaks`: the case that keeps memory."""

    verdicts: tuple[str, ...]
    flow: str
    agent: str
    stage: str = ""
    functions: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    target: str = ""
    leaks: str = ""


@dataclass(frozen=True)
class Seed:
    """A change: its commits, each some edits. `cost`: what the case `cases[0]` is to take more,
    from least to most, None where no time is meant. `trial`: a dose near it to calibrate with.
    `accept`: the trade-off that its tree declares, as a table of bitnet-perf.toml."""

    name: str
    commits: tuple[tuple[Edit, ...], ...]
    cases: tuple[str, ...]
    expected: Expected
    cost: tuple[float, float] | None = None
    trial: int = 1500
    accept: str = ""

    @property
    def digest(self) -> str:
        """Of all that makes its runs what they are."""
        told = repr((self.commits, self.cases, self.cost, self.accept))
        return hashlib.sha256(told.encode()).hexdigest()[:10]

    @property
    def files(self) -> tuple[str, ...]:
        """The files that it edits."""
        return tuple(dict.fromkeys(edit.file for edits in self.commits for edit in edits))


def edited(text: str, edit: Edit, dose: int) -> str:
    """The text of `edit.file` with the edit made. Raises ValueError where the marker does not stand
    there once."""
    found = text.count(edit.marker)
    if found != 1:
        raise ValueError(f"{edit.file}: found {found} times, accepted is once: {edit.marker!r}")
    return text.replace(edit.marker, edit.text.replace(DOSE, str(dose)))


# More of the bytes of each tensor are read a second time.
LOAD = Edit(
    "csrc/bind/load.cpp",
    "    scale = load_native(file, offset, from, to, data, block_scales, team);\n",
    f"""\
    scale = load_native(file, offset, from, to, data, block_scales, team);
    std::uint32_t seen = 0;
    for (std::int64_t i = 0; i < target.size() * {DOSE} / 10000; ++i) seen = 31 * seen + data[i];
    volatile std::uint32_t checksum = seen;
    (void)checksum;
""",
)
QUANTIZE = Edit(
    "csrc/kernels/pack/quantize.cpp",
    "  const row_statistics all = measure_all(kernels.ternarize, x, w.N, w.K, threads);\n",
    f"""\
  double sum = 0;
  for (std::int64_t i = 0; i < w.N * w.K * {DOSE} / 10000; ++i)
    sum += static_cast<double>(std::fabs(static_cast<const float*>(x.data)[i]));
  volatile double seen = sum;
  (void)seen;
  const row_statistics all = measure_all(kernels.ternarize, x, w.N, w.K, threads);
""",
)
ROWS = Edit(
    f"csrc/kernels/gemv/i2_s/{I2_S}.cpp",
    f"  {ROWS_OF[I2_S]}<i2_s>(args);\n",
    f"""\
  {ROWS_OF[I2_S]}<i2_s>(args);
  if (args.step != product_step::rows) return;
  gemv_args again = args;
  again.row_end = args.row_begin + (args.row_end - args.row_begin) * {DOSE} / 10000;
  {ROWS_OF[I2_S]}<i2_s>(again);
""",
)
DRIVER = Edit(
    "csrc/kernels/gemv/gemv.cpp",
    "  args.step = product_step::rows;\n  for_rows(",
    f"""\
  args.step = product_step::rows;
  product_args first = args;
  first.row_begin = 0;
  first.row_end = args.N * {DOSE} / 10000 / needs.row_step * needs.row_step;
  fn(first);
  for_rows(""",
)
ENCODE = Edit(
    "bitnet_perf/model/tokenizer.py",
    "        ids: list[int] = whole.encode(text, add_special_tokens=False).ids\n",
    f"""\
        whole.encode(text[: len(text) * {DOSE} // 10000], add_special_tokens=False)
        ids: list[int] = whole.encode(text, add_special_tokens=False).ids
""",
)
SAMPLE = Edit(
    "csrc/engine/sample.cpp",
    "  if (walked()) add_blocks();\n",
    f"""\
  if (walked()) add_blocks();
  std::size_t again = numerators().size() * {DOSE} / 10000;
  double sum = 0;
  while (again > 0) {{
    const std::size_t part = std::min(again, numerators().size());
    sum += sum_from(cut_, numerators().first(part));
    again -= part;
  }}
  volatile double seen = sum;
  (void)seen;
""",
)
LEAK = Edit(
    "csrc/engine/engine.cpp",
    "  const bool alone = tokens.size() == 1;\n",
    """\
  const bool alone = tokens.size() == 1;
  static std::vector<std::vector<float>> kept;
  if (alone) kept.emplace_back(std::size_t{1024}, 1.0f);
""",
)
# Some of the rows are walked from the last to the first, away from what was asked for ahead: in
# the variant that this host calls, whose function of four rows has a name of its own.
FOUR_ROWS = {
    "x86_avx2": "four_rows",
    "x86_avxvnni": "four_rows_dot",
    "x86_avx512vnni": "four_rows_of",
}
CALLED = _called("native_i2_r4", FOUR_ROWS)
LAYOUT = Edit(
    f"csrc/kernels/gemv/native_i2_r4/{CALLED}.cpp",
    "  for (std::int64_t n = args.row_begin; n < args.row_end; n += 4) "
    f"{FOUR_ROWS[CALLED]}(args, n);\n",
    f"""\
  const std::int64_t groups = (args.row_end - args.row_begin + 3) / 4;
  const std::int64_t turned = groups * {DOSE} / 10000;
  for (std::int64_t i = turned; i-- > 0;) {FOUR_ROWS[CALLED]}(args, args.row_begin + 4 * i);
  for (std::int64_t i = turned; i < groups; ++i) {FOUR_ROWS[CALLED]}(args, args.row_begin + 4 * i);
""",
)
# The first rows are left to one thread while the others wait.
THREADS = Edit(
    "csrc/kernels/gemv/gemv.cpp",
    """\
  for_rows(threads, args.N, needs.row_step, [&](std::int64_t begin, std::int64_t end) {
    product_args part = args;
    part.row_begin = begin;
    part.row_end = end;
    fn(part);
    if (!integers && !floats) apply_scales(part);
  });
""",
    f"""\
  const auto rows = [&](std::int64_t begin, std::int64_t end) {{
    product_args part = args;
    part.row_begin = begin;
    part.row_end = end;
    fn(part);
    if (!integers && !floats) apply_scales(part);
  }};
  const std::int64_t alone =
      threads > 1 ? args.N * {DOSE} / 10000 / needs.row_step * needs.row_step : 0;
  if (alone > 0) rows(0, alone);
  for_rows(threads, args.N - alone, needs.row_step,
           [&](std::int64_t begin, std::int64_t end) {{ rows(alone + begin, alone + end); }});
""",
)
# Values are rounded down in magnitude up to two thirds of the scale.
ROUNDING = Edit(
    "csrc/kernels/pack/quantize.cpp",
    "               made.bound = bound;\n",
    "               made.bound = bound * (4.0f / 3);\n",
)
NOISE = (
    Edit(
        "csrc/core/team.cpp",
        "constexpr int spins_before_yield = 2000;",
        "constexpr int spins_before_yield = 2001;",
    ),
    Edit(
        "bitnet_perf/model/sampling.py",
        "MOST = 2**31  # tokens: a top_k beyond it is all",
        "MOST = 2**31  # tokens: a larger top_k is all of them",
    ),
    Edit("docs/README.md", "# Documentation\n", "# Documentation, by question\n"),
)

ACCEPT = f"""
[[accept]]
case = "{GEMV}"
limit = 0.30
reason = "rows are checked twice"
expires = 2099-12-31
"""


def slower(
    where: tuple[str, str], stage: str, functions: tuple[str, ...], *edits: Edit
) -> Expected:
    """A case over its budget."""
    core = stage in ("forward", "generation")
    files = tuple(edit.file for edit in edits)
    return Expected(ALARMS if core else ("action",), *where, STAGES[stage], functions, files)


SEEDS = (
    Seed(
        "slow-load",
        ((LOAD,),),
        ("load/gguf/i2_s/small/t1", GEMV),
        slower(SLOWER, "load", (r"^(model_load|tensor_table|weight_repack|page_in)$",), LOAD),
        OTHER,
    ),
    Seed(
        "slow-quantize",
        ((QUANTIZE,),),
        ("quantization/quantize_weights/i2_s/2560x2560/t1", GEMV),
        slower(QUANTIZATION, "quantization", (r"^quantize_weights$",), QUANTIZE),
        OTHER,
        trial=2500,
    ),
    Seed("slow-forward", ((ROWS,),), (GEMV, UNPACK), slower(SLOWER, "forward", KERNEL, ROWS), CORE),
    Seed(
        "slow-tokenizer",
        ((ENCODE,),),
        ("tokenization/tokenize/gpt2/2b4t-n512/t1", GEMV),
        slower(SLOWER, "tokenization", (r"^encode$",), ENCODE),
        OTHER,
    ),
    Seed(
        "slow-sampling",
        ((SAMPLE,),),
        ("generation/sample/top_p/128256/t1", GEMV),
        slower(SLOWER, "generation", (r"^sampling$",), SAMPLE),
        CORE,
        trial=20000,
    ),
    Seed(
        "leak",
        ((LEAK,),),
        ("generation/decode/i2_s/small-n32/t1", UNPACK),
        Expected(
            ("pass",),
            *SLOWER,
            STAGES["generation"],
            (r"^(decode|prefill)_loop$",),
            (LEAK.file,),
            target="memory held by repeats",
            leaks="generation/decode/i2_s/small-n32/t1",
        ),
    ),
    Seed(
        "hostile-layout",
        ((LAYOUT,),),
        ("forward/gemv/native_i2_r4/6912x2560-512mb/t1", GEMV),
        slower(SLOWER, "forward", (f"^gemv/native_i2_r4/{CALLED}$",), LAYOUT),
        CORE,
        trial=900,
    ),
    Seed(
        "thread-scaling",
        ((THREADS,),),
        (GEMV.replace("/t1", "/t2"), GEMV),
        slower(SLOWER, "forward", KERNEL[:1], THREADS),
        CORE,
        trial=2500,
    ),
    Seed(
        "accuracy",
        ((ROUNDING,),),
        (UNPACK, GEMV),
        Expected(("pass",), *QUANTIZATION, files=(ROUNDING.file,), target="quantization accuracy"),
    ),
    Seed("noise", (NOISE,), (GEMV, UNPACK), Expected(("pass",), *FINE)),
    Seed(
        "two-commits",
        ((ROWS,), (DRIVER,)),
        (GEMV, UNPACK),
        slower(SLOWER, "forward", KERNEL, ROWS, DRIVER),
        CORE,
    ),
    Seed(
        "accepted",
        ((ROWS,),),
        (GEMV, UNPACK),
        Expected(("accepted",), *WITHIN, STAGES["forward"], KERNEL, (ROWS.file,)),
        CORE,
        accept=ACCEPT,
    ),
)
