"""The command that computes the samples, its denoising, and the committed files."""

import numpy as np
import pytest

from data import compute_scenes
from data.compute_scenes import NOISE_SD, SHOTS
from data.scenes import denoise as denoising
from data.scenes.denoise import denoise
from hdrcnn.colour.transfer import inverse_camera_curve
from hdrcnn.readers.hdr import read_exr
from hdrcnn.readers.photograph import read_ldr
from hdrcnn.writers.exr import HALF_MAX
from tests.conftest import ROOT


def noisy_pair(image: np.ndarray, relative_sd: float) -> list[np.ndarray]:
    rng = np.random.default_rng(6)
    return [
        (image * (1 + relative_sd * rng.standard_normal(image.shape))).astype(np.float32)
        for _ in range(2)
    ]


def test_noise_is_taken_off_and_the_mean_kept():
    ramp = np.broadcast_to(np.linspace(1.0, 2.0, 80)[:, None], (60, 80, 3))
    first, second = noisy_pair(ramp, 0.05)
    before = np.sqrt(np.mean(((first + second) / 2 - ramp) ** 2))
    result = denoise(first, second)
    assert np.sqrt(np.mean((result - ramp) ** 2)) < 0.3 * before
    assert result.mean() == pytest.approx(ramp.mean(), rel=2e-3)


def test_without_noise_nothing_changes():
    image = np.random.default_rng(3).uniform(0.5, 2.0, (40, 40, 3)).astype(np.float32)
    np.testing.assert_allclose(denoise(image, image), image, rtol=1e-3)


@pytest.mark.parametrize("shape", [(1, 1), (5, 40), (40, 5), (7, 7), (8, 3)])
def test_pictures_smaller_than_the_window_are_averaged_too(shape):
    first, second = noisy_pair(np.full((*shape, 3), 2.0), 0.05)
    result = denoise(first, second)
    low, high = np.minimum(first, second).min((0, 1)), np.maximum(first, second).max((0, 1))
    assert result.shape == first.shape
    assert (low * (1 - 1e-5) <= result).all()
    assert (result <= high * (1 + 1e-5)).all()


def test_bright_lamp_does_not_leak_into_the_wall_beside_it():
    image = np.ones((50, 50, 3), np.float32)
    image[20:30, 20:30] = 3000.0
    result = denoise(*noisy_pair(image, 0.05))
    wall = result[image == 1.0]
    assert wall.max() < 1.15
    np.testing.assert_allclose(result[22:28, 22:28], 3000.0, rtol=0.1)


def test_denoising_does_not_depend_on_its_tiles(monkeypatch):
    pair = noisy_pair(np.random.default_rng(3).uniform(0.5, 2.0, (50, 30, 3)), 0.2)
    whole = denoise(*pair)
    monkeypatch.setattr(denoising, "TILE_ROWS", 17)
    np.testing.assert_allclose(denoise(*pair), whole, rtol=2e-5)


# The command


def test_command_writes_pictures_and_truths_that_agree_and_repeat(tmp_path, run_python):
    settings = ("--scale=0.06", "--samples=4", "--scene=night_market", "--scene=white_court")
    for folder in ("a", "b"):
        done = run_python(
            ROOT / "data" / "compute_scenes.py", *settings, f"--out_dir={folder}", cwd=tmp_path
        )
        assert done.stdout.count("clipped") == 2
    names = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.*"))
    assert [name.as_posix() for name in names] == [
        "night_market.png",
        "night_market_q92.jpg",
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
    ("flag", "says"),
    [("--samples=6", "power of two"), ("--scene=moon", "moon"), ("--scale=0", "scale")],
)
def test_command_refuses_in_one_line(tmp_path, run_python, flag, says):
    done = run_python(
        ROOT / "data" / "compute_scenes.py", flag, "--out_dir=out", cwd=tmp_path, status=1
    )
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out" / "truth").exists()


@pytest.mark.parametrize("name", SHOTS)
def test_light_is_finite_and_exposed_for_the_shot(name):
    shot = SHOTS[name]
    told: list[float] = []
    exposed = compute_scenes.light(shot, 0.05, 4, told.append)
    assert exposed.shape == (*(round(0.05 * side) for side in shot.size), 3)
    assert np.isfinite(exposed).all()
    assert (exposed >= 0).all()
    assert np.mean(exposed < 1.0) == pytest.approx(shot.unclipped, abs=0.005)
    assert told == sorted(told)
    assert told[-1] == 1.0


# The committed files


@pytest.mark.parametrize("name", SHOTS)
def test_committed_picture_is_a_photograph_of_its_truth(name):
    shot = SHOTS[name]
    code = read_ldr(ROOT / "data" / f"{name}.png")
    truth = read_exr(ROOT / "data" / "truth" / f"{name}.exr").astype(np.float32)
    assert truth.shape == code.shape == (*shot.size, 3)
    assert (truth >= 0).all()
    assert truth.max() < HALF_MAX
    # Half floats are coarse: what lies at the clipping level may have been rounded across it.
    assert np.mean(truth < 0.999) <= shot.unclipped <= np.mean(truth < 1.001)

    # A sample's code says between which two values the light was, but for six deviations of
    # noise and for the rounding to half floats.
    half_code, spare = 0.5 / 255.0, 6.0 * NOISE_SD + 1e-3 * truth
    curve = (shot.curve_n, shot.curve_s)
    lowest = inverse_camera_curve(np.maximum(code - half_code, 0.0), *curve)
    highest = inverse_camera_curve(np.minimum(code + half_code, 1.0), *curve)
    highest = np.where(code == 1.0, np.inf, highest)
    assert (truth >= lowest - spare).all()
    assert (truth <= highest + spare).all()

    # The noise is there, and is no more than it should be: where codes are finer than it.
    fine = (code > 0.1) & (code < 0.5)
    error = inverse_camera_curve(code[fine], *curve) - truth[fine]
    assert np.std(error) == pytest.approx(NOISE_SD, rel=0.3)
    assert abs(np.mean(error)) < 2e-4


@pytest.mark.parametrize("name", SHOTS)
def test_committed_truth_has_highlights_with_structure_and_no_noise(name):
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
