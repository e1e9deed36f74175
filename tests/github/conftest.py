"""A GitHub in this process, and no proxy between."""

from __future__ import annotations

import pytest
from github.server import GitHub, serving


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def github():
    return GitHub()


@pytest.fixture
def url(github):
    with serving(github) as address:
        yield address
