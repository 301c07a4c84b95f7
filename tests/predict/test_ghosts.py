"""Movers appear once, and what did not move is unchanged."""

import cv2
import numpy as np
import pytest

from hdrcnn.colour.transfer import srgb_decode, srgb_encode
from hdrcnn.predict import ghosts
from hdrcnn.predict.bracket import Choices, prepared
from hdrcnn.predict.fusion import fuse
from hdrcnn.predict.intensity_mapping import HIGH, best_exposed, mapped, mappings, matched
from tests.predict.brackets import exposed, texture

EVS = (-1.5, 0.0, 1.5)
PLACES = (60, 160, 260)
SIDE = 50


def bracket(mover: bool = True) -> list[np.ndarray]:
    """Frames with a red square at a different place in each."""
    frames = []
    for index, (ev, left) in enumerate(zip(EVS, PLACES, strict=True)):
        light = texture()
        if mover:
            light[120 : 120 + SIDE, left : left + SIDE] = (0.35, 0.02, 0.02)
        frames.append(exposed(light, ev, seed=index))
    return frames


def red(frame: np.ndarray, left: int) -> float:
    """Mean red minus green at the place of a square, in 8-bit codes."""
    part = frame[130 : 120 + SIDE - 10, left + 10 : left + SIDE - 10].astype(float)
    part = part / (257 if frame.dtype == np.uint16 else 1)
    return float((part[..., 0] - part[..., 1]).mean())


@pytest.mark.parametrize("reference", [1, 2, 3])
def test_a_mover_appears_once_where_the_reference_has_it(reference):
    ready = prepared(bracket(), Choices(align=False, reference=reference))
    assert 0.02 < ready.moved < 0.2
    still = fuse(bracket(mover=False))
    fused = fuse(ready.frames)
    for index, left in enumerate(PLACES):
        here, without = red(fused, left), red(still, left)
        if index == reference - 1:
            assert here > without + 60
        else:
            assert abs(here - without) < 25


def test_without_ghost_removal_a_mover_appears_several_times():
    fused = fuse(prepared(bracket(), Choices(align=False, deghost=False)).frames)
    still = fuse(bracket(mover=False))
    assert sum(red(fused, left) > red(still, left) + 8 for left in PLACES) > 1


def test_still_frames_are_hardly_changed():
    frames = bracket(mover=False)
    before = [frame.copy() for frame in frames]
    ready = prepared(frames, Choices(align=False))
    assert ready.moved < 0.002
    touched = [(a != b).any(axis=-1).mean() for a, b in zip(ready.frames, before, strict=True)]
    assert max(touched) < 0.005


def noisy(light, ev, photons, read, jpeg, seed):
    """A frame with noise of `photons` electrons at the clipping level and read noise `read`."""
    rng = np.random.default_rng(seed)
    signal = light * 2.0**ev
    signal = signal + rng.normal(size=light.shape) * np.sqrt(signal / photons + read**2)
    codes = np.round(255.0 * srgb_encode(np.clip(signal, 0.0, 1.0))).astype(np.uint8)
    if jpeg:
        _, file = cv2.imencode(".jpg", codes[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, jpeg])
        codes = np.ascontiguousarray(cv2.imdecode(file, cv2.IMREAD_COLOR)[..., ::-1])
    return codes


@pytest.mark.parametrize("jpeg", [0, 88])
@pytest.mark.parametrize(("photons", "read"), [(1e6, 0.0), (2e4, 1e-3), (4e3, 4e-3), (1e3, 1e-2)])
def test_noise_is_not_mistaken_for_movement(photons, read, jpeg):
    frames = [noisy(texture(seed=3), ev, photons, read, jpeg, seed=i) for i, ev in enumerate(EVS)]
    for reference in range(3):
        assert ghosts.find(frames, reference).share < 0.01


