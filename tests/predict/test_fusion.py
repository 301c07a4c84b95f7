"""Fusion of a bracket: symmetries, bounds, classical and learnt weights, refused input."""

import dataclasses

import numpy as np
import pytest

from hdrcnn.predict import fusion
from hdrcnn.predict.fusion import (
    CLASSICAL,
    MERTENS,
    Maps,
    check_frames,
    fuse,
    load_method,
    mertens_weights,
    network_weights,
)
from hdrcnn.predict.opencv import reduced, reduced_codes
from hdrcnn.tiles.frame import Frame
from hdrcnn.weights import WeightsError
from tests.predict.brackets import bracket

SMALL = dataclasses.replace(CLASSICAL, working=64)
"""Weights for frames reduced by 7."""
METHODS = [CLASSICAL, SMALL, MERTENS]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("count", [2, 5])
def test_equal_frames_give_that_frame(method, count):
    frame = bracket()[1]
    fused = fuse([frame] * count, method)
    np.testing.assert_allclose(fused.astype(int), frame.astype(int) * 257, atol=40)


@pytest.mark.parametrize("method", METHODS)
def test_the_order_of_frames_does_not_matter(method):
    frames = bracket(4)
    here = fuse(frames, method).astype(int)
    there = fuse([frames[index] for index in (2, 0, 3, 1)], method).astype(int)
    np.testing.assert_allclose(here, there, atol=4)


@pytest.mark.parametrize("method", METHODS)
def test_sixteen_bits_and_floats_match_eight_bits(method):
    frames = bracket()
    eight = fuse(frames, method).astype(int)
    wide = fuse([frame.astype(np.uint16) * np.uint16(257) for frame in frames], method)
    floats = fuse([frame / np.float32(255) for frame in frames], method)
    np.testing.assert_allclose(wide.astype(int), eight, atol=60)
    np.testing.assert_allclose(floats.astype(int), eight, atol=60)


@pytest.mark.parametrize("method", [CLASSICAL, SMALL])
def test_maps_sum_to_one_and_strips_match_the_whole(method):
    frames = bracket()
    maps = Maps(frames, method)
    whole = maps(0, 190)
    assert whole.min() >= 0
    np.testing.assert_allclose(whole.sum(axis=0), 1.0, atol=1e-5)
    for top, bottom in ((0, 5), (33, 71), (150, 190)):
        np.testing.assert_allclose(maps(top, bottom), whole[:, top:bottom], atol=1e-5)


def test_enlarged_weights_follow_the_edges_of_the_frames():
    """A weight that follows the luma keeps the sharp edge of the frame, which a frame reduced by 7
    would smear.
    """
    frame = np.full((224, 224, 3), 40, np.uint8)
    frame[:, 100:] = 200
    other = np.full_like(frame, 120)

    def weights(frames: np.ndarray) -> np.ndarray:
        first = frames[0].mean(axis=-1)
        return np.stack([first, 1.0 - first])

    maps = Maps([frame, other], fusion.Method("x", weights, working=32))
    found = maps(0, 224)[0, 112]
    np.testing.assert_allclose(found[90:99], 40 / 255, atol=0.15)
    np.testing.assert_allclose(found[101:110], 200 / 255, atol=0.15)


def test_the_weights_match_the_paper():
    """Every factor by hand, for a line of one colour on black."""
    colours = np.array([(0.2, 0.5, 0.8), (0.6, 0.4, 0.35)])
    frames = np.zeros((2, 9, 9, 3), np.float32)
    frames[:, :, 4] = colours[:, None]
    contrast = 2.0 * colours @ [0.299, 0.587, 0.114]
    exposed_well = np.exp(-np.square(colours - 0.5).sum(axis=-1) / (2 * 0.2**2))
    products = contrast * colours.std(axis=-1) * exposed_well
    weights = mertens_weights(frames)
    np.testing.assert_allclose(weights[:, 4, 4], products / products.sum(), rtol=1e-4)
    np.testing.assert_allclose(weights.sum(axis=0), 1.0, rtol=1e-6)


def test_a_well_exposed_frame_wins_where_the_others_are_clipped():
    frames = bracket()
    fused = fuse(frames, SMALL).astype(float) / 65535
    white = (frames[2] == 255).all(axis=-1)
    assert white.mean() > 0.02
    assert fused[white].mean() < 0.9


