"""Files below a folder, and their families: by manifest, by folder, by name."""

import os

import pytest

from hdrcnn.files import ImageError
from hdrcnn.writers.exr import write_exr
from tests.scenes.test_collection import ramp
from training_code.scenes.files import chosen_files, family_of, listed, scene_files


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
    with pytest.raises(ImageError, match=r"^[^\n]*MANIFEST\.csv: [^\n]*family[^\n]*$"):
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
def test_unusable_lines_of_a_manifest_are_named(tmp_path, text, reason):
    (tmp_path / "MANIFEST.csv").write_bytes(text)
    with pytest.raises(ImageError, match=rf"^[^\n]*MANIFEST\.csv: {reason}[^\n]*$"):
        scene_files(tmp_path)


def test_rows_without_a_file_are_reported_and_other_spellings_accepted(tmp_path):
    """Backslashes and `./` are accepted, and so are rows that name files other than scenes."""
    for name in ("film/1.exr", "film/2.exr", "night/a.exr", "notes.txt", ".hidden.exr"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    manifest = tmp_path / "MANIFEST.csv"
    manifest.write_text(
        "file,family\n.\\film\\1.exr,one\n././film//2.exr,two\n.\\night\\,three\nnotes.txt,four\n"
    )
    found = listed(tmp_path)
    assert [file.family for file in found.files] == ["one", "two", "three"]
    assert found.notes == []
    gone = ["film/3.exr", "Film/1.exr", f"{tmp_path}/film/1.exr", "../a.exr", ".hidden.exr"]
    with manifest.open("a") as file:
        file.writelines(f"{name},x\n" for name in gone)
    said = f"5 of 9 rows of MANIFEST.csv name no file: {', '.join(gone)}"
    assert listed(tmp_path).notes == [said]
    assert chosen_files(tmp_path, frozenset({"one"}), True, (".exr",), "scenes").notes == [said]


def test_linked_folders_are_entered_once_after_real_ones(tmp_path):
    folder, other = tmp_path / "scenes", tmp_path / "other"
    for name in (folder / "z" / "1.exr", folder / "b" / "2.exr", other / "3.exr"):
        name.parent.mkdir(parents=True)
        name.touch()
    (folder / "a").symlink_to(folder / "z", target_is_directory=True)
    (folder / "b" / "up").symlink_to(folder, target_is_directory=True)
    (folder / "b" / "elsewhere").symlink_to(other, target_is_directory=True)
    (folder / "round").symlink_to(folder / "round")
    found = listed(folder)
    names = [file.name for file in found.files]
    assert names == ["b/2.exr", "b/elsewhere/3.exr", "z/1.exr"]
    assert found.notes == []


@pytest.mark.skipif(os.mkdir not in os.supports_dir_fd, reason="makes a path too long to list")
def test_folders_that_cannot_be_listed_are_reported(tmp_path):
    (tmp_path / "a.exr").touch()
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(17):
        os.mkdir(250 * "d", dir_fd=here)
        below = os.open(250 * "d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    found = chosen_files(tmp_path, frozenset(), True, (".exr",), "scenes")
    assert [file.name for file in found.files] == ["a.exr"]
    (note,) = found.notes
    assert "ddd: cannot be listed: " in note
    (tmp_path / "a.exr").unlink()
    with pytest.raises(ImageError, match=r"^[^\n]*ddd: "):
        chosen_files(tmp_path, frozenset(), True, (".exr",), "scenes")


def test_a_row_for_the_folder_itself_names_the_family_of_all_its_files(tmp_path):
    folder = tmp_path / "film"
    (folder / "cut").mkdir(parents=True)
    for name in ("f0.exr", "f1.exr", "cut/f2.exr"):
        (folder / name).touch()
    manifest = "file,family\nfilm,lake\nfilm/cut,harbour\n"
    (tmp_path / "MANIFEST.csv").write_text(manifest)
    for root in (tmp_path, folder):
        found = listed(root)
        families = {file.path.name: file.family for file in found.files}
        assert families == {"f0.exr": "lake", "f1.exr": "lake", "f2.exr": "harbour"}
        assert found.notes == []
    (folder / "MANIFEST.csv").write_text("file,family\n./,sea\ncut,harbour\n")
    assert [file.family for file in scene_files(folder)] == ["harbour", "sea", "sea"]
