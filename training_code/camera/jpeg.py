"""JPEG: what a file keeps of a picture, by the encoder and decoder in common use."""

import io

import numpy as np
from PIL import Image

SUBSAMPLED, FULL = "4:2:0", "4:4:4"
"""Chroma at half size in both directions, as nearly all cameras store it, and at full size."""


def encode(codes: np.ndarray, quality: int, subsampled: bool = True) -> bytes:
    """uint8 [H, W, 3] as the bytes of a baseline JPEG file of `quality` 1 to 100, by libjpeg."""
    stream = io.BytesIO()
    subsampling = SUBSAMPLED if subsampled else FULL
    Image.fromarray(codes).save(stream, "JPEG", quality=quality, subsampling=subsampling)
    return stream.getvalue()


def decode(data: bytes) -> np.ndarray:
    """The bytes of a JPEG file as uint8 codes [H, W, 3]."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def round_trip(codes: np.ndarray, quality: int, subsampled: bool = True) -> np.ndarray:
    """What a JPEG file keeps of uint8 codes [H, W, 3]."""
    return decode(encode(codes, quality, subsampled))
