"""JPEG encoding and decoding by libjpeg, as Pillow uses it."""

import io

import numpy as np
from PIL import Image

SUBSAMPLED, FULL = "4:2:0", "4:4:4"
"""Chroma at half size in both directions, as nearly all cameras store it, and at full size."""


def encode(codes: np.ndarray, quality: int, subsampled: bool = True) -> bytes:
    """Encode uint8 [H, W, 3] as the bytes of a baseline JPEG file of `quality` 1 to 100."""
    stream = io.BytesIO()
    subsampling = SUBSAMPLED if subsampled else FULL
    Image.fromarray(codes).save(stream, "JPEG", quality=quality, subsampling=subsampling)
    return stream.getvalue()


def decode(data: bytes) -> np.ndarray:
    """Decode the bytes of a JPEG file to uint8 codes [H, W, 3]."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def round_trip(codes: np.ndarray, quality: int, subsampled: bool = True) -> np.ndarray:
    """Encode and decode uint8 codes [H, W, 3] as JPEG."""
    return decode(encode(codes, quality, subsampled))
