"""The report as a file: its entries hold the light, its size is bounded, its text is harmless."""

import dataclasses
import io
import re
import urllib.parse
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from hdrcnn.colour.transfer import srgb_decode
from hdrcnn.files import ImageError
from hdrcnn.review import Entry, bytes_for, entry, write_report
from hdrcnn.review.page import LARGEST_PAGE
from hdrcnn.writers import Picture
from hdrcnn.writers.gain_map import OFFSET
from tests.writers.outputs import hdr_picture, photograph

ROOM = bytes_for(1)
HOSTILE = "</template></script><script>alert(1)</script>\"'><img src=http://localhost/x>$title"


def light_of(shown: Entry) -> tuple[np.ndarray, np.ndarray]:
    """Photograph and result, linear, as the page decodes them."""
    codes, gains = (
        np.asarray(Image.open(io.BytesIO(data)), np.float32)
        for data in (shown.photograph, shown.gain_map)
    )
    base = srgb_decode(codes / 255)
    gain = 2.0 ** (shown.low + gains / 255 * (shown.high - shown.low))
    return base, (base + OFFSET) * gain - OFFSET


def test_an_entry_holds_the_light():
    shown = entry(hdr_picture(), "a.jpg", {"EXR": "a.exr"}, ROOM)
    before, after = light_of(shown)
    assert before.shape == (45, 70, 3)
    inside = photograph().min(axis=-1) == 255
    error = np.abs(np.log2(after[inside] / hdr_picture().hdr.astype(np.float32)[inside]))
    assert np.median(error) < 0.1
    assert np.median(np.abs(before[inside] - 1)) < 0.02
    measured = photograph().max(axis=-1) < 230
    assert np.median(np.abs(after - before)[measured]) < 0.005
    assert (shown.width, shown.height) == (70, 45)


def noise(side: int) -> Picture:
    """An image that compresses as little as possible."""
    codes = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    light = np.where(codes > 240, 20.0, srgb_decode(codes / 255.0)).astype(np.float16)
    return Picture(light, codes=codes, curve="srgb")


@pytest.mark.parametrize("count", [1, 40, 1000, 5000])
def test_the_page_is_bounded_whatever_it_shows(tmp_path, count):
    shown = entry(noise(500), "name.jpg", {"EXR": "name.exr"}, bytes_for(count))
    write_report(tmp_path / "report.html", "T", [shown] * count)
    assert (tmp_path / "report.html").stat().st_size < LARGEST_PAGE


def test_an_image_that_exceeds_its_room_is_refused():
    with pytest.raises(ValueError, match="big: "):
        entry(noise(64), "big", {}, 2500)


class Page(HTMLParser):
    """The tags of a page and their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_names_and_paths_are_escaped_and_links_lead_to_the_files(tmp_path):
    place = 'sub folder/a#b?c%20"d.exr'
    shown = entry(hdr_picture(), HOSTILE, {HOSTILE: place}, ROOM)
    write_report(tmp_path / "report.html", HOSTILE, [shown, dataclasses.replace(shown, name="b")])
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert len(page.all("script")) == 1
    assert len(page.all("article")) == 2
    assert all(str(image["src"]).startswith("data:image/jpeg") for image in page.all("img"))
    assert page.all("article")[0]["data-name"] == HOSTILE
    (first, _) = page.all("a")
    assert urllib.parse.unquote(str(first["href"])) == place
    assert not re.search(r"[#?\"]", str(first["href"]))


def test_an_unwritable_path_gives_one_line(tmp_path):
    with pytest.raises(ImageError, match=r"^[^\n]*nowhere[^\n]*$"):
        write_report(tmp_path / "nowhere" / "report.html", "T", [])
