"""OpenEXR files of the page, read by OpenEXR itself."""

import base64

import numpy as np
import OpenEXR
import pytest

from hdrcnn.colour.primaries import REC709
from hdrcnn.readers.hdr import read_exr
from tests.web.javascript import javascript

BODY = """
const light = Float32Array.from(v.light);
const blob = await m.exr(light, v.rows, v.columns, { comments: "made by a test" });
return Buffer.from(await blob.arrayBuffer()).toString("base64");
"""


def test_alpha_multiplies_the_light_and_a_sphere_is_marked(tmp_path):
    rng = np.random.default_rng(7)
    light = rng.uniform(0, 9, (20, 40, 3)).astype(np.float32)
    alpha = rng.integers(0, 256, (20, 40), np.uint8)
    more = "{ alpha: Uint8Array.from(v.alpha), isSphere: true }"
    data = javascript("exr.js", BODY.replace('test" }', f'test" }}, {more}'),
                      light=light, rows=20, columns=40, alpha=alpha)  # fmt: skip
    path = tmp_path / "page.exr"
    path.write_bytes(base64.b64decode(data))
    with OpenEXR.File(str(path)) as file:
        pixels = file.channels()["RGBA"].pixels
        assert file.header()["envmap"] == OpenEXR.ENVMAP_LATLONG
    stored = (alpha / np.float32(255)).astype(np.float16)
    np.testing.assert_array_equal(pixels[..., 3], stored)
    expected = (light * stored.astype(np.float32)[..., None]).astype(np.float16)
    np.testing.assert_allclose(pixels[..., :3], expected, rtol=1e-3)


def test_half_floats_are_rounded_as_by_ieee_754():
    rng = np.random.default_rng(2)
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    every = every[np.isfinite(every)].astype(np.float32)
    between = (every[:-1] + every[1:]) / 2  # Ties.
    spread = np.exp(rng.uniform(-20, 11, 5000)).astype(np.float32)
    values = np.concatenate([every, between[np.isfinite(between)], spread, -spread])
    values = values[np.abs(values) < 65504]
    found = javascript("exr.js", "return v.values.map(m.half)", values=values)
    np.testing.assert_array_equal(found, values.astype(np.float16).view(np.uint16))


def test_light_beyond_the_largest_half_float_is_clipped():
    found = javascript("exr.js", "return v.values.map(m.half)", values=[1e9, -1e9, 65519])
    assert np.array(found, np.uint16).view(np.float16).tolist() == [65504, -65504, 65504]


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (16, 7), (37, 50)])
@pytest.mark.parametrize("smooth", [True, False])
def test_files_hold_the_light(rows, columns, smooth, tmp_path):
    rng = np.random.default_rng(rows)
    light = np.full((rows, columns, 3), (0.5, 2.0, 90.0), np.float32)
    if not smooth:  # No block can be compressed.
        light = rng.integers(0, 0x7BFF, light.shape, np.uint16).view(np.float16).astype(np.float32)
        light *= rng.choice([-1, 1], light.shape)
    data = javascript("exr.js", BODY, light=light, rows=rows, columns=columns)
    path = tmp_path / "page.exr"
    path.write_bytes(base64.b64decode(data))
    np.testing.assert_array_equal(read_exr(path), light.astype(np.float16))
    with OpenEXR.File(str(path)) as file:
        header = file.header()
        assert header["compression"] == OpenEXR.ZIP_COMPRESSION
        assert header["comments"] == "made by a test"
        assert header["whiteLuminance"] == 203.0
        np.testing.assert_allclose(header["chromaticities"], REC709, atol=1e-6)
