"""The one list of CUDA kernels: compiled, inspected, run on the CPU, tested, launched."""

from __future__ import annotations

from bitnet_perf.errors import FormatError
from bitnet_perf.kernels.cuda.kernel import CudaKernel

__all__ = ["KERNELS", "CudaKernel", "expressions", "family", "find"]

# Where integer tensor cores or dp4a exist. sm_75 lacks cp.async and bfloat16 arithmetic, which the
# wrappers of cuda/device make from older instructions.
_ALL = (
    "sm_75", "sm_80", "sm_86", "sm_87", "sm_89", "sm_90", "sm_90a", "sm_100", "sm_103", "sm_110",
    "sm_120", "sm_121",
)  # fmt: skip


_OUT = {"float": "f32", "half": "f16", "bfloat16": "bf16"}


def _gemv(tokens: int, x: str, y: str) -> CudaKernel:
    """Eight warps take turns over steps of 128 columns of 16 rows."""
    return CudaKernel(
        "gemv_w2a8", f"m{tokens}_{_OUT[x]}_{_OUT[y]}", "gemv_w2a8.cu",
        f"gemv_w2a8<{tokens}, {x}, {y}>", _ALL, 256, 512, ("IDP", "LDG"), 128,
        tile=(16, tokens),
    )  # fmt: skip


def _gemv_q8(tokens: int) -> CudaKernel:
    """The same behind a kernel that quantizes."""
    return CudaKernel(
        "gemv_w2a8_q8", f"m{tokens}", "gemv_w2a8.cu", f"gemv_w2a8_q8<{tokens}>", _ALL, 256,
        512 // tokens, ("IDP", "LDG"), 128, tile=(16, tokens),
    )  # fmt: skip


def _gemm(registers: int, *tile: int) -> CudaKernel:
    """`tile`: warps along rows, tokens and columns; 16-row and 8-token tiles of a warp; stages."""
    warps_n, warps_m, warps_k, rows, tokens, stages = tile
    n, m = 16 * warps_n * rows, 8 * warps_m * tokens
    return CudaKernel(
        "gemm_w2a8", f"n{n}_m{m}", "gemm_w2a8.cu", f"gemm_w2a8<tile<{', '.join(map(str, tile))}>>",
        _ALL, 32 * warps_n * warps_m * warps_k, 64 * rows * stages, ("IMMA", "LDG", "LDSM"),
        registers, shared=stages * m * 128 * warps_k, tile=(n, m), per_word_turing=26.0,
    )  # fmt: skip


def _gemm_warpgroups(warps: int) -> CudaKernel:
    """Each warp has 16 rows, of 128 tokens; four stages."""
    return CudaKernel(
        "gemm_w2a8", f"n{16 * warps}_m128_warpgroups", "gemm_w2a8_warpgroups.cu",
        f"gemm_w2a8_warpgroups<tile<{warps}, 1, 1, 1, 16, 4>>", ("sm_90a",), 32 * warps, 0,
        ("IGMMA", "LDG", "LDGSTS.E.BYPASS.128"), 128, shared=4 * 128 * 128,
        tile=(16 * warps, 128), per_operation=20.0,
    )  # fmt: skip


def _transcode(family: str, variant: str, source: str, to: str, registers: int) -> CudaKernel:
    """Four warps, each with 32 rows of 384 columns in shared memory."""
    stores = "STG" if "tq2_0" in to else "STG.E.128"
    return CudaKernel(
        family, variant, "codecs.cu", f"transcode<{source}, {to}>", _ALL, 128, 0, (stores, "LDG"),
        registers, tile=(32, 384),
    )  # fmt: skip


def _codecs() -> tuple[CudaKernel, ...]:
    """Ternary weights between formats, from floats and to floats."""
    gpu, files = "frag16x32", ("i2_s", "tl1", "tl2", "tq2_0")
    whole = files[:3]  # those with one scale
    return (
        *(_transcode("repack", f"{f}_{gpu}", f, gpu, 64) for f in (*files, "tq1_0")),
        *(_transcode("repack", f"{gpu}_{f}", gpu, f, 64) for f in files),
        _transcode("unpack_weights", f"{gpu}_s8", gpu, "int8_rows", 64),
        *(
            _transcode("quantize_weights", f"{x}_{f}", f"floats<{c}>", f, 80)
            for f in whole
            for c, x in list(_OUT.items())[:2]
        ),
        *(
            _transcode("dequantize_weights", f"{f}_{y}", f, f"floats<{c}>", 80)
            for f in whole
            for c, y in _OUT.items()
        ),
    )  # fmt: skip


