"""Covering: nothing set is missed, and rectangles are joined where that pays."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from hdrcnn.tiles.regions import MOST, Region, cover

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
def test_all_that_is_set_is_covered_at_no_more_than_one_rectangle_costs(rows, columns, share, seed):
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


def test_lamps_far_apart_stay_apart_and_near_ones_come_together():
    mask = np.zeros((100, 200), bool)
    mask[10:12, 10:12] = mask[90:92, 190:192] = True
    assert cover(mask, HALO) == [Region(10, 12, 10, 12), Region(90, 92, 190, 192)]
    mask[12:14, 14:16] = True
    assert cover(mask, HALO) == [Region(10, 14, 10, 16), Region(90, 92, 190, 192)]


@pytest.mark.parametrize("halo", [0, HALO])
@pytest.mark.parametrize("every", [None, 2, 5])
def test_of_very_many_places_neighbours_come_together(every, halo):
    """A tenth of 250 megapixels in cells of 32 x 32, at random, or cells at equal distances; one
    half stays dark but for a lamp. Pairs of all of them are too many to look at.
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
    assert len(regions) <= MOST
    assert sum((r.bottom - r.top) * (r.right - r.left) for r in regions) < 0.55 * mask.size
    assert not halo or cost(regions) < 0.8 * cost([Region(0, 494, 0, 494)])


def test_a_full_mask_is_one_rectangle_and_a_frame_is_not():
    full = np.ones((170, 260), bool)
    assert cover(full, HALO) == [Region(0, 170, 0, 260)]
    full[4:-4, 4:-4] = False
    assert cost(cover(full, HALO)) < 0.5 * cost([Region(0, 170, 0, 260)])


@pytest.mark.parametrize("halo", [0, 1])
def test_without_a_halo_little_is_covered_that_is_not_set(halo):
    y, x = np.mgrid[0:120, 0:120]
    disc = np.hypot(y - 60, x - 60) < 50
    assert painted(cover(disc, halo), disc.shape).sum() < 1.3 * disc.sum()


def test_arithmetic_of_regions():
    region = Region(3, 10, 5, 9)
    assert region & Region(0, 8, 6, 20) == Region(3, 8, 6, 9)
    assert region.divided(4) == Region(0, 3, 1, 3)
    assert region.scaled(2).moved(1, -1) == Region(7, 21, 9, 17)
    assert [(s.top, s.bottom) for s in region.strips(3)] == [(3, 6), (6, 9), (9, 10)]
