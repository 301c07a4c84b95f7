"""Rows of training data in a file of the run: which are taken again, and which are not."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from hdrcnn.writers.exr import write_exr
from training_code.scenes.collection import Scene, load_scenes
from training_code.scenes.photographs import load_photographs
from training_code.scenes.store import SceneStore
from training_code.tasks import rows


@dataclasses.dataclass(frozen=True)
class Numbers:
    number: np.ndarray


SCENES = [
    Scene(name, name, np.zeros((4, 4, 3), np.float16), file_bytes=size)
    for name, size in (("a.exr", 300), ("b.exr", 200))
]
FACTS = rows.facts_of(2, {"seed": 1, "range": (1, 2)}, SCENES)


def test_rows_are_of_one_version_of_the_settings_and_of_the_files(tmp_path):
    file = tmp_path / "rows.npz"
    rows.write(file, FACTS, Numbers(np.arange(3)))
    found = rows.read(file, FACTS, Numbers)
    assert found is not None
    assert list(found.number) == [0, 1, 2]
    larger = [SCENES[0], dataclasses.replace(SCENES[1], file_bytes=201)]
    settings = {"seed": 1, "range": (1, 2)}
    for other in (
        rows.facts_of(3, settings, SCENES),
        rows.facts_of(2, settings | {"seed": 2}, SCENES),
        rows.facts_of(2, settings, larger),
        rows.facts_of(2, settings, SCENES[:1]),
    ):
        assert rows.read(file, other, Numbers) is None


@pytest.mark.parametrize(("version", "taken"), [(1, True), (2, False)])
def test_rows_of_older_programs_are_of_the_first_version(tmp_path, version, taken):
    """They state neither version nor sizes, and may hold arrays that are no longer needed."""
    file = tmp_path / "rows.npz"
    facts = {"seed": 1, "range": [1, 2], "scenes": ["a.exr", "b.exr"]}
    np.savez(file, facts=np.array(json.dumps(facts)), number=np.arange(3), family=np.arange(3))
    wanted = rows.facts_of(version, {"seed": 1, "range": (1, 2)}, SCENES)
    assert (rows.read(file, wanted, Numbers) is not None) == taken


def test_scenes_know_the_size_of_their_file_wherever_they_are_held(tmp_path):
    light = np.random.default_rng(1).uniform(0.0, 0.9, (70, 80, 3)).astype(np.float32)
    folder = tmp_path / "scenes"
    folder.mkdir()
    write_exr(folder / "a.exr", light)
    Image.fromarray((200 * light).astype(np.uint8)).save(folder / "a.png")
    files = SceneStore(tmp_path / "store", 0)
    for ending, found in (
        ("exr", load_scenes(folder, without=True)),
        *[("exr", load_scenes(folder, without=True, store=files)) for _ in range(2)],
        *[("png", load_photographs(folder, without=True, memory=size)) for size in (0, 1 << 20)],
    ):
        (scene,) = found.scenes
        assert scene.file_bytes == (folder / f"a.{ending}").stat().st_size > 0
