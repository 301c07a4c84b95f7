"""OpenEXR: read back by a parser written from the specification, or by the library for other
compressions.
"""

import struct

import numpy as np
import OpenEXR
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

from hdrcnn.colour.primaries import DISPLAY_P3, REC709
from hdrcnn.readers.hdr import read_exr
from hdrcnn.readers.metadata import Band
from hdrcnn.writers import COMPRESSIONS, Options, Picture
from hdrcnn.writers.exr import HALF_MAX, write, write_exr
from tests.writers.outputs import CAMERA, exr_header, exr_pixels, hdr_picture


@settings(deadline=None, max_examples=30)
@given(
    hnp.arrays(
        np.float32, st.tuples(st.integers(1, 40), st.integers(1, 9), st.just(3)),
        elements=st.floats(-1e5, 1e5, width=32),
    ),
    st.booleans(),
    st.sampled_from(["none", "zip"]),
)  # fmt: skip
def test_pixels_are_stored_exactly(tmp_path_factory, hdr, whole, compression):
    path = tmp_path_factory.mktemp("exr") / "a.exr"
    write(path, Picture(hdr), Options(exr_float=whole, exr_compression=compression))
    found = exr_pixels(path.read_bytes())
    expected = hdr if whole else np.clip(hdr, -HALF_MAX, HALF_MAX).astype(np.float16)
    np.testing.assert_array_equal(np.stack([found[name] for name in "RGB"], axis=-1), expected)


def test_contents_of_the_header(tmp_path):
    picture = hdr_picture(
        camera=CAMERA, notes={"version": "1.2", "set\u00fc": "a=1"}, panorama=Band()
    )
    write(tmp_path / "a.exr", picture, Options(nits=300.0))
    header, _ = exr_header((tmp_path / "a.exr").read_bytes())
    assert header["whiteLuminance"] == ("float", struct.pack("<f", 300.0))
    assert header["chromaticities"] == ("chromaticities", struct.pack("<8f", *REC709))
    assert header["compression"] == ("compression", bytes([3]))
    assert header["envmap"] == ("envmap", b"\0")
    assert header["expTime"] == ("float", struct.pack("<f", 0.008))
    assert header["cameraMake"] == ("string", b"Maker")
    assert header["hdrcnn:version"] == ("string", b"1.2")
    assert header["hdrcnn:set\u00fc"] == ("string", b"a=1")
    assert not any("gps" in name.lower() for name in header)


@pytest.mark.parametrize("whole", [False, True])
def test_alpha_is_multiplied_into_the_light_and_not_into_the_mask(tmp_path, whole):
    """By OpenEXR's convention light is stored multiplied by alpha, as seen over black."""
    kind = np.float32 if whole else np.float16
    rng = np.random.default_rng(2)
    alpha, mask = rng.random((45, 70)), rng.random((45, 70, 3))
    alpha[:5], alpha[5:9] = 0, 1
    picture = hdr_picture(alpha=alpha, mask=mask)
    write(tmp_path / "a.exr", picture, Options(exr_float=whole))
    found = exr_pixels((tmp_path / "a.exr").read_bytes())
    assert sorted(found) == ["A", "B", "G", "R", "mask.B", "mask.G", "mask.R"]
    np.testing.assert_array_equal(found["A"], alpha.astype(kind))
    np.testing.assert_array_equal(found["mask.B"], mask[..., 2].astype(kind))
    light = picture.hdr.astype(np.float64)
    digits = float(np.finfo(kind).eps)
    for index, name in enumerate("RGB"):
        expected = light[..., index] * found["A"]
        np.testing.assert_allclose(found[name], expected, rtol=digits, atol=1e-7)
    header, _ = exr_header((tmp_path / "a.exr").read_bytes())
    assert "hdrcnn:alpha" not in header

    stored = np.stack([found[name] for name in "RGB"], axis=-1)
    np.testing.assert_array_equal(read_exr(tmp_path / "a.exr"), stored)
    back = read_exr(tmp_path / "a.exr", unassociated=True)
    seen = found["A"] > 0.01
    np.testing.assert_allclose(back[seen], light[seen], rtol=2 * digits, atol=1e-5)
    np.testing.assert_array_equal(back[:5], 0)  # The light is lost, but the result is finite.
    np.testing.assert_array_equal(back[5:9], light[5:9])


