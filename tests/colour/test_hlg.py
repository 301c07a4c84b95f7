"""HLG compared with values of BT.2100 and colour-science, and inverses."""

import colour
import numpy as np
import pytest
from hypothesis import given, strategies as st

from hdrcnn.colour import hlg


def test_values_of_the_standard():
    assert pytest.approx(0.28466892) == hlg.B
    assert pytest.approx(0.55991073) == hlg.C
    assert float(hlg.hlg_encode(np.array(0.18))) == pytest.approx(0.672358, abs=1e-6)
    assert float(hlg.hlg_encode(np.array(1 / 12))) == pytest.approx(0.5)
    assert hlg.system_gamma() == 1.2
    assert hlg.system_gamma(2000.0) == pytest.approx(1.2 + 0.42 * np.log10(2.0))


def test_diffuse_white_of_203_is_three_quarters():
    # Report BT.2408, table 1: 75 % HLG is 203 cd/m^2 on a display of 1000.
    assert hlg.hlg_codes(np.full(3, 203.0))[0] == pytest.approx(0.75, abs=1e-3)


def test_agrees_with_colour_science():
    scene = np.linspace(0.0, 1.0, 300)
    np.testing.assert_allclose(
        hlg.hlg_encode(scene), colour.models.oetf_BT2100_HLG(scene), atol=1e-6
    )
    rgb = np.random.default_rng(1).random((50, 3))
    expected = colour.models.ootf_BT2100_HLG(rgb, L_W=1000.0)
    np.testing.assert_allclose(hlg.display_light(rgb), expected, rtol=1e-3)


@given(st.floats(0.0, 1.0), st.floats(100.0, 4000.0))
def test_inverses(code, peak):
    codes = np.array([code, code**2, 0.5 * code])
    np.testing.assert_allclose(hlg.hlg_encode(hlg.hlg_decode(codes)), codes, atol=1e-6)
    light = hlg.hlg_display(codes, peak)
    np.testing.assert_allclose(hlg.hlg_codes(light, peak), codes, atol=1e-5)
