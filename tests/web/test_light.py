"""Curves, log domain and blends of the page, compared with those of the command."""

import numpy as np
import pytest

from hdrcnn.colour.transfer import LINEARISATIONS, linearise, log_decode, srgb_encode
from hdrcnn.predict.blend import BLENDS, RAMPS, reconstruct_light
from hdrcnn.predict.camera_curve import STYLED
from tests.web.javascript import javascript

CODES = np.arange(256, dtype=np.float32) / 255


@pytest.mark.parametrize("curve", LINEARISATIONS)
def test_codes_become_the_same_light(curve):
    found = javascript("light.js", "return v.codes.map(m.LINEARISATIONS[v.curve])",
                       codes=CODES, curve=curve)  # fmt: skip
    np.testing.assert_allclose(found, LINEARISATIONS[curve](CODES.astype(np.float64)), rtol=1e-12)


def test_the_styled_curve_is_the_same():
    found = javascript("light.js", "return v.codes.map(m.LINEARISATIONS.styled)", codes=CODES)
    np.testing.assert_allclose(found, linearise(CODES.astype(np.float64), STYLED), rtol=1e-12)


def test_srgb_and_the_log_domain_are_the_same():
    y = np.linspace(-6.0, 9.0, 61)
    shown, light = javascript(
        "light.js", "return [v.codes.map(m.srgbEncode), v.y.map(m.logDecode)]", codes=CODES, y=y
    )
    np.testing.assert_allclose(shown, srgb_encode(CODES.astype(np.float64)), rtol=1e-12)
    np.testing.assert_allclose(light, log_decode(y), rtol=1e-12)


def test_the_page_knows_the_same_names():
    curves, ramps = javascript("light.js", "return [Object.keys(m.LINEARISATIONS), m.RAMPS]")
    assert set(curves) == {*LINEARISATIONS, "styled"}
    assert {name: tuple(ramp) for name, ramp in ramps.items()} == RAMPS


@pytest.mark.parametrize("blend", BLENDS)
@pytest.mark.parametrize("curve", LINEARISATIONS)
def test_the_blend_is_the_same(blend, curve):
    rng = np.random.default_rng(3)
    codes = rng.choice(CODES[200:], (400, 3))
    codes[:20] = 1.0
    y = rng.uniform(-6, 8, codes.shape).astype(np.float32)
    found = javascript(
        "light.js",
        """const codes = Float32Array.from(v.codes);
        const linear = codes.map(m.LINEARISATIONS[v.curve]);
        return m.reconstructLight(codes, linear, Float32Array.from(v.y), v.blend)""",
        codes=codes, y=y, blend=blend, curve=curve,
    )  # fmt: skip
    expected = reconstruct_light(codes, y, curve, blend)
    np.testing.assert_allclose(np.reshape(found, (-1, 3)), expected, rtol=2e-5, atol=1e-6)
