"""Machine code that tests compile goes to a cache of this run."""

import sys

import pytest


@pytest.fixture(scope="session")
def run_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _cache_of_this_run(monkeypatch, run_cache):
    monkeypatch.setenv("BITNET_PERF_CACHE", str(run_cache))


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """A cache of this test alone; the folder of its cubins, not yet made."""
    monkeypatch.setenv("BITNET_PERF_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "cubin"


@pytest.fixture
def cupy(monkeypatch):
    """A host with two made-up GPUs, whose kernels run on the emulator."""
    from cuda_device import MadeUpCupy, cubin_without_compiling

    from bitnet_perf.kernels.cuda import device, launch, overlap

    made = MadeUpCupy(devices=((9, 0), (9, 0)))
    monkeypatch.setitem(sys.modules, "cupy", made)
    monkeypatch.setattr(device, "_lost", [])
    monkeypatch.setattr(launch, "compile_file", cubin_without_compiling)
    monkeypatch.setattr(overlap, "begin", made.begin_early)
    device.gpu.cache_clear()
    launch._runner.cache_clear()
    yield made
    device.gpu.cache_clear()
    launch._runner.cache_clear()
