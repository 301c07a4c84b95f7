"""Exposures of one light: ordered, merged back, changed by networks only where they should be."""

import dataclasses

import keras
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from hdrcnn import weights
from hdrcnn.colour.transfer import LINEARISATIONS, CameraCurve, linearise, srgb_decode
from hdrcnn.models.exposure_gan import EXPOSURES as EXPOSURES_OF_THE_GAN
from hdrcnn.models.exposure_stack import LIGHT, dark_weight
from hdrcnn.models.metadata import ExposureGan, ExposureStack
from hdrcnn.predict import exposure_stack, single_image
from hdrcnn.predict.exposure_stack import (
    STOPS,
    check_stops,
    load,
    plain_light,
    published_exposures,
    reconstructed,
    rendered,
    restore_shadows,
    stops_of,
)
from hdrcnn.predict.radiance import merge
from hdrcnn.tiles.frame import Frame
from hdrcnn.tiles.keras_graph import network as of_keras
from hdrcnn.tiles.tiling import Tiling

CURVES = [*LINEARISATIONS, CameraCurve(0.7, 1.5)]
EXPOSURES = [2.0**stop for stop in STOPS]


def light_of(seed: int = 0, size: tuple[int, int] = (60, 83)) -> np.ndarray:
    """[H, W, 3] float32 from 2^-9 to 2^3.9, which the exposures of `STOPS` can represent."""
    rng = np.random.default_rng(seed)
    stops = -9.0 + 12.5 * (np.mgrid[0 : size[0], 0 : size[1]][1] / size[1])
    return (2.0 ** (stops[..., None] + rng.uniform(0.0, 0.4, (*size, 3)))).astype(np.float32)


def network_of(record, seed: int = 3, tile_pixels: int = 0):
    """An untrained network whose last layer is not zero: the Keras model and its tiling."""
    keras.utils.set_random_seed(seed)
    model = record.build()
    if isinstance(record, ExposureStack):
        kernel = model.get_layer("correction").kernel
        kernel.assign(np.random.default_rng(seed).normal(0.0, 0.3, kernel.shape))
    ends = model.get_layer(record.inner[0]).output if record.inner else model.output
    return model, Tiling(of_keras(keras.Model(model.input, ends)), tile_pixels)


@pytest.mark.parametrize("curve", CURVES, ids=str)
def test_exposure_0_is_the_photograph(curve):
    codes = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    half = plain_light(Frame(codes, 1), curve)
    np.testing.assert_array_equal(rendered(half, 0.0, curve, 8), codes)
    deep = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1).repeat(3, axis=2)
    whole = plain_light(Frame(deep, 1), curve, np.float32)
    assert np.abs(rendered(whole, 0.0, curve, 16).astype(int) - deep).max() <= 1
    np.testing.assert_array_equal(rendered(whole, 0.0, curve, 8), np.round(deep / 257.0))


