"""TIFF photographs of every supported kind, compared with known samples and with programs that
neither wrote nor read them here.
"""

import io
import itertools
import struct

import colour
import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, ImageOps

from hdrcnn.files import ImageError
from hdrcnn.readers import tiff_page
from tests.readers.pictures import DEEP, SMOOTH, by_pillow, by_tifffile, with_tags

BITS = (1, 2, 4, 8, 10, 12, 14, 16)
LOSSLESS = (None, "lzw", "zlib", "packbits", "lzma", "zstd")
PHOTOMETRIC = {"minisblack": 1, "miniswhite": 1, "rgb": 3}
ALPHA = {None: [], "unassalpha": ["unassalpha"], "assocalpha": ["assocalpha"]}
ORIENTATION = 274
EXACT = 2e-7
"""Tolerance of exact values, for the rounding of float32."""


def packed(pixels: np.ndarray, bits: int) -> bytes:
    """Pack [..., H, W, C] integers bit by bit, highest bit first; rows begin at whole bytes."""
    rows = pixels.reshape(-1, pixels.shape[-2] * pixels.shape[-1])
    each = rows[..., None] >> np.arange(bits - 1, -1, -1) & 1
    return np.packbits(each.reshape(len(rows), -1).astype(np.uint8), axis=-1).tobytes()


COMPRESS = {
    None: (1, lambda data: data),
    "lzw": (5, lambda data: bytes(imagecodecs.lzw_encode(data))),
    "packbits": (32773, lambda data: b"".join(
        bytes((len(part) - 1,)) + part
        for part in (data[at : at + 128] for at in range(0, len(data), 128))
    )),
    "zstd": (50000, lambda data: bytes(imagecodecs.zstd_encode(data))),
    "zlib": (8, lambda data: bytes(imagecodecs.zlib_encode(data))),
}  # fmt: skip


def laid_out(planes: list[bytes], size: tuple[int, int], **tags: int | tuple[int, ...]) -> bytes:
    """A little-endian TIFF written byte by byte from its standard, one strip per plane; tags by
    number, such as t259=1.
    """
    rows, columns = size
    at, offsets = 8, []
    for plane in planes:
        offsets.append(at)
        at += len(plane)
    entries = {256: (columns,), 257: (rows,), 278: (rows,), 273: tuple(offsets),
               279: tuple(map(len, planes))}  # fmt: skip
    for name, value in tags.items():
        entries[int(name[1:])] = value if isinstance(value, tuple) else (value,)
    at += at % 2
    body, values = b"", b""
    behind = at + 2 + 12 * len(entries) + 4
    for number, numbers in sorted(entries.items()):
        kind, code = (4, "I") if number in (273, 279) else (3, "H")
        stored = struct.pack(f"<{len(numbers)}{code}", *numbers)
        if len(stored) > 4:
            values, place = values + stored, struct.pack("<I", behind + len(values))
        else:
            place = stored.ljust(4, b"\0")
        body += struct.pack("<HHI", number, kind, len(numbers)) + place
    data = b"II*\0" + struct.pack("<I", at) + b"".join(planes)
    return data.ljust(at, b"\0") + struct.pack("<H", len(entries)) + body + bytes(4) + values


def stored_and_expected(photometric, bits, alpha, rng):
    """Samples for a file, the colours and alpha expected from it, both in [0, 1], and a tolerance:
    colours that were multiplied by alpha come back rounded.
    """
    top, count = 2**bits - 1, PHOTOMETRIC[photometric]
    colours = rng.integers(0, top + 1, (11, 13, count))
    shares = rng.integers(1, top + 1, (11, 13, 1))
    if alpha == "assocalpha":
        colours = np.minimum(colours, shares)
    shown = colours / (shares if alpha == "assocalpha" else top)
    shown = 1 - shown if photometric == "miniswhite" else shown
    stored = np.concatenate([colours, shares], axis=-1) if alpha else colours
    near = 0.51 / top if alpha == "assocalpha" else EXACT
    return stored, shown, shares[..., 0] / top if alpha else None, near


