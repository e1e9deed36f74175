"""The fingerprint: the same in two readings, whole where /proc and /sys are not, and a guard."""

import pytest

from bitnet_perf.bench.fingerprint import (
    INFORMATION,
    Cache,
    Fingerprint,
    fingerprint,
    host_key,
    refuse_other_host,
    same_host,
)
from bitnet_perf.errors import EnvironmentRefused

X86 = """processor	: 0
cpu family	: 25
model		: 1
model name	: AMD EPYC
stepping	: 1
microcode	: 0x1000065
cpu MHz		: 2445.404
flags		: fpu hypervisor avx2
"""
ARM = """processor	: 0
CPU implementer	: 0x41
CPU part	: 0xd40
CPU revision	: 1
"""


@pytest.fixture
def root(tmp_path):
    def put(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    put("proc/cpuinfo", X86)
    put("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n")
    put("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n")
    for index, kind, level, size, shared in (
        (0, "Data", "1", "32K", "0"),
        (1, "Instruction", "1", "32K", "0"),
        (2, "Unified", "2", "512K", "0"),
        (3, "Unified", "3", "32M", "0-3,8"),
    ):
        for name, text in zip(
            ("type", "level", "size", "shared_cpu_list"), (kind, level, size, shared), strict=True
        ):
            put(f"sys/devices/system/cpu/cpu0/cache/index{index}/{name}", text + "\n")
    return tmp_path


def test_this_host_is_stable_and_frozen():
    host = fingerprint()
    assert host == fingerprint()
    assert "scalar" in host.isas
    assert host.cores >= host.allowed >= 1
    assert host.cache_bytes(9) is None
    with pytest.raises(ValueError, match="frozen"):
        host.cpu = "other"


def test_every_fact_is_read(root):
    host = fingerprint(root)
    assert (host.cpu, host.family, host.model, host.stepping) == ("AMD EPYC", "25", "1", "1")
    assert (host.microcode, host.governor, host.huge_pages) == (
        "0x1000065", "performance", "madvise",
    )  # fmt: skip
    assert host.hypervisor
    assert host.caches == (
        Cache(level=1, bytes=32 << 10, shared_by=1),
        Cache(level=2, bytes=512 << 10, shared_by=1),
        Cache(level=3, bytes=32 << 20, shared_by=5),
    )


def test_an_arm_has_other_names(root):
    (root / "proc/cpuinfo").write_text(ARM)
    host = fingerprint(root)
    assert (host.family, host.model, host.stepping) == ("0x41", "0xd40", "1")
    assert host.microcode is None
    assert not host.hypervisor


def test_without_proc_and_sys(tmp_path):
    host = fingerprint(tmp_path)
    assert host.cpu
    assert host.caches == ()
    assert {host.family, host.microcode, host.governor, host.huge_pages} == {None}


@pytest.mark.parametrize("name", ["level", "size", "shared_cpu_list", "type"])
@pytest.mark.parametrize("text", ["", "x\n", "1Q\n", "\0"])
def test_a_malformed_cache_is_no_crash(root, name, text):
    (root / f"sys/devices/system/cpu/cpu0/cache/index3/{name}").write_text(text)
    expected = 2 if name in ("level", "size") else 3
    assert len(fingerprint(root).caches) == expected


def test_what_jitters_is_not_in_it(root):
    before = fingerprint(root)
    (root / "proc/cpuinfo").write_text(X86.replace("2445.404", "3100.000"))
    assert fingerprint(root) == before


OTHER = {str: "other", int: 77, bool: None, tuple: ()}


@pytest.mark.parametrize("name", sorted(Fingerprint.model_fields))
def test_each_field_decides_or_informs(root, name):
    host = fingerprint(root)
    value = getattr(host, name)
    changed = not value if isinstance(value, bool) else OTHER[type(value)]
    other = host.model_copy(update={name: changed})
    if name in INFORMATION:
        assert same_host(host, other) == []
        refuse_other_host(host, other)
        return
    (difference,) = same_host(host, other)
    assert difference.startswith(f"{name}: ")
    with pytest.raises(EnvironmentRefused, match=f"different hosts .*{name}: "):
        refuse_other_host(host, other)


def test_unknown_is_not_equal_to_known(root):
    host = fingerprint(root)
    assert same_host(host, host.model_copy(update={"microcode": None})) == [
        "microcode: 0x1000065, unknown"
    ]


def test_what_was_stored_is_read_again(root):
    host = fingerprint(root)
    assert Fingerprint.model_validate(host.to_dict()) == host
    older = {
        name: value
        for name, value in host.to_dict().items()
        if name not in ("family", "model", "stepping", "microcode")
    }
    assert len(same_host(Fingerprint.model_validate(older), host)) == 4


def test_a_key_is_the_same_where_times_can_be_compared(root):
    host = fingerprint(root)
    key = host_key(host.to_dict())
    assert len(key) == 16
    for name in Fingerprint.model_fields:
        value = getattr(host, name)
        other = host.model_copy(update={name: 7 if isinstance(value, int) else f"{value}x"})
        same = not same_host(host, other) or name == "compiler"
        assert (host_key({**host.to_dict(), name: getattr(other, name)}) == key) == same, name
    assert host_key("a host") == host_key("a host") != host_key("another")
