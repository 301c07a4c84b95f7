"""PQ against its table, its inverse and colour-science."""

import colour
import numpy as np
import pytest
from hypothesis import given, strategies as st

from hdrcnn.colour.pq import pq_decode, pq_encode


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
