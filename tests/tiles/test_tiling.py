"""Pictures of any size in pieces give the same result as in one, and nothing is computed where
nothing is saturated. Rectangles cover a mask and are joined if that costs less.
"""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import hdrcnn
from hdrcnn.colour.transfer import linearise
from hdrcnn.predict.blend import BLENDS, reconstruct_light
from hdrcnn.tiles.frame import Frame
from hdrcnn.tiles.geometry import Region
from hdrcnn.tiles.tiling import MAX_RECTANGLES, Tiling, cover


@pytest.fixture(scope="module")
def predictor(tiny_weights):
    return hdrcnn.load(tiny_weights, precision="float32", tile_pixels=400_000)


def scattered(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """Noise with saturated discs of random places and sizes, [rows, columns, 3] float32."""
    code = 0.9 * rng.random((rows, columns, 3), np.float32)
    y, x = np.mgrid[0:rows, 0:columns]
    for _ in range(rng.integers(1, 5)):
        centre, radius = rng.random(2) * (rows, columns), rng.uniform(1, 60)
        disc = np.hypot(y - centre[0], x - centre[1]) < radius
        code[disc] += rng.uniform(0.1, 1.0, 3).astype(np.float32)
    return np.minimum(code, 1.0)


def spied(monkeypatch: pytest.MonkeyPatch) -> list[Region]:
    """List to which every region of a frame that the network is given from now on is added."""
    seen: list[Region] = []

    def shown(self: Frame, region: Region) -> np.ndarray:
        seen.append(region)
        return self.codes(region)

    monkeypatch.setattr(Frame, "shown", shown)
    return seen


def in_one_piece(predictor, code: np.ndarray, blend: str) -> np.ndarray:
    """Reconstruction straight from the model, without the code that is tested here."""
    rows, columns = code.shape[:2]
    beyond = [(32, 32 + -side % 32) for side in code.shape[:2]]
    wide = np.pad(code, [*beyond, (0, 0)], mode="symmetric")
    y = np.asarray(predictor.network.whole(wide[None]))
    return reconstruct_light(code, y[0, 32:, 32:][:rows, :columns], "mean_curve", blend)


@pytest.mark.parametrize("seed", range(20))
def test_pieces_match_the_whole(predictor, monkeypatch, seed):
    rng = np.random.default_rng(seed)
    code = scattered(rng, *rng.integers(30, 700, 2))
    for blend in BLENDS:
        facts = dataclasses.replace(predictor.metadata, blend=blend)
        monkeypatch.setattr(predictor, "metadata", facts)
        np.testing.assert_allclose(
            predictor.reconstruct(code, resolution="native"),
            in_one_piece(predictor, code, blend),
            rtol=1e-3,
            atol=1e-6,
        )


@pytest.mark.parametrize("tile_pixels", [0, 1, 200_000])
def test_the_result_does_not_depend_on_tile_pixels(predictor, monkeypatch, tile_pixels):
    code = scattered(np.random.default_rng(8), 300, 610)
    expected = in_one_piece(predictor, code, predictor.metadata.blend)
    monkeypatch.setattr(predictor.tiling, "tile_pixels", tile_pixels)
    result = predictor.reconstruct(code, resolution="native")
    np.testing.assert_allclose(result, expected, rtol=1e-3, atol=1e-6)


def test_negative_tile_pixels_are_refused(tiny_weights):
    with pytest.raises(ValueError, match="tile_pixels -1"):
        hdrcnn.load(tiny_weights, tile_pixels=-1)


def test_no_more_than_tile_pixels_are_processed_at_once(predictor, monkeypatch):
    shown = spied(monkeypatch)
    frame = Frame(np.ones((1000, 2300, 3), np.uint8), 32)
    pieces = list(predictor.tiling.predict(frame, np.ones((32, 72), bool)))
    assert sum(y[..., 0].size for _, y in pieces) == 1000 * 2300
    widest = max(region.right - region.left for region in shown)
    assert 2 * predictor.tiling.halo < widest < 2300
    assert (
        predictor.tiling.step + 2 * predictor.tiling.halo
    ) * widest <= predictor.tiling.tile_pixels + 32 * 1000


def test_nothing_is_computed_where_nothing_is_saturated(predictor, monkeypatch):
    """Neither in an unsaturated picture nor far from the only lamp of another."""
    seen = spied(monkeypatch)
    code = np.full((1500, 1500, 3), 0.9, np.float32)
    for resolution in ("auto", "native", "working"):
        hdr = predictor.reconstruct(code, resolution=resolution)
        np.testing.assert_allclose(hdr, linearise(code, "mean_curve"), rtol=1e-6)
    assert seen == []
    code[100, 1400] = 1.0
    predictor.reconstruct(code, resolution="native")
    assert max(region.bottom for region in seen) <= 128 + 192
    assert min(region.left for region in seen) >= 1376 - 192


def test_a_closed_picture_has_no_seam(predictor):
    """Wrapped around, the seam equals the middle of the picture rolled by half its width."""
    code = scattered(np.random.default_rng(3), 200, 896)
    code[60:140, :30] = code[90:180, -50:] = 1.0
    expected = predictor.reconstruct(np.roll(code, 448, axis=1), resolution="native")
    result = np.roll(predictor.reconstruct(code, resolution="native", panorama=True), 448, axis=1)
    np.testing.assert_allclose(result[:, 192:-192], expected[:, 192:-192], rtol=1e-3, atol=1e-6)
    open_ended = np.roll(predictor.reconstruct(code, resolution="native"), 448, axis=1)
    assert np.abs(open_ended / expected - 1)[:, 440:456].max() > 0.01


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (33, 31)])
@pytest.mark.parametrize("panorama", [False, True])
def test_odd_shapes(predictor, shape, panorama):
    code = np.ones((*shape, 3), np.float32)
    for resolution in ("auto", "native", "working"):
        hdr = predictor.reconstruct(code, resolution=resolution, panorama=panorama)
        assert hdr.shape == code.shape
        assert np.isfinite(hdr).all()
        assert hdr.min() >= 1.0 - 1e-6


