"""Exposure fusion: K frames of one scene, differently exposed, become one image for viewing.

    frames     aligned, [H, W, 3] each, display-encoded
    weights    for reduced frames, by a network or by the measures of Mertens et al. 2007
    maps       the weights at full size, following the edges of each frame (guided filter)
    blend      in a Laplacian pyramid, `predict.pyramid`, or sample by sample, as the supervised
               network is trained

The result is display-referred; `predict.radiance` recovers light. Every sample of the result lies
between the smallest and the largest sample of the frames at the same position, except with OpenCV's
own implementation.
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
from hdrcnn.predict.opencv import enlarged, opencv, reduced_codes
from hdrcnn.predict.pyramid import blend
from hdrcnn.tiles.frame import as_codes
from hdrcnn.tiles.geometry import pad_to_multiple
from hdrcnn.tiles.guided import slopes
from hdrcnn.weights import FOLDER, WeightsError

MIN_FRAMES, MAX_FRAMES = 2, 9
"""Smallest and largest number of frames in a bracket."""
WORKING = 1024
"""Largest length, in pixels, of the longer side of the frames that weights are computed for."""
WELL_EXPOSED = 0.2
"""Sigma of the well-exposedness measure (Mertens et al. 2007, Section 3.1)."""
NOTHING = 1e-12
"""Added to each product of the measures, so that frames share pixels that are black or white in
all of them."""
MIN_WEIGHT = 1e-6
"""Smallest weight at full size, before normalisation."""

WeightMaps = Callable[[np.ndarray], np.ndarray]
"""Function from frames [K, h, w, 3] float32 in [0, 1], display-encoded, to weights [K, h, w] or
[K, h, w, 3], at least 0, that sum to 1 over K."""


def check_frames(frames: Sequence[np.ndarray]) -> None:
    """Raise ValueError unless frames are 2 to 9 of [H, W, 3], all uint8, uint16, or float32."""
    if not MIN_FRAMES <= len(frames) <= MAX_FRAMES:
        raise ValueError(f"{len(frames)} frames; a bracket has {MIN_FRAMES} to {MAX_FRAMES}")
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


def network_weights(model: Callable[[np.ndarray], Any]) -> WeightMaps:
    """Weight maps computed by a network.

    model: maps frames [N, K, h, w, 3] float32 in [0, 1] to weights [N, K, h, w, 1 or 3]; frames are
    padded so that h and w are multiples of `Fusion.stride`.
    """

    def weights(frames: np.ndarray) -> np.ndarray:
        rows, columns = frames.shape[1:3]
        # A network for pairs expects the darker frame first; for others the order is irrelevant.
        order = np.argsort([frame.mean() for frame in frames], kind="stable")
        padded = np.stack([pad_to_multiple(frames[index], Fusion.stride) for index in order])
        found = np.asarray(model(padded[None]), np.float32)[0, :, :rows, :columns]
        found = found[np.argsort(order)]
        return found[..., 0] if found.shape[-1] == 1 else found

    return weights


@dataclasses.dataclass(frozen=True)
class Method:
    """A way to fuse frames; the record of a result names it."""

    name: str
    weights: WeightMaps | None = None
    """Weight maps for frames reduced to `working`; None: OpenCV does everything."""
    working: int = WORKING
    file: Path | None = None
    """Weights file of its network."""
    pyramid: bool = True
    """Whether to blend in a Laplacian pyramid, as for `pyramid.blend`."""
    frames: int | None = None
    """Number of frames it takes; None: any number."""


MERTENS = Method("mertens")
"""OpenCV's `createMergeMertens`, with an exponent of 1 for all three measures, as in the paper."""
CLASSICAL = Method("classical", mertens_weights)
"""The same measures in bounded memory: computed for reduced frames, enlarged along their edges."""


METHODS = ("auto", "unsupervised", "supervised", "mertens")
NETWORKS = {name: FOLDER / f"fusion_{name}.npz" for name in ("unsupervised", "supervised")}