@pytest.mark.parametrize(("photons", "read"), [(1e6, 0.0), (2e4, 1e-3), (4e3, 4e-3)])
def test_a_mover_of_modest_contrast_is_found(photons, read):
    light = texture()
    moved = light.copy()
    moved[100:150, 250:300] *= 0.6  # 0.7 stops: a shadow.
    frames = [noisy(x, ev, photons, read, 0, i) for i, (x, ev) in enumerate([(light, 0),
                                                                         (moved, 2)])]  # fmt: skip
    found = ghosts.find(frames, 0, named=True).masks[1]
    assert found[105:145, 255:295].mean() > 0.7
    found[90:160, 240:310] = 0.0
    assert found.mean() < 0.01


def test_movement_in_the_shadows_of_the_dark_frame_is_found():
    slope = np.geomspace(1.0, 30.0, 420)[None, :, None]
    light = np.asarray(0.003 * slope * texture() ** 0.2)
    moved = light.copy()
    moved[100:150, 50:100] *= 3.0
    frames = [noisy(light, 0, 2e4, 2e-4, 0, 0), noisy(moved, 4, 2e4, 2e-4, 0, 1)]
    assert frames[0][100:150, 50:100].max() < 24
    assert ghosts.find(frames, 0, named=True).masks[1][105:145, 55:95].mean() > 0.9


@pytest.mark.parametrize(("ev", "expected"), [(-2.0, 0), (-6.0, 1)])
def test_a_darker_frame_stands_in_if_it_shows_more_than_noise(ev, expected):
    """The mover is clipped in the reference; at its place the darker frame has usable codes, or
    almost none.
    """
    light = 0.2 * texture() ** 0.2
    other = light.copy()
    light[100:160, 100:160] = 3.0
    found = ghosts.find([exposed(other, ev), exposed(light, 0.0, seed=1)], 1)
    assert (found.origins[110:150, 110:150] == expected).all()


def test_detection_at_half_size_finds_the_same(monkeypatch):
    frames = bracket()
    whole = ghosts.find(frames, 1).masks
    monkeypatch.setattr(ghosts, "HALVED", 64)
    halved = ghosts.find(frames, 1).masks
    assert whole.max() == 1.0
    assert np.abs(whole - halved).mean() < 2e-3


def test_strips_match_the_whole(monkeypatch):
    frames = [bracket(), bracket()]
    for each, strip in zip(frames, (1000, 32), strict=True):
        monkeypatch.setattr(ghosts, "STRIP", strip)
        ghosts.replace(each, ghosts.find(each, 1), None, 1)
    for one, other in zip(*frames, strict=True):
        np.testing.assert_array_equal(one, other)


def test_frames_that_differ_everywhere_are_unchanged_with_a_note():
    frames = [exposed(texture(seed=1), 0), exposed(texture(seed=2), 0)]
    found = ghosts.find(frames, 0)
    assert found.share == 0.0
    assert "ghosts" in found.note


def test_the_reference_fills_places_outside_a_frame():
    frames = bracket(mover=False)
    frames[2][:, :20] = 0
    movement = ghosts.find(frames, 1)

    def inside(index, top, bottom):
        return np.broadcast_to(np.arange(420) >= (20 if index == 2 else 0), (bottom - top, 420))

    ghosts.replace(frames, movement, inside, 1)
    expected = bracket(mover=False)[2]
    assert np.abs(frames[2][:, :20].astype(float) - expected[:, :20]).mean() < 8


def test_the_mapping_matches_the_exposures():
    light = texture()
    first, second = exposed(light, 0), exposed(light, 1.5, seed=1)
    codes = np.arange(20, 130)
    true = 255 * srgb_encode(np.minimum(srgb_decode(codes / 255.0) * 2**1.5, 1.0))
    for table in (*mappings(first, second), matched(first[..., 1], second[..., 1])):
        assert (np.diff(table) >= 0).all()
        np.testing.assert_allclose(table[codes], true, atol=6)
    middle = np.full((1, 1, 3), 70.5, np.float32)
    tables = mappings(first, second)
    np.testing.assert_allclose(
        mapped(middle, tables)[0, 0], tables[:, 70:72].mean(axis=1), rtol=1e-5
    )


