"""Views of panoramas and crops of photographs, checked on analytic images and with OpenCV."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from training_code.camera.projection import (
    area_matrix,
    half_to_float,
    perspective_view,
    resized_crop,
    square_crop,
    square_view,
    view_directions,
)


def directions_panorama(rows: int) -> np.ndarray:
    """A panorama whose pixel values are their own directions (x right, y up, z forward)."""
    longitude = ((np.arange(2 * rows) + 0.5) / (2 * rows) - 0.5) * 2 * np.pi
    latitude = (0.5 - (np.arange(rows) + 0.5) / rows) * np.pi
    lon, lat = np.meshgrid(longitude, latitude)
    return np.stack(
        [np.cos(lat) * np.sin(lon), np.sin(lat), np.cos(lat) * np.cos(lon)], axis=-1
    ).astype(np.float32)


PANORAMA = directions_panorama(256)


@settings(deadline=None)
@given(
    yaw=st.floats(-360, 360), pitch=st.floats(-60, 60), fov=st.floats(30, 110)
)  # fmt: skip
def test_a_view_sees_its_own_directions(yaw, pitch, fov):
    """Bilinear look-up in a smooth panorama returns the direction asked for, even at the seam."""
    view = perspective_view(PANORAMA, yaw, pitch, fov, 24, 36)
    wanted = view_directions(yaw, pitch, fov, 24, 36)
    wanted /= np.linalg.norm(wanted, axis=-1, keepdims=True)
    near_pole = np.abs(wanted[..., 1]) > 0.99
    np.testing.assert_allclose(view[~near_pole], wanted[~near_pole], atol=2e-3)


def test_field_of_view_yaw_and_pitch_by_hand():
    rays = view_directions(0.0, 0.0, 90.0, 101, 101)
    np.testing.assert_allclose(rays[50, 50] / np.linalg.norm(rays[50, 50]), [0, 0, 1], atol=1e-6)
    edge = rays[50, -1] / rays[50, -1, 2]
    assert np.degrees(np.arctan(edge[0])) == pytest.approx(45.0, abs=0.4)
    right = view_directions(90.0, 0.0, 60.0, 3, 3)[1, 1]
    up = view_directions(0.0, 30.0, 60.0, 3, 3)[1, 1]
    np.testing.assert_allclose(right / np.linalg.norm(right), [1, 0, 0], atol=1e-6)
    np.testing.assert_allclose(up / np.linalg.norm(up), [0, 0.5, np.sqrt(0.75)], atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_constant_panorama_gives_a_constant_view(dtype):
    view = perspective_view(np.full((16, 32, 3), 0.375, dtype), 175, 80, 100, 20, 20)
    assert view.dtype == np.float32
    np.testing.assert_allclose(view, 0.375, rtol=1e-6)


def test_crops_match_area_averages_of_opencv():
    photo = np.random.default_rng(0).random((60, 80, 3), np.float32)
    crop = resized_crop(photo, 4, 8, 48, 64, 12, 16)
    expected = cv2.resize(photo[4:52, 8:72], (16, 12), interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(crop, expected, rtol=1e-4)
    assert crop.mean() == pytest.approx(photo[4:52, 8:72].mean(), rel=1e-4)
    np.testing.assert_array_equal(resized_crop(photo, 1, 2, 5, 7, 5, 7), photo[1:6, 2:9])


# For training: the same geometry, faster


def test_half_floats_are_converted_exactly():
    half = np.arange(0x7C00, dtype=np.uint16).view(np.float16)
    for values in (half, half[::3], half[:31744].reshape(-1, 4)[:, 1:3]):
        np.testing.assert_array_equal(half_to_float(values), values.astype(np.float32))
    assert half_to_float(np.array([-0.0, 0.0, 1.0], np.float16)).tolist() == [0.0, 0.0, 1.0]
    assert half_to_float(np.array([0.1], np.float32)).dtype == np.float32


@settings(deadline=None)
@given(
    yaw=st.floats(-180, 180), pitch=st.floats(-60, 60), fov=st.floats(30, 110), mirror=st.booleans()
)  # fmt: skip
def test_square_views_are_perspective_views(yaw, pitch, fov, mirror):
    panorama = np.random.default_rng(3).lognormal(0.0, 2.0, (48, 96, 3)).astype(np.float16)
    expected = perspective_view(panorama, yaw, pitch, fov, 40, 40)
    found = square_view(panorama, yaw, pitch, fov, 40, mirror)
    assert found.dtype == np.float32
    assert found.min() >= 0
    expected = expected[:, ::-1] if mirror else expected
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6 * float(panorama.max()))


def test_views_that_reduce_much_average_instead_of_missing_pixels():
    """The view of a panorama of single bright pixels keeps their light and loses their pattern."""
    panorama = np.ones((512, 1024, 3), np.float16)
    panorama[::2, ::2] = 1000.0
    found = square_view(panorama, 10.0, 0.0, 90.0, 32)
    aliased = perspective_view(panorama, 10.0, 0.0, 90.0, 32, 32)
    assert found.mean() == pytest.approx(float(panorama.astype(np.float32).mean()), rel=0.05)
    assert found.std() < 0.3 * aliased.std()
    mirrored = square_view(panorama, 10.0, 0.0, 90.0, 32, mirror=True)
    np.testing.assert_allclose(mirrored, found[:, ::-1], rtol=1e-5)


@settings(deadline=None)
@given(size=st.integers(1, 40), more=st.integers(0, 90), mirror=st.booleans())
def test_square_crops_match_area_averages_of_opencv(size, more, mirror):
    side = size + more
    square = np.random.default_rng(side).random((side, side, 3), np.float32)
    found = square_crop(square, size, mirror)
    # OpenCV ignores fractions below 1e-3 pixels at the ends of an area.
    expected = cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(found[:, ::-1] if mirror else found, expected, atol=3e-3)
    assert found.mean() == pytest.approx(float(square.mean()), rel=1e-4)
    assert found.flags.c_contiguous


@settings(deadline=None)
@given(size=st.integers(1, 300), more=st.integers(0, 900))
def test_area_weights_are_equal_per_pixel_and_sum_to_1(size, more):
    matrix = area_matrix(size + more, size).toarray()
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(matrix.sum(axis=0), size / (size + more), rtol=1e-5)
    assert matrix.min() >= 0
    centres = matrix @ (np.arange(size + more) + 0.5)
    # A partly covered pixel counts at its own centre: that shifts an area by at most 1/8 pixel.
    middles = (np.arange(size) + 0.5) * (size + more) / size
    np.testing.assert_allclose(centres, middles, atol=0.126 + 1e-6 * (size + more))
