"""The page in a browser: headless Chromium, from disk, without a network."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape

import matplotlib.image
import pytest
from report.samples import pictured
from report.test_page import PICTURES

from bitnet_perf.report.page import html_page
from bitnet_perf.report.verdicts import build_judged_report

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium: `apt-get install chromium`")

# Runs in a copy of the page whose policy allows it, and leaves what it saw in an attribute.
LOOK = """
const box = e => { const r = e.getBoundingClientRect();
  return [r.left, r.top, r.right, r.bottom]; };
const meets = (a, b) => a[0] < b[2] - 1 && b[0] < a[2] - 1 && a[1] < b[3] - 2 && b[1] < a[3] - 2;
document.querySelectorAll("details").forEach(e => e.open = true);
const plots = [...document.querySelectorAll("figure")].map(f => {
  const svg = f.querySelector(".plot svg"), frame = box(svg);
  const texts = [...svg.querySelectorAll("text")].map(t => [t.textContent, box(t)]);
  const overlaps = [];
  texts.forEach(([a, ra], i) => texts.slice(i + 1).forEach(([b, rb]) => {
    if (meets(ra, rb)) overlaps.push([a, b]); }));
  return {id: f.id, width: frame[2] - frame[0], height: frame[3] - frame[1], texts: texts.length,
    shapes: svg.querySelectorAll("path, rect").length, overlaps,
    outside: texts.filter(([, r]) => r[0] < frame[0] - 2 || r[2] > frame[2] + 2).map(t => t[0])};
});
const links = [...document.querySelectorAll("a[href]")].map(a => {
  const target = document.querySelector(a.getAttribute("href"));
  return [a.getAttribute("href"), !!target && target.getClientRects().length > 0]; });
const wide = document.documentElement.scrollWidth > document.documentElement.clientWidth;
document.documentElement.dataset.seen = JSON.stringify({plots, links, wide});
"""


def chromium(*options, width=1280, height=1600):
    """What a headless run prints; its own processes end with it."""
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
               "--hide-scrollbars", "--host-resolver-rules=MAP * ~NOTFOUND",
               f"--window-size={width},{height}", *options]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    review = pictured()
    path.write_text(html_page(build_judged_report(review), review))
    return path


def seen(page, tmp_path, width):
    html = re.sub(r"<meta http-equiv[^>]*>", "", page.read_text())
    copy = tmp_path / "copy.html"
    copy.write_text(html.replace("</body>", f"<script>{LOOK}</script></body>"))
    dom = chromium("--dump-dom", copy.as_uri(), width=width)
    found = re.search(r'data-seen="([^"]*)"', dom)
    assert found, dom[:500]
    return json.loads(unescape(found[1]))


@pytest.mark.parametrize("width", [1280, 800])
def test_plots_are_drawn_and_links_lead_somewhere(page, tmp_path, width):
    found = seen(page, tmp_path, width)
    assert [plot["id"] for plot in found["plots"]] == PICTURES
    for plot in found["plots"]:
        assert plot["width"] > 400, plot
        assert plot["height"] > 60, plot
        assert plot["shapes"] > 3, plot
        assert plot["texts"] > 2, plot
        assert plot["overlaps"] == [], plot["id"]
        assert plot["outside"] == [], plot["id"]
    assert len(found["links"]) > 10
    assert [target for target, there in found["links"] if not there] == []
    assert not found["wide"]


def test_the_policy_of_the_page_stops_scripts(page, tmp_path):
    html = page.read_text().replace("</body>", "<script>document.title = 'ran'</script></body>")
    (tmp_path / "page.html").write_text(html)
    assert "<title>ran" not in chromium("--dump-dom", (tmp_path / "page.html").as_uri())


def test_a_picture_of_it_is_not_empty(page, tmp_path):
    path = tmp_path / "page.png"
    chromium(f"--screenshot={path}", page.as_uri())
    picture = matplotlib.image.imread(path)
    assert picture.shape[:2] == (1600, 1280)
    dark = (picture[..., :3].mean(axis=2) < 0.5).mean()
    assert 0.005 < dark < 0.5
