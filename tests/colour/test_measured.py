"""The light of a RAW file: clipping per channel, the network's input, what it may change."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from hdrcnn.colour.measured import RAMP, SensorLight
from hdrcnn.colour.transfer import camera_curve, srgb_encode

MATRIX = np.linalg.inv([[0.7, 0.25, 0.05], [0.1, 0.8, 0.1], [0.02, 0.2, 0.78]])
LEVELS = (2.0, 1.0, 1.5)
WHOLE = slice(None), slice(None)


def sensor(camera, levels=LEVELS, matrix=MATRIX):
    """Sensor light of camera RGB [H, W, 3], quantised in steps of 1/20000."""
    samples = np.round(np.asarray(camera) * 20000 + 1000)
    return SensorLight(samples.astype(np.uint16), 1000.0, (1 / 20000,) * 3, levels, matrix)


def test_light_follows_the_matrix_and_may_be_negative():
    camera = np.array([[[0.5, 0.25, 0.125], [-0.01, 0.0, 0.02]]])
    found = sensor(camera).light(WHOLE)
    np.testing.assert_allclose(found, camera @ MATRIX.T, atol=1e-6)
    assert found.min() < 0


def test_each_channel_is_masked_at_its_own_level():
    camera = np.array([[[1.9, 0.95, 1.4], [2.0, 0.5, 0.5], [0.5, 1.0, 0.5], [1.2, 0.5, 1.5]]])
    found = sensor(camera).mask(WHOLE)
    np.testing.assert_array_equal(found[0], [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])


def test_neutral_stays_neutral_and_clips_at_one_in_all_channels():
    camera = np.array([[[0.18] * 3, [1.0] * 3, [2.0, 1.0, 1.5]]])
    np.testing.assert_allclose(
        sensor(camera).rendering()[0], np.round(255 * srgb_encode(camera.clip(0, 1)))[0]
    )
    np.testing.assert_allclose(
        sensor(camera).codes()[0, 0], np.round(255 * camera_curve(np.array([0.18] * 3)))
    )
    np.testing.assert_array_equal(sensor(camera).codes()[0, 1:], 255)


def test_every_clipped_channel_is_clipped_in_the_codes_for_the_network():
    """Even if the matrix subtracts light from it."""
    leaky = np.linalg.inv([[1.2, -0.1, -0.1], [-0.1, 1.2, -0.1], [-0.1, -0.1, 1.2]])
    camera = np.array([[[2.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.5]]])
    codes = sensor(camera, matrix=leaky).codes()[0]
    assert list(np.diag(codes)) == [255] * 3
    assert (camera_curve(sensor(camera, matrix=leaky).light(WHOLE)[0, 1, 1]) < 0.95).all()


@given(
    st.tuples(st.floats(0.0, 1.9), st.floats(0.0, 0.95), st.floats(0.0, 1.4)),
    st.tuples(*[st.floats(0.0, 50.0)] * 3),
)
def test_the_prediction_changes_nothing_where_no_channel_clips(camera, predicted):
    found = sensor([[camera]])
    np.testing.assert_array_equal(
        found.reconstructed(WHOLE, np.array([[predicted]], np.float32)), found.light(WHOLE)
    )


@given(st.floats(0.1, 1.9), st.tuples(*[st.floats(0.01, 50.0)] * 3))
def test_a_measured_channel_is_kept_beside_clipped_ones(red, predicted):
    found = sensor([[[red, 1.0, 1.5]]])
    light = found.reconstructed(WHOLE, np.array([[predicted]], np.float32))
    camera = light[0, 0] @ np.linalg.inv(MATRIX).T
    assert camera[0] == pytest.approx(red, abs=1e-3 * max(1, *camera))
    assert camera[1] >= 1.0 - 1e-4 * max(camera)
    assert camera[2] >= 1.5 - 1e-4 * max(camera)


def test_the_measured_channel_sets_the_brightness_of_the_clipped_ones():
    """A prediction of the right colour and half the brightness gives the right light."""
    scene = np.array([1.6, 1.4, 1.8])
    found = sensor([[np.minimum(scene, LEVELS)]])
    light = found.reconstructed(WHOLE, np.array([[0.5 * scene @ MATRIX.T]], np.float32))
    np.testing.assert_allclose(light[0, 0], scene @ MATRIX.T, rtol=1e-3)


def test_where_all_channels_clip_the_prediction_is_used_above_the_levels():
    found = sensor([[LEVELS, LEVELS]])
    bright, dark = np.array([9.0, 7.0, 8.0]), np.array([0.5, 0.5, 0.5])
    predicted = np.array([[bright @ MATRIX.T, dark @ MATRIX.T]], np.float32)
    light = found.reconstructed(WHOLE, predicted) @ np.linalg.inv(MATRIX).T
    np.testing.assert_allclose(light[0], np.stack([bright, LEVELS]), rtol=1e-4)


def test_the_transition_from_measured_to_predicted_has_no_step():
    camera = np.repeat(np.linspace(0.9, 1.0, 2001)[None, :, None], 3, axis=-1)
    found = sensor(camera, (1.0, 1.0, 1.0), np.eye(3))
    light = found.reconstructed(WHOLE, np.full(camera.shape, 3.0, np.float32))
    # (1 - a) m + a p^a m^(1 - a) at a = 1, where it is steepest.
    steepest = (3.0 - 0.9 + 3.0 * np.log(3.0 / 0.9)) / (RAMP[1] - RAMP[0])
    assert abs(np.diff(light[0, :, 0])).max() < steepest * (0.1 / 2000)
    assert light[0, -1, 0] == pytest.approx(3.0)
