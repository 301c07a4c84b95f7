"""ICtCp and its colour difference, compared with colour-science and values of BT.2100."""

import colour
import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp
from keras import ops

from hdrcnn.colour.ictcp import delta_e_itp, from_ictcp, to_ictcp

LIGHT = np.random.default_rng(3).uniform(0.0, 10000.0, (60, 3))
COLOURS = hnp.arrays(np.float64, (4, 3), elements=st.floats(1e-3, 9e3))


def test_agrees_with_colour_science():
    expected = colour.RGB_to_ICtCp(LIGHT, method="ITU-R BT.2100-2 PQ")
    np.testing.assert_allclose(to_ictcp(LIGHT), expected, atol=1e-12)
    other = to_ictcp(LIGHT[::-1])
    np.testing.assert_allclose(
        delta_e_itp(expected, other), colour.delta_E(expected, other, method="ITP"), rtol=1e-9
    )


@given(COLOURS)
def test_round_trip(light):
    np.testing.assert_allclose(from_ictcp(to_ictcp(light)), light, rtol=1e-6, atol=1e-6)


@given(st.floats(0.01, 10000.0))
def test_grey_has_no_chroma(luminance):
    found = to_ictcp(np.full(3, luminance))
    np.testing.assert_allclose(found[1:], 0.0, atol=1e-9)


def test_tensors_and_float32_match_numpy():
    light = LIGHT.astype(np.float32)
    found = to_ictcp(light)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, to_ictcp(LIGHT), atol=1e-4)
    np.testing.assert_allclose(
        np.asarray(to_ictcp(ops.convert_to_tensor(light), ops)), found, atol=1e-4
    )
    assert float(delta_e_itp(found[0], found[0])) == 0.0
    assert float(delta_e_itp(np.zeros(3), np.array([0.0, 0.01, 0.0]))) == pytest.approx(3.6)