def _weight_scales() -> tuple[CudaKernel, ...]:
    file = "weight_scale.cu"
    return (
        *(
            CudaKernel(
                "weight_scale", f"rows_{x}", file, f"weight_statistics<{c}>", _ALL, 128, 0,
                ("DADD", "LDG.E.128"), 64, tile=(64, 0),
            )
            for c, x in list(_OUT.items())[:2]
        ),
        CudaKernel(
            "weight_scale", "tensor", file, "weight_scale", _ALL, 256, 0, ("DADD", "LDG"), 64
        ),
    )  # fmt: skip


_CODECS = tuple(f"{kind}_{name}" for kind in ("quant", "device", "kernel")
                for name in ("i2s", "tl1", "tl2"))  # fmt: skip


def _blocks() -> tuple[CudaKernel, ...]:
    """Codecs of the BitNet.rs crates."""
    return tuple(
        CudaKernel(
            family, codec, "blocks.cu", f"{family}<{codec}>", _ALL, 256, 0, opcodes, 64,
            tile=(1024, 0),
        )
        for family, opcodes in (("block_quantize", ("LDG.E.128",)),
                                ("block_dequantize", ("STG.E.128",)))
        for codec in _CODECS
    )  # fmt: skip


def _layer() -> tuple[CudaKernel, ...]:
    """What a layer does beside its products."""
    file, moves = "layer.cu", ("LDG.E.128", "STG.E.128")
    return (
        *(
            CudaKernel("rms_norm", x, file, f"rms_norm<{c}>", _ALL, 512, 0, ("FFMA", *moves), 64)
            for c, x in _OUT.items()
        ),
        *(
            CudaKernel(op, x, file, f"combine<{op}, {c}>", _ALL, 256, 0, moves, 64)
            for op in ("relu2_mul", "silu_mul", "add")
            for c, x in _OUT.items()
        ),
        *(
            CudaKernel("rope_store", pairs, file, f"rope_store<{flag}>", _ALL, 128, 0, moves, 64)
            for pairs, flag in (("halves", "false"), ("neighbours", "true"))
        ),
    )  # fmt: skip


def _norms() -> tuple[CudaKernel, ...]:
    """What makes a row between two ternary products, and quantizes it."""
    file, moves, threads = "norm_q8.cu", ("LDG.E.128", "STS.128"), 512
    return (
        *(
            CudaKernel("norm_q8", op, file, f"norm_q8<{op}, true>", _ALL, threads, 0,
                       ("FFMA", *moves), 96)
            for op in ("itself", "add", "relu2_mul", "silu_mul")
        ),
        *(
            CudaKernel("act_q8", op, file, f"norm_q8<{op}, false>", _ALL, threads, 0, moves, 96)
            for op in ("relu2_mul", "silu_mul")
        ),
    )  # fmt: skip


def _attention() -> tuple[CudaKernel, ...]:
    """`tile`: head_dim, and heads of a KV head that a block takes at once."""
    file, moves = "attention.cu", ("LDG.E.128",)
    return (
        *(
            CudaKernel(
                "attention_decode", f"d{d}_g{g}", file, f"attention_decode<{d}, {g}>", _ALL, 128, 0,
                ("FFMA", "SHFL", *moves), 168, tile=(d, g),
            )
            for d in (128, 64)
            for g in (4, 1)
        ),
    )  # fmt: skip


def _head() -> tuple[CudaKernel, ...]:
    """`tile`: rows of the head and tokens that a block takes."""
    file = "lm_head.cu"
    return (
        *(
            CudaKernel(
                "lm_head_int8", f"m{m}", file, f"lm_head_int8<{m}>", _ALL, 256, 0, ("IDP", "LDG"),
                128, tile=(32, m),
            )
            for m in (1, 2, 4)
        ),
        *(
            CudaKernel(
                "quantize_head", x, file, f"quantize_head<{c}>", _ALL, 256, 0, ("LDG.E.128",), 64
            )
            for c, x in _OUT.items()
        ),
        CudaKernel("argmax", "f32", file, "argmax", _ALL, 256, 0, ("LDG.E.128",), 64),
    )  # fmt: skip


