"""Chromaticities: against colour-science, and what must hold for any space."""

import colour
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdrcnn.primaries import REC709, luminance_weights, rgb_to_xyz, to_rec709
from hdrcnn.transfer import LUMINANCE_WEIGHTS

REC2020 = (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, 0.3127, 0.3290)
ACES = (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, 0.32168, 0.33767)
RADIANCE = (0.640, 0.330, 0.290, 0.600, 0.150, 0.060, 1 / 3, 1 / 3)


def expected_matrix(chromaticities: tuple[float, ...]) -> np.ndarray:
    """To Rec. 709 by colour-science."""
    here, there = np.reshape(chromaticities, (4, 2)), np.reshape(REC709, (4, 2))
    adaptation = colour.adaptation.matrix_chromatic_adaptation_VonKries(
        colour.xy_to_XYZ(here[3]), colour.xy_to_XYZ(there[3]), transform="Bradford"
    )
    to_xyz = colour.normalised_primary_matrix(here[:3], here[3])
    from_xyz = np.linalg.inv(colour.normalised_primary_matrix(there[:3], there[3]))
    return from_xyz @ adaptation @ to_xyz


@pytest.mark.parametrize("chromaticities", [REC2020, ACES, RADIANCE])
def test_agrees_with_colour_science(chromaticities):
    matrix = to_rec709(chromaticities)
    assert matrix is not None
    np.testing.assert_allclose(matrix, expected_matrix(chromaticities), rtol=1e-6, atol=1e-9)


def test_rec709_stays_as_it_is_however_its_digits_are_written():
    assert to_rec709(REC709) is None
    assert to_rec709(np.array(REC709, np.float32).tolist()) is None
    assert to_rec709((0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.31271, 0.32902)) is None
    np.testing.assert_allclose(luminance_weights(REC709), LUMINANCE_WEIGHTS, atol=1e-4)


@settings(deadline=None)
@given(st.tuples(*(st.floats(-0.02, 0.02) for _ in range(8))))
def test_white_stays_white_in_any_space(offsets):
    chromaticities = tuple(np.add(REC2020, offsets))
    matrix = to_rec709(chromaticities)
    assert matrix is not None
    np.testing.assert_allclose(matrix @ np.ones(3), 1.0, rtol=1e-9)
    assert luminance_weights(chromaticities).sum() == pytest.approx(1.0)
    white = rgb_to_xyz(chromaticities).sum(axis=1)
    np.testing.assert_allclose(white[:2] / white.sum(), chromaticities[6:], rtol=1e-9)


@pytest.mark.parametrize(
    "chromaticities",
    [
        (0.0,) * 8,
        (0.3, 0.3) * 4,
        (0.1, 0.1, 0.2, 0.2, 0.3, 0.3, 0.3127, 0.3290),
        (*REC709[:7], 0.0),
        (*REC709[:7], float("nan")),
        REC709[:6],
    ],
)
def test_no_colour_space_is_said(chromaticities):
    with pytest.raises(ValueError, match="chromaticities"):
        to_rec709(chromaticities)
