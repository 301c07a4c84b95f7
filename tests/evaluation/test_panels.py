"""The panels of the report show the light and the errors that they should."""

import dataclasses
import io

import numpy as np
import pytest
from hypothesis import given, strategies as st
from PIL import Image

from hdrcnn.colour.transfer import camera_curve, srgb_encode
from hdrcnn.tiles.geometry import resize_area, size_within
from training_code.evaluation import panels
from training_code.evaluation.panels import ReportView, render_view


def make_view(name: str = "view", size: tuple[int, int] = (48, 64)) -> ReportView:
    """A ramp with a lamp of 20 clipping levels in the right half; ours is one stop too bright."""
    height, width = size
    truth = np.full((height, width, 3), 0.2, np.float32)
    truth[:, : width // 2] *= np.linspace(0.1, 3.0, width // 2, dtype=np.float32)[:, None]
    truth[height // 4 : height // 2, 5 * width // 8 : 7 * width // 8] = (24.0, 20.0, 16.0)
    code = np.round(255.0 * camera_curve(np.clip(truth, 0.0, 1.0))).astype(np.uint8)
    return ReportView(name, code, truth, 2.0 * truth, 1.0, {"ours": {"psnr": 21.25}})


def decode(jpeg: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB")).astype(np.float64)


@given(st.integers(1, 1200), st.integers(1, 1200))
def test_panels_keep_the_shape_and_never_grow(height: int, width: int) -> None:
    shown_height, shown_width = size_within(height, width, 384, 384)
    assert 1 <= shown_width <= min(width, 384)
    assert 1 <= shown_height <= min(height, 384)
    scale = min(1.0, 384 / max(height, width))
    assert abs(shown_width - width * scale) < 1.0
    assert abs(shown_height - height * scale) < 1.0


def test_reduction_keeps_the_light() -> None:
    image = np.random.default_rng(0).exponential(5.0, (12, 20, 3)).astype(np.float32)
    blocks = image.reshape(6, 2, 10, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(resize_area(image, 6, 10), blocks, rtol=1e-5)
    np.testing.assert_allclose(resize_area(image, 5, 7).mean(), image.mean(), rtol=1e-2)


@given(st.floats(-8.0, 8.0), st.floats(0.01, 100.0))
def test_error_is_the_stops_between_two_images(stops: float, level: float) -> None:
    truth = np.full((1, 1, 3), level)
    error = panels.error_in_stops(np.float64(2.0**stops) * truth, truth)
    np.testing.assert_allclose(error, max(stops, np.log2(2.0**-12 / level)), atol=1e-9)


def test_error_of_black_is_finite() -> None:
    black, white = np.zeros((1, 1, 3)), np.ones((1, 1, 3))
    assert panels.error_in_stops(black, black)[0, 0, 0] == 0.0
    assert panels.error_in_stops(-white, white)[0, 0, 0] == pytest.approx(-12.0)


def test_colours_diverge() -> None:
    stops = np.linspace(-3.0, 3.0, 121)
    colours = panels.error_colours(stops.reshape(1, -1, 1))[0]
    warmth = colours[:, 0] - colours[:, 2]
    brightness = colours.mean(axis=-1)
    assert (np.diff(warmth[30:91]) > 0.0).all()
    assert (warmth[:60] < -2.0).all()
    assert (warmth[61:] > 2.0).all()
    assert (np.diff(brightness[:61]) > 0.0).all()
    assert (np.diff(brightness[60:]) < 0.0).all()
    assert np.ptp(colours[60]) < 10.0
    beyond = panels.error_colours(np.array([[[-9.0], [9.0]]]))[0]
    np.testing.assert_array_equal(beyond, colours[[0, -1]])


def test_error_map_is_in_full_colour_only_where_saturated() -> None:
    view = make_view()
    shown = panels.error_map(view.code, view.prediction, view.truth, (48, 64)).astype(int)
    lamp = shown[12:24, 40:56]
    one_stop = np.round(panels.error_colours(np.ones((1, 1, 1)))).astype(int)
    np.testing.assert_array_equal(lamp, np.broadcast_to(one_stop, lamp.shape))
    assert shown[30:].max() < 0.7 * one_stop.max()
    assert (shown[30:, 40:, 0] > shown[30:, 40:, 2]).all()  # the tint: too bright there as well


def test_errors_of_both_signs_do_not_cancel_across_the_edge() -> None:
    """In a panel pixel that is half saturated, each half keeps its own error."""
    code = np.zeros((2, 2, 3), np.uint8)
    code[:, 0] = 255
    truth = np.ones((2, 2, 3), np.float32)
    prediction = truth * np.array([4.0, 0.25], np.float32)[None, :, None]
    shown = panels.error_map(code, prediction, truth, (1, 1))[0, 0].astype(float)
    full = panels.error_colours(np.full((1, 1, 1), 2.0))[0, 0]
    dark = panels.DIM_BLACK + panels.DIM * 255.0 * srgb_encode(np.array(0.5))  # half the area lit
    tint = panels.error_colours(np.full((1, 1, 1), -2.0)) / panels.error_colours(
        np.zeros((1, 1, 1))
    )
    np.testing.assert_allclose(shown, 0.5 * full + 0.5 * dark * tint[0, 0], atol=1.5)


def test_panels_show_the_light_at_each_exposure() -> None:
    view = make_view()
    rendered = render_view(view)
    assert (rendered.width, rendered.height) == (64, 48)
    lamp = (slice(14, 22), slice(42, 54))
    for stops, (shown, ours, truth) in zip((0, -3, -5), rendered.exposures, strict=True):
        for jpeg, light in (
            (shown, np.ones(3)),
            (ours, np.array([48.0, 40.0, 32.0])),
            (truth, np.array([24.0, 20.0, 16.0])),
        ):
            expected = 255.0 * srgb_encode(np.clip(light * 2.0**stops, 0.0, 1.0))
            found = decode(jpeg)
            assert found.shape == (48, 64, 3)
            np.testing.assert_allclose(found[lamp].mean(axis=(0, 1)), expected, atol=3.0)


def test_input_looks_like_the_truth_where_nothing_is_saturated() -> None:
    shown, _, truth = render_view(make_view()).exposures[0]
    difference = np.abs(decode(shown) - decode(truth))
    assert difference[:, :28].max() < 8.0
    assert difference[28:, 36:].max() < 8.0


def test_large_views_become_small_panels() -> None:
    rendered = render_view(make_view(size=(768, 512)))
    assert (rendered.width, rendered.height) == (256, 384)
    assert decode(rendered.error).shape == (384, 256, 3)


def dead_leaves(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Discs over discs, their number falling with the cube of the radius: the statistics of
    natural images (Lee, Mumford and Huang 2001). [H, W, 3] float32, linear.
    """
    image = np.ones((height, width, 3), np.float32)
    y, x = np.mgrid[:height, :width]
    for radius in np.minimum(8.0 / np.sqrt(rng.uniform(size=2000)), 200.0):
        i, j = int(rng.integers(height)), int(rng.integers(width))
        r = int(np.ceil(radius))
        box = (slice(max(i - r, 0), i + r), slice(max(j - r, 0), j + r))
        disc = (y[box] - i) ** 2 + (x[box] - j) ** 2 < radius**2
        image[box][disc] = 0.3 * np.exp(rng.normal(0.0, 1.0)) * rng.uniform(0.7, 1.3, 3)
    return image


def test_forty_detailed_views_stay_below_12_mb() -> None:
    truth = dead_leaves(np.random.default_rng(1), 512, 768)
    code = np.round(255.0 * camera_curve(np.clip(truth, 0.0, 1.0))).astype(np.uint8)
    rendered = render_view(ReportView("leaves", code, truth, 1.3 * truth, 0.0, {}))
    files = [*(jpeg for row in rendered.exposures for jpeg in row), rendered.error]
    assert len(files) == 10
    assert 40 * 4 / 3 * sum(map(len, files)) < 12e6  # in base64


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"truth": np.zeros((48, 63, 3), np.float32)}, "truth .* differ in size"),
        ({"prediction": np.full((48, 64, 3), np.nan)}, "prediction holds values that are not fin"),
        ({"code": np.zeros((48, 64, 3))}, "input must be .* uint8"),
        ({"code": np.zeros((48, 64), np.uint8)}, "input must be"),
    ],
)
def test_arrays_that_do_not_match_are_refused(change: dict[str, np.ndarray], message: str) -> None:
    view = dataclasses.replace(make_view("harbour"), **change)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=f"^harbour: .*{message}"):
        render_view(view)
