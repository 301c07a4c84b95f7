"""Writing gain maps: they lead from the base to what is shown, with or without hot pixels."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from hdrcnn.writers import gain_map


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 40)), min_size=1, max_size=50))
def test_gains_lead_from_the_base_to_what_is_shown(samples):
    base, shown = np.array(samples, np.float32).T[..., None, None] * np.ones(3, np.float32)
    found = gain_map.gain_map(len(samples), 1, lambda rows: (base[rows], shown[rows]))
    gains = found.low + found.codes / 255.0 * (found.high - found.low)
    back = (base + gain_map.OFFSET) * 2.0**gains - gain_map.OFFSET
    half_a_step = 2.0 ** ((found.high - found.low) / 510 + 0.011) - 1.0
    assert (np.abs(back - shown) <= (shown + gain_map.OFFSET) * half_a_step + 1e-5).all()
    assert 0.0 < found.headroom <= max(np.log2(max(shown.max(), 1.1)) + 1e-3, 0.11)


def test_a_few_hot_pixels_do_not_set_the_headroom():
    shown = np.full((200, 200, 3), 4.0, np.float32)
    shown[7, 7] = 4096.0
    found = gain_map.gain_map(200, 200, lambda rows: (np.ones_like(shown[rows]), shown[rows]))
    assert found.headroom == 2.0
    assert found.high == pytest.approx(12.0, abs=0.03)


def test_light_beyond_all_half_floats_is_written_too():
    shown = np.full((64, 64, 3), 1e9, np.float32)
    found = gain_map.gain_map(64, 64, lambda rows: (np.ones_like(shown[rows]), shown[rows]))
    assert found.headroom == pytest.approx(np.log2(65504.0))
    assert len(gain_map.iso_metadata(found)) == 61