@functools.cache
def _of_network(name: str, device: str) -> Method:
    """Method of one of `NETWORKS`. Raises WeightsError, DeviceError, BackendError."""
    path = NETWORKS[name]
    arrays, record = weights_files.load(path)
    metadata = weights_files.expect_kind(arrays, record, Fusion, str(path))
    if metadata.pair != (name == "supervised"):
        raise WeightsError(f"{path}: for the other kind of fusion network; give it its own name")
    on_gpu = backend.prepare(device)
    if not metadata.pair:
        network = backend.network(path, arrays, metadata, on_gpu=on_gpu)
        return Method(name, network_weights(network.whole), file=path)
    maps = backend.network(path, arrays, metadata, on_gpu=on_gpu, output="weights")
    return Method(name, network_weights(maps.whole), file=path, pyramid=False, frames=2)


def resolve_method(name: str) -> str:
    """Return the name of the method that `load_method` returns; loads nothing.

    auto: that of the unsupervised network, or of `CLASSICAL` if its weights file does not exist.
    Raises ValueError for a name not in `METHODS`.
    """
    if name not in METHODS:
        raise ValueError(f"unknown method {name!r}; known: {', '.join(METHODS)}")
    if name == "auto":
        return "unsupervised" if NETWORKS["unsupervised"].is_file() else CLASSICAL.name
    return name


def load_method(name: str, device: str = "auto") -> Method:
    """Return the method of that name, one of `METHODS`, with its network loaded.

    device: for the network, one of `runtime.DEVICES`. Raises ValueError for an unknown name,
    WeightsError if weights are missing or do not fit, DeviceError, BackendError.
    """
    name = resolve_method(name)
    plain = {method.name: method for method in (MERTENS, CLASSICAL)}
    return plain[name] if name in plain else _of_network(name, device)


def fuse_by_opencv(frames: Sequence[np.ndarray]) -> np.ndarray:
    """Fuse frames by OpenCV's Mertens et al. 2007: [H, W, 3] uint16. Frames as for `fuse`.

    OpenCV's defaults ignore well-exposedness, its result may leave [0, 1], and it treats 16-bit
    frames as 256 times as bright; all three are corrected here. It keeps several float copies of
    all frames. Raises ImageError if memory does not suffice.
    """
    cv2 = opencv()
    check_frames(frames)
    rows, columns = frames[0].shape[:2]
    merge = cv2.createMergeMertens(1.0, 1.0, 1.0)
    try:
        # OpenCV divides codes by 255, whatever their type.
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
    """Luma, [rows, W] float32 in [0, 1], of codes [rows, W, 3] of any type."""
    cv2 = opencv()
    return as_codes(cv2.cvtColor(np.ascontiguousarray(part), cv2.COLOR_RGB2GRAY))


class Maps:
    """Weight maps at full size, computed for the rows requested."""

    def __init__(self, frames: Sequence[np.ndarray], method: Method) -> None:
        """Raises ValueError if the method has no weights, or returns ones of a wrong shape."""
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

    def __call__(self, top: int, bottom: int) -> np.ndarray:
        """[K, bottom - top, W] or [K, bottom - top, W, 3] float32, at least 0, summing to 1."""
        check()
        if self._factor == 1:
            return self._base[:, top:bottom]
        shape = len(self._frames), bottom - top, self._frames[0].shape[1], *self._base.shape[3:]
        weights = np.empty(shape, np.float32)
        rows = self._factor, top, bottom, shape[2]
        for weight, frame, base, slope in zip(
            weights, self._frames, self._base, self._slope, strict=True
        ):
            guide = self._guide(frame[top:bottom])
            np.multiply(enlarged(slope, *rows), guide, out=weight)
            weight += enlarged(base, *rows)
        np.maximum(weights, np.float32(MIN_WEIGHT), out=weights)
        weights /= weights.sum(axis=0)
        return weights


def fuse(
    frames: Sequence[np.ndarray], method: Method = CLASSICAL, *, pyramid: bool | None = None
) -> np.ndarray:
    """Fuse a bracket into one image, [H, W, 3] uint16, display-encoded as the frames are.

    frames: 2 to 9 of [H, W, 3], aligned: all uint8, uint16, or float32 in [0, 1].
    method: source of the weights. pyramid: as for `pyramid.blend`; None: the method's choice.
    Raises ValueError for frames that do not go together or whose number the method does not take,
    ImageError without OpenCV.
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
