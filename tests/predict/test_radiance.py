"""The light of a bracket is recovered; light that all frames clip is predicted in its unit."""

import numpy as np
import pytest

from hdrcnn.colour.transfer import CameraCurve, camera_curve, srgb_encode
from hdrcnn.predict import single_image
from hdrcnn.predict.radiance import (
    check_exposures,
    clipped_everywhere,
    estimate_response,
    hat,
    merge,
    with_highlights,
)

EXPOSURES = [0.25, 1.0, 4.0]


def scene(seed: int = 0, size: tuple[int, int] = (60, 83)) -> np.ndarray:
    """[H, W, 3] float64 light from 0.002 to about 3."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0 : size[0], 0 : size[1]]
    stops = -9.0 + 10.5 * (columns / size[1]) + np.sin(rows / 9.0)
    return 2.0 ** (stops[..., None] + rng.uniform(-0.4, 0.4, (*size, 3)))


def frames_of(light: np.ndarray, encode, exposures=EXPOSURES, top: int = 255) -> list[np.ndarray]:
    kind = np.uint8 if top == 255 else np.uint16
    return [np.round(top * encode(np.clip(light * e, 0.0, 1.0))).astype(kind) for e in exposures]


@pytest.mark.parametrize(("top", "tolerance"), [(255, 0.03), (65535, 1e-3)])
def test_light_is_recovered_within_the_precision_of_the_codes(top, tolerance):
    light = scene()
    merged = merge(frames_of(light, srgb_encode, top=top), EXPOSURES, "srgb", reference=1)
    # Where at least one frame has a code of some size that is not clipped.
    told = (light > 0.02 / 4.0) & (light < 0.95 / 0.25)
    np.testing.assert_allclose(merged[told], light[told], rtol=tolerance)


@pytest.mark.parametrize("reference", [0, 2])
def test_one_is_the_clipping_level_of_the_reference(reference):
    frames = frames_of(scene(), srgb_encode)
    ours = merge(frames, EXPOSURES, "srgb", reference)
    middle = merge(frames, EXPOSURES, "srgb", 1)
    np.testing.assert_allclose(ours * EXPOSURES[1] / EXPOSURES[reference], middle, rtol=1e-5)


def test_limits_are_those_of_the_shortest_and_the_longest_exposure():
    white = [np.full((2, 2, 3), 255, np.uint8)] * 3
    np.testing.assert_allclose(merge(white, EXPOSURES, "srgb", 1), 4.0, rtol=1e-6)
    black = [np.zeros((2, 2, 3), np.uint8)] * 3
    np.testing.assert_array_equal(merge(black, EXPOSURES, "srgb", 1), 0.0)


def test_the_order_of_frames_does_not_matter_and_strips_match_the_whole():
    frames = frames_of(scene(size=(300, 7)), srgb_encode)
    whole = merge(frames, EXPOSURES, "srgb", 1)
    turned = merge(frames[::-1], EXPOSURES[::-1], "srgb", 1)
    np.testing.assert_allclose(whole, turned, rtol=1e-5)
    part = merge([frame[250:] for frame in frames], EXPOSURES, "srgb", 1)
    np.testing.assert_array_equal(whole[250:], part)


def test_the_hat_is_1_in_the_middle_and_0_at_the_ends():
    np.testing.assert_allclose(hat(np.array([0.0, 0.25, 0.5, 1.0])), [0.0, 0.5, 1.0, 0.0])


def test_a_curve_of_the_family_is_found_and_recovers_the_light():
    light = scene(size=(200, 160))
    frames = frames_of(light, lambda x: camera_curve(x, 0.75, 0.4))
    found = estimate_response(frames, EXPOSURES)
    assert isinstance(found.curve, CameraCurve)
    assert found.spread < 0.1
    merged = merge(frames, EXPOSURES, found.curve, 1)
    told = (light > 0.01) & (light < 3.0)
    stops = np.log2(merged[told] / light[told])
    assert np.abs(stops - np.median(stops)).max() < 0.35
    assert np.sqrt(np.mean(stops**2)) < 0.12


def test_srgb_is_recognised_and_wrong_exposures_are_doubtful():
    frames = frames_of(scene(size=(200, 160)), srgb_encode)
    right = estimate_response(frames, EXPOSURES)
    assert right.curve == "srgb"
    assert not right.doubtful
    assert right.ratio == pytest.approx(1.0, abs=0.05)
    assert estimate_response(frames, [1.0, 32.0, 1024.0]).doubtful


def test_a_named_curve_is_kept_and_judged():
    frames = frames_of(scene(size=(200, 160)), lambda x: camera_curve(x, 0.75, 0.4))
    found = estimate_response(frames, EXPOSURES)
    named = estimate_response(frames, EXPOSURES, "srgb")
    assert named.curve == "srgb"
    assert named.spread > 2.0 * found.spread
    black = [np.zeros((20, 20, 3), np.uint8), np.full((20, 20, 3), 255, np.uint8)]
    assert estimate_response(black, [1.0, 4.0], "square").curve == "square"


def test_frames_that_share_no_sample_give_a_doubtful_curve():
    frames = [np.zeros((20, 20, 3), np.uint8), np.full((20, 20, 3), 255, np.uint8)]
    assert estimate_response(frames, [1.0, 4.0]).doubtful


@pytest.mark.parametrize("exposures", [[1.0, 4.0], [1.0, 0.0, 4.0], [1.0, np.nan, 2.0], [1.0] * 3])
def test_unusable_exposures_are_refused(exposures):
    with pytest.raises(ValueError, match="expos"):
        check_exposures(exposures, 3)


def test_light_clipped_in_all_frames_is_predicted_and_the_rest_unchanged(tiny_weights):
    light = scene(size=(64, 96))
    light[20:40, 30:60] = 50.0
    frames = frames_of(light, srgb_encode)
    clipped = clipped_everywhere(frames, EXPOSURES)
    assert clipped[20:40, 30:60].all()
    merged = merge(frames, EXPOSURES, "srgb", 1)
    before = merged.copy()
    predictor = single_image.load(tiny_weights)
    whole = with_highlights(merged, frames, EXPOSURES, predictor, "srgb", 1)
    np.testing.assert_array_equal(whole[~clipped], before[~clipped])
    alone = predictor.reconstruct(frames[0], scaling=1.0, camera_curve="srgb")
    inside = np.s_[25:35, 40:50]
    np.testing.assert_allclose(whole[inside], np.maximum(alone[inside] * 4.0, 4.0), rtol=2e-3)


def test_light_beyond_half_floats_is_limited_to_their_largest_value(recwarn):
    exposures = [1.0 / 8000, 1.0 / 125, 30.0]
    white = [np.full((2, 2, 3), 255, np.uint8)] * 3
    merged = merge(white, exposures, "srgb", 2, np.float16)
    np.testing.assert_array_equal(merged, np.finfo(np.float16).max)
    np.testing.assert_allclose(merge(white, exposures, "srgb", 2), 240000.0, rtol=1e-6)
    assert not recwarn.list
