"""Write the frames of an HDR film, as light or as PQ codes.

exr    .exr    linear Rec. 709, half float, 1.0 = diffuse white
png    .png    PQ, BT.2020, 16 bits, with cICP
tiff   .tif    PQ, BT.2020, 16 bits; not tagged, as in public data sets
"""

from pathlib import Path

import numpy as np
import tifffile

from hdrcnn.colour.pq import REC709_TO_REC2020, pq_light
from hdrcnn.files import finished_whole
from hdrcnn.writers import WRITERS, Options, Picture

ENDINGS = {"exr": ".exr", "png": ".png", "tiff": ".tif"}
_TO_REC709 = np.linalg.inv(REC709_TO_REC2020).T


def write(path: Path, signal: np.ndarray, kind: str, white: float) -> None:
    """Write a frame of PQ codes of BT.2020, [H, W, 3] float32 in [0, 1].

    kind: one of `ENDINGS`; white: cd/m^2 of 1.0 in files that store light. Raises ImageError.
    """
    if kind == "tiff":
        codes = np.round(signal * np.float32(65535.0)).astype(np.uint16)
        with finished_whole(path) as temporary:
            tifffile.imwrite(temporary, codes, photometric="rgb", compression="zlib")
        return
    light = np.asarray(pq_light(signal) / white @ _TO_REC709, np.float32)
    options = Options(nits=white, look="light")
    WRITERS[kind].write(path, Picture(hdr=light), options)
