"""What an evaluation is asked for: scenes, names, the command and its faults."""

import dataclasses
import shutil
from pathlib import Path

import pytest

from tests.conftest import ROOT
from training_code.evaluation import run
from training_code.evaluation.methods import Named, parse_named
from training_code.evaluation.run import Request

COMMAND = ROOT / "training_code" / "hdrcnn_evaluate.py"


def test_families_choose_the_scenes(scene_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("two # a place\nthree\nelsewhere\n")
    request = Request(scenes=scene_folder, out_dir=tmp_path)
    found, line = run.choose_scenes(dataclasses.replace(request, families=tmp_path / "list.txt"))
    assert [scene.name for scene in found.scenes] == ["c.exr", "d.exr"]
    assert line.startswith("2 scenes of 2 families")
    found, line = run.choose_scenes(request)
    assert len(found.scenes) == 4
    assert "none of the validation families" in line
    everything, _ = run.choose_scenes(dataclasses.replace(request, every_family=True))
    assert len(everything.scenes) == 4
    shutil.copy(scene_folder / "c.exr", tmp_path / "cave_wall.exr")
    (tmp_path / "broken.hdr").write_text("nothing")
    found, line = run.choose_scenes(dataclasses.replace(request, scenes=tmp_path))
    assert [scene.family for scene in found.scenes] == ["cave_wall"]
    assert found.rejected == []  # Only files of the families asked for are opened.
    assert "1 scenes of 1 families: the validation families" in line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.npz", Named("ours", Path("a.npz"))),
        ("new=a.npz", Named("new", Path("a.npz"))),
        ("runs/lr=1/a.npz", Named("ours", Path("runs/lr=1/a.npz"))),
        ("new=runs/lr=1/a.npz", Named("new", Path("runs/lr=1/a.npz"))),
    ],
)
def test_named_files(text: str, expected: Named) -> None:
    assert parse_named(text, "ours") == expected


def test_a_folder_needs_its_name() -> None:
    with pytest.raises(ValueError, match="NAME=DIR"):
        parse_named("out/other")


def test_command_writes_photographs_for_other_tools(
    run_python, scene_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "list.txt").write_text("two\n")
    text = run_python(
        COMMAND,
        f"--scenes={scene_folder}",
        "--out_dir=out",
        "--families=list.txt",
        "--full",
        "--write_only",
        cwd=tmp_path,
    ).stdout
    assert "18 photographs" in text
    assert len(list((tmp_path / "out" / "ldr").glob("*/c.*"))) == 18
    assert len(list((tmp_path / "out" / "truth").glob("*/c.exr"))) == 3


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--scenes=nowhere"], "nowhere: no such folder"),
        (["--scenes=.", "--only=clip07_png_srgb"], "no such condition; known: clip05_png_publi"),
        (["--scenes=.", "--pred=folder"], "NAME=DIR is needed"),
        (["--scenes=.", "--all", "--families=x"], "give one of them"),
        (["--scenes=."], "holds no HDR scenes"),
    ],
)
def test_command_says_in_one_line_what_is_wrong(
    run_python, tmp_path: Path, arguments: list[str], reason: str
) -> None:
    error = run_python(COMMAND, *arguments, "--out_dir=out", cwd=tmp_path, status=1).stderr
    assert reason in error
    assert error.count("\n") == 1
