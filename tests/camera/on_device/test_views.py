"""Views and exposures on tensors, compared with those of the host."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from keras import ops

from training_code.camera import Camera, expose, shots as host
from training_code.camera.on_device import atlas, exposure, views
from training_code.scenes.collection import Scene
from training_code.scenes.views import Views

SIZE = 32
VIEWS = Views(crop=(0.1, 0.9))


def smooth(name: str, rows: int, columns: int) -> Scene:
    """Waves in [0.5, 2.5] that join at the seam of a panorama, smooth enough for a view."""
    y, x = (np.mgrid[0:rows, 0:columns] + 0.5) / [[[rows]], [[columns]]]
    waves = [
        1.5 + np.sin(2 * np.pi * (k * x + phase)) * np.cos(3.0 * y + phase)
        for k, phase in ((1, 0.1), (1, 0.4), (2, 0.7))
    ]
    return Scene(name, name, np.stack(waves, axis=-1).astype(np.float16))


SCENES = [
    smooth("a", 64, 128),
    smooth("b", 300, 400),
    smooth("c", 1024, 2048),
    smooth("d", 401, 213),
]
ATLAS = atlas.build(SCENES, VIEWS, SIZE)


def shots_of(of: int, count: int, **changes: Any) -> list[host.Shot]:
    """Draw `count` shots of scene number `of`, then replace the fields in `changes`."""
    drawn = [
        host.draw_shot(SCENES, [[of]], VIEWS, Camera(), (2, 0, 0, item, 0), SIZE)
        for item in range(count)
    ]
    return [dataclasses.replace(shot, **changes) for shot in drawn]


def render(shots: list[host.Shot], scenes: atlas.Atlas = ATLAS) -> np.ndarray:
    stacked = {name: ops.convert_to_tensor(x) for name, x in host.stack(shots).items()}
    pixels = ops.convert_to_tensor(scenes.pixels)
    return np.asarray(views.render(pixels, scenes, stacked, SIZE))


def looks(shots: list[host.Shot]) -> np.ndarray:
    return np.stack([host.look(SCENES[shot.scene], shot, SIZE) for shot in shots])


@settings(max_examples=20, deadline=None)
@given(
    yaw=st.floats(-180, 180),
    pitch=st.floats(-90, 90),
    fov=st.floats(30, 110),
    mirror=st.booleans(),
)
def test_panorama_views_match_the_host_even_at_seam_and_poles(yaw, pitch, fov, mirror):
    shots = shots_of(0, 2, yaw=yaw, pitch=pitch, fov=fov, mirror=mirror)
    np.testing.assert_allclose(render(shots), looks(shots), rtol=1e-3)


def test_a_panorama_much_larger_than_the_view_is_read_at_a_reduced_level():
    shots = shots_of(2, 6)
    kept = ATLAS.columns[2]
    assert kept.max() < 2048
    np.testing.assert_allclose(render(shots), looks(shots), rtol=0.02)


@pytest.mark.parametrize("side", [32, 41, 75, 127])
def test_crops_reduced_less_than_4_times_are_area_averages(side):
    shots = shots_of(1, 3, top=7, left=30, side=side)
    np.testing.assert_allclose(render(shots), looks(shots), rtol=2e-5)


@pytest.mark.parametrize("scene", [1, 3])
def test_crops_reduced_more_are_area_averages_within_3_per_cent(scene):
    shots = shots_of(scene, 12)
    assert max(shot.side for shot in shots) > 5 * SIZE
    np.testing.assert_allclose(render(shots), looks(shots), rtol=0.03)


def test_fine_patterns_do_not_alias():
    """Only the mean of a chequerboard is left."""
    board = np.indices((512, 512)).sum(axis=0) % 2
    scene = Scene("a", "a", np.repeat(board[..., None], 3, axis=-1).astype(np.float16))
    laid_out = atlas.build([scene], Views(crop=(0.3, 0.9)), SIZE)
    shots = shots_of(1, 3, scene=0, top=11, left=5, side=307)
    np.testing.assert_allclose(render(shots, laid_out), 0.5, atol=1e-3)


def test_a_shot_does_not_depend_on_its_batch():
    shots = [shot for scene in (0, 1, 2, 3) for shot in shots_of(scene, 2)]
    together = render(shots)
    apart = np.concatenate([render([shot]) for shot in shots])
    np.testing.assert_allclose(together, apart, rtol=1e-6)


def test_mirrored_shots_are_mirror_images():
    for scene in (0, 1):
        plain, mirrored = (render(shots_of(scene, 2, mirror=mirror)) for mirror in (False, True))
        np.testing.assert_allclose(mirrored, plain[:, :, ::-1], rtol=1e-5)


@settings(max_examples=40, deadline=None)
@given(
    unclipped=st.floats(0.02, 0.98),
    spread=st.floats(0.1, 4.0),
    unit=st.floats(1e-3, 50.0),
    levels=st.sampled_from([2, 7, 10_000]),
    seed=st.integers(0, 1000),
)
def test_exposures_match_the_host(unclipped, spread, unit, levels, seed):
    """For any unit, contrast and number of equal samples."""
    rng = np.random.default_rng(seed)
    light = np.float32(unit) * np.exp(spread * rng.standard_normal((2, 9, 8, 3)))
    steps = np.quantile(light, np.linspace(0, 1, levels))
    light = steps[np.searchsorted(steps, light, side="right") - 1].astype(np.float32)
    # Halfway between two ranks, so that rounding to float32 cannot pick the next one.
    share = (np.floor(unclipped * 216) + 0.5) / 216
    exposed = exposure.expose(
        ops.convert_to_tensor(light), ops.convert_to_tensor(np.array([share, share], np.float32))
    )
    expected = np.stack([expose(image, share) for image in light])
    np.testing.assert_allclose(np.asarray(exposed), expected, rtol=1e-5)


def test_an_image_that_is_black_up_to_its_level_becomes_black():
    light = np.zeros((3, 8, 8, 3), np.float32)
    light[0, :4], light[1], light[2, 0, 0] = 5.0, 1e-6, 60_000.0
    shares = ops.convert_to_tensor(np.full(3, 0.9, np.float32))
    exposed = np.asarray(exposure.expose(ops.convert_to_tensor(light), shares))
    np.testing.assert_allclose(exposed[0], light[0] / 5.0, rtol=1e-5)
    np.testing.assert_allclose(exposed[1], 1.0, rtol=1e-5)
    assert (exposed[2] == 0).all()
