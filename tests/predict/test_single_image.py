"""The predictor accepts any size, keeps measured light and checks its arguments."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import hdrcnn
from hdrcnn import weights
from hdrcnn.colour.transfer import DEFAULT_CURVE, linearise
from hdrcnn.predict import camera_curve
from hdrcnn.predict.blend import reconstruct_light


@pytest.fixture(scope="module")
def predictor(tiny_weights):
    return hdrcnn.load(tiny_weights, precision="float32")


@settings(max_examples=12, deadline=None)
@given(rows=st.integers(1, 70), columns=st.integers(1, 70))
def test_any_size_keeps_its_size_and_its_measured_light(predictor, rows, columns):
    code = np.random.default_rng(columns).random((rows, columns, 3), np.float32)
    hdr = predictor.reconstruct(code)
    assert hdr.shape == code.shape
    assert hdr.dtype == np.float32
    assert np.isfinite(hdr).all()
    kept = code.max(axis=-1) <= 0.95
    np.testing.assert_allclose(hdr[kept], linearise(code, "mean_curve")[kept], rtol=1e-6)


def test_the_prediction_is_the_network_on_the_mirrored_picture(predictor, picture):
    code = picture.astype(np.float32) / 255
    beyond = [(32, 32 + -side % 32) for side in code.shape[:2]]
    wide = np.pad(code, [*beyond, (0, 0)], mode="symmetric")
    y = np.asarray(predictor.network.whole(wide[None]))[0, 32:77, 32:102]
    np.testing.assert_allclose(predictor.log_hdr(code), y, rtol=1e-4, atol=1e-4)


@settings(max_examples=8, deadline=None)
@given(columns=st.integers(1, 3).map(lambda n: 32 * n), seed=st.integers(0, 99))
def test_best_quality_averages_with_the_mirror_image(predictor, columns, seed):
    drawn = 1.4 * np.random.default_rng(seed).random((32, columns, 3), np.float32)
    code = np.minimum(drawn, np.float32(1.0))
    best = predictor.reconstruct(code, quality="best")
    flipped = np.ascontiguousarray(code[:, ::-1])
    np.testing.assert_allclose(
        predictor.reconstruct(flipped, quality="best")[:, ::-1], best, rtol=4e-3, atol=1e-5
    )
    mean = 0.5 * (predictor.log_hdr(code) + predictor.log_hdr(flipped)[:, ::-1])
    metadata = predictor.metadata
    expected = reconstruct_light(code, mean, metadata.linearisation, metadata.blend)
    np.testing.assert_allclose(best, expected, rtol=4e-3, atol=1e-5)


def test_uint8_uint16_and_float_are_the_same_picture(predictor, picture):
    hdr = predictor.reconstruct(picture)
    np.testing.assert_array_equal(predictor.reconstruct(picture.astype(np.float64) / 255), hdr)
    deep = picture.astype(np.uint16) * 257
    np.testing.assert_allclose(predictor.reconstruct(deep), hdr, rtol=1e-6)


def test_gamma_changes_only_highlights(predictor, picture):
    plain, raised = (predictor.reconstruct(picture, gamma=gamma) for gamma in (1.0, 1.001))
    kept = picture.max(axis=-1) < 240
    np.testing.assert_allclose(raised[kept], plain[kept], rtol=1e-5)
    # Continuous in gamma: a small step changes the highlights a little.
    np.testing.assert_allclose(raised[~kept], plain[~kept], rtol=0.1)


def test_scaling_multiplies_codes_and_clips(predictor, picture):
    scaled = np.minimum(picture.astype(np.float32) / 255 * np.float32(1.1), 1)
    np.testing.assert_array_equal(
        predictor.reconstruct(picture, scaling=1.1), predictor.reconstruct(scaled)
    )


def test_the_camera_curve_defaults_to_that_of_the_weights(predictor, picture):
    np.testing.assert_array_equal(
        predictor.reconstruct(picture), predictor.reconstruct(picture, camera_curve="mean_curve")
    )
    kept = picture.max(axis=-1) < 240
    np.testing.assert_allclose(
        predictor.reconstruct(picture, camera_curve="square")[kept],
        (picture / np.float32(255))[kept] ** 2,
        rtol=1e-5,
    )


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (np.zeros((4, 4), np.uint8), "shape"),
        (np.zeros((0, 4, 3), np.uint8), "shape"),
        (np.zeros((4, 4, 3), np.int32), "int32"),
        (np.full((4, 4, 3), 1.5), "within 0..1"),
        (np.full((4, 4, 3), np.nan), "finite"),
    ],
)
def test_arrays_that_are_not_pictures_are_refused(predictor, image, reason):
    with pytest.raises(ValueError, match=reason):
        predictor.reconstruct(image)


def test_an_unknown_quality_is_refused(predictor, picture):
    with pytest.raises(ValueError, match="quality"):
        predictor.reconstruct(picture, quality="better")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"gamma": 0.0}, "positive"),
        ({"gamma": np.nan}, "positive"),
        ({"scaling": -1.0}, "positive"),
        ({"dtype": np.uint8}, "float16"),
        ({"alpha": np.ones((3, 4)), "scaling": 1.0}, "alpha"),
    ],
)
def test_unusable_settings_are_refused(predictor, picture, arguments, reason):
    with pytest.raises(ValueError, match=reason):
        predictor.reconstruct(picture, **arguments)


def test_shipped_weights_fit_and_reconstruct(picture):
    predictor = hdrcnn.load()
    hdr = predictor.reconstruct(picture)
    assert hdr.shape == picture.shape
    assert np.isfinite(hdr).all()
    assert hdr.max() > 1.0


def test_shipped_weights_use_the_default_curve_and_named_ones_their_own(picture):
    shipped, named = hdrcnn.load(), hdrcnn.load(weights.SHIPPED)
    found = shipped.reconstruct(picture)
    np.testing.assert_array_equal(found, shipped.reconstruct(picture, camera_curve=DEFAULT_CURVE))
    curve = camera_curve.load().estimate(picture)
    np.testing.assert_array_equal(
        named.reconstruct(picture, camera_curve="estimated"),
        shipped.reconstruct(picture, camera_curve=curve),
    )
    stored = shipped.reconstruct(picture, camera_curve=named.metadata.linearisation)
    np.testing.assert_array_equal(named.reconstruct(picture), stored)


def test_backends_agree_on_the_shipped_weights(tmp_path, run_python, picture):
    """The log output under JAX equals that under TensorFlow to 1e-4, in float32."""
    assert keras.config.backend() == "tensorflow"
    np.save(tmp_path / "code.npy", picture.astype(np.float32) / 255)
    script = (
        "import numpy, keras, hdrcnn; assert keras.config.backend() == 'jax'; "
        "numpy.save('y.npy', hdrcnn.load(precision='float32').log_hdr(numpy.load('code.npy')))"
    )
    run_python("-c", script, cwd=tmp_path, KERAS_BACKEND="jax")
    expected = hdrcnn.load(precision="float32").log_hdr(np.load(tmp_path / "code.npy"))
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), expected, atol=1e-4)