@settings(max_examples=60)
@given(
    values=st.lists(st.floats(-1.0, 65504.0, width=16), min_size=3, max_size=30),
    stops=st.lists(st.integers(-200, 200), min_size=2, max_size=9, unique=True),
    curve=st.sampled_from(CURVES),
    bits=st.sampled_from([8, 16]),
    kind=st.sampled_from([np.float16, np.float32]),
)
def test_exposures_are_in_order(values, stops, curve, bits, kind):
    light = np.array(values[: len(values) // 3 * 3], kind).reshape(1, -1, 3)
    told = check_stops([stop / 10.0 for stop in sorted(stops)])
    frames = np.stack([rendered(light, stop, curve, bits).astype(int) for stop in told])
    assert (np.diff(frames, axis=0) >= 0).all()
    # And so are the samples of each.
    order = np.argsort(light.ravel(), kind="stable")
    assert (np.diff(frames.reshape(len(told), -1)[:, order], axis=1) >= 0).all()


@pytest.mark.parametrize("bits", [8, 16])
def test_the_table_of_half_floats_matches_the_formula(bits):
    light = light_of().astype(np.float16)
    for stop in (-4.0, 1.3):
        table, formula = (
            rendered(kind, stop, "srgb", bits).astype(int)
            for kind in (light, light.astype(np.float32))
        )
        assert np.abs(table - formula).max() <= 1
    odd = np.array([np.nan, np.inf, -np.inf, -1.0, -0.0, 1.0], np.float16).reshape(1, 2, 3)
    top = 2**bits - 1
    assert rendered(odd, 0.0, "srgb", bits).ravel().tolist() == [0, top, 0, 0, 0, top]


@pytest.mark.parametrize(("bits", "tolerance"), [(8, 0.03), (16, 2e-4)])
@pytest.mark.parametrize("curve", CURVES, ids=str)
def test_merged_exposures_give_the_light_again(bits, tolerance, curve):
    light = light_of()
    frames = [rendered(light, stop, curve, bits) for stop in STOPS]
    merged = merge(frames, EXPOSURES, curve, None)
    told = light > 2.0**-8
    np.testing.assert_allclose(merged[told], light[told], rtol=tolerance)


@pytest.mark.parametrize("curve", ["srgb", "mean_curve"])
def test_the_merge_agrees_with_opencv_for_the_same_response(curve):
    cv2 = pytest.importorskip("cv2")
    light = light_of(size=(80, 120))
    frames = [rendered(light, stop, curve, 8) for stop in STOPS]
    response = linearise(np.arange(256) / 255.0, curve)
    response[0] = response[1] / 2.0  # OpenCV takes its logarithm.
    table = np.ascontiguousarray(np.repeat(response[:, None, None], 3, axis=2), np.float32)
    times = np.array(EXPOSURES, np.float32)
    theirs = cv2.createMergeDebevec().process(frames, times, table)
    ours = merge(frames, EXPOSURES, curve, None)
    told = (light > 2.0**-8.5) & (light < 2.0**3.5)
    stops = np.log2(ours[told] / theirs[told])
    assert np.sqrt(np.mean(stops**2)) < 0.05
    assert abs(np.median(stops)) < 0.01


def test_ends_of_a_merge_without_a_frame_of_the_photograph_itself():
    frames = [np.full((2, 2, 3), code, np.uint8) for code in (255, 255)]
    np.testing.assert_allclose(merge(frames, [0.25, 8.0], "srgb", None), 4.0, rtol=1e-6)


@pytest.mark.parametrize(
    ("stops", "word"),
    [((0.0,), "exposures"), (tuple(range(10)), "exposures"), ((0.0, 0.0), "increasing"),
     ((2.0, -2.0), "increasing"), ((0.0, 21.0), "within"), ((float("nan"), 1.0), "within")],
)  # fmt: skip
def test_stops_that_are_not_a_stack_are_refused(stops, word):
    with pytest.raises(ValueError, match=word):
        check_stops(stops)
    assert check_stops([-0.1, 0, 0.1]) == (-0.1, 0.0, 0.1)


def dark_picture(size: tuple[int, int] = (150, 210)) -> np.ndarray:
    """[H, W, 3] uint8: dark on the left, bright on the right, with a lamp in the dark."""
    rng = np.random.default_rng(1)
    columns = np.mgrid[0 : size[0], 0 : size[1]][1]
    codes = 230.0 * (columns / size[1])[..., None] + rng.normal(0.0, 4.0, (*size, 3))
    codes[60:90, 20:50] = 300.0
    return np.clip(np.round(codes), 0, 255).astype(np.uint8)


def test_only_dark_pixels_are_restored_by_the_network():
    model, network = network_of(ExposureStack(4))
    codes = dark_picture()
    frame = Frame(codes, 1)
    before = plain_light(frame, "srgb", np.float32)
    light = before.copy()
    share = restore_shadows(light, frame, network, "srgb")
    bright = codes / 255.0 >= LIGHT
    np.testing.assert_array_equal(light[bright], before[bright])
    padded = np.pad(codes, ((0, -150 % 32), (0, -210 % 32), (0, 0)), mode="symmetric")
    restored = np.asarray(model(padded[None] / np.float32(255.0)))[0, :150, :210]
    np.testing.assert_allclose(light, srgb_decode(restored), atol=2e-5)
    changed = (light != before).any(axis=-1)
    assert share == pytest.approx(changed.mean(), abs=0.02)
    assert 0.1 < share < 0.6


def test_a_network_that_changes_nothing_changes_no_bit():
    record = ExposureStack(4)
    network = Tiling(of_keras(record.build()), 0)
    light = plain_light(Frame(dark_picture(), 1), "srgb")
    before = light.copy()
    assert restore_shadows(light, Frame(dark_picture(), 1), network, "srgb") == 0.0
    np.testing.assert_array_equal(light, before)


def test_tiles_match_the_whole_and_a_closed_picture_has_no_seam():
    _, whole = network_of(ExposureStack(4))
    _, tiled = network_of(ExposureStack(4), tile_pixels=128 * 128)
    frame = Frame(dark_picture((200, 420)), 1)
    lights = []
    for network in (whole, tiled):
        lights.append(plain_light(frame, "srgb", np.float32))
        restore_shadows(lights[-1], frame, network, "srgb")
    np.testing.assert_allclose(lights[1], lights[0], atol=1e-5)
    closed = dataclasses.replace(frame, image=frame.image[:, :416], closed=True)
    turned = dataclasses.replace(closed, image=np.roll(closed.image, 32, axis=1))
    found = []
    for picture in (closed, turned):
        found.append(plain_light(picture, "srgb", np.float32))
        restore_shadows(found[-1], picture, tiled, "srgb")
    np.testing.assert_allclose(np.roll(found[0], 32, axis=1), found[1], atol=1e-5)


def test_predicted_highlights_are_kept_beside_restored_dark_channels(tiny_weights):
    codes = dark_picture()
    codes[100:130, 10:40] = (255, 20, 5)  # Red: one channel clipped, the others dark.
    frame, predictor = Frame(codes, 1), single_image.load(tiny_weights)
    light = predictor.reconstruct(codes, scaling=1.0, camera_curve="srgb")
    before = light.copy()
    _, network = network_of(ExposureStack(4))
    restore_shadows(light, frame, network, "srgb", predictor.metadata.blend)
    np.testing.assert_array_equal(light[..., 0][codes[..., 0] == 255],
                                  before[..., 0][codes[..., 0] == 255])  # fmt: skip
    assert (light[105:125, 15:35, 1:] != before[105:125, 15:35, 1:]).mean() > 0.9
    assert (light >= 0).all()
    # Under the published blend all channels of such a pixel are predicted.
    pixel = before.copy()
    restore_shadows(pixel, frame, network, "srgb", "pixel")
    np.testing.assert_array_equal(pixel[105:125, 15:35], before[105:125, 15:35])


@pytest.mark.parametrize("bits", [8, 16])
def test_the_published_exposures_match_the_network_in_tiles(bits):
    record = ExposureGan(4)
    model, network = network_of(record, tile_pixels=128 * 128)
    for layer in model.layers:
        if hasattr(layer, "kernel"):
            layer.kernel.assign(8.0 * layer.kernel.numpy())
    codes = dark_picture((100, 330))
    found = published_exposures(Frame(codes, 1), network, bits)
    padded = np.pad(codes, ((0, -100 % 32), (0, -330 % 32), (0, 0)), mode="symmetric")
    whole = np.asarray(model(padded[None] / np.float32(255.0)))[0, :, :100, :330]
    assert whole.std() > 0.01
    for exposure, expected in zip(found, whole, strict=True):
        assert exposure.dtype == (np.uint8 if bits == 8 else np.uint16)
        np.testing.assert_allclose(exposure / (2.0**bits - 1), expected, atol=2.1e-3)


def test_weights_of_the_other_network_are_refused(tmp_path):
    record = ExposureGan(2, spacing=1.5)
    weights.save(tmp_path / "w.npz", weights.collect(record.build()), record)
    assert stops_of(tmp_path / "w.npz") == (-3.0, -1.5, 0.0, 1.5, 3.0)
    assert load("gan", tmp_path / "w.npz").cell == 32
    with pytest.raises(weights.WeightsError, match="exposure_gan"):
        load("reconstruct", tmp_path / "w.npz")
    with pytest.raises(weights.WeightsError, match="no such"):
        load("gan", tmp_path / "none.npz")


def test_methods_and_files_go_together():
    assert set(exposure_stack.FILES) | {"formula"} == set(exposure_stack.METHODS)
    assert dark_weight(np.float32(LIGHT)) == 0.0
    assert exposure_stack.PUBLISHED == EXPOSURES_OF_THE_GAN == len(STOPS)


def test_both_networks_respect_a_low_clipping_level(tiny_weights):
    codes = np.minimum(dark_picture(), 240)
    predictor, (_, network) = single_image.load(tiny_weights), network_of(ExposureStack(4))
    light = reconstructed(predictor, network, codes)
    bright = (codes >= 0.3 * 240) & (codes < 0.94 * 240)
    expected = srgb_decode(codes / np.float32(240.0))
    np.testing.assert_allclose(light[bright], expected[bright], rtol=1e-5)
    assert (light[codes == 240] >= 1.0 - 1e-5).all()
    assert (light[codes < 20] != expected[codes < 20]).mean() > 0.3
