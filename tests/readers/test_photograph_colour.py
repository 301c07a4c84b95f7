"""Metadata of photographs: primaries, camera data, panoramas."""

import io
import struct

import colour
import numpy as np
import pytest
from PIL import Image, ImageCms

from hdrcnn.colour.icc import profile_chromaticities
from hdrcnn.colour.primaries import (
    ADOBE_RGB,
    DISPLAY_P3,
    NAMED,
    PROPHOTO,
    REC709,
    REC2020,
    linear_to_rec709,
)
from hdrcnn.files import ImageError
from hdrcnn.readers import cicp
from tests.colour.test_primaries import ACES
from tests.readers.pictures import (
    CODES,
    SMOOTH,
    by_pillow,
    by_tifffile,
    chunk,
    profile,
    srgb_profile,
)

RGB = CODES[..., :3]


@pytest.mark.parametrize("version", [2, 4])
@pytest.mark.parametrize("name", NAMED)
def test_profiles_of_named_spaces(name, version):
    assert profile_chromaticities(profile(NAMED[name], version)) == NAMED[name]


def test_profiles_of_other_spaces_and_of_none():
    assert profile_chromaticities(profile(ACES)) == pytest.approx(ACES, abs=2e-4)
    assert profile_chromaticities(srgb_profile()) == REC709
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    assert profile_chromaticities(lab) is None
    for cut in range(0, 400, 7):
        assert profile_chromaticities(profile(DISPLAY_P3)[:cut]) is None


def test_codes_stay_and_conversion_to_rec709_agrees_with_littlecms(read):
    """Display P3 with a gamma of 2.2 to sRGB, for colours inside the gamut of sRGB."""
    codes = np.random.default_rng(2).integers(100, 180, (9, 9, 3)).astype(np.uint8)
    data = by_pillow("PNG", codes, icc_profile=profile(DISPLAY_P3))
    photograph = read(data)
    np.testing.assert_array_equal(np.round(photograph.code * 255), codes)
    ours = colour.cctf_encoding(
        linear_to_rec709(photograph.code**2.2, photograph.chromaticities), function="sRGB"
    )
    theirs = ImageCms.profileToProfile(
        Image.fromarray(codes),
        io.BytesIO(profile(DISPLAY_P3)),
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
    )
    np.testing.assert_allclose(ours * 255, np.asarray(theirs), atol=1.6)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "AVIF"])
def test_profiles_in_every_kind_of_file(read, kind):
    data = by_pillow(kind, RGB, icc_profile=profile(ADOBE_RGB))
    assert read(data).chromaticities == ADOBE_RGB
    grey = by_pillow(kind, RGB[..., 0], icc_profile=profile(ADOBE_RGB))
    if kind in ("PNG", "JPEG", "TIFF"):
        assert read(grey).chromaticities == REC709


def test_profile_of_a_deep_tiff(read):
    deep = RGB.astype(np.uint16) * 257
    assert read(by_tifffile(deep, photometric="rgb", iccprofile=profile(PROPHOTO)))\
        .chromaticities == PROPHOTO  # fmt: skip
    assert read(by_tifffile(deep, photometric="rgb")).chromaticities == REC709


def with_chunks(data, *chunks):
    """Insert chunks after the header of a PNG."""
    return data[:33] + b"".join(chunks) + data[33:]


def test_precedence_of_png_chunks(read):
    white_first = (*REC2020[6:], *REC2020[:6])
    chrm = chunk(b"cHRM", struct.pack(">8I", *(round(v * 100000) for v in white_first)))
    plain = by_pillow("PNG", RGB)
    with_profile = by_pillow("PNG", RGB, icc_profile=profile(ADOBE_RGB))
    p3 = chunk(b"cICP", bytes((12, 13, 0, 1)))
    assert read(plain).chromaticities == REC709
    assert read(with_chunks(plain, chrm)).chromaticities == REC2020
    assert read(with_chunks(plain, chrm, chunk(b"sRGB", b"\0"))).chromaticities == REC709
    assert read(with_chunks(with_profile, chrm)).chromaticities == ADOBE_RGB
    assert read(with_chunks(with_profile, chrm, p3)).chromaticities == DISPLAY_P3


@pytest.mark.parametrize(("code", "name"), [(16, "PQ"), (18, "HLG")])
def test_hdr_images_are_refused_as_hdr(read, code, name):
    data = with_chunks(by_pillow("PNG", RGB), chunk(b"cICP", bytes((9, code, 0, 1))))
    with pytest.raises(ImageError, match=f"picture: .*{name}"):
        read(data)


@pytest.mark.parametrize(
    ("added", "refused"),
    [
        ([(b"gAMA", (100000).to_bytes(4, "big"))], "linear"),
        ([(b"gAMA", (45455).to_bytes(4, "big"))], ""),
        ([(b"gAMA", (100000).to_bytes(4, "big")), (b"sRGB", b"\0")], ""),
        ([(b"cICP", bytes((1, 8, 0, 1)))], "linear"),
        ([(b"cICP", bytes((1, 13, 0, 0)))], "range"),
        ([(b"cICP", bytes((1, 13, 0, 1)))], ""),
    ],
)
def test_linear_and_limited_range_png_are_refused(read, added, refused):
    data = with_chunks(by_pillow("PNG", RGB), *(chunk(*each) for each in added))
    if refused:
        with pytest.raises(ImageError, match=f"picture: .*{refused}"):
            read(data)
    else:
        np.testing.assert_array_equal(np.rint(255.0 * read(data).code), RGB)


