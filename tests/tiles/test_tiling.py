"""Any size in pieces: the result of one piece, nothing computed where nothing is saturated."""

import dataclasses

import numpy as np
import pytest

import hdrcnn
from hdrcnn.colour.transfer import linearise
from hdrcnn.predict.blend import BLENDS, reconstruct_light
from hdrcnn.tiles.frame import Frame
from hdrcnn.tiles.geometry import pad_to_multiple
from hdrcnn.tiles.regions import Region
from hdrcnn.tiles.tiling import Tiling


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
    """What parts of frames the network is shown from now on."""
    seen: list[Region] = []

    def shown(self: Frame, region: Region) -> np.ndarray:
        seen.append(region)
        return self.codes(region)

    monkeypatch.setattr(Frame, "shown", shown)
    return seen


def in_one_piece(predictor, code: np.ndarray, blend: str) -> np.ndarray:
    """Straight from the model, without a line of what is tested here."""
    rows, columns = code.shape[:2]
    y = np.asarray(predictor.network.whole(pad_to_multiple(code, 32)[None]))
    return reconstruct_light(code, y[0, :rows, :columns], "mean_curve", blend)


@pytest.mark.parametrize("seed", range(20))
def test_pieces_are_the_whole(predictor, monkeypatch, seed):
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
def test_whatever_fits_at_once_the_result_is_the_same(predictor, monkeypatch, tile_pixels):
    code = scattered(np.random.default_rng(8), 300, 610)
    expected = in_one_piece(predictor, code, predictor.metadata.blend)
    monkeypatch.setattr(predictor.tiling, "tile_pixels", tile_pixels)
    result = predictor.reconstruct(code, resolution="native")
    np.testing.assert_allclose(result, expected, rtol=1e-3, atol=1e-6)


def test_no_more_than_was_allowed_is_worked_on_at_once(predictor, monkeypatch):
    shown = spied(monkeypatch)
    frame = Frame(np.ones((1000, 2300, 3), np.uint8), 32)
    pieces = list(predictor.tiling.log_hdr(frame, np.ones((32, 72), bool)))
    assert sum(y[..., 0].size for _, y in pieces) == 1000 * 2300
    widest = max(region.right - region.left for region in shown)
    assert 2 * predictor.tiling.halo < widest < 2300
    assert (
        predictor.tiling.step + 2 * predictor.tiling.halo
    ) * widest <= predictor.tiling.tile_pixels + 32 * 1000


def test_where_nothing_is_saturated_nothing_is_computed(predictor, monkeypatch):
    """Not anywhere in an unsaturated picture, and not far from the one lamp of another."""
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
    """Wrapped around, it is in the middle of the picture rolled by half its width."""
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


def test_few_sizes_where_every_size_is_compiled(predictor, monkeypatch):
    """As under JAX: shapes repeat, the result stays."""
    code = scattered(np.random.default_rng(5), 300, 900)
    expected = in_one_piece(predictor, code, predictor.metadata.blend)
    network = dataclasses.replace(predictor.network, few_sizes=True)
    tiling = Tiling(network, 600_000)
    monkeypatch.setattr(predictor, "tiling", tiling)
    result = predictor.reconstruct(code, resolution="native")
    np.testing.assert_allclose(result, expected, rtol=1e-3, atol=1e-6)


def test_the_whole_is_computed_where_one_region_needs_all_of_it(predictor, monkeypatch):
    code = scattered(np.random.default_rng(8), 150, 200)
    expected = in_one_piece(predictor, code, predictor.metadata.blend)
    whole, calls = predictor.network.whole, list[tuple[int, ...]]()

    def counted(pictures: np.ndarray) -> np.ndarray:
        calls.append(pictures.shape)
        return np.asarray(whole(pictures))

    network = dataclasses.replace(predictor.network, whole_first=True, whole=counted)
    monkeypatch.setattr(predictor, "tiling", Tiling(network, 400_000))
    result = predictor.reconstruct(code, resolution="native")
    np.testing.assert_allclose(result, expected, rtol=1e-3, atol=1e-6)
    assert calls == [(1, 160, 224, 3)]
    calls.clear()
    predictor.reconstruct(np.full((600, 900, 3), 0.5, np.float32), resolution="native")
    assert not calls


def test_half_floats_hold_the_same_image(predictor):
    code = scattered(np.random.default_rng(6), 100, 120)
    full, half = (predictor.reconstruct(code, dtype=t) for t in (np.float32, np.float16))
    assert half.dtype == np.float16
    np.testing.assert_allclose(half, full, rtol=1e-3, atol=1e-6)
