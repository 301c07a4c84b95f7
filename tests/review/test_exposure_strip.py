"""The exposure strip: its views, its text, and that it fits any image."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image

from hdrcnn.colour.primaries import DISPLAY_P3
from hdrcnn.colour.transfer import linearise, luminance, to_display
from hdrcnn.files import ImageError
from hdrcnn.review import exposure_strip
from hdrcnn.tiles.geometry import reduce_in_strips, size_within
from hdrcnn.writers import Picture
from tests.writers.outputs import hdr_picture, photograph


@settings(deadline=None)
@given(st.integers(1, 700), st.integers(1, 40), st.integers(1, 40), st.integers(1, 20))
def test_reduction_keeps_the_mean_of_whole_blocks(rows, columns, high, wide):
    image = np.random.default_rng(0).random((rows, columns, 2), np.float32)
    small = size_within(rows, columns, high, wide)
    found = reduce_in_strips(lambda part: image[part], (rows, columns), small)
    assert found.shape == (*small, 2)
    assert small[0] <= high or rows <= high
    assert found.min() >= image.min() - 1e-6
    assert found.max() <= image.max() + 1e-6
    flat = reduce_in_strips(lambda part: np.full_like(image[part], 0.3), (rows, columns), small)
    np.testing.assert_allclose(flat, 0.3, rtol=1e-5)
    if rows % 16 == 0 and columns % 16 == 0:
        half = reduce_in_strips(
            lambda part: image[part], (rows, columns), (rows // 16, columns // 16)
        )
        expected = image.reshape(rows // 16, 16, columns // 16, 16, 2).mean(axis=(1, 3))
        np.testing.assert_allclose(half, expected, atol=1e-5)


def test_pixels_saturated_by_scaling_count():
    picture = dataclasses.replace(hdr_picture(), codes=np.full_like(photograph(), 200), scaling=1.0)
    assert exposure_strip.measured(picture).saturated == 0.0
    assert exposure_strip.measured(dataclasses.replace(picture, scaling=1.3)).saturated == 1.0


def test_gain_is_the_ratio_of_the_peaks():
    picture = hdr_picture()
    found = exposure_strip.measured(picture)
    code = photograph() / np.float32(255)
    assert found.saturated == pytest.approx((code.max(axis=-1) > 0.95).mean())
    before = luminance(linearise(code, "mean_curve")).max()
    after = luminance(picture.hdr.astype(np.float32)).max()
    assert found.peak_before == pytest.approx(before)
    assert found.stops == pytest.approx(np.log2(after / before), abs=1e-5)
    assert exposure_strip.Gain(0.0, 0.0, 0.0).stops == 0.0


def test_gain_of_grey_does_not_depend_on_the_primaries():
    picture = Picture(np.full((4, 9, 3), 8.0, np.float32), codes=np.full((4, 9, 3), 255, np.uint8))
    for primaries in (DISPLAY_P3, picture.primaries):
        wide = dataclasses.replace(picture, primaries=primaries, chromaticities=primaries)
        assert exposure_strip.measured(wide).stops == pytest.approx(3.0, abs=1e-3)


def cell(sheet: np.ndarray, row: int, column: int) -> np.ndarray:
    """One view of a 45 x 70 image in the sheet."""
    width = (sheet.shape[1] - 122) // 4
    top = sheet.shape[0] - 2 * (45 + exposure_strip.GAP) + row * (45 + exposure_strip.GAP)
    left = 122 + column * width + (exposure_strip.NARROWEST - 70) // 2
    return sheet[top : top + 45, left : left + 70]


def test_views_are_photograph_and_result_at_those_exposures():
    picture = hdr_picture()
    sheet = exposure_strip.exposure_strip(picture, "name.jpg")
    code = photograph() / np.float32(255)
    np.testing.assert_array_equal(cell(sheet, 0, 0), photograph())
    for column, stops in enumerate((-1, -3, -5), 1):
        before = to_display(linearise(code, "mean_curve"), stops)
        after = to_display(picture.hdr.astype(np.float32), stops)
        assert np.abs(cell(sheet, 0, column).astype(int) - before).max() <= 1
        assert np.abs(cell(sheet, 1, column).astype(int) - after).max() <= 1
    # Clipped pixels are grey in the photograph, white in the result.
    assert (cell(sheet, 0, 2)[20, 50] == 99).all()
    assert (cell(sheet, 1, 2)[20, 50] == 255).all()
    assert cell(sheet, 1, 3)[20, 50].min() > 160


def test_mask_is_overlaid_in_colour():
    mask = np.zeros((45, 70, 3))
    mask[5:9, 10:20, 2] = 1.0
    view = cell(exposure_strip.exposure_strip(dataclasses.replace(hdr_picture(), mask=mask)), 1, 0)
    coloured = (np.abs(view.astype(int) - exposure_strip.ACCENT) <= 1).all(axis=-1)
    np.testing.assert_array_equal(coloured, mask[..., 2] == 1)
    grey = view[~coloured].astype(int)
    assert np.ptp(grey, axis=-1).max() == 0
    ramp = cell(exposure_strip.exposure_strip(hdr_picture()), 1, 0)
    assert (np.abs(ramp[20, 50].astype(int) - exposure_strip.ACCENT) <= 1).all()


@pytest.mark.parametrize("shape", [(1, 1), (3, 900), (900, 3), (400, 500)])
def test_any_picture_and_any_name_fit(shape):
    codes = np.zeros((*shape, 3), np.uint8)
    light = Picture(np.zeros((*shape, 3), np.float16), codes=codes)
    sheet = exposure_strip.exposure_strip(light, "name " * 100)
    assert sheet.shape[1] <= 122 + 4 * (exposure_strip.CELL[1] + exposure_strip.GAP)
    assert sheet.shape[0] <= 150 + 2 * (exposure_strip.CELL[0] + exposure_strip.GAP)
    edge = np.concatenate([sheet[:, -2:].reshape(-1, 3), sheet[:2].reshape(-1, 3)])
    assert (edge == exposure_strip.PAPER).all()  # Nothing is cut off.


def test_the_text_states_the_gain_or_that_there_is_none():
    assert exposure_strip._words(exposure_strip.Gain(0.1, 1.0, 8.0))[0] == "+3.0 stops"
    assert "8 times" in exposure_strip._words(exposure_strip.Gain(0.1, 1.0, 8.0))[1]
    assert "nothing is clipped" in exposure_strip._words(exposure_strip.Gain(0.0, 0.7, 0.7))[1]


def test_the_file_is_complete_and_names_its_software(tmp_path):
    exposure_strip.write_exposure_strip(tmp_path / "a.png", hdr_picture(), "a.jpg", "hdrcnn 9")
    with Image.open(tmp_path / "a.png") as image:
        assert image.info["Software"] == "hdrcnn 9"
        np.testing.assert_array_equal(image, exposure_strip.exposure_strip(hdr_picture(), "a.jpg"))
    with pytest.raises(ImageError, match=r"^[^\n]*nowhere[^\n]*$"):
        exposure_strip.write_exposure_strip(tmp_path / "nowhere" / "a.png", hdr_picture())