def test_code_points_of_avif_and_heic(read):
    plain = by_pillow("AVIF", SMOOTH)
    assert cicp.heif_code_points(plain) == (1, 13)
    at = plain.index(b"nclx") + 4
    assert read(plain[:at] + struct.pack(">H", 12) + plain[at + 2 :]).chromaticities == DISPLAY_P3
    with pytest.raises(ImageError, match="PQ"):
        read(plain[:at] + struct.pack(">HH", 9, 16) + plain[at + 4 :])
    assert cicp.heif_code_points(b"") is None


def test_code_points_of_h273_agree_with_colour_science():
    for point, name in ((1, "ITU-R BT.709"), (4, "ITU-R BT.470 - 525"), (9, "ITU-R BT.2020"),
                        (6, "SMPTE C"), (11, "DCI-P3"), (12, "Display P3")):  # fmt: skip
        space = colour.RGB_COLOURSPACES[name]
        theirs = np.append(np.ravel(space.primaries), space.whitepoint)
        np.testing.assert_allclose(cicp.PRIMARIES[point], theirs, atol=7e-3, err_msg=name)


def exif_of_a_camera():
    """Exif data with fields to copy and fields that must never be copied."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x013B] = "Maker", "Model\0 junk", "An Artist"
    inner = exif.get_ifd(0x8769)
    inner[0x829A], inner[0x829D], inner[0x8827], inner[0x920A] = 1 / 250, 2.8, 400, 35.0
    inner[0x9003], inner[0xA434] = "2024:05:01 12:30:00", "35mm f/2"
    inner[0xA430], inner[0xA431], inner[0xA435] = "An Owner", "serial 123", "lens 456"
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 12.0, 0.0), 3: "E", 4: (11.0, 0.0, 0.0)})
    return exif


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_camera_data_are_read_without_location_names_and_serial_numbers(read, kind):
    camera = read(by_pillow(kind, RGB, exif=exif_of_a_camera().tobytes())).camera
    assert camera == {
        "Make": "Maker", "Model": "Model", "LensModel": "35mm f/2", "ISO": 400,
        "DateTimeOriginal": "2024:05:01 12:30:00", "ExposureTime": pytest.approx(1 / 250),
        "FNumber": pytest.approx(2.8), "FocalLength": 35.0,
    }  # fmt: skip


def test_camera_data_of_heic(read):
    heif = pytest.importorskip("pillow_heif")
    file = io.BytesIO()
    picture = heif.from_pillow(Image.fromarray(SMOOTH))
    picture.save(file, exif=exif_of_a_camera().tobytes())
    camera = read(file.getvalue()).camera
    assert camera["ISO"] == 400
    assert not {"GPSInfo", "Artist", "BodySerialNumber"} & set(camera)


def test_profile_and_orientation_of_heic(read):
    heif = pytest.importorskip("pillow_heif")
    picture = heif.from_pillow(Image.fromarray(SMOOTH))
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6
    picture.save(file, exif=exif.tobytes(), icc_profile=profile(DISPLAY_P3))
    photograph = read(file.getvalue())
    assert photograph.chromaticities == DISPLAY_P3
    assert photograph.code.shape == (64, 48, 3)
    np.testing.assert_allclose(photograph.code * 255, np.rot90(SMOOTH, -1), atol=40)


def test_adobe_rgb_of_cameras_without_a_profile(read):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA001] = 0xFFFF
    exif.get_ifd(0x8769)[0xA005] = {1: "R03"}
    assert read(by_pillow("JPEG", SMOOTH, exif=exif)).chromaticities == ADOBE_RGB
    data = by_pillow("JPEG", SMOOTH, exif=exif, icc_profile=profile(DISPLAY_P3))
    assert read(data).chromaticities == DISPLAY_P3


@pytest.mark.parametrize(
    ("xmp", "whole"),
    [
        ('GPano:ProjectionType="equirectangular"', True),
        ("<GPano:ProjectionType>equirectangular</GPano:ProjectionType>", True),
        ('GPano:ProjectionType="cylindrical"', False),
        ("", False),
        (
            'GPano:ProjectionType="equirectangular" GPano:FullPanoWidthPixels="8000" '
            'GPano:CroppedAreaImageWidthPixels="5000"',
            False,
        ),
        (
            'GPano:ProjectionType="equirectangular" GPano:FullPanoWidthPixels="8000" '
            'GPano:CroppedAreaImageWidthPixels="8000"',
            True,
        ),
    ],
)
def test_panoramas_by_their_xmp(read, xmp, whole):
    packet = f"<x:xmpmeta>{xmp}</x:xmpmeta>".encode()
    for kind in ("JPEG", "WEBP", "AVIF"):
        assert (read(by_pillow(kind, SMOOTH, xmp=packet)).panorama is not None) == whole
    text = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet)
    assert (read(with_chunks(by_pillow("PNG", SMOOTH), text)).panorama is not None) == whole
    tag = [(700, "B", len(packet), packet, True)]
    for pixels in (SMOOTH, SMOOTH.astype(np.uint16)):
        assert (
            read(by_tifffile(pixels, photometric="rgb", extratags=tag)).panorama is not None
        ) == whole


def test_cmyk_with_an_unusable_profile_is_read(read):
    """A profile that is not for CMYK does not prevent reading."""
    ink = Image.fromarray(SMOOTH).convert("CMYK")
    plain = read(by_pillow("JPEG", ink))
    odd = read(by_pillow("JPEG", ink, icc_profile=srgb_profile()))
    np.testing.assert_array_equal(plain.code, odd.code)
    assert odd.chromaticities == REC709
