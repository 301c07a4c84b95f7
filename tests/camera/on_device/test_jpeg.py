"""JPEG on tensors, compared with the real encoder and decoder."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from keras import ops
from PIL import features

from training_code.camera import jpeg as file
from training_code.camera.on_device import jpeg

ROWS, COLUMNS = 48, 64


def pictures() -> np.ndarray:
    """[4, 48, 64, 3] uint8: noise, a grainy ramp, a hard coloured disc, saturated squares."""
    rng = np.random.default_rng(4)
    y, x = np.mgrid[0:ROWS, 0:COLUMNS]
    ramp = np.stack([3.5 * x, 5.0 * y, 255 - 3.0 * x], axis=-1)
    disc = np.where(np.hypot(x - 30, y - 20) < 13, 255, 20)[..., None] * [1.0, 0.7, 0.2]
    squares = 255.0 * (rng.random((ROWS // 8, COLUMNS // 8, 3)) > 0.5)
    images = [
        255.0 * rng.random((ROWS, COLUMNS, 3)),
        ramp + rng.normal(0.0, 6.0, ramp.shape),
        disc,
        squares.repeat(8, axis=0).repeat(8, axis=1),
    ]
    return np.clip(np.round(images), 0, 255).astype(np.uint8)


PICTURES = pictures()


def round_trip(codes: np.ndarray, quality: list[int], subsampled: list[bool]) -> np.ndarray:
    out = jpeg.round_trip(
        ops.convert_to_tensor(codes.astype(np.float32)),
        ops.convert_to_tensor(np.array(quality, np.int32)),
        ops.convert_to_tensor(np.array(subsampled)),
    )
    return np.asarray(out)


# The format does not fix the rounding: other codecs differ by a code here and there.
@pytest.mark.skipif(not features.check("libjpeg_turbo"), reason="Pillow has another JPEG codec")
@given(
    quality=st.lists(st.integers(1, 100), min_size=4, max_size=4),
    subsampled=st.lists(st.booleans(), min_size=4, max_size=4),
)
@settings(max_examples=25, deadline=None)
def test_the_result_equals_that_of_the_codec(quality, subsampled):
    out = round_trip(PICTURES, quality, subsampled)
    expected = [file.round_trip(*each) for each in zip(PICTURES, quality, subsampled, strict=True)]
    np.testing.assert_array_equal(out, expected)


def test_the_result_is_within_a_few_codes_of_any_codec():
    quality, subsampled = [30, 75, 92, 100], [True, False, True, False]
    out = round_trip(PICTURES, quality, subsampled)
    expected = [file.round_trip(*each) for each in zip(PICTURES, quality, subsampled, strict=True)]
    difference = np.abs(out - np.asarray(expected, np.float32))
    assert difference.mean() < 0.1
    assert difference.max() <= 4
    assert np.abs(out - PICTURES).mean() > 1.0


def test_quality_0_leaves_the_picture_unchanged():
    out = round_trip(PICTURES, [0, 60, 0, 60], [True, True, False, False])
    np.testing.assert_array_equal(out[[0, 2]], PICTURES[[0, 2]])
    assert (out[[1, 3]] != PICTURES[[1, 3]]).any(axis=(1, 2, 3)).all()


@given(quality=st.integers(1, 100))
@settings(deadline=None)
def test_steps_shrink_as_the_quality_rises(quality):
    qualities = ops.convert_to_tensor(np.array([quality, min(quality + 1, 100), 50, 100], np.int32))
    steps = np.asarray(jpeg.quantisation_steps(qualities))
    assert (steps[0] >= steps[1]).all()
    np.testing.assert_array_equal(steps[2, ..., 0], jpeg.LUMA_STEPS)
    assert (steps[3] == 1).all()


def test_passes_match_the_orthonormal_dct():
    """Compared with the definition of the DCT, within the rounding of the integers."""
    k, j = np.mgrid[0:8, 0:8]
    matrix = np.where(k == 0, np.sqrt(0.5), 1.0) * np.cos((2 * j + 1) * k * np.pi / 16) / 2
    x = np.random.default_rng(0).integers(-128, 128, (5, 8)).astype(np.int32)
    forward = np.asarray(jpeg.forward_pass(ops.convert_to_tensor(x), 1, jpeg.FRACTION_BITS))
    np.testing.assert_allclose(forward, x @ matrix.T * np.sqrt(8), atol=0.6)
    inverse = np.asarray(jpeg.inverse_pass(ops.convert_to_tensor(x), 1, jpeg.FRACTION_BITS))
    np.testing.assert_allclose(inverse, x @ matrix * np.sqrt(8), atol=0.6)


def test_sides_that_are_not_whole_blocks_are_refused():
    with pytest.raises(ValueError, match=r"56x48.*16"):
        round_trip(PICTURES[:, :, :56], [50] * 4, [True] * 4)
