"""Families of files: by their manifest, by their folder, by their name."""

import pytest

from hdrcnn.image_io import ImageError, write_exr
from tests.test_scenes import ramp
from training_code.scene_files import family_of, scene_files


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("film/shot/0001.exr", "the film"),
        ("film/shot/0002.exr", "alone"),
        ("films/0001.exr", "0001"),
        ("a.b/venice_16k.hdr", "venice"),
        ("venice-4K.exr", "venice"),
        ("_4k.exr", "_4k"),
        ("4k.exr", "4k"),
        ("take_400k.exr", "take_400k"),
        ("two.dots.exr", "two.dots"),
    ],
)
def test_families_by_file_by_folder_or_by_name(name, family):
    assert family_of(name, {"film": "the film", "film/shot/0002.exr": "alone"}) == family


def test_a_manifest_may_name_folders_and_must_have_its_columns(tmp_path):
    (tmp_path / "film").mkdir()
    write_exr(tmp_path / "film" / "1.exr", ramp())
    write_exr(tmp_path / "film" / "2.exr", ramp())
    write_exr(tmp_path / "3.exr", ramp())
    (tmp_path / "MANIFEST.csv").write_text("family,file\nnight,film/\n", encoding="utf-8-sig")
    found = [(file.name, file.family) for file in scene_files(tmp_path)]
    assert found == [("3.exr", "3"), ("film/1.exr", "night"), ("film/2.exr", "night")]
    (tmp_path / "MANIFEST.csv").write_text("file,place\na.exr,night\n")
    with pytest.raises(ImageError, match=r"^[^\n]*MANIFEST\.csv: no column family; add it$"):
        scene_files(tmp_path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"file,family\na.exr,x\nb.exr\n", "line 3 names no family; complete it"),
        (b"family,file\nx\n", "line 2 names no file; complete it"),
        ("file,family\na.exr,x\nb.exr,caf\u00e9\n".encode("latin-1"), "line 3 is not UTF-8 text"),
        (b"file,family\na.exr,x\0\n" + b'b,"' + 200_000 * b"y", "line [23] "),
    ],
)
def test_a_line_of_a_manifest_that_cannot_be_used_is_named(tmp_path, text, reason):
    (tmp_path / "MANIFEST.csv").write_bytes(text)
    with pytest.raises(ImageError, match=rf"^[^\n]*MANIFEST\.csv: {reason}[^\n]*$"):
        scene_files(tmp_path)
