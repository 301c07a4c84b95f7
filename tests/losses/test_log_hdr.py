"""Losses, compared with their formulas in plain NumPy and SciPy."""

import dataclasses

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, strategies as st
from keras import ops

from hdrcnn.colour.transfer import LOG_OFFSET, camera_curve, log_encode, luminance
from tests.losses.motion_helpers import gradient
from training_code.losses import log_hdr
from training_code.losses.settings import Loss

RNG = np.random.default_rng(0)
TARGET = RNG.lognormal(-0.5, 1.2, (2, 24, 20, 3)).astype(np.float32)
LOG_HDR = (np.log(TARGET + 1 / 255) + RNG.normal(0, 0.4, TARGET.shape)).astype(np.float32)
MASK = np.clip((TARGET.max(-1, keepdims=True) - 0.95) / 0.05, 0, 1)


def numpy_blur(image: np.ndarray) -> np.ndarray:
    """13x13 Gaussian with zero borders."""
    offsets = np.arange(-6, 7)
    profile = np.exp(-0.5 * (offsets / 4.2) ** 2)
    profile /= profile.sum()
    for axis in (1, 2):
        image = scipy.ndimage.convolve1d(image, profile, axis=axis, mode="constant")
    return image


def test_log_l2_by_formula():
    expected = np.mean(((LOG_HDR - np.log(TARGET + 1 / 255)) * MASK) ** 2, axis=(1, 2, 3))
    np.testing.assert_allclose(np.asarray(log_hdr.log_l2(TARGET, LOG_HDR)), expected, rtol=1e-4)


def test_illumination_and_reflectance_by_formula():
    weights = np.array([0.212656, 0.715158, 0.072186])

    def split(linear):
        log_luminance = np.log((linear * weights).sum(-1, keepdims=True) + 1 / 255)
        illumination = numpy_blur(log_luminance)
        return illumination, np.log(linear + 1 / 255) - illumination

    target_i, target_r = split(TARGET.astype(np.float64))
    i, r = split(np.exp(LOG_HDR.astype(np.float64)) - 1 / 255)
    cost = 0.5 * (i - target_i) ** 2 + 0.5 * (r - target_r) ** 2
    np.testing.assert_allclose(
        np.asarray(log_hdr.illumination_reflectance(TARGET, LOG_HDR)),
        (cost * MASK).mean(axis=(1, 2, 3)),
        rtol=1e-3,
    )


@pytest.mark.parametrize("loss", log_hdr.LOSSES.values(), ids=list(log_hdr.LOSSES))
def test_perfect_costs_nothing_and_only_highlights_count(loss):
    perfect = np.log(TARGET + 1 / 255)
    assert np.asarray(loss(TARGET, perfect)).max() < 1e-10
    dark = np.clip(TARGET, 0, 0.94)
    assert np.asarray(loss(dark, LOG_HDR)).max() == 0.0


@pytest.mark.parametrize("loss", log_hdr.LOSSES.values(), ids=list(log_hdr.LOSSES))
def test_extreme_predictions_stay_finite(loss):
    for value in (-200.0, 200.0):
        assert np.isfinite(np.asarray(loss(TARGET, np.full_like(LOG_HDR, value)))).all()


def test_blur_keeps_a_constant_inside_and_falls_to_a_quarter_in_a_corner():
    blurred = np.asarray(log_hdr.blur(np.ones((1, 40, 40, 1), np.float32)))[0, ..., 0]
    assert blurred[20, 20] == pytest.approx(1.0, abs=1e-5)
    assert 0.25 < blurred[0, 0] < 0.36
    np.testing.assert_allclose(blurred, numpy_blur(np.ones((1, 40, 40, 1)))[0, ..., 0], atol=1e-5)


def test_highlight_rmse_is_in_stops():
    target = np.full((1, 4, 4, 3), 3.0, np.float32)
    target[0, 0] = 0.5  # Not a highlight: whatever is predicted there does not count.
    doubled = ops.log(2.0 * (target + 1 / 255))
    assert float(log_hdr.highlight_rmse(target, doubled)) == pytest.approx(1.0, abs=1e-5)


CODE = camera_curve(np.clip(TARGET, 0, 1)).astype(np.float32)
PERFECT = np.log(TARGET + 1 / 255).astype(np.float32)
EVERY_TERM = Loss(mask="code", peak=0.3, gradient=0.2, asymmetry=1.5, cap=2.0)


@pytest.mark.parametrize("name", log_hdr.LOSSES)
def test_the_default_settings_are_the_published_loss(name):
    found = log_hdr.cost(Loss(name=name))(TARGET, LOG_HDR, CODE)
    np.testing.assert_array_equal(found, log_hdr.LOSSES[name](TARGET, LOG_HDR))
    np.testing.assert_array_equal(found, log_hdr.LOSSES[name](TARGET, LOG_HDR, MASK))
    assert Loss() == Loss("illumination_reflectance", "target", 0.0, 0.0, 0.0, None)


