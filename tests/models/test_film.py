"""Tests of the film networks alone; `test_contract` has those that all networks share."""

import math

import keras
import numpy as np
import pytest
from hypothesis import given, strategies as st

from hdrcnn.models import film_curves, film_evidence, film_unet, metadata
from hdrcnn.models.metadata import FilmCurves

RNG = np.random.default_rng(3)


def test_published_size_of_the_unet():
    # 2 convolutions per level of 64 to 1024, 2048 at the bottom, transposed 2x2, 1x1 output.
    assert film_unet.build(64).count_params() == 124_362_307


def test_borders_are_replicated():
    keras.utils.set_random_seed(1)
    layer = film_unet.ReplicateConv2D(2)
    picture = RNG.random((1, 5, 6, 3), np.float32)
    found = np.asarray(layer(picture))
    assert found.shape == (1, 5, 6, 2)
    kernel, bias = (np.asarray(variable) for variable in layer.weights)
    padded = np.pad(picture, [(0, 0), (1, 1), (1, 1), (0, 0)], mode="edge")
    corner = np.einsum("yxc,yxcd->d", padded[0, :3, :3], kernel) + bias
    np.testing.assert_allclose(found[0, 0, 0], np.maximum(corner, 0.0), atol=1e-5)


def test_curves_start_at_the_formula_and_stay_within_their_limits():
    network = film_curves.build(23, 4, 2, 3)
    frames = RNG.random((2, 54, 96, 3), np.float32)
    np.testing.assert_array_equal(np.asarray(network(frames)), np.zeros((2, 23)))
    last = network.get_layer("decode")
    last.set_weights([100.0 * RNG.standard_normal(w.shape) for w in last.get_weights()])
    assert 0.5 < np.abs(np.asarray(network(frames))).max() <= film_evidence.MAX_PARAMETER


@pytest.mark.parametrize(
    "directions", ["0.1", [], [0.1, 0.2], [[0.1]], [[0.1, math.inf]], [[0.1, 2], [0.1, "a"]]]
)
def test_impossible_directions_are_refused(directions):
    record = {"model": "film_curves", "parameters": 2, "width": 4, "members": 1, "evidence": 3}
    kept = FilmCurves(2, 4, 1, 3, directions=((0.1, 2.0), (3.0, 4.0)), apart=1.0)
    record |= {"apart": 1.0}
    assert metadata.read(record | {"directions": [[0.1, 2], [3, 4.0]]}) == kept
    with pytest.raises(ValueError, match="directions"):
        metadata.read(record | {"directions": directions})


@pytest.mark.parametrize("apart", [None, 0.0, -1.0, math.nan, "1"])
def test_directions_need_a_positive_apart(apart):
    with pytest.raises(ValueError, match="apart"):
        FilmCurves(2, 4, 1, 3, directions=((0.1, 2.0),), apart=apart)


def test_older_files_that_cannot_pool_frames_are_refused():
    record = {"model": "film_curves", "parameters": 2, "width": 4, "members": 1}
    with pytest.raises(ValueError, match="train them again"):
        metadata.read(record | {"spread": [0.1, 0.2]})
    with pytest.raises(ValueError, match="evidence"):
        metadata.read(record | {"evidence": 1.5})


