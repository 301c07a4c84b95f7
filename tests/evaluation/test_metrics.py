"""The metrics, compared with tables and independent implementations, and their invariances."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from hdrcnn.colour.transfer import camera_curve, linearise, luminance
from training_code.evaluation.metrics import (
    absolute_factor,
    align,
    alignment_gain,
    evaluate,
    highlight_error,
    highlight_mask,
    peak_error,
    pixel_scores,
    pu21_encode,
    pu21_psnr,
    pu21_ssim,
    saturated_share,
    ssim,
)


def scene(height: int = 64, width: int = 96) -> np.ndarray:
    """A bright spot two thirds across a gradient: [H, W, 3] linear, from 0.05 to about 9."""
    y = np.arange(height)[:, None] / height
    x = np.arange(width)[None, :] / height
    spot = np.exp(-30.0 * ((x - 1.0) ** 2 + (y - 0.5) ** 2))
    red = 0.05 + x**2 + 8.0 * spot
    green = 0.05 + x * y + 6.0 * spot
    blue = 0.05 + 0.5 * y**2 + 3.0 * spot
    return np.stack([red, green, blue], axis=-1)


def photograph(reference: np.ndarray) -> np.ndarray:
    """The codes of an 8-bit camera with the mean curve."""
    return np.asarray(np.round(255.0 * camera_curve(np.clip(reference, 0.0, 1.0))) / 255.0)


REFERENCE = scene()
CODE = photograph(REFERENCE)


@pytest.mark.parametrize(
    ("linearisation", "psnr", "psnr_crf", "rmse", "bias", "peak"),
    [
        ("square", 18.2153, 21.4387, 1.0198, -0.7410, -2.8035),
        ("mean_curve", 18.7826, 22.2371, 0.9885, -0.7109, -2.7545),
    ],
)
def test_scores_of_a_known_scene(
    linearisation: str, psnr: float, psnr_crf: float, rmse: float, bias: float, peak: float
) -> None:
    """Values from an independent computation, correct to their last digit."""
    scores = evaluate(linearise(CODE, linearisation), REFERENCE, CODE)
    assert scores.psnr_aligned == pytest.approx(psnr, abs=5e-5)
    assert scores.psnr_crf == pytest.approx(psnr_crf, abs=5e-5)
    assert scores.highlight_rmse == pytest.approx(rmse, abs=5e-5)
    assert scores.highlight_bias == pytest.approx(bias, abs=5e-5)
    assert scores.peak_error == pytest.approx(peak, abs=5e-5)


@pytest.mark.parametrize(
    ("light", "encoded"),
    [
        (0.005, 0.0),
        (0.1, 5.7171),
        (1.0, 36.5439),
        (10.0, 123.6475),
        (100.0, 256.3839),
        (1000.0, 420.0969),
        (10000.0, 595.3939),
    ],
)
def test_pu21_table(light: float, encoded: float) -> None:
    assert float(pu21_encode(light)) == pytest.approx(encoded, abs=5e-5)


def test_pu21_rises_and_is_clipped() -> None:
    assert (np.diff(pu21_encode(np.geomspace(0.0051, 1e4, 1000))) > 0).all()
    np.testing.assert_array_equal(pu21_encode([-1.0, 0.0, 2e4]), pu21_encode([0.005, 0.005, 1e4]))


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10)
def test_psnr_and_ssim_agree_with_scikit_image(seed: int) -> None:
    rng = np.random.default_rng(seed)
    reference = np.exp(rng.uniform(-2.0, 6.0, (23, 31, 3)))
    prediction = reference * np.exp(rng.normal(0.0, 0.5, reference.shape))
    first, second = pu21_encode(reference), pu21_encode(prediction)
    assert pu21_psnr(prediction, reference) == pytest.approx(
        peak_signal_noise_ratio(first, second, data_range=256.0), rel=1e-12
    )
    grey = [pu21_encode(luminance(image)[..., 0]) for image in (prediction, reference)]
    expected = structural_similarity(
        *grey, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=256.0
    )
    assert pu21_ssim(prediction, reference) == pytest.approx(expected, rel=1e-10)


def test_ssim_bounds() -> None:
    image = np.random.default_rng(1).uniform(0.0, 256.0, (16, 16))
    assert ssim(image, image, 256.0) == pytest.approx(1.0, abs=1e-12)
    assert ssim(image, 256.0 - image, 256.0) < 0.0
    with pytest.raises(ValueError, match="11 pixels"):
        ssim(image[:10], image[:10], 256.0)


def test_the_reference_scores_perfectly() -> None:
    scores = evaluate(REFERENCE, REFERENCE, CODE)
    assert scores.psnr_aligned == float("inf")
    assert scores.psnr_crf > 80.0
    assert scores.ssim_aligned == pytest.approx(1.0, abs=1e-12)
    assert scores.highlight_rmse == scores.highlight_bias == scores.peak_error == 0.0


@given(st.floats(1e-4, 1e4), st.floats(1e-4, 1e4))
@settings(max_examples=25)
def test_scores_do_not_depend_on_units(gain: float, unit: float) -> None:
    """Any gain on the prediction and any unit of the reference give the same scores."""
    prediction = linearise(CODE, "srgb")
    expected = dataclasses.astuple(evaluate(prediction, REFERENCE, CODE))
    scores = dataclasses.astuple(evaluate(gain * prediction, unit * REFERENCE, CODE))
    assert scores == pytest.approx(expected, rel=1e-6)


@given(st.floats(1e-3, 1e3))
def test_alignment_finds_the_gain(gain: float) -> None:
    assert alignment_gain(REFERENCE / gain, REFERENCE, CODE) == pytest.approx(gain, rel=1e-12)
    np.testing.assert_allclose(align(REFERENCE / gain, REFERENCE, CODE), REFERENCE, rtol=1e-12)


def test_alignment_uses_well_exposed_samples_only() -> None:
    """Nonsense in black and clipped samples, the limits included, leaves the gain at 2."""
    code = np.full((12, 12, 3), 0.5)
    code[:8] = [0.05, 0.95, 1.0]
    prediction = np.where(code == 0.5, 1.0, 1e6)
    assert alignment_gain(prediction, np.full(code.shape, 2.0), code) == 2.0
    # A channel counts on its own: clipped red does not exclude its green.
    code[:] = [1.0, 0.5, 0.0]
    assert alignment_gain(np.full(code.shape, [9.0, 1.0, 9.0]), np.full(code.shape, 3.0), code) == 3


def test_the_median_luminance_is_anchored_at_20_candelas() -> None:
    absolute = REFERENCE * absolute_factor(REFERENCE)
    assert float(np.median(luminance(absolute))) == pytest.approx(20.0, rel=1e-3)


@pytest.mark.parametrize(("factor", "stops"), [(2.0, 1.0), (0.25, -2.0)])
def test_highlight_error_in_stops(factor: float, stops: float) -> None:
    mask = highlight_mask(CODE)
    prediction = np.where(mask[..., None], factor * REFERENCE, REFERENCE)
    scores = evaluate(prediction, REFERENCE, CODE)
    assert scores.highlight_bias == stops
    assert scores.highlight_rmse == abs(stops)
    assert scores.saturated_share == float(np.mean(CODE.max(axis=-1) > 0.95))


def test_opposite_errors_cancel_in_bias_not_in_rmse() -> None:
    code, reference = np.ones((12, 12, 3)), np.full((12, 12, 3), 50.0)
    prediction = reference.copy()
    prediction[::2] *= 2.0
    prediction[1::2] /= 2.0
    rmse, bias = highlight_error(prediction, reference, code)
    assert rmse == pytest.approx(1.0)
    assert bias == pytest.approx(0.0, abs=1e-15)


def test_highlights_begin_above_095_in_any_channel() -> None:
    code = np.array([[[0.95, 0.0, 0.0], [0.0, 0.951, 0.0], [0.0, 0.0, 1.0], [0.9, 0.9, 0.9]]])
    np.testing.assert_array_equal(highlight_mask(code), [[False, True, True, False]])
    assert saturated_share(code) == 0.5


def test_without_highlights_their_scores_are_nan() -> None:
    code = np.minimum(CODE, 0.9)
    scores = evaluate(REFERENCE, REFERENCE, code)
    assert np.isnan([scores.highlight_rmse, scores.highlight_bias]).all()
    assert scores.saturated_share == 0.0


@given(st.floats(0.1, 10.0))
def test_peak_error_is_a_ratio_in_stops(factor: float) -> None:
    assert peak_error(factor * REFERENCE * 20.0, REFERENCE * 20.0) == pytest.approx(
        np.log2(factor), abs=1e-12
    )


def test_peak_error_ignores_a_single_pixel() -> None:
    reference = np.full((100, 100, 3), 10.0)
    prediction = reference.copy()
    prediction[0, 0] = 1e4
    assert peak_error(prediction, reference) == 0.0


def test_correction_improves_the_score_of_a_wrong_camera_curve() -> None:
    """Squaring is the wrong curve; the correction removes most of that error."""
    scores = evaluate(linearise(CODE, "square"), REFERENCE, CODE)
    assert scores.psnr_crf > scores.psnr_aligned + 1.0


@pytest.mark.parametrize(
    ("prediction", "reference", "code", "message"),
    [
        (REFERENCE[..., :1], REFERENCE, CODE, "prediction must be"),
        (REFERENCE[:-1], REFERENCE, CODE, "one shape"),
        (np.full_like(REFERENCE, np.nan), REFERENCE, CODE, "NaN"),
        (REFERENCE, np.full_like(REFERENCE, np.inf), CODE, "reference holds"),
        (REFERENCE, REFERENCE, 255.0 * CODE, "255"),
        (REFERENCE, REFERENCE, np.ones_like(CODE), "nothing to align by"),
        (np.zeros_like(REFERENCE), REFERENCE, CODE, "nothing to align by"),
        (REFERENCE, np.zeros_like(REFERENCE), CODE, "median"),
    ],
)
def test_bad_input_is_named(
    prediction: np.ndarray, reference: np.ndarray, code: np.ndarray, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate(prediction, reference, code)


def test_unknown_pixels_are_left_out():
    """Scores depend on the known pixels alone, whatever is predicted for the others."""
    prediction, reference = CODE**2, REFERENCE.copy()
    reference[:20, 30:50] = np.nan
    wild = prediction.copy()
    wild[:20, 30:50] = 1e4
    scores = evaluate(wild, reference, CODE)
    assert scores == evaluate(prediction, reference, CODE)
    known = ~np.isnan(reference).any(axis=-1)
    pixels = pixel_scores(prediction[known], reference[known], CODE[known])
    for name, value in dataclasses.asdict(pixels).items():
        assert getattr(scores, name) == pytest.approx(value, abs=1e-9)
    with pytest.raises(ValueError, match="known"):
        evaluate(prediction, np.full_like(REFERENCE, np.nan), CODE)
