"""Several exposures from one photograph, and their light.

    reconstruct   one HDR image: highlights predicted by the single-image network, dark parts
                  restored by `models.exposure_stack`. It is rendered at each exposure, so exposures
                  are ordered and consistent whatever the networks predict
    formula       the light of the photograph as it is, rendered in the same way
    gan           the published network: its five exposures as they are, merged by `radiance.merge`

A rendering at k stops is E_k = f(min(H 2^k, 1)), where H is the light, 1.0 = the clipping level of
the photograph, and f is the camera curve with which its codes were linearised. Where the photograph
is neither dark nor clipped, E_0 equals it.
"""

import dataclasses
import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hdrcnn import weights
from hdrcnn.colour.clipping_level import clipping_levels, factors
from hdrcnn.colour.measured import SensorLight
from hdrcnn.colour.transfer import CameraCurve, encode, linearise
from hdrcnn.console import one_by_one
from hdrcnn.models.metadata import ExposureGan, ExposureStack
from hdrcnn.predict import backend, blend, runtime
from hdrcnn.tiles.frame import Frame
from hdrcnn.tiles.geometry import strips
from hdrcnn.tiles.tiling import Tiling

if TYPE_CHECKING:
    from hdrcnn.predict.single_image import Predictor

METHODS = ("reconstruct", "gan", "formula")
STOPS = (-4.0, -2.0, 0.0, 2.0, 4.0)
"""Default exposures, in stops relative to the photograph."""
PUBLISHED = 5
"""Number of exposures of the network of `gan`."""
MIN_EXPOSURES, MAX_EXPOSURES = 2, 9
"""Smallest and largest number of exposures in a stack, as for `hdrcnn fuse`."""
FARTHEST = 20.0
"""Largest distance of an exposure from the photograph in stops."""
NEAREST = 0.1
"""Smallest distance between two exposures in stops."""
STRIP = 256
NETWORKS: dict[str, type[ExposureGan] | type[ExposureStack]] = {
    "reconstruct": ExposureStack,
    "gan": ExposureGan,
}
"""Type of the weights' metadata by method, for methods with a network of their own."""
FILES = {name: weights.FOLDER / f"{kind.model}.npz" for name, kind in NETWORKS.items()}


def check_stops(stops: Sequence[float]) -> tuple[float, ...]:
    """Return the stops as floats.

    Raises ValueError unless they are 2 to 9 increasing numbers, at least `NEAREST` apart and within
    `FARTHEST` of 0.
    """
    found = tuple(float(stop) for stop in stops)
    shown = ",".join(f"{stop:g}" for stop in found)
    if not MIN_EXPOSURES <= len(found) <= MAX_EXPOSURES:
        raise ValueError(
            f"stops {shown}: {len(found)} exposures, and a stack has {MIN_EXPOSURES} to "
            f"{MAX_EXPOSURES}"
        )
    if not all(math.isfinite(stop) and abs(stop) <= FARTHEST for stop in found):
        raise ValueError(f"stops {shown}: numbers within -{FARTHEST:g} to {FARTHEST:g}")
    if any(b - a < NEAREST - 1e-9 for a, b in pairwise(found)):
        raise ValueError(f"stops {shown}: not increasing, each by {NEAREST:g} or more")
    return found


