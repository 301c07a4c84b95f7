"""Losses of exposure fusion, compared with the metric and TensorFlow, and at end points."""

import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from training_code.evaluation import fusion_metrics as metrics
from training_code.losses import fusion, mef_ssim
from training_code.tasks import fusion_supervised_settings, fusion_unsupervised_settings

RNG = np.random.default_rng(5)
RGB = RNG.random((2, 162, 171, 3), np.float32)
NOISY = np.clip(RGB + 0.1 * RNG.standard_normal(RGB.shape), 0, 1).astype(np.float32)


def grey_frames() -> np.ndarray:
    """[2, 3, 64, 61] codes / 255 of one scene in three exposures."""
    light = RNG.random((2, 1, 8, 8)).repeat(8, axis=2).repeat(8, axis=3)[..., :61]
    light = light * (0.8 + 0.2 * RNG.random((2, 1, 64, 61)))
    gains = np.array([0.3, 1.0, 3.0])[:, None, None]
    return (np.rint(255 * np.clip(light * gains, 0, 1)) / 255).astype(np.float32)


def test_constants_match_the_metric():
    for name in ("WINDOW", "STEEPEST", "SCALES"):
        assert getattr(mef_ssim, name) == getattr(metrics, name)
    assert pytest.approx(255**2 * mef_ssim.CONSTANT) == metrics.CONSTANT
    assert pytest.approx(255 * mef_ssim.FLOOR) == metrics.FLOOR
    assert fusion_unsupervised_settings.GAMMAS == fusion.GAMMAS
    assert fusion_supervised_settings.MS_SSIM_SMALLEST == fusion.MS_SSIM_SMALLEST
    assert set(fusion_supervised_settings.Terms().weights()) == set(fusion.SUPERVISED)


@pytest.mark.parametrize("scales", [1, 3])
def test_mef_ssim_matches_the_metric(scales):
    frames = grey_frames()
    fused = frames.mean(axis=1)
    found = np.asarray(mef_ssim.mef_ssim(ops.convert_to_tensor(frames), fused, scales))
    expected = [
        metrics.mef_ssim_of_grey(255.0 * f, 255.0 * m, scales)
        for f, m in zip(frames.astype(float), fused.astype(float), strict=True)
    ]
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_ms_ssim_matches_tensorflow():
    tf = pytest.importorskip("tensorflow")
    expected = np.asarray(tf.image.ssim_multiscale(RGB, NOISY, 1.0))
    np.testing.assert_allclose(np.asarray(fusion.ms_ssim(RGB, NOISY)), expected, atol=3e-5)


def test_ms_ssim_end_points():
    np.testing.assert_allclose(np.asarray(fusion.ms_ssim(RGB, RGB)), 1.0, atol=1e-5)
    with pytest.raises(ValueError, match="161"):
        fusion.ms_ssim(RGB[:, :160], RGB[:, :160])


@pytest.mark.parametrize("name", fusion.SUPERVISED)
def test_terms_are_0_for_the_truth_and_above_for_others(name):
    term = fusion.SUPERVISED[name]
    np.testing.assert_allclose(np.asarray(term(RGB, RGB)), 0.0, atol=1e-5)
    # 0.5, because 1 - RGB has almost the same histogram as RGB, which is uniform noise.
    assert (np.asarray(term(1.0 - 0.5 * RGB, RGB)) > 0.05).all()


def test_l1_terms_by_hand():
    truth = np.zeros((1, 2, 2, 3), np.float32)
    red = truth + np.array([0.5, 0.0, 0.0], np.float32)
    y = 0.5 * 0.2126
    assert float(fusion.rgb_l1(red, truth)[0]) == pytest.approx(0.5 / 3)
    assert float(fusion.luminance_l1(red, truth)[0]) == pytest.approx(y)
    chroma = 0.5 * (y / 1.8556 + (0.5 - y) / 1.5748)
    assert float(fusion.chroma_l1(red, truth)[0]) == pytest.approx(chroma)


