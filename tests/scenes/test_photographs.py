"""LDR photographs as scenes: saturated ones are left out, light is linear, pixels are read late."""

import csv
import os
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hdrcnn.colour.transfer import srgb_decode, srgb_encode
from hdrcnn.files import ImageError
from hdrcnn.readers.photograph import read_ldr
from hdrcnn.writers.exr import write_exr
from training_code.camera import Camera
from training_code.camera.shots import draw_shot, take
from training_code.scenes import photographs
from training_code.scenes.photographs import MOST_SATURATED, LdrScene, load_photographs
from training_code.scenes.views import Views


def photograph(rows: int = 64, columns: int = 80, saturated: int = 0) -> np.ndarray:
    """[rows, columns, 3] uint8 up to 254, but one channel of `saturated` pixels is 255."""
    rng = np.random.default_rng(rows + columns)
    codes = rng.integers(0, 255, (rows, columns, 3), dtype=np.uint8)
    for index in range(saturated):
        codes[index // 60 + 3, index % 60 + 3, index % 3] = 255
    return codes


def save(path: Path, codes: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(codes).save(path)


def test_saturated_photographs_are_left_out_and_counted(tmp_path):
    save(tmp_path / "clean.png", photograph())
    most = int(MOST_SATURATED * 64 * 80)
    save(tmp_path / "just.png", photograph(saturated=most))
    save(tmp_path / "over.png", photograph(saturated=most + 1))
    save(tmp_path / "sub" / "white.jpg", np.full((64, 64, 3), 255, np.uint8))
    found = load_photographs(tmp_path, without=True)
    assert [scene.name for scene in found.scenes] == ["clean.png", "just.png"]
    assert found.saturated == 2
    assert found.rejected == []
    assert found.rejected_lines().startswith("2 photographs are left out")
    assert found.summary().startswith("2 linearised photographs, 2 families, 0.00 GB in memory")
    assert found.summary().endswith(", 2 read from their files when used")


def test_encoding_the_light_as_srgb_gives_the_codes(tmp_path):
    """The sRGB curve, the inverse of what is tested, gives back the codes."""
    codes = photograph()
    save(tmp_path / "a.png", codes)
    (scene,) = load_photographs(tmp_path, without=True).scenes
    assert scene.pixels.dtype == np.float16
    assert scene.pixels.min() >= 0
    assert scene.pixels.max() < 1
    again = srgb_encode(scene.pixels.astype(np.float64))
    np.testing.assert_allclose(again * 255, codes, atol=0.1)
    np.testing.assert_array_equal(scene.crop(10, 20, 30, 7), scene.pixels[10:40, 20:27])


def test_sixteen_bits_are_not_rounded_to_eight(tmp_path):
    ramp = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) * 9
    Image.fromarray(ramp).save(tmp_path / "a.png")
    (scene,) = load_photographs(tmp_path, without=True).scenes
    again = srgb_encode(scene.pixels.astype(np.float64))
    np.testing.assert_allclose(again[..., 1], read_ldr(tmp_path / "a.png")[..., 1], atol=4e-4)
    assert len(np.unique(scene.pixels)) > 1000


def test_a_photograph_of_two_to_one_is_not_a_panorama(tmp_path):
    save(tmp_path / "wide.png", photograph(64, 128))
    (scene,) = load_photographs(tmp_path, without=True).scenes
    assert scene.shape == (64, 128)
    assert not scene.is_panorama


def test_families_and_unusable_files(tmp_path):
    save(tmp_path / "a.png", photograph())
    save(tmp_path / "b.jpeg", photograph(80, 64))
    save(tmp_path / "flat.png", np.full((64, 64, 3), 90, np.uint8))
    save(tmp_path / "small.bmp", photograph(63, 90))
    (tmp_path / "torn.jpg").write_bytes((tmp_path / "b.jpeg").read_bytes()[:300])
    write_exr(tmp_path / "hdr.exr", np.ones((64, 64, 3)))
    found = load_photographs(tmp_path, frozenset({"a"}), without=True)
    assert [(scene.name, scene.family) for scene in found.scenes] == [("b.jpeg", "b")]
    reasons = [r"flat\.png: holds one value", r"small\.bmp: 90x63 pixels", r"torn\.jpg: "]
    assert len(found.rejected) == 3
    for line, reason in zip(found.rejected, reasons, strict=True):
        assert re.search(reason, line)
    assert [s.name for s in load_photographs(tmp_path, frozenset({"a"})).scenes] == ["a.png"]


def test_a_folder_without_usable_photographs_is_an_error(tmp_path):
    with pytest.raises(ImageError, match=r"^[^\n]*\.png, [^\n]*$"):
        load_photographs(tmp_path, without=True)
    save(tmp_path / "white.png", photograph(saturated=400))
    with pytest.raises(ImageError, match=r"1 [^\n]*5%"):
        load_photographs(tmp_path, without=True)


def test_more_photographs_than_a_chunk_stay_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(photographs, "CHUNK", 3)
    for number in range(11):
        save(tmp_path / f"{number:02}.png", photograph(64, 70 + number))
    found = load_photographs(tmp_path, without=True)
    assert [scene.shape[1] for scene in found.scenes] == list(range(70, 81))


def counted(monkeypatch) -> list[str]:
    """List to which the name of every file decoded from now on is added."""
    read: list[str] = []
    original = photographs.measured

    def noted(path: Path) -> photographs.Facts:
        read.append(path.name)
        return original(path)

    monkeypatch.setattr(photographs, "measured", noted)
    return read


def test_a_second_run_reads_only_new_and_changed_files(tmp_path, monkeypatch):
    folder, index = tmp_path / "photos", tmp_path / "run" / "photographs.csv"
    for number, name in enumerate(["a.png", "b, c.png", "d.png", "e.png"]):
        save(folder / name, photograph(64 + number, 90, saturated=600 * (name == "d.png")))
    read = counted(monkeypatch)
    first = load_photographs(folder, without=True, index=index)
    assert sorted(read) == ["a.png", "b, c.png", "d.png", "e.png"]
    read.clear()
    second = load_photographs(folder, without=True, index=index)
    assert read == []
    assert second.saturated == first.saturated == 1
    assert [(s.name, s.shape) for s in second.scenes] == [(s.name, s.shape) for s in first.scenes]
    save(folder / "a.png", photograph(70, 99))
    save(folder / "new.png", photograph(71, 99))
    third = load_photographs(folder, without=True, index=index)
    assert sorted(read) == ["a.png", "new.png"]
    assert third.scenes[0].shape == (70, 99)


@pytest.mark.parametrize("cut", [1, 3, 9, 17])
def test_an_index_truncated_by_a_kill_is_continued(tmp_path, monkeypatch, cut):
    folder, index = tmp_path / "photos", tmp_path / "photographs.csv"
    for number in range(5):
        save(folder / f"{number}.png", photograph(64 + number, 90))
    whole = load_photographs(folder, without=True, index=index)
    index.write_bytes(index.read_bytes()[:-cut])
    read = counted(monkeypatch)
    again = load_photographs(folder, without=True, index=index)
    assert len(read) == 1
    assert [scene.shape for scene in again.scenes] == [scene.shape for scene in whole.scenes]
    with index.open(newline="") as file:
        assert [len(row) for row in csv.reader(file)] == 6 * [7]


@pytest.mark.parametrize(
    "name",
    [b"caf\xe9.png", "a\u2028b.png".encode(), b"a\x85\x0cb.png", b'a\nb "c\r.png', b"\xff,.png"],
)
def test_any_name_of_a_file_survives_the_index(tmp_path, monkeypatch, name):
    folder, index = tmp_path / "photos", tmp_path / "photographs.csv"
    save(folder / "ok.png", photograph())
    try:
        (folder / "ok.png").rename(folder / os.fsdecode(name))
    except OSError:
        pytest.skip("this file system has names of text alone")
    save(folder / "ok.png", photograph(70))
    first = load_photographs(folder, without=True, index=index)
    read = counted(monkeypatch)
    second = load_photographs(folder, without=True, index=index)
    assert read == []
    assert [(s.name, s.shape) for s in second.scenes] == [(s.name, s.shape) for s in first.scenes]
    assert os.fsdecode(name) in [scene.name for scene in second.scenes]


def test_damaged_rows_are_dropped_from_the_index(tmp_path, monkeypatch):
    """Such as a name cut inside its quotes, which would swallow all rows after it."""
    folder, index = tmp_path / "photos", tmp_path / "photographs.csv"
    for name in "ab":
        save(folder / f"{name}.png", photograph())
    load_photographs(folder, without=True, index=index)
    good = index.read_bytes()
    for torn in (b'"a\n', b"a,b\n", b'"\xff' + 200_000 * b"y" + b"\n", b"c.png,1,2,3,4,5,x\n"):
        index.write_bytes(good + torn)
        read = counted(monkeypatch)
        assert len(load_photographs(folder, without=True, index=index).scenes) == 2
        assert read == []
        assert index.read_bytes() == good


def test_light_that_the_source_clipped_is_unknown(tmp_path):
    """All channels of such a pixel are NaN in the target of a view."""
    codes = np.full((64, 64, 3), 100, np.uint8)
    codes[8:16, 8:16, 1] = 255
    save(tmp_path / "a.png", codes)
    (scene,) = load_photographs(tmp_path, without=True).scenes
    known = scene.known(srgb_decode(codes / 255.0))[..., 0]
    expected = np.ones((64, 64), bool)
    expected[8:16, 8:16] = False
    np.testing.assert_array_equal(known, expected)
    key = (1, 0, 0, 0, 0)
    shot = draw_shot([scene], [[0]], Views(), Camera(), key, 64)
    picture, target = take(scene, shot, 64)
    assert np.isnan(target).any(axis=-1).sum() == np.isnan(target).all(axis=-1).sum() == 64
    assert picture.dtype == np.uint8


def test_photographs_are_kept_in_memory_up_to_the_budget(tmp_path):
    for name in "abc":
        save(tmp_path / f"{name}.png", photograph(64, 64))
    size = 6 * 64 * 64
    found = load_photographs(tmp_path, without=True, memory=2 * size).scenes
    assert [isinstance(scene, LdrScene) for scene in found] == [False, False, True]
    assert [scene.kind for scene in found] == [2, 2, 2]
    np.testing.assert_array_equal(found[0].pixels, found[2].pixels)


def test_a_scene_reads_its_file_only_when_it_is_used(tmp_path):
    save(tmp_path / "a.png", photograph(300, 400))
    (scene,) = load_photographs(tmp_path, without=True).scenes
    assert isinstance(scene, LdrScene)
    assert len(pickle.dumps(scene)) < 1000
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(scene)).pixels, scene.pixels)
    save(tmp_path / "a.png", photograph(64, 64))
    with pytest.raises(ImageError, match=r"a\.png: .*changed"):
        scene.crop(0, 0, 8, 8)
    (tmp_path / "a.png").unlink()
    with pytest.raises(ImageError, match=r"a\.png: "):
        _ = scene.pixels
