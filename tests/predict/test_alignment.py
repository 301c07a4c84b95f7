"""Known movements are found to a fraction of a pixel; implausible ones are refused."""

import numpy as np
import pytest

from hdrcnn.files import ImageError
from hdrcnn.predict.alignment import (
    Alignment,
    _Features,
    _translation,
    align,
    corners,
    inside,
    plausible,
    warped,
)
from tests.predict.brackets import exposed, from_moved_camera, texture


def homography(angle: float, x: float, y: float, tilt: float = 0.0) -> np.ndarray:
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    middle = np.array([[1, 0, 210], [0, 1, 150], [0, 0, 1.0]])
    move = np.array([[c, -s, x], [s, c, y], [tilt, tilt / 2, 1.0]])
    return middle @ move @ np.linalg.inv(middle)


@pytest.mark.parametrize("exposures", [(0, -2), (0, 2), (-2, 1)])
@pytest.mark.parametrize("movement", [(0.6, 7.3, -4.8, 2e-5), (0.0, 3.4, 2.2, 0.0)])
def test_a_homography_is_recovered_at_any_exposure(exposures, movement):
    light, true = texture(), homography(*movement)
    # Pixel p of the moved frame shows true p; so pixel q of the reference is true^-1 q there.
    frames = [
        exposed(light, exposures[0]),
        exposed(from_moved_camera(light, true), exposures[1], seed=1),
    ]
    found = align(frames, 0)
    assert found[0].kind == "reference"
    assert found[1].kind == "homography"
    expected = np.linalg.inv(true)
    error = corners(found[1].matrix, 300, 420) - corners(expected, 300, 420)
    assert np.abs(error).max() < 0.5


def test_a_warped_frame_matches_the_reference():
    light, true = texture(), homography(0.5, 6.2, -3.1)
    frames = [exposed(light, 0), exposed(from_moved_camera(light, true), 0, seed=1)]
    alignment = align(frames, 0)[1]
    there = warped(frames[1], alignment)
    inner = np.s_[20:-20, 20:-20]
    after = np.abs(there[inner].astype(float) - frames[0][inner]).mean()
    before = np.abs(frames[1][inner].astype(float) - frames[0][inner]).mean()
    assert after < before / 8
    measured = inside(alignment, 300, 420, 0, 300)
    assert not measured.all()
    assert measured[inner].all()


def test_a_shift_by_whole_pixels_is_undone_exactly():
    frame = exposed(texture(64, 80), 0)
    shift = Alignment("translation", np.array([[1.0, 0, 5], [0, 1, -3], [0, 0, 1]]))
    there = warped(frame, shift)
    np.testing.assert_array_equal(there[3:, :-5], frame[:-3, 5:])
    measured = inside(shift, 64, 80, 0, 64)
    assert measured[3:, :-5].all()
    assert measured.sum() == 61 * 75
    np.testing.assert_array_equal(inside(shift, 64, 80, 10, 20), measured[10:20])


def test_frames_from_a_tripod_are_not_resampled():
    light = texture()
    frames = [exposed(light, ev, seed=i) for i, ev in enumerate((-2, 0, 2))]
    for alignment, frame in zip(align(frames, 1), frames, strict=True):
        assert not alignment.resamples
        assert warped(frame, alignment) is frame


def test_frames_from_a_tripod_that_hardly_share_a_code_are_not_resampled():
    light = texture(300, 420, 1)
    frames = [exposed(light, ev, seed=i) for i, ev in enumerate((-4.5, 0.5, 4.5))]
    assert [alignment.resamples for alignment in align(frames, 1)] == [False] * 3


@pytest.mark.parametrize("pixels", [0.5, 0.8])
def test_less_than_a_pixel_of_shake_is_undone(pixels):
    light = texture()
    matrix = np.array([[1.0, 0, pixels], [0, 1, -pixels], [0, 0, 1]])
    found = align([exposed(light, 0), exposed(from_moved_camera(light, matrix), 1.5, 1)], 0)[1]
    assert found.resamples
    assert np.abs(found.matrix[:2, 2] + matrix[:2, 2]).max() < 0.2


def test_frames_of_different_scenes_are_refused_and_named():
    frames = [exposed(texture(seed=1), 0), exposed(texture(seed=2), 0)]
    with pytest.raises(ImageError, match=r"frame 2 .* frame 1"):
        align(frames, 0)
    with pytest.raises(ImageError, match=r"b\.jpg .* a\.jpg"):
        align(frames, 0, ["a.jpg", "b.jpg"])


def test_a_black_frame_is_left_unaligned_with_a_note():
    frames = [exposed(texture(), 0), np.zeros((300, 420, 3), np.uint8)]
    found = align(frames, 0)[1]
    assert found.kind == "none"
    assert "frame 2" in found.note


