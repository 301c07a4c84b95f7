"""Views and camera settings are fixed: the same for every method, run and folder."""

import io
import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from PIL import Image, JpegImagePlugin

from hdrcnn.colour.transfer import inverse_camera_curve, luminance, srgb_decode
from hdrcnn.files import ImageError
from hdrcnn.readers.hdr import read_exr
from hdrcnn.readers.photograph import read_ldr
from hdrcnn.writers.exr import write_exr
from training_code.evaluation import protocol
from training_code.evaluation.protocol import BASE, FULL, VARIED, Condition, Protocol, View
from training_code.evaluation.shots import LeftOut, StoredShot, photograph_scenes, range_ratio
from training_code.scenes.collection import Scene, load_scenes

SMALL = Protocol(longest_side=60, view_width=60, view_height=40)


def panorama(longitude: float = 70.0, latitude: float = 5.0) -> np.ndarray:
    """[64, 128, 3] with one bright lobe at the given angles."""
    rows, columns = np.mgrid[0:64, 0:128]
    u = ((columns + 0.5) / 128 - 0.5) * 360.0 - longitude
    v = (0.5 - (rows + 0.5) / 64) * 180.0 - latitude
    u = (u + 180.0) % 360.0 - 180.0
    lobe = np.exp(-(u**2 + v**2) / 50.0)
    grain = np.random.default_rng(3).uniform(0.05, 0.3, (64, 128, 3))
    return (grain + 20.0 * lobe[..., None]).astype(np.float16)


def photo(rows: int = 50, columns: int = 90) -> np.ndarray:
    light = np.random.default_rng(4).lognormal(0.0, 1.0, (rows, columns, 3))
    return light.astype(np.float16)


def scene(pixels: np.ndarray, name: str = "folder/a.exr") -> Scene:
    return Scene(name, "family", pixels)


def test_whole_photographs_are_reduced_and_never_enlarged() -> None:
    (view,) = protocol.fixed_views(scene(photo(50, 90)), Protocol(longest_side=45))
    assert view.linear.shape == (25, 45, 3)
    mean = photo(50, 90).astype(np.float64).mean(axis=(0, 1))
    np.testing.assert_allclose(view.linear.mean(axis=(0, 1)), mean, rtol=1e-4)
    (view,) = protocol.fixed_views(scene(photo(50, 90)), Protocol())
    np.testing.assert_array_equal(view.linear, photo(50, 90).astype(np.float32))


@pytest.mark.parametrize("longitude", [-170.0, -45.0, 0.0, 120.0])
def test_the_brightest_column_is_found(longitude: float) -> None:
    assert protocol.brightest_yaw(panorama(longitude), 27.0) == pytest.approx(longitude, abs=2.9)


def test_light_outside_a_level_view_does_not_count() -> None:
    both = np.maximum(panorama(60.0, 80.0) * np.float16(10), panorama(-60.0, 0.0))
    assert protocol.brightest_yaw(both, 27.0) == pytest.approx(-60.0, abs=2.9)


def test_panoramas_are_seen_towards_the_light_and_away_from_it() -> None:
    towards, away = protocol.fixed_views(scene(panorama()), SMALL)
    assert (towards.name, away.name) == ("a-bright", "a-away")
    assert towards.linear.shape == away.linear.shape == (40, 60, 3)
    assert luminance(towards.linear).max() > 5.0 > 0.5 > luminance(away.linear).max()


@pytest.mark.parametrize("larger", [1, 2, 4, 8])
def test_lamps_keep_their_light_however_large_the_panorama(tmp_path: Path, larger: int) -> None:
    """Lamps a hundred times as bright as the background cover every 64th pixel of a panorama of 256
    columns. In larger panoramas they are smaller and brighter, and a view sees the same light.
    """
    light = np.full((128 * larger, 256 * larger, 3), 0.2, np.float32)
    light[4 * larger :: 8 * larger, 4 * larger :: 8 * larger] = 0.2 + 19.8 * larger**2
    write_exr(tmp_path / "a.exr", light)
    # Views of 60 pixels and 75 degrees: 288 pixels around.
    found = load_scenes(tmp_path, without=True, smallest=11, views=SMALL.views).scenes[0]
    assert 256 <= found.shape[1] < 2 * 288
    means = [view.linear.mean(dtype=np.float64) for view in protocol.fixed_views(found, SMALL)]
    assert np.mean(means) / found.pixels.min() == pytest.approx(1.0 + 99 / 64, rel=0.1)


