"""A folder of HDR files becomes scenes: families kept apart, unusable files listed, light kept."""

import re
import shutil
import sys

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings, strategies as st

from hdrcnn.files import ImageError
from hdrcnn.writers.exr import HALF_MAX, write_exr
from training_code.evaluation import run
from training_code.evaluation.protocol import BASE
from training_code.evaluation.run import Request
from training_code.run import fit
from training_code.scenes import collection
from training_code.scenes.collection import (
    SHOWN,
    Collection,
    half_scale,
    load_scenes,
    usable_pixels,
)
from training_code.scenes.views import Views
from training_code.tasks.hdrcnn_settings import Config


def ramp(peak: float = 4.0, side: int = 64) -> np.ndarray:
    """[side, side, 3] float32: from 0 at the top to `peak` at the bottom."""
    row = np.linspace(0.0, peak, side, dtype=np.float32)
    return np.broadcast_to(row[:, None, None], (side, side, 3)).copy()


def in_unit_of(pixels: np.ndarray, light: np.ndarray) -> np.ndarray:
    """A scene's pixels in the unit of its file, `light`: they differ by a power of two."""
    stops = round(np.log2(float(light.max()) / float(pixels.max())))
    return np.ldexp(pixels.astype(np.float64), stops)


def test_families_stay_on_one_side(scene_folder):
    held_out = frozenset({"one"})
    kept = load_scenes(scene_folder, held_out, without=True, smallest=32).scenes
    validation = load_scenes(scene_folder, held_out, smallest=32).scenes
    assert [scene.name for scene in kept] == ["c.exr", "d.exr"]
    assert [scene.name for scene in validation] == ["a.exr", "b.exr"]
    assert [scene.is_panorama for scene in kept + validation] == [False, False, True, True]


def test_every_format_is_loaded_from_any_subfolder(tmp_path):
    deep = tmp_path / "b" / "deep"
    deep.mkdir(parents=True)
    write_exr(tmp_path / "z.EXR", ramp())
    cv2.imwrite(str(deep / "x.hdr"), ramp())
    shutil.copy(deep / "x.hdr", deep / "y.pic")
    cv2.imwrite(str(deep / "w.tiff"), ramp())
    tifffile.imwrite(tmp_path / "a.tif", ramp().astype(np.float16), photometric="rgb")
    (tmp_path / "._z.exr").write_bytes(b"beside every file, on some file systems")
    (tmp_path / "notes.txt").write_text("no scene")
    found = load_scenes(tmp_path, without=True)
    names = ["a.tif", "b/deep/w.tiff", "b/deep/x.hdr", "b/deep/y.pic", "z.EXR"]
    assert [scene.name for scene in found.scenes] == names
    assert [scene.family for scene in found.scenes] == ["a", "w", "x", "y", "z"]
    assert found.rejected == []
    assert found.rejected_lines() == ""
    for scene in found.scenes:
        assert scene.pixels.dtype == np.float16
        np.testing.assert_allclose(in_unit_of(scene.pixels, ramp()), ramp(), rtol=0.01)


def test_without_a_manifest_names_without_their_resolution_are_families(tmp_path):
    write_exr(tmp_path / "x.exr", ramp())
    cv2.imwrite(str(tmp_path / "x.hdr"), ramp())
    write_exr(tmp_path / "x_2K.exr", ramp())
    write_exr(tmp_path / "y.exr", ramp())
    found = load_scenes(tmp_path, frozenset({"x"})).scenes
    names = ["x.exr", "x.hdr", "x_2K.exr"]
    assert [(scene.name, scene.family) for scene in found] == [(name, "x") for name in names]


def test_unusable_files_are_listed_and_the_others_used(tmp_path):
    write_exr(tmp_path / "good.exr", ramp())
    write_exr(tmp_path / "black.exr", np.zeros((64, 64, 3)))
    write_exr(tmp_path / "negative.exr", -1.0 - ramp())
    write_exr(tmp_path / "flat.exr", np.full((64, 64, 3), 0.5))
    write_exr(tmp_path / "small.exr", ramp(side=63))
    (tmp_path / "broken.exr").write_bytes(b"nothing")
    for name, value in (("nan", np.nan), ("inf", np.inf), ("minus", -np.inf)):
        hole = ramp()
        hole[3, 4, 1] = value
        cv2.imwrite(str(tmp_path / f"{name}.tif"), hole)
    found = load_scenes(tmp_path, without=True)
    assert [scene.name for scene in found.scenes] == ["good.exr"]
    reasons = [
        r"black\.exr: .*light",
        r"broken\.exr: .*OpenEXR",
        r"flat\.exr: .*one value",
        r"inf\.tif: .*finite",
        r"minus\.tif: .*finite",
        r"nan\.tif: .*finite",
        r"negative\.exr: .*light",
        r"small\.exr: 63x63",
    ]
    assert len(found.rejected) == len(reasons)
    for line, reason in zip(found.rejected, reasons, strict=True):
        assert re.search(reason, line)
        assert "\n" not in line
    assert found.rejected_lines().startswith("8 files ")
    assert found.rejected_lines().count("\n") == 9
    assert len(load_scenes(tmp_path, without=True, smallest=63).scenes) == 2


