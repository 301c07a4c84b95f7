"""Methods applied to frames: values of the formulas, primaries, peak; averages within a shot."""

import cv2
import numpy as np
import pytest
from hypothesis import given, strategies as st

from hdrcnn import weights
from hdrcnn.colour.pq import pq_decode
from hdrcnn.colour.primaries import REC709, REC2020
from hdrcnn.predict import backend, film, runtime
from hdrcnn.predict.film_curves import reduced
from hdrcnn.tiles.tiling import TILE_PIXELS

GREYS = np.array([0.1, 0.25, 0.5, 0.75, 0.9, 1.0], np.float32)


def of_grey(name, primaries=REC709):
    codes = np.repeat(GREYS[None, :, None], 3, axis=2)
    return pq_decode(film.method(name, primaries).converter(np.empty(0))(codes))[0]


@pytest.mark.parametrize("primaries", [REC709, REC2020])
def test_method_a_of_grey_matches_the_report(primaries):
    expected = [1.101, 11.634, 76.281, 278.977, 592.346, 999.525]
    assert np.allclose(of_grey("bt2446a", primaries), np.array(expected)[:, None], rtol=2e-3)


def test_method_c_of_grey_matches_the_report():
    light = 100.0 * GREYS.astype(np.float64) ** 2.4
    below = light < 58.535
    found = of_grey("bt2446c").mean(axis=-1)
    assert np.allclose(found[below], light[below] / 0.83802, rtol=2e-3)
    assert found[-1] == pytest.approx(332.58, rel=2e-3)


def test_the_same_colour_in_other_primaries_gives_the_same_light():
    red = np.array([[[0.6, 0.2, 0.2]]], np.float32)
    wide = np.power(np.power(red, 2.4) @ film._matrix(REC709, REC2020), 1 / 2.4)
    one = film.method("bt2446c", REC709).converter(np.empty(0))(red)
    two = film.method("bt2446c", REC2020).converter(np.empty(0))(wide.astype(np.float32))
    assert np.allclose(one, two, atol=1e-4)
    assert np.allclose(film.as_rec709(wide.astype(np.float32), REC2020), red, atol=1e-4)


def test_highlights_start_at_white_and_stay_below_the_peak(tiny_weights):
    used = film.Highlights(REC709, 203.0, 600.0, tiny_weights, "cpu")
    codes = np.full((64, 64, 3), 0.5, np.float32)
    codes[20:40, 20:40] = 1.0
    light = pq_decode(used.converter(np.empty(0))(codes))
    assert np.allclose(light[0, 0], 203.0 * 0.5**2.4, rtol=0.01)
    assert light[20:40, 20:40].min() >= 202.0
    assert light.max() <= 600.5


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.data())
def test_averages_do_not_cross_cuts(cuts, data):
    here = data.draw(st.integers(0, len(cuts) - 1))
    shots = np.cumsum(np.array(cuts) & (np.arange(len(cuts)) > 0)).astype(float)
    found = film.averaged([np.array([number]) for number in shots], cuts, here)
    assert found == pytest.approx(shots[here])


def test_averages_are_symmetric_in_time():
    ramp = [np.array([float(index)]) for index in range(60)]
    assert film.averaged(ramp, [False] * 60, 30) == pytest.approx(30.0)
    noise = [np.array([float(index % 2)]) for index in range(60)]
    assert film.averaged(noise, [False] * 60, 30) == pytest.approx(0.5, abs=0.01)


def dim(brightest: float) -> np.ndarray:
    """[360, 640, 3] float32, a smooth scene without highlights."""
    rows, columns = np.mgrid[0:360, 0:640]
    wave = 0.5 + 0.5 * np.sin(columns / 90 + rows / 70)[..., None]
    return (brightest * (0.3 + 0.7 * wave * [1.0, 0.8, 0.6])).astype(np.float32)


