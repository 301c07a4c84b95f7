"""The command that computes scenes with Mitsuba, and the committed files."""

import sys

import numpy as np
import pytest

from data.compute_scenes import NOISE_SD, SHOTS, light
from hdrcnn.colour.transfer import MEAN_CURVE_N, MEAN_CURVE_S, inverse_camera_curve
from hdrcnn.files import ImageError
from hdrcnn.readers.hdr import read_exr
from hdrcnn.readers.photograph import read_ldr
from hdrcnn.writers.exr import HALF_MAX
from tests.apart import separate_process
from tests.conftest import ROOT


def test_command_writes_reproducible_pictures_that_match_their_truths(tmp_path, run_python):
    settings = ("--scale=0.06", "--samples=8", "--scene=night_market", "--scene=white_court")
    for folder in ("a", "b"):
        done = run_python(
            ROOT / "data" / "compute_scenes.py", *settings, f"--out_dir={folder}", cwd=tmp_path
        )
        assert done.stdout.count("clipped") == 2
    names = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.*"))
    assert [name.as_posix() for name in names] == [
        "night_market.png",
        "truth/night_market.exr",
        "truth/white_court.exr",
        "white_court.png",
    ]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    truth = read_exr(tmp_path / "a" / "truth" / "night_market.exr")
    height, width = SHOTS["night_market"].size
    assert truth.shape == (round(0.06 * height), round(0.06 * width), 3)
    assert np.mean(truth < 1.0) == pytest.approx(SHOTS["night_market"].unclipped, abs=0.005)


@pytest.mark.parametrize(
    ("flag", "says"), [("--samples=6", "samples"), ("--scene=moon", "moon"), ("--scale=0", "scale")]
)
def test_command_refuses_bad_flags_without_a_traceback(tmp_path, run_python, flag, says):
    done = run_python(
        ROOT / "data" / "compute_scenes.py", flag, "--out_dir=out", cwd=tmp_path, status=1
    )
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out" / "truth").exists()


def test_without_mitsuba_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mitsuba", None)
    with pytest.raises(ImageError, match=r"white_court.*mitsuba.*\[scenes\]"):
        light("white_court", 0.05, 8, lambda share: None)


@pytest.fixture(scope="module")
def apart():
    """Calls a function of `photometry`."""
    yield from separate_process("tests.data.photometry")


@pytest.mark.parametrize("name", SHOTS)
def test_light_is_finite_and_exposed_for_the_shot(name, apart):
    shot = SHOTS[name]
    exposed, told = apart("light", name)
    assert exposed.shape == (*(round(0.05 * side) for side in shot.size), 3)
    assert np.isfinite(exposed).all()
    assert (exposed >= 0).all()
    assert np.mean(exposed < 1.0) == pytest.approx(shot.unclipped, abs=0.005)
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_denoising_does_not_leak_a_lamp_into_the_wall_beside_it(apart):
    image = np.ones((50, 50, 3), np.float32)
    image[20:30, 20:30] = 3000.0
    result = apart("cleaned", image, 0.1)
    wall = result[image == 1.0]
    assert wall.max() < 1.15
    assert np.std(wall) < 0.5 * 0.1 / np.sqrt(8)
    np.testing.assert_allclose(result[22:28, 22:28], 3000.0, rtol=0.1)


def test_denoising_leaves_a_clean_image_unchanged(apart):
    image = np.random.default_rng(3).uniform(0.5, 2.0, (40, 40, 3)).astype(np.float32)
    np.testing.assert_allclose(apart("cleaned", image, 0.0), image, rtol=2e-3)


# Photometry that can be written down


@pytest.mark.parametrize(
    ("surface", "low", "high"),
    [
        (("matt", (0.5, 0.5, 0.5)), 0.5, 0.5),
        (("metal", (0.6, 0.6, 0.6)), 0.6, 0.6),
        (("metal", (1.0, 1.0, 1.0), 0.2), 0.9, 1.0),
        (("glazed", (1.0, 1.0, 1.0)), 0.9, 1.0),
        (("glazed", (0.3, 0.3, 0.3), 0.2), 0.25, 0.4),
    ],
)
def test_a_sphere_in_a_furnace_reflects_its_albedo(surface, low, high, apart):
    assert 97.0 * low <= apart("furnace", *surface) <= 103.0 * high


