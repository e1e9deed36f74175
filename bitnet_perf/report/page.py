"""The report as one page of HTML that needs nothing beside it."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

from bitnet_perf.errors import EnvironmentRefused
from bitnet_perf.notebook import figure
from bitnet_perf.report.document import Report

__all__ = ["html_page"]


def html_page(report: Report, draw: Callable[[Any], object] | None = None) -> str:
    """`report` as a page; what `draw` puts on matplotlib axes stands behind the first section.

    Every text of the report is escaped. Raises EnvironmentRefused where jinja2, or for a picture
    matplotlib, is missing.
    """
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError as error:
        raise EnvironmentRefused(
            "jinja2: not installed; `pip install 'bitnet_perf[report]'` brings it"
        ) from error
    environment = Environment(
        loader=PackageLoader("bitnet_perf.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    picture = "" if draw is None else _svg(draw)
    page: str = environment.get_template("page.html.j2").render(report=report, picture=picture)
    return page


def _svg(draw: Callable[[Any], object]) -> str:
    """The picture as an element of a page."""
    drawing = figure()
    draw(drawing.subplots())
    image = io.StringIO()
    drawing.savefig(image, format="svg")
    return re.sub(r"\A.*?(?=<svg)", "", image.getvalue(), flags=re.DOTALL)