def test_the_mask_of_the_code_trains_what_is_blended():
    """Linear 0.9 has a code above 0.95 under the mean curve; the published loss leaves it out."""
    target = np.full((1, 16, 16, 3), 0.9, np.float32)
    code = camera_curve(target)
    assert code.min() > 0.95
    wrong = np.log(target + 1 / 255) + 1.0
    assert float(log_hdr.cost(Loss(mask="target"))(target, wrong, code)[0]) == 0.0
    expected = ((code[0, 0, 0, 0] - 0.95) / 0.05) ** 2
    found = log_hdr.cost(Loss(name="log_l2", mask="code"))(target, wrong, code)
    assert float(found[0]) == pytest.approx(expected, rel=1e-4)


def test_asymmetry_weighs_predictions_that_are_too_dark():
    target = np.full((1, 32, 32, 3), 4.0, np.float32)
    level = np.log(target + 1 / 255)
    for loss in log_hdr.LOSSES.values():
        bright, dark = (float(loss(target, level + d, asymmetry=2.0)[0]) for d in (0.3, -0.3))
        same = [float(loss(target, level + d)[0]) for d in (0.3, -0.3)]
        assert same[0] == pytest.approx(same[1], rel=1e-5)
        assert dark > 1.5 * bright
    exact = log_hdr.log_l2(target, level - 0.3, asymmetry=2.0)
    assert float(exact[0]) == pytest.approx(3 * 0.09, rel=1e-4)


@pytest.mark.parametrize("asymmetry", [3.0, -0.5])
def test_asymmetry_moves_the_best_constant_to_an_expectile(asymmetry):
    """Newey and Powell: (1 + a) times the sum of the shortfalls equals the sum of the excesses."""
    level = np.log(np.random.default_rng(4).lognormal(1.0, 1.0, (1, 8, 8, 3)) + 1.0)
    target = (np.exp(level) - 1 / 255).astype(np.float32)
    everywhere = np.ones((1, 8, 8, 1), np.float32)
    tried = np.linspace(level.min(), level.max(), 400)
    costs = [
        float(log_hdr.log_l2(target, np.full_like(target, t), everywhere, asymmetry)[0])
        for t in tried
    ]
    best = tried[int(np.argmin(costs))]
    balance = (
        (1 + asymmetry) * np.maximum(level - best, 0).sum() / np.maximum(best - level, 0).sum()
    )
    assert balance == pytest.approx(1.0, abs=0.05)
    assert np.sign(asymmetry) * (best - level.mean()) > 0.1


def test_log_peak_is_the_norm_of_the_luminance():
    expected = [
        np.log((m * (luminance(t.astype(np.float64)) + 1 / 255) ** 4).sum() / m.sum()) / 4
        for t, m in zip(TARGET, MASK, strict=True)
    ]
    np.testing.assert_allclose(np.asarray(log_hdr.log_peak(PERFECT, MASK)), expected, atol=1e-5)


@given(st.floats(-3, 3))
def test_a_gain_shifts_the_log_peak_by_as_much(gain):
    shift = log_hdr.log_peak(PERFECT + np.float32(gain), MASK) - log_hdr.log_peak(PERFECT, MASK)
    np.testing.assert_allclose(np.asarray(shift), gain, atol=1e-4)
    error = np.asarray(log_hdr.peak_error(TARGET, PERFECT + np.float32(gain), MASK))
    np.testing.assert_allclose(error, gain**2 * MASK.mean(axis=(1, 2, 3)), atol=2e-4)


def test_the_peak_ignores_pixels_outside_the_mask():
    wild = np.where(MASK > 0, PERFECT, 60.0).astype(np.float32)
    assert np.asarray(log_hdr.peak_error(TARGET, wild, MASK)).max() < 1e-9
    nothing = np.zeros_like(MASK)
    assert np.asarray(log_hdr.peak_error(TARGET, LOG_HDR, nothing)).max() == 0.0
    back = gradient(lambda y: ops.sum(log_hdr.peak_error(TARGET, y, nothing)), LOG_HDR)
    np.testing.assert_array_equal(back, 0.0)


def test_gradient_error_depends_on_shape_and_not_on_level():
    everywhere = np.ones_like(MASK)
    assert np.asarray(log_hdr.gradient_error(TARGET, PERFECT + 2.0, everywhere)).max() < 1e-4
    # A ramp of 0.1 per column of 16: 0.1, 0.2, 0.4 and 0.8 per column at the four scales.
    target = np.ones((1, 16, 16, 3), np.float32)
    ramp = log_encode(target) + 0.1 * np.arange(16, dtype=np.float32)[:, None]
    found = log_hdr.gradient_error(target, ramp, np.ones((1, 16, 16, 1), np.float32))
    assert float(found[0]) == pytest.approx(1.5, rel=1e-3)


def test_gradient_error_ignores_pixels_outside_the_mask():
    wild = np.where(MASK > 0, LOG_HDR, 50.0).astype(np.float32)
    np.testing.assert_allclose(
        np.asarray(log_hdr.gradient_error(TARGET, wild)),
        np.asarray(log_hdr.gradient_error(TARGET, LOG_HDR)),
        rtol=1e-5,
    )


