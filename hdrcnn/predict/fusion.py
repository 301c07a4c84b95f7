"""Exposure fusion: K frames of one scene, differently exposed, become one picture to look at.

    frames     aligned, [H, W, 3] each, display-encoded
    weights    by a network or by the measures of Mertens et al. 2007, for reduced frames
    maps       the weights at full size: guided filter along the edges of each frame
    blend      Laplacian pyramid, `predict.pyramid`, or, as the supervised network is trained, each
               sample on its own

Display-referred: no light is recovered, that is `predict.radiance`. Every sample of the result lies
within those of the frames at its place.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hdrcnn import weights as weights_files
from hdrcnn.console import check
from hdrcnn.files import ImageError
from hdrcnn.models.metadata import Fusion
from hdrcnn.predict import backend
from hdrcnn.predict.opencv import opencv, reduced_codes
from hdrcnn.predict.pyramid import blend
from hdrcnn.tiles.frame import as_codes
from hdrcnn.tiles.geometry import pad_to_multiple
from hdrcnn.tiles.guided import slopes
from hdrcnn.weights import FOLDER, WeightsError

FEWEST, MOST = 2, 9
"""Frames of a bracket."""
WORKING = 1024
"""Pixels of the longer side of the frames that weights are made for, at most."""
LUMA = (0.299, 0.587, 0.114)
"""Of encoded R, G, B (BT.601), as OpenCV has it."""
WELL_EXPOSED = 0.2
"""Sigma of the measure of well-exposedness (Mertens et al. 2007, Section 3.1)."""
NOTHING = 1e-12
"""Added to each product of the measures: frames that are all black or white share."""
LEAST = 1e-6
"""The least weight at full size, before they are normalised."""

WeightMaps = Callable[[np.ndarray], np.ndarray]
"""Frames [K, h, w, 3] float32 in [0, 1], display-encoded, to weights [K, h, w] or [K, h, w, 3], at
least 0, whose sum over K is 1."""


def check_frames(frames: Sequence[np.ndarray]) -> None:
    """Raises ValueError for what is no bracket: K of [H, W, 3], all uint8, uint16, or float32."""
    if not FEWEST <= len(frames) <= MOST:
        raise ValueError(f"{len(frames)} frames; a bracket has {FEWEST} to {MOST}")
    shape, kind = frames[0].shape, frames[0].dtype
    if len(shape) != 3 or shape[2] != 3 or 0 in shape:
        raise ValueError(f"frames of shape [H, W, 3] are needed, not {shape}")
    if kind not in (np.uint8, np.uint16, np.float32):
        raise ValueError(f"frames of uint8, uint16 or float32 are needed, not {kind}")
    for frame in frames[1:]:
        if frame.shape != shape or frame.dtype != kind:
            raise ValueError(
                f"frames differ: {shape} {kind} and {frame.shape} {frame.dtype}; all are to have "
                "one size and type"
            )


def mertens_weights(frames: np.ndarray) -> np.ndarray:
    """Contrast x saturation x well-exposedness, normalised (Mertens et al. 2007, Section 3.1).

    frames: [K, h, w, 3] float32 in [0, 1], display-encoded. Returns [K, h, w] float32.
    """
    cv2 = opencv()
    weights = np.empty(frames.shape[:3], np.float32)
    for weight, frame in zip(weights, frames, strict=True):
        grey = cv2.cvtColor(np.ascontiguousarray(frame, np.float32), cv2.COLOR_RGB2GRAY)
        contrast = np.abs(cv2.Laplacian(grey, cv2.CV_32F))
        saturation = frame.std(axis=-1)
        exposed = np.exp(-np.square(frame - 0.5).sum(axis=-1) / (2.0 * WELL_EXPOSED**2))
        weight[...] = contrast * saturation * exposed + np.float32(NOTHING)
    return weights / weights.sum(axis=0)


def network_weights(model: Callable[[np.ndarray], Any], multiple: int = 8) -> WeightMaps:
    """Of a network: frames [N, K, h, w, 3] float32 in [0, 1], h and w multiples of a number, to
    weights [N, K, h, w, 1 or 3].
    """

    def weights(frames: np.ndarray) -> np.ndarray:
        rows, columns = frames.shape[1:3]
        # A network of pairs is shown the darker frame first; to others the order is all the same.
        order = np.argsort([frame.mean() for frame in frames], kind="stable")
        padded = np.stack([pad_to_multiple(frames[index], multiple) for index in order])
        found = np.asarray(model(padded[None]), np.float32)[0, :, :rows, :columns]
        found = found[np.argsort(order)]
        return found[..., 0] if found.shape[-1] == 1 else found

    return weights


@dataclasses.dataclass(frozen=True)
class Method:
    """How frames are fused; the record of a result names it."""

    name: str
    weights: WeightMaps | None = None
    """For frames reduced to `WORKING`; None: OpenCV does all of it."""
    working: int = WORKING
    file: Path | None = None
    """Of its network."""
    pyramid: bool = True
    """Blended in one: as for `pyramid.blend`."""
    frames: int | None = None
    """That it takes; None: any number."""


MERTENS = Method("mertens")
"""OpenCV's `createMergeMertens`, all three measures counting once, as in the paper."""
CLASSICAL = Method("classical", mertens_weights)
"""The same measures in bounded memory: for reduced frames, and along their edges at full size."""