def test_decoded_evidence_matches_the_output_of_the_network():
    keras.utils.set_random_seed(4)
    network = film_curves.build(23, 4, 3, 5)
    last = network.get_layer("decode")
    last.set_weights([0.3 * RNG.standard_normal(w.shape) for w in last.get_weights()])
    frames = RNG.random((2, 54, 96, 3), np.float32)
    inner = keras.Model(network.input, network.get_layer("evidence").output)
    evidence = np.asarray(inner(frames))
    assert evidence.shape == (2, 3 * 2 * 5)
    arrays = last.get_weights()
    each = film_evidence.decode_members(evidence, arrays)
    assert each.shape == (3, 2, 23)
    assert np.abs(each - each[0]).max() > 0.01
    np.testing.assert_allclose(film_evidence.decode(evidence, arrays), each.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(np.asarray(network(frames)), each.mean(axis=0), atol=1e-5)


@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_estimates_are_combined_by_their_precisions(count, seed):
    """Compared with least squares with an additional measurement of 0 of precision 1."""
    rng = np.random.default_rng(seed)
    values, precisions = rng.normal(0, 1, count), rng.uniform(0.1, 9, count)
    evidence = np.array([[np.sum(values * precisions), np.sum(precisions)]])
    roots = np.sqrt(np.append(precisions, 1.0))
    best = np.linalg.lstsq(roots[:, None], roots * np.append(values, 0.0), rcond=None)[0][0]
    # Two hidden channels pass on the mean and its negative, and the last layer is linear.
    arrays = [
        np.array([[[1.0, -1.0], [0.0, 0.0]]]), np.zeros((1, 2)),
        1e-4 * np.array([[[1.0], [-1.0]]]), np.zeros((1, 1)),
    ]  # fmt: skip
    found = film_evidence.decode(evidence, arrays)
    np.testing.assert_allclose(
        found, [[film_evidence.MAX_PARAMETER * np.tanh(1e-4 * best)]], rtol=1e-9
    )


BINS = film_curves.BINS
LEVELS = np.linspace(0.0, 1.0, BINS)


def found(frames: np.ndarray) -> np.ndarray:
    return np.asarray(film_curves.statistics(frames[None].astype(np.float32)))[0]


def levels(frames: np.ndarray) -> np.ndarray:
    """[15, BINS] statistics by level of one frame: cumulative shares, roots of shares, colour, and
    contrast and side, both fine and coarse, by luma and then by the largest channel. The last row
    has the cumulative shares of the smallest channel.
    """
    return found(frames)[: 15 * BINS].reshape(15, BINS)


def ends(frames: np.ndarray) -> np.ndarray:
    """[3, 18] shares: above `TOPS` and below `BOTTOMS`, of luma, largest and smallest channel."""
    return np.exp(found(frames)[15 * BINS :].reshape(3, -1)) - 1e-4


def test_statistics_are_the_same_in_keras():
    frames = RNG.random((2, 33, 40, 3), np.float32)
    numbers = film_curves.statistics(frames)
    assert numbers.shape == (2, film_curves.STATISTICS)
    layer = film_curves.Statistics()(frames)
    np.testing.assert_allclose(np.asarray(layer), numbers, atol=1e-4)


def test_shares_add_up_and_do_not_depend_on_positions():
    frame = RNG.random((16, 24, 3))
    of = levels(frame)
    np.testing.assert_allclose(of[[0, 7, 14], -1], 1.0, atol=1e-5)
    for row, channel in ((7, frame.max(axis=-1)), (14, frame.min(axis=-1))):
        # A pixel is shared between the two levels around it.
        expected = np.clip((LEVELS[:, None] - channel.ravel()) * (BINS - 1) + 1, 0, 1)
        np.testing.assert_allclose(of[row], expected.mean(axis=1), atol=1e-5)
    # Turning a frame by 180 degrees changes only statistics that depend on neighbours.
    same = [0, 1, 2, 7, 8, 9, 14]
    np.testing.assert_allclose(levels(frame[::-1, ::-1])[same], of[same], atol=1e-5)


def test_contrast_by_level_reveals_the_slope_of_a_curve():
    # For steps of equal ratios of light, a curve with exponent 1/2 halves the contrast.
    stops = np.repeat(np.linspace(-5.0, 0.0, 200)[:, None, None], 3, axis=2) * np.ones((1, 40, 1))
    light = 2.0 ** (stops + 0.1 * RNG.standard_normal((200, 40, 1)) - 0.4)
    straight, root = (levels(np.clip(v, 0, 1))[3] for v in (light, np.sqrt(light)))
    inner = (LEVELS > 0.35) & (LEVELS < 0.62)
    ratio = np.exp(straight - root)[inner]
    assert (ratio > 1.6).all()
    assert (ratio < 2.4).all()


def test_statistics_distinguish_a_hard_clip_from_a_shoulder():
    light = np.repeat(RNG.uniform(0.0, 1.25, (120, 160, 1)), 3, axis=2)
    clipped, shoulder = ends(np.minimum(light, 1.0)), ends(np.tanh(1.5 * light))
    tops = len(film_curves.TOPS)
    # The last ramp ends above 1, so a clipped pixel counts five sixths.
    expected = 1.0 - np.array(film_curves.TOPS[:-1]) / 1.25
    np.testing.assert_allclose(clipped[0, : tops - 1], expected, atol=0.02)
    assert clipped[0, tops - 1] > 0.15
    assert shoulder[0, tops - 1] < 0.01
    bottoms = np.array(film_curves.BOTTOMS) / 1.25
    np.testing.assert_allclose(clipped[0, tops:], bottoms, atol=0.015)


def test_colour_by_level_reveals_pale_highlights():
    # A curve per channel makes bright colours pale; one on the largest channel keeps ratios.
    light = RNG.uniform(0.05, 3.0, (60, 80, 1)) * np.array([1.0, 0.6, 0.4])
    largest = light.max(axis=-1, keepdims=True)
    per_channel, kept = np.tanh(light), light * np.tanh(largest) / largest
    top = (LEVELS > 0.85) & (LEVELS < 0.97)
    assert (levels(per_channel)[9] < 0.75 * levels(kept)[9])[top].all()


def test_a_frame_of_one_row_or_one_pixel_has_statistics():
    for shape in ((1, 24, 3), (1, 1, 3)):
        assert np.isfinite(found(RNG.random(shape))).all()
