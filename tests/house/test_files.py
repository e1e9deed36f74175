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
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step), step
            if "uses" in step:
                assert re.fullmatch(r"[\w./-]+@(v\d+\.\d+\.\d+|[0-9a-f]{40})", step["uses"]), step


def workflows_of_pages():
    """(place, text) of every workflow of this repository, and of every one that a page shows."""
    found = [(path.name, path.read_text()) for path in WORKFLOWS]
    for page in sorted((ROOT / "docs").glob("*.md")):
        blocks = re.findall(r"^```yaml\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
        found += [(page.name, block) for block in blocks if re.search("^jobs:", block, re.M)]
    return found


@pytest.mark.parametrize(("place", "text"), workflows_of_pages())
def test_who_may_write_runs_no_code_of_strangers(place, text):
    workflow = yaml.safe_load(text)
    events = workflow[True]  # YAML reads `on` as true
    assert "pull_request_target" not in events, place
    for job in workflow["jobs"].values():
        writes = "write" in str(job.get("permissions", workflow.get("permissions", "")))
        lines = [step["run"] for step in job["steps"] if "run" in step]
        assert not any(re.search(r"github\.(event\.|head_ref)", line) for line in lines)
        if not writes:
            assert "github.token" not in str(job["steps"]).replace("github-token", "")
            continue
        assert "head" not in str([step.get("with") for step in job["steps"]])
        if "workflow_run" in events:
            assert "workflow_run.event == 'pull_request'" in job["if"]
            tokens = [step for step in job["steps"] if "github.token" in str(step)]
            users = [step.get("uses", step.get("run", "")) for step in tokens]
            assert all(re.search("download-artifact@|bitnet-perf publish ", each) for each in users)
        else:
            assert "head.repo.full_name == github.repository" in job["if"], place


def test_a_result_is_posted_by_the_second_workflow_alone():
    first, second = (
        yaml.safe_load((ROOT / ".github/workflows" / name).read_text())
        for name in ("performance.yml", "publish.yml")
    )
    assert second[True]["workflow_run"]["workflows"] == [first["name"]]
    stored = [s["with"]["name"] for s in first["jobs"]["gate"]["steps"] if "upload" in str(s)]
    (taken,) = [s["with"]["name"] for s in second["jobs"]["post"]["steps"] if "download" in str(s)]
    assert taken in stored
    runs = " ".join(step.get("run", "") for step in first["jobs"]["gate"]["steps"])
    assert "--publish file" in runs
    assert second["jobs"]["post"]["permissions"] == {
        "actions": "read", "checks": "write", "contents": "read", "pull-requests": "write",
    }  # fmt: skip


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
