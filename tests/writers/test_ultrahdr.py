"""Ultra HDR: base image read by Pillow, light by libultrahdr, structure parsed from the
standard.
"""

import dataclasses
import io
import re
import struct

import numpy as np
import pytest
from PIL import Image

from hdrcnn.colour.icc import matrix_profile
from hdrcnn.colour.primaries import ADOBE_RGB, DISPLAY_P3
from hdrcnn.colour.transfer import srgb_decode, srgb_encode
from hdrcnn.files import ImageError
from hdrcnn.readers.jpeg import XMP
from hdrcnn.readers.photograph import read_photograph
from hdrcnn.writers import Options, Picture, gain_map, jpeg_segments
from hdrcnn.writers.ultrahdr import ISO, write
from tests.writers.outputs import CAMERA, hdr_picture, jpeg, photograph


def from_jpeg(data: bytes) -> Picture:
    """The light of `hdr_picture` for the codes of a JPEG."""
    codes = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    return dataclasses.replace(hdr_picture(), codes=codes, jpeg=data)


def pictures(data: bytes) -> tuple[bytes, bytes]:
    """Both JPEG files of an Ultra HDR file, split by its multi-picture index."""
    at = data.index(b"MPF\0") + 4
    assert data[at : at + 4] == b"II*\0"
    (first,) = struct.unpack_from("<I", data, at + 4)
    (count,) = struct.unpack_from("<H", data, at + first)
    entries = {}
    for number in range(count):
        tag, _, _, value = struct.unpack_from("<HHII", data, at + first + 2 + 12 * number)
        entries[tag] = value
    assert entries[0xB001] == 2
    values = struct.unpack_from("<IIIHHIIIHH", data, at + entries[0xB002])
    size, place, length = values[1], values[7], values[6]
    assert size == at + place
    assert at + place + length == len(data)
    return data[:size], data[size:]


def iso_numbers(data: bytes) -> list[float]:
    """Headrooms, smallest and largest gain, gamma and offsets, parsed from the ISO segment."""
    (segment,) = (
        contents[len(ISO):]
        for marker, contents, _ in jpeg_segments.segments(data)
        if marker == 0xE2 and contents.startswith(ISO)
    )  # fmt: skip
    assert segment[:5] == bytes((0, 0, 0, 0, 0x40))
    values = struct.unpack(">4I iI iI 2I iI iI", segment[5:])
    return [values[i] / values[i + 1] for i in range(0, len(values), 2)]


def decoded(data: bytes) -> np.ndarray:
    """[H, W, 3] float32 by libultrahdr: linear, in the primaries of the base image.

    Raises ValueError for data that are not a JPEG, on which libultrahdr would end the process.
    """
    imagecodecs = pytest.importorskip("imagecodecs")
    jpeg_segments.samples_only(data)
    return imagecodecs.ultrahdr_decode(data)[..., :3].astype(np.float32)


def test_the_base_picture_is_the_photographs_own_samples(tmp_path):
    for options in ({"quality": 80}, {"quality": 90, "progressive": True}, {"subsampling": 0}):
        source = jpeg(photograph(), **options)
        write(tmp_path / "a.jpg", from_jpeg(source), Options())
        first, _ = pictures((tmp_path / "a.jpg").read_bytes())
        scan = source.index(b"\xff\xda")
        assert first.endswith(source[scan:])
        with Image.open(tmp_path / "a.jpg") as image:
            np.testing.assert_array_equal(image, Image.open(io.BytesIO(source)))


def test_the_samples_of_a_picture_larger_than_pillow_opens_are_kept(tmp_path, monkeypatch):
    source = jpeg(photograph())
    picture = from_jpeg(source)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    write(tmp_path / "a.jpg", picture, Options())
    first, _ = pictures((tmp_path / "a.jpg").read_bytes())
    assert first.endswith(source[source.index(b"\xff\xda") :])


