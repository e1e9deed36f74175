"""What a host may lack for a build, and the line that brings it."""

from __future__ import annotations

import shutil

import pytest
from forks import NATIVE

from bitnet_perf.bench.toolchain import BUILD_TOOLS, has_backend, toolchain
from bitnet_perf.compiler import compiler
from bitnet_perf.errors import EnvironmentRefused


@pytest.mark.parametrize(("named", "says"), [
    ("no-such-compiler", r"CXX: found 'no-such-compiler'.*C\+\+20 compiler.*apt-get"),
    ('""', "CXX: found '\"\"', there is no such program"),
    ("'", r"CXX: found \"'\", .*No closing quotation"),
])  # fmt: skip
def test_a_compiler_that_is_none(monkeypatch, named, says):
    monkeypatch.setenv("CXX", named)
    with pytest.raises(EnvironmentRefused, match=says):
        toolchain()


def test_the_options_of_a_compiler_stay(monkeypatch):
    monkeypatch.setenv("CXX", "")
    (plain,) = compiler()
    monkeypatch.setenv("CXX", f"{plain} -m64 '-DA=b c'")
    assert compiler() == [plain, "-m64", "-DA=b c"]


def test_a_compiler_that_does_not_run(monkeypatch, tmp_path):
    broken = tmp_path / "c++"
    broken.write_text("#!/bin/sh\necho broken installation >&2; exit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CXX", str(broken))
    with pytest.raises(EnvironmentRefused, match="broken installation"):
        toolchain()


@pytest.mark.parametrize("tool", ["cmake", "ninja"])
def test_without_a_build_tool(tmp_path, monkeypatch, tool):
    (tmp_path / "pyproject.toml").write_text(NATIVE["pyproject.toml"])
    tools = toolchain()
    assert has_backend(tmp_path, tools)
    which = shutil.which
    monkeypatch.setattr(
        "bitnet_perf.bench.toolchain.shutil.which",
        lambda name, path=None: None if name in BUILD_TOOLS[tool] else which(name, path=path),
    )
    with pytest.raises(EnvironmentRefused, match=rf"{tool} is missing.*pip install cmake"):
        has_backend(tmp_path, tools)
