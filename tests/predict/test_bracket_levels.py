"""Brackets that clip below the largest code are fused and merged as those that clip at it."""

import numpy as np
import pytest

from hdrcnn.colour.clipping_level import UNCLIPPED
from hdrcnn.predict.bracket import Choices, levels_of, prepared
from hdrcnn.predict.fusion import CLASSICAL, MERTENS, fuse
from hdrcnn.predict.radiance import clipped_everywhere, merge
from tests.predict.brackets import exposed, texture

EVS = (-3.0, 0.0, 3.0)
EXPOSURES = [2.0**ev for ev in EVS]
LIGHT = 4.0 * texture(200, 280, 3)
PLAIN = Choices(align=False, deghost=False)


def frames_of(top: int, kind: type = np.uint8) -> list[np.ndarray]:
    """Frames with white at code `top` of 255."""
    most = np.iinfo(kind).max
    full = [exposed(LIGHT, ev, seed=index, top=most) for index, ev in enumerate(EVS)]
    return [np.round(frame * (top / 255.0)).astype(kind) for frame in full]


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("top", [255, 240, 235])
def test_light_and_what_all_frames_clip_do_not_depend_on_the_level(top, kind):
    ready = prepared(frames_of(top, kind), PLAIN)
    np.testing.assert_allclose(ready.levels, top / 255.0, atol=1e-4)
    assert ready.summary == ("" if top == 255 else f"clips at {top}")
    assert {frame.dtype for frame in ready.frames} == {np.dtype(kind if top == 255 else np.uint16)}
    told = (LIGHT.max(axis=-1) > 2.0**3).mean()
    assert told > 0.01
    clipped = clipped_everywhere(ready.frames, EXPOSURES).mean()
    assert clipped == pytest.approx(
        clipped_everywhere(frames_of(255, kind), EXPOSURES).mean(), rel=0.05
    )
    assert clipped > told  # From code 242 on.
    merged = merge(ready.frames, EXPOSURES, "srgb", 1)
    known = (LIGHT > 0.02) & (LIGHT < 7.5)
    assert np.abs(np.log2(merged[known] / LIGHT[known])).max() < 0.25


def test_a_bracket_that_clips_at_the_largest_code_is_left_alone():
    frames = frames_of(255)
    ready = prepared(list(frames), PLAIN)
    assert ready.levels == UNCLIPPED
    assert all(one is other for one, other in zip(ready.frames, frames, strict=True))
    fused = fuse(ready.frames)
    before = fused.copy()
    np.testing.assert_array_equal(ready.unscaled(fused), before)


def test_bands_of_all_frames_tell_the_level(monkeypatch):
    """The shortest exposure clips nowhere; of large frames only some rows are looked at."""
    frames = [np.minimum(frame, 200) if index == 0 else frame
              for index, frame in enumerate(frames_of(240))]  # fmt: skip
    assert levels_of(frames[:1]) == UNCLIPPED
    monkeypatch.setattr("hdrcnn.predict.bracket.PIXELS", 200 * 280)
    assert levels_of(frames) == pytest.approx((240 / 255,) * 3)


@pytest.mark.parametrize("method", [CLASSICAL, MERTENS])
def test_the_fused_image_has_the_white_of_its_frames(method):
    """Weights see the codes as of a bracket that clips at 255; the image stays as the frames."""
    ready = prepared(frames_of(240, np.uint16), PLAIN)
    fused = ready.unscaled(fuse(ready.frames, method))
    expected = fuse(prepared(frames_of(255, np.uint16), PLAIN).frames, method) * (240.0 / 255.0)
    # Single weights differ a lot, where all measures are small.
    assert np.percentile(np.abs(fused - expected), 99.9) < 65535 * 1e-3
    assert fused.max() <= 65535 * 240 / 255 + 1


def test_a_still_bracket_has_no_ghosts_where_it_clips():
    ready = prepared(frames_of(235), Choices(align=False))
    assert ready.moved < 0.002
    unknown = prepared(frames_of(235), Choices(align=False), levels=UNCLIPPED)
    assert unknown.moved > 0.02  # What such a level costs if it is not known.


def test_a_given_level_is_not_estimated():
    frames = frames_of(240)
    ready = prepared(list(frames), PLAIN, levels=UNCLIPPED)
    assert ready.frames[2] is frames[2]