def assert_shown(photograph, shown, alpha, near=EXACT):
    wanted = np.broadcast_to(shown, (*shown.shape[:2], 3))
    np.testing.assert_allclose(photograph.code, wanted, rtol=0, atol=near)
    if alpha is None:
        assert photograph.alpha is None
    else:
        np.testing.assert_allclose(photograph.alpha, alpha, rtol=0, atol=EXACT)


@pytest.mark.parametrize("compression", COMPRESS)
@pytest.mark.parametrize("bits", BITS)
def test_bits_by_compression_planes_alpha_and_photometric(read, bits, compression):
    """18 layouts each, written here bit by bit."""
    rng = np.random.default_rng(bits)
    number, compress = COMPRESS[compression]
    for photometric, planar, alpha in itertools.product(PHOTOMETRIC, (1, 2), ALPHA):
        stored, shown, shares, near = stored_and_expected(photometric, bits, alpha, rng)
        parts = [stored] if planar == 1 else np.split(stored, stored.shape[-1], axis=-1)
        if bits == 16:
            strips = [part.astype("<u2").tobytes() for part in parts]
        else:
            strips = [packed(part, bits) for part in parts]
        extra = {"t338": 2 if alpha == "unassalpha" else 1} if alpha else {}
        data = laid_out(
            list(map(compress, strips)), (11, 13),
            t258=(bits,) * stored.shape[-1], t259=number, t277=stored.shape[-1], t284=planar,
            t262={"miniswhite": 0, "minisblack": 1, "rgb": 2}[photometric], **extra,
        )  # fmt: skip
        photograph = read(data)
        assert_shown(photograph, shown, shares, near)
        assert photograph.bits == (bits if bits >= 8 else 8)
        assert not photograph.lossy


@pytest.mark.parametrize("compression", LOSSLESS)
@pytest.mark.parametrize("bits", [8, 16])
def test_predictor_tiles_orders_and_orientation(read, bits, compression):
    """Written by tifffile, whose encoders are not its decoders; rotated as by Pillow."""
    rng = np.random.default_rng(bits)
    turns = itertools.cycle(range(1, 9))
    for photometric, planar, alpha, tile, predictor, order in itertools.product(
        PHOTOMETRIC, ("contig", "separate"), ("unassalpha", "assocalpha"), (None, (16, 32)),
        (False, True), "<>",
    ):  # fmt: skip
        if predictor and compression is None:
            continue
        stored, shown, shares, near = stored_and_expected(photometric, bits, alpha, rng)
        pixels = stored.astype(f"u{bits // 8}")
        pixels = pixels if planar == "contig" else np.ascontiguousarray(np.moveaxis(pixels, -1, 0))
        turn = next(turns)
        data = by_tifffile(
            pixels, photometric=photometric, planarconfig=planar, extrasamples=ALPHA[alpha],
            tile=tile, compression=compression, predictor=predictor, byteorder=order,
            rowsperstrip=None if tile else 4,
            extratags=[(ORIENTATION, "H", 1, turn, True)], metadata=None,
        )  # fmt: skip
        assert_shown(read(data), turned(shown, turn), turned(shares, turn), near)


def turned(plane: np.ndarray, orientation: int) -> np.ndarray:
    """Apply an Exif orientation by Pillow."""
    if plane.ndim == 3:
        layers = [turned(layer, orientation) for layer in np.moveaxis(plane, -1, 0)]
        return np.stack(layers, axis=-1)
    image = Image.fromarray(plane.astype(np.float32))
    image.getexif()[ORIENTATION] = orientation
    return np.asarray(ImageOps.exif_transpose(image))


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("deep", [True, False])
@pytest.mark.parametrize("compression", COMPRESS)
def test_palettes_with_values_of_16_or_8_bits(read, bits, deep, compression):
    rng = np.random.default_rng(bits)
    indices = rng.integers(0, 2**bits, (11, 13, 1))
    colours = rng.integers(0, 256, (2**bits, 3))
    number, compress = COMPRESS[compression]
    data = laid_out(
        [compress(packed(indices, bits))], (11, 13), t258=bits, t259=number, t262=3, t277=1,
        t320=tuple(map(int, (colours * (257 if deep else 1)).T.ravel())),
    )  # fmt: skip
    assert_shown(read(data), colours[indices[..., 0]] / 255, None)


