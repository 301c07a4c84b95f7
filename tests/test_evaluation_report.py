"""The report: panels that show the light they claim to, and a page that holds what it is given."""

import base64
import dataclasses
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hdrcnn.image_io import ImageError
from hdrcnn.transfer import camera_curve, srgb_encode
from training_code import evaluation_panels as panels
from training_code.evaluation_report import ReportRow, ReportView, render_view, write_report

HOSTILE = "</script><img src=x onerror=alert(1)> \"&amp;' $title ${views}"


def make_view(
    name: str = "view", gain_db: float = 1.0, size: tuple[int, int] = (48, 64)
) -> ReportView:
    """A ramp with a lamp of 20 clipping levels in the right half; ours is one stop too bright."""
    height, width = size
    truth = np.full((height, width, 3), 0.2, np.float32)
    truth[:, : width // 2] *= np.linspace(0.1, 3.0, width // 2, dtype=np.float32)[:, None]
    truth[height // 4 : height // 2, 5 * width // 8 : 7 * width // 8] = (24.0, 20.0, 16.0)
    code = np.round(255.0 * camera_curve(np.clip(truth, 0.0, 1.0))).astype(np.uint8)
    scores = {"input": {"psnr": 20.0, "ssim": 0.5}, "ours": {"psnr": 21.25, "peak": float("nan")}}
    return ReportView(name, code, truth, 2.0 * truth, gain_db, scores)


def decode(jpeg: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB")).astype(np.float64)


class Page(HTMLParser):
    """The elements, attributes and text of a page, as a parser that is not ours sees them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def tags(self) -> list[str]:
        return [tag for tag, _ in self.elements]


def write(path: Path, views: list[ReportView], word: str = "plain") -> str:
    row = ReportRow(word, {word: "1.00", "second": "2.00"}, "win")
    other = ReportRow("other", {"second": "4.00", "third": "3.00"}, "")
    tables = {word: [row, other], f"{word} 2": [other]}
    write_report(path, word, tables, [render_view(view) for view in views], [word])
    return path.read_text(encoding="utf-8")


@given(st.integers(1, 1200), st.integers(1, 1200))
def test_panels_keep_the_shape_and_never_grow(height: int, width: int) -> None:
    shown_width, shown_height = panels.panel_size(height, width)
    assert 1 <= shown_width <= min(width, 384)
    assert 1 <= shown_height <= min(height, 384)
    scale = min(1.0, 384 / max(height, width))
    assert abs(shown_width - width * scale) < 1.0
    assert abs(shown_height - height * scale) < 1.0


def test_reduction_keeps_the_light() -> None:
    image = np.random.default_rng(0).exponential(5.0, (12, 20, 3)).astype(np.float32)
    blocks = image.reshape(6, 2, 10, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(panels.reduce_area(image, (10, 6)), blocks, rtol=1e-5)
    np.testing.assert_allclose(panels.reduce_area(image, (7, 5)).mean(), image.mean(), rtol=1e-2)


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
    shown = panels.error_map(view.code, view.prediction, view.truth, (64, 48)).astype(int)
    lamp = shown[12:24, 40:56]
    one_stop = np.round(panels.error_colours(np.ones((1, 1, 1)))).astype(int)
    np.testing.assert_array_equal(lamp, np.broadcast_to(one_stop, lamp.shape))
    assert shown[30:].max() < 0.7 * one_stop.max()
    assert (shown[30:, 40:, 0] > shown[30:, 40:, 2]).all()  # the tint: too bright there as well


def test_errors_of_both_signs_do_not_hide_each_other_across_the_edge() -> None:
    """One panel pixel over a saturated and an unsaturated half: each half keeps its own error."""
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


def test_forty_detailed_views_stay_below_12_mb(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    frequency = np.hypot(np.fft.fftfreq(512)[:, None], np.fft.rfftfreq(768)[None])
    frequency[0, 0] = 1.0
    spectrum = np.fft.rfft2(rng.standard_normal((512, 768))) / frequency
    pattern = np.fft.irfft2(spectrum, (512, 768))  # as photographs: amplitude falls as 1/f
    truth = np.exp(1.5 * pattern / pattern.std())[..., None] * np.array([0.4, 0.35, 0.3])
    code = np.round(255.0 * camera_curve(np.clip(truth, 0.0, 1.0))).astype(np.uint8)
    light = truth.astype(np.float32)
    view = dataclasses.replace(make_view(), code=code, truth=light, prediction=light * 1.3)
    frame = len(write(tmp_path / "none.html", []))
    assert 40 * (len(write(tmp_path / "one.html", [view])) - frame) < 12e6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"truth": np.zeros((48, 63, 3), np.float32)}, "truth .* differ in size"),
        ({"prediction": np.full((48, 64, 3), np.nan)}, "prediction holds values that are not fin"),
        ({"code": np.zeros((48, 64, 3))}, "input must be .* uint8"),
        ({"code": np.zeros((48, 64), np.uint8)}, "input must be"),
    ],
)
def test_arrays_that_do_not_belong_together(change: dict[str, np.ndarray], message: str) -> None:
    view = dataclasses.replace(make_view("harbour"), **change)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=f"^harbour: .*{message}"):
        render_view(view)


def test_nothing_is_loaded_from_elsewhere(tmp_path: Path) -> None:
    text = write(tmp_path / "report.html", [make_view()], word="http://example.org/")
    page = Page(text)
    addresses = [
        value
        for _, attributes in page.elements
        for name, value in attributes.items()
        if name in ("src", "srcset", "href", "action", "poster", "data", "xlink:href")
    ]
    assert len(addresses) >= 10
    assert all(value and value.startswith(("data:", "#")) for value in addresses)
    assert not re.search(r"url\(|@import|fetch\(|XMLHttp|import\(", text)
    policy = [a.get("content") for _, a in page.elements if "http-equiv" in a]
    assert policy
    assert str(policy[0]).startswith("default-src 'none'; img-src data:;")


def test_pictures_are_in_the_page(tmp_path: Path) -> None:
    rendered = render_view(make_view("harbour"))
    page = Page(write(tmp_path / "report.html", [make_view("harbour")]))
    images = [a for tag, a in page.elements if tag == "img" and "src" in a]
    jpegs = [base64.b64decode(str(image["src"]).partition(",")[2]) for image in images]
    assert jpegs == [*(jpeg for row in rendered.exposures for jpeg in row), rendered.error]
    alts = [str(image["alt"]) for image in images]
    assert len(set(alts)) == 10
    assert all("harbour" in alt for alt in alts)


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    plain = Page(write(tmp_path / "plain.html", [make_view("plain")]))
    view = dataclasses.replace(make_view(HOSTILE), scores={HOSTILE: {HOSTILE: 1.0}, "b": {}})
    view_plain = dataclasses.replace(make_view("plain"), scores={"plain": {"plain": 1.0}, "b": {}})
    plain = Page(write(tmp_path / "plain.html", [view_plain]))
    hostile = Page(write(tmp_path / "hostile.html", [view], word=HOSTILE))
    assert hostile.tags() == plain.tags()
    attributes = [sorted(a) for _, a in hostile.elements]
    assert attributes == [sorted(a) for _, a in plain.elements]
    assert hostile.text.count(HOSTILE) == plain.text.count("plain") >= 10


def test_rows_columns_and_verdicts(tmp_path: Path) -> None:
    page = Page(write(tmp_path / "report.html", []))
    text = [part for part in page.text if part.strip()]
    start = text.index("Method")
    assert text[start : start + 5] == ["Method", "plain", "second", "third", "Verdict"]
    assert text[start + 5 : start + 10] == ["plain", "1.00", "2.00", "\u2013", "win"]
    assert text[start + 10 : start + 14] == ["other", "\u2013", "4.00", "3.00"]
    assert page.tags().count("details") == 1  # the second condition, folded
    headings = [a for tag, a in page.elements if tag == "th"]
    assert all(a.get("scope") in ("col", "row") for a in headings)


def test_views_are_sorted_by_gain(tmp_path: Path) -> None:
    gains = {"a": -1.0, "b": float("nan"), "c": 7.5, "d": float("inf"), "e": 0.25}
    page = Page(write(tmp_path / "report.html", [make_view(n, g) for n, g in gains.items()]))
    bars = [a for tag, a in page.elements if tag == "a" and "title" in a]
    assert [a["title"] for a in bars] == ["d", "c", "e", "a", "b"]
    targets = [a["id"] for tag, a in page.elements if tag == "article"]
    assert [a["href"] for a in bars] == [f"#{target}" for target in targets]
    alts = [str(a["alt"]) for tag, a in page.elements if tag == "img" and "src" in a]
    assert [alt[-1] for alt in alts[::10]] == ["d", "c", "e", "a", "b"]
    for text in ("+7.50", "\u22121.00", "\u2013", "+\u221e", "in 3 of 5 views"):
        assert text in "".join(page.text)


def test_a_report_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    before = write(path, [])
    with pytest.raises(ValueError, match="ours: unknown verdict 'draw'"):
        write_report(path, "t", {"c": [ReportRow("ours", {}, "draw")]}, [], [])
    assert path.read_text(encoding="utf-8") == before
    with pytest.raises(ImageError, match="missing"):
        write_report(tmp_path / "missing" / "report.html", "t", {}, [], [])
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]
