"""One 8-bit photograph in, an HDR image with its lost highlights reconstructed out.

    import hdrcnn

    photo = hdrcnn.read_photograph("photo.jpg")
    hdr = hdrcnn.load().reconstruct(photo.code)
    hdrcnn.write("photo.exr", hdr, photo.chromaticities)

The way of the data, a file a stage:

    batch.plan             which pictures, and where their results go
    readers.photograph     decode the picture: codes in [0, 1], primaries, alpha
    tiles.frame            pad to what the network takes, any part on demand
    tiles.resolution       at which sizes the network sees the picture
    tiles.tiling           any size in bounded memory: regions, then streaming: strips
    models                 the network: codes -> log HDR
    predict.blend          blend with the linearised picture where it is saturated
    predict.single_image   the stages in between, as one function
    batch.result           primaries, peak and mask; write OpenEXR
    batch.convert          all of it for one picture, unless its result is there; run: for many

Importing this package does not load TensorFlow; `load` does.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hdrcnn._version import __version__
from hdrcnn.colour.primaries import REC709
from hdrcnn.files import ImageError
from hdrcnn.weights import WeightsError

if TYPE_CHECKING:
    from hdrcnn.predict.single_image import Predictor
    from hdrcnn.readers.photograph import Photograph

# TensorFlow's notes about its build are not for the users of this tool; what goes wrong is
# raised as an exception all the same.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

__all__ = ["ImageError", "WeightsError", "__version__", "load", "read", "read_photograph", "write"]


def load(
    params: str | Path | None = None,
    *,
    precision: str = "float32",
    device: str = "auto",
    tile_pixels: int | None = None,
) -> "Predictor":
    """A predictor with the weights of a file; without one, with those shipped and the camera curve
    estimated from each picture.

    precision: float32, bfloat16, or auto: bfloat16 where the processor has it. device: cpu, gpu
    or auto. tile_pixels: of a picture worked on at once; 0: all of it.
    Raises WeightsError where the file cannot be used.
    """
    from hdrcnn.predict.single_image import load as load_predictor

    return load_predictor(params, precision=precision, device=device, tile_pixels=tile_pixels)


def read(path: str | Path) -> np.ndarray:
    """The codes of a picture: [H, W, 3] float32 in [0, 1], display-encoded, in the primaries of
    its file, which `read_photograph` tells too. Raises ImageError.
    """
    from hdrcnn.readers.photograph import read_ldr

    return read_ldr(Path(path))


def read_photograph(path: str | Path) -> "Photograph":
    """A picture with what its file says of it: codes, primaries, alpha, camera. Raises
    ImageError.
    """
    from hdrcnn.readers.photograph import read_photograph as read_all

    return read_all(Path(path))


def write(path: str | Path, hdr: np.ndarray, chromaticities: Sequence[float] = REC709) -> None:
    """[H, W, 3] linear to an OpenEXR file, half float, linear Rec. 709. Raises ImageError.

    chromaticities: of the image's red, green, blue and white, CIE xy, as in `Photograph`; from
    there it is brought to Rec. 709.
    """
    from hdrcnn.colour.primaries import linear_to_rec709
    from hdrcnn.writers.exr import write_exr

    path = Path(path)
    if path.suffix.lower() != ".exr":
        raise ImageError(f"{path}: only OpenEXR is written; end the name in .exr")
    write_exr(path, linear_to_rec709(np.asarray(hdr), chromaticities))