def test_a_missing_photometric_tag(read):
    for count in (1, 3):
        pixels = DEEP[..., :count]
        data = laid_out([pixels.astype("<u2").tobytes()], (11, 13), t258=(16,) * count, t259=1,
                        t277=count)  # fmt: skip
        assert_shown(read(data), pixels / 65535, None)


@pytest.mark.parametrize("bits", [8, 16])
def test_cmyk(read, bits):
    """Without a profile (1 - C)(1 - K), interleaved and in planes; other inks are refused."""
    stored = (DEEP >> (16 - bits)).astype(f"u{bits // 8}")
    top = 2**bits - 1
    shown = (1 - stored[..., :3] / top) * (1 - stored[..., 3:] / top)
    for planar, compression in itertools.product(("contig", "separate"), LOSSLESS):
        pixels = stored if planar == "contig" else np.moveaxis(stored, -1, 0).copy()
        data = by_tifffile(
            pixels, photometric="separated", planarconfig=planar, compression=compression
        )
        np.testing.assert_allclose(read(data).code, shown, atol=0.51 / top)
    other = laid_out([stored.tobytes()], (11, 13), t258=(bits,) * 4, t259=1, t262=5, t277=4, t332=2)
    with pytest.raises(ImageError, match=r"picture: .*inks"):
        read(other)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("photometric", [8, 9])
def test_lab_against_littlecms_and_colour_science(read, bits, photometric):
    """CIELAB with signed a* and b*, and ICCLAB with an offset, of colours inside sRGB."""
    rgb = np.random.default_rng(3).uniform(0.1, 0.9, (11, 13, 3))
    d50 = colour.CCS_ILLUMINANTS["CIE 1931 2 Degree Standard Observer"]["D50"]
    xyz = colour.RGB_to_XYZ(
        rgb, "sRGB", illuminant=d50,
        chromatic_adaptation_transform="Bradford", apply_cctf_decoding=True,
    )  # fmt: skip
    lab = colour.XYZ_to_Lab(xyz, d50)
    step = 2.0 ** (bits - 8)
    white = 2**bits - 1 if photometric == 8 else 255 * step
    codes = np.round(lab * [white / 100, step, step] + [0, 0, 0]).astype(int)
    codes[..., 1:] += 0 if photometric == 8 else 128 << (bits - 8)
    stored = (codes % 2**bits).astype(f"<u{bits // 8}")
    data = laid_out(
        [stored.tobytes()], (11, 13), t258=(bits,) * 3, t259=1, t262=photometric, t277=3
    )
    photograph = read(data)
    np.testing.assert_allclose(photograph.code, rgb, atol=0.03 if bits == 8 else 1e-3)
    assert photograph.bits == bits
    if (bits, photometric) == (8, 8):  # The variant that Pillow supports.
        profile = ImageCms.createProfile("LAB", 5000)
        theirs = ImageCms.profileToProfile(
            Image.frombytes("LAB", (13, 11), stored.tobytes()), profile,
            ImageCms.createProfile("sRGB"), outputMode="RGB",
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            flags=ImageCms.Flags.NOOPTIMIZE,
        )  # fmt: skip
        np.testing.assert_allclose(photograph.code * 255, np.asarray(theirs), atol=2.5)


def ycbcr_of(rgb):
    return np.asarray(Image.fromarray(rgb).convert("YCbCr"))