def test_above_the_cap_only_predictions_that_are_too_dark_cost():
    target = np.full((1, 16, 16, 3), 1000.0, np.float32)
    code = np.ones_like(target)
    for name in log_hdr.LOSSES:
        loss = log_hdr.cost(Loss(name=name, cap=3.0))
        at = {
            light: float(loss(target, log_encode(np.full_like(target, light)), code)[0])
            for light in (4.0, 8.0, 50.0, 1e6)
        }
        assert at[8.0] == pytest.approx(0.0, abs=1e-9)
        assert at[50.0] == pytest.approx(0.0, abs=1e-9)
        assert at[1e6] == pytest.approx(0.0, abs=1e-9)
        assert at[4.0] > 0.1
    # For targets below the cap nothing changes, even where the prediction is above it.
    bright = log_hdr.cost(Loss(name="log_l2", cap=3.0))(target / 250, log_encode(target), code)
    plain = log_hdr.log_l2(target / 250, log_encode(target))
    np.testing.assert_array_equal(bright, plain)


def test_every_term_costs_nothing_where_perfect_and_has_finite_gradients():
    loss = log_hdr.cost(EVERY_TERM)
    assert np.asarray(loss(TARGET, PERFECT, CODE)).max() < 1e-5
    parts = [Loss(mask="code", cap=2.0), EVERY_TERM]
    plain, more = (np.asarray(log_hdr.cost(part)(TARGET, LOG_HDR, CODE)) for part in parts)
    assert plain.shape == more.shape == (2,)
    assert (more > plain).all()
    for value in (LOG_HDR, PERFECT, np.full_like(LOG_HDR, 60.0), np.full_like(LOG_HDR, -60.0)):
        assert np.isfinite(gradient(lambda y: ops.sum(loss(TARGET, y, CODE)), value)).all()


def test_jax_gives_the_same(run_python, tmp_path):
    np.savez(tmp_path / "given.npz", target=TARGET, log_hdr=LOG_HDR, code=CODE)
    script = (
        "import jax, numpy as np\n"
        "from training_code.losses import log_hdr as losses\n"
        "from training_code.losses.settings import Loss\n"
        "t, y, c = (np.load('given.npz')[name] for name in ('target', 'log_hdr', 'code'))\n"
        f"loss = losses.cost({EVERY_TERM})\n"
        "value = jax.jit(jax.value_and_grad(lambda y: loss(t, y, c).sum()))\n"
        "np.savez('found.npz', *value(y))\n"
    )
    run_python("-c", script, cwd=tmp_path, KERAS_BACKEND="jax")
    value, back = np.load(tmp_path / "found.npz").values()
    loss = log_hdr.cost(EVERY_TERM)
    assert float(value) == pytest.approx(float(ops.sum(loss(TARGET, LOG_HDR, CODE))), rel=1e-4)
    expected = gradient(lambda y: ops.sum(loss(TARGET, y, CODE)), LOG_HDR)
    np.testing.assert_allclose(back, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "l1"}, r"loss\.name l1: one of illumination_reflectance, log_l2"),
        ({"mask": "all"}, r"loss\.mask"),
        ({"peak": -1.0}, r"loss\.peak"),
        ({"gradient": float("nan")}, r"loss\.gradient"),
        ({"asymmetry": float("inf")}, r"loss\.asymmetry"),
        ({"asymmetry": -1.0}, r"loss\.asymmetry"),
        ({"cap": 0.0}, r"loss\.cap"),
    ],
)
def test_bad_settings_are_named(fields, message):
    with pytest.raises(ValueError, match=message):
        Loss(**fields)


@pytest.mark.parametrize("name", sorted(log_hdr.LOSSES))
def test_what_is_predicted_for_unknown_light_does_not_count(name):
    loss = log_hdr.cost(dataclasses.replace(EVERY_TERM, name=name), "narrow")
    hole = np.s_[:, 4:9, 3:12]
    unknown = TARGET.copy()
    unknown[hole] = np.nan
    costs = []
    for wild in (3.0, -2.0):
        predicted = LOG_HDR.copy()
        predicted[hole] = wild
        costs.append(np.asarray(loss(unknown, predicted, CODE)))
        back = gradient(lambda y: ops.sum(loss(unknown, y, CODE)), predicted)
        assert np.isfinite(back).all()
        assert np.abs(back).max() > 0.0
        np.testing.assert_array_equal(back[hole], 0.0)
    np.testing.assert_array_equal(costs[0], costs[1])


@pytest.mark.parametrize("name", sorted(log_hdr.LOSSES))
def test_a_right_prediction_costs_nothing_beside_unknown_light(name):
    target = np.full((1, 24, 24, 3), 4.0, np.float32)
    predicted = np.log(target + np.float32(LOG_OFFSET))
    target[:, 8:16, 8:16] = np.nan
    found = log_hdr.cost(Loss(name=name))(target, predicted, np.ones_like(target))
    np.testing.assert_allclose(np.asarray(found), 0.0, atol=1e-9)
