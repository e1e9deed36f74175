"""Prints what a checkout needs to build, run and test, read from pyproject.toml, one a line."""

import tomllib
from pathlib import Path

with (Path(__file__).parent.parent / "pyproject.toml").open("rb") as file:
    settings = tomllib.load(file)
project = settings["project"]
extras = project["optional-dependencies"]
own = {f"{project['name']}[{extra}]": needed for extra, needed in extras.items()}
needed = {
    *settings["build-system"]["requires"],
    *project["dependencies"],
    *(each for named in extras["dev"] for each in own.get(named, [named])),
}
print("\n".join(sorted(needed)))
