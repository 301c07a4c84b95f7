"""Write display-referred images: the codes in `Picture.codes`, with 16 bits where the format can.

    tiff      16 bits, deflate with prediction; by tifffile
    sdr_png   16 bits; by libpng (imagecodecs)
    jpeg      8 bits, colours at full resolution; by Pillow
    exposure  PNG of 8 or 16 bits, like `sdr_png`: of a photograph, not of a bracket

Each stores the codes, an ICC profile with their primaries and the curve of sRGB, and notes; all but
`tiff` also camera and exposure (of a bracket, those of the reference frame). None stores light,
alpha, mask or panorama. Sources: TIFF 6.0; ICC.1:2022; PNG, third edition.
"""

import zlib
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from hdrcnn.colour.icc import matrix_profile, srgb_profile
from hdrcnn.colour.primaries import REC709, name_of
from hdrcnn.files import ImageError, finished_whole
from hdrcnn.tiles.geometry import strips
from hdrcnn.writers import Options, notes
from hdrcnn.writers.jpeg_segments import EXIF, check_size, encoded
from hdrcnn.writers.metadata import exif_block
from hdrcnn.writers.picture import Picture, check_writable
from hdrcnn.writers.png import chunk, text_chunk

STRIP = 64
"""Number of rows in a strip of a TIFF."""
SIGNATURE_AND_HEAD = 8 + 25
"""Number of bytes of a PNG before its second chunk."""


def _profile(picture: Picture) -> bytes:
    """Return an ICC profile with the primaries of the codes."""
    if picture.chromaticities == REC709:
        return srgb_profile()
    return matrix_profile(picture.chromaticities)


def _codes(path: Path, picture: Picture, bits: int) -> np.ndarray:
    """Return the codes, [H, W, 3] uint8 or uint16. Raises ImageError if there are none."""
    check_writable(path, picture)
    if picture.codes is None:
        raise ImageError(
            f"{path}: not written, the format stores display codes, and this is light; give another"
        )
    kind = np.dtype(np.uint8 if bits == 8 else np.uint16)
    if picture.codes.dtype == kind:
        return picture.codes
    codes = np.empty(picture.codes.shape, kind)
    for rows in strips(len(codes)):
        part = picture.codes[rows].astype(np.float32)
        if picture.codes.dtype.kind != "f":
            part /= np.float32(np.iinfo(picture.codes.dtype).max)
        codes[rows] = np.round(part * np.float32(2**bits - 1))
    return codes


def write_tiff(path: Path, picture: Picture, options: Options) -> None:
    """Write a 16-bit TIFF. Raises ImageError."""
    import tifffile

    codes = _codes(path, picture, 16)
    big = codes.nbytes > 2**32 - 2**25
    with finished_whole(path) as temporary, tifffile.TiffWriter(temporary, bigtiff=big) as file:
        file.write(
            codes,
            photometric="rgb",
            compression="zlib",
            compressionargs={"level": 1},
            predictor=True,
            rowsperstrip=STRIP,
            iccprofile=_profile(picture),
            description=notes.line(picture.notes).decode() if picture.notes else None,
            software="hdrcnn",
            metadata=None,
        )


def write_sdr_png(path: Path, picture: Picture, options: Options) -> None:
    """Write a 16-bit PNG. Raises ImageError."""
    _write_png(path, _codes(path, picture, 16), picture, level=4)


def write_exposure(path: Path, codes: np.ndarray, picture: Picture) -> None:
    """Write [H, W, 3] uint8 or uint16 as PNG; picture: has the metadata. Raises ImageError."""
    import imagecodecs

    # One filter for all rows takes half the time of choosing, and hardly more space.
    _write_png(path, codes, picture, level=1, filter=imagecodecs.PNG.FILTER.UP)


def _write_png(path: Path, codes: np.ndarray, picture: Picture, **how: int) -> None:
    """Write a PNG with the bits of its codes; how: as for `imagecodecs.png_encode`."""
    import imagecodecs

    data = imagecodecs.png_encode(codes, **how)
    profile = zlib.compress(_profile(picture))
    name = name_of(picture.chromaticities).encode("latin-1", "replace")[:79]
    camera = exif_block(picture.camera)
    with finished_whole(path) as temporary, temporary.open("wb") as file:
        file.write(data[:SIGNATURE_AND_HEAD])
        chunk(file, b"iCCP", name + b"\0\0" + profile)
        if camera:
            chunk(file, b"eXIf", camera)
        if picture.notes:
            chunk(file, b"iTXt", text_chunk("hdrcnn", notes.line(picture.notes).decode()))
        file.write(memoryview(data)[SIGNATURE_AND_HEAD:])


def write_jpeg(path: Path, picture: Picture, options: Options) -> None:
    """Write a JPEG. Raises ImageError."""
    codes = _codes(path, picture, 8)
    check_size(path, picture.size, "jpeg")
    camera = exif_block(picture.camera)
    more = {"exif": EXIF + camera} if camera else {}
    if picture.notes:
        more["comment"] = notes.line(picture.notes)
    data = encoded(codes, options.jpeg_quality, icc_profile=_profile(picture), **more)
    with finished_whole(path) as temporary:
        temporary.write_bytes(data)


def write_png(path: Path, codes: np.ndarray, software: str | None = None, xmp: str = "") -> None:
    """Write [H, W, 3] uint8 as PNG, optionally with the name of its software, and XMP data.

    Raises ImageError if the file cannot be written.
    """
    notes = PngImagePlugin.PngInfo()
    if software is not None:
        notes.add_text("Software", software)
    if xmp:
        notes.add_itxt("XML:com.adobe.xmp", xmp)
    with finished_whole(path) as temporary:
        Image.fromarray(codes).save(temporary, format="PNG", pnginfo=notes)