@pytest.mark.parametrize("seed", [0, 1])
def test_noise_does_not_shift_a_gradient_from_a_tripod(seed):
    slope = np.linspace(0.02, 0.3, 400, dtype=np.float32)[:, None, None]
    light = np.broadcast_to(slope * np.array([0.7, 0.85, 1.0], np.float32), (400, 600, 3))
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(3, *light.shape)) * 2.5
    frames = [
        np.clip(exposed(light, ev, seed=i) + more, 0, 255).astype(np.uint8)
        for i, (ev, more) in enumerate(zip((-1.5, 0, 1.5), noise, strict=True))
    ]
    assert not any(alignment.resamples for alignment in align(frames, 1))


def test_plain_surfaces_are_not_mistaken_for_different_scenes():
    wall = np.full((200, 300, 3), 0.1, np.float32)
    frames = [exposed(wall, ev, seed=i) for i, ev in enumerate((-1, 0, 1))]
    found = align(frames, 1)
    assert [alignment.resamples for alignment in found] == [False] * 3
    assert "frame 1" in found[0].note
    with pytest.raises(ImageError, match="same scene"):
        align([frames[0], exposed(texture(200, 300), 0)], 0)


@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 2), (2, 1), (2, 2), (1, 9), (9, 1), (3, 100), (31, 1000), (63, 1000)]
)
def test_no_picture_is_too_small_or_too_narrow_for_bitmaps(shape):
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, shape, np.uint8)
    shift = _translation(frame, 255 - frame[:, ::-1])
    assert np.abs(shift[:2, 2]).max() < max(1, min(shape) / 4)
    np.testing.assert_array_equal(shift[:2, :2], np.eye(2))


@pytest.mark.parametrize("shape", [(40, 600), (33, 1000)])
def test_a_narrow_picture_is_aligned_by_bitmaps(shape):
    frame = exposed(texture(shape[0], shape[1] + 5), 0)[..., 1]
    shift = _translation(frame[:, 5:], frame[:, :-5])
    np.testing.assert_array_equal(shift[:2, 2], [5, 0])


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        (np.eye(3), True),
        (homography(1.0, 9.0, -9.0), True),
        (homography(0.0, 200.0, 0.0), False),
        (homography(30.0, 0.0, 0.0), False),
        (np.diag([1.3, 1.3, 1.0]), False),
        (np.array([[1, 0.3, 0], [0, 1, 0], [0, 0, 1.0]]), False),
        (np.diag([-1.0, 1.0, 1.0]), False),
        (np.array([[1, 0, 0], [0, 1, 0], [-1 / 300, 0, 1.0]]), False),
        (np.full((3, 3), np.nan), False),
    ],
)
def test_only_movements_of_a_hand_are_plausible(matrix, expected):
    assert plausible(matrix, 300, 420) is expected


NARROW = """
import numpy as np
from hdrcnn.predict.alignment import _translation
for shape in ((1, 1), (1, 1000), (3, 1000), (20, 1000), (63, 1000), (1000, 20), (40, 40)):
    image = np.random.default_rng(1).integers(0, 256, np.add(shape, 2), dtype=np.uint8)
    image = np.kron(image, np.ones((3, 3), np.uint8))  # Details no smaller than the shift.
    frame = image[1 : 1 + shape[0], 1 : 1 + shape[1]]
    print(*_translation(image[: shape[0], : shape[1]], frame)[:2, 2].astype(int), *shape[::-1])
"""


def test_frames_narrower_than_the_farthest_shift_do_not_crash_opencv(run_python, tmp_path):
    lines = run_python("-c", NARROW, cwd=tmp_path).stdout.splitlines()
    found = np.array([line.split() for line in lines], int)
    assert (np.abs(found[:, :2]) < found[:, 2:]).all()
    assert found[-1].tolist() == [-1, -1, 40, 40]
    assert len(found) == 7


@pytest.mark.parametrize("wrong", [np.diag([1.3, 1.3, 1.0]), homography(0.0, 30.0, 21.0)])
def test_a_shift_is_tried_where_the_homography_is_refused(wrong, monkeypatch):
    """It is no movement of a hand, or it does not bring the edges together."""
    monkeypatch.setattr(_Features, "homography", lambda here, there: wrong)
    light = texture(330, 450)
    frames = [exposed(light[10:310, 15:435], 0), exposed(light[16:316, 10:430], 1.0, seed=1)]
    found = align(frames, 0)[1]
    assert found.kind == "translation"
    np.testing.assert_allclose(found.matrix[:2, 2], [5.0, -6.0])
    assert found.agreement > 0.5
    still = align([frames[0], exposed(light[10:310, 15:435], 1.0, seed=1)], 0)[1]
    assert not still.resamples
