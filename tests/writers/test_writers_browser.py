"""Display formats as a browser decodes them. Needs Chromium."""

import io
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hdrcnn.colour.transfer import to_display
from hdrcnn.writers import WRITERS, Options
from tests.browser import run_probe
from tests.writers.outputs import hdr_picture

pytestmark = pytest.mark.browser

PROBE = Template("""<!doctype html><body><script>
async function read(address) {
  const image = new Image();
  await new Promise((done, failed) => Object.assign(image, {
    src: address, onload: done, onerror: () => failed("not an image to this browser"),
  }));
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: image.naturalWidth, height: image.naturalHeight });
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  return [canvas.height, canvas.width,
    [...context.getImageData(0, 0, canvas.width, canvas.height).data]];
}
async function measure() {
  const result = {};
  for (const [name, address] of Object.entries($files)) {
    result[name] = await read(address).catch((error) => String(error));
  }
  return result;
}
</script>""")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    pytest.importorskip("imagecodecs", minversion="2025.11.11")
    for name in ("ultrahdr", "avif", "png", "jxl"):
        place = folder / f"a{WRITERS[name].ending}"
        WRITERS[name].write(place, hdr_picture(), Options(avif_quality=100))
    return folder


@pytest.fixture(scope="module")
def found(folder: Path) -> dict[str, np.ndarray | str]:
    import json

    files = {name: (folder / f"a{WRITERS[name].ending}").as_uri()
             for name in ("ultrahdr", "avif", "png", "jxl")}  # fmt: skip
    result: dict[str, Any] = run_probe(
        PROBE.substitute(files=json.dumps(files)), folder / "browser"
    )
    return {
        name: pixels if isinstance(pixels, str)
        else np.array(pixels[2], int).reshape(*pixels[:2], 4)[..., :3]
        for name, pixels in result.items()
    }  # fmt: skip


def test_ultra_hdr_is_the_photograph_on_an_ordinary_display(found: dict, folder: Path) -> None:
    with Image.open(io.BytesIO((folder / "a_hdr.jpg").read_bytes())) as image:
        expected = np.asarray(image).astype(int)
    assert np.abs(found["ultrahdr"] - expected).max() <= 3


def test_png_and_avif_are_the_same_picture(found: dict) -> None:
    """Both are tone-mapped for the display by the peak that they state."""
    assert found["png"].shape == (45, 70, 3)
    assert np.median(np.abs(found["png"] - found["avif"])) <= 2
    assert np.percentile(np.abs(found["png"] - found["avif"]), 99) <= 8


def test_png_is_not_taken_for_ordinary_codes(found: dict) -> None:
    """PQ codes shown as sRGB would look pale: the darkest pixel would have a code of 80 or more."""
    light = to_display(hdr_picture().hdr.astype(np.float32), 0).astype(int)
    assert found["png"].min() < 40
    assert np.corrcoef(found["png"].ravel(), light.ravel())[0, 1] > 0.8


def test_jpeg_xl_is_taken_for_linear_light(found: dict) -> None:
    """Skipped by browsers without JPEG XL."""
    if isinstance(found["jxl"], str):
        pytest.skip(found["jxl"])
    expected = to_display(hdr_picture().hdr.astype(np.float32), 0).astype(int)
    inside = hdr_picture().hdr.max(axis=-1) < 0.95
    assert np.abs(found["jxl"] - expected)[inside].max() <= 3