def test_nothing_of_the_photographs_file_but_its_samples_is_kept(tmp_path):
    exif = Image.Exif()
    exif[0x010E] = "secret description"
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (48.0, 51.0, 30.0)
    source = jpeg(
        photograph(), exif=exif.tobytes(), xmp=b"<secret/>", comment=b"secret",
        icc_profile=matrix_profile(DISPLAY_P3),
    )  # fmt: skip
    picture = dataclasses.replace(from_jpeg(source), camera=CAMERA)
    write(tmp_path / "a.jpg", picture, Options())
    assert b"secret" not in (tmp_path / "a.jpg").read_bytes()
    with Image.open(tmp_path / "a.jpg") as image:
        found = image.getexif()
        assert image.info["icc_profile"] == matrix_profile(DISPLAY_P3)
    assert found[0x010F] == "Maker"
    assert not found.get_ifd(0x8825)
    assert found.get_ifd(0x8769)[0x8827] == 200


def test_a_location_between_the_scans_does_not_reach_the_file(tmp_path):
    source = jpeg(photograph(), progressive=True)
    at = source.rindex(b"\xff\xda")
    place = b"<exif:GPSLatitude>48,51.5N</exif:GPSLatitude>"
    hidden = jpeg_segments.segment(0xE1, XMP + place) + jpeg_segments.segment(0xFE, place)
    write(tmp_path / "a.jpg", from_jpeg(source[:at] + hidden + source[at:]), Options())
    data = (tmp_path / "a.jpg").read_bytes()
    assert b"GPS" not in data
    assert pictures(data)[0].endswith(source[source.index(b"\xff\xda") :])
    with Image.open(tmp_path / "a.jpg") as image:
        np.testing.assert_array_equal(image, Image.open(io.BytesIO(source)))


@pytest.mark.parametrize("why", ["turned", "cmyk", "resized", "damaged", "cut", "no file"])
def test_other_jpegs_are_encoded_again_from_the_codes(tmp_path, why):
    exif = Image.Exif()
    exif[0x0112] = 6
    sources = {
        "turned": jpeg(photograph(), exif=exif.tobytes()),
        "cmyk": b"",
        "resized": jpeg(photograph()[:-1]),
        "damaged": jpeg(photograph())[:100],
        "cut": jpeg(photograph())[:-60],
        "no file": b"",
    }
    file = io.BytesIO()
    Image.fromarray(photograph()).convert("CMYK").save(file, "JPEG")
    sources["cmyk"] = file.getvalue()
    write(tmp_path / "a.jpg", dataclasses.replace(hdr_picture(), jpeg=sources[why]), Options())
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.getexif().get(0x0112, 1) == 1
        difference = np.abs(np.asarray(image).astype(int) - photograph())
    assert np.median(difference) <= 2
    assert np.percentile(difference, 99) < 25


def test_libultrahdr_finds_the_light(tmp_path):
    picture = hdr_picture()
    write(tmp_path / "a.jpg", picture, Options(jpeg_quality=100))
    found = decoded((tmp_path / "a.jpg").read_bytes())
    clipped = photograph().min(axis=-1) == 255
    expected = picture.hdr.astype(np.float32)
    error = np.abs(np.log2(found[clipped] / expected[clipped]))
    assert np.median(error) < 0.03
    assert found.max() == pytest.approx(expected.max(), rel=0.05)
    measured = photograph().max(axis=-1) < 240
    shown = srgb_decode(photograph() / 255.0)
    np.testing.assert_allclose(found[measured], shown[measured], atol=0.03)


def test_look_light_shows_the_light_itself(tmp_path):
    picture = hdr_picture()
    write(tmp_path / "a.jpg", picture, Options(jpeg_quality=100, look="light"))
    found = decoded((tmp_path / "a.jpg").read_bytes())
    error = np.abs(np.log2((found + 0.05) / (picture.hdr.astype(np.float32) + 0.05)))
    assert np.median(error) < 0.04


def test_both_kinds_of_metadata_agree(tmp_path):
    picture = hdr_picture()
    write(tmp_path / "a.jpg", picture, Options())
    first, second = pictures((tmp_path / "a.jpg").read_bytes())
    base, headroom, low, high, gamma, *offsets = iso_numbers(second)
    said = dict(re.findall(rb'hdrgm:(\w+)="([^"]*)"', second))
    assert said.pop(b"Version") == b"1.0"
    assert said.pop(b"BaseRenditionIsHDR") == b"False"
    numbers = {name.decode(): float(value) for name, value in said.items()}
    expected = {
        "GainMapMin": low, "GainMapMax": high, "Gamma": gamma, "OffsetSDR": offsets[0],
        "OffsetHDR": offsets[1], "HDRCapacityMin": base, "HDRCapacityMax": headroom,
    }  # fmt: skip
    assert numbers == pytest.approx(expected, abs=1e-5)
    assert (base, low, gamma) == (0.0, 0.0, 1.0)
    assert headroom == pytest.approx(np.log2(picture.hdr.astype(np.float32).max()), abs=0.05)
    assert b'hdrgm:Version="1.0"' in first
    assert f'Item:Length="{len(second)}"'.encode() in first
    assert ISO + bytes(4) in first


