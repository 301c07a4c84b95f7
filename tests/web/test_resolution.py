"""Tiles, depths and sizes of the page, compared with the command with the same network."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

from hdrcnn.tiles import resolution
from hdrcnn.tiles.frame import Frame
from hdrcnn.tiles.stages import Network
from hdrcnn.tiles.tiling import Tiling
from tests.web.javascript import SOURCES, javascript

SEEN = 150
"""Number of columns to the left that a pixel of the stand-in network depends on."""


def seeing(pictures: np.ndarray) -> np.ndarray:
    """Stand-in network with a large receptive field: y depends on the code there and on one far to
    the left.
    """
    columns = np.maximum(np.arange(pictures.shape[2]) - SEEN, 0)
    return np.asarray(3.0 * pictures - 2.0 * pictures[:, :, columns], np.float32)


RUN = f"""async (codes, rows, columns) => codes.map((code, i) => {{
  const column = Math.floor(i / 3) % columns, left = Math.min(column, {SEEN});
  return 3 * code - 2 * codes[i - 3 * left];
}})"""


def picture(rows: int, columns: int, radii: list[int]) -> np.ndarray:
    """[rows, columns, 3] uint8: texture with saturated discs, whose channels clip unequally."""
    rng = np.random.default_rng(rows)
    y, x = np.mgrid[0:rows, 0:columns]
    base = 120 + 80 * np.sin(x / 9.0) * np.cos(y / 13.0)
    rgb = base[..., None] * [1.0, 0.9, 0.8] + rng.normal(0, 4, (rows, columns, 3))
    for number, radius in enumerate(radii):
        far = np.hypot(y - rows * 0.45, x - columns * (number + 0.6) / len(radii)) - radius
        rgb += np.clip(12.0 - far, 0, 60)[..., None] * [9.0, 7.0, 2.5]
    return np.clip(rgb, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("rows", "columns", "radii", "scaling"),
    [
        (70, 45, [8], 1.0),
        (333, 517, [30, 110], 1.0),
        (333, 517, [30, 110], (1.02, 1.05, 1.02)),
        (601, 902, [260], 1.0),
        (64, 2100, [5, 20, 9], 1.0),
    ],
)
@pytest.mark.parametrize("closed", [False, True])
def test_predictions_are_those_of_the_command(rows, columns, radii, scaling, closed):
    codes = np.roll(picture(rows, columns, radii), closed * columns // 3, axis=1)
    network = Network("seeing", seeing, None, 32, 0)
    frame = Frame(codes, 32, scaling, threshold=0.95, closed=closed, halo=192, margin=32)
    expected = np.full(codes.shape, np.nan, np.float32)
    for piece, y in resolution.auto(frame, Tiling(network, 0)):
        expected[piece.within(frame.picture)] = y
    found = javascript(
        "resolution.js",
        f"""const {{ Frame }} = await import(v.frame);
        const frame = new Frame(Uint8Array.from(v.codes), v.rows, v.columns, v.scaling, v.halo);
        const y = new Float32Array(v.codes.length).fill(NaN), shares = [];
        await m.auto(frame, {{ stride: 32, halo: 192, run: {RUN} }}, (of, part) => {{
          for (let row = of.top, from = 0; row < of.bottom; row++) {{
            const line = 3 * row * v.columns;
            for (let i = 3 * of.left; i < 3 * of.right; i++) y[line + i] = part[from++];
          }}
        }}, (share) => shares.push(share));
        return [Array.from(y, (x) => (Number.isNaN(x) ? null : x)), shares]""",
        frame=(SOURCES / "frame.js").as_uri(),
        codes=codes, rows=rows, columns=columns, scaling=np.broadcast_to(scaling, 3),
        halo=192 if closed else 0,
    )  # fmt: skip
    y = np.reshape(np.array(found[0], np.float32), codes.shape)
    saturated = (frame.codes(frame.picture) > 0.95).any(axis=-1)
    assert saturated.any()
    # Between reduced pixels the command keeps half floats.
    np.testing.assert_allclose(y[saturated], expected[saturated], atol=0.01)
    assert found[1] == sorted(found[1])
    assert found[1][-1] == pytest.approx(1.0)


def test_max_and_min_take_blocks_of_any_size():
    """A block may hold more values than a call takes arguments, as in a white sky."""
    found = javascript(
        "resolution.js",
        """const values = Array.from({ length: 1 << 20 }, (_, i) => (i * 7919) % 1000003);
        return [m.max(values), m.min(values)]""",
    )
    values = np.arange(1 << 20) * 7919 % 1000003
    assert found == [values.max(), values.min()]


@settings(max_examples=12)
@given(
    full=hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=24)),
    closed=st.booleans(),
)
def test_depths_are_those_of_the_command(full, closed):
    rows, columns = full.shape
    found = javascript(
        "resolution.js",
        """const data = Float32Array.from(v.share);
        return m.depths({ rows: v.rows, columns: v.columns, data }, v.closed).data""",
        rows=rows, columns=columns, share=full.astype(float), closed=closed,
    )  # fmt: skip
    expected = resolution.depths(full.astype(np.float32), closed)
    np.testing.assert_allclose(np.reshape(found, full.shape), expected, rtol=1e-6)


@settings(max_examples=12)
@given(
    wanted=hnp.arrays(bool, st.tuples(st.integers(1, 40), st.integers(1, 40))),
    pixels=st.sampled_from([1 << 18, 3 << 19]),
)
def test_tiles_cover_what_is_wanted_with_a_halo_and_fit(wanted, pixels):
    rows, columns = wanted.shape
    found = javascript(
        "tiles.js",
        """const cells = { rows: v.rows, columns: v.columns, data: Float32Array.from(v.wanted) };
        const bounds = (n) => ({ top: 0, bottom: 32 * v.rows, left: 0, right: 32 * v.columns });
        return m.tiles({ bounds }, cells, { stride: 32, halo: 192 }, v.pixels)""",
        rows=rows, columns=columns, wanted=wanted.astype(float), pixels=pixels,
    )  # fmt: skip
    held = np.zeros(wanted.shape, int)
    for tile in found:
        core, around = tile["core"], tile["around"]
        top, bottom, left, right = (core[s] // 32 for s in ("top", "bottom", "left", "right"))
        held[top:bottom, left:right] += 1
        assert around["top"] == max(0, core["top"] - 192)
        assert around["bottom"] == min(32 * rows, core["bottom"] + 192)
        assert around["left"] == max(0, core["left"] - 192)
        assert around["right"] == min(32 * columns, core["right"] + 192)
        size = (around["bottom"] - around["top"]) * (around["right"] - around["left"])
        assert size <= 1.2 * pixels
    assert (held[wanted] == 1).all()
