"""Read image files with Pillow, including 16-bit colour.

Pillow has no mode for 16-bit colour and keeps only the high bytes. Such images are decoded twice,
the second time with the opposite byte order, which gives the low bytes (raw modes: Pillow handbook,
"Writing your own image plugin").
"""

import contextlib
import ctypes
import io
import logging
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from PIL import Image, ImageCms, PngImagePlugin

from hdrcnn.colour import icc
from hdrcnn.readers import animation, bmp, heif_items, jpeg, metadata, png_chunks
from hdrcnn.readers.decoded import Decoded, NotReadError, SizeCheck, shares

for _name in ("PIL", "tifffile"):  # Exceptions report what they log.
    logging.getLogger(_name).addHandler(logging.NullHandler())
    logging.getLogger(_name).propagate = False

_lock = threading.Lock()
_before: list[tuple[int | None, int]] = []
_LARGEST_PROFILE = 2**26
"""Maximum size of a PNG's expanded profile or XMP data, in bytes; Pillow's own limit is 1 MiB."""
_GREY_KEYS = {"L;2": 85, "L;4": 17}
"""By raw mode, the factor from a transparent grey as stored in the file to 8-bit samples."""


def _silence_libtiff() -> None:
    """Stop libtiff from printing about damaged files to stderr: the error says what is wrong.

    Works where Pillow's wheel ships libtiff as a separate file (Linux, macOS).
    """
    home = Path(PIL.__file__).parent
    for folder in (home / ".dylibs", home.parent / "pillow.libs"):
        for library in folder.glob("libtiff*"):
            with contextlib.suppress(OSError, AttributeError):
                loaded = ctypes.CDLL(str(library))
                for handler in (loaded.TIFFSetErrorHandler, loaded.TIFFSetWarningHandler):
                    handler.argtypes, handler.restype = [ctypes.c_void_p], ctypes.c_void_p
                    handler(None)


_silence_libtiff()


@contextlib.contextmanager
def pillow_limits_lifted() -> Iterator[None]:
    """Lift Pillow's limits of 179 megapixels, and of 1 MiB for a profile, while any thread reads.

    Callers check limits of their own before they decode.
    """
    with _lock:
        _before.append((Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK))
        Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK = None, _LARGEST_PROFILE
    try:
        yield
    finally:
        with _lock:
            limits = _before.pop()
            if not _before:
                Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK = limits


def _opened(data: bytes, kind: str) -> Any:
    return Image.open(io.BytesIO(data), formats=[kind])


def _raw_mode(image: Any) -> str:
    """Return the sample layout in the file, Pillow's raw mode; empty if Pillow has none."""
    tiles = getattr(image, "tile", None)
    arguments = tiles[0][3] if tiles else ""
    return arguments if isinstance(arguments, str) else str((arguments or ("",))[0])


def _decode_as(image: Any, raw: str) -> np.ndarray:
    """Decode the samples as if the file had the raw mode `raw`."""
    tile = image.tile[0]
    arguments = raw if isinstance(tile[3], str) else (raw, *tile[3][1:])
    image.tile = [tile._replace(args=arguments)]
    return np.asarray(image)


def _deep_samples(image: Any, data: bytes, kind: str, raw: str) -> np.ndarray:
    """Decode [H, W, C] uint16 samples of an image whose mode in Pillow has 8 bits."""
    if raw == "LA;16B":  # Four bytes per pixel, like 8-bit RGBA.
        pairs = _decode_as(image, "RGBA").astype(np.uint16)
        return pairs[..., 0::2] * np.uint16(256) + pairs[..., 1::2]
    if raw[:-1] not in ("RGB;16", "RGBA;16", "RGBX;16") or len(image.tile) != 1:
        raise NotReadError(f"samples of the kind {raw}; save it as RGB")
    little = raw[-1] == "L" or (raw[-1] == "N" and sys.byteorder == "little")
    high = _decode_as(image, raw[:-1] + ("L" if little else "B"))
    with _opened(data, kind) as again:
        low = _decode_as(again, raw[:-1] + ("B" if little else "L"))
    return high.astype(np.uint16) * np.uint16(256) + low


def _cmyk_to_rgb(image: Image.Image) -> Image.Image:
    """Convert to sRGB by the ICC profile if there is a usable one, else by (1 - C)(1 - K)."""
    profile = image.info.get("icc_profile")
    if profile:
        with contextlib.suppress(ImageCms.PyCMSError, OSError, ValueError, TypeError):
            converted = ImageCms.profileToProfile(
                image,
                io.BytesIO(icc.bounded(profile)),
                ImageCms.createProfile("sRGB"),
                renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
                outputMode="RGB",
                flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
            )
            if converted is not None:
                return converted
    return image.convert("RGB")