def test_backends_that_compile_every_size_get_the_same_result(predictor, monkeypatch):
    """As under JAX: shapes repeat, and the result is the same."""
    code = scattered(np.random.default_rng(5), 300, 900)
    expected = in_one_piece(predictor, code, predictor.metadata.blend)
    network = dataclasses.replace(predictor.network, compiles_per_size=True)
    tiling = Tiling(network, 600_000)
    monkeypatch.setattr(predictor, "tiling", tiling)
    result = predictor.reconstruct(code, resolution="native")
    np.testing.assert_allclose(result, expected, rtol=1e-3, atol=1e-6)


def test_the_whole_is_computed_at_once_if_a_region_needs_all_of_it(predictor, monkeypatch):
    code = scattered(np.random.default_rng(8), 150, 200)
    expected = in_one_piece(predictor, code, predictor.metadata.blend)
    whole, calls = predictor.network.whole, list[tuple[int, ...]]()

    def counted(pictures: np.ndarray) -> np.ndarray:
        calls.append(pictures.shape)
        return np.asarray(whole(pictures))

    network = dataclasses.replace(predictor.network, prefers_whole=True, whole=counted)
    monkeypatch.setattr(predictor, "tiling", Tiling(network, 400_000))
    result = predictor.reconstruct(code, resolution="native")
    np.testing.assert_allclose(result, expected, rtol=1e-3, atol=1e-6)
    assert calls == [(1, 224, 288, 3)]
    calls.clear()
    predictor.reconstruct(np.full((600, 900, 3), 0.5, np.float32), resolution="native")
    assert not calls


def test_half_floats_give_the_same_image(predictor):
    code = scattered(np.random.default_rng(6), 100, 120)
    full, half = (predictor.reconstruct(code, dtype=t) for t in (np.float32, np.float16))
    assert half.dtype == np.float16
    np.testing.assert_allclose(half, full, rtol=1e-3, atol=1e-6)


