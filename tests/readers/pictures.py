"""Small image files of every kind, written by packages other than those that read them here."""

import io
import struct
import zlib

import cv2
import numpy as np
import tifffile
from PIL import Image, ImageCms

RNG = np.random.default_rng(7)
DEEP = RNG.integers(0, 65536, (11, 13, 4), np.uint16)
CODES = (DEEP >> 8).astype(np.uint8)
SMOOTH = np.clip(
    np.add.outer(np.arange(48), 2 * np.arange(64))[..., None] + np.array([10, 40, 70]), 0, 255
).astype(np.uint8)


def by_cv2(suffix: str, rgb: np.ndarray, *options: int) -> bytes:
    """A file by OpenCV; colours in the order RGB or RGBA."""
    order = [2, 1, 0, 3][: rgb.shape[-1]] if rgb.shape[-1] > 1 else [0]
    done, data = cv2.imencode(suffix, rgb[..., order], options)
    assert done
    return bytes(data)


def by_pillow(kind: str, image: Image.Image | np.ndarray, **options: object) -> bytes:
    """A file by Pillow."""
    file = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(file, kind, **options)
    return file.getvalue()


def by_tifffile(pixels: np.ndarray, **options: object) -> bytes:
    """A TIFF by tifffile."""
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **options)  # type: ignore[arg-type]
    return file.getvalue()


def png(width: int, height: int, depth: int, kind: int, rows: bytes, *chunks: bytes) -> bytes:
    """A PNG written byte by byte from its standard; `rows` include their filter bytes."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))
    return b"".join(
        (b"\x89PNG\r\n\x1a\n", head, *chunks, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND"))
    )


def chunk(name: bytes, contents: bytes = b"") -> bytes:
    """A PNG chunk."""
    return struct.pack(">I", len(contents)) + name + contents + struct.pack(
        ">I", zlib.crc32(name + contents)
    )  # fmt: skip


def deep_png(pixels: np.ndarray, *chunks: bytes) -> bytes:
    """A 16-bit PNG of [H, W, C] uint16, C = 1 to 4, without filters."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[pixels.shape[-1]]
    return png(pixels.shape[1], pixels.shape[0], 16, kind, rows, *chunks)


def profile(primaries: tuple[float, ...], version: int = 4) -> bytes:
    """An RGB matrix profile of the given primaries, written byte by byte with LittleCMS's
    arithmetic.
    """
    import colour

    red, green, blue, white = np.reshape(primaries, (4, 2))
    d50 = np.array([0.9642, 1.0, 0.8249])
    adaptation = colour.adaptation.matrix_chromatic_adaptation_VonKries(
        colour.xy_to_XYZ(white), d50, transform="Bradford"
    )
    colourants = adaptation @ colour.normalised_primary_matrix(np.array([red, green, blue]), white)

    def numbers(kind: bytes, values: np.ndarray) -> bytes:
        fixed = np.round(np.ravel(values) * 65536).astype(">i4").tobytes()
        return kind + bytes(4) + fixed

    curve = b"curv" + bytes(4) + struct.pack(">IHxx", 1, round(2.2 * 256))
    elements = [
        (b"desc", b"desc" + bytes(4) + struct.pack(">I", 5) + b"test\0" + bytes(78)),
        (b"wtpt", numbers(b"XYZ ", d50 if version == 4 else colour.xy_to_XYZ(white))),
        *zip((b"rXYZ", b"gXYZ", b"bXYZ"), (numbers(b"XYZ ", c) for c in colourants.T), strict=True),
        *((name, curve) for name in (b"rTRC", b"gTRC", b"bTRC")),
    ]
    if version == 4:
        elements.append((b"chad", numbers(b"sf32", adaptation)))
    at = 132 + 12 * len(elements)
    table, body = struct.pack(">I", len(elements)), b""
    for name, element in elements:
        table += struct.pack(">4sII", name, at + len(body), len(element))
        body += element + bytes(-len(element) % 4)
    head = struct.pack(
        ">I4sI4s4s4s", at + len(body), b"test", version << 24, b"mntr", b"RGB ", b"XYZ "
    )
    head += (
        bytes(12) + b"acsp" + bytes(28) + np.round(d50 * 65536).astype(">i4").tobytes() + bytes(48)
    )
    return head + table + body


def srgb_profile() -> bytes:
    """LittleCMS's own sRGB profile."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def of_each_kind() -> dict[str, bytes]:
    """A small valid file of each kind, some of them with profile and Exif data."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Maker", 6
    exif.get_ifd(0x8769)[0x829A] = 0.01
    extra = {"exif": exif.tobytes(), "icc_profile": srgb_profile()}
    grey = Image.fromarray(SMOOTH[..., 0])
    files = {
        "png": by_pillow("PNG", CODES, **extra),
        "deep.png": deep_png(DEEP, chunk(b"cICP", bytes((12, 13, 0, 1)))),
        "palette.png": by_pillow("PNG", grey.convert("P"), transparency=3),
        "jpg": by_pillow("JPEG", SMOOTH, **extra),
        "progressive.jpg": by_pillow("JPEG", SMOOTH, progressive=True),
        "cmyk.jpg": by_pillow("JPEG", Image.fromarray(SMOOTH).convert("CMYK")),
        "mpo": by_pillow("MPO", SMOOTH, save_all=True, append_images=[grey.convert("RGB")]),
        "tif": by_pillow("TIFF", CODES[..., :3], **extra),
        "lzw.tif": by_pillow("TIFF", CODES[..., :3], compression="tiff_lzw"),
        "jpeg.tif": by_pillow("TIFF", SMOOTH, compression="jpeg"),
        "deep.tif": by_tifffile(DEEP[..., :3], photometric="rgb"),
        "deflated.tif": by_tifffile(DEEP[..., :3], photometric="rgb", compression="zlib"),
        "lossy.webp": by_pillow("WEBP", SMOOTH, **extra),
        "lossless.webp": by_pillow("WEBP", CODES, lossless=True),
        "animated.webp": by_pillow("WEBP", SMOOTH, save_all=True, append_images=[grey]),
        "bmp": by_pillow("BMP", CODES[..., :3]),
        "gif": by_pillow("GIF", grey, save_all=True, append_images=[grey.rotate(90)]),
        "avif": by_pillow("AVIF", SMOOTH, **extra),
    }
    try:
        import pillow_heif
    except ImportError:
        return files
    heif = pillow_heif.from_pillow(Image.fromarray(SMOOTH))
    file = io.BytesIO()
    heif.save(file, quality=90, exif=exif.tobytes())
    return files | {"heic": file.getvalue()}


def with_tags(data: bytes, **values: int) -> bytes:
    """Replace the numbers of some tags, by tifffile's names, in a little-endian TIFF."""
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        places = {tag.name: tag.offset for tag in file.pages.first.tags}
    for name, value in values.items():
        at = places[name]
        data = data[: at + 2] + struct.pack("<HII", 4, 1, value) + data[at + 12 :]
    return data


def assert_codes(photograph, codes, bits):
    """The codes are kept exactly, as float32 n / (2^bits - 1)."""
    assert photograph.bits == bits
    assert photograph.code.dtype == np.float32
    assert photograph.code.flags.c_contiguous
    codes = codes if codes.ndim == 3 else codes[..., None]
    stored = np.broadcast_to(codes, (*codes.shape[:2], 3)).astype(np.float32)
    np.testing.assert_array_equal(photograph.code, stored / np.float32(2**bits - 1))
