"""The command line: one file per command; the only code that prints or exits."""

from __future__ import annotations

import sys
from importlib import import_module
from keyword import iskeyword

import typer

from bitnet_perf.cli.output import exit_code, fail, use_settings

# In the order in which `--help` shows them.
COMMANDS = ("run", "info", "bench", "benchmark", "compare", "try", "gate", "publish", "bisect",
            "roofline", "gpu-report", "profile", "generate", "make-model", "quantize",
            "accuracy", "rust", "report", "selftest", "tune", "import", "history", "config",
            "doctor")  # fmt: skip

# Options that may stand alone or take a value: `--recorded` and `--recorded DIR`.
_OPTIONAL_VALUE = {"--recorded": "default"}


def application() -> typer.Typer:
    """The typer application with every command of COMMANDS."""
    app = typer.Typer(
        name="bitnet-perf",
        help="Measure and judge the speed of 1-bit language model kernels.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
    )
    app.callback()(lambda: None)
    for name in COMMANDS:
        module = f"{name}_" if iskeyword(name) else name.replace("-", "_")
        command = import_module(f"bitnet_perf.cli.{module}").command
        app.command(name, help=command.__doc__)(command)
    return app


def _with_values(arguments: list[str]) -> list[str]:
    """Give options that may stand alone their default value where none follows."""
    result = []
    for place, word in enumerate(arguments):
        alone = not arguments[place + 1 :] or arguments[place + 1].startswith("-")
        default = _OPTIONAL_VALUE.get(word)
        result.append(f"{word}={default}" if default is not None and alone else word)
    return result


def main(arguments: list[str] | None = None) -> None:
    """Run one command and exit with a code of the interface (0-7, 70, 130)."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        use_settings(words)
        status = application()(_with_values(words), standalone_mode=False)
    except BaseException as error:
        fail(error)
        sys.exit(exit_code(error))
    sys.exit(status if isinstance(status, int) else 0)
