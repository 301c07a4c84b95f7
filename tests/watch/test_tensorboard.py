"""TensorBoard files, read back by TensorBoard's own reader."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from training_code.watch.tensorboard import Board


def read(folder: Path) -> EventAccumulator:
    """Everything in a run's event files, as TensorBoard shows it."""
    reader = EventAccumulator(str(folder / "tensorboard"), {"scalars": 0, "images": 0})
    reader.Reload()
    return reader


def points(folder: Path, tag: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in read(folder).Scalars(tag)]


def test_values_survive_a_round_trip(tmp_path):
    board = Board(tmp_path)
    board.scalars(1, {"loss": 0.5, "val_gain": -1.25, "crops_per_second": 80.0})
    board.scalars(2, {"loss": 0.25, "val_gain": 1.5})
    board.close()
    assert points(tmp_path, "training/loss") == [(1, 0.5), (2, 0.25)]
    assert points(tmp_path, "validation/gain") == [(1, -1.25), (2, 1.5)]
    assert points(tmp_path, "training/crops_per_second") == [(1, 80.0)]


def test_pictures_survive_a_round_trip(tmp_path):
    codes = np.random.default_rng(1).integers(0, 256, (20, 30, 3), np.uint8)
    board = Board(tmp_path)
    board.picture(3, "crops/crop 1", codes)
    board.close()
    (image,) = read(tmp_path).Images("crops/crop_1")
    assert (image.step, image.width, image.height) == (3, 30, 20)
    shown = np.asarray(Image.open(io.BytesIO(image.encoded_image_string)))
    np.testing.assert_array_equal(shown, codes)


def test_a_resumed_run_replaces_what_came_after_its_checkpoint(tmp_path):
    """Killed after three epochs, then resumed from earlier checkpoints within the same second."""
    codes = np.zeros((4, 4, 3), np.uint8)
    for epochs, offset in (((1, 2, 3), 0.0), ((2, 3, 4), 10.0), ((4, 5), 20.0)):
        board = Board(tmp_path)
        for epoch in epochs:
            board.picture(epoch, "crop", codes)
            board.scalars(epoch, {"loss": epoch + offset})
        board.close()
    assert points(tmp_path, "training/loss") == [(1, 1), (2, 12), (3, 13), (4, 24), (5, 25)]
    assert [image.step for image in read(tmp_path).Images("crop")] == [1, 2, 3, 4, 5]


def test_a_closed_board_can_be_written_again(tmp_path):
    """A run that first completes a stopped epoch trains in two parts."""
    board = Board(tmp_path)
    for epoch in (1, 2):
        board.scalars(epoch, {"loss": float(epoch)})
        board.close()
    assert points(tmp_path, "training/loss") == [(1, 1.0), (2, 2.0)]


def test_no_file_exists_before_something_is_written(tmp_path):
    Board(tmp_path).close()
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_is_reported_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ValueError, match="pip install tensorboardX") as caught:
        Board(tmp_path)
    assert "\n" not in str(caught.value)