def _ends_of_a_step() -> tuple[CudaKernel, ...]:
    """What begins and ends a step of a model."""
    file, moves = "step.cu", ("LDG.E.128", "STG.E.128")
    return (
        *(
            CudaKernel("embed", x, file, f"embed<{c}>", _ALL, 256, 0, moves, 64)
            for c, x in _OUT.items()
        ),
        CudaKernel("empty", "launch", "empty.cu", "empty", _ALL, 32, 0, ("EXIT",), 32),
        CudaKernel("advance", "s32", file, "advance", _ALL, 32, 0, ("LDG", "STG"), 32),
    )


_TILES = (
    (64, 1, 1, 8, 1, 1, 3), (96, 1, 1, 8, 2, 2, 3), (208, 1, 1, 4, 4, 4, 3),
    (208, 2, 2, 1, 4, 4, 3), (216, 2, 4, 1, 4, 4, 3),
)  # fmt: skip

_16_BIT = {"half": "fp16", "bfloat16": "bf16"}
# Those with cp.async, bfloat16 and 99 KiB of shared memory of a block; with 163 KiB.
_NEWER = tuple(name for name in _ALL if name != "sm_75")
_LARGE = tuple(name for name in _NEWER if name not in ("sm_86", "sm_89", "sm_120", "sm_121"))


def _matmul(x: str, tile: tuple[int, ...], layout: str, aligned: bool) -> CudaKernel:
    """`tile`: warps along rows and columns; 16-row and 8-column tiles of a warp; stages."""
    warps_m, warps_n, tiles_m, tiles_n, stages = tile
    n, m = 8 * warps_n * tiles_n, 16 * warps_m * tiles_m
    small = n * m <= 64 * 64
    loads = ("LDG.E.U16", "STS.128") if not aligned else () if small else ("LDGSTS.E.BYPASS.128",)
    of_b = "LDSM.16.M88.4" if layout == "by_columns" else "LDSM.16.MT88.4"
    return CudaKernel(
        f"matmul_{_16_BIT[x]}",
        f"n{n}_m{m}" + ("" if layout == "by_columns" else "_kn") + ("" if aligned else "_any"),
        "matmul.cu",
        f"matmul<matmul_tile<{', '.join(map(str, tile))}>, {x}, {layout}, {str(aligned).lower()}>",
        _LARGE if n > 128 else _NEWER if x == "bfloat16" or not small else _ALL,
        32 * warps_m * warps_n, 0, ("HMMA", of_b, *loads), 128 if small else 240,
        shared=max(stages * (n + m) * 128, m * (n + 8) * 4), tile=(n, m),
        per_operation=3.5 if not small else 5.7 if aligned else 12.0,
    )  # fmt: skip


def _warpgroups(x: str) -> CudaKernel:
    """Eight warps with 16 rows each, of 256 columns."""
    return CudaKernel(
        f"matmul_{_16_BIT[x]}_warpgroups", "n256_m128", "matmul_warpgroups.cu",
        f"matmul_warpgroups<matmul_tile<8, 1, 1, 32, 4>, {x}>", ("sm_90a",), 256, 0,
        ("HGMMA", "LDGSTS.E.BYPASS.128"), 240, shared=4 * 384 * 128, tile=(256, 128),
        per_operation=55.0,
    )  # fmt: skip


def _w2a16(x: str, tile: tuple[int, ...], aligned: bool) -> CudaKernel:
    """`tile`: warps along rows and tokens; 16-row and 8-token tiles of a warp; stages."""
    warps_n, warps_m, rows, tokens, stages = tile
    n, m = 16 * warps_n * rows, 8 * warps_m * tokens
    return CudaKernel(
        "gemm_w2a16", f"{_16_BIT[x]}_n{n}_m{m}" + ("" if aligned else "_any"), "gemm_w2a16.cu",
        f"gemm_w2a16<w2a16_tile<{', '.join(map(str, tile))}>, {x}, {str(aligned).lower()}>",
        _NEWER if x == "bfloat16" or m >= 128 else _ALL, 32 * warps_n * warps_m, 0,
        ("HMMA", "HFMA2", "LDS"), 255 if m >= 128 else 168,
        shared=max(stages * m * 256, m * (n + 4) * 4), tile=(n, m),
        per_operation=3.8 if m >= 128 else 9.5,
    )  # fmt: skip