def test_light_above_the_largest_half_float_is_multiplied_before_it_is_clipped(tmp_path):
    picture = Picture(np.full((1, 9, 3), 1e5, np.float32), alpha=np.full((1, 9), 0.5))
    write(tmp_path / "a.exr", picture, Options())
    np.testing.assert_allclose(read_exr(tmp_path / "a.exr"), 5e4, rtol=1e-3)


def test_older_files_whose_alpha_is_not_multiplied_in_are_read_as_they_are(tmp_path):
    hdr = np.full((3, 9, 3), 4.0, np.float32)
    channels = {"RGB": hdr, "A": np.full((3, 9), 0.25, np.float32)}
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header | {"hdrcnn:alpha": "unassociated"}, channels).write(str(tmp_path / "a.exr"))
    OpenEXR.File(header, channels).write(str(tmp_path / "b.exr"))
    for unassociated in (False, True):
        np.testing.assert_array_equal(read_exr(tmp_path / "a.exr", unassociated), hdr)
        expected = 4 * hdr if unassociated else hdr
        np.testing.assert_array_equal(read_exr(tmp_path / "b.exr", unassociated), expected)


def test_other_primaries_are_stored(tmp_path):
    wide = Picture(np.full((2, 9, 3), 0.5, np.float32), primaries=DISPLAY_P3)
    write(tmp_path / "a.exr", wide, Options(exr_float=True))
    header, _ = exr_header((tmp_path / "a.exr").read_bytes())
    assert header["chromaticities"][1] == struct.pack("<8f", *DISPLAY_P3)
    np.testing.assert_allclose(read_exr(tmp_path / "a.exr"), 0.5, rtol=1e-4)  # Grey stays grey.


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_every_compression_gives_the_picture_back(tmp_path, compression):
    picture = hdr_picture()
    write(tmp_path / "a.exr", picture, Options(exr_compression=compression))
    with OpenEXR.File(str(tmp_path / "a.exr")) as file:
        said = file.header()["compression"]
    assert said == getattr(OpenEXR, f"{compression.upper().replace('NONE', 'NO')}_COMPRESSION")
    found = read_exr(tmp_path / "a.exr")
    if compression[:3] in ("b44", "dwa"):
        error = np.abs(found - picture.hdr) / (picture.hdr.astype(np.float32) + 0.05)
        assert np.median(error) < 0.02
        assert (found != picture.hdr).any()
    else:
        np.testing.assert_array_equal(found, picture.hdr)


def test_a_higher_level_of_dwa_is_smaller(tmp_path):
    hdr = np.random.default_rng(0).lognormal(0, 1, (128, 128, 3)).astype(np.float32)
    sizes = []
    for level in (10.0, 45.0, 400.0):
        options = Options(exr_compression="dwab", exr_level=level)
        write(tmp_path / "a.exr", Picture(hdr), options)
        sizes.append((tmp_path / "a.exr").stat().st_size)
    assert sizes[0] > sizes[1] > sizes[2]


def test_additional_channels_and_attributes(tmp_path):
    hdr = np.ones((3, 9, 3), np.float32)
    write_exr(tmp_path / "a.exr", hdr, {"Z": np.full((3, 9), 0.5)}, {"note": "x"})
    data = (tmp_path / "a.exr").read_bytes()
    assert exr_header(data)[0]["note"] == ("string", b"x")
    np.testing.assert_array_equal(exr_pixels(data)["Z"], 0.5)
