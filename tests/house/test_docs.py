"""The pages tell the truth: Python blocks run, commands and targets exist, links lead somewhere."""

from __future__ import annotations

import re
import shlex

import pytest
import yaml
from house.tree import ROOT, with_suffix

from bitnet_perf.cli import main

PAGES = [path for path in with_suffix(".md") if path.parts[0] not in {"tests", "csrc"}]


def blocks(path, *languages: str) -> list[str]:
    """The fenced blocks of a page in any of these languages."""
    text = (ROOT / path).read_text()
    found = re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [body for language, body in found if language in languages]


def command_lines() -> list[tuple[str, str]]:
    """(page, line) of every shell line, in blocks and in backticks, and of those of workflows."""
    found = []
    for path in PAGES:
        lines = [line for body in blocks(path, "sh", "console") for line in body.splitlines()]
        lines += re.findall(r"`((?:bitnet-perf|make) [^`\n]+)`", (ROOT / path).read_text())
        found += [(str(path), re.sub(r"\s+#.*", "", line.removeprefix("$ "))) for line in lines]
        for body in blocks(path, "yaml"):
            lines = re.findall(r"run: (bitnet-perf .*)", body)
            found += [(str(path), re.sub(r"\s+#.*", "", line)) for line in lines]
    for path in sorted((ROOT / ".github" / "workflows").glob("*.yml")):
        for job in yaml.safe_load(path.read_text())["jobs"].values():
            runs = [step.get("run", "") for step in job["steps"]]
            lines = [line.removeprefix(".venv/bin/") for run in runs for line in run.splitlines()]
            found += [(path.name, line) for line in lines if line.startswith("bitnet-perf ")]
    return found


COMMANDS = command_lines()


@pytest.mark.parametrize("path", [p for p in PAGES if blocks(p, "yaml")], ids=str)
def test_workflows_of_pages_can_be_read(path):
    for body in blocks(path, "yaml"):
        found = yaml.safe_load(body)
        steps = found.get("steps", []) if isinstance(found, dict) else found
        assert all({"run", "uses"} & step.keys() for step in steps)


def test_a_page_shows_the_workflow_of_a_checkout_of_bitnet_rs():
    (found,) = (body for body in blocks("docs/gate.md", "yaml") if "rustup" in body)
    job = yaml.safe_load(found)
    text = " ".join(step.get("run", "") for step in job["steps"])
    assert {"RUSTUP_TOOLCHAIN", "BITNET_PERF_CACHE"} <= job["env"].keys()
    assert all(word in text for word in ("valgrind", "bitnet-perf gate --base"))


@pytest.mark.parametrize("path", [p for p in PAGES if blocks(p, "python")], ids=str)
def test_python_blocks_run(path):
    code = "\n".join(blocks(path, "python"))
    exec(compile(code, str(path), "exec"), {"__name__": "page"})


@pytest.mark.parametrize(
    ("page", "line"), [row for row in COMMANDS if row[1].startswith("bitnet-perf ")]
)
def test_commands_are_accepted(page, line, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*shlex.split(line)[1:], "--help"])
    assert ended.value.code == 0, f"{page}: {capsys.readouterr().err}"


@pytest.mark.parametrize(("page", "line"), [row for row in COMMANDS if row[1].startswith("make ")])
def test_make_targets_exist(page, line):
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = [word for word in shlex.split(line)[1:] if "=" not in word]
    assert set(named) <= targets, page


def test_the_pages_name_commands():
    assert {line.split()[0] for _, line in COMMANDS} >= {"bitnet-perf", "make"}


@pytest.mark.parametrize("path", PAGES, ids=str)
def test_links_and_files_exist(path):
    text = (ROOT / path).read_text()
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if not re.match(r"\w+:", target):
            assert ((ROOT / path).parent / target).exists(), target
    for name in re.findall(r"`((?:csrc|tests|docs|cmake|bench|bitnet_perf|\.ci)/[\w./-]+)`", text):
        assert (ROOT / name).exists(), name


def test_an_option_that_does_not_exist_is_seen():
    with pytest.raises(SystemExit) as ended:
        main(["info", "--no-such-option", "--help"])
    assert ended.value.code == 2