def test_frames_are_padded_for_a_network_and_its_weights_cropped():
    seen = []

    def model(frames):
        seen.append(frames.shape)
        shares = frames.mean(axis=-1, keepdims=True) + 1e-3
        return shares / shares.sum(axis=1, keepdims=True)

    method = fusion.Method("x", network_weights(model))
    assert fuse(bracket(3, 61, 83), method).shape == (61, 83, 3)
    assert seen == [(1, 3, 64, 88, 3)]


@pytest.mark.parametrize(
    "frames",
    [
        [np.zeros((4, 4, 3), np.uint8)],
        [np.zeros((4, 4, 3), np.uint8)] * 10,
        [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5, 3), np.uint8)],
        [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4, 3), np.uint16)],
        [np.zeros((4, 4), np.uint8)] * 2,
        [np.zeros((4, 4, 3), np.int32)] * 2,
    ],
)
def test_frames_that_are_not_a_bracket_are_refused(frames):
    with pytest.raises(ValueError, match="frames"):
        check_frames(frames)


def test_errors_of_methods_without_weights_name_the_file(tmp_path, monkeypatch):
    missing = {name: tmp_path / f"{name}.npz" for name in fusion.NETWORKS}
    monkeypatch.setattr(fusion, "NETWORKS", missing)
    fusion._of_network.cache_clear()
    assert load_method("auto") is CLASSICAL
    assert load_method("mertens") is MERTENS
    with pytest.raises(WeightsError, match=r"supervised\.npz"):
        load_method("supervised")
    with pytest.raises(ValueError, match="sharpest"):
        load_method("sharpest")


@pytest.mark.parametrize("factor", [1, 3, 7])
def test_reduced_frames_are_means_of_blocks(factor):
    frame = bracket()[0][:190, :253]
    small = reduced_codes(frame, factor)
    means = Frame(frame, 1).reduced(factor).image / np.float32(65535)
    inner = np.s_[: 190 // factor, : 253 // factor]
    assert small.shape == means.shape
    np.testing.assert_allclose(small[inner], means[inner], atol=2e-5)
    np.testing.assert_allclose(reduced(frame, factor)[inner] / 255.0, means[inner], atol=0.51 / 255)


def pair_of(frames: np.ndarray) -> np.ndarray:
    """Weights of each sample: the code of the darker frame, and the rest for the other."""
    dark = frames[0] if frames[0].mean() < frames[1].mean() else frames[1]
    first = dark if frames[0].mean() < frames[1].mean() else 1.0 - dark
    return np.stack([first, 1.0 - first])


@pytest.mark.parametrize("factor", [1, 4])
def test_weights_may_differ_between_channels(factor):
    rng = np.random.default_rng(5)
    dark = np.kron(rng.random((15, 20, 3)), np.ones((4, 4, 1))).astype(np.float32) * 0.4
    frames = [dark, dark + np.float32(0.3)]
    method = fusion.Method("pair", pair_of, working=80 // factor, pyramid=False, frames=2)
    found = fusion.fuse(frames, method) / 65535.0
    expected = dark * dark + (1.0 - dark) * (dark + 0.3)
    inside = np.abs(found - expected)
    assert inside.mean() < (1e-5 if factor == 1 else 0.01)
    with pytest.raises(ValueError, match="pair"):
        fusion.fuse([*frames, frames[0]], method)


@pytest.mark.parametrize("name", ["auto", "unsupervised"])
def test_the_shipped_network_gives_weights_for_any_bracket(name):
    method = load_method(name)
    assert (method.name, method.file) == ("unsupervised", fusion.NETWORKS["unsupervised"])
    rng = np.random.default_rng(8)
    frames = rng.random((3, 45, 70, 3), np.float32)
    assert method.weights is not None
    weights = method.weights(frames)
    assert weights.shape == (3, 45, 70)
    np.testing.assert_allclose(weights.sum(axis=0), 1.0, atol=1e-5)
    order = [2, 0, 1]
    np.testing.assert_allclose(method.weights(frames[order]), weights[order], atol=1e-4)
    same = fusion.fuse([frames[0]] * 2, method)
    np.testing.assert_allclose(same / 65535.0, frames[0], atol=2e-4)
