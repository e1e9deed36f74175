"""The public names of the package: the one list."""

# One line per public module: the names it gives to `import bitnet_perf as bp`.
PUBLIC: dict[str, tuple[str, ...]] = {
    "errors": (
        "BitnetPerfError",
        "ConfigError",
        "EnvironmentRefused",
        "FormatError",
        "IsaError",
        "MeasurementError",
        "ModelError",
        "ShapeError",
    ),
    "formats": (
        "Packed",
        "Prepared",
        "Tiling",
        "dequantize",
        "formats",
        "pack",
        "prepare",
        "quantize",
        "unpack",
    ),
    "formats.blocks": ("Blocks", "Codec", "codecs"),
    "kernels.activations": ("Activations", "quantize_activations"),
    "kernels.blocks": ("dequantize_blocks", "matmul_blocks", "matmul_i2s", "quantize_blocks"),
    "kernels.matmul": ("matmul", "matmul_int"),
    "kernels.registry": ("Kernel", "isas"),
    "bench.candidates": ("candidate",),
    "bench.paired.sides": ("Side",),
    "review.compare": ("Comparison", "compare"),
    "review.gate": ("Review", "gate"),
    "review.roofline": ("Roofline", "roofline"),
    "review.try_": ("Trial", "try_candidate"),
    "stages.profile": ("Profile", "profile"),
}
