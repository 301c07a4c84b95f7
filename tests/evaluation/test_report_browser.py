"""The report as a browser shows it. Needs Chromium: `pytest -m browser`.

A small page frames the report at a given width, measures it, operates it as a reader would, and
leaves the results in its own text. The report itself is not changed.
"""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import pytest

from hdrcnn.colour.transfer import camera_curve
from training_code.evaluation.report import ReportRow, ReportView, render_view, write_report

pytestmark = pytest.mark.browser

LONG = "a_very_long_name_without_a_space_" * 4
HOSTILE = "</script><script>document.title='changed'</script>\"'><img src=http://localhost/x>"
GAINS = {"first": 6.0, LONG: -2.0, HOSTILE: 1.5, "last": -4.0}

PROBE = Template("""<!doctype html><body style="margin:0">
<iframe id="frame" style="border:0;width:${width}px;height:844px" src="$address"></iframe>
<pre id="result"></pre>
<script>
const settle = () => new Promise((done) => setTimeout(done, 100));
function contrast(view, node) {
  const light = (colour) => {
    const [r, g, b] = colour.match(/[0-9.]+/g).map((c) => c / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const paper = light(view.getComputedStyle(view.document.body).backgroundColor);
  const ink = light(view.getComputedStyle(node).color);
  return (Math.max(paper, ink) + 0.05) / (Math.min(paper, ink) + 0.05);
}
async function measure() {
  const view = document.getElementById("frame").contentWindow;
  const page = view.document, all = (query) => [...page.querySelectorAll(query)];
  const root = page.documentElement, shown = all("img[src]");
  const box = (node) => {
    const { left, top, width, height } = node.getBoundingClientRect();
    return [left, top, width, height];
  };
  const result = {
    title: page.title, images: shown.length, scripts: all("script").length,
    broken: shown.filter((image) => !(image.complete && image.naturalWidth > 0)).length,
    loaded: view.performance.getEntriesByType("resource").map((entry) => entry.name),
    inner: view.innerWidth, scroll: root.scrollWidth, client: root.clientWidth,
    bars: all(".bar").map(box), tracks: all(".track").map(box),
    values: all(".bars .value").map((node) => node.textContent),
    names: all(".bars .name").map((node) => node.textContent),
    open: all("details").map((node) => node.open),
    tables: all("table").map((node) => node.checkVisibility()),
    rows: all(".exposures .row").map((row) => [...row.children].map(box)),
    contrasts: all("h1, td, .lead, .label span, .ticks, .notes, .badge, a, thead th")
      .map((node) => contrast(view, node)),
    dark: view.matchMedia("(prefers-color-scheme: dark)").matches,
  };
  const bar = all(".bars a").at(-1);
  bar.click();
  await settle();
  result.reached = page.querySelector(bar.getAttribute("href")).getBoundingClientRect().top;
  Object.assign(result, { hash: view.location.hash, height: view.innerHeight });
  const dialog = page.querySelector("dialog"), large = dialog.querySelector("img");
  const row = all("article .row")[1], note = () => result.large.push([dialog.open, large.alt]);
  result.large = [];
  row.children[0].click();
  note();
  await settle();
  result.large_box = box(large);
  for (let step = 0; step < 3; step++) {
    large.click();
    note();
  }
  dialog.dispatchEvent(new view.KeyboardEvent("keydown", { key: "ArrowLeft", bubbles: true }));
  note();
  dialog.click();
  note();
  return result;
}
onload = () => measure().catch((error) => ({ failed: String(error) })).then((result) => {
  document.getElementById("result").textContent = JSON.stringify(result);
});
</script>""")


def find_browser() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found:
            return found
    pytest.fail("no chromium, chromium-browser or google-chrome: apt-get install chromium")


def measure(report: Path, folder: Path, width: int, *flags: str) -> dict[str, Any]:
    """Results of the probe for a report in a frame of `width` CSS pixels."""
    folder.mkdir()
    probe = folder / "probe.html"
    probe.write_text(PROBE.substitute(width=width, address=report.as_uri()), encoding="utf-8")
    command = [
        find_browser(),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--allow-file-access-from-files",  # the probe looks into its frame
        "--force-prefers-reduced-motion",
        "--proxy-server=127.0.0.1:9",  # nothing answers there: offline
        "--virtual-time-budget=20000",
        f"--user-data-dir={folder / 'profile'}",
        f"--window-size={width + 100},1000",
        *flags,
        "--dump-dom",
        probe.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, timeout=300, check=False)
    page = done.stdout.decode("utf-8", "replace")
    found = re.search(r'<pre id="result">(.+?)</pre>', page, re.DOTALL)
    assert found, f"the browser measured nothing: {done.stderr.decode('utf-8', 'replace')[-2000:]}"
    result: dict[str, Any] = json.loads(html.unescape(found.group(1)))
    assert "failed" not in result, result
    return result


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    truth = np.full((200, 300, 3), 0.2, np.float32)
    truth[50:100, 100:200] = 12.0
    code = np.round(255.0 * camera_curve(np.clip(truth, 0.0, 1.0))).astype(np.uint8)
    views = [
        render_view(ReportView(name, code, truth, 0.5 * truth, gain, {name: {LONG: 1.0}}))
        for name, gain in GAINS.items()
    ]
    columns = {f"column {number} of a wide table": "12.34 [11.11, 13.33]" for number in range(9)}
    rows = [
        ReportRow(name, columns, verdict)
        for name, verdict in zip(GAINS, ("win", "loss", "tie", ""), strict=True)
    ]
    path = tmp_path_factory.mktemp("report") / "report of views.html"
    write_report(path, HOSTILE, {LONG: rows, HOSTILE: rows}, views, [LONG, HOSTILE])
    return path


