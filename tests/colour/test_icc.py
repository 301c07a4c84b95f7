"""Profiles made of tables, compared with their tables; profiles that claim too much memory."""

import io
import struct
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from hdrcnn.colour.icc import bounded, has_tables, profile_chromaticities, to_srgb
from hdrcnn.colour.primaries import ADOBE_RGB, DISPLAY_P3, REC709
from hdrcnn.colour.transfer import srgb_encode
from tests.colour.icc_tables import exchanged, ink_profile, scanner_profile, with_tags
from tests.readers.pictures import (
    SMOOTH,
    by_pillow,
    by_tifffile,
    chunk,
    deep_png,
    profile,
    srgb_profile,
    with_tags as tiff_tags,
)

RGB = np.random.default_rng(4).integers(0, 256, (24, 32, 3)).astype(np.uint8)
DEEP = np.random.default_rng(5).integers(0, 65536, (24, 32, 3)).astype(np.uint16)


def shown(codes):
    """sRGB codes that the table of `exchanged` gives for codes in [0, 1]."""
    return srgb_encode(codes[..., ::-1].astype(np.float64))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_codes_are_converted_by_the_table_to_srgb(read, kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    photograph = read(by_pillow(kind, RGB, icc_profile=scanner_profile(), **options))
    np.testing.assert_allclose(photograph.code * 255, shown(RGB / 255) * 255, atol=1.6)
    assert photograph.chromaticities == REC709
    assert photograph.bits == 8


def test_deep_codes_keep_their_depth(read):
    icc = scanner_profile()
    files = [
        by_tifffile(DEEP, photometric="rgb", iccprofile=icc),
        deep_png(DEEP, chunk(b"iCCP", b"s\0\0" + zlib.compress(icc))),
    ]
    for data in files:
        photograph = read(data)
        bright = DEEP[..., ::-1] > 2000  # Below, one code of the table spans many sRGB codes.
        difference = np.abs(photograph.code - shown(DEEP / 65535))
        assert difference[bright].max() < 5e-4
        assert photograph.bits == 16


def test_12_bits_are_scaled_to_16(read):
    codes = (DEEP >> 4).astype(np.uint16)
    plain = read(by_tifffile(DEEP, photometric="rgb", iccprofile=scanner_profile()))
    rows = codes.reshape(24, -1)
    packed = np.packbits((rows[..., None] >> np.arange(11, -1, -1) & 1).astype(np.uint8), axis=None)
    data = by_tifffile(DEEP, photometric="rgb", iccprofile=scanner_profile())
    end = len(data)
    data = tiff_tags(data, StripOffsets=end, StripByteCounts=packed.size) + packed.tobytes()
    at = data.index(struct.pack("<3H", 16, 16, 16))
    data = data[:at] + struct.pack("<3H", 12, 12, 12) + data[at + 6 :]
    photograph = read(data)
    assert photograph.bits == 16
    np.testing.assert_allclose(photograph.code, plain.code, atol=0.02)


def test_a_converted_jpeg_is_no_base_for_ultra_hdr(read):
    """A base image would be shown by its own table, so its samples cannot be kept."""
    converted = read(by_pillow("JPEG", SMOOTH, quality=100, icc_profile=scanner_profile()))
    np.testing.assert_allclose(converted.code, shown(SMOOTH / 255), atol=0.05)
    assert converted.jpeg is None
    assert read(by_pillow("JPEG", SMOOTH, icc_profile=profile(DISPLAY_P3))).jpeg is not None


def test_tables_take_precedence_over_a_matrix_and_code_points_over_tables(read):
    matrix = profile(ADOBE_RGB)
    assert not has_tables(matrix)
    assert not has_tables(srgb_profile())
    (count,) = struct.unpack_from(">I", matrix, 128)
    tags = []
    for index in range(count):
        name, at, size = struct.unpack_from(">4sII", matrix, 132 + 12 * index)
        tags.append((name, matrix[at : at + size]))
    both = scanner_profile(*[tag for tag in tags if tag[0] != b"wtpt"])
    assert has_tables(both)
    assert profile_chromaticities(both) is not None
    codes = read(by_pillow("PNG", RGB, icc_profile=both)).code
    np.testing.assert_allclose(codes * 255, shown(RGB / 255) * 255, atol=1.6)
    plain = by_pillow("PNG", RGB, icc_profile=both)
    told = read(plain[:33] + chunk(b"cICP", bytes((12, 13, 0, 1))) + plain[33:])
    np.testing.assert_array_equal(np.round(told.code * 255), RGB)
    assert told.chromaticities == DISPLAY_P3


def test_grey_and_alpha_are_unchanged(read):
    grey = read(by_pillow("PNG", RGB[..., 0].copy(), icc_profile=scanner_profile()))
    np.testing.assert_array_equal(np.round(grey.code[..., 0] * 255), RGB[..., 0])
    rgba = np.dstack([RGB, RGB[..., :1]])
    found = read(by_pillow("PNG", rgba, icc_profile=scanner_profile()))
    np.testing.assert_array_equal(np.round(found.alpha * 255), RGB[..., 0])


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_ink_is_converted_by_its_profile(read, deep, planar):
    """At both depths, red light is 1 - C/2 - K/4, and so on."""
    inks = np.random.default_rng(6).integers(0, 65536, (24, 32, 4)).astype(np.uint16)
    inks = inks if deep else (inks >> 8).astype(np.uint8)
    light = 1 - inks[..., :3] / np.iinfo(inks.dtype).max / 2
    light -= inks[..., 3:] / np.iinfo(inks.dtype).max / 4
    pixels = inks if planar == "contig" else np.moveaxis(inks, -1, 0).copy()
    data = by_tifffile(
        pixels, photometric="separated", planarconfig=planar, iccprofile=ink_profile()
    )
    code = read(data).code
    np.testing.assert_allclose(code, srgb_encode(np.clip(light, 0, 1)), atol=0.003)


def test_8_bit_ink_matches_pillow(read):
    inks = np.random.default_rng(6).integers(0, 256, (24, 32, 4)).astype(np.uint8)
    image = Image.frombytes("CMYK", (32, 24), inks.tobytes())
    ours = read(by_tifffile(inks, photometric="separated", iccprofile=ink_profile()))
    jpeg = io.BytesIO(by_pillow("JPEG", image, quality=100, icc_profile=ink_profile()))
    np.testing.assert_allclose(ours.code, read(jpeg.getvalue()).code, atol=0.06)


def test_damaged_tables_are_ignored(read):
    whole = scanner_profile()
    for damaged in (
        whole[: len(whole) - 40],
        whole.replace(b"mft2", b"mft9"),
        with_tags([(b"A2B0", b"mft2")]),
        with_tags([(b"A2B0", exchanged())], pcs=b"Nope"),
    ):
        photograph = read(by_pillow("PNG", RGB, icc_profile=damaged))
        np.testing.assert_array_equal(np.round(photograph.code * 255), RGB)
        assert photograph.chromaticities == REC709
    assert to_srgb(RGB, whole, "CMYK") is None
    assert to_srgb(RGB, b"") is None


def overlapping(elements: bytes, names: list[bytes]) -> bytes:
    """A profile whose tags all point to the same bytes."""
    whole = with_tags([(name, b"") for name in names]) + elements
    table = b"".join(
        struct.pack(">4sII", name, len(whole) - len(elements), len(elements)) for name in names
    )
    return struct.pack(">I", len(whole)) + whole[4:132] + table + whole[132 + len(table) :]


def floating_point(elements: int, points: int) -> bytes:
    """A table of many elements that share the same bytes, each of points^3 colours."""
    clut = b"clut" + struct.pack(">4xHH", 3, 3) + bytes([points] * 3 + [0] * 13)
    clut += bytes(12 * points**3)
    places = struct.pack(">II", 16 + 8 * elements, len(clut)) * elements
    return b"mpet" + struct.pack(">4xHHI", 3, 3, elements) + places + clut


MEASURE = """
import resource, sys
from hdrcnn.readers.photograph import read_ldr
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
code = read_ldr(sys.argv[1])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, *code[0, 0])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="kilobytes are counted on Linux")
@pytest.mark.parametrize("kind", ["curves", "texts", "floating point"])
def test_a_profile_needs_only_a_few_times_its_size_in_memory(tmp_path, run_python, kind):
    """8 MB each, which would be gigabytes if every element were unpacked."""
    zeros = bytes(1 << 23)
    needed = [b"rXYZ", b"gXYZ", b"bXYZ", b"wtpt", b"chad", b"rTRC", b"gTRC", b"bTRC", b"A2B0"]
    many = needed + [b"%04d" % number for number in range(900)]
    icc = {
        "curves": lambda: overlapping(b"curv" + struct.pack(">4xI", 1 << 22) + zeros, many),
        "texts": lambda: overlapping(b"mluc" + struct.pack(">4xII", 600000, 12) + zeros, many),
        "floating point": lambda: scanner_profile((b"D2B0", floating_point(400, 80)),
                                                  (b"D2B1", floating_point(1, 2))),
    }[kind]()  # fmt: skip
    (tmp_path / "a.tif").write_bytes(by_tifffile(RGB, photometric="rgb", iccprofile=icc))
    grown, *first = map(float, run_python("-c", MEASURE, "a.tif", cwd=tmp_path).stdout.split())
    assert grown * 1024 < 8 * len(icc)
    expected = shown(RGB[0, 0] / 255) if kind == "floating point" else RGB[0, 0] / 255
    np.testing.assert_allclose(first, expected, atol=0.007)


def test_bounded_leaves_ordinary_profiles_unchanged():
    for whole in (srgb_profile(), scanner_profile(), b"", b"x" * 140, profile(ADOBE_RGB)):
        assert bounded(whole) == whole