@pytest.mark.parametrize("compression", COMPRESS)
def test_ycbcr_interleaved_and_in_planes(read, compression):
    """Converted by libtiff's own rule, as by Pillow."""
    number, compress = COMPRESS[compression]
    stored = ycbcr_of(SMOOTH)
    planes = [plane.tobytes() for plane in np.moveaxis(stored, -1, 0)]
    for planar, strips in ((1, [stored.tobytes()]), (2, planes)):
        data = laid_out(
            list(map(compress, strips)), SMOOTH.shape[:2], t258=(8, 8, 8), t259=number, t262=6,
            t277=3, t284=planar, t530=(1, 1),
        )  # fmt: skip
        np.testing.assert_allclose(read(data).code * 255, SMOOTH, atol=2.5)


def shared_chroma(stored: np.ndarray, across: int, down: int) -> bytes:
    """Encode [H, W, 3] as units of luma samples and their shared chroma; edges are repeated."""
    rows, columns = -stored.shape[0] % down, -stored.shape[1] % across
    stored = np.pad(stored, ((0, rows), (0, columns), (0, 0)), mode="edge")
    high, wide = stored.shape[0] // down, stored.shape[1] // across
    blocks = stored.reshape(high, down, wide, across, 3).swapaxes(1, 2)
    luma, chroma = blocks[..., 0].reshape(high, wide, -1), blocks[:, :, 0, 0, 1:]
    return np.concatenate([luma, chroma], axis=-1).tobytes()


@pytest.mark.parametrize("compression", COMPRESS)
@pytest.mark.parametrize(("across", "down"), [(2, 2), (2, 1), (4, 2), (1, 2)])
def test_ycbcr_with_chroma_at_a_lower_resolution(read, across, down, compression):
    """A size that is not a multiple of the units, in one strip and two; also as libtiff reads
    it.
    """
    number, compress = COMPRESS[compression]
    grey = SMOOTH[:45, :61, :1].repeat(3, axis=-1)
    stored = np.dstack([grey[..., :1], np.full((45, 61, 2), [90, 170], np.uint8)])
    red, blue = (stored[..., 2] - 128.0) * 1.402, (stored[..., 1] - 128.0) * 1.772
    green = -(0.299 * red + 0.114 * blue) / 0.587
    shown = np.clip(grey + np.stack([red, green, blue], axis=-1), 0, 255)
    for strip in (45, 24):
        strips = [shared_chroma(stored[top : top + strip], across, down)
                  for top in range(0, 45, strip)]  # fmt: skip
        data = laid_out(
            list(map(compress, strips)), (45, 61), t258=(8, 8, 8), t259=number, t262=6, t277=3,
            t278=strip, t530=(across, down),
        )  # fmt: skip
        np.testing.assert_allclose(read(data).code * 255, shown, atol=0.51)
    if compression == "lzw":
        with Image.open(io.BytesIO(data)) as image:
            np.testing.assert_allclose(shown, np.asarray(image.convert("RGB")), atol=1.6)


@pytest.mark.parametrize("photometric", ["ycbcr", "rgb", "minisblack"])
@pytest.mark.parametrize("tile", [None, (16, 32)])
def test_jpeg_compression(read, photometric, tile):
    pixels = SMOOTH if photometric != "minisblack" else SMOOTH[..., 0].copy()
    data = by_tifffile(
        pixels, photometric="rgb" if pixels.ndim == 3 else "minisblack", compression="jpeg",
        compressionargs={"level": 95, "outcolorspace": photometric.upper()}, tile=tile,
        rowsperstrip=None if tile else 16,
    )  # fmt: skip
    photograph = read(data)
    shown = pixels if pixels.ndim == 3 else pixels[..., None]
    np.testing.assert_allclose(photograph.code * 255, np.broadcast_to(shown, SMOOTH.shape), atol=12)
    assert photograph.lossy