def stops_of(path: Path | None = None) -> tuple[float, ...]:
    """Stops of the exposures that the network of `gan` returns.

    path: its weights file; None: the shipped one. Raises WeightsError.
    """
    path = FILES["gan"] if path is None else path
    record = weights.expect_kind(*weights.load(path), ExposureGan, str(path))
    return tuple(record.spacing * (index - PUBLISHED // 2) for index in range(PUBLISHED))


def load(
    method: str,
    path: Path | None = None,
    *,
    device: str = "auto",
    precision: str = "float32",
    tile_pixels: int | None = None,
) -> Tiling:
    """Load the network of a method, one of `NETWORKS`.

    path: its weights file; None: the shipped one. Other arguments as for `single_image.load`.
    Raises WeightsError, DeviceError, BackendError.
    """
    kind = NETWORKS[method]
    path = FILES[method] if path is None else path
    arrays, record = weights.load(path)
    found = weights.expect_kind(arrays, record, kind, str(path))
    on_gpu = backend.prepare(device)
    # Of the published network take the layer before exposures are stacked: image to image.
    output = found.inner[0] if found.inner else None
    network = backend.network(path, arrays, found, precision, on_gpu, output)
    return Tiling(network, runtime.tile_size(tile_pixels, on_gpu, found.channels))


def _shown_to(network: Tiling, frame: Frame) -> Frame:
    """The frame, padded as the tiling needs it."""
    return dataclasses.replace(frame, multiple=network.cell, halo=network.halo)


def _any_channel(samples: np.ndarray) -> np.ndarray:
    """[..., 3] bool to [...]; `np.any` along the last axis takes ten times as long."""
    return np.asarray(samples[..., 0] | samples[..., 1] | samples[..., 2])


def _dark_cells(frame: Frame, cell: int, below: float) -> np.ndarray:
    """[ceil(H / cell), ceil(W / cell)] bool, True for blocks with a code less than `below`."""
    rows, columns = frame.image.shape[:2]
    cells = np.zeros((-(-rows // cell), -(-columns // cell)), bool)
    for strip in frame.picture.strips(cell * max(1, STRIP // cell)):
        dark = _any_channel(frame.codes(strip) < np.float32(below))
        dark = np.pad(dark, [(0, -side % cell) for side in dark.shape])
        blocks = dark.reshape(dark.shape[0] // cell, cell, dark.shape[1] // cell, cell)
        top = strip.top // cell
        cells[top : top + len(blocks)] = blocks.any(axis=(1, 3))
    return cells


def restore_shadows(
    light: np.ndarray, frame: Frame, network: Tiling, curve: str | CameraCurve, mix: str = ""
) -> float:
    """Restore the dark parts of a photograph with the network of `reconstruct`, in place.

    light: [H, W, 3] float16 or float32, linear, 1.0 = clipping level: the frame's codes linearised
    by `curve`, changed in place. mix: blend, one of `blend.BLENDS`, with which highlights were
    predicted in it; empty: none were. Samples that the network leaves as they are, and predicted
    ones, are not changed. Returns the share of pixels that were changed.
    """
    shown, count = _shown_to(network, frame), 0
    cells = _dark_cells(frame, network.cell, ExposureStack.light)
    for piece, restored in one_by_one(network.predict(shown, cells)):
        code = frame.codes(piece)
        changed = restored != code
        if mix and (code > blend.THRESHOLD).any():
            changed &= blend.mask(code, mix) == 0
        count += int(np.count_nonzero(_any_channel(changed)))
        part = light[piece.within(frame.picture)]
        part[changed] = linearise(np.minimum(restored[changed], 1.0), curve)
    return count / light[..., 0].size


def reconstructed(
    predictor: "Predictor", network: Tiling, image: np.ndarray, curve: str | CameraCurve = "srgb"
) -> np.ndarray:
    """The light of method `reconstruct`: [H, W, 3] float32, linear, 1.0 = clipping level.

    image: [H, W, 3], display-encoded: uint8, uint16, or float in [0, 1]; its clipping level is
    detected as in `Predictor.reconstruct`. Raises ValueError for an unusable image.
    """
    from hdrcnn.predict.single_image import checked_image

    scaling = factors(clipping_levels(image))
    light = predictor.reconstruct(image, scaling=scaling, camera_curve=curve)
    frame = Frame(checked_image(image), 1, scaling)
    restore_shadows(light, frame, network, curve, predictor.metadata.blend)
    return light


def plain_light(
    frame: Frame,
    curve: str | CameraCurve,
    dtype: npt.DTypeLike = np.float16,
    sensor: SensorLight | None = None,
) -> np.ndarray:
    """Linearised codes of a frame, or the light of a RAW file, clipped to [0, 1]: [H, W, 3]."""
    light = np.empty(frame.image.shape, dtype)
    for strip in frame.picture.strips(STRIP):
        part = strip.within(frame.picture)
        if sensor is None:
            light[part] = linearise(frame.codes(strip), curve)
        else:
            light[part] = np.clip(sensor.light(part), 0.0, 1.0)
    return light


def rendered(light: np.ndarray, stops: float, curve: str | CameraCurve, bits: int) -> np.ndarray:
    """Render light at an exposure: E = f(min(H 2^stops, 1)), [H, W, 3].

    light: [H, W, 3] float16 or float32, linear; negative values become black. bits: 8 returns
    uint8, 16 uint16. Raises ValueError for an unknown curve.
    """
    kind, top = (np.uint8, 255.0) if bits == 8 else (np.uint16, 65535.0)

    def coded(part: np.ndarray) -> np.ndarray:
        held = np.clip(part * part.dtype.type(2.0**stops), 0.0, 1.0)
        return np.round(encode(held, curve) * part.dtype.type(top)).astype(kind)

    table = None
    if light.dtype == np.float16:
        # float16 has only 65536 values.
        values = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float64)
        table = coded(np.nan_to_num(values, nan=0.0, posinf=np.inf, neginf=0.0))
    codes = np.empty(light.shape, kind)
    for rows in strips(len(light), STRIP):
        part = np.ascontiguousarray(light[rows])
        codes[rows] = coded(part) if table is None else table[part.view(np.uint16)]
    return codes


def published_exposures(frame: Frame, network: Tiling, bits: int) -> list[np.ndarray]:
    """Exposures by the network of `gan`, darkest first: [H, W, 3] each, uint8 for 8 bits or
    uint16.
    """
    kind, top = (np.uint8, 255.0) if bits == 8 else (np.uint16, 65535.0)
    shown = _shown_to(network, frame)
    codes = [np.empty(frame.image.shape, kind) for _ in range(PUBLISHED)]
    cell = network.cell
    rows, columns = frame.image.shape[:2]
    everything = np.ones((-(-rows // cell), -(-columns // cell)), bool)
    for piece, output in one_by_one(network.predict(shown, everything)):
        part = piece.within(frame.picture)
        for index, exposure in enumerate(codes):
            value = 0.5 * (output[..., 3 * index : 3 * index + 3] + 1.0)
            exposure[part] = np.round(np.clip(value, 0.0, 1.0) * np.float32(top))
    return codes
