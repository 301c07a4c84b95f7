"""The pyramid: strips match the whole, the result agrees with OpenCV, nothing overshoots."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from hdrcnn.predict import pyramid
from hdrcnn.predict.fusion import MERTENS, fuse, mertens_weights
from hdrcnn.predict.pyramid import blend, expanded_rows
from tests.predict.brackets import bracket


def weights_of(count: int, rows: int, columns: int, seed: int = 0) -> np.ndarray:
    found = np.random.default_rng(seed).random((count, rows, columns)).astype(np.float32)
    return found / found.sum(axis=0)


def rows_of(weights: np.ndarray):
    return lambda top, bottom: weights[:, top:bottom]


@given(st.integers(2, 60), st.integers(2, 9), st.data())
@settings(max_examples=40)
def test_rows_of_an_expansion_match_the_whole(rows, columns, data):
    coarse = np.random.default_rng(rows).random(
        ((rows + 1) // 2, (columns + 1) // 2, 3), np.float32
    )
    whole = cv2.pyrUp(coarse, dstsize=(columns, rows))
    top = data.draw(st.integers(0, rows - 1))
    bottom = data.draw(st.integers(top + 1, rows))
    part = expanded_rows(lambda a, b: coarse[a:b], rows, columns, top, bottom)
    np.testing.assert_allclose(part, whole[top:bottom], atol=1e-6)


@pytest.mark.parametrize("size", [(75, 90), (128, 64), (61, 7), (3, 50)])
def test_strips_match_the_whole(monkeypatch, size):
    frames, weights = bracket(3, *size), rows_of(weights_of(3, *size))
    whole = blend(frames, weights)
    monkeypatch.setattr(pyramid, "STRIP", 16)
    np.testing.assert_allclose(blend(frames, weights).astype(int), whole.astype(int), atol=1)


def test_the_pyramid_matches_mertens_fusion_of_opencv():
    frames = bracket(3, 75, 90)
    whole = np.stack([frame / np.float32(255) for frame in frames])
    levels = int(np.log2(min(frames[0].shape[:2])))
    ours = blend(frames, rows_of(mertens_weights(whole)), bounded=False, levels=levels)
    by_opencv = fuse(frames, MERTENS)
    inner = np.s_[16:-16, 16:-16]
    difference = np.abs(ours[inner].astype(float) - by_opencv[inner]) / 65535
    assert difference.mean() < 0.004
    assert difference.max() < 0.04


@pytest.mark.parametrize("of_pyramid", [True, False])
def test_no_sample_lies_outside_those_of_the_frames(of_pyramid):
    frames = bracket(3, 75, 90)
    fused = blend(frames, rows_of(weights_of(3, 75, 90)), pyramid=of_pyramid).astype(int)
    stacked = np.stack(frames).astype(int) * 257
    assert (fused >= stacked.min(axis=0) - 1).all()
    assert (fused <= stacked.max(axis=0) + 1).all()


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_a_weight_of_one_gives_that_frame(kind):
    weights = np.zeros((3, 75, 90), np.float32)
    weights[1] = 1.0
    codes = bracket(3, 75, 90)
    frames = {
        np.uint8: codes,
        np.uint16: [c.astype(np.uint16) * np.uint16(257) for c in codes],
        np.float32: [c / np.float32(255) for c in codes],
    }[kind]
    fused = blend(frames, rows_of(weights))
    np.testing.assert_allclose(fused.astype(int), codes[1].astype(int) * 257, atol=2)


def test_frames_of_two_sizes_are_refused():
    frames = [np.zeros((8, 8, 3), np.uint8), np.zeros((8, 9, 3), np.uint8)]
    with pytest.raises(ValueError, match="differ"):
        blend(frames, rows_of(weights_of(2, 8, 8)))
