"""Requests of the evaluation: scenes, names, the command and its errors."""

import dataclasses
import os
import shutil
import weakref
from pathlib import Path

import cv2
import numpy as np
import pytest

from hdrcnn import weights
from hdrcnn.files import ImageError
from tests.conftest import ROOT
from training_code import console
from training_code.evaluation import methods, run
from training_code.evaluation.methods import Named, parse_named
from training_code.evaluation.protocol import BASE
from training_code.evaluation.request import VALIDATION, Request
from training_code.scenes.families import read_list
from training_code.scenes.seen import trained_on

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


def test_scenes_beyond_the_memory_budget_give_the_same_photographs(
    scene_folder: Path, tmp_path: Path, monkeypatch
) -> None:
    """The third run reads the scenes that the second stored in files."""
    found = []
    for budget in (1 << 30, 0, 0):
        monkeypatch.setattr("training_code.evaluation.request.half_of_memory", lambda b=budget: b)
        out = tmp_path / f"{budget}"
        run.run(Request(scene_folder, out, every_family=True, conditions=(BASE,), write_only=True))
        files = [path for path in sorted(out.rglob("*.*")) if path.suffix != ".npy"]
        found.append({path.relative_to(out): path.read_bytes() for path in files})
    assert found[0] == found[1] == found[2]
    assert len(found[0]) == 12
    assert not (tmp_path / f"{1 << 30}" / "scenes").exists()
    assert len(list((tmp_path / "0" / "scenes").glob("*.npy"))) == 4


def test_scenes_are_freed_before_photographs_are_scored(
    scene_folder: Path, tmp_path: Path, monkeypatch
) -> None:
    held: list[weakref.ref] = []
    choose = run.choose_scenes

    def chosen(request: Request):
        found = choose(request)
        held.extend(map(weakref.ref, found[0].scenes))
        return found

    def score(*_: object) -> None:
        assert len(held) == 4
        assert [scene() for scene in held] == 4 * [None]
        raise ImageError("far enough")

    monkeypatch.setattr(run, "choose_scenes", chosen)
    monkeypatch.setattr(run, "score_views", score)
    with pytest.raises(ImageError, match="far enough"):
        run.run(Request(scene_folder, tmp_path, every_family=True, conditions=(BASE,)))


def with_scenes(path: Path, source: Path, **facts: object) -> Path:
    """Weights whose metadata says what they were trained on."""
    arrays, metadata = weights.load(source)
    weights.save(path, arrays, dataclasses.replace(metadata, training=facts))
    return path


def test_weights_trained_on_the_scenes_are_reported(tiny_weights: Path, tmp_path: Path) -> None:
    """Scenes of the weights they started from count; no records or other names give no line."""
    start = {"scenes": "the same", "start": {"scenes": ["b.exr", "x.exr"]}}
    knows = with_scenes(tmp_path / "knows.npz", tiny_weights, scenes=["a.exr"], start=start)
    other = with_scenes(tmp_path / "other.npz", tiny_weights, scenes=["p/a.exr"])
    request = Request(
        tmp_path,
        tmp_path,
        params=(Named("ours", tiny_weights), Named("b", knows), Named("c", other)),
        curves=weights.CAMERA_CURVE,
    )
    (line,) = run.seen_lines(request, ["a.exr", "b.exr", "c.exr"])
    assert line.startswith(f"{knows}: trained on scenes of the same names as 2 of the 3 ")
    assert ": a.exr, b.exr; " in line
    assert "\n" not in line


def test_the_shipped_weights_were_not_trained_on_validation_families() -> None:
    """Scenes are named as in the collection, with folders for panoramas and photographs. One family
    was held out only later, and some of the weights had been trained on it.
    """
    folders = ("panorama", "photo")
    names = [f"{folder}/{name}.exr" for folder in folders for name in read_list(VALIDATION)]
    shipped = sorted((ROOT / "weights").glob("*.npz"))
    request = Request(Path(), Path(), params=tuple(Named(path.stem, path) for path in shipped))
    assert len(shipped) >= 6
    late = "photo/fountain_night.exr"
    assert run.seen_lines(request, [name for name in names if name != late]) == []
    known = trained_on(weights.load(weights.SHIPPED)[1].training)
    assert late in known
    assert set(folders) < {name.partition("/")[0] for name in known}
    assert len(run.seen_lines(request, [late])) >= 3


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
        (["--scenes=empty"], "empty: holds no HDR scenes"),
        (["--scenes=."], "out/truth: what is written there would become scenes of .; give an"),
        (["--scenes=out/truth/clip05"], "would become scenes of out/truth/clip05; give an"),
        (["--scenes=bytes", "--all"], "n\\udcefght.hdr: its name is not UTF-8; rename it"),
    ],
)
def test_command_reports_errors_in_one_line(
    run_python, tmp_path: Path, arguments: list[str], reason: str
) -> None:
    for folder in ("empty", "bytes", "out/truth/clip05"):
        (tmp_path / folder).mkdir(parents=True)
    light = np.random.default_rng(1).random((16, 20, 3), np.float32)
    cv2.imwrite(str(tmp_path / "a.hdr"), light)
    (tmp_path / "a.hdr").rename(tmp_path / "bytes" / os.fsdecode(b"n\xefght.hdr"))
    error = run_python(COMMAND, *arguments, "--out_dir=out", cwd=tmp_path, status=1).stderr
    assert reason in error
    assert error.count("\n") == 1


def test_a_command_is_stored_without_places_and_can_be_pasted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for text, shown in (
        ("weights/a.npz", "weights/a.npz"),
        (f"{tmp_path}/runs/a.npz", "runs/a.npz"),
        (f"new={tmp_path}/runs/a.npz", "new=runs/a.npz"),
        (f"{tmp_path.parent}/elsewhere/a.npz", "a.npz"),
        (f"my tool={tmp_path.parent}/its results", "'my tool=its results'"),
        ("runs/lr=1/a.npz", "runs/lr=1/a.npz"),
    ):
        assert console.shown(text) == shown


def test_weights_are_given_with_names_and_no_row_is_called_like_another() -> None:
    texts = ["published GAN=runs/lr=1/a.npz", "b=b.npz"]
    found = [Named("published GAN", Path("runs/lr=1/a.npz")), Named("b", Path("b.npz"))]
    assert methods.named_weights(texts) == found
    for text in ("a.npz", "=a.npz", "a="):
        with pytest.raises(ValueError, match=rf"^--params {text}: NAME=FILE"):
            methods.named_weights([text])
    methods.check_names(["formula", "a", "b"])
    with pytest.raises(ValueError, match="'formula'"):
        methods.check_names(["formula", "a", "formula"])
