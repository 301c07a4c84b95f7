"""Which resolution is used where: depth in a highlight, the working size, and their blend."""

import numpy as np
import pytest

import hdrcnn
from hdrcnn.readers.photograph import read_ldr
from hdrcnn.tiles import resolution
from hdrcnn.tiles.frame import Frame
from hdrcnn.tiles.geometry import Region
from hdrcnn.tiles.resolution import RIM, depths
from hdrcnn.tiles.tiling import Tiling


class Constant(Tiling):
    """Stand-in for a network: y is log2 of the picture's width, the same everywhere.

    The result thus shows from which size it came.
    """

    def __init__(self) -> None:
        self.cell, self.sizes = 32, list[int]()

    def predict(self, frame, cells):
        columns = frame.image.shape[1]
        self.sizes.append(columns)
        for y, x in np.argwhere(cells):
            piece = Region(32 * y, 32 * y + 32, 32 * x, 32 * x + 32) & frame.picture
            size = piece.bottom - piece.top, piece.right - piece.left, 3
            yield piece, np.full(size, np.log2(columns), np.float32)


def put_together(predict, frame: Frame) -> tuple[np.ndarray, list[int]]:
    """y over the picture, NaN where there is none, and the widths that the network was given."""
    result, tiling = np.full(frame.image.shape, np.nan, np.float32), Constant()
    for piece, y in predict(frame, tiling):
        result[piece.within(frame.picture)] = y
    return result, tiling.sizes


def test_crops_of_the_benchmark_fit_pictures_of_any_size(tmp_path, run_python):
    """Crops of the benchmark, for pictures smaller than a crop, as large and larger."""
    script = (
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from benchmarks.resolution import write_crops\n"
        "for rows, columns in ((256, 512), (301, 300), (384, 384), (400, 777)):\n"
        "    code = np.zeros((rows, columns, 3))\n"
        "    code[:, -154:] = 1.0\n"
        "    write_crops(Path(f'{rows}.png'), {'a': code, 'b': code}, code)\n"
    )
    run_python("-c", script, cwd=tmp_path)
    sizes = {256: (256, 384), 301: (301, 300), 384: (384, 384), 400: (384, 384)}
    for name, (rows, columns) in sizes.items():
        sheet = read_ldr(tmp_path / f"{name}.png")
        assert sheet.shape == (4 * rows, 2 * columns, 3)
        assert sheet[:rows, :columns].mean() == pytest.approx(154 / columns, abs=0.01)


def disc(rows: int, columns: int, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """A saturated disc in the middle, and the depth of each pixel in it."""
    y, x = np.mgrid[0:rows, 0:columns]
    depth = radius - np.hypot(y - rows / 2 + 0.5, x - columns / 2 + 0.5)
    return np.where(depth[..., None] > 0, 1.0, 0.3).astype(np.float32) * np.ones(3, "f"), depth


def test_depths_of_a_disc_and_of_a_fully_saturated_picture():
    code, depth = disc(200, 240, 80)
    found = depths((code[..., 0] > 0.95).astype(np.float32))
    np.testing.assert_allclose(found[depth > 1], depth[depth > 1], atol=1.0)
    assert found[depth <= 0].max() == 0
    assert depths(np.ones((3, 7))).min() == 7


@pytest.mark.parametrize("shift", [0, 60, 119])
def test_depths_of_a_closed_picture_do_not_depend_on_where_it_begins(shift):
    full = (disc(100, 120, 40)[0][..., 0] > 0.95).astype(np.float32)
    rolled = np.roll(full, shift, axis=1)
    np.testing.assert_allclose(depths(rolled, closed=True), np.roll(depths(full), shift, axis=1))


def test_small_highlights_use_the_native_size():
    code, depth = disc(500, 700, RIM - 5)
    y, sizes = put_together(resolution.auto, Frame(code, 32, threshold=0.95))
    assert sizes == [700]
    np.testing.assert_allclose(y[depth > 0], np.log2(700))


def test_auto_chooses_the_size_by_depth():
    """At twice the rim half the size, and so on continuously: y falls by 1 with each halving."""
    code, depth = disc(1024, 1280, 460)
    y, sizes = put_together(resolution.auto, Frame(code, 32, threshold=0.95))
    assert sorted(sizes) == [80, 160, 320, 640, 1280][-len(sizes) :]
    levels = np.clip(np.log2(np.maximum(depth, 1e-3) / RIM), 0, len(sizes) - 1)
    inside = depth > 0
    assert np.isfinite(y[inside]).all()
    np.testing.assert_allclose(y[inside][:, 0], np.log2(1280) - levels[inside], atol=0.2)


def test_working_reduces_to_its_size_and_covers_every_saturated_pixel():
    code, depth = disc(1500, 3000, 300)
    y, sizes = put_together(resolution.working, Frame(code, 32, threshold=0.95))
    assert sizes == [1000]
    np.testing.assert_allclose(y[depth > 0], np.log2(1000), rtol=1e-3)
    y, sizes = put_together(resolution.working, Frame(code[:, :1200], 32, threshold=0.95))
    assert sizes == [1200]


@pytest.mark.parametrize("shift", [64, 192])
def test_auto_does_not_depend_on_where_a_closed_picture_begins(shift):
    """The shifts are multiples of all block sizes that are averaged, and put the disc on the border
    or near it.
    """
    code, _ = disc(256, 512, 110)
    results = [
        put_together(
            resolution.auto,
            Frame(np.roll(code, by, axis=1), 32, threshold=0.95, closed=True, halo=192),
        )
        for by in (0, shift)
    ]
    (y, sizes), (rolled, _) = results
    assert len(sizes) > 1
    inside = code[..., 0] > 0.95
    np.testing.assert_allclose(np.roll(rolled, -shift, axis=1)[inside], y[inside], atol=1e-3)


def test_wide_areas_are_filled_from_their_rim():
    """At native size the rim does not affect the middle of a wide area; with auto it does."""
    predictor = hdrcnn.load(precision="float32")
    code, depth = disc(700, 700, 320)
    other = np.where(depth[..., None] > 0, code, np.float32(0.9) * code)
    for size, felt in (("native", False), ("auto", True)):
        middle = [predictor.reconstruct(c, resolution=size)[350, 350] for c in (code, other)]
        assert bool(np.abs(middle[0] - middle[1]).max() > 1e-4) is felt


def test_unknown_resolutions_are_refused(tiny_weights):
    with pytest.raises(ValueError, match=r"resolution .*half.*native"):
        hdrcnn.load(tiny_weights).reconstruct(np.zeros((4, 4, 3), np.uint8), resolution="half")