def titled(scene: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The scene with a smooth subtitle and a logo, and a mask of where they are pure white."""
    mask = np.zeros(scene.shape[:2], np.uint8)
    cv2.putText(mask, "A subtitle", (100, 330), cv2.FONT_HERSHEY_SIMPLEX, 2.2, 255, 6, cv2.LINE_AA)
    mask[20:50, 560:620] = 255
    share = (mask / 255.0).astype(np.float32)[..., None]
    return scene * (1.0 - share) + share, mask == 255


def glow(scene: np.ndarray) -> np.ndarray:
    """The scene with a lamp that the camera clips, and light around it."""
    rows, columns = np.mgrid[0:360, 0:640]
    light = 6.0 * np.exp(-np.hypot(rows - 100, columns - 300) / 30.0)[..., None]
    return np.clip(scene**2.4 + light, 0.0, 1.0).astype(np.float32) ** np.float32(1.0 / 2.4)


def luma(codes: np.ndarray) -> np.ndarray:
    return codes @ np.array([0.2126, 0.7152, 0.0722], np.float32)


@pytest.fixture(scope="module")
def methods(tiny_weights):
    """The methods that can reach the peak."""
    return {
        "curves": film.method("curves", REC709, device="cpu"),
        "hdrcnn": film.method("hdrcnn", REC709, params=tiny_weights, device="cpu"),
    }


@pytest.mark.parametrize("name", ["curves", "hdrcnn"])
@pytest.mark.parametrize("brightest", [0.3, 0.6])
def test_subtitles_and_logos_do_not_glare(methods, name, brightest):
    used, scene = methods[name], dim(brightest)
    codes, white = titled(scene)
    measured = used.frame_parameters(reduced(codes))
    found = pq_decode(used.converter(np.append(measured, film.graphics(luma(codes))))(codes))
    assert 190.0 < np.median(found[white].max(axis=-1)) < 250.0
    alone = pq_decode(used.converter(measured)(codes))
    far = ~cv2.dilate(white.astype(np.uint8), np.ones((40, 40))).astype(bool)
    assert np.allclose(found[far], alone[far], rtol=0.02)  # The scene is unchanged.


@pytest.mark.parametrize("fault", ["missing", "shape", "infinite"])
def test_arrays_that_are_not_the_networks_are_refused_by_every_backend(
    fault, tmp_path, monkeypatch
):
    arrays, record = weights.load(film.FILM_CURVES)
    name = "decode/kernel2"
    if fault == "missing":
        del arrays[name]
    else:
        arrays[name] = arrays[name][:1] if fault == "shape" else np.inf * arrays[name]
    path = tmp_path / "mine.npz"
    np.savez(path)  # Below, `load` is replaced, and a backend that checks no arrays.
    monkeypatch.setattr(film.weights, "load", lambda _: (arrays, record))
    monkeypatch.setattr(film.backend, "network", lambda *_, **__: None)
    with pytest.raises(weights.WeightsError, match=r"mine\.npz.*kernel2"):
        film.method("curves", REC709, params=path, device="cpu")


@pytest.mark.parametrize("name", ["curves", "hdrcnn"])
def test_light_that_a_camera_clipped_keeps_the_peak(methods, name):
    used, codes = methods[name], glow(dim(0.5))
    measured = used.frame_parameters(reduced(codes))
    known = film.graphics(luma(codes))
    assert np.array_equal(
        used.converter(np.append(measured, known))(codes), used.converter(measured)(codes)
    )


def test_frames_without_white_do_not_count():
    """A subtitle has its full effect from its first frame on, whatever came before it."""
    codes, _ = titled(dim(0.4))
    known = [film.graphics(luma(dim(0.4))), film.graphics(luma(codes))]
    assert np.array_equal(known[0], [0.0, 0.0])
    found = film.averaged([known[0]] * 12 + [known[1]] * 12, [False] * 24, 12)
    assert found[0] / found[1] == pytest.approx(known[1][0])


@pytest.mark.parametrize("on_gpu", [False, True])
def test_tiles_of_the_unet_are_those_of_its_device(on_gpu, monkeypatch):
    pytest.importorskip("onnxruntime")
    monkeypatch.setenv("HDRCNN_BACKEND", "onnx")
    monkeypatch.setattr(backend, "prepare", lambda device: on_gpu)
    monkeypatch.setattr(runtime, "free_gpu_bytes", lambda: 80 << 30)
    tiles = film.Unet(REC709, 1000.0, film.UNET)._tiling.tile_pixels
    width = weights.load(film.UNET)[1].channels
    expected = runtime.tile_pixels(80 << 30 if on_gpu else None, width, TILE_PIXELS)
    assert tiles == expected
    assert (tiles > TILE_PIXELS) == on_gpu
