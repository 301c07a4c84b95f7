"""A picture as PQ codes of BT.2020, strip by strip: what PNG and AVIF hold."""

import numpy as np

from hdrcnn.colour.pq import ContentLight, content_light, pq_codes
from hdrcnn.tiles.regions import strips
from hdrcnn.writers.options import Options
from hdrcnn.writers.picture import Picture
from hdrcnn.writers.rendition import shown


def brightness(picture: Picture, options: Options) -> ContentLight:
    """MaxCLL and MaxFALL of what is written."""
    parts = (shown(picture, rows, options.look) for rows in strips(len(picture.hdr)))
    return content_light(parts, options.nits)


def samples(picture: Picture, options: Options, bits: int, rows: slice) -> np.ndarray:
    """[rows, W, 3] uint16, 0 to 2^bits - 1; with alpha, which is linear, [rows, W, 4]."""
    codes = pq_codes(shown(picture, rows, options.look), options.nits, bits)
    if picture.alpha is None:
        return codes
    alpha = np.clip(picture.alpha[rows].astype(np.float32), 0.0, 1.0) * np.float32(2**bits - 1)
    return np.concatenate([codes, np.round(alpha)[..., None].astype(np.uint16)], axis=-1)
