"""[tuned]: used on the host that it was measured on, written as one table, and nothing else."""

from __future__ import annotations

import tomllib

import pytest

import bitnet_perf as bp
from bitnet_perf.bench.fingerprint import this_host
from bitnet_perf.config.load import load_settings
from bitnet_perf.config.tuned import tuned_settings, use_tuned, with_tuned, write_tuned
from bitnet_perf.kernels.tunables import tuned_values, tuned_with

HERE = this_host()
FILE = "bitnet-perf.toml"


@pytest.fixture(autouse=True)
def _defaults():
    with tuned_with({}):
        yield


def write(folder, host, text="amx_tokens = 9\n"):
    (folder / FILE).write_text(f'[tuned]\nhost = "{host}"\n{text}')


def test_nothing_is_tuned_without_a_table(tmp_path):
    used = use_tuned(tmp_path)
    assert (used.values, used.note, tuned_values()) == ({}, "", {})


def test_values_of_this_host_are_used(tmp_path):
    write(tmp_path, HERE, 'amx_tokens = 9\ngemv_isa = "scalar"\n')
    used = use_tuned(tmp_path)
    assert used.note == ""
    assert tuned_values() == dict(used.values) == {"amx_tokens": 9, "gemv_isa": "scalar"}


@pytest.mark.parametrize("host", ["0123456789abcdef", ""])
def test_values_of_another_host_are_not_used_and_that_is_said(tmp_path, host):
    write(tmp_path, host)
    used = use_tuned(tmp_path)
    assert (used.values, tuned_values()) == ({}, {})
    assert used.note.startswith(f"{FILE}:1: [tuned] is ")
    assert (host or "without the host") in used.note
    assert f"this one is {HERE}: amx_tokens not used; `bitnet-perf tune --apply`" in used.note


def test_flags_and_the_environment_hold_on_any_host(tmp_path):
    write(tmp_path, "another", "amx_tokens = 9\npanel_tokens = 8\n")
    loaded = load_settings(
        tmp_path, {"tuned.panel_tokens": "5"}, environment={"BITNET_PERF_TUNED_PREFETCH_BYTES": "0"}
    )
    used = tuned_settings(loaded)
    assert used.values == {"panel_tokens": 5, "prefetch_bytes": 0}
    assert "amx_tokens not used" in used.note


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("amx_tokens = 0", f"{FILE}:3: tuned.amx_tokens: found 0: "),
        ("amx_token = 4", f"{FILE}:3: tuned.amx_token: unknown key; nearest is amx_tokens"),
        ('gemv_isa = "avx2"', f"{FILE}:3: tuned.gemv_isa: found 'avx2': "),
        ("decode_threads = 1.5", f"{FILE}:3: tuned.decode_threads: found 1.5: "),
    ],
)
def test_what_is_not_accepted_names_its_line(tmp_path, line, said):
    write(tmp_path, HERE, f"{line}\n")
    with pytest.raises(bp.ConfigError) as error:
        use_tuned(tmp_path)
    assert str(error.value).startswith(said)


def test_a_new_file_is_written_and_read_back(tmp_path):
    path, before = write_tuned(tmp_path, {"amx_tokens": 9, "gemm_isa": "scalar"})
    assert (path, before) == (tmp_path / FILE, None)
    assert tuned_settings(load_settings(tmp_path)).values == {"amx_tokens": 9, "gemm_isa": "scalar"}
    path, before = write_tuned(tmp_path, {})
    assert "amx_tokens = 9" in before
    assert path.read_text() == f'[tuned]\nhost = "{HERE}"\n'


TEXT = """# ours
[budgets]
guard = 0.01  # tight

[tuned]
host = "old"
amx_tokens = 2

[suites]
mine = [
  "gemv/*",
]
"""


def test_the_rest_of_a_file_stays(tmp_path):
    (tmp_path / FILE).write_text(TEXT)
    write_tuned(tmp_path, {"prefetch_bytes": 0})
    found = (tmp_path / FILE).read_text()
    assert found == TEXT.replace('"old"\namx_tokens = 2', f'"{HERE}"\nprefetch_bytes = 0')


def test_a_project_file_keeps_its_own_tables(tmp_path):
    path = tmp_path / "pyproject.toml"
    path.write_text('[project]\nname = "x"\n\n[tool.bitnet-perf.budgets]\nguard = 0.01\n')
    assert write_tuned(tmp_path, {"amx_tokens": 8})[0] == path
    found = tomllib.loads(path.read_text())
    assert found["project"] == {"name": "x"}
    assert found["tool"]["bitnet-perf"]["tuned"] == {"host": HERE, "amx_tokens": 8}
    assert use_tuned(tmp_path).values == {"amx_tokens": 8}


@pytest.mark.parametrize("text", ['tuned = {host = "a"}\n', 'tuned.host = "a"\n'])
def test_a_table_in_another_form_is_refused_and_the_file_stays(tmp_path, text):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(bp.ConfigError, match=r"tuned"):
        write_tuned(tmp_path, {"amx_tokens": 8})
    assert (tmp_path / FILE).read_text() == text


def test_lines_that_look_like_a_header_in_a_text_do_not_end_the_table():
    text = '[tuned]\nhost = "a"\n[budgets]\nguard = 0.01\n'
    made = with_tuned(text, {"amx_tokens": 3}, "b", ("tuned",), FILE)
    assert made == '[tuned]\nhost = "b"\namx_tokens = 3\n[budgets]\nguard = 0.01\n'
