"""Prints what a checkout needs to build, run and test, read from pyproject.toml, one a line."""

import tomllib
from pathlib import Path

with (Path(__file__).parent.parent / "pyproject.toml").open("rb") as file:
    settings = tomllib.load(file)
project = settings["project"]
needed = {
    *settings["build-system"]["requires"],
    *project["dependencies"],
    *project["optional-dependencies"]["dev"],
}
print("\n".join(sorted(needed)))