def _in_plain_mode(image: Image.Image) -> Image.Image:
    """Convert to grey or RGB, with or without alpha, which is not premultiplied."""
    mode = image.mode
    if mode == "CMYK":
        return _cmyk_to_rgb(image)
    if mode in ("P", "PA"):
        clear = mode == "PA" or "transparency" in image.info
        return image.convert("RGBA" if clear else "RGB")
    if mode in ("La", "RGBa"):
        return image.convert(mode.upper())
    wanted = {"1": "L", "RGBX": "RGB", "YCbCr": "RGB", "LAB": "RGB", "HSV": "RGB"}.get(mode)
    return image.convert(wanted) if wanted else image


def _samples(image: Image.Image) -> np.ndarray:
    """Return the samples that Pillow has read, [H, W] or [H, W, C], uint8 or uint16."""
    if image.mode in ("I", "F"):
        kind = "floating-point" if image.mode == "F" else "32-bit integer"
        raise NotReadError(f"{kind} samples; only pictures of 8 and 16 bits are read")
    pixels = np.asarray(_in_plain_mode(image))
    if pixels.dtype.kind != "u" or pixels.dtype.itemsize > 2:
        raise NotReadError(f"{pixels.dtype} samples; only pictures of 8 and 16 bits are read")
    return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)


def _colour_key(image: Any, colours: np.ndarray, mode: str, raw: str) -> np.ndarray | None:
    """Return [H, W] float32 alpha, 0 for the colour that the file marks as transparent, or None."""
    key = image.info.get("transparency")
    if not isinstance(key, int | tuple) or mode not in ("1", "L", "RGB", "I;16", "I;16B"):
        return None
    wanted = np.asarray(key) * _GREY_KEYS.get(raw, 1)
    if mode == "1":
        wanted = np.where(wanted, 255, 0)
    return (colours != wanted).any(axis=-1).astype(np.float32)


def _read(data: bytes, kind: str, check: SizeCheck) -> Decoded:
    """Like `read`, for a file that Pillow accepts as it is."""
    with pillow_limits_lifted(), _opened(data, kind) as image:
        check(*image.size)
        mode, raw = image.mode, _raw_mode(image)
        frame = animation.frame(image, data) if kind in ("GIF", "WEBP") else None
        if mode in ("L", "LA", "RGB", "RGBA") and ";16" in raw and raw != "BGR;16":  # 5, 6, 5 bits.
            pixels = _deep_samples(image, data, kind, raw)
        else:
            pixels = _samples(image)
        pixels = pixels[..., None] if pixels.ndim == 2 else pixels
        count = 1 if pixels.shape[-1] <= 2 else 3
        colours = pixels[..., :count]
        bits = 12 if "I;12" in raw else 8 * pixels.dtype.itemsize
        if mode in ("I;16", "I;16B") and getattr(image, "tag_v2", {}).get(262) == 0:
            colours = np.asarray(2**bits - 1 - colours, np.uint16)  # White is stored as zero.
        alpha = _colour_key(image, colours, mode, raw)
        if pixels.shape[-1] > count:
            alpha = shares(pixels[..., count])
        if frame is not None:
            colours, alpha = animation.only_inside(frame, colours, alpha)
        shown = heif_items.clean_aperture(data, *image.size) if kind == "AVIF" else None
        if shown is not None:
            part = np.s_[shown[1] : shown[3], shown[0] : shown[2]]
            colours, alpha = colours[part], None if alpha is None else alpha[part]
        found = metadata.exif_of(image)
        return Decoded(
            colours,
            bits,
            alpha,
            metadata.orientation(found),
            metadata.camera_data(found),
            metadata.says_adobe_rgb(found),
            b"" if mode == "CMYK" else image.info.get("icc_profile") or b"",
            metadata.xmp_of(image.info),
            metadata.apple_note(found),
            str(image.info.get("compression", "")) if kind == "TIFF" else "",
        )


def _in_order(data: bytes, check: SizeCheck) -> Decoded | None:
    """Decode a JPEG that libjpeg accepts and Pillow does not; None if it is damaged.

    Such files have odd header segments, or lack the end marker although every sample is there.
    """
    with contextlib.suppress(Exception):  # The first attempt's error is reported.
        plain = jpeg.plain(data)
        endings = jpeg.endings(plain)
        found = _read(endings[0] if endings else plain, "JPEG", check)
        others = (_read(ending, "JPEG", check).colours for ending in endings[1:])
        if all(np.array_equal(found.colours, other) for other in others):
            return found
    return None


def _read_jpeg(data: bytes, check: SizeCheck) -> Decoded:
    """Like `read`, for a JPEG."""
    jpeg.check_supported(data)
    try:
        return _read(data, "JPEG", check)
    except NotReadError:
        raise
    except Exception:
        found = _in_order(data, check)
        if found is None:
            raise
        return found


def read(data: bytes, kind: str, check: SizeCheck) -> Decoded:
    """Decode the first image of a file; kind: Pillow's name of its format.

    Raises NotReadError, what `check` raises or, for damaged files, any exception.
    """
    if kind == "JPEG":
        return _read_jpeg(data, check)
    if kind == "BMP":
        found = bmp.read(data, check)
        return found or _read(data, kind, check)
    return _read(png_chunks.lean(data) if kind == "PNG" else data, kind, check)
