"""Motions and temporal terms: against NumPy's shifts and SciPy's affine transform, and as physics:
what moves with the picture costs nothing.
"""

import keras
import numpy as np
import pytest
import scipy.ndimage
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from training_code import motion, temporal

RNG = np.random.default_rng(3)
ROWS, COLUMNS = 37, 46
IMAGES = RNG.normal(0, 1, (3, ROWS, COLUMNS, 3)).astype(np.float32)
LARGE = motion.Motion(shift=4.0, rotation=12.0, shear=8.0, zoom=0.2)
MOTIONS = np.stack([LARGE.draw(np.random.default_rng(seed)) for seed in range(3)])
IDENTITY = motion.row()


def affine(row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Matrix and offset of one motion as SciPy takes them: source = matrix @ pixel + offset."""
    down, right, rotation, shear, zoom = row[:5].astype(np.float64)
    angle = np.radians(rotation)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    matrix = turn @ np.array([[1, 0], [np.tan(np.radians(shear)), 1]]) / zoom
    centre = np.array([(ROWS - 1) / 2, (COLUMNS - 1) / 2])
    return matrix, centre - matrix @ (centre + np.array([down, right]))


def scipy_warp(images: np.ndarray, motions: np.ndarray, mode: str = "nearest") -> np.ndarray:
    """[N, H, W, C] by SciPy, plane by plane, in float64."""
    result = np.empty(images.shape)
    for item, row in enumerate(motions):
        matrix, offset = affine(row)
        for channel in range(images.shape[-1]):
            plane = images[item, ..., channel].astype(np.float64)
            result[item, ..., channel] = scipy.ndimage.affine_transform(
                plane, matrix, offset, order=1, mode=mode
            )
    return result


def gradient(function, value: np.ndarray) -> np.ndarray:
    """Of a scalar function, by the backend of this process."""
    if keras.backend.backend() == "jax":
        import jax

        return np.asarray(jax.grad(function)(value))
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tensor = tf.convert_to_tensor(value)
        tape.watch(tensor)
        result = function(tensor)
    return tf.convert_to_tensor(tape.gradient(result, tensor)).numpy()


@pytest.mark.parametrize("xp", [np, keras.ops], ids=["numpy", "keras"])
def test_the_identity_changes_nothing(xp):
    rows = np.repeat(IDENTITY[None], 3, axis=0)
    np.testing.assert_array_equal(temporal.warp(IMAGES, rows, xp), IMAGES)
    code = np.clip(IMAGES, 0, 1)
    np.testing.assert_array_equal(temporal.move_picture(code, rows, xp), code)
    assert np.asarray(temporal.inside(rows, ROWS, COLUMNS, xp)).min() == 1.0


@given(st.integers(-5, 5), st.integers(-5, 5))
@settings(max_examples=20, deadline=None)
def test_whole_shifts_are_those_of_numpy(down, right):
    rows = motion.row(down=down, right=right)[None]
    moved = temporal.warp(IMAGES[:1], rows, np)
    within = temporal.inside(rows, ROWS, COLUMNS, np)
    expected = np.roll(IMAGES[:1], (down, right), axis=(1, 2))
    np.testing.assert_array_equal(moved * within, expected * within)
    assert within.sum() == (ROWS - abs(down)) * (COLUMNS - abs(right))


def test_a_quarter_turn_is_that_of_numpy():
    square = IMAGES[:1, :31, :31]
    turned = np.asarray(temporal.warp(square, motion.row(rotation=90.0)[None]))
    np.testing.assert_allclose(turned[0], np.rot90(square[0]), atol=1e-4)


@pytest.mark.parametrize("xp", [np, keras.ops], ids=["numpy", "keras"])
def test_warp_and_inside_are_those_of_scipy(xp):
    moved = np.asarray(temporal.warp(IMAGES, MOTIONS, xp))
    np.testing.assert_allclose(moved, scipy_warp(IMAGES, MOTIONS), atol=1e-4)
    within = np.asarray(temporal.inside(MOTIONS, ROWS, COLUMNS, xp))
    expected = scipy_warp(np.ones((3, ROWS, COLUMNS, 1)), MOTIONS, mode="constant")
    assert 0 < within.mean() < 1
    np.testing.assert_array_equal(within, expected > 0.5)


@pytest.mark.parametrize(
    ("there", "back"),
    [
        ({"rotation": 9.0}, {"rotation": -9.0}),
        ({"zoom": 1.25}, {"zoom": 0.8}),
        ({"shear": 7.0}, {"shear": -7.0}),
        ({"down": 1.5, "right": -2.25}, {"down": -1.5, "right": 2.25}),
    ],
)
def test_there_and_back_returns_a_smooth_picture(there, back):
    y, x = np.mgrid[0:64, 0:64] / 64.0
    smooth = np.sin(3 * x + 1)[..., None] * np.cos(2 * y)[..., None] * [1.0, 0.5, -1.0]
    smooth = smooth[None].astype(np.float32)
    moved = temporal.warp(smooth, motion.row(**there)[None], np)
    assert np.abs(moved - smooth)[:, 14:-14, 14:-14].max() > 0.03
    returned = temporal.warp(moved, motion.row(**back)[None], np)
    np.testing.assert_allclose(
        returned[:, 14:-14, 14:-14], smooth[:, 14:-14, 14:-14], atol=2e-3, rtol=0
    )


def test_zoom_enlarges_and_shifts_go_down_and_right():
    y, x = np.mgrid[0:65, 0:65]
    disc = (np.hypot(y - 32, x - 32) < 10).astype(np.float32)[None, ..., None]
    enlarged = temporal.warp(disc, motion.row(zoom=1.5)[None], np)
    assert enlarged.sum() / disc.sum() == pytest.approx(1.5**2, rel=0.02)
    moved = temporal.warp(disc, motion.row(down=3.5, right=-6.25, zoom=1.2)[None], np)[0, ..., 0]
    assert np.average(y, weights=moved) == pytest.approx(32 + 3.5, abs=0.03)
    assert np.average(x, weights=moved) == pytest.approx(32 - 6.25, abs=0.03)


def test_the_gradient_of_the_warp_is_its_adjoint():
    """<g, T x> = <T* g, x>: holds for the gradient of a linear map, and only for it."""
    weights = RNG.normal(0, 1, IMAGES.shape).astype(np.float32)
    product = np.sum(weights * temporal.warp(IMAGES, MOTIONS, np), dtype=np.float64)
    back = gradient(lambda images: keras.ops.sum(temporal.warp(images, MOTIONS) * weights), IMAGES)
    assert np.sum(back.astype(np.float64) * IMAGES) == pytest.approx(product, rel=1e-4)


def test_motions_are_drawn_uniformly_within_their_bounds():
    settings_ = motion.Motion()
    drawn = np.array([settings_.draw(np.random.default_rng(seed)) for seed in range(2000)])
    assert drawn.dtype == np.float32
    bounds = [(-2, 2), (-2, 2), (-1, 1), (-1, 1), (0.97, 1.03), (0.01, 0.05)]
    bounds += [(0, 65536), (0, 65536)]
    for values, (low, high) in zip(drawn.T, bounds, strict=True):
        uniform = scipy.stats.uniform(low, high - low)
        assert scipy.stats.kstest(values, uniform.cdf).pvalue > 1e-3
    np.testing.assert_array_equal(drawn[:, 6:], np.round(drawn[:, 6:]))
    np.testing.assert_array_equal(drawn[7], settings_.draw(np.random.default_rng(7)))


@given(st.integers(0, 2**32 - 1))
def test_seeds_are_kept_exactly(seed):
    high, low = motion.row(seed=seed)[6:]
    assert int(high) * 65536 + int(low) == seed


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"shift": -1.0}, "shift"),
        ({"rotation": 90.0}, "rotation"),
        ({"zoom": 1.0}, "zoom"),
        ({"noise_sd": (0.05, 0.01)}, "noise_sd"),
        ({"noise_sd": (float("nan"), 0.1)}, "noise_sd"),
    ],
)
def test_bad_distributions_are_named(fields, name):
    with pytest.raises(ValueError, match=rf"motion\.{name}"):
        motion.Motion(**fields)


def test_noise_is_as_strong_as_asked_for_and_another_for_each_seed():
    code = np.full((3, 96, 96, 3), 0.5, np.float32)
    rows = np.stack(
        [motion.row(noise_sd=sd, seed=s) for sd, s in ((0.01, 9), (0.05, 9), (0.05, 8))]
    )
    moved = np.asarray(temporal.move_picture(code, rows)) - 0.5
    np.testing.assert_allclose(moved.std(axis=(1, 2, 3)), [0.01, 0.05, 0.05], rtol=0.02)
    np.testing.assert_allclose(moved[1], 5 * moved[0], atol=1e-6)
    assert abs(np.corrcoef(moved[1].ravel(), moved[2].ravel())[0, 1]) < 0.03
    white = np.asarray(temporal.move_picture(np.ones_like(code), rows))
    assert white.max() == 1.0
    assert 0.4 < (white < 1.0).mean() < 0.6


TARGET = RNG.lognormal(-0.5, 1.5, IMAGES.shape).astype(np.float32)
NETWORKS = {"affine": lambda code: 1.7 * code - 0.4, "not linear": lambda code: np.sin(5 * code)}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_that_moves_with_the_picture_costs_nothing(name):
    """Pixel by pixel: an affine function commutes with any motion, others with whole shifts."""
    network = NETWORKS[name]
    whole = np.stack([motion.row(down=2, right=-3), motion.row(right=1), motion.row()])
    rows = MOTIONS.copy() if name == "affine" else whole
    rows[:, 5] = 0.0
    code = RNG.random(IMAGES.shape).astype(np.float32)
    moved = network(temporal.move_picture(code, rows, np)).astype(np.float32)
    still = network(code).astype(np.float32)
    free = np.asarray(temporal.transform_invariance(TARGET, still, moved, rows))
    assert free.max() < 1e-10
    rows[:, 5] = 0.05
    noisy = network(temporal.move_picture(code, rows, np)).astype(np.float32)
    assert np.asarray(temporal.transform_invariance(TARGET, still, noisy, rows)).min() > 1e-5


def test_terms_by_their_formulas():
    moved = (IMAGES[::-1] + 0.3).astype(np.float32)

    def saturated(light):
        return np.clip((light.max(-1, keepdims=True) - 0.95) / 0.05, 0, 1)

    seen = np.minimum(TARGET, 1)
    within = scipy_warp(np.ones_like(TARGET[..., :1]), MOTIONS, mode="constant")
    kept = saturated(scipy_warp(seen, MOTIONS)) * within
    change = moved - scipy_warp(IMAGES, MOTIONS)
    np.testing.assert_allclose(
        np.asarray(temporal.transform_invariance(TARGET, IMAGES, moved, MOTIONS)),
        (change**2 * kept).mean(axis=(1, 2, 3)),
        rtol=1e-4,
    )
    light = np.log(TARGET + 1 / 255)
    change = (moved - IMAGES) - (scipy_warp(light, MOTIONS) - light)
    np.testing.assert_allclose(
        np.asarray(temporal.sparse_jacobian(TARGET, IMAGES, moved, MOTIONS)),
        (change**2 * saturated(seen) * kept).mean(axis=(1, 2, 3)),
        rtol=1e-4,
    )


def test_both_forms_are_least_for_the_same_perfect_network():
    light = np.log(TARGET + 1 / 255).astype(np.float32)
    perfect = temporal.warp(light, MOTIONS, np)
    worse = perfect + 0.1
    everywhere = np.ones_like(TARGET)
    for term in temporal.TERMS.values():
        assert np.asarray(term(TARGET, light, perfect, MOTIONS, everywhere)).max() < 1e-9
        cost = np.asarray(term(TARGET, light, worse, MOTIONS, everywhere))
        share = temporal.inside(MOTIONS, ROWS, COLUMNS, np).mean(axis=(1, 2, 3))
        np.testing.assert_allclose(cost, 0.01 * share, rtol=1e-3)


@pytest.mark.parametrize("term", temporal.TERMS.values(), ids=list(temporal.TERMS))
def test_only_highlights_count_those_of_the_code_if_given(term):
    moved = IMAGES + 1.0
    dark = np.clip(TARGET, 0, 0.94)
    assert np.asarray(term(dark, IMAGES, moved, MOTIONS)).max() == 0.0
    seen = np.clip(TARGET, 0, 1)
    published = np.asarray(term(TARGET, IMAGES, moved, MOTIONS))
    np.testing.assert_array_equal(term(TARGET, IMAGES, moved, MOTIONS, seen), published)
    brighter = np.asarray(term(TARGET, IMAGES, moved, MOTIONS, np.sqrt(seen)))
    assert (brighter > published).all()


def test_the_rim_of_a_highlight_does_not_count():
    """Between 1.0 and 0.3 the moved codes are not saturated, whatever the light was."""
    target = np.full((1, 20, 20, 3), 0.3, np.float32)
    target[:, 5:15, 5:15] = 500.0
    rows = motion.row(right=0.5)[None]
    mask = np.asarray(temporal.moved_saturation(np.minimum(target, 1), rows))
    expected = np.zeros((1, 20, 20, 1))
    expected[:, 5:15, 6:15] = 1.0
    np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize("term", temporal.TERMS.values(), ids=list(temporal.TERMS))
def test_gradients_are_finite_and_reach_both_predictions(term):
    still = np.where(IMAGES > 2, 90.0, IMAGES).astype(np.float32)
    total = keras.ops.sum
    towards_still = gradient(lambda y: total(term(TARGET, y, IMAGES, MOTIONS)), still)
    towards_moved = gradient(lambda y: total(term(TARGET, still, y, MOTIONS)), IMAGES)
    for found in (towards_still, towards_moved):
        assert np.isfinite(found).all()
        assert (np.abs(found).max(axis=(1, 2, 3)) > 0).all()


def test_jax_gives_the_same(run_python, tmp_path):
    np.savez(tmp_path / "given.npz", images=IMAGES, target=TARGET, motions=MOTIONS)
    script = (
        "import jax, numpy as np\n"
        "from training_code import temporal\n"
        "given = np.load('given.npz')\n"
        "x, t, m = given['images'], given['target'], given['motions']\n"
        "found = {'moved': jax.jit(temporal.move_picture)(np.clip(x, 0, 1), m)}\n"
        "for name, term in temporal.TERMS.items():\n"
        "    value = jax.jit(jax.value_and_grad(lambda y: term(t, y, x + 1.0, m).sum()))\n"
        "    found[name], found[name + '_back'] = value(x)\n"
        "np.savez('found.npz', **found)\n"
    )
    run_python("-c", script, cwd=tmp_path, KERAS_BACKEND="jax")
    found = np.load(tmp_path / "found.npz")
    moved = temporal.move_picture(np.clip(IMAGES, 0, 1), MOTIONS)
    np.testing.assert_allclose(found["moved"], np.asarray(moved), atol=1e-4)
    for name, term in temporal.TERMS.items():

        def total(y, term=term):
            return keras.ops.sum(term(TARGET, y, IMAGES + 1.0, MOTIONS))

        assert float(found[name]) == pytest.approx(float(total(IMAGES)), rel=1e-4)
        np.testing.assert_allclose(found[name + "_back"], gradient(total, IMAGES), atol=1e-5)