def test_only_the_first_of_many_unusable_files_are_shown():
    lines = Collection(
        [], [f"file {number}" for number in range(1234)], saturated=2
    ).rejected_lines()
    assert lines.startswith("2 photographs")
    assert lines.splitlines()[1].startswith("1,234 files ")
    assert lines.count("  file ") == SHOWN
    assert lines.splitlines()[-1] == f"  and {1234 - SHOWN:,} more"
    assert Collection([], [], ["a note"]).rejected_lines() == "a note\n"


def test_a_folder_without_usable_files_is_an_error(tmp_path):
    with pytest.raises(ImageError, match=r"^[^\n]*\.exr, [^\n]*$"):
        load_scenes(tmp_path, without=True)
    (tmp_path / "bad.exr").write_bytes(b"nothing")
    (tmp_path / "worse.hdr").write_bytes(b"nothing")
    with pytest.raises(ImageError, match=r"[^\n]*bad\.exr: [^\n]*1 more"):
        load_scenes(tmp_path, without=True)


@given(
    st.integers(64, 20_000),
    st.integers(64, 20_000),
    st.sampled_from([64, 256, 320]),
    st.floats(40.0, 120.0),
    st.floats(0.05, 1.0),
)
def test_reduced_scenes_keep_the_pixels_that_every_view_needs(rows, columns, size, fov, crop):
    views = Views(fov=(fov, 150.0), crop=(crop, 1.0))
    factor = views.spare(rows, columns, size)
    assert factor >= 1
    if factor > 1 and columns != 2 * rows:
        assert min(crop * columns, rows, columns) / factor >= size
    needed = size * 360.0 / fov
    factor = views.spare(rows, 2 * rows, size)
    assert factor == 1 or 2 * rows / factor >= needed
    assert 2 * rows / (factor + 1) < needed + 1 or factor == 1


@pytest.mark.parametrize(
    "wrong", [{"fov": (100.0, 75.0)}, {"fov": (0.0, 90.0)}, {"fov": (90.0, 180.0)},
              {"pitch": (-91.0, 0.0)}, {"crop": (0.0, 0.5)}, {"crop": (0.5, 1.1)}]
)  # fmt: skip
def test_errors_name_views_outside_their_ranges(wrong):
    with pytest.raises(ValueError, match=rf"^{next(iter(wrong))} "):
        Views(**wrong)


def test_a_reduced_scene_keeps_its_light_and_its_shape(tmp_path):
    """Factors that divide the size average blocks as NumPy does; others keep 2:1 and the mean."""
    rng = np.random.default_rng(3)
    light = rng.lognormal(0.0, 1.5, (128, 256, 3)).astype(np.float32)
    write_exr(tmp_path / "a.exr", light)
    write_exr(tmp_path / "b.exr", light[:, :255])
    write_exr(tmp_path / "c.exr", light[:127, :254])
    views = Views(fov=(90.0, 90.0), crop=(0.25, 0.5))
    found = load_scenes(tmp_path, smallest=16, views=views, without=True)
    a, b, c = found.scenes
    assert (a.shape, b.shape, c.shape) == ((32, 64), (43, 85), (42, 84))
    assert [scene.is_panorama for scene in found.scenes] == [True, False, True]
    assert found.reduced == 3
    blocks = light.astype(np.float16).astype(np.float64).reshape(32, 4, 64, 4, 3).mean((1, 3))
    np.testing.assert_allclose(in_unit_of(a.pixels, blocks), blocks, rtol=1e-3)
    for scene, part in ((b, light[:, :255]), (c, light[:127, :254])):
        scale = 2.0 ** half_scale(float(part.astype(np.float16).max()))
        mean = scene.pixels.mean(dtype=np.float64) / scale
        np.testing.assert_allclose(mean, part.mean(), rtol=2e-3)
    assert found.summary().endswith("3 reduced to the pixels that the views need")
    whole = load_scenes(tmp_path, smallest=16, without=True)
    assert [scene.shape for scene in whole.scenes] == [(128, 256), (128, 255), (127, 254)]
    assert whole.reduced == 0


