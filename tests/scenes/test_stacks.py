"""The published layout: complete views only, one family per scene."""

import numpy as np
import pytest
from PIL import Image

from hdrcnn.files import ImageError
from training_code.scenes.stacks import StackScene, load_stacks


def write(folder, name, value=10, size=(70, 66)):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*size, 3), value, np.uint8)).save(path)


def test_only_complete_views_count(tmp_path):
    for k in range(5):
        write(tmp_path, f"sofa/images/000_{k}.png", 10 * k)
        write(tmp_path, f"sofa/images/my_view_1_{k}.png")
        write(tmp_path, f"rooms/box/images/7_{k}.png")
        write(tmp_path, f"sofa/depth/000_{k}.png")
        write(tmp_path, f"tiny/images/a_{k}.png", size=(20, 70))
        if k != 3:
            write(tmp_path, f"sofa/images/short_{k}.png")
    for k in range(6):
        write(tmp_path, f"sofa/images/long_{k}.png")
    found = load_stacks(tmp_path, 64)
    names = [(scene.name, scene.family) for scene in found.scenes]
    assert names == [
        ("rooms/box/images/7", "rooms/box"),
        ("sofa/images/000", "sofa"),
        ("sofa/images/my_view_1", "sofa"),
    ]
    assert sorted(line.split(":")[0].rpartition("/")[2] for line in found.rejected) == [
        "a", "long", "short",
    ]  # fmt: skip
    view = found.scenes[1]
    assert isinstance(view, StackScene)
    assert view.shape == (70, 66)
    assert view.exposures()[:, 0, 0, 0].tolist() == [0, 10, 20, 30, 40]
    assert 0.0 < float(view.crop(3, 4, 8, 8).max()) < 0.01


def test_faults_are_named(tmp_path):
    write(tmp_path, "scene/a_0.png")
    with pytest.raises(ImageError, match=r"SCENE/images/VIEW_E\.png"):
        load_stacks(tmp_path)
    for k in range(5):
        write(tmp_path, f"s/images/a_{k}.png", size=(70, 66 + (k == 4)))
        write(tmp_path, f"s/images/b_{k}.png")
    (tmp_path / "s/images/b_4.png").write_bytes(b"no picture")
    uneven, broken = load_stacks(tmp_path).scenes
    assert isinstance(uneven, StackScene)
    assert isinstance(broken, StackScene)
    with pytest.raises(ImageError, match=r"a_0\.png: .*sizes"):
        uneven.exposures()
    with pytest.raises(ImageError, match=r"b_4\.png: cannot"):
        broken.exposures()
