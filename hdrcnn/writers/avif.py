"""AVIF, 10 bits, PQ: light for browsers and phones, in little space.

Stores: light in cd/m^2 as 10-bit PQ codes of BT.2020 (`nclx` 9, 16, 9, full range), at most 10000
cd/m^2; MaxCLL and MaxFALL in whole cd/m^2 (`clli`); alpha, notes. Does not store: colours outside
BT.2020 and light above 10000 cd/m^2, which are clipped; mask, camera, panorama. Sources: AV1 Image
File Format 1.2; ISO/IEC 23008-12 (HEIF); ITU-T H.273.
"""

from pathlib import Path

import numpy as np

from hdrcnn.files import ImageError, finished_whole
from hdrcnn.tiles.geometry import strips
from hdrcnn.writers import WRITERS, Options, needed, notes
from hdrcnn.writers.avif_light import with_content_light
from hdrcnn.writers.picture import Picture, brightness, check_writable, samples

BITS = 10
SPEED = 8
"""Encoder speed, 0 to 10; slower settings hardly make files smaller."""
PRIMARIES, TRANSFER, MATRIX = 9, 16, 9
"""BT.2020, PQ, BT.2020 non-constant luminance. The matrix is 0 (none) if no code may be lost."""


def _encoded(path: Path, codes: np.ndarray, quality: int) -> bytes:
    imagecodecs = needed("avif", path)
    lossless = quality == 100
    try:
        data = imagecodecs.avif_encode(
            codes,
            level=quality,
            speed=SPEED,
            bitspersample=BITS,
            pixelformat="444",
            primaries=PRIMARIES,
            transfer=TRANSFER,
            matrix=0 if lossless else MATRIX,
        )
    except TypeError as error:  # Older packages have no argument for the primaries.
        raise ImageError(f"{path}: AVIF needs a newer package; {WRITERS['avif'].hint}") from error
    except imagecodecs.AvifError as error:
        raise ImageError(f"{path}: cannot be encoded: {error}") from error
    return bytes(data)


def write(path: Path, picture: Picture, options: Options) -> None:
    """Write an AVIF file. Raises ImageError."""
    check_writable(path, picture)
    codes = np.empty((*picture.size, 3 if picture.alpha is None else 4), np.uint16)
    for rows in strips(len(codes)):
        codes[rows] = samples(picture, options.look, options.nits, BITS, rows)
    data = _encoded(path, codes, options.avif_quality)
    with finished_whole(path) as temporary:
        notes_box = notes.box(picture.notes) if picture.notes else b""
        light = brightness(picture, options.look, options.nits)
        temporary.write_bytes(with_content_light(data, light, notes_box))