@pytest.mark.parametrize("name", ["jpeg", "tiff_lzw", "tiff_adobe_deflate", "zstd", "packbits"])
def test_files_of_libtiff(read, name):
    for image in (Image.fromarray(SMOOTH), Image.fromarray(SMOOTH[..., 0]),
                  Image.fromarray(SMOOTH).convert("CMYK")):  # fmt: skip
        data = by_pillow("TIFF", image, compression=name)
        with Image.open(io.BytesIO(data)) as theirs:
            expected = np.asarray(theirs.convert("RGB"))
        np.testing.assert_allclose(read(data).code * 255, expected, atol=1.01)


@pytest.mark.parametrize("name", ["group3", "group4", "tiff_ccitt"])
def test_fax_compressions_of_libtiff(read, name):
    image = Image.fromarray(SMOOTH[..., 0] > 90)
    data = by_pillow("TIFF", image, compression=name)
    np.testing.assert_array_equal(read(data).code[..., 0] * 255, np.asarray(image.convert("L")))


@pytest.mark.parametrize("alpha", [False, True])
def test_webp_compression(read, alpha):
    pixels = np.dstack([SMOOTH, SMOOTH[..., :1]]) if alpha else SMOOTH
    options: dict[str, object] = {"photometric": "rgb", "compression": "webp"}
    options |= {"extrasamples": ["unassalpha"]} if alpha else {}
    exact = by_tifffile(pixels, compressionargs={"lossless": True}, **options)
    photograph = read(exact)
    np.testing.assert_array_equal(photograph.code, (SMOOTH / np.float32(255)).astype(np.float32))
    assert (photograph.alpha is not None) == alpha
    assert not photograph.lossy
    lossy = read(by_tifffile(pixels, compressionargs={"level": 90, "lossless": False}, **options))
    np.testing.assert_allclose(lossy.code * 255, SMOOTH, atol=20)
    assert lossy.lossy


def test_a_jpeg_that_claims_more_than_its_strip_is_refused_before_it_takes_memory(read):
    data = by_tifffile(SMOOTH, photometric="rgb", compression="jpeg")
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        at = data.index(b"\xff\xc0", file.pages.first.dataoffsets[0])
    huge = data[: at + 5] + struct.pack(">HH", 65500, 65500) + data[at + 9 :]
    with pytest.raises(ImageError, match=r"picture: [^\n]*65500x65500"):
        read(huge)


@pytest.mark.parametrize(
    ("tags", "word"),
    [
        ({"Compression": 34712}, "JPEG2000"),
        ({"Compression": 50002}, "JPEGXL"),
        ({"Compression": 4321}, "4321"),
        ({"PhotometricInterpretation": 4}, "colours of kind 4"),
        ({"PhotometricInterpretation": 10}, "colours of kind 10"),
        ({"PhotometricInterpretation": 32845}, "HDR image"),
    ],
)
def test_unsupported_kinds_are_not_called_damaged(read, tags, word):
    data = with_tags(by_tifffile(SMOOTH, photometric="rgb"), **tags)
    with pytest.raises(ImageError, match=rf"picture: [^\n]*{word}[^\n]*; ") as caught:
        read(data)
    assert "damaged" not in str(caught.value)


def test_tifffile_decompresses_all_supported_compressions():
    assert set(tiff_page.COMPRESSIONS) - {1} <= {
        number for number in tiff_page.COMPRESSIONS if number in tifffile.TIFF.DECOMPRESSORS
    }


def test_a_jpeg_of_thousands_of_scans_inside_is_refused(read):
    """Each scan takes as long to decode as the whole image."""
    image = Image.fromarray(SMOOTH)
    whole = by_pillow("JPEG", image, progressive=True)
    at = whole.rindex(b"\xff\xda")
    for scans in (0, 3000):
        jpeg = whole[:-2] + whole[at:-2] * scans + whole[-2:]
        data = laid_out([jpeg], SMOOTH.shape[:2], t258=(8, 8, 8), t259=7, t262=6, t277=3)
        if scans:
            with pytest.raises(ImageError, match=r"picture: .*scans"):
                read(data)
        else:
            np.testing.assert_allclose(read(data).code * 255, np.asarray(image), atol=16)