def test_no_photograph_becomes_a_panorama_by_being_reduced(tmp_path):
    light = np.random.default_rng(3).lognormal(0.0, 1.5, (120, 241, 3)).astype(np.float32)
    write_exr(tmp_path / "a.exr", light)
    write_exr(tmp_path / "b.exr", light[:, :239])
    views = Views(fov=(90.0, 90.0), crop=(0.25, 0.5))
    found = load_scenes(tmp_path, smallest=20, views=views, without=True)
    assert [scene.shape for scene in found.scenes] == [(40, 79), (60, 119)]
    assert not any(scene.is_panorama for scene in found.scenes)


@pytest.mark.parametrize("large", [True, False])
def test_large_images_are_read_one_at_a_time_even_from_small_files(tmp_path, monkeypatch, large):
    flat = np.ones((512, 512, 3), np.float32)
    flat[0] = 2
    write_exr(tmp_path / "a.exr", flat)
    assert (tmp_path / "a.exr").stat().st_size < 20_000
    monkeypatch.setattr(collection, "LARGE", 3 * 512 * 512 - large)
    alone = []

    def read(path):
        alone.append(collection._one_large_file.locked())
        return flat.copy()

    monkeypatch.setattr(collection, "read_hdr", read)
    usable_pixels(tmp_path / "a.exr", 64)
    assert alone == [large]


def test_a_crop_is_a_part_of_the_pixels(scene_folder):
    for scene in load_scenes(scene_folder, without=True, smallest=32).scenes:
        np.testing.assert_array_equal(scene.crop(3, 5, 20, 30), scene.pixels[3:23, 5:35])
        assert scene.shape == scene.pixels.shape[:2]


@settings(deadline=None, max_examples=25)
@given(st.floats(1e-30, 1e30))
def test_no_unit_of_a_file_costs_precision(tmp_path_factory, peak):
    """Over 20 stops, neither are highlights clipped nor shadows rounded away."""
    path = tmp_path_factory.mktemp("scene") / "a.tif"
    image = np.exp2(ramp(20.0) - 20.0) * np.float32(peak)
    image[0] = -0.01 * np.float32(peak)
    cv2.imwrite(str(path), image)
    pixels, factor = usable_pixels(path, 64)
    assert factor == 1
    assert HALF_MAX / 2 <= pixels.max() <= HALF_MAX
    expected = np.maximum(image.astype(np.float64), 0.0)
    np.testing.assert_allclose(in_unit_of(pixels, expected), expected, rtol=2.0**-11)


@given(st.floats(1e-37, 3e38))
def test_a_scene_is_scaled_close_to_the_largest_half_float(maximum):
    scaled = maximum * 2.0 ** half_scale(maximum)
    assert scaled <= HALF_MAX < 2.0 * scaled


def test_the_evaluation_prints_what_it_leaves_out(scene_folder, tmp_path, capsys):
    folder = tmp_path / "scenes"
    folder.mkdir()
    shutil.copy(scene_folder / "c.exr", folder / "c.exr")
    (folder / "broken.hdr").write_bytes(b"nothing")
    request = Request(
        scenes=folder, out_dir=tmp_path / "out", every_family=True, conditions=(BASE,),
        write_only=True,
    )  # fmt: skip
    run.run(request)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "1 files are left out:"
    assert "broken.hdr: neither OpenEXR" in printed[1]
    assert printed[2].startswith("all 1 scenes of")


def test_the_training_prints_what_it_leaves_out(scene_folder, tmp_path, capsys, monkeypatch):
    """Scenes smaller than --size are left out; the run is stopped before the model is built."""
    (tmp_path / "list.txt").write_text("two\n")
    monkeypatch.setattr(fit, "compiled", lambda *_: sys.exit("far enough"))
    with pytest.raises(SystemExit, match="far enough"):
        fit.train(Config(size=64), scene_folder, tmp_path / "run", tmp_path / "list.txt")
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "2 files are left out:"
    assert "a.exr: 96x48 pixels" in printed[1]
    assert printed[3].startswith("2 HDR photographs, 2 families, ")
    assert printed[4] == "1 scenes to train on, 1 held out"
