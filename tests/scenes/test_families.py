"""Lists of families: any editor's text is read; unknown names are reported, with a suggestion."""

import os

import numpy as np
import pytest
from hypothesis import example, given, strategies as st

from hdrcnn.files import ImageError
from training_code.evaluation.request import Request, choose_scenes
from training_code.run import material
from training_code.scenes.collection import Scene
from training_code.scenes.families import as_line, missing_note, read_list
from training_code.scenes.files import Folders
from training_code.scenes.views import Views
from training_code.tasks.hdrcnn_settings import Config

SCENES = [
    Scene(name, family, np.zeros((4, 4, 3), np.float16))
    for name, family in [("p/cannon_4k.hdr", "cannon"), ("p/x.exr", "Flowers"), ("v.1.exr", "v.1")]
]


@pytest.mark.parametrize(
    "content",
    [
        "# families\na\n\nb#1  # second\ncaf\u00e9\n".encode(),
        "a\r\nb#1\r\ncaf\u00e9".encode("utf-8-sig"),
        "a\rb#1 #x\r  caf\u00e9  \r".encode(),
    ],
)
def test_lists_have_comments_and_come_from_any_editor(tmp_path, content):
    (tmp_path / "list.txt").write_bytes(content)
    assert read_list(tmp_path / "list.txt") == {"a", "b#1", "caf\u00e9"}


@given(st.sets(st.text(min_size=1), max_size=4))
@example({"# a", "b # c", " d ", '"e"', '"f', "g#1", "\ufeffh", "i\nj", os.fsdecode(b"caf\xe9")})
def test_any_name_survives_a_round_trip_through_its_line(tmp_path_factory, names):
    path = tmp_path_factory.getbasetemp() / "names.txt"
    path.write_text("".join(f"{as_line(name)}\n" for name in names), encoding="utf-8")
    assert read_list(path) == names


def test_names_are_quoted_only_where_necessary(tmp_path):
    assert [as_line(name) for name in ("a b", "c#1", '"d', "caf\u00e9")] == [
        "a b", "c#1", '"d', "caf\u00e9",
    ]  # fmt: skip
    (tmp_path / "list.txt").write_text(' "# a" # of both\n"b" c\n')
    assert read_list(tmp_path / "list.txt") == {"# a", '"b" c'}


def test_a_list_that_is_not_utf_8_is_refused(tmp_path):
    (tmp_path / "list.txt").write_text("cannon\n", encoding="utf-16")
    with pytest.raises(ImageError, match=r"^[^\n]*list\.txt: [^\n]*UTF-8[^\n]*$"):
        read_list(tmp_path / "list.txt")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Cannon", "cannon"),
        ("cannon.exr", "cannon"),
        ("CANNON_2k", "cannon"),
        ("p/flowers.EXR", "Flowers"),
        ("x", "Flowers"),
        ("v.1.exr", "v.1"),
    ],
)
def test_a_similar_name_is_suggested(tmp_path, name, meant):
    note = missing_note(tmp_path, {"cannon", "canon", name} - {meant}, SCENES)
    assert f"{name} (is {meant} meant?)" in note
    assert note.endswith(", canon")


def test_there_is_no_note_if_all_names_are_known(tmp_path):
    assert missing_note(tmp_path, {"cannon", "v.1"}, SCENES) == ""


def test_only_the_first_of_many_unknown_names_are_given(tmp_path):
    note = missing_note(tmp_path, {f"{number:02}" for number in range(20)}, SCENES)
    assert note.startswith(f"20 names of {tmp_path} are in no scene: 00, 01, ")
    assert note.endswith(", 07, and 12 more")


def test_training_and_evaluation_report_unknown_names(scene_folder, tmp_path, capsys):
    path = tmp_path / "list.txt"
    path.write_text("two\nTHREE\nnowhere\n")
    said = f"2 names of {path} are in no scene: THREE (is three meant?), nowhere"

    def sides(held_out):
        config, looks, folders = Config(size=32), (Views(), 32), Folders((scene_folder,))
        return material.training_and_held_out(
            config, looks, folders, tmp_path / "run", [held_out], 1.0
        )

    sides(path)
    assert said in capsys.readouterr().out.splitlines()
    request = Request(scenes=scene_folder, out_dir=tmp_path, families=path)
    assert choose_scenes(request)[1].splitlines()[1] == said
    path.write_text("THREE\n")
    for refused in (
        lambda: choose_scenes(request),
        lambda: sides(path),
    ):
        with pytest.raises((ImageError, ValueError), match=rf"^{path}: [^\n]*three[^\n]*$"):
            refused()


def test_the_default_list_suits_any_collection(scene_folder, tmp_path):
    request = Request(scenes=scene_folder, out_dir=tmp_path)
    assert len(choose_scenes(request)[0].scenes) == 4
