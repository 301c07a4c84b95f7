"""A folder of HDR files becomes scenes: families apart, unusable files listed, light kept."""

import shutil
import sys

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from hdrcnn.image_io import HALF_MAX, ImageError, write_exr
from training_code import training
from training_code.config import Config
from training_code.evaluation import run
from training_code.evaluation.protocol import BASE
from training_code.evaluation.run import Request
from training_code.scenes import Views, load_scenes, random_view, read_list, usable_pixels


def ramp(peak: float = 4.0, side: int = 64) -> np.ndarray:
    """[side, side, 3] float32: from 0 at the top to `peak`."""
    row = np.linspace(0.0, peak, side, dtype=np.float32)
    return np.broadcast_to(row[:, None, None], (side, side, 3)).copy()


def test_families_stay_on_one_side(scene_folder):
    held_out = frozenset({"one"})
    kept = load_scenes(scene_folder, held_out, without=True, smallest=32).scenes
    validation = load_scenes(scene_folder, held_out, smallest=32).scenes
    assert [scene.name for scene in kept] == ["c.exr", "d.exr"]
    assert [scene.name for scene in validation] == ["a.exr", "b.exr"]
    assert [scene.is_panorama for scene in kept + validation] == [False, False, True, True]


def test_every_kind_of_file_anywhere_below(tmp_path):
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
        np.testing.assert_allclose(scene.pixels, ramp(), rtol=0.01)


def test_without_a_manifest_every_name_is_a_family(tmp_path):
    write_exr(tmp_path / "x.exr", ramp())
    cv2.imwrite(str(tmp_path / "x.hdr"), ramp())
    write_exr(tmp_path / "y.exr", ramp())
    found = load_scenes(tmp_path, frozenset({"x"})).scenes
    assert [(scene.name, scene.family) for scene in found] == [("x.exr", "x"), ("x.hdr", "x")]


def test_unusable_files_are_listed_and_the_rest_is_taken(tmp_path):
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
        r"black\.exr: holds no light",
        r"broken\.exr: neither OpenEXR",
        r"flat\.exr: holds one value everywhere",
        r"inf\.tif: holds values that are not finite",
        r"minus\.tif: holds values that are not finite",
        r"nan\.tif: holds values that are not finite",
        r"negative\.exr: holds no light",
        r"small\.exr: 63x63 pixels where the shorter side needs 64",
    ]
    assert len(found.rejected) == len(reasons)
    for line, reason in zip(found.rejected, reasons, strict=True):
        with pytest.raises(ImageError, match=reason):
            raise ImageError(line)
        assert "\n" not in line
    assert found.rejected_lines().splitlines()[0] == "8 files are left out:"
    assert found.rejected_lines().count("\n") == 9
    assert len(load_scenes(tmp_path, without=True, smallest=63).scenes) == 2


def test_nothing_left_is_an_error(tmp_path):
    with pytest.raises(ImageError, match=r"^[^\n]*holds no HDR scenes \(\.exr, [^\n]*$"):
        load_scenes(tmp_path, without=True)
    (tmp_path / "bad.exr").write_bytes(b"nothing")
    (tmp_path / "worse.hdr").write_bytes(b"nothing")
    with pytest.raises(ImageError, match=r"no usable HDR scene: [^\n]*bad\.exr: [^\n]*1 more"):
        load_scenes(tmp_path, without=True)


@settings(deadline=None, max_examples=25)
@given(st.floats(1.0, 1e30))
def test_light_beyond_half_floats_is_scaled_not_clipped(tmp_path_factory, peak):
    path = tmp_path_factory.mktemp("scene") / "a.tif"
    image = ramp(peak)
    image[0] = -0.01 * np.float32(peak)
    cv2.imwrite(str(path), image)
    pixels = usable_pixels(path, 64)
    expected = np.maximum(image.astype(np.float64), 0.0) * min(1.0, HALF_MAX / image.max())
    np.testing.assert_allclose(pixels, expected, rtol=1e-3)
    assert np.isfinite(pixels).all()
    assert (np.diff(pixels[1:, 0, 0].astype(np.float32)) > 0).all()


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
    """Below --size is too small; the run is stopped where the model would be built."""
    (tmp_path / "list.txt").write_text("two\n")
    monkeypatch.setattr(training, "compiled_model", lambda config: sys.exit("far enough"))
    with pytest.raises(SystemExit, match="far enough"):
        training.train(Config(size=64), scene_folder, tmp_path / "list.txt", tmp_path / "run")
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "2 files are left out:"
    assert "a.exr: 96x48 pixels where the shorter side needs 64" in printed[1]
    assert printed[3] == "1 scenes to train on, 1 held out"


def test_lists_have_comments(tmp_path):
    (tmp_path / "list.txt").write_text("# families\na\n\nb  # second\n")
    assert read_list(tmp_path / "list.txt") == {"a", "b"}


def test_views_are_square_positive_and_of_the_asked_size(scene_folder):
    rng = np.random.default_rng(0)
    for scene in load_scenes(scene_folder, without=True, smallest=32).scenes:
        view = random_view(scene, Views(), 64, rng)
        assert view.shape == (64, 64, 3)
        assert view.dtype == np.float32
        assert view.min() >= 0
        assert view.max() <= scene.pixels.max() * 1.001
