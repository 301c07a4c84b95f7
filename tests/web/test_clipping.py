"""Clipping levels that the page finds, compared with the command."""

import io

import numpy as np
import pytest
from PIL import Image

from hdrcnn.colour.clipping_level import clipping_codes, clipping_levels, histograms
from tests.conftest import ROOT
from tests.web.javascript import javascript

BODY = "return m.clippingCodes(Uint8Array.from(v.data), v.rows, v.columns)"


def found(picture: np.ndarray) -> list[int]:
    rows, columns = picture.shape[:2]
    codes: list[int] = javascript("clipping.js", BODY, data=picture, rows=rows, columns=columns)
    return codes


def scene(levels: tuple[int, int, int]) -> np.ndarray:
    """A shaded ground with a lamp in [160, 240, 3] uint8, each channel clipped at its code."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[0:160, 0:240] / 160
    ground = 90 + 60 * np.sin(7 * x + 3 * y) + 900 * np.exp(-((x - 1) ** 2 + (y - 0.4) ** 2) / 0.03)
    noisy = ground[..., None] * [1.0, 0.95, 0.9] + rng.normal(0, 1.5, (160, 240, 3))
    return np.clip(np.round(noisy), 0, levels).astype(np.uint8)


@pytest.mark.parametrize("levels", [(240, 240, 240), (251, 249, 235), (255, 255, 255)])
def test_plateaus_are_found(levels):
    assert found(scene(levels)) == list(levels)


def test_transparent_pixels_do_not_count():
    """The lamp's plateau is mostly transparent and does not count, or hardly transparent and
    counts.
    """
    picture = scene((240, 240, 240))
    lamp = (picture == 240).any(axis=-1)
    found = []
    for value in (100, 200):
        alpha = np.where(lamp, value, 255).astype(np.uint8)
        rows, columns = lamp.shape
        body = BODY.removesuffix(")") + ", Uint8Array.from(v.alpha))"
        own = javascript(
            "clipping.js", body, data=picture, rows=rows, columns=columns, alpha=alpha
        )  # fmt: skip
        assert own == list(clipping_codes(*histograms(picture, alpha / 255.0)))
        found.append(own)
    assert found == [[255] * 3, [240] * 3]


@pytest.mark.parametrize("name", ["astronaut.png", "coffee.png", "white_court.png", "rocket.jpg"])
@pytest.mark.parametrize("level", [238, 255])
@pytest.mark.parametrize("quality", [None, 90])
def test_levels_are_those_of_the_command(name, level, quality):
    with Image.open(ROOT / "data" / name) as image:
        picture = np.minimum(np.asarray(image.convert("RGB")), level)[:256, :300]
    if quality:
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "JPEG", quality=quality)
        picture = np.asarray(Image.open(file))
    assert found(picture) == list(clipping_codes(*histograms(picture)))
    assert np.divide(found(picture), 255).tolist() == list(clipping_levels(picture))
