"""Statistics and choice of the camera curve on the page, compared with the command."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

from hdrcnn.colour.clipping_level import factors
from hdrcnn.colour.transfer import camera_curve
from hdrcnn.predict.camera_curve import COST, STYLED, Belief
from hdrcnn.predict.curve_statistics import SIZE, statistics
from tests.conftest import ROOT
from tests.web.javascript import javascript

BODY = "return m.statistics(Uint8Array.from(v.data), v.rows, v.columns, v.scaling)"
NAMES = {"srgb": "srgb", "mean_curve": "mean_curve", STYLED: "styled"}
"""Names on the page of the command's choices."""


def photograph(name: str, side: int = 700) -> np.ndarray:
    with Image.open(ROOT / "data" / name) as image:
        return np.asarray(image.convert("RGB"))[:side, :side]


def large() -> np.ndarray:
    """So large that tiles are sampled, and with a curve of the published family."""
    y, x = np.mgrid[0:900, 0:1301]
    light = 0.3 + 0.25 * np.sin(x / 11 + np.sin(y / 17)) + 0.1 * ((x // 40 + y // 30) % 3)
    colours = light[..., None] * [1.0, 0.8, 0.6]
    noise = np.random.default_rng(1).normal(0, 0.004, colours.shape)
    return np.round(255 * camera_curve(np.clip(colours + noise, 0, 1), 0.8, 0.5)).astype(np.uint8)


PICTURES: dict[str, Any] = {
    "coffee": lambda: photograph("coffee.png"),
    "rocket": lambda: photograph("rocket.jpg"),
    "cut": lambda: photograph("astronaut.png", 77),
    "large": large,
    "flat": lambda: np.full((40, 30, 3), 99, np.uint8),
    "line": lambda: np.arange(300, dtype=np.uint8).reshape(1, 100, 3),
}


@pytest.mark.parametrize("level", [255, 241])
@pytest.mark.parametrize("name", PICTURES)
def test_statistics_are_those_of_the_command(name, level):
    codes = np.minimum(PICTURES[name](), level)
    scaling = factors((level / 255,) * 3)
    rows, columns = codes.shape[:2]
    found = javascript("curve.js", BODY, data=codes, rows=rows, columns=columns,
                       scaling=np.broadcast_to(scaling, 3))  # fmt: skip
    expected = statistics(codes, scaling)
    assert expected.any() or name in ("flat", "line")
    assert len(found) == SIZE
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_the_choice_is_that_of_the_command():
    rng = np.random.default_rng(5)
    kinds = rng.dirichlet([0.4, 0.4, 0.4], 300)
    found = javascript("curve.js", "return v.kinds.map(m.choice)", kinds=kinds.tolist())
    expected = [NAMES[Belief(STYLED, tuple(row)).choice()] for row in kinds]
    assert set(expected) == {NAMES[curve] for curve in COST}
    assert found == expected
