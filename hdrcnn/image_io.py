"""8-bit pictures in, OpenEXR and PNG out; `hdr_io` reads HDR images.

Whatever cannot be read raises `ImageError`, one line that names file, reason and remedy. Files
are written beside their place under a temporary name, then renamed: no half-written file is
ever seen under a final name.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import OpenEXR
from PIL import Image

LDR_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")
HALF_MAX = 65504.0


class ImageError(Exception):
    """A picture that cannot be read or written; the message is meant for the user."""


@contextlib.contextmanager
def finished_whole(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`, renamed to it when the block ends without error."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise ImageError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _to_rgb(pixels: np.ndarray) -> np.ndarray:
    """[H, W] grey, [H, W, 2] grey and alpha, [H, W, 3] or [H, W, 4] with alpha to [H, W, 3]."""
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    colours = pixels[..., : 1 if pixels.shape[-1] <= 2 else 3]
    return np.broadcast_to(colours, (*colours.shape[:2], 3))


def read_ldr(path: Path) -> np.ndarray:
    """A picture as [H, W, 3] float32 in [0, 1], display-encoded, upright by its EXIF orientation.

    Grey becomes three equal channels; alpha is left out, not multiplied in. Raises ImageError.
    """
    if not path.is_file():
        raise ImageError(f"{path}: no such file")
    try:
        file = iio.imopen(path, "r", plugin="pillow")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ImageError(
            f"{path}: not a picture this tool reads; save it as PNG, JPEG or TIFF"
        ) from error
    try:
        with file:
            mode = file.metadata(index=0, exclude_applied=False).get("mode", "")
            pixels = file.read(index=0, rotate=True, mode="RGB" if mode == "CMYK" else None)
    except (OSError, ValueError, EOFError, SyntaxError) as error:
        raise ImageError(
            f"{path}: damaged or truncated ({error}); copy it again from its source"
        ) from error
    if pixels.dtype == bool:
        pixels = pixels.astype(np.uint8) * np.uint8(255)
    if pixels.dtype not in (np.uint8, np.uint16):
        raise ImageError(f"{path}: {pixels.dtype} samples; only 8- and 16-bit pictures are read")
    return _to_rgb(pixels).astype(np.float32) / np.iinfo(pixels.dtype).max


def write_exr(path: Path, hdr: np.ndarray) -> None:
    """[H, W, 3] linear, Rec. 709, to a half-float OpenEXR file, ZIP compressed.

    Values beyond the half-float maximum (65504) are held there, not left to become infinite.
    Raises ImageError where `hdr` is not finite or the place cannot be written.
    """
    if hdr.ndim != 3 or hdr.shape[-1] != 3:
        raise ImageError(f"{path}: an image of shape [H, W, 3] is needed, not {hdr.shape}")
    if not np.isfinite(hdr).all():
        raise ImageError(f"{path}: not written, the image holds values that are not finite")
    half = np.clip(hdr, -HALF_MAX, HALF_MAX).astype(np.float16)
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    with finished_whole(path) as temporary:
        try:
            OpenEXR.File(header, {"RGB": np.ascontiguousarray(half)}).write(str(temporary))
        except RuntimeError as error:
            raise ImageError(f"{path}: cannot be written: {error}") from error


def write_png(path: Path, codes: np.ndarray) -> None:
    """[H, W, 3] uint8 to a PNG file. Raises ImageError where the place cannot be written."""
    with finished_whole(path) as temporary:
        iio.imwrite(temporary, codes, plugin="pillow")
