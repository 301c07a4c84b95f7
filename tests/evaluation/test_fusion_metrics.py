"""MEF-SSIM compared with its authors' value and with patches formed one by one; halos."""

import re
import sys

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from hdrcnn.files import ImageError
from training_code.evaluation import fusion_methods, fusion_metrics as metrics


def noise(count: int, rows: int = 48, columns: int = 52, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, rows, columns, 3), np.uint8)


def test_the_value_of_the_authors_is_reproduced():
    rng = np.random.default_rng(1)
    frames = np.array([rng.integers(0, 256, (40, 44)) for _ in range(3)])
    found = metrics.mef_ssim_of_grey(frames, frames.mean(axis=0), scales=1)
    assert found == pytest.approx(0.8553023128697365, abs=1e-12)


def test_quality_matches_patches_formed_one_by_one():
    """Ma et al. 2015, Eqs. 4 to 10, written out."""
    rng = np.random.default_rng(2)
    frames = rng.uniform(0, 255, (3, 13, 12))
    fused = rng.uniform(0, 255, (13, 12))
    window = np.outer(metrics.gaussian(), metrics.gaussian())
    expected = np.empty((3, 2))
    for y, x in np.ndindex(3, 2):
        patches = [f[y : y + 11, x : x + 11] for f in frames]
        centred = [p - p.mean() for p in patches]
        norms = np.array([np.linalg.norm(c) for c in centred])
        contrast = norms + 0.001
        consistency = np.linalg.norm(sum(centred)) / norms.sum()
        weight = (contrast / 11) ** min(np.tan(np.pi / 2 * consistency), 10.0)
        weight /= weight.sum()
        r = sum(w * c / e for w, c, e in zip(weight, centred, contrast, strict=True))
        r = r / np.linalg.norm(r) * contrast.max()
        f = fused[y : y + 11, x : x + 11]
        mean_r, mean_f = (window * r).sum(), (window * f).sum()
        covariance = (window * (r - mean_r) * (f - mean_f)).sum()
        variances = (window * ((r - mean_r) ** 2 + (f - mean_f) ** 2)).sum()
        c = (0.03 * 255) ** 2
        expected[y, x] = (2 * covariance + c) / (variances + c)
    np.testing.assert_allclose(metrics.structure_quality(frames, fused), expected, rtol=1e-9)


def test_equal_frames_score_1_with_their_frame():
    frame = noise(1)[0]
    assert metrics.mef_ssim(np.stack([frame] * 4), frame) == pytest.approx(1.0, abs=1e-6)


def test_order_of_the_frames_does_not_count():
    frames = noise(4)
    fused = np.rint(frames.mean(axis=0))
    turned = metrics.mef_ssim(frames[[2, 0, 3, 1]], fused)
    assert turned == pytest.approx(metrics.mef_ssim(frames, fused), abs=1e-12)


def test_brightness_does_not_count():
    frames = noise(2) // 2
    fused = np.rint(frames.mean(axis=0))
    found = metrics.mef_ssim(frames, fused + 20)
    assert found == pytest.approx(metrics.mef_ssim(frames, fused), abs=1e-3)  # Grey is rounded.


def test_halving_by_hand():
    image = np.arange(15.0).reshape(3, 5)
    # (0 + 1 + 5 + 6) / 4; at the right and the lower border the last samples count twice.
    np.testing.assert_allclose(metrics.halved(image), [[3.0, 5.0, 6.5], [10.5, 12.5, 14.0]])


@pytest.mark.parametrize("shape", [(2, 43, 60), (60, 60), (2, 60, 50)])
def test_unusable_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"pixels|needed"):
        metrics.mef_ssim_of_grey(np.zeros(shape), np.zeros((43, 60)))


def test_monotonic_fusion_has_no_halo_and_sharpening_has():
    light = np.repeat(np.linspace(0.0, 1.0, 96)[None], 64, axis=0)[..., None] * np.ones(3)
    frames = np.rint(255 * np.clip(light * np.array([0.5, 2.0])[:, None, None, None], 0, 1))
    assert metrics.order_reversal(frames, frames.mean(axis=0)) == 0.0
    assert metrics.order_reversal(frames, 255 * light**0.3) == 0.0
    step = np.zeros((64, 96, 3))
    step[:, 48:] = 200.0
    frames = np.stack([step, step / 2 + 10 * light])
    sharpened = step + (step - gaussian_filter(step, (12, 12, 0)))
    assert metrics.order_reversal(frames, step) == pytest.approx(0.0, abs=1e-9)
    assert metrics.order_reversal(frames, sharpened) > 0.1


def test_psnr_and_ssim_end_points():
    a = noise(1)[0]
    assert metrics.psnr(a, a) == np.inf
    assert metrics.psnr(np.zeros(4), np.full(4, 255.0)) == pytest.approx(0.0)
    assert metrics.ssim(a, a) == pytest.approx(1.0)
    assert metrics.ssim(255 - a, a) < 0.0


def test_a_program_that_fails_says_why_in_words():
    failing = "import sys; sys.exit('first\\nno space left')"
    with pytest.raises(ImageError, match=rf"^{re.escape(sys.executable)}: no space left$"):
        fusion_methods._run(sys.executable, "-c", failing)
    with pytest.raises(ImageError, match=r": failed$"):
        fusion_methods._run(sys.executable, "-c", "import sys; sys.exit(1)")
