"""The clipping level of pictures: plateaus are found in any file, and nothing else is."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image

from hdrcnn.colour.clipping_level import (
    UNCLIPPED,
    clipping_levels,
    described,
    factors,
    histograms,
    scaled,
)
from hdrcnn.colour.transfer import srgb_encode
from hdrcnn.readers.photograph import read_photograph

DATA = Path(__file__).resolve().parents[2] / "data"
ROWS, COLUMNS = 192, 256
Y, X = np.mgrid[0:ROWS, 0:COLUMNS] / 64.0


def light(seed: int = 0, noise: float = 0.004) -> np.ndarray:
    """[H, W, 3] linear: shaded ground with texture, a window, two lamps with halos, sensor noise.
    1.0 = clipping level.
    """
    rng = np.random.default_rng(seed)
    ground = 0.12 + 0.1 * np.sin(1.7 * X + 0.4 * Y) ** 2 + 0.05 * np.sin(9 * X) * np.sin(7 * Y)
    ground[(X > 2.2) & (X < 3.4) & (Y > 0.4) & (Y < 1.6)] = 2.5
    for x, y in ((0.8, 0.9), (1.5, 2.2)):
        ground += 4.0 * np.exp(-((X - x) ** 2 + (Y - y) ** 2) / 0.05)
    rgb = ground[..., None] * np.array([1.0, 0.9, 0.8])
    return np.maximum(rgb + rng.normal(0.0, noise, rgb.shape), 0.0)


def codes_of(linear: np.ndarray, top: float | np.ndarray = 255.0) -> np.ndarray:
    """uint8 codes of light that is clipped at 1.0, which becomes the code `top`."""
    return np.round(srgb_encode(np.minimum(linear, 1.0)) * top).astype(np.uint8)


def saved(codes: np.ndarray, quality: int | None, subsampling: str = "4:2:0") -> np.ndarray:
    """Codes read back from a JPEG file of this quality, or from a PNG file if it is None."""
    if quality is None:
        return codes
    file = io.BytesIO()
    Image.fromarray(codes).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return np.asarray(Image.open(file))


def found(codes: np.ndarray) -> np.ndarray:
    return 255.0 * np.array(clipping_levels(codes))


@pytest.mark.parametrize("quality", [None, 70, 80, 95])
@pytest.mark.parametrize("top", [235, 240, 245, 250, 255])
def test_the_level_is_found_within_one_code(top, quality):
    for seed in range(3):
        codes = saved(codes_of(light(seed), top), quality)
        assert np.abs(found(codes) - top).max() <= 1.0 + 1e-9


def test_a_file_saved_twice_and_lowered_between_is_found():
    once = saved(codes_of(light()), 85)
    again = saved(np.round(once * (242 / 255)).astype(np.uint8), 80)
    assert np.abs(found(again) - 242).max() <= 1.0 + 1e-9


def unclipped() -> dict[str, np.ndarray]:
    """Pictures of all kinds in which nothing is clipped, as unrounded codes [H, W, 3]."""
    rng = np.random.default_rng(3)
    noise = rng.normal(0.0, 1.0, (ROWS, COLUMNS))
    ground = 60 + 20 * X + 30 * np.sin(3 * Y)
    glow = np.exp(-((X - 2) ** 2 + (Y - 1.5) ** 2))
    wall = np.where(X > 1.0, 239.0, ground)
    page = np.full((ROWS, COLUMNS), 240.0)
    page[20:150:9, 20:230] = rng.integers(0, 240, (15, 210))
    plain = {
        "black": np.zeros((ROWS, COLUMNS)),
        "one colour": np.full((ROWS, COLUMNS), 240.0),
        "gradient": X / X.max() * 240,
        "slow gradient": 225 + X / X.max() * 12,
        "fog": 215 + 25 * glow + noise,
        "high key": 245 * (ground / ground.max()) ** 0.3 + noise,
        "glow": 40 + 200 * glow,
        "highlight on a sphere": np.maximum(ground, 248 - 90 * ((X - 2) ** 2 + (Y - 1.5) ** 2)),
        "shaded wall": wall - 20 * X / X.max() + noise,
        "wall with grain": wall + 1.5 * noise,
        "wall with much grain": wall + 4 * noise,
        "page": page,
        "waves": 120 + 120 * np.sin(3 * X) * np.sin(4 * Y),
        "white noise": rng.uniform(0, 250, (ROWS, COLUMNS)),
    }
    tint = np.array([1.0, 0.98, 0.95])
    return {name: np.clip(codes[..., None] * tint, 0, 255) for name, codes in plain.items()}


@pytest.mark.parametrize("name", unclipped())
def test_unclipped_pictures_are_unchanged(name):
    assert clipping_levels(np.round(unclipped()[name]).astype(np.uint8)) == UNCLIPPED


@pytest.mark.parametrize("name", ["fog", "high key", "glow", "gradient", "wall with much grain"])
@pytest.mark.parametrize("quality", [70, 90])
def test_unclipped_pictures_are_unchanged_as_jpeg(name, quality):
    codes = np.round(unclipped()[name]).astype(np.uint8)
    assert clipping_levels(saved(codes, quality)) == UNCLIPPED


@pytest.mark.parametrize(
    "path", sorted([*DATA.glob("*.png"), *DATA.glob("*.jpg")]), ids=lambda path: path.name
)
def test_the_sample_pictures_clip_at_the_largest_code(path):
    assert clipping_levels(read_photograph(path).code) == UNCLIPPED


def test_a_screenshot_is_not_taken_for_clipped():
    rng = np.random.default_rng(1)
    page = np.full((ROWS, COLUMNS, 3), 240, np.uint8)
    page[:14], page[:, :30] = (60, 70, 90), (225, 228, 235)
    letters = rng.random((ROWS, COLUMNS)) < 0.03
    page[letters] = rng.integers(0, 240, (letters.sum(), 1))
    assert clipping_levels(page) == UNCLIPPED


def test_a_lamp_in_a_computed_picture_without_noise_is_found():
    codes = np.round(np.stack([40 + 30 * X, 30 + 20 * Y, 90 - 10 * X], axis=-1)).astype(np.uint8)
    codes[20:60, 30:80] = 240
    np.testing.assert_allclose(found(codes), 240, atol=1e-4)


def test_every_channel_has_its_own_level():
    """As after a warm filter applied to a clipped picture."""
    tops = np.array([252.0, 246.0, 238.0])
    np.testing.assert_allclose(found(codes_of(light() * 1.5, tops)), tops, atol=1e-4)


def test_a_channel_that_continues_above_keeps_its_codes():
    codes = codes_of(light(), np.array([240.0, 240.0, 255.0]))
    np.testing.assert_allclose(found(codes), [240, 240, 255], atol=1e-4)


def test_a_channel_that_never_clips_takes_the_level_of_the_others():
    linear = light()
    linear[..., 2] = 0.3 * np.minimum(linear[..., 2], 1.0)
    np.testing.assert_allclose(found(codes_of(linear, 240)), 240, atol=1e-4)


@settings(max_examples=20, deadline=None)
@given(top=st.integers(235, 255))
def test_eight_bits_sixteen_and_floats_have_the_same_level(top):
    codes = codes_of(light(), top)
    levels = clipping_levels(codes)
    assert clipping_levels(codes.astype(np.uint16) * 257) == levels
    assert clipping_levels(codes.astype(np.float32) / np.float32(255)) == levels


@pytest.mark.parametrize("level", [0.9239, 0.9477, 0.9715])
def test_levels_of_sixteen_bits_are_found_more_precisely(level):
    codes = np.round(srgb_encode(np.minimum(light(), 1.0)) * level * 65535).astype(np.uint16)
    np.testing.assert_allclose(clipping_levels(codes), level, atol=2e-5)


def test_transparent_pixels_do_not_count():
    codes = np.round(np.minimum(codes_of(light(), 255), 254 - 9 * X[..., None])).astype(np.uint8)
    alpha = np.ones((ROWS, COLUMNS), np.float32)
    alpha[:60], codes[:60] = 0.0, 244
    assert clipping_levels(codes) != UNCLIPPED
    assert clipping_levels(codes, alpha) == UNCLIPPED
    assert clipping_levels(codes, np.zeros_like(alpha)) == UNCLIPPED
    lamps = codes_of(light(), 240)
    lamps[:10] = 255
    alpha = np.where(np.arange(ROWS)[:, None] < 10, 0.2, np.ones((1, COLUMNS)))
    assert clipping_levels(lamps) != clipping_levels(lamps, alpha)
    np.testing.assert_allclose(255.0 * np.array(clipping_levels(lamps, alpha)), 240, atol=1e-4)


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (2, 2)])
def test_the_smallest_pictures_are_accepted(shape):
    assert clipping_levels(np.full((*shape, 3), 240, np.uint8)) == UNCLIPPED


def test_large_pictures_are_sampled_in_bands(monkeypatch):
    """Every sample of the bands counts once, and they give the same level."""
    codes = codes_of(light(), 240)
    assert histograms(codes)[0].sum() == codes.size
    monkeypatch.setattr("hdrcnn.colour.clipping_level.PIXELS", ROWS * COLUMNS // 2)
    assert histograms(codes)[0].sum() == codes.size // 2
    np.testing.assert_allclose(found(codes), 240, atol=1e-4)


@given(levels=st.tuples(*[st.floats(0.9, 1.0)] * 3))
def test_scaling_brings_the_levels_to_1_and_keeps_black(levels):
    codes = np.array([np.zeros(3), levels, np.ones(3)], np.float32)
    np.testing.assert_allclose(scaled(codes, factors(levels))[1:], 1.0, atol=1e-6)
    assert (scaled(codes, factors(levels))[0] == 0.0).all()


def test_levels_are_described_in_codes():
    assert described(UNCLIPPED) == ""
    assert described([240 / 255] * 3) == "240"
    assert re.fullmatch(r"251, 251, 249\.5", described([251 / 255, 251 / 255, 249.5 / 255]))
