"""OpenCV, an optional package: features, warps and pyramids of `hdrcnn fuse`."""

from types import ModuleType

import numpy as np

from hdrcnn.files import ImageError
from hdrcnn.tiles.frame import as_codes

SHORT = 32767
"""Number of rows or columns from which on OpenCV's warps refuse an image."""


def opencv() -> ModuleType:
    """Return the module `cv2`. Raises ImageError if it is not installed."""
    try:
        import cv2
    except ImportError as error:
        raise ImageError(
            "exposure fusion needs one package more; pip install opencv-python-headless"
        ) from error
    return cv2


def reduced(frame: np.ndarray, factor: int) -> np.ndarray:
    """Reduce an image to means of factor x factor pixels, rounded to 8 bits.

    frame: [H, W, 3] of any type. Returns [ceil(H / factor), ceil(W / factor), 3] uint8. Incomplete
    blocks at the right and bottom are filled by repeating the last column and row.
    """
    cv2 = opencv()
    rows, columns = frame.shape[:2]
    whole = rows // factor * factor, columns // factor * factor
    if factor > 1 and whole != (rows, columns):
        more = -rows % factor, -columns % factor
        frame = cv2.copyMakeBorder(frame, 0, more[0], 0, more[1], cv2.BORDER_REPLICATE)
    size = -(-columns // factor), -(-rows // factor)
    small = frame if factor == 1 else cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    if small.dtype == np.uint8:
        return np.ascontiguousarray(small)
    largest = 1.0 if small.dtype.kind == "f" else 65535.0
    return np.round(small * np.float32(255.0 / largest)).astype(np.uint8)


def reduced_codes(frame: np.ndarray, factor: int) -> np.ndarray:
    """As `reduced`, but float32 in [0, 1] without rounding, and computed in strips."""
    cv2 = opencv()
    rows, columns = frame.shape[:2]
    size = -(-rows // factor), -(-columns // factor)
    small = np.empty((*size, 3), np.float32)
    step = max(1, 256 // factor)
    for top in range(0, size[0], step):
        part = as_codes(frame[top * factor : (top + step) * factor])
        more = -len(part) % factor, -columns % factor
        if any(more):
            part = cv2.copyMakeBorder(part, 0, more[0], 0, more[1], cv2.BORDER_REPLICATE)
        shape = size[1], len(part) // factor
        small[top : top + step] = cv2.resize(part, shape, interpolation=cv2.INTER_AREA)
    return small


def enlarged(plane: np.ndarray, factor: int, top: int, bottom: int, columns: int) -> np.ndarray:
    """Rows [top, bottom) of a plane reduced by a factor, at full size.

    plane: [h, w] or [h, w, C]. Returns [bottom - top, columns] or [..., C] of the same type:
    bilinear for floats, nearest neighbour for integers.
    """
    cv2 = opencv()
    first, last = max(0, top // factor - 1), min(len(plane), -(-bottom // factor) + 1)
    kind = cv2.INTER_LINEAR if plane.dtype.kind == "f" else cv2.INTER_NEAREST
    size = plane.shape[1] * factor, (last - first) * factor
    part = np.asarray(cv2.resize(plane[first:last], size, interpolation=kind))
    return part[top - first * factor : bottom - first * factor, :columns]
