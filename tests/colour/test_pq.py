"""PQ and light in cd/m^2: tables and values of the standards, colour-science, inverses."""

import colour
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

from hdrcnn.colour.pq import (
    REC709_TO_REC2020,
    content_light,
    pq_codes,
    pq_decode,
    pq_encode,
    to_rec2020,
)
from hdrcnn.tiles.geometry import strips


@pytest.mark.parametrize(
    ("luminance", "code"),
    [
        (0.1, 0.062337),
        (1.0, 0.149946),
        (100.0, 0.508078),
        (203.0, 0.580689),
        (1000.0, 0.751827),
        (10000.0, 1.0),
    ],
)
def test_table(luminance: float, code: float) -> None:
    assert float(pq_encode(luminance)) == pytest.approx(code, abs=5e-7)


def test_agrees_with_colour_science() -> None:
    luminance = np.geomspace(1e-4, 1e4, 400)
    np.testing.assert_allclose(
        pq_encode(luminance), colour.models.eotf_inverse_ST2084(luminance), rtol=1e-12
    )
    code = np.linspace(0.0, 1.0, 400)
    np.testing.assert_allclose(
        pq_decode(code), colour.models.eotf_ST2084(code), rtol=1e-9, atol=1e-12
    )


@given(st.floats(1e-3, 1e4))
def test_round_trip(luminance: float) -> None:
    assert float(pq_decode(pq_encode(luminance))) == pytest.approx(luminance, rel=1e-8)


def test_monotone_and_bounded() -> None:
    assert (np.diff(pq_encode(np.geomspace(1e-4, 1e4, 1000))) > 0).all()
    np.testing.assert_array_equal(pq_encode([-1.0, 2e4]), pq_encode([0.0, 1e4]))
    np.testing.assert_array_equal(pq_decode([-0.5, 0.0, 1.5]), [0.0, 0.0, 1e4])


LIGHT = hnp.arrays(np.float32, (5, 3), elements=st.floats(-2, 60, width=32))
BT2087 = [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]


def test_matrix_matches_bt2087_and_keeps_white():
    np.testing.assert_allclose(REC709_TO_REC2020, BT2087, atol=5e-5)
    np.testing.assert_allclose(to_rec2020(np.ones(3)), 1.0, rtol=1e-12)
    spaces = (colour.RGB_COLOURSPACES[name] for name in ("ITU-R BT.709", "ITU-R BT.2020"))
    expected = colour.matrix_RGB_to_RGB(*spaces, chromatic_adaptation_transform=None)
    np.testing.assert_allclose(REC709_TO_REC2020, expected, atol=2e-4)


def test_reference_white_and_the_end_points():
    """BT.2408, table 1: 203 cd/m^2 are 58 % PQ; ST 2084: 10000 cd/m^2 are 1."""
    white, black, top = pq_codes(np.array([[1.0], [0.0], [1e6]]) * np.ones(3)).astype(float)
    np.testing.assert_allclose(white / 65535, 0.580689, atol=1e-5)
    assert (black == 0).all()
    assert (top == 65535).all()
    ten = pq_codes(np.ones(3), bits=10)
    np.testing.assert_array_equal(ten, round(0.580689 * 1023))


@settings(deadline=None)
@given(LIGHT, st.floats(1, 4000))
def test_codes_match_colour_science(linear, nits):
    light = np.maximum(to_rec2020(linear) * nits, 0)
    expected = colour.models.eotf_inverse_ST2084(np.minimum(light, 10000)) * 65535
    assert np.abs(pq_codes(linear, nits) - expected).max() <= 0.51


@settings(deadline=None)
@given(LIGHT)
def test_codes_are_inverted_to_the_light(linear):
    inside = np.maximum(linear, 0)
    light = pq_decode(pq_codes(inside) / 65535.0) / 203
    back = light @ np.linalg.inv(REC709_TO_REC2020).T
    held = np.minimum(to_rec2020(inside), 10000 / 203) @ np.linalg.inv(REC709_TO_REC2020).T
    # A step of 16-bit PQ is below 0.03 % of its light, or 0.0001 cd/m^2.
    np.testing.assert_allclose(back, held, atol=3e-4 * max(1.0, float(inside.max())))


@settings(deadline=None)
@given(hnp.arrays(np.float32, (4, 6, 3), elements=st.floats(-1, 40, width=32)))
def test_content_light_is_the_brightest_channel_in_any_strips(linear):
    largest = np.clip(to_rec2020(linear) * 203, 0, 10000).max(axis=-1)
    for step in (1, 3, 4):
        found = content_light((linear[rows] for rows in strips(4, step)), 203)
        assert found.max_cll == pytest.approx(largest.max())
        assert found.max_fall == pytest.approx(largest.mean())


def test_content_light_without_pixels_is_refused():
    with pytest.raises(ValueError, match="pixels"):
        content_light([])
