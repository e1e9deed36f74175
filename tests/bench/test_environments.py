"""Environments from a wheel, and those that exist already."""

from __future__ import annotations

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from forks import INFO

import bitnet_perf
from bitnet_perf import _native
from bitnet_perf.bench import builds
from bitnet_perf.bench.builds import install_wheel, use_environment
from bitnet_perf.errors import ConfigError, EnvironmentRefused


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BITNET_PERF_CACHE", str(tmp_path / "cache"))


def plain_wheel(folder: Path, name: str = "bitnet_perf-0.1.0-py3-none-any.whl") -> Path:
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / name, "w") as wheel:
        wheel.writestr("bitnet_perf/__init__.py", "SIDE = 9\n")
        for file, text in INFO.items():
            wheel.writestr(f"bitnet_perf-0.1.0.dist-info/{file}", text)
    return folder / name


def test_a_wheel(tmp_path, monkeypatch):
    wheel = plain_wheel(tmp_path / "wheels")
    side = install_wheel(wheel)
    code = "import bitnet_perf; print(bitnet_perf.SIDE)"
    assert subprocess.check_output([side.python, "-I", "-c", code], text=True) == "9\n"
    assert (side.tree, side.commit, side.description) == (None, None, f"wheel {wheel.name}")
    monkeypatch.setattr(builds, "run_program", lambda *_, **__: pytest.fail("installed again"))
    assert install_wheel(wheel) == side


def test_wheels_that_are_refused(tmp_path):
    (tmp_path / "text.whl").write_text("no zip")
    with zipfile.ZipFile(tmp_path / "other-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("other/__init__.py", "")
    foreign = plain_wheel(tmp_path / "wheels", "bitnet_perf-0.1.0-cp27-cp27mu-win32.whl")
    for path, reason in [
        (tmp_path / "missing.whl", "cannot be read"),
        (tmp_path / "text.whl", "cannot be read"),
        (tmp_path / "other-1-py3-none-any.whl", "holds no package bitnet_perf"),
        (foreign, "not a supported wheel"),
    ]:
        with pytest.raises(ConfigError, match=reason):
            install_wheel(path)


def test_an_environment_that_exists():
    by_python = use_environment(sys.executable)
    assert by_python.package == Path(bitnet_perf.__file__).parent.parent
    assert by_python.native == Path(_native.__file__)
    if Path(sys.prefix, "bin", "python").exists():
        assert use_environment(sys.prefix).package == by_python.package


def test_environments_that_are_refused(tmp_path):
    venv.EnvBuilder(symlinks=True).create(tmp_path / "bare")
    with pytest.raises(EnvironmentRefused, match=r"no package bitnet_perf: install .*pip install"):
        use_environment(tmp_path / "bare")
    for path in (tmp_path, tmp_path / "missing", Path(__file__)):
        with pytest.raises(ConfigError, match="neither a virtual environment"):
            use_environment(path)
    with pytest.raises(ConfigError, match=r"environment: found '~no-such-user/x' .*home directory"):
        use_environment("~no-such-user/x")
    with pytest.raises(EnvironmentRefused, match="cannot import bitnet_perf"):
        use_environment("/bin/true")
