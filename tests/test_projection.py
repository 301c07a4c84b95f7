"""Views of panoramas and crops of photographs: geometry by analytic pictures."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training_code.projection import perspective_view, resized_crop, view_directions


def directions_panorama(rows: int) -> np.ndarray:
    """A panorama whose pixel values are their own directions (x right, y up, z forward)."""
    longitude = ((np.arange(2 * rows) + 0.5) / (2 * rows) - 0.5) * 2 * np.pi
    latitude = (0.5 - (np.arange(rows) + 0.5) / rows) * np.pi
    lon, lat = np.meshgrid(longitude, latitude)
    return np.stack(
        [np.cos(lat) * np.sin(lon), np.sin(lat), np.cos(lat) * np.cos(lon)], axis=-1
    ).astype(np.float32)


PANORAMA = directions_panorama(256)


@given(
    yaw=st.floats(-360, 360), pitch=st.floats(-60, 60), fov=st.floats(30, 110)
)  # fmt: skip
def test_a_view_sees_its_own_directions(yaw, pitch, fov):
    """Bilinear look-up in a smooth panorama gives back the direction asked for, seam included."""
    view = perspective_view(PANORAMA, yaw, pitch, fov, 24, 36)
    wanted = view_directions(yaw, pitch, fov, 24, 36)
    wanted /= np.linalg.norm(wanted, axis=-1, keepdims=True)
    near_pole = np.abs(wanted[..., 1]) > 0.99
    np.testing.assert_allclose(view[~near_pole], wanted[~near_pole], atol=2e-3)


def test_field_of_view_yaw_and_pitch_by_hand():
    rays = view_directions(0.0, 0.0, 90.0, 101, 101)
    np.testing.assert_allclose(rays[50, 50] / np.linalg.norm(rays[50, 50]), [0, 0, 1], atol=1e-6)
    edge = rays[50, -1] / rays[50, -1, 2]
    assert np.degrees(np.arctan(edge[0])) == pytest.approx(45.0 * 1.0, abs=0.4)
    right = view_directions(90.0, 0.0, 60.0, 3, 3)[1, 1]
    up = view_directions(0.0, 30.0, 60.0, 3, 3)[1, 1]
    np.testing.assert_allclose(right / np.linalg.norm(right), [1, 0, 0], atol=1e-6)
    np.testing.assert_allclose(up / np.linalg.norm(up), [0, 0.5, np.sqrt(0.75)], atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_constant_panorama_gives_a_constant_view(dtype):
    view = perspective_view(np.full((16, 32, 3), 0.375, dtype), 175, 80, 100, 20, 20)
    assert view.dtype == np.float32
    np.testing.assert_allclose(view, 0.375, rtol=1e-6)


def test_crops_keep_light_against_opencv():
    photo = np.random.default_rng(0).random((60, 80, 3), np.float32)
    crop = resized_crop(photo, 4, 8, 48, 64, 12, 16)
    expected = cv2.resize(photo[4:52, 8:72], (16, 12), interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(crop, expected, rtol=1e-4)
    assert crop.mean() == pytest.approx(photo[4:52, 8:72].mean(), rel=1e-4)
    np.testing.assert_array_equal(resized_crop(photo, 1, 2, 5, 7, 5, 7), photo[1:6, 2:9])