def test_a_change_of_white_balance_gets_a_table_for_each_channel():
    light = texture()
    first, second = exposed(light, 0), exposed(light * [1.0, 1.0, 1.8], 0, seed=1)
    tables = mappings(first, second)
    assert tables[2, 100] > tables[0, 100] + 15
    assert ghosts.find([first, second.astype(np.uint8)], 0).share < 0.05


def test_the_best_exposed_frame_is_the_one_that_is_clipped_least():
    light = texture()
    assert best_exposed([exposed(light, ev) for ev in (-6, 0, 5)]) == 1


def test_colour_noise_is_not_amplified_and_luma_is_unchanged():
    rng = np.random.default_rng(0)
    code = np.float32(12.0) + rng.normal(0.0, 2.0, (60, 80, 3)).astype(np.float32)
    steep = np.tile(np.minimum(np.arange(256) * 6.0, 255.0).astype(np.float32), (3, 1))
    found = ghosts.denoise_chroma(code, steep)
    np.testing.assert_allclose(found.mean(axis=-1), code.mean(axis=-1), atol=1e-3)
    spread = [float((each - each.mean(axis=-1, keepdims=True)).std()) for each in (code, found)]
    assert spread[1] < 0.25 * spread[0]
    gentle = np.tile(np.arange(256, dtype=np.float32), (3, 1))
    np.testing.assert_array_equal(ghosts.denoise_chroma(code, gentle), code)


@pytest.mark.parametrize("working", [1500, 250])
def test_the_border_that_an_aligned_frame_does_not_cover_has_not_moved(working, monkeypatch):
    """Three views of a still scene, then with a mover at the rim of what all of them cover."""
    monkeypatch.setattr(ghosts, "WORKING", working)
    light, found = texture(420, 560, 5), []
    for mover in (False, True):
        frames = []
        for index, ev in enumerate(EVS):
            view = light.copy()
            if mover:
                view[300:360, 60 + 80 * index : 120 + 80 * index] = (0.35, 0.02, 0.02)
            top, left = 40 + 18 * (index - 1), 50 + 30 * (index - 1)
            frames.append(exposed(view[top : top + 340, left : left + 460], ev, seed=index))
        ready = prepared(frames, Choices(reference=2))
        assert [each.kind for each in ready.alignments] == ["homography", "reference", "homography"]
        found.append(ready.moved)
    assert found[0] == 0.0
    assert 1.0 < found[1] * (340 * 460) / (3 * 60 * 60) < 1.6  # Regions are grown a little.


@pytest.mark.parametrize(("first", "expected"), [(0, 0), (200, 1)])
def test_a_frame_stands_in_only_where_it_has_data(first, expected):
    light = 0.2 * texture() ** 0.2
    other = light.copy()
    light[100:160, 100:160] = 3.0
    dark = exposed(other, -2.0)
    dark[:, :first] = dark[:, first : first + 1]

    def inside(index, top, bottom):
        least = first if index == 0 else 0
        return np.broadcast_to(np.arange(dark.shape[1]) >= least, (bottom - top, dark.shape[1]))

    found = ghosts.find([dark, exposed(light, 0.0, seed=1)], 1, inside=inside)
    assert (found.origins[110:150, 110:150] == expected).all()


def test_the_best_exposed_frame_counts_the_code_from_which_on_samples_may_be_clipped():
    """The second has the better mean, and a tenth of its pixels at that code."""
    plain, clipped = np.full((2, 20, 20, 3), 110, np.uint8)
    clipped[:] = 100
    clipped[:2] = HIGH
    assert best_exposed([plain, clipped]) == 0
    clipped[:2] = HIGH - 1
    assert best_exposed([plain, clipped]) == 1