METHODS = ("auto", "unsupervised", "supervised", "mertens")
NETWORKS = {name: FOLDER / f"fusion_{name}.npz" for name in ("unsupervised", "supervised")}


@functools.cache
def _of_network(name: str, device: str) -> Method:
    """Raises WeightsError, DeviceError, BackendError."""
    path = NETWORKS[name]
    arrays, record = weights_files.load(path)
    metadata = weights_files.checked(arrays, record, Fusion, str(path))
    if metadata.pair != (name == "supervised"):
        raise WeightsError(f"{path}: for the other kind of fusion network; give it its own name")
    on_gpu = backend.prepare(device)
    if not metadata.pair:
        network = backend.network(path, arrays, metadata, on_gpu=on_gpu)
        return Method(name, network_weights(network.whole), file=path)
    maps = backend.network(path, arrays, metadata, on_gpu=on_gpu, output="weights")
    return Method(name, network_weights(maps.whole), file=path, pyramid=False, frames=2)


def chosen_method(name: str, device: str = "auto") -> Method:
    """The method of that name. auto: the unsupervised network, or, where there is no file of its
    weights, `CLASSICAL`. device: of its network, one of `runtime.DEVICES`. Raises WeightsError if
    weights are missing or do not fit, DeviceError, BackendError.
    """
    if name not in METHODS:
        raise ValueError(f"unknown method {name!r}; known: {', '.join(METHODS)}")
    if name == "auto":
        return (
            _of_network("unsupervised", device) if NETWORKS["unsupervised"].is_file() else CLASSICAL
        )
    return MERTENS if name == "mertens" else _of_network(name, device)


def fuse_by_opencv(frames: Sequence[np.ndarray]) -> np.ndarray:
    """Mertens et al. 2007 by OpenCV: [H, W, 3] uint16. Frames as for `fuse`.

    Its defaults leave well-exposedness out, its result is not held within [0, 1], and frames of
    16 bits are taken for 256 times as bright; all three are put right here. It holds several copies
    of all frames as floats. Raises ImageError if that is more than there is.
    """
    cv2 = opencv()
    check_frames(frames)
    rows, columns = frames[0].shape[:2]
    merge = cv2.createMergeMertens(1.0, 1.0, 1.0)
    try:
        # Whatever their type, codes are divided by 255.
        whole = [
            np.ascontiguousarray(
                (frame if frame.dtype == np.uint8 else 255.0 * as_codes(frame))[..., ::-1]
            )
            for frame in frames
        ]
        fused = merge.process(whole)
    except (cv2.error, MemoryError) as error:
        raise ImageError(
            f"{len(frames)} frames of {columns}x{rows} are too much for OpenCV "
            f"({' '.join(str(error).split())[:120]}); give another --method"
        ) from error
    fused = np.nan_to_num(fused[..., ::-1], nan=0.0)
    return np.round(np.clip(fused, 0.0, 1.0) * np.float32(65535.0)).astype(np.uint16)