@pytest.fixture(scope="module", params=[390, 1400])
def found(
    request: pytest.FixtureRequest, report: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("browser") / "run"
    return {"width": request.param, **measure(report, folder, request.param)}


def test_all_images_are_decoded(found: dict[str, Any]) -> None:
    assert found["images"] == 10 * len(GAINS)
    assert found["broken"] == 0


def test_the_page_makes_no_network_request(found: dict[str, Any]) -> None:
    assert found["loaded"] == []


def test_hostile_text_is_not_executed(found: dict[str, Any]) -> None:
    assert found["title"] == HOSTILE
    assert found["scripts"] == 1


def test_page_is_not_wider_than_the_screen(found: dict[str, Any]) -> None:
    assert found["inner"] == found["width"]
    assert found["scroll"] <= found["client"] <= found["width"]


def test_bars_are_sorted_and_to_scale(found: dict[str, Any]) -> None:
    order = sorted(GAINS, key=lambda name: -GAINS[name])
    assert found["names"] == order
    gains = np.array([GAINS[name] for name in order])
    assert found["values"] == [f"{gain:+.2f}".replace("-", "\u2212") for gain in gains]
    left, _, width, height = np.array(found["bars"]).T
    assert (height > 4.0).all()
    scale = width / np.abs(gains)
    np.testing.assert_allclose(scale, scale[0], rtol=0.02)
    zero = np.where(gains > 0.0, left, left + width)
    np.testing.assert_allclose(zero, zero[0], atol=1.0)
    track_left, _, track_width, _ = np.array(found["tracks"]).T
    assert (left >= track_left).all()
    assert (left + width <= track_left + track_width).all()


def test_input_ours_and_truth_stand_side_by_side(found: dict[str, Any]) -> None:
    rows = np.array(found["rows"])
    assert rows.shape == (3 * len(GAINS), 3, 4)
    left, top, width, height = np.moveaxis(rows, -1, 0)
    assert (top == top[:, :1]).all()
    assert (left[:, 1:] >= (left + width)[:, :-1]).all()
    assert (left + width <= found["width"]).all()
    assert (width > 100.0).all()
    np.testing.assert_allclose(width / height, 1.5, rtol=0.02)


def test_first_table_is_open_and_the_other_folded(found: dict[str, Any]) -> None:
    assert found["open"] == [False]
    assert found["tables"] == [True, False] + [True] * len(GAINS)


def test_a_bar_links_to_its_images(found: dict[str, Any]) -> None:
    assert found["hash"] == f"#view-{len(GAINS)}"
    assert -1.0 <= found["reached"] < found["height"] / 2


def test_a_click_shows_a_picture_large_and_further_clicks_compare(found: dict[str, Any]) -> None:
    alts = [f"{image} at \u22123 stops: first" for image in ("Input", "Ours", "Truth")]
    expected = [*((True, alt) for alt in (*alts, alts[0], alts[2])), (False, alts[2])]
    assert [tuple(state) for state in found["large"]] == expected
    left, top, width, height = found["large_box"]
    assert width > 0.8 * min(found["width"], 800)
    assert left >= 0.0
    assert left + width <= found["width"]
    assert top >= 0.0
    assert top + height <= found["height"]


@pytest.mark.parametrize(("scheme", "dark"), [(0, True), (1, False)])
def test_text_is_readable_in_both_colour_schemes(
    report: Path, tmp_path: Path, scheme: int, dark: bool
) -> None:
    found = measure(
        report, tmp_path / "run", 800, f"--blink-settings=preferredColorScheme={scheme}"
    )
    assert found["dark"] is dark
    assert min(found["contrasts"]) >= 4.5  # WCAG 2.1, level AA


def test_the_probe_detects_a_damaged_report(report: Path, tmp_path: Path) -> None:
    """The page's policy blocks a foreign image, and the probe reports that one is broken."""
    text = report.read_text(encoding="utf-8")
    wide = '<img src="http://localhost/x" alt=""><p style="width:2000px">wide</p></main>'
    damaged = tmp_path / "damaged.html"
    damaged.write_text(text.replace("</main>", wide), encoding="utf-8")
    found = measure(damaged, tmp_path / "run", 390)
    assert found["broken"] == 1
    assert found["scroll"] > 1900