def test_a_lamp_lights_the_floor_by_the_inverse_square(apart):
    expected = 0.5 * np.array([1000.0, 500.0, 100.0]) * (0.1 / 3.0) ** 2
    np.testing.assert_allclose(apart("floor", (1000.0, 500.0, 100.0), 0.5), expected, rtol=0.02)


def test_the_sun_has_its_position_and_true_size(apart):
    light = apart("sun", 5.0, 10.0, 2.0)
    rows, columns = np.nonzero(light > 0.3 * light.max())
    assert (rows.mean(), columns.mean()) == pytest.approx((39.5, 39.5), abs=1.0)
    assert np.sqrt(4.0 * rows.size / np.pi) / 40.0 == pytest.approx(0.53, rel=0.05)


@pytest.mark.parametrize(
    ("centre", "longitude", "latitude"),
    [((0, 0, -4), 0, 0), ((4, 0, 0), 90, 0), ((-4, 0, 0), -90, 0), ((2.8, 2.8, 0), 90, 45)],
)
def test_a_panorama_shows_every_direction_in_its_place_without_seams(
    centre, longitude, latitude, apart
):
    image = apart("panorama", centre)
    row, column = np.unravel_index(np.argmax(image), image.shape)
    assert abs(90.0 - (row + 0.5) / 32 * 180.0 - latitude) < 10.0
    assert abs((column + 0.5) / 64 * 360.0 - 180.0 - longitude) < 10.0
    assert np.median(image) == pytest.approx(1.0, rel=1e-3)
    assert image.min() == pytest.approx(1.0, rel=1e-3)


# The committed files


@pytest.mark.parametrize("name", SHOTS)
def test_committed_picture_is_a_photograph_of_its_truth(name):
    shot = SHOTS[name]
    code = read_ldr(ROOT / "data" / f"{name}.png")
    truth = read_exr(ROOT / "data" / "truth" / f"{name}.exr").astype(np.float32)
    assert truth.shape == code.shape == (*shot.size, 3)
    assert (truth >= 0).all()
    assert truth.max() < HALF_MAX
    # Half floats are coarse: samples at the clipping level may have been rounded across it.
    assert np.mean(truth < 0.999) <= shot.unclipped <= np.mean(truth < 1.001)

    # A sample's code gives two bounds of its light, apart from six deviations of noise and the
    # rounding to half floats.
    half_code, spare = 0.5 / 255.0, 6.0 * NOISE_SD + 1e-3 * truth
    curve = (MEAN_CURVE_N, MEAN_CURVE_S)
    lowest = inverse_camera_curve(np.maximum(code - half_code, 0.0), *curve)
    highest = inverse_camera_curve(np.minimum(code + half_code, 1.0), *curve)
    highest = np.where(code == 1.0, np.inf, highest)
    assert (truth >= lowest - spare).all()
    assert (truth <= highest + spare).all()

    # The noise has its deviation, measured where codes are finer than it.
    fine = (code > 0.1) & (code < 0.5)
    error = inverse_camera_curve(code[fine], *curve) - truth[fine]
    assert np.std(error) == pytest.approx(NOISE_SD, rel=0.3)
    assert abs(np.mean(error)) < 2e-4


@pytest.mark.parametrize("name", SHOTS)
def test_committed_truth_has_structured_highlights_and_no_noise(name):
    truth = read_exr(ROOT / "data" / "truth" / f"{name}.exr").astype(np.float32)
    clipped = truth.max(axis=-1) >= 1.0
    assert np.ptp(np.log2(truth.max(axis=-1)[clipped])) > 3.0
    # Single pixels that stand out from all their neighbours would be fireflies.
    light = np.log2(truth.max(axis=-1) + 1e-3)
    rows, columns = light.shape
    around = np.stack(
        [
            light[1 + i : rows - 1 + i, 1 + j : columns - 1 + j]
            for i in (-1, 0, 1)
            for j in (-1, 0, 1)
            if i or j
        ]
    )
    assert np.mean(light[1:-1, 1:-1] - around.max(axis=0) > 1.0) < 2e-5


def test_jpeg_twin_is_the_same_photograph():
    original = read_ldr(ROOT / "data" / "night_market.png")
    twin = read_ldr(ROOT / "data" / "night_market_q92.jpg")
    assert np.abs(original - twin).mean() < 0.02
