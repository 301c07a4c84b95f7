"""Odd JPEG files that libjpeg reads, and files that should be refused."""

import struct

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from hdrcnn.files import ImageError
from hdrcnn.readers import jpeg
from hdrcnn.readers.jpeg import MOST_SCANS, segment
from tests.readers.pictures import CODES, SMOOTH, by_pillow

PICTURE = np.asarray(Image.fromarray(CODES[..., :3]).resize((24, 20), Image.Resampling.BICUBIC))
SOURCES = {
    "sequential": by_pillow("JPEG", PICTURE),
    "4:4:4": by_pillow("JPEG", PICTURE, subsampling=0, quality=97),
    "grey": by_pillow("JPEG", PICTURE[..., 0]),
    "restarts": by_pillow("JPEG", PICTURE, restart_marker_blocks=1),
    "progressive": by_pillow("JPEG", PICTURE, progressive=True),
    "CMYK": by_pillow("JPEG", Image.fromarray(PICTURE).convert("CMYK")),
}


def outcome(read, data):
    """The image, or the error message."""
    try:
        return read(data).code
    except ImageError as error:
        return str(error)


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("tail", [b"", b"\xff", b"\xff\xff", bytes(5)])
def test_a_missing_end_marker_changes_nothing(read, name, tail):
    whole = SOURCES[name]
    assert whole.endswith(jpeg.END)
    np.testing.assert_array_equal(read(whole[:-2] + tail).code, read(whole).code)


@pytest.mark.parametrize("name", SOURCES)
def test_truncation_never_changes_pixels(read, name):
    """A truncated file gives the whole image or one line, never one filled with grey."""
    whole = SOURCES[name]
    expected, refused = read(whole).code, 0
    for cut in range(4, len(whole)):
        found = outcome(read, whole[:cut])
        if isinstance(found, str):
            refused += "damaged" in found
        else:
            np.testing.assert_array_equal(found, expected)
    assert refused > len(whole) - 10


def test_missing_scans_are_not_taken_for_a_missing_end(read):
    """In a file cut between two scans all bytes are valid, but the image is coarse."""
    whole = SOURCES["progressive"]
    scans = [at for marker, _, at in jpeg.markers(whole) if marker == jpeg.SCAN]
    assert len(scans) == 10
    for at in scans[1:]:
        with pytest.raises(ImageError, match="damaged"):
            read(whole[:at])


ODD = {
    "short JFIF": segment(0xE0, b"JFIF\0"),
    "JFIF of the least length": segment(0xE0, b"JFIF\0\1\1"[:5]),
    "short Adobe": segment(0xEE, b"Adobe"),
    "profile without contents": segment(0xE2, b"ICC_PROFILE\0"),
    "cut Photoshop data": segment(0xED, b"Photoshop 3.0\0008BIM\4\4"),
    "empty segment": segment(0xE5, b""),
    "filling": b"\xff" * 7,
    "zeros": bytes(9),
    "other bytes": b"filling",
    "TEM": b"\xff\1",
    "restart": b"\xff\xd3",
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("name", ["sequential", "progressive"])
def test_odd_segments_and_filler_bytes_do_not_prevent_reading(read, name, odd):
    """Before each segment of the header; compared with libjpeg (imagecodecs) and the plain file."""
    whole = SOURCES[name]
    expected, theirs = read(whole).code, imagecodecs.jpeg8_decode(whole)
    for marker, _, at in jpeg.markers(whole):
        data = whole[:at] + ODD[odd] + whole[at:]
        np.testing.assert_array_equal(read(data).code, expected)
        np.testing.assert_array_equal(imagecodecs.jpeg8_decode(data), theirs)
        if marker == jpeg.SCAN:
            return


def with_frame(data, marker=None, **changes):
    """Replace the frame marker, or the bits or components that it states."""
    changed = bytearray(data)
    at = next(at for found, _, at in jpeg.markers(data) if jpeg.is_frame(found))
    changed[at + 1] = marker or changed[at + 1]
    changed[at + 4] = changes.get("bits", changed[at + 4])
    changed[at + 9] = changes.get("components", changed[at + 9])
    return bytes(changed)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (imagecodecs.jpegls_encode(PICTURE), "JPEG-LS"),
        (imagecodecs.ljpeg_encode(PICTURE[..., 0].astype(np.uint16)), "lossless"),
        (imagecodecs.jpeg8_encode(PICTURE.astype(np.uint16) * 16, bitspersample=12), "12 bits"),
        (with_frame(SOURCES["sequential"], 0xC5), "hierarchical"),
        (with_frame(SOURCES["sequential"], components=2), "2 components"),
    ],
)
def test_unsupported_kinds_of_jpeg_are_not_called_damaged(read, data, kind):
    with pytest.raises(ImageError, match=kind) as caught:
        read(data)
    assert "damaged" not in str(caught.value)
    assert "save it as" in str(caught.value)


def test_a_picture_of_thousands_of_scans_is_refused_before_it_is_decoded(read):
    whole = by_pillow("JPEG", SMOOTH, progressive=True)
    last = [at for marker, _, at in jpeg.markers(whole) if marker == jpeg.SCAN][-1]
    again = whole[last:-2]
    many = whole[:-2] + again * (MOST_SCANS - 10) + whole[-2:]
    np.testing.assert_array_equal(read(many).code.shape, (48, 64, 3))
    with pytest.raises(ImageError, match="scans") as caught:
        read(whole[:-2] + again * 9000 + whole[-2:])
    assert "damaged" not in str(caught.value)


@pytest.mark.parametrize("name", SOURCES)
def test_claimed_pixels_are_not_allocated(read, name):
    """15,000 x 15,000 in the header of a file of some hundred bytes."""
    at = next(at for found, _, at in jpeg.markers(SOURCES[name]) if jpeg.is_frame(found))
    data = bytearray(SOURCES[name])
    data[at + 5 : at + 9] = struct.pack(">HH", 15000, 15000)
    with pytest.raises(ImageError, match="short"):
        read(bytes(data))


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("side", [1, 7, 8, 9, 500])
def test_the_smallest_valid_file_is_not_called_too_short(read, mode, progressive, side):
    """One colour and optimised tables: the fewest bits that an encoder can produce."""
    for subsampling in (0, 2):
        data = by_pillow(
            "JPEG", Image.new(mode, (side, 2 * side)), quality=1, optimize=True,
            progressive=progressive, subsampling=subsampling,
        )  # fmt: skip
        assert read(data).code.shape == (2 * side, side, 3)
