"""What the page keeps of a photograph's own file: samples, profile, primaries."""

import base64
import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from hdrcnn.colour.icc import matrix_profile
from hdrcnn.colour.primaries import ADOBE_RGB, DISPLAY_P3, PROPHOTO, REC709, to_rec709
from tests.web.javascript import javascript

PROFILES = {
    "P3": (matrix_profile(DISPLAY_P3), DISPLAY_P3),
    "Adobe": (matrix_profile(ADOBE_RGB), ADOBE_RGB),
    "ProPhoto": (matrix_profile(PROPHOTO), PROPHOTO),
    "sRGB": (ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), REC709),
}


def photograph(kind: str = "JPEG", **settings: object) -> bytes:
    rng = np.random.default_rng(4)
    codes = rng.integers(0, 256, (40, 56, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(codes).resize((112, 80)).save(file, kind, **settings)
    return file.getvalue()


def kept(data: bytes) -> bytes:
    body = """return Buffer.from(m.samplesOnly(Uint8Array.from(v.data))).toString("base64")"""
    return base64.b64decode(javascript("jpeg.js", body, data=list(data)))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"progressive": True},
        {"subsampling": 0, "quality": 100},
        {"restart_marker_rows": 1},
        {"icc_profile": PROFILES["P3"][0]},
    ],
)
def test_samples_and_profile_are_kept_and_nothing_else(settings):
    exif = Image.Exif()
    exif[0x010E] = "a secret place"
    data = photograph(exif=exif, comment=b"a secret comment", **settings)
    found = kept(data + b"a secret end")
    assert b"secret" not in found
    with Image.open(io.BytesIO(data)) as old, Image.open(io.BytesIO(found)) as new:
        np.testing.assert_array_equal(np.asarray(old), np.asarray(new))
        assert old.info.get("icc_profile") == new.info.get("icc_profile")


def test_a_truncated_file_keeps_its_scan_and_gets_an_end():
    data = photograph()
    assert kept(data[:-200]).endswith(data[-220:-200] + b"\xff\xd9")


@pytest.mark.parametrize("turned", [1, 3, 6, 8])
@pytest.mark.parametrize("order", ["<", ">"])
def test_the_orientation_is_read(turned, order):
    exif = Image.Exif()
    exif.endian = order
    exif[0x0112] = turned
    body = "return m.about(Uint8Array.from(v.data))"
    found = javascript("jpeg.js", body, data=list(photograph(exif=exif)))
    assert found == {"upright": turned == 1, "plain": True, "hasGainMap": False}


def test_a_long_profile_replaces_another():
    long = PROFILES["P3"][0] + bytes(150_000)
    data = list(photograph(icc_profile=PROFILES["sRGB"][0]))
    body = """const [data, profile] = [v.data, v.profile].map((list) => Uint8Array.from(list));
    const found = m.withProfile(m.samplesOnly(data, false), profile);
    return Buffer.from(found).toString("base64")"""
    found = javascript("jpeg.js", body, data=data, profile=list(long))
    with Image.open(io.BytesIO(base64.b64decode(found))) as image:
        assert image.info["icc_profile"] == long


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("name", PROFILES)
def test_primaries_are_those_of_the_profile(kind, name):
    profile, chromaticities = PROFILES[name]
    body = """const profile = await m.profileOf(Uint8Array.from(v.data));
    return [profile.length, m.toRec709(profile)]"""
    data = list(photograph(kind, icc_profile=profile))
    size, matrix = javascript("profile.js", body, data=data)
    expected = to_rec709(chromaticities)
    assert size == len(profile)
    expected = np.eye(3) if expected is None else expected
    np.testing.assert_allclose(np.reshape(matrix, (3, 3)), expected, atol=2e-3)


def test_filler_bytes_before_a_marker_hide_no_profile():
    profile = PROFILES["P3"][0]
    data = photograph(icc_profile=profile)
    at = data.index(b"ICC_PROFILE") - 4
    filled = data[:at] + b"\xff\xff" + data[at:]
    body = "return (await m.profileOf(Uint8Array.from(v.data)))?.length ?? 0"
    assert javascript("profile.js", body, data=list(filled)) == len(profile)


def test_profiles_without_a_matrix_are_left_to_the_browser():
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    body = """const found = await m.profileOf(Uint8Array.from(v.plain));
    const [lab, cut] = [v.lab, v.lab.slice(0, 90)].map((list) => Uint8Array.from(list));
    return [found, m.toRec709(lab), m.toRec709(cut)]"""
    found = javascript("profile.js", body, plain=list(photograph()), lab=list(lab))
    assert found == [None, None, None]
