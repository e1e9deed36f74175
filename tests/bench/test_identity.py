"""Equal code is found equal, and a changed constant is not: on extensions that are really built."""

from __future__ import annotations

import contextlib
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from checkout import commit, new_checkout, run_git
from forks import NATIVE

from bitnet_perf import _native
from bitnet_perf.bench.builds import Environment, build_revision
from bitnet_perf.bench.elf import object_hash, read_sections
from bitnet_perf.bench.identity import Identity, compare_code
from bitnet_perf.errors import FormatError, MeasurementError

KERNEL = "csrc/kernels/gemv/i2_s/scalar.cpp"
NAME = "gemv_i2_s_scalar"
MISSING = [tool for tool in ("git", "c++", "cmake") if shutil.which(tool) is None]

EXTRA = '\n#ifdef BP_EXTRA\nextern "C" int extra() { return 1; }\n#endif\n'
VARIANTS = {
    "first": {},
    "comment": {KERNEL: f"// A comment.\n{NATIVE[KERNEL]}"},
    "literal": {KERNEL: NATIVE[KERNEL].replace("+ 5", "+ 6")},
    "table": {KERNEL: NATIVE[KERNEL].replace("3, 4}", "3, 9}")},
    "helper": {KERNEL: NATIVE[KERNEL].replace("2 * x", "3 * x")},
    "binding": {
        KERNEL: NATIVE[KERNEL],
        "csrc/bind/module.cpp": NATIVE["csrc/bind/module.cpp"].replace("_scalar(1)", "_scalar(2)"),
    },
    "option": {
        "csrc/bind/module.cpp": NATIVE["csrc/bind/module.cpp"],
        "CMakeLists.txt": NATIVE["CMakeLists.txt"].replace('code" OFF', 'code" ON'),
        KERNEL: f"{NATIVE[KERNEL]}{EXTRA}",
    },
    "option off": {"CMakeLists.txt": NATIVE["CMakeLists.txt"]},
    "broken": {KERNEL: f"{NATIVE[KERNEL]}\nint f() {{ return 1 }}\n"},
}  # each on top of the one before


@pytest.fixture(scope="module")
def fork(tmp_path_factory) -> Path:
    """A checkout with one tag for each variant, built in a cache of its own."""
    folder = new_checkout(tmp_path_factory.mktemp("identity") / "fork")
    for name, files in VARIANTS.items():
        commit(folder, NATIVE if name == "first" else files, name)
        run_git(folder, "tag", name.replace(" ", "-"))
    return folder


@pytest.fixture
def side(fork, monkeypatch):
    monkeypatch.setenv("BITNET_PERF_CACHE", str(fork.parent / "cache"))
    if MISSING:
        pytest.skip(f"missing: {' '.join(MISSING)}")
    return lambda name: build_revision(fork, name.replace(" ", "-"))


def hashes_differ(found: Identity) -> bool:
    (first, second) = found.kernels[NAME]
    return first != second


def test_a_comment_changes_nothing(side):
    found = compare_code(side("first"), side("comment"))
    assert found.identical, found.reason
    assert not hashes_differ(found)


@pytest.mark.parametrize("name", ["literal", "table", "helper"])
def test_a_changed_constant_or_helper_is_found(side, name):
    before = list(VARIANTS)[list(VARIANTS).index(name) - 1]
    found = compare_code(side(before), side(name))
    assert not found.identical
    assert "sections of the extension: ." in found.reason
    assert hashes_differ(found)


def test_machine_code_of_a_kernel_is_unchanged_where_another_file_is(side):
    found = compare_code(side("first"), side("binding"))
    assert not found.identical
    assert not hashes_differ(found)


def test_a_default_of_another_tree_does_not_stay(side):
    """The option is ON in one tree, OFF in the next, and the build folder is the same."""
    on, off = side("option"), side("option off")
    assert not compare_code(on, off).identical
    assert hashes_differ(compare_code(on, off))


def test_only_what_differs_is_compiled(side):
    side("first")
    log = side("comment").log
    assert log is not None
    compiled = re.findall(r"Building CXX object \S+/(\w+)\.cpp\.o", log.read_text())
    assert compiled == ["scalar"]


def test_names_of_functions_stay(side):
    native = side("first").native
    assert native is not None
    sections = {section.name: section for section in read_sections(native)}
    assert NAME.encode() in sections[".strtab"].data


def test_the_error_of_the_compiler_is_shown(side):
    with pytest.raises(MeasurementError) as caught:
        side("broken")
    shown = str(caught.value)
    assert re.search(r"scalar\.cpp:\d+:\d+: error: expected .;.", shown)
    assert len(shown.splitlines()) <= 16