def test_panoramas_of_1024_pixels_and_photographs_are_left_as_they_are() -> None:
    views = Protocol().views
    factors = [views.spare(columns // 2, columns, 11) for columns in (1024, 4096, 8192, 16384)]
    assert factors == [1, 1, 2, 4]
    assert views.spare(6000, 8000, 11) == 1


def test_views_depend_on_the_file_name_alone() -> None:
    first, moved, other = (
        protocol.fixed_views(scene(panorama(), name), SMALL)[0].linear
        for name in ("x/a.exr", "a.exr", "x/b.exr")
    )
    np.testing.assert_array_equal(first, moved)
    assert not np.array_equal(first, other)


def test_seeds_are_the_same_on_every_machine() -> None:
    """`printf view:a | sha256sum` begins with 4df74d520f08f6fe, the lowest byte first."""
    expected = np.random.default_rng(0xFEF6080F524DF74D).random(4)
    np.testing.assert_array_equal(protocol.generator("view", "a").random(4), expected)


def test_conditions_vary_one_factor_at_a_time() -> None:
    assert VARIED[0] == FULL[0] == BASE
    assert len({condition.name for condition in VARIED}) == 6
    assert len({condition.name for condition in FULL}) == 18
    assert set(VARIED) <= set(FULL)
    for condition in VARIED[1:]:
        same = [getattr(condition, f) == getattr(BASE, f) for f in ("clipped", "file", "curve")]
        assert sum(same) == 2
    assert BASE.name == "clip05_png_published"


@pytest.mark.parametrize("clipped", protocol.CLIPPED)
def test_the_share_of_clipped_samples_is_exact(clipped: float) -> None:
    view = View("v", photo().astype(np.float32))
    truth = protocol.exposed_truth(view, Condition(clipped))
    assert np.mean(truth >= 1.0) == pytest.approx(clipped, abs=2 / truth.size)
    np.testing.assert_array_equal(truth, truth.astype(np.float16))


@given(st.floats(0.0, 0.99), st.floats(0.0, 1.0))
def test_picture_style_is_an_s_curve(strength: float, code: float) -> None:
    def style(value: float) -> float:
        return float(protocol.picture_style(value, strength))

    assert style(0.0) == 0.0
    assert style(0.5) == pytest.approx(0.5)
    assert style(1.0) == pytest.approx(1.0)
    assert style(code) == pytest.approx(1.0 - style(1.0 - code))  # turned by half, the same
    ramp = protocol.picture_style(np.linspace(0.0, 1.0, 1001), strength)
    assert (np.diff(ramp) > 0).all()
    slope = (style(0.501) - style(0.499)) / 0.002
    assert slope == pytest.approx(1.0 + strength / 2.0, abs=1e-4)


def uncurve(codes: np.ndarray, curve: str) -> np.ndarray:
    """Linear light of 8-bit codes of `srgb` or `srgb_style`, by inverting a table of the curve."""
    light = np.linspace(0.0, 1.0, 20001)
    code = protocol.srgb_encode(light)
    code = protocol.picture_style(code) if curve == "srgb_style" else code
    return np.interp(codes / 255.0, code, light)


def test_every_condition_has_the_same_noise() -> None:
    truth = np.full((40, 60, 3), 0.4, np.float32)
    noisy = Protocol(noise_sd=0.05)
    first, second = (
        uncurve(protocol.photograph("v", truth, Condition(curve=curve), noisy), curve)
        for curve in ("srgb", "srgb_style")
    )
    assert np.std(first) == pytest.approx(0.05, rel=0.05)
    assert np.abs(first - second).max() < 0.006  # half a code of each
    other = uncurve(protocol.photograph("w", truth, Condition(curve="srgb"), noisy), "srgb")
    assert abs(np.corrcoef(first.ravel(), other.ravel())[0, 1]) < 0.05


def test_published_curves_are_drawn_for_each_view() -> None:
    """From the family (1 + s) H^n / (H^n + s) with n about 0.9 and s about 0.6."""
    truth = np.full((32, 32, 3), 0.3, np.float32)
    quiet = Protocol(noise_sd=0.0)
    codes = [protocol.photograph(f"view {i}", truth, BASE, quiet)[0, 0, 0] for i in range(200)]
    again = protocol.photograph("view 7", truth, BASE, quiet)[0, 0, 0]
    assert codes[7] == again
    light = inverse_camera_curve(np.array(codes) / 255.0)
    assert np.median(light) == pytest.approx(0.3, abs=0.02)
    assert 0.02 < np.std(light) < 0.08


def test_png_is_lossless_and_jpeg_has_quality_80() -> None:
    codes = protocol.photograph("v", photo().astype(np.float32), BASE, Protocol())
    decoded = Image.open(io.BytesIO(protocol.encode(codes, "png")))
    np.testing.assert_array_equal(np.asarray(decoded), codes)
    jpeg = Image.open(io.BytesIO(protocol.encode(codes, "jpeg80")))
    assert isinstance(jpeg, JpegImagePlugin.JpegImageFile)
    assert JpegImagePlugin.get_sampling(jpeg) == 2  # 4:2:0
    # Annex K of the JPEG standard at quality 80: 40 % of 16, 11, 10, 16 and of 17, 18.
    assert jpeg.quantization[0][:4] == [6, 4, 4, 6]
    assert jpeg.quantization[1][:2] == [7, 7]


def test_photographs_on_disk(tmp_path: Path) -> None:
    conditions = (BASE, Condition(file="jpeg80"), Condition(clipped=0.1, curve="srgb"))
    scenes = [scene(panorama(), "a.exr"), scene(photo(), "b.exr")]
    shots = list(photograph_scenes(scenes, conditions, SMALL, tmp_path))
    assert len(shots) == 9
    assert all(isinstance(shot, StoredShot) for shot in shots)
    for shot in shots:
        assert isinstance(shot, StoredShot)
        code, truth = shot.load()
        np.testing.assert_array_equal(code, read_ldr(shot.ldr))
        np.testing.assert_array_equal(truth, read_exr(shot.truth))
        assert np.mean(truth >= 1.0) == pytest.approx(shot.condition.clipped, abs=0.001)
        if shot.condition.curve == "srgb":
            inside = (code > 0.1) & (code < 0.95)
            ratio = srgb_decode(code[inside]) / truth[inside]
            assert np.median(ratio) == pytest.approx(1.0, abs=0.01)
    found = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.*")}
    assert {
        "ldr/clip05_png_published/a-bright.png",
        "ldr/clip05_jpeg80_published/a-away.jpg",
        "ldr/clip10_png_srgb/b.png",
        "truth/clip05/b.exr",
        "truth/clip10/a-bright.exr",
    } <= found
    assert len(found) == 9 + 6
    taken = [shot.ldr.read_bytes() for shot in shots if isinstance(shot, StoredShot)]
    again = photograph_scenes(scenes, conditions, SMALL, tmp_path / "again")
    assert taken == [shot.ldr.read_bytes() for shot in again if isinstance(shot, StoredShot)]


def test_unusable_views_are_left_out_with_a_reason(tmp_path: Path) -> None:
    black = np.zeros((40, 50, 3), np.float16)
    black[0, 0] = 1.0
    calm = np.random.default_rng(5).uniform(0.1, 0.3, (40, 50, 3)).astype(np.float16)
    calm[0, :3] = 30.0  # 3 of 2000 pixels, far above the rest.
    low = Condition(clipped=0.001)
    items = list(
        photograph_scenes(
            [scene(black, "black.exr"), scene(calm, "calm.exr")], (low,), SMALL, tmp_path
        )
    )
    assert [type(item) for item in items] == [LeftOut, LeftOut]
    reasons = {item.view: item.reason for item in items if isinstance(item, LeftOut)}
    assert "black" in reasons["black"]
    assert "0.15% of its pixels are saturated" in reasons["calm"]
    assert list(tmp_path.rglob("*.png")) == []


def test_two_scenes_of_one_name_are_refused(tmp_path: Path) -> None:
    scenes = [scene(photo(), "x/a.exr"), scene(photo(), "y/a.exr")]
    with pytest.raises(ImageError, match=r"y/a\.exr.*x/a\.exr"):
        list(photograph_scenes(scenes, (BASE,), SMALL, tmp_path))


def test_range_ratio() -> None:
    pixels = np.full((100, 200, 3), 0.5, np.float16)
    pixels[0, :5] = 64.0  # 5 of 20,000 pixels: the 99.99th percentile lies among them.
    assert range_ratio(scene(pixels)) == pytest.approx(128.0, rel=1e-3)


def test_every_name_of_the_full_product_is_made_of_its_parts() -> None:
    parts = itertools.product(("clip03", "clip05", "clip10"), ("png", "jpeg80"), protocol.CURVES)
    assert {condition.name for condition in FULL} == {"_".join(part) for part in parts}


def test_a_photograph_named_like_a_view_of_a_panorama_is_refused(tmp_path: Path) -> None:
    scenes = [scene(panorama(), "x.exr"), scene(photo(), "folder/x-bright.exr")]
    names = [view.name for own in scenes for view in protocol.fixed_views(own, SMALL)]
    assert names == ["x-bright", "x-away", "x-bright"]
    for order in (scenes, scenes[::-1]):
        with pytest.raises(ImageError, match=r"^[^\n]*x-bright[^\n]*$"):
            list(photograph_scenes(order, (BASE,), SMALL, tmp_path))
    assert list(tmp_path.iterdir()) == []
    others = [scene(panorama(), "x.exr"), scene(photo(), "x.exr.exr"), scene(photo(), "y.exr")]
    assert len(list(photograph_scenes(others, (BASE,), SMALL, tmp_path))) == 4
