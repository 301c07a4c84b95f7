"""JPEG: a real file that other decoders read alike, with chroma at the requested size."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from hdrcnn.colour.transfer import luminance
from training_code.camera import jpeg


def gradient(rows: int = 64, columns: int = 96) -> np.ndarray:
    y, x = np.mgrid[0:rows, 0:columns]
    waves = np.stack([np.sin(x / 9), np.cos(y / 7), np.sin((x + y) / 11)], axis=-1)
    return np.round(128 + 100 * waves).astype(np.uint8)


def stripes() -> np.ndarray:
    """Columns of red and blue in turn, of nearly equal luminance."""
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:, ::2], picture[:, 1::2] = (120, 20, 20), (20, 40, 220)
    return picture


@pytest.mark.parametrize("subsampled", [True, False])
@pytest.mark.parametrize("quality", [30, 75, 100])
def test_other_decoders_see_what_training_sees(quality, subsampled):
    data = jpeg.encode(gradient(), quality, subsampled)
    found = jpeg.decode(data)
    assert found.dtype == np.uint8
    other = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert np.abs(found.astype(int) - other).max() <= 3
    np.testing.assert_array_equal(jpeg.round_trip(gradient(), quality, subsampled), found)


@pytest.mark.parametrize(("subsampled", "factors"), [(True, (2, 2)), (False, (1, 1))])
def test_chroma_has_the_requested_size_in_the_file(subsampled, factors):
    with Image.open(io.BytesIO(jpeg.encode(gradient(), 75, subsampled))) as file:
        (_, across, down, _), *chroma = file.layer  # type: ignore[attr-defined]
    assert (across, down) == factors
    assert {(plane[1], plane[2]) for plane in chroma} == {(1, 1)}


def test_subsampling_blurs_colour_and_not_lightness():
    before = stripes()
    full, half = (jpeg.round_trip(before, 100, subsampled) for subsampled in (False, True))
    contrast = [np.ptp(p[8:-8, 8:-8, 0].astype(float).mean(axis=0)) for p in (before, full, half)]
    assert contrast[1] > 0.95 * contrast[0]
    assert contrast[2] < 0.4 * contrast[0]
    lightness = [luminance(picture.astype(np.float64)).mean() for picture in (before, half)]
    assert lightness[1] == pytest.approx(lightness[0], abs=2)


def test_error_falls_with_quality():
    errors = [
        np.square(jpeg.round_trip(gradient(), quality).astype(float) - gradient()).mean()
        for quality in (10, 30, 60, 90, 100)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 4 * errors[-1]
    assert np.sqrt(errors[-1]) < 2.0
