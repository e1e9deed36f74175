"""What may stand in the repository: names at the top, no machine's paths, valid workflows."""

from __future__ import annotations

import re
import tomllib

import pytest
import yaml
from house.tree import ROOT, files

TOP = {
    "README.md", "LICENSE", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md",
    "pyproject.toml", "CMakeLists.txt", "Makefile",
    "csrc", "cuda", "cmake", "bitnet_perf", "bench", "tests", "docs", ".ci", ".github",
    ".gitignore", ".gitattributes", ".editorconfig", ".clang-format", ".clang-tidy",
}  # fmt: skip
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*"))


def test_nothing_else_stands_at_the_top():
    assert {path.parts[0] for path in files()} - TOP == set()


def test_no_built_file_is_committed():
    built = {".so", ".o", ".a", ".pyc", ".whl", ".orig", ".rej"}
    assert [path for path in files() if path.suffix in built] == []


def test_no_path_of_one_machine():
    found = []
    for path in files():
        if path.as_posix().startswith("tests/golden/"):  # what other programs wrote
            continue
        text = (ROOT / path).read_bytes().decode("utf-8", errors="ignore")
        found += [f"{path}: {hit}" for hit in re.findall(r"/(?:root|work|home)/\w+", text)]
    assert not found, "\n".join(found)


def test_no_unfinished_marks():
    marks = re.compile(
        "|".join(["TO" + "DO", "FIX" + "ME", "NotImplemented" + "Error", "XX" + "X:"])
    )
    found = [
        str(path)
        for path in files()
        if path.suffix in {".py", ".cpp", ".hpp", ".inc", ".cmake", ".md", ".sh", ".yml"}
        and not path.as_posix().startswith("tests/golden/")
        and marks.search((ROOT / path).read_text())
    ]
    assert not found


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_are_valid_pinned_and_modest(path):
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["jobs"]
    for name, job in workflow["jobs"].items():
        assert job["runs-on"], name
        assert job["timeout-minutes"] <= 60, name
        assert "permissions" not in job, name
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step), step
            if "uses" in step:
                assert re.fullmatch(r"[\w./-]+@(v\d+\.\d+\.\d+|[0-9a-f]{40})", step["uses"]), step


def test_wheels_are_built_for_every_python_named():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    named = [
        name.rsplit(maxsplit=1)[1].replace(".", "")
        for name in settings["project"]["classifiers"]
        if re.search(r":: 3\.\d+$", name)
    ]
    assert settings["tool"]["cibuildwheel"]["build"].split() == [f"cp{name}-*" for name in named]
    built = yaml.safe_load((ROOT / ".github/workflows/wheels.yml").read_text())
    matrix = built["jobs"]["wheels"]["strategy"]["matrix"]["include"]
    assert {row["arch"] for row in matrix} == {"x86_64", "aarch64"}