HALO = 6


def cost(regions: list[Region]) -> int:
    return sum((r.bottom - r.top + 2 * HALO) * (r.right - r.left + 2 * HALO) for r in regions)


def painted(regions: list[Region], shape: tuple[int, int]) -> np.ndarray:
    covered = np.zeros(shape, bool)
    for region in regions:
        covered[region.within(Region(0, shape[0], 0, shape[1]))] = True
    return covered


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 60),
    columns=st.integers(1, 60),
    share=st.floats(0, 0.3),
    seed=st.integers(0, 99),
)
def test_the_mask_is_covered_at_no_more_than_the_cost_of_one_rectangle(rows, columns, share, seed):
    mask = np.random.default_rng(seed).random((rows, columns)) < share
    regions = cover(mask, HALO)
    assert not (mask & ~painted(regions, mask.shape)).any()
    assert all(mask[region.within(Region(0, rows, 0, columns))].any() for region in regions)
    if mask.any():
        y, x = np.nonzero(mask)
        around = Region(int(y.min()), int(y.max()) + 1, int(x.min()), int(x.max()) + 1)
        assert cost(regions) <= cost([around])
    else:
        assert regions == []


def test_distant_lamps_stay_separate_and_close_ones_are_joined():
    mask = np.zeros((100, 200), bool)
    mask[10:12, 10:12] = mask[90:92, 190:192] = True
    assert cover(mask, HALO) == [Region(10, 12, 10, 12), Region(90, 92, 190, 192)]
    mask[12:14, 14:16] = True
    assert cover(mask, HALO) == [Region(10, 14, 10, 16), Region(90, 92, 190, 192)]


@pytest.mark.parametrize("halo", [0, HALO])
@pytest.mark.parametrize("every", [None, 2, 5])
def test_neighbours_are_joined_among_very_many_cells(every, halo):
    """A random tenth of the cells of 32 x 32 pixels of 250 megapixels, or cells at equal distances.
    One half stays dark except for a lamp. There are too many cells to compare all pairs.
    """
    mask = np.zeros((494, 494), bool)
    mask[:, :247] = np.random.default_rng(3).random((494, 247)) < 0.1
    if every:
        mask[:, :247] = False
        mask[:247:every, :247:every] = True
    mask[480, 450] = True
    regions = cover(mask, halo)
    assert not (mask & ~painted(regions, mask.shape)).any()
    assert all(mask[region.within(Region(0, 494, 0, 494))].any() for region in regions)
    assert len(regions) <= MAX_RECTANGLES
    assert sum((r.bottom - r.top) * (r.right - r.left) for r in regions) < 0.55 * mask.size
    assert not halo or cost(regions) < 0.8 * cost([Region(0, 494, 0, 494)])


def test_a_full_mask_is_one_rectangle_and_a_frame_is_not():
    full = np.ones((170, 260), bool)
    assert cover(full, HALO) == [Region(0, 170, 0, 260)]
    full[4:-4, 4:-4] = False
    assert cost(cover(full, HALO)) < 0.5 * cost([Region(0, 170, 0, 260)])


@pytest.mark.parametrize("halo", [0, 1])
def test_without_a_halo_little_is_covered_beyond_the_mask(halo):
    y, x = np.mgrid[0:120, 0:120]
    disc = np.hypot(y - 60, x - 60) < 50
    assert painted(cover(disc, halo), disc.shape).sum() < 1.3 * disc.sum()


def test_arithmetic_of_regions():
    region = Region(3, 10, 5, 9)
    assert region & Region(0, 8, 6, 20) == Region(3, 8, 6, 9)
    assert region.divided(4) == Region(0, 3, 1, 3)
    assert region.scaled(2).moved(1, -1) == Region(7, 21, 9, 17)
    assert [(s.top, s.bottom) for s in region.strips(3)] == [(3, 6), (6, 9), (9, 10)]
