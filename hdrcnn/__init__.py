"""One 8-bit photograph in, an HDR image with its lost highlights reconstructed out.

    import hdrcnn

    photo = hdrcnn.read_photograph("photo.jpg")
    hdr = hdrcnn.reconstruct(photo)
    hdrcnn.write("photo.exr", hdr, photograph=photo)

The way of the data, a file a stage:

    batch.plan             which pictures, and where their results go
    readers.photograph     decode the picture: codes in [0, 1], primaries, alpha
    colour.clipping_level  the code at which it clips becomes 1.0
    tiles.frame            pad to what the network takes, any part on demand
    tiles.resolution       at which sizes the network sees the picture
    tiles.tiling           any size in bounded memory: regions, then streaming: strips
    models                 the network: codes -> log HDR
    predict.blend          blend with the linearised picture where it is saturated
    predict.single_image   the stages in between, as one function
    batch.result           primaries, peak and mask; write OpenEXR
    batch.convert          all of it for one picture, unless its result is there; run: for many

Importing this package loads nothing that takes long; TensorFlow is loaded by `load`.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hdrcnn._version import __version__
from hdrcnn.files import ImageError, WeightsError

if TYPE_CHECKING:
    import numpy as np

    from hdrcnn.batch.choose import Networks
    from hdrcnn.colour.clipping_level import Levels
    from hdrcnn.colour.transfer import CameraCurve
    from hdrcnn.predict.single_image import Predictor
    from hdrcnn.readers.photograph import Photograph

# TensorFlow's notes about its build are not for the users of this tool; what goes wrong is
# raised as an exception all the same.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

__all__ = [
    "ImageError",
    "WeightsError",
    "__version__",
    "load",
    "read",
    "read_photograph",
    "reconstruct",
    "write",
]


def load(
    params: str | Path | None = None,
    *,
    lossy: bool = False,
    precision: str = "auto",
    device: str = "auto",
    tile_pixels: int | None = None,
) -> "Predictor":
    """A predictor with the weights of a file; without one, with those shipped, and codes become
    light by inverse sRGB unless `Predictor.reconstruct` is told otherwise: all as the command does.

    lossy: for photographs that were compressed with losses, as `Photograph.lossy`. precision:
    float32, bfloat16, or auto: bfloat16 if the processor has it, but for the originally
    published files. device: cpu, gpu or auto. tile_pixels: of a picture worked on at once; 0: all
    of it.
    Raises WeightsError if the file cannot be used.
    """
    networks = _networks(params, precision, device, tile_pixels)
    predictor = networks.predictor(networks.choose(lossy))
    predictor.camera_curve = networks.curve(None, predictor.metadata.linearisation)
    return predictor


def _networks(
    params: str | Path | None, precision: str, device: str, tile_pixels: int | None
) -> "Networks":
    from hdrcnn.batch.choose import Networks

    path = None if params is None else Path(params)
    return Networks.on(device, path, precision=precision, tile_pixels=tile_pixels)


def reconstruct(
    photograph: "Photograph | str | Path",
    params: str | Path | None = None,
    *,
    precision: str = "auto",
    device: str = "auto",
    tile_pixels: int | None = None,
    **how: Any,
) -> "np.ndarray":
    """The light of a photograph, of its file or as read: what the command makes of it.

    Weights, precision and camera curve are chosen by the same function: a JPEG takes those for
    JPEGs. Arguments as for `load`; how: as for `Predictor.reconstruct`, camera_curve among it.
    Returns [H, W, 3] float32, linear, in the photograph's primaries, 1.0 = its clipping level.
    Raises ImageError, WeightsError, and ValueError for unusable arguments. Each call loads the
    network; for many pictures keep what `load` returns.
    """
    from hdrcnn.readers.photograph import as_stored

    photo = read_photograph(photograph) if isinstance(photograph, str | Path) else photograph
    predictor = load(
        params, lossy=photo.lossy, precision=precision, device=device, tile_pixels=tile_pixels
    )
    how.setdefault("panorama", photo.panorama is not None)
    how.setdefault("alpha", photo.alpha)
    how.setdefault("measured", photo.measured)
    how.setdefault("sensor", photo.sensor)
    return predictor.reconstruct(as_stored(photo.code, photo.bits), **how)


def read(path: str | Path) -> "np.ndarray":
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


def write(
    path: str | Path,
    hdr: "np.ndarray",
    chromaticities: Sequence[float] | None = None,
    *,
    photograph: "Photograph | None" = None,
    camera_curve: "str | CameraCurve" = "srgb",
    scaling: "float | Levels | str" = "auto",
    overwrite: bool = False,
    **options: Any,
) -> None:
    """[H, W, 3] linear to a file of any kind that the command writes, by the end of its name:
    `.exr`, `.hdr`, `.jxl`, `_hdr.jpg` (Ultra HDR), `_hdr.avif`, `_hdr.png`.

    chromaticities: of the image's red, green, blue and white, CIE xy, as in `Photograph`; from
    there it is brought to Rec. 709. None: it is in Rec. 709. photograph: what the image was made
    of, of the same size; it tells the chromaticities, and its alpha, camera and own samples go
    where the file has a place for them. camera_curve, scaling: by which its codes became light, as
    for `Predictor.reconstruct`, an estimated curve as `Predictor.curve` gives it: files to look
    at keep the look of the photograph below the clipping level. overwrite: a file of a kind that
    photographs have, too, is replaced; `.exr`, `.hdr` and `.jxl` always are. options: fields of
    `writers.Options`, such as nits or jpeg_quality.
    Raises ImageError, and ValueError for unusable options.
    """
    import numpy as np

    from hdrcnn.colour.clipping_level import checked_scaling
    from hdrcnn.colour.primaries import REC709, linear_to_rec709
    from hdrcnn.colour.transfer import LINEARISATIONS
    from hdrcnn.readers.photograph import as_stored
    from hdrcnn.writers import Options, Picture, of_path

    path = Path(path)
    writer = of_path(path, overwrite)
    if isinstance(camera_curve, str) and camera_curve not in LINEARISATIONS:
        raise ValueError(f"camera_curve {camera_curve!r}: known are {', '.join(LINEARISATIONS)}")
    known: dict[str, Any] = {}
    if photograph is not None:
        chromaticities = photograph.chromaticities
        codes = as_stored(photograph.code, photograph.bits)
        if photograph.sensor is not None:  # Its codes are a rendering, which is to be seen.
            camera_curve, scaling = "srgb", 1.0
        elif not isinstance(scaling, str) or scaling != "auto" or "look" in writer.flags:
            scaling = checked_scaling(scaling, codes, photograph.alpha)
        known = {
            "codes": codes,
            "curve": camera_curve,
            "scaling": 1.0 if isinstance(scaling, str) else scaling,
            "chromaticities": chromaticities,
            "jpeg": photograph.jpeg,
            "alpha": photograph.alpha,
            "measured": photograph.measured,
            "panorama": photograph.panorama,
            "camera": photograph.camera,
        }
    primaries = REC709 if chromaticities is None else chromaticities
    light = linear_to_rec709(np.asarray(hdr), primaries)
    writer.write(path, Picture(hdr=light, **known), Options(**options))
