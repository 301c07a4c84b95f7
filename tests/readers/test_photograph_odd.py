"""Valid files that are easily refused or misread: much metadata, small frames, XMP, apertures."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps, PngImagePlugin

from hdrcnn.files import ImageError
from hdrcnn.readers.heif_items import clean_aperture
from tests.readers.pictures import (
    CODES,
    SMOOTH,
    assert_codes,
    by_pillow,
    by_tifffile,
    chunk,
    png,
    srgb_profile,
    with_tags,
)
from tests.readers.test_bmp import bmp
from tests.readers.test_heif import box

LONG = b"a workflow as image generators store it " * 40_000
XMP_TURNED = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description tiff:Orientation="6" '
    b'GPano:ProjectionType="equirectangular"/></rdf:RDF></x:xmpmeta>'
)


def itxt(keyword, text, compressed=True):
    text = zlib.compress(text) if compressed else text
    return chunk(b"iTXt", keyword + bytes((0, compressed, 0, 0, 0)) + text)


def small_png(*chunks, after=b""):
    rows = b"".join(b"\0" + row.tobytes() for row in CODES[..., :3])
    data = png(13, 11, 8, 2, rows, *chunks)
    return data[:-12] + after + data[-12:]


@pytest.mark.parametrize(
    "much",
    [
        chunk(b"zTXt", b"prompt\0\0" + zlib.compress(LONG)),
        chunk(b"tEXt", b"prompt\0" + LONG),
        itxt(b"workflow", LONG),
        itxt(b"workflow", LONG, compressed=False),
        itxt(b"XML:com.adobe.xmp", XMP_TURNED + b" " * 2_000_000),
        chunk(b"iCCP", b"long\0\0" + zlib.compress(srgb_profile() + bytes(2_000_000))),
        b"".join(chunk(b"zTXt", b"prompt\0\0" + zlib.compress(LONG)) for _ in range(60)),
    ],
)
@pytest.mark.parametrize("behind", [False, True])
def test_png_with_much_text_or_a_long_profile(read, much, behind):
    limits = Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK
    if behind and b"iCCP" in much[:8]:
        pytest.skip("a profile must come before the pixels")
    photograph = read(small_png(after=much) if behind else small_png(much))
    assert_codes(photograph, CODES[..., :3], 8)
    assert (photograph.panorama is not None) == (b"adobe" in much[:40])
    assert limits == (Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK)


def test_text_chunks_do_not_hide_other_chunks(read):
    """Exif data and a transparent colour among text chunks that are skipped."""
    text = chunk(b"tEXt", b"Comment\0nothing")
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 3, "Maker"
    key = chunk(b"tRNS", struct.pack(">3H", *CODES[2, 3, :3]))
    photograph = read(small_png(text, key, text, after=chunk(b"eXIf", exif.tobytes()[6:]) + text))
    assert_codes(photograph, CODES[::-1, ::-1, :3], 8)
    assert photograph.camera == {"Make": "Maker"}
    assert photograph.alpha[-3, -4] == 0 < photograph.alpha.mean()


def test_exif_data_in_the_text_of_a_png_are_read(read):
    exif = Image.Exif()
    exif[0x0112] = 6
    block = exif.tobytes()
    lines = f"\nexif\n{len(block):8}\n{block.hex()}\n".encode()
    text = chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(lines))
    assert_codes(read(small_png(text)), CODES[::-1, :, :3].swapaxes(0, 1), 8)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_orientation_in_xmp_is_ignored(read, kind):
    """As in libvips, ImageMagick and OpenCV. The other XMP data count."""
    plain = by_pillow(kind, SMOOTH)
    if kind == "PNG":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", XMP_TURNED.decode())
        data = by_pillow(kind, SMOOTH, pnginfo=info)
    else:
        data = by_pillow(kind, SMOOTH, xmp=XMP_TURNED)
    photograph = read(data)
    np.testing.assert_array_equal(photograph.code, read(plain).code)
    assert photograph.panorama is not None
    if kind != "AVIF":
        theirs = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert theirs.shape == photograph.code.shape


def gif(screen, place, index, transparent=None):
    """A GIF whose image is placed somewhere on its logical screen."""
    height, width = index.shape
    palette = bytes(range(30, 30 + 12))
    control = b""
    if transparent is not None:
        control = b"!\xf9\4" + bytes((1, 0, 0, transparent, 0))
    # A clear code before each index keeps codes at 3 bits: uncompressed.
    codes = [code for value in index.ravel() for code in (4, int(value))] + [5]
    bits = sum(code << 3 * place_ for place_, code in enumerate(codes))
    stored = bits.to_bytes(-(-3 * len(codes) // 8), "little")
    blocks = b"".join(
        bytes((len(stored[at : at + 255]),)) + stored[at : at + 255]
        for at in range(0, len(stored), 255)
    )
    return (
        b"GIF89a" + struct.pack("<HHBBB", *screen, 0x81, 0, 0) + palette + control + b","
        + struct.pack("<HHHHB", *place, width, height, 0) + b"\2" + blocks + b"\0;"
    )  # fmt: skip


@pytest.mark.parametrize("transparent", [None, 2])
@pytest.mark.parametrize("place", [(0, 0), (3, 2), (9, 5)])
def test_a_gif_smaller_than_its_screen_is_transparent_around(read, place, transparent):
    index = np.random.default_rng(2).integers(0, 4, (5, 4)).astype(np.uint8)
    photograph = read(gif((13, 10), place, index, transparent))
    palette = np.arange(30, 42, dtype=np.uint8).reshape(4, 3)
    inside = np.s_[place[1] : place[1] + 5, place[0] : place[0] + 4]
    alpha = np.zeros((10, 13), np.float32)
    alpha[inside] = index != transparent
    np.testing.assert_array_equal(photograph.alpha, alpha)
    np.testing.assert_array_equal(
        photograph.code[inside], palette[index].astype(np.float32) / np.float32(255)
    )


def test_a_gif_that_fills_its_screen_is_opaque(read):
    index = np.ones((5, 4), np.uint8)
    assert read(gif((4, 5), (0, 0), index)).alpha is None


def test_a_webp_film_smaller_than_its_canvas_is_transparent_around(read):
    still = by_pillow("WEBP", CODES[..., :3], lossless=True)
    frame = (
        b"".join(int(n).to_bytes(3, "little") for n in (4 // 2, 2 // 2, 13 - 1, 11 - 1, 100))
        + b"\2" + still[12:]
    )  # fmt: skip

    def film(width, height):
        canvas = b"\2\0\0\0" + b"".join((n - 1).to_bytes(3, "little") for n in (width, height))
        parts = ((b"VP8X", canvas), (b"ANIM", bytes(6)), (b"ANMF", frame))
        body = b"".join(name + struct.pack("<I", len(part)) + part + bytes(len(part) % 2)
                        for name, part in parts)  # fmt: skip
        return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body

    photograph = read(film(20, 16))
    alpha = np.zeros((16, 20))
    alpha[2:13, 4:17] = 1
    np.testing.assert_array_equal(photograph.alpha, alpha)
    np.testing.assert_array_equal(photograph.code[2:13, 4:17] * 255, CODES[..., :3])
    with pytest.raises(ImageError, match=r"picture: .*16000x15000"):
        read(film(16000, 15000))


def test_a_tiny_picture_on_a_huge_screen_is_refused_before_the_screen_is_made(read):
    with pytest.raises(ImageError, match=r"picture: .*15000x15000"):
        read(gif((15000, 15000), (0, 0), np.ones((5, 4), np.uint8)))
    data = bytearray(gif((15000, 15000), (0, 0), np.ones((5, 4), np.uint8)))
    at = data.index(b",") + 5
    data[at : at + 4] = struct.pack("<HH", 15000, 15000)
    with pytest.raises(ImageError, match="short"):
        read(bytes(data))


def with_properties(data, *added):
    """Add essential properties to the image of an AVIF file of Pillow."""
    first = data.index(b"meta") - 4
    (size,) = struct.unpack_from(">I", data, first)
    meta, grown = data[first : first + size], sum(map(len, added)) + len(added)

    def larger(whole, name, contents, at=None, more=0):
        """Insert contents into the named box, at its end or at an offset."""
        start = whole.index(name) - 4
        (length,) = struct.unpack_from(">I", whole, start)
        at = start + length if at is None else at
        whole = (
            whole[:start] + struct.pack(">I", length + len(contents) + more) + whole[start + 4 :]
        )
        return whole[:at] + contents + whole[at:]

    places = meta.index(b"ipma")
    count = meta[places + 14]
    held, inner = 0, meta.index(b"ipco") + 4
    while inner < places - 4:
        inner += struct.unpack_from(">I", meta, inner)[0]
        held += 1
    own = bytes(0x80 | held + 1 + n for n in range(len(added)))
    meta = meta[: places + 14] + bytes((count + len(own),)) + meta[places + 15 :]
    meta = larger(meta, b"ipma", own, places + 15 + count)
    meta = larger(meta, b"ipco", b"".join(added))
    start = meta.index(b"iprp") - 4
    (length,) = struct.unpack_from(">I", meta, start)
    meta = meta[:start] + struct.pack(">I", length + grown) + meta[start + 4 :]
    # Extents are counted from the start of the file (iloc, version 0, offsets of 4 bytes).
    at = meta.index(b"iloc") + 4
    assert meta[at] == 0
    assert meta[at + 4 : at + 6] == b"\x44\0"
    (items,) = struct.unpack_from(">H", meta, at + 6)
    at += 8
    for _ in range(items):
        (extents,) = struct.unpack_from(">H", meta, at + 4)
        at += 6
        for _ in range(extents):
            (offset,) = struct.unpack_from(">I", meta, at)
            meta = meta[:at] + struct.pack(">I", offset + grown) + meta[at + 4 :]
            at += 8
    meta = struct.pack(">I", len(meta)) + meta[4:]
    return data[:first] + meta + data[first + size :]


def clap(*numbers):
    return box(b"clap", struct.pack(">IIIIiIiI", *numbers))


IROT = box(b"irot", b"\1")
"""A quarter turn anticlockwise."""


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize(
    ("numbers", "rows", "columns"),
    [
        ((32, 1, 16, 1, 0, 1, 0, 1), (16, 32), (16, 48)),
        ((64, 1, 48, 1, 0, 1, 0, 1), (0, 48), (0, 64)),
        ((20, 1, 10, 1, -22, 1, 19, 1), (38, 48), (0, 20)),
        ((61, 2, 30, 2, 3, 4, 1, 2), (17, 32), (18, 48)),
    ],
)
def test_an_avif_is_cropped_to_its_clean_aperture_then_rotated(
    read, numbers, rows, columns, alpha, turned
):
    picture = np.dstack([SMOOTH, SMOOTH[..., 0]]) if alpha else SMOOTH
    data = by_pillow("AVIF", picture, quality=100, subsampling="4:4:4")
    whole = read(data)
    photograph = read(with_properties(data, clap(*numbers), *([IROT] if turned else [])))
    part = np.s_[rows[0] : rows[1], columns[0] : columns[1]]
    turns = int(turned)
    np.testing.assert_array_equal(photograph.code, np.rot90(whole.code[part], turns))
    if alpha:
        np.testing.assert_array_equal(photograph.alpha, np.rot90(whole.alpha[part], turns))


@pytest.mark.parametrize(
    "numbers",
    [
        (66, 1, 48, 1, 0, 1, 0, 1),
        (32, 1, 16, 1, 20, 1, 0, 1),
        (0, 1, 16, 1, 0, 1, 0, 1),
        (32, 0, 16, 1, 0, 1, 0, 0),
    ],
)
def test_an_aperture_beyond_the_image_is_ignored(read, numbers):
    data = by_pillow("AVIF", SMOOTH)
    odd = with_properties(data, clap(*numbers))
    assert clean_aperture(odd, 64, 48) is None
    np.testing.assert_array_equal(read(odd).code, read(data).code)


def test_exif_and_xmp_do_not_rotate_an_avif_with_its_own_rotation(read):
    """In HEIF only irot and imir count."""
    exif = Image.Exif()
    exif[0x0112] = 3
    for extra in ({}, {"xmp": XMP_TURNED}):
        data = by_pillow("AVIF", SMOOTH, **extra)
        turned = read(with_properties(data, IROT)).code
        np.testing.assert_array_equal(turned, np.rot90(read(data).code))
    # Pillow writes irot for the Exif orientation; if that says 0, the Exif data turn nothing.
    data = by_pillow("AVIF", SMOOTH, exif=exif)
    with Image.open(io.BytesIO(data)) as stored:
        expected = np.asarray(ImageOps.exif_transpose(stored))
    assert_codes(read(data), expected, 8)
    plain = read(data.replace(b"irot\2", b"irot\0")).code
    np.testing.assert_array_equal(plain, read(data).code[::-1, ::-1])


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"P6\n3 3\n255\n", "PNM"),
        (b"gimp xcf file", "GIMP"),
        (b"II\xbc\1", "JPEG XR"),
        (b"<!DOCTYPE html>", "web page"),
        (b"\0\0\1\0\1\0", "icon"),
        (b"PF\n3 3\n", "HDR"),
    ],
)
def test_unsupported_kinds_are_named(read, start, kind):
    with pytest.raises(ImageError, match=kind) as caught:
        read(start + bytes(50))
    assert "damaged" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (bmp(9, 9, 2, 0, bytes(40)), "BMP"),
        (b"BM" + struct.pack("<IIIIII", 90, 0, 30, 16, 9, 9) + bytes(60), "BMP"),
    ],
)
def test_unsupported_variants_are_not_called_damaged(read, data, kind):
    with pytest.raises(ImageError, match=f"picture: .*{kind}") as caught:
        read(data)
    assert "damaged" not in str(caught.value)


def test_libraries_print_and_log_nothing(run_python, tmp_path):
    """Even if everything that is logged is shown, as by absl."""
    whole = by_tifffile(CODES[..., :3], photometric="rgb")
    (tmp_path / "a.tif").write_bytes(with_tags(whole, StripOffsets=2**30, XResolution=2**31))
    (tmp_path / "b.jpg").write_bytes(by_pillow("JPEG", SMOOTH, exif=b"Exif\0\0II*\0\xff\xff")[:99])
    (tmp_path / "c.png").write_bytes(by_pillow("PNG", CODES)[:-30])
    lines = (
        "import logging, pathlib, hdrcnn",
        "logging.basicConfig(level=logging.DEBUG)",
        "for path in sorted(pathlib.Path('.').iterdir()):",
        "    try: hdrcnn.read_photograph(path)",
        "    except hdrcnn.ImageError as error: print(str(error).split(':')[0])",
    )
    done = run_python("-W", "always", "-c", "\n".join(lines), cwd=tmp_path)
    assert done.stdout.split() == ["a.tif", "b.jpg", "c.png"]
    assert done.stderr == ""
