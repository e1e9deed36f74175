"""Machine code that tests compile goes to a cache of this run."""

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
