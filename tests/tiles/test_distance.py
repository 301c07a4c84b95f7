"""Distances to the nearest cell outside, compared with SciPy."""

import numpy as np
import pytest
from hypothesis import example, given, strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.ndimage import distance_transform_edt

from hdrcnn.tiles import distance
from hdrcnn.tiles.distance import distance_transform

maps = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=40), elements=st.booleans())


@given(maps, st.booleans())
@example(np.array([[False]]), False)
@example(np.array([[True, False]]), True)
def test_distances_match_scipy(inside, closed):
    inside[0, 0] = False
    columns = inside.shape[1]
    wide = np.tile(inside, (1, 3)) if closed else inside
    expected = distance_transform_edt(wide)[:, columns if closed else 0 :][:, :columns]
    np.testing.assert_array_equal(distance_transform(inside, closed), expected.astype(np.float32))


@pytest.mark.parametrize("samples", [1, 3000, 1 << 16])
def test_wide_areas_are_exact_for_any_block_size(samples, monkeypatch):
    monkeypatch.setattr(distance, "SAMPLES", samples)
    rows, columns = np.mgrid[0:231, 0:157]
    rough = np.random.default_rng(2).random((231, 157)) < 0.999
    inside = rough & (np.hypot(rows - 130, columns - 60) < 90)
    expected = distance_transform_edt(inside).astype(np.float32)
    np.testing.assert_array_equal(distance_transform(inside), expected)
    assert expected.max() > 10


def test_distances_to_a_single_cell_outside():
    inside = np.ones((300, 200), bool)
    inside[299, 0] = False
    rows, columns = np.mgrid[0:300, 0:200]
    np.testing.assert_allclose(distance_transform(inside), np.hypot(299 - rows, columns), rtol=1e-6)
    around = np.hypot(299 - rows, np.minimum(columns, 200 - columns))
    np.testing.assert_allclose(distance_transform(inside, closed=True), around, rtol=1e-6)