def test_soft_histogram_is_a_partition_of_unity():
    values = np.append(RNG.random(500), [0.0, 1.0, 0.5]).astype(np.float32)
    shares = np.asarray(fusion.soft_histogram(values, 33))
    assert shares.sum() == pytest.approx(1.0, abs=1e-5)
    one = np.asarray(fusion.soft_histogram(values[:, None], 33))
    np.testing.assert_allclose(one.sum(axis=-1), 1.0, atol=1e-5)
    # The mean is kept, because the kernel is linear between two levels.
    assert (shares * np.linspace(0, 1, 33)).sum() == pytest.approx(values.mean(), abs=1e-5)


def test_histogram_l1_of_two_levels_is_their_distance():
    dark, bright = (np.full((1, 16, 16, 3), v, np.float32) for v in (0.1, 0.7))
    apart = float(fusion.histogram_l1(bright, dark, 48)[0])
    assert apart == pytest.approx(0.6 * 47 / 48, abs=1e-4)


@pytest.mark.parametrize("kind", fusion.GAMMAS)
def test_gamma_maps_prefer_the_frame_with_detail(kind):
    detail = 0.5 + 0.1 * RNG.standard_normal((40, 40))
    flat = np.full((40, 40), 0.97)
    frames = np.stack([flat, detail])[None].astype(np.float32)
    gamma = np.asarray(fusion.gamma_map(frames, kind))
    np.testing.assert_allclose(gamma.sum(axis=1), 1.0, atol=1e-5)
    assert (gamma[0, 1].mean() > 0.7).all()
    turned = np.asarray(fusion.gamma_map(frames[:, ::-1], kind))
    np.testing.assert_allclose(turned[:, ::-1], gamma, atol=1e-6)


def test_an_unknown_gamma_is_refused():
    with pytest.raises(ValueError, match="variance"):
        fusion.gamma_map(np.zeros((1, 2, 20, 20), np.float32), "beauty")


def test_weighted_ssim_end_points():
    frame = grey_frames()[:, :1]
    equal = np.repeat(frame, 3, axis=1)
    np.testing.assert_allclose(
        np.asarray(fusion.weighted_ssim_loss(equal, frame[:, 0])), 0.0, atol=1e-4
    )
    assert (np.asarray(fusion.weighted_ssim_loss(equal, 1.0 - frame[:, 0])) > 1.0).all()


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="taped by TensorFlow")
@pytest.mark.parametrize("case", ["anti-correlated", "flat", "equal"])
def test_gradients_are_finite(case):
    tf = pytest.importorskip("tensorflow")
    truth = RGB[:1] if case != "flat" else np.full_like(RGB[:1], 0.5)
    shown = tf.constant({"anti-correlated": 1 - RGB[:1], "flat": truth, "equal": RGB[:1]}[case])
    frames = tf.constant(np.stack([truth[..., 0], truth[..., 0] * 0.5], axis=1))
    terms: dict[str, Callable[[Any], Any]] = {
        "mef_ssim": lambda x: mef_ssim.mef_ssim_loss(frames, x[..., 0]),
        "weighted_ssim": lambda x: fusion.weighted_ssim_loss(frames, x[..., 0]),
    }
    for name, of_truth in fusion.SUPERVISED.items():
        terms[name] = functools.partial(lambda f, x: f(x, truth), of_truth)
    for name, term in terms.items():
        with tf.GradientTape() as tape:
            tape.watch(shown)
            loss = tf.reduce_sum(term(shown))
        assert np.isfinite(np.asarray(tape.gradient(loss, shown))).all(), name


def test_no_gradient_through_the_desired_patches():
    tf = pytest.importorskip("tensorflow")
    if keras.config.backend() != "tensorflow":
        pytest.skip("taped by TensorFlow")
    frames = tf.constant(grey_frames())
    with tf.GradientTape() as tape:
        tape.watch(frames)
        found = mef_ssim.desired(frames)[1]
    assert tape.gradient(found, frames) is None
