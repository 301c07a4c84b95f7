"""The camera response correction: what it must undo, and what it must leave alone."""

import colour
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from hdrcnn.colour.pq import pq_decode, pq_encode
from hdrcnn.colour.transfer import luminance
from training_code.evaluation.camera_response import (
    CHROMATICITY_SCALE,
    RGB_TO_XYZ,
    chromaticity_basis,
    correct_camera_response,
    fit_ridge,
    luminance_basis,
    xyz_to_yuv,
    yuv_to_xyz,
)

seeds = st.integers(0, 2**32 - 1)


def picture(seed: int, shape: tuple[int, int] = (24, 32)) -> np.ndarray:
    """[H, W, 3] from about 1 to 1000 cd/m^2, coloured but inside Rec. 709."""
    rng = np.random.default_rng(seed)
    grey = np.exp(rng.uniform(0.0, np.log(1000.0), (*shape, 1)))
    return grey * rng.uniform(0.7, 1.3, (*shape, 3))


@given(seeds)
def test_xyz_round_trip_and_colour_science(seed: int) -> None:
    xyz = picture(seed, (3, 4)) @ RGB_TO_XYZ.T
    y, uv = xyz_to_yuv(xyz)
    np.testing.assert_allclose(yuv_to_xyz(y, uv), xyz, rtol=1e-10)
    xy = xyz[..., :2] / xyz.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(
        uv / CHROMATICITY_SCALE, colour.xy_to_Luv_uv(xy), rtol=1e-10, atol=1e-12
    )


def test_matrix_is_srgb() -> None:
    expected = colour.RGB_COLOURSPACES["sRGB"].matrix_RGB_to_XYZ
    np.testing.assert_allclose(RGB_TO_XYZ, expected, atol=1e-4)


@given(seeds, st.floats(1e-4, 10.0))
@settings(max_examples=25)
def test_ridge_is_the_augmented_least_squares(seed: int, ridge: float) -> None:
    rng = np.random.default_rng(seed)
    basis = chromaticity_basis(rng.uniform(0.2, 0.9, (200, 2)))
    target = rng.uniform(0.2, 0.9, (200, 2))
    identity = np.zeros((8, 2))
    identity[5, 0] = identity[6, 1] = 1.0
    root = np.sqrt(ridge * 200 / 8)
    expected = np.linalg.lstsq(
        np.vstack([basis, root * np.eye(8)]), np.vstack([target, root * identity]), rcond=None
    )[0]
    np.testing.assert_allclose(fit_ridge(basis, target, ridge), expected, rtol=1e-5, atol=1e-7)


def test_bases_contain_the_identity() -> None:
    uv = np.random.default_rng(0).uniform(0.1, 0.9, (50, 2))
    u, v = uv.T
    expected = np.stack([u**3, v**3, u**2, v**2, u * v, u, v, np.ones(50)], axis=1)
    np.testing.assert_allclose(chromaticity_basis(uv), expected, rtol=1e-14)
    np.testing.assert_allclose(luminance_basis(uv[:, :1]) @ [2.0, -1.0, 3.0, 0.5],
                               np.polyval([2.0, -1.0, 3.0, 0.5], u))  # fmt: skip


@given(seeds)
@settings(max_examples=20)
def test_the_reference_itself_is_unchanged(seed: int) -> None:
    reference = picture(seed)
    np.testing.assert_allclose(correct_camera_response(reference, reference), reference, rtol=1e-5)


@given(seeds, st.floats(-0.4, 0.4), st.floats(0.8, 1.1), st.floats(0.0, 0.05))
@settings(max_examples=30)
def test_undoes_a_curve_of_its_family(seed: int, bend: float, slope: float, lift: float) -> None:
    """The reference's PQ luminance is a rising cubic of the prediction's; colours agree."""
    prediction = picture(seed)
    y = luminance(prediction)
    code = pq_encode(y)
    curved = np.polyval([bend, -0.75 * bend, slope, lift], code)
    assert (np.diff(curved.ravel()[np.argsort(code.ravel())]) > 0).all()
    reference = prediction * pq_decode(curved) / y
    before = np.abs(np.log2(prediction / reference)).max()
    after = np.abs(np.log2(correct_camera_response(prediction, reference) / reference)).max()
    assert after < 1e-3
    assert after <= before or before < 1e-3


def test_removes_part_of_a_colour_cast() -> None:
    """The ridge penalty holds the chromaticity back: closer, but not all the way."""
    reference = picture(3)
    cast = reference * np.array([1.2, 1.0, 0.8])
    _, wanted = xyz_to_yuv(reference @ RGB_TO_XYZ.T)
    _, before = xyz_to_yuv(cast @ RGB_TO_XYZ.T)
    _, after = xyz_to_yuv(correct_camera_response(cast, reference) @ RGB_TO_XYZ.T)
    errors = [np.sqrt(np.mean(np.square(uv - wanted))) for uv in (before, after)]
    assert 0.0 < errors[1] < 0.5 * errors[0]


@given(seeds, seeds)
@settings(max_examples=20)
def test_the_error_of_pq_luminance_never_grows(seed_1: int, seed_2: int) -> None:
    prediction, reference = picture(seed_1), picture(seed_2)
    wanted = pq_encode(luminance(reference))

    def error(image: np.ndarray) -> float:
        return float(np.mean(np.square(pq_encode(luminance(image)) - wanted)))

    corrected = correct_camera_response(prediction, reference)
    # 1e-4: colours clipped to Rec. 709 gain a little luminance.
    assert error(corrected) <= error(prediction) + 1e-4


def test_luminance_is_fitted_by_a_plain_cubic() -> None:
    """Compared with numpy.polyfit on greys, where chromaticity plays no part."""
    rng = np.random.default_rng(5)
    grey = np.exp(rng.uniform(0.0, np.log(1000.0), (40, 50)))
    noisy = grey**0.8 * np.exp(rng.normal(0.0, 0.2, grey.shape))
    source, target = (np.repeat(image[..., None], 3, axis=-1) for image in (noisy, grey))
    codes, wanted = pq_encode(luminance(source)).ravel(), pq_encode(luminance(target)).ravel()
    fitted = pq_decode(np.polyval(np.polyfit(codes, wanted, 3), codes))
    corrected = luminance(correct_camera_response(source, target)).ravel()
    np.testing.assert_allclose(corrected, fitted, rtol=1e-4)


@pytest.mark.parametrize("level", [0.0, 1.0, 500.0])
def test_a_constant_picture_is_fitted_too(level: float) -> None:
    prediction = np.full((16, 16, 3), level)
    corrected = correct_camera_response(prediction, np.full((16, 16, 3), 80.0))
    np.testing.assert_allclose(corrected, 80.0, rtol=1e-2)


def test_negative_light_is_floored() -> None:
    reference = picture(7)
    prediction = reference.copy()
    prediction[:4] = -1.0
    corrected = correct_camera_response(prediction, reference)
    assert np.isfinite(corrected).all()
    assert corrected.min() >= 0.005