def _luma(part: np.ndarray) -> np.ndarray:
    """[rows, W, 3] codes of any kind to [rows, W] float32 in [0, 1]."""
    cv2 = opencv()
    return as_codes(cv2.cvtColor(np.ascontiguousarray(part), cv2.COLOR_RGB2GRAY))


class Maps:
    """Weight maps at full size, asked for by rows."""

    def __init__(self, frames: Sequence[np.ndarray], method: Method) -> None:
        """Raises ValueError if the method has no weights, or gives other than it should."""
        if method.weights is None:
            raise ValueError(f"method {method.name} has no weight maps")
        self._frames = frames
        rows, columns = frames[0].shape[:2]
        factor = -(-max(rows, columns) // method.working)
        small = np.stack([reduced_codes(frame, factor) for frame in frames])
        weights = method.weights(small)
        if weights.shape not in (small.shape[:3], small.shape):
            raise ValueError(f"weights {weights.shape} for frames {small.shape}")
        self._factor = factor
        self._base = np.asarray(weights, np.float32)
        self._guide = as_codes if weights.ndim == 4 else _luma
        if factor > 1:
            one = np.ones((*small.shape[1:3], 1), np.float32)
            self._slope = np.empty_like(self._base)
            for slope, base, frame in zip(self._slope, self._base, small, strict=True):
                guide = self._guide(frame).reshape(*base.shape[:2], -1)
                slope[...] = slopes(base.reshape(guide.shape), guide, one).reshape(base.shape)
                base -= slope * guide.reshape(base.shape)

    def _enlarged(self, plane: np.ndarray, top: int, bottom: int) -> np.ndarray:
        """Rows of a reduced plane at full size, bilinear."""
        factor, columns = self._factor, self._frames[0].shape[1]
        first, last = max(0, top // factor - 1), min(len(plane), -(-bottom // factor) + 1)
        size = plane.shape[1] * factor, (last - first) * factor
        part = opencv().resize(plane[first:last], size, interpolation=opencv().INTER_LINEAR)
        return part[top - first * factor : bottom - first * factor, :columns]

    def __call__(self, top: int, bottom: int) -> np.ndarray:
        """[K, bottom - top, W] or [K, bottom - top, W, 3] float32, at least 0, summing to 1."""
        check()
        if self._factor == 1:
            return self._base[:, top:bottom]
        shape = len(self._frames), bottom - top, self._frames[0].shape[1], *self._base.shape[3:]
        weights = np.empty(shape, np.float32)
        for weight, frame, base, slope in zip(
            weights, self._frames, self._base, self._slope, strict=True
        ):
            guide = self._guide(frame[top:bottom])
            np.multiply(self._enlarged(slope, top, bottom), guide, out=weight)
            weight += self._enlarged(base, top, bottom)
        np.maximum(weights, np.float32(LEAST), out=weights)
        weights /= weights.sum(axis=0)
        return weights


def fuse(
    frames: Sequence[np.ndarray], method: Method = CLASSICAL, *, pyramid: bool | None = None
) -> np.ndarray:
    """One picture out of a bracket: [H, W, 3] uint16, display-encoded as the frames are.

    frames: 2 to 9 of [H, W, 3], aligned: all uint8, uint16, or float32 in [0, 1].
    method: where the weights come from. pyramid: as for `pyramid.blend`; None: as the method says.
    Raises ValueError for frames that do not go together, ImageError without OpenCV.
    """
    check_frames(frames)
    if method.frames not in (None, len(frames)):
        raise ValueError(
            f"{len(frames)} frames, and the method {method.name} takes {method.frames}; give "
            "another --method"
        )
    if method.weights is None:
        return fuse_by_opencv(frames)
    pyramid = method.pyramid if pyramid is None else pyramid
    return blend(frames, Maps(frames, method), pyramid=pyramid)
