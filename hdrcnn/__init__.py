"""Turn a single 8-bit photograph into an HDR image with its clipped highlights reconstructed.

    import hdrcnn

    photo = hdrcnn.read_photograph("photo.jpg")
    hdr = hdrcnn.reconstruct(photo)
    hdrcnn.write("photo.exr", hdr, photograph=photo)

The stages of a conversion, in order, and the modules that implement them:

    batch.plan             list the photographs and decide where their results go
    readers.photograph     decode a photograph: codes in [0, 1], primaries, alpha
    colour.clipping_level  find the code at which it clips, which becomes 1.0
    tiles.frame            pad to a size that the network accepts; return any part on demand
    tiles.resolution       choose the sizes at which the network sees the photograph
    tiles.tiling           process any size in bounded memory, in rectangles and strips of them
    models                 the network: codes -> log HDR
    predict.blend          blend with the linearised photograph where that is saturated
    predict.single_image   the stages from clipping level to blend as one function
    batch.result           convert primaries, limit the peak, compute the mask, write all files
    batch.convert          all stages for one photograph, skipped if its result exists already
    batch.run              all stages for many photographs

Importing this package is fast; TensorFlow is loaded by `load`.
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

# Hides TensorFlow's log messages about its build, which mean nothing to users of this tool. Errors
# are still raised as exceptions.
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
    """Return a predictor with the weights in a file, or with the shipped weights by default.

    The shipped weights linearise codes by inverse sRGB unless `Predictor.reconstruct` is given
    another camera curve. All choices are those of the command `hdrcnn predict`.

    params: weights file; None: those shipped for the kind of photograph. lossy: whether the
    photographs were compressed with losses, see `Photograph.lossy`; selects among the shipped
    weights. precision: float32, bfloat16, int8 (ONNX only), or auto: bfloat16 if the processor
    supports it, except for originally published weights files. device: cpu, gpu or auto.
    tile_pixels: number of pixels that the network processes at once; 0: the whole photograph;
    None: as many as the memory allows.
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
    """Reconstruct an HDR image from a photograph, given as a path or as read.

    Weights, precision and camera curve are chosen as by the command `hdrcnn predict`: a JPEG, for
    example, is given the weights trained on JPEGs. Arguments as for `load`; how: further arguments
    of `Predictor.reconstruct`, such as camera_curve.
    Returns [H, W, 3] float32, linear, in the photograph's primaries, 1.0 = its clipping level.
    Raises ImageError, WeightsError, and ValueError for unusable arguments. Each call loads the
    network; for many photographs, reuse the predictor that `load` returns.
    """
    from hdrcnn.readers.photograph import to_integer_codes

    photo = read_photograph(photograph) if isinstance(photograph, str | Path) else photograph
    predictor = load(
        params, lossy=photo.lossy, precision=precision, device=device, tile_pixels=tile_pixels
    )
    how.setdefault("panorama", photo.panorama is not None)
    how.setdefault("alpha", photo.alpha)
    how.setdefault("measured", photo.measured)
    how.setdefault("sensor", photo.sensor)
    return predictor.reconstruct(to_integer_codes(photo.code, photo.bits), **how)


def read(path: str | Path) -> "np.ndarray":
    """Read the codes of a photograph: [H, W, 3] float32 in [0, 1], display-encoded, in the
    primaries of its file, which `read_photograph` also returns. Raises ImageError.
    """
    from hdrcnn.readers.photograph import read_ldr

    return read_ldr(Path(path))


def read_photograph(path: str | Path) -> "Photograph":
    """Read a photograph with the metadata of its file: codes, primaries, alpha, camera. Raises
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
    """Write a linear image [H, W, 3] in the format that the end of the file name selects:
    `.exr`, `.hdr`, `.jxl`, `_hdr.jpg` (Ultra HDR), `_hdr.avif`, `_hdr.png`.

    chromaticities: CIE xy of the image's red, green, blue and white, as in `Photograph`; the image
    is converted from these primaries to Rec. 709. None: it is in Rec. 709 already. photograph: the
    photograph that the image was made from, of the same size. Its chromaticities replace
    `chromaticities`, and its alpha, camera data and original samples are written where the format
    can store them. camera_curve, scaling: how its codes were linearised, as for
    `Predictor.reconstruct`; an estimated curve as `Predictor.curve` returns it. Display formats
    use them to keep the look of the photograph below the clipping level. overwrite: replace an
    existing file that could be a photograph by its ending; an existing `.exr`, `.hdr` or `.jxl` is
    always replaced. options: fields of `writers.Options`, such as nits or jpeg_quality.
    Raises ImageError, and ValueError for unusable options.
    """
    import numpy as np

    from hdrcnn.colour.clipping_level import checked_scaling
    from hdrcnn.colour.primaries import REC709, linear_to_rec709
    from hdrcnn.colour.transfer import LINEARISATIONS
    from hdrcnn.readers.photograph import to_integer_codes
    from hdrcnn.writers import Options, Picture, of_path

    path = Path(path)
    writer = of_path(path, overwrite)
    if isinstance(camera_curve, str) and camera_curve not in LINEARISATIONS:
        raise ValueError(f"camera_curve {camera_curve!r}: known are {', '.join(LINEARISATIONS)}")
    known: dict[str, Any] = {}
    if photograph is not None:
        chromaticities = photograph.chromaticities
        codes = to_integer_codes(photograph.code, photograph.bits)
        if photograph.sensor is not None:  # RAW: its codes are a rendering to be shown as it is.
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
