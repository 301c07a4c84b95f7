"""Chromaticities, compared with colour-science, and properties of any colour space."""

import colour
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from hdrcnn.colour.primaries import (
    DISPLAY_P3,
    NAMED,
    REC709,
    REC2020,
    linear_to_rec709,
    luminance_weights,
    name_of,
    nearest_named,
    rgb_to_xyz,
    to_rec709,
)
from hdrcnn.colour.transfer import LUMINANCE_WEIGHTS

ACES = (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, 0.32168, 0.33767)
RADIANCE = (0.640, 0.330, 0.290, 0.600, 0.150, 0.060, 1 / 3, 1 / 3)


def expected_matrix(chromaticities: tuple[float, ...]) -> np.ndarray:
    """Matrix to Rec. 709 by colour-science."""
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


def test_rec709_is_unchanged_however_its_digits_are_rounded():
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
def test_chromaticities_of_no_colour_space_are_refused(chromaticities):
    with pytest.raises(ValueError, match="chromaticities"):
        to_rec709(chromaticities)


COLOUR_SCIENCE = {
    "Rec. 709": "ITU-R BT.709",
    "Rec. 2020": "ITU-R BT.2020",
    "Display P3": "Display P3",
    "Adobe RGB (1998)": "Adobe RGB (1998)",
    "ProPhoto RGB": "ProPhoto RGB",
}


@pytest.mark.parametrize("name", NAMED)
def test_named_spaces_match_colour_science(name):
    space = colour.RGB_COLOURSPACES[COLOUR_SCIENCE[name]]
    theirs = np.append(np.ravel(space.primaries), space.whitepoint)
    np.testing.assert_allclose(NAMED[name], theirs, atol=1e-4)
    matrix = to_rec709(NAMED[name])
    expected = colour.matrix_RGB_to_RGB(
        space, colour.RGB_COLOURSPACES["ITU-R BT.709"], chromatic_adaptation_transform="Bradford"
    )
    np.testing.assert_allclose(np.eye(3) if matrix is None else matrix, expected, atol=2e-3)


def test_spaces_are_recognised_by_rounded_numbers_and_others_unchanged():
    assert nearest_named(np.add(DISPLAY_P3, 0.0015).tolist()) == DISPLAY_P3
    assert nearest_named(ACES) == ACES
    assert nearest_named((0.3,) * 8) is None
    assert nearest_named((float("nan"),) * 8) is None
    assert name_of(DISPLAY_P3) == "Display P3"
    assert name_of(ACES).startswith("primaries (0.7347, 0.2653)")


def test_colours_outside_rec709_stay_negative_and_nothing_is_lost():
    linear = np.random.default_rng(1).uniform(0, 8, (5, 7, 3)).astype(np.float32)
    linear[0, 0] = (0, 1, 0)
    out = linear_to_rec709(linear, DISPLAY_P3)
    assert out.dtype == np.float32
    assert out[0, 0, 0] < -0.2
    back = out @ np.linalg.inv(expected_matrix(DISPLAY_P3)).T
    np.testing.assert_allclose(back, linear, atol=1e-5)
    np.testing.assert_array_equal(linear_to_rec709(linear, REC709), linear)