# Python files


def package(folder: Path, files: dict[str, str], native: Path) -> Environment:
    for name, text in files.items():
        path = folder / "bitnet_perf" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Environment(Path("python"), folder, folder.name, native=native)


@pytest.fixture
def native() -> Path:
    return Path(str(_native.__file__))


SOURCE = 'def f(x):\n    """Text."""\n    return x + 1\n'


@pytest.mark.parametrize(
    ("name", "text", "identical"),
    [
        ("kernels/a.py", SOURCE, True),
        ("kernels/a.py", "# comment\n" + SOURCE, True),
        ("kernels/a.py", SOURCE.replace("x + 1", "(x  + 1)  # same"), True),
        ("kernels/a.py", SOURCE.replace("Text", "Another text"), True),
        ("kernels/a.py", SOURCE.replace('    """Text."""\n', ""), True),
        ("kernels/a.py", SOURCE.replace("1", "2"), False),
        ("kernels/a.py", SOURCE.replace("1", "1.0"), False),
        ("kernels/a.py", SOURCE.replace("return x", "return 'x'"), False),
        ("kernels/a.py", "def f(:\n", False),
        ("kernels/b.py", "", False),
        ("formats/c.py", "", False),
        ("model/deep/d.py", "", False),
        ("kernels/cuda/k.cu", "// device code", False),
        ("_bench.py", "VERSION = 2\n", False),
        ("__init__.py", "NAMES = 1\n", True),
        ("report/e.py", "", True),
        ("kernels/__pycache__/a.cpython-311.pyc", "x", True),
    ],
)
def test_python_files(tmp_path, native, name, text, identical):
    base = {"kernels/a.py": SOURCE, "_bench.py": "VERSION = 1\n"}
    sides = [
        package(tmp_path / "a", base, native),
        package(tmp_path / "b", base | {name: text}, native),
    ]
    for first, second in (sides, sides[::-1]):
        found = compare_code(first, second)
        assert found.identical == identical
        assert identical or name in found.reason


# Files that are no extension


def test_an_extension_that_is_missing_is_never_identical(tmp_path, native):
    side = package(tmp_path, {"kernels/a.py": SOURCE}, native)
    for other in (replace(side, native=None), side):
        assert not compare_code(replace(side, native=None), other).identical
    assert compare_code(side, side).identical


def test_an_import_of_another_function_is_found(tmp_path, native):
    """Names of what is imported decide what runs, though no section of code differs."""
    data = native.read_bytes()
    names = next(section for section in read_sections(native) if section.name == ".dynstr")
    place = data.index(names.data) + names.data.index(b"\0memcpy\0")
    other = tmp_path / "other.so"
    other.write_bytes(data[: place + 1] + b"memcpx" + data[place + 7 :])
    side = package(tmp_path, {}, native)
    found = compare_code(side, replace(side, native=other))
    assert (found.identical, found.reason) == (False, "sections of the extension: .dynstr")


def test_a_build_id_and_symbols_do_not_count(tmp_path, native):
    data = bytearray(native.read_bytes())
    for section in read_sections(native):
        if section.name in {".note.gnu.build-id", ".symtab", ".strtab", ".comment"}:
            place = data.index(section.data)
            data[place + len(section.data) - 2] ^= 1
    other = tmp_path / "other.so"
    other.write_bytes(data)
    assert other.read_bytes() != native.read_bytes()
    side = package(tmp_path, {}, native)
    assert compare_code(side, replace(side, native=other)).identical


def test_files_that_are_no_elf(tmp_path, native):
    whole = native.read_bytes()
    for number, data in enumerate(
        [b"", b"text", whole[:60], whole[:1000], whole[:-1], b"\x7fELF\x01\x01" + bytes(100)]
    ):
        path = tmp_path / str(number)
        path.write_bytes(data)
        for read in (read_sections, object_hash):
            with pytest.raises(FormatError, match=str(path)):
                read(path)
    with pytest.raises(FormatError, match="cannot be read"):
        read_sections(tmp_path / "missing")


def test_damaged_headers_are_an_error_of_ours(tmp_path, native):
    """Every byte of the header and of the first section headers, in turn."""
    whole = native.read_bytes()
    table = int.from_bytes(whole[0x28:0x30], "little")
    path = tmp_path / "damaged"
    for place in [*range(64), *range(table, table + 256)]:
        data = bytearray(whole)
        data[place] ^= 0xFF
        path.write_bytes(data)
        for read in (read_sections, object_hash):
            with contextlib.suppress(FormatError):  # any other error fails the test
                read(path)
