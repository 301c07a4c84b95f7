"""The report as a browser shows it, operated as a reader would. Needs Chromium."""

from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import pytest

from hdrcnn.colour.transfer import to_display
from hdrcnn.review import bytes_for, entry, write_report
from hdrcnn.writers import Picture
from tests.browser import run_probe
from tests.writers.outputs import hdr_picture

pytestmark = pytest.mark.browser

SIDE = 64
LEFT, RIGHT = (32, 16), (32, 48)
"""Row and column of a pixel in the photograph's half, and of one in the result's half."""
LIGHT = 12.0

PROBE = Template("""<!doctype html><body style="margin:0">
<iframe id="frame" style="border:0;width:${width}px;height:844px" src="$address"></iframe>
<script>
const wait = (time) => new Promise((done) => setTimeout(done, time));
async function measure() {
  const view = document.getElementById("frame").contentWindow, page = view.document;
  const all = (query) => [...page.querySelectorAll(query)];
  const change = (node, value, kind) => {
    node.value = value;
    node.dispatchEvent(new view.Event(kind, { bubbles: true }));
  };
  const drawn = async (card, stops) => {
    for (let turn = 0; turn < 100 && card.dataset.drawn !== stops; turn++) await wait(100);
  };
  const pixel = (card, [row, column]) =>
    [...card.querySelector("canvas").getContext("2d").getImageData(column, row, 1, 1).data];
  const cards = all("article"), card = cards[0], exposure = page.getElementById("exposure");
  await drawn(card, exposure.value);
  const result = {
    title: page.title, cards: cards.length, start: exposure.value,
    loaded: view.performance.getEntriesByType("resource").map((entry) => entry.name),
    inner: view.innerWidth, scroll: page.documentElement.scrollWidth,
    client: page.documentElement.clientWidth,
    names: all("h2").map((node) => node.textContent),
    links: all("a").map((node) => node.getAttribute("href")),
    views: all(".view").map((node) => [node.clientWidth, node.clientHeight]),
    pixels: {}, wiped: [],
  };
  for (const stops of ["-5", "-3", "0", "1"]) {
    change(exposure, stops, "input");
    await drawn(card, stops);
    result.pixels[stops] = [pixel(card, $left), pixel(card, $right)];
  }
  change(exposure, "-3", "input");
  await drawn(card, "-3");
  for (const wipe of ["0", "100"]) {
    change(card.querySelector(".wipe"), wipe, "input");
    await wait(100);
    result.wiped.push([pixel(card, $left), pixel(card, $right)]);
  }
  const box = card.querySelector(".view").getBoundingClientRect();
  card.querySelector(".view").dispatchEvent(new view.PointerEvent("pointermove", {
    clientX: box.left + box.width / 4, clientY: box.top + 5, buttons: 1, bubbles: true,
  }));
  result.dragged = card.querySelector(".wipe").value;
  result.line = card.querySelector(".line").getBoundingClientRect().left - box.left;
  result.width = box.width;
  change(page.getElementById("order"), "stops", "change");
  await wait(100);
  result.sorted = all("h2").map((node) => node.textContent);
  const far = cards.at(-1);
  result.asleep = cards.filter((node) => node.querySelector("canvas").width <= 1).length;
  far.scrollIntoView();
  await drawn(far, exposure.value);
  result.awake = far.querySelector("canvas").width;
  return result;
}
</script>""")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    codes = np.full((SIDE, SIDE, 3), 255, np.uint8)
    codes[:8] = 90
    light = np.where(codes == 255, LIGHT, 0.1).astype(np.float16)
    room = bytes_for(1000)
    flat = entry(Picture(light, codes=codes), "flat.jpg", {"EXR": "flat.exr"}, room)
    other = entry(hdr_picture(), "very_long_name_without_a_space_" * 5, {"EXR": "b c.exr"}, room)
    tall = Picture(light[:, :3], codes=codes[:, :3])
    path = tmp_path_factory.mktemp("report") / "report of results.html"
    entries = [flat, other, entry(tall, "tall", {}, room)] + [flat] * 37
    write_report(path, "Title", entries)
    return path


@pytest.fixture(scope="module", params=[390, 1400])
def found(
    request: pytest.FixtureRequest, report: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    probe = PROBE.substitute(
        width=request.param, address=report.as_uri(), left=list(LEFT), right=list(RIGHT)
    )
    folder = tmp_path_factory.mktemp("browser")
    return {"frame": request.param, **run_probe(probe, folder, request.param)}


def test_page_is_whole_offline_and_not_wider_than_the_screen(found: dict[str, Any]) -> None:
    assert found["title"] == "Title"
    assert found["cards"] == 40
    assert found["loaded"] == []
    assert found["inner"] == found["frame"]
    assert found["scroll"] <= found["client"]
    assert found["links"][:2] == ["flat.exr", "b%20c.exr"]


def test_views_keep_their_aspect_and_fit(found: dict[str, Any]) -> None:
    ratios = np.divide(*np.transpose(found["views"]))
    np.testing.assert_allclose(ratios[:2], [1.0, 70 / 45], rtol=0.02)
    assert ratios[2] == pytest.approx(3 / 64, rel=0.1)
    assert np.max(found["views"]) <= 1400


@pytest.mark.parametrize("stops", ["-5", "-3", "0", "1"])
def test_halves_are_photograph_and_result_at_the_exposure(
    found: dict[str, Any], stops: str
) -> None:
    before, after = (pixel[:3] for pixel in found["pixels"][stops])
    for pixel, light in ((before, 1.0), (after, LIGHT)):
        expected = to_display(np.full((1, 1, 3), light, np.float32), float(stops))[0, 0]
        assert np.abs(np.array(pixel, int) - expected).max() <= 4


def test_first_view_shows_the_difference(found: dict[str, Any]) -> None:
    assert float(found["start"]) < 0
    before, after = (pixel[0] for pixel in found["pixels"]["-3"])
    assert after > 2 * before


def test_the_wipe_shows_one_or_the_other(found: dict[str, Any]) -> None:
    (all_after, all_before) = found["wiped"]
    assert all_after[0] == all_after[1] == found["pixels"]["-3"][1]
    assert all_before[0] == all_before[1] == found["pixels"]["-3"][0]


def test_dragging_moves_the_border_to_the_pointer(found: dict[str, Any]) -> None:
    assert float(found["dragged"]) == pytest.approx(25, abs=1)
    assert found["line"] == pytest.approx(found["width"] / 4, abs=2)


def test_results_can_be_sorted_by_gain(found: dict[str, Any]) -> None:
    assert found["names"] != found["sorted"]
    assert sorted(found["names"]) == sorted(found["sorted"])
    assert found["sorted"][0].startswith("very_long")


def test_only_nearby_results_are_drawn_and_others_when_scrolled_to(
    found: dict[str, Any],
) -> None:
    assert found["asleep"] > 15
    assert found["awake"] == SIDE
