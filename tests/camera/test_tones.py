"""A camera's shoulder, applied and removed: inverses, end points, what must not change."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from training_code.camera import Camera, Exposure, RandomStream, Sensor, Tones, generator, tones
from training_code.camera.development import Development
from training_code.camera.shots import draw_shot, take
from training_code.scenes.collection import Scene
from training_code.scenes.views import Views
from training_code.tasks import hdrcnn
from training_code.tasks.hdrcnn_settings import Config
from training_code.tasks.settings import Running

RNG = np.random.default_rng(4)
LIGHT = np.exp(RNG.normal(-1.0, 1.0, (96, 128, 3)))
PLAIN = Camera(
    Exposure(unclipped=(0.7, 0.7)),
    Sensor(noise_sd=(0.0, 0.0)),
    Development(hue_sd=0.0, saturation_sd=0.0, curves=(0.0, 1.0, 0.0)),
)
HDR = Scene("hdr", "hdr", LIGHT.astype(np.float16))
ORDINARY = Scene(
    "ldr", "ldr", np.minimum(0.2 * LIGHT, 0.9).astype(np.float16), ceiling=1.0, linearised=True
)
KNEES, STEEPS = st.floats(*tones.KNEE), st.floats(*tones.STEEPNESS)


def taken(
    scene: Scene, bent: Tones, item: int = 0
) -> tuple[np.ndarray, np.ndarray, tones.Shoulder]:
    """Codes and target of one shot, and the shoulder that was drawn for it."""
    camera = dataclasses.replace(PLAIN, tones=bent)
    shot = draw_shot([scene], [[0]], Views(crop=(1.0, 1.0)), camera, (3, 0, 0, item, 0), 96)
    shoulder = tones.Shoulder(*(getattr(shot, name) for name in tones.Shoulder._fields))
    return *take(scene, shot, 96), shoulder


@given(KNEES, STEEPS, st.floats(0.0, 1.0))
def test_compress_inverts_expand(knee, steepness, light):
    opened = tones.expand(np.float64(light), knee, steepness)
    assert opened >= light - 1e-12
    assert tones.compress(opened, knee, steepness) == pytest.approx(light, abs=1e-9)


@given(KNEES, STEEPS)
def test_shoulders_rise_and_keep_the_tones_below_the_knee(knee, steepness):
    light = np.linspace(0.0, 4.0, 4001)
    put_on = tones.compress(light, knee, steepness)
    assert np.all(np.diff(put_on) > 0)
    np.testing.assert_array_equal(put_on[light <= knee], light[light <= knee])
    # Smooth at the knee: it starts with the slope of the light below.
    assert np.diff(put_on)[np.searchsorted(light, knee) + 1] == pytest.approx(0.001, rel=0.02)
    end = tones.compress(np.float64(1e6), knee, steepness)
    assert end == pytest.approx(knee + (1.0 - knee) / steepness)
    off = tones.expand(light[light <= 1.0], knee, steepness)
    assert np.all(np.diff(off) > 0)
    # The value of 1.0: compress inverted by hand.
    room = (1.0 - knee) / steepness
    assert off[-1] == pytest.approx(knee - room * np.log(1.0 - steepness))


@given(st.floats(0.0, 1.0), st.floats(0.0, 9.0))
def test_highlights_are_scaled_in_stops_above_clipping(scale, stops):
    assert np.log2(tones.scale_highlights(np.float64(2.0**stops), scale)) == pytest.approx(
        scale * stops
    )
    assert tones.scale_highlights(np.float64(0.3), scale) == 0.3


def test_tones_are_unchanged_by_default_and_for_the_other_kind():
    for scene in (HDR, ORDINARY):
        assert taken(scene, Tones())[2] == tones.NEUTRAL
    # Each share applies to one kind of scene.
    assert taken(HDR, Tones(expanded=1.0, held=0.5))[2] == tones.NEUTRAL
    assert taken(ORDINARY, Tones(compressed=1.0))[2] == tones.NEUTRAL


def test_tones_are_changed_in_their_shares():
    asked = Tones(compressed=0.3, expanded=0.6, held=0.8)
    draws = [generator((1, 0, 0, item, 0), RandomStream.TONES) for item in range(4000)]
    compressed = [asked.draw(rng, False).shoulder_unclipped > 0 for rng in draws[::2]]
    others = [asked.draw(rng, True) for rng in draws[1::2]]
    assert np.mean(compressed) == pytest.approx(0.3, abs=0.04)
    assert np.mean([shoulder.knee < 1.0 for shoulder in others]) == pytest.approx(0.6, abs=0.04)
    assert all((shoulder.highlight_scale == 0.8) == (shoulder.knee == 1.0) for shoulder in others)


def test_a_shoulder_lowers_highlights_and_codes_still_clip_with_the_target():
    plain = taken(HDR, Tones())[1]
    for item in range(8):
        codes, target, shoulder = taken(HDR, Tones(compressed=1.0), item)
        assert shoulder.shoulder_unclipped > 0
        assert target.max() < plain.max()
        np.testing.assert_array_equal(codes == 255, target >= srgb_white())
        # The order of the light is kept.
        order = np.argsort(taken(HDR, Tones(), item)[1], axis=None)
        assert np.all(np.diff(target.ravel()[order]) >= -1e-5)


def srgb_white() -> float:
    """Smallest linear light that is stored as 255."""
    return float(((254.5 / 255.0 + 0.055) / 1.055) ** 2.4)


def test_removing_a_shoulder_raises_highlights():
    plain = taken(ORDINARY, Tones())[1]
    for item in range(8):
        _, target, shoulder = taken(ORDINARY, Tones(expanded=1.0), item)
        assert shoulder.knee < 1.0
        assert np.isfinite(target).all()
        assert target.max() > plain.max()


def test_scaled_highlights_change_targets_above_1_and_not_the_picture():
    codes, target, _ = taken(ORDINARY, Tones())
    scaled_codes, scaled, _ = taken(ORDINARY, Tones(held=0.5))
    np.testing.assert_array_equal(codes, scaled_codes)
    np.testing.assert_allclose(scaled[target > 1], np.sqrt(target[target > 1]), rtol=1e-5)
    np.testing.assert_array_equal(scaled[target <= 1], target[target <= 1])


@pytest.mark.parametrize("name", ["compressed", "expanded", "held"])
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), "some"])
def test_impossible_shares_are_refused(name, value):
    with pytest.raises(ValueError, match=name):
        Tones(**{name: value})


@pytest.mark.parametrize(
    ("bent", "lacking"),
    [
        (Tones(compressed=0.1), "scenes"),
        (Tones(expanded=0.1), "photographs"),
        (Tones(held=0.9), "photographs"),
    ],
)
def test_tones_need_scenes_of_the_kind_they_change(bent, lacking):
    """A training without any scene of the kind that the tones change is refused."""
    kinds = {"photographs": ORDINARY, "scenes": HDR}
    config = Config(width=2, tones=bent)
    for name, scene in kinds.items():
        if name != lacking:
            with pytest.raises(ValueError, match="tones"):
                hdrcnn.prepare(config, [scene, scene], Path(), Running())
    hdrcnn.prepare(config, [*kinds.values()], Path(), Running())
    hdrcnn.prepare(config, [kinds[lacking]], Path(), Running())
