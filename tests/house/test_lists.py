"""One list per family: each kernels.inc and its folder say the same, in both directions."""

from __future__ import annotations

import re

import pytest
from house.tree import KERNELS, ROOT, listed_kernels

import bitnet_perf
from bitnet_perf import _native, cli

FAMILIES = sorted(path.parent.name for path in KERNELS.glob("*/kernels.inc"))


def test_every_family_folder_has_a_list():
    assert sorted(path.name for path in KERNELS.iterdir() if path.is_dir()) == FAMILIES


@pytest.mark.parametrize("family", FAMILIES)
def test_list_and_folder_agree(family):
    listed = listed_kernels(KERNELS / family / "kernels.inc")
    there = {(family, path.parent.name, path.stem) for path in (KERNELS / family).glob("*/*.cpp")}
    assert len(listed) == len(set(listed)), "a line stands twice"
    assert set(listed) - there == set(), "listed, but there is no file"
    assert there - set(listed) == set(), "a file that no line names"


@pytest.mark.parametrize("family", FAMILIES)
def test_every_line_is_a_kernel_or_a_comment(family):
    lines = (KERNELS / family / "kernels.inc").read_text().splitlines()
    others = [line for line in lines if line and not line.startswith(("//", "BP_KERNEL("))]
    assert not others
    assert sum(line.startswith("BP_KERNEL(") for line in lines) == len(
        listed_kernels(KERNELS / family / "kernels.inc")
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_scalar_is_the_last_choice_of_every_format(family):
    last = {fmt: isa for _, fmt, isa in listed_kernels(KERNELS / family / "kernels.inc")}
    assert set(last.values()) == {"scalar"}, last


def test_the_root_lists_hold_every_family_once():
    listed = re.findall(
        r'^#include "kernels/(\w+)/kernels.inc"$', (KERNELS / "all.inc").read_text(), re.M
    )
    assert sorted(listed) == FAMILIES
    contracts = re.findall(
        r'^#include "kernels/(\w+)/\1.hpp"$', (KERNELS / "families.hpp").read_text(), re.M
    )
    assert sorted(contracts) == FAMILIES


def test_the_extension_holds_the_lists():
    listed = {
        row for family in FAMILIES for row in listed_kernels(KERNELS / family / "kernels.inc")
    }
    assert {row[:3] for row in _native.kernels()} == listed


def test_every_kernel_file_is_named_after_an_instruction_set():
    table = re.findall(r"^bp_isa\((\w+)", (ROOT / "cmake" / "isa.cmake").read_text(), re.M)
    assert {row[0] for row in _native.isas()} == set(table)
    assert {path.stem for path in KERNELS.glob("*/*/*.cpp")} <= set(table)


def test_every_command_file_is_listed():
    files = (ROOT / "bitnet_perf" / "cli").glob("*.py")
    commands = {
        path.stem.removesuffix("_").replace("_", "-")
        for path in files
        if re.search(r"^def command\(", path.read_text(), re.M)
    }
    assert commands == set(cli.COMMANDS)


@pytest.mark.parametrize("name", bitnet_perf.__all__)
def test_every_public_name_is_there(name):
    assert getattr(bitnet_perf, name) is not None
    assert name in dir(bitnet_perf)
