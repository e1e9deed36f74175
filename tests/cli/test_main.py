"""Exit codes, messages and options that every command shares."""

import json

import pytest
import typer

from bitnet_perf import cli, errors
from bitnet_perf.cli import output


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as stopped:
        cli.main(list(arguments))
    captured = capsys.readouterr()
    return stopped.value.code, captured.out, captured.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (KeyboardInterrupt(), 130),
        (typer.BadParameter("x"), 2),
        (typer.Exit(4), 4),
        (errors.ConfigError("x"), 2),
        (errors.FormatError("x"), 2),
        (errors.IsaError("x"), 2),
        (errors.ModelError("x"), 2),
        (errors.ShapeError("x"), 2),
        (errors.EnvironmentRefused("x"), 5),
        (errors.MeasurementError("x"), 6),
        (ValueError("x"), 70),
        (SystemExit(3), 3),
    ],
)
def test_exit_code_of_an_error(error, code):
    assert output.exit_code(error) == code


def test_every_error_of_the_package_has_a_code():
    for kind in errors.BitnetPerfError.__subclasses__():
        assert output.exit_code(kind("x")) in {2, 5, 6}


def test_a_crash_is_70_and_asks_for_a_report(capsys, monkeypatch):
    def crash():
        raise RuntimeError("boom")

    monkeypatch.setattr(cli, "application", crash)
    code, out, err = run(capsys)
    assert (code, out) == (70, "")
    assert "internal error" in err
    assert "boom" in err


def test_an_unknown_command_is_wrong_use(capsys):
    code, out, err = run(capsys, "nosuch")
    assert (code, out) == (2, "")
    assert "nosuch" in err


def test_optional_values():
    assert cli._with_values(["rust", "--recorded"]) == ["rust", "--recorded=default"]
    assert cli._with_values(["--recorded", "--json", "-"]) == ["--recorded=default", "--json", "-"]
    assert cli._with_values(["--recorded", "dir"]) == ["--recorded", "dir"]


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_help_has_an_example_that_names_the_command(capsys, name):
    code, out, err = run(capsys, name, "--help")
    assert (code, err) == (0, "")
    assert f"bitnet-perf {name}" in out
    assert "Example" in out


def test_json_on_stdout_is_json_alone(capsys):
    code, out, _ = run(capsys, "info", "--json", "-")
    assert code == 0
    found = json.loads(out)
    assert {"host", "kernels"} <= found.keys()
    assert any(row["chosen"] for row in found["kernels"])


def test_text_fits_100_columns_and_names_the_chosen_kernels(capsys):
    code, out, _ = run(capsys, "info")
    assert code == 0
    assert max(map(len, out.split("\n"))) <= output.WIDTH
    assert "chosen" in out


def test_quiet_prints_nothing(capsys):
    assert run(capsys, "info", "--quiet") == (0, "", "")


def test_json_to_a_place_that_cannot_be_written(capsys, tmp_path):
    code, _, err = run(capsys, "info", "--json", str(tmp_path))
    assert code == 5
    assert "cannot be written" in err
