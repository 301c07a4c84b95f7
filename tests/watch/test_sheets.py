"""Contact sheets: every part in its place, and files that are complete."""

import dataclasses

import imageio.v3 as iio
import numpy as np
import pytest

from hdrcnn.colour.transfer import to_display
from hdrcnn.files import ImageError
from training_code.watch import sheets
from training_code.watch.validation import Figures, SheetCrop

FIGURES = Figures(psnr=30.0, gain=1.5, highlight_rmse=0.5, highlight_bias=-0.1, peak_error=-0.2)


def sheet_crop(prediction: float, truth: float, gain: float = 1.5) -> SheetCrop:
    """Flat images: light of one value each; the photograph is clipped."""
    shape = (64, 64, 3)
    return SheetCrop(
        "crop 1",
        np.full(shape, 255, np.uint8),
        np.ones(shape, np.float32),
        np.full(shape, prediction, np.float32),
        np.full(shape, truth, np.float32),
        dataclasses.replace(FIGURES, gain=gain),
        FIGURES,
    )


def cells(image: np.ndarray) -> list[np.ndarray]:
    """The cells of a strip, [CELL, CELL, 3] each."""
    lefts = sheets.lefts()[: len(sheets.COLUMNS)]
    return [image[sheets.LINE :, left : left + sheets.CELL] for left in lefts]


def test_every_cell_shows_its_image_at_its_exposure():
    found = cells(sheets.strip(sheet_crop(prediction=3.0, truth=6.0)))
    light = [(1.0, 0)] + [(value, stops) for stops in (0, -2, -4) for value in (3.0, 6.0)]
    assert len(found) == len(light) + 1
    for cell, (value, stops) in zip(found, light, strict=False):
        expected = to_display(np.full((1, 1, 3), value, np.float32), stops)
        np.testing.assert_array_equal(cell, np.broadcast_to(expected, cell.shape))


def test_the_error_is_blue_where_too_dark_and_red_where_too_bright():
    dark = cells(sheets.strip(sheet_crop(prediction=2.0, truth=8.0)))[-1].mean(axis=(0, 1))
    bright = cells(sheets.strip(sheet_crop(prediction=8.0, truth=2.0)))[-1].mean(axis=(0, 1))
    right = cells(sheets.strip(sheet_crop(prediction=8.0, truth=8.0)))[-1].mean(axis=(0, 1))
    assert dark[2] > dark[0] + 50
    assert bright[0] > bright[2] + 50
    assert np.ptp(right) < 2


def test_gains_and_losses_are_written_in_different_colours():
    texts = [sheets.strip(sheet_crop(2.0, 2.0, gain))[: sheets.LINE, :50] for gain in (2.0, -2.0)]
    brightest = [text.reshape(-1, 3)[text.sum(axis=-1).argmax()].astype(int) for text in texts]
    assert brightest[0][1] > brightest[0][0]
    assert brightest[1][0] > brightest[1][1]


def test_a_sheet_has_a_heading_and_one_strip_per_crop(tmp_path):
    sheet_crops = [sheet_crop(2.0, 4.0), sheet_crop(1.0, 8.0)]
    path = tmp_path / "sheets" / "epoch_000001.png"
    sheets.write_sheet(path, sheet_crops, "epoch 1   +1.50 dB")
    sheet = iio.imread(path)
    heading = sheets.TITLE + 2 * sheets.LINE
    height = sheets.LINE + sheets.CELL
    assert sheet.shape == (heading + 2 * height, sheets.lefts()[-1], 3)
    np.testing.assert_array_equal(sheet[heading : heading + height], sheets.strip(sheet_crops[0]))
    np.testing.assert_array_equal(sheet[heading + height :], sheets.strip(sheet_crops[1]))
    assert (sheet[: sheets.TITLE] == 255).any()
    assert not np.array_equal(sheet[:heading], sheets.heading("epoch 2   +1.50 dB"))
    assert [child.name for child in path.parent.iterdir()] == [path.name]


def test_a_crop_that_is_not_square_keeps_its_shape():
    wide = sheet_crop(2.0, 4.0)
    arrays = ("code", "photograph", "prediction", "truth")
    wide = dataclasses.replace(wide, **{name: getattr(wide, name)[:32] for name in arrays})
    assert sheets.strip(wide).shape[0] == sheets.LINE + sheets.CELL // 2


def test_a_path_that_cannot_be_written_is_named(tmp_path):
    path = tmp_path / "epoch_000001.png"
    path.mkdir()
    with pytest.raises(ImageError, match=r"epoch_000001\.png: "):
        sheets.write_sheet(path, [sheet_crop(2.0, 4.0)], "epoch 1")
    assert [child.name for child in tmp_path.iterdir()] == [path.name]


def test_unknown_parts_of_the_truth_are_marked():
    half = sheet_crop(prediction=3.0, truth=6.0)
    truth = half.truth.copy()
    truth[:, 32:] = np.nan
    found = cells(sheets.strip(dataclasses.replace(half, truth=truth)))
    whole = cells(sheets.strip(half))
    middle = sheets.CELL // 2
    for index, name in enumerate(sheets.COLUMNS):
        np.testing.assert_array_equal(found[index][:, :middle], whole[index][:, :middle])
        right = found[index][:, middle:]
        if name in ("input", "result"):
            np.testing.assert_array_equal(right, whole[index][:, middle:])
        else:
            np.testing.assert_array_equal(right, np.broadcast_to(sheets.UNKNOWN, right.shape))