KERNELS: tuple[CudaKernel, ...] = (
    *(
        _gemv(tokens, x, y)
        for tokens in (1, 2)
        for x, y in (
            ("float", "float"),
            ("half", "half"),
            ("half", "float"),
            ("bfloat16", "bfloat16"),
            ("bfloat16", "float"),
        )
    ),
    *(_gemv_q8(tokens) for tokens in (1, 2)),
    *(
        CudaKernel(
            "quantize_activations", f"q8_act_{short}", "quantize_activations.cu",
            f"quantize_q8_act<{x}>", _ALL, 256, 0, ("LDG.E.128",), 64, tile=(0, 1),
        )
        for x, short in _OUT.items()
    ),
    *(_gemm(*tile) for tile in _TILES),
    *(_gemm_warpgroups(warps) for warps in (8, 16)),
    *(
        _matmul(x, tile, layout, aligned)
        for x in _16_BIT
        for tile, layout, aligned in (
            ((2, 2, 2, 4, 3), "by_columns", True),
            ((2, 2, 4, 8, 3), "by_columns", True),
            ((2, 4, 4, 8, 3), "by_columns", True),
            ((2, 2, 2, 4, 3), "by_columns", False),
            ((2, 2, 4, 8, 3), "by_rows", True),
            ((2, 2, 2, 4, 3), "by_rows", False),
        )
    ),
    *(_warpgroups(x) for x in _16_BIT),
    *(
        CudaKernel(
            "matmul_naive", short, "matmul.cu", f"matmul_naive<{x}>", _ALL, 256, 0, ("FFMA",), 64,
            tile=(32, 8),
        )
        for x, short in _OUT.items()
    ),
    *(
        _w2a16(x, tile, aligned)
        for x in _16_BIT
        for tile, aligned in (
            ((4, 1, 1, 2, 4), True),
            ((4, 1, 2, 4, 3), True),
            ((2, 2, 4, 8, 2), True),
            ((4, 1, 2, 4, 3), False),
        )
    ),
    *(
        CudaKernel(
            "convert", f"{_OUT[x]}_{_OUT[y]}", "convert.cu", f"convert<{x}, {y}>", _ALL, 256, 0,
            (f"LDG.E.{128 if x == 'float' else 64}", f"STG.E.{128 if y == 'float' else 64}"), 48,
            tile=(4096, 1),
        )
        for x, y in (
            ("float", "half"), ("float", "bfloat16"), ("half", "float"), ("bfloat16", "float"),
        )
    ),
    *_codecs(),
    *_weight_scales(),
    *_blocks(),
    *_layer(),
    *_norms(),
    *_attention(),
    *_head(),
    *_ends_of_a_step(),
    CudaKernel(
        "clock_stamp", "u64", "clock_stamp.cu", "clock_stamp", _ALL, 32, 0, ("CS2R", "STG"), 32
    ),
)  # fmt: skip


def family(name: str) -> tuple[CudaKernel, ...]:
    """The kernels of one family; FormatError lists the families."""
    found = tuple(kernel for kernel in KERNELS if kernel.family == name)
    if not found:
        known = ", ".join(dict.fromkeys(kernel.family for kernel in KERNELS))
        raise FormatError(f"family: found {name!r}, accepted are {known}")
    return found


def expressions(file: str, architecture: str) -> list[str]:
    """Of all kernels of a file that an architecture has: what is compiled at once, so that whoever
    wants one of them finds the machine code that the others made."""
    return [k.expression for k in KERNELS if k.file == file and architecture in k.architectures]


def find(name: str) -> CudaKernel:
    """The kernel named `family/variant`; FormatError lists the variants of the family."""
    kernels = family(name.partition("/")[0])
    for kernel in kernels:
        if kernel.name == name:
            return kernel
    raise FormatError(
        f"kernel: found {name!r}, accepted are {', '.join(kernel.name for kernel in kernels)}"
    )