def test_an_image_without_highlights_has_an_empty_map(tmp_path):
    codes = np.minimum(photograph(), 200)
    hdr = (srgb_decode(codes / 255.0)).astype(np.float32)
    picture = Picture(hdr, codes=codes, curve="srgb")
    write(tmp_path / "a.jpg", picture, Options(jpeg_quality=100))
    _, second = pictures((tmp_path / "a.jpg").read_bytes())
    assert np.asarray(Image.open(io.BytesIO(second))).max() == 0
    _, headroom, _, high, *_ = iso_numbers(second)
    assert headroom == high == pytest.approx(gain_map.LEAST_STOPS)
    np.testing.assert_allclose(decoded((tmp_path / "a.jpg").read_bytes()), hdr, atol=0.03)


def test_a_photograph_of_wide_primaries_keeps_them(tmp_path):
    picture = hdr_picture(DISPLAY_P3, np.float32)
    write(tmp_path / "a.jpg", picture, Options(jpeg_quality=100))
    assert read_photograph(tmp_path / "a.jpg").chromaticities == DISPLAY_P3
    found = decoded((tmp_path / "a.jpg").read_bytes())
    rows, columns = np.mgrid[0:45, 0:70]
    centre = np.hypot(rows - 20, columns - 50) < 5
    boost = 1 + 23 * np.exp(-((rows - 20) ** 2 + (columns - 50) ** 2) / 40.0)
    own = boost[..., None] * [1.0, 0.8, 0.5]  # As made, before it became Rec. 709.
    error = np.abs(np.log2(np.maximum(found[centre], 1e-3) / own[centre]))
    assert np.median(error) < 0.05


def test_primaries_known_only_from_exif_become_a_profile(tmp_path):
    source = jpeg(photograph())
    picture = dataclasses.replace(hdr_picture(ADOBE_RGB, np.float32), jpeg=source)
    write(tmp_path / "a.jpg", picture, Options())
    assert read_photograph(tmp_path / "a.jpg").chromaticities == ADOBE_RGB
    first, _ = pictures((tmp_path / "a.jpg").read_bytes())
    assert first.endswith(source[source.index(b"\xff\xda") :])


def test_a_picture_that_is_too_wide_is_refused(tmp_path):
    with pytest.raises(ImageError, match="65536x1"):
        write(tmp_path / "a.jpg", Picture(np.ones((1, 65536, 3), np.float16)), Options())


def test_noise_is_written_too(tmp_path):
    """It takes more room than the picture itself."""
    codes = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    hdr = np.where(codes > 200, 40.0, codes / 255.0).astype(np.float32)
    write(tmp_path / "a.jpg", Picture(hdr, codes=codes), Options(jpeg_quality=100, look="light"))
    first, second = pictures((tmp_path / "a.jpg").read_bytes())
    for part in (first, second):
        with Image.open(io.BytesIO(part)) as image:
            assert np.asarray(image.convert("L")).std() > 1
            assert image.format == "JPEG"


def test_light_without_a_photograph_gets_a_base_of_its_own(tmp_path):
    picture = Picture(hdr_picture().hdr)
    write(tmp_path / "a.jpg", picture, Options())
    expected = np.round(255 * srgb_encode(np.clip(picture.hdr.astype(np.float32), 0, 1)))
    with Image.open(tmp_path / "a.jpg") as image:
        assert np.median(np.abs(np.asarray(image) - expected)) <= 2


def test_codes_may_be_16_bit_or_float(tmp_path):
    deep = photograph().astype(np.uint16) * 257
    for codes in (deep, photograph() / np.float32(255)):
        write(tmp_path / "a.jpg", dataclasses.replace(hdr_picture(), codes=codes), Options())
        with Image.open(tmp_path / "a.jpg") as image:
            assert np.median(np.abs(np.asarray(image).astype(int) - photograph())) <= 2
