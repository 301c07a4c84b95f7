"""Exposure: the share of the samples that is clipped."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from training_code.camera import Exposure, TooBlackError, expose

LIGHT = np.random.default_rng(0).lognormal(0.0, 2.0, (40, 60, 3)).astype(np.float32)


@settings(deadline=None)
@given(unclipped=st.floats(0.02, 0.98), unit=st.floats(1e-3, 1e3))
def test_exposure_leaves_the_share_below_clipping_whatever_the_unit(unclipped, unit):
    exposed = expose(LIGHT * np.float32(unit), unclipped)
    assert (exposed < 1.0).mean() == pytest.approx(unclipped, abs=2 / LIGHT.size + 1e-4)


def test_exposure_is_one_gain():
    ratio = expose(LIGHT, 0.9) / LIGHT
    np.testing.assert_allclose(ratio, ratio[0, 0, 0], rtol=1e-6)


def test_black_cannot_be_exposed():
    with pytest.raises(TooBlackError, match="black"):
        expose(np.zeros((4, 4, 3), np.float32), 0.9)
    lamp = np.zeros((10, 10, 3), np.float32)
    lamp[:2] = 1.0
    with pytest.raises(TooBlackError, match="75%"):
        expose(lamp, 0.75)
    assert (expose(lamp, 0.85) == lamp).all()


def test_shares_are_drawn_evenly_from_their_range():
    rng = np.random.default_rng(1)
    drawn = np.array([Exposure((0.7, 0.9)).draw(rng) for _ in range(4000)])
    counts, _ = np.histogram(drawn, 4, (0.7, 0.9))
    assert counts.sum() == 4000
    np.testing.assert_allclose(counts, 1000, atol=5 * np.sqrt(1000))


@pytest.mark.parametrize("share", [(0.9, 0.8), (0.0, 0.5), (0.5, 1.0), (0.5,), 0.9])
def test_unusable_shares_are_named(share):
    with pytest.raises(ValueError, match="unclipped"):
        Exposure(share)
