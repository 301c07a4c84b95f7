"""Virtual perspective camera inside an equirectangular panorama, and crops of photographs.

`perspective_view` and `resized_crop` take any size; the figures of the evaluation depend on their
results to the bit. `square_view` and `square_crop` are faster equivalents for training.
"""

import numpy as np
from PIL import Image
from scipy import sparse

from hdrcnn.tiles.geometry import resize

BAND = 1 << 13
"""Number of view pixels looked up at a time, chosen so that intermediate arrays fit into a core's
cache."""


def view_directions(yaw: float, pitch: float, fov: float, height: int, width: int) -> np.ndarray:
    """View directions of the pixels of a perspective view, [height, width, 3] float32, not
    normalised.

    yaw: degrees to the right of the panorama's centre; pitch: degrees above the horizon;
    fov: horizontal field of view in degrees, below 180. Axes: x right, y up, z forward.
    """
    focal = 0.5 * width / np.tan(np.radians(fov) / 2)
    x = np.arange(width, dtype=np.float32) - np.float32((width - 1) / 2)
    y = np.float32((height - 1) / 2) - np.arange(height, dtype=np.float32)
    sin_pitch, cos_pitch = np.sin(np.radians(pitch)), np.cos(np.radians(pitch))
    sin_yaw, cos_yaw = np.sin(np.radians(yaw)), np.cos(np.radians(yaw))
    up = (y * cos_pitch + focal * sin_pitch)[:, None]
    forward = (focal * cos_pitch - y * sin_pitch)[:, None]
    out = np.empty((height, width, 3), np.float32)
    out[..., 0] = x * cos_yaw + forward * sin_yaw
    out[..., 1] = up
    out[..., 2] = forward * cos_yaw - x * sin_yaw
    return out


def panorama_places(
    direction: np.ndarray, rows: int, columns: int
) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates of directions [..., 3] float32 in a panorama: columns u in [-0.5, columns - 0.5]
    and rows v in [0, rows - 1], both float32; whole numbers are pixel centres.
    """
    x, y, z = direction[..., 0], direction[..., 1], direction[..., 2]
    longitude = np.arctan2(x, z)
    latitude = np.arctan2(y, np.hypot(x, z))
    u = (longitude / np.float32(2 * np.pi) + np.float32(0.5)) * columns - np.float32(0.5)
    v = (np.float32(0.5) - latitude / np.float32(np.pi)) * rows - np.float32(0.5)
    return u, np.clip(v, 0, rows - 1)


def perspective_view(
    panorama: np.ndarray, yaw: float, pitch: float, fov: float, height: int, width: int
) -> np.ndarray:
    """Perspective view of an equirectangular panorama [H, W, 3]: [height, width, 3] float32.

    Interpolates bilinearly and wraps around left and right. Angles as for `view_directions`.
    """
    rows, columns = panorama.shape[:2]
    u, v = panorama_places(view_directions(yaw, pitch, fov, height, width), rows, columns)
    left, top = np.floor(u).astype(np.int32), np.floor(v).astype(np.int32)
    right_share, low_share = (u - left)[..., None], (v - top)[..., None]
    bottom = np.minimum(top + 1, rows - 1) * columns
    top, left, right = top * columns, left % columns, (left + 1) % columns

    flat = panorama.reshape(-1, 3)
    upper = flat[top + left] * (1 - right_share) + flat[top + right] * right_share
    lower = flat[bottom + left] * (1 - right_share) + flat[bottom + right] * right_share
    return (upper * (1 - low_share) + lower * low_share).astype(np.float32, copy=False)


def resized_crop(
    photo: np.ndarray, top: int, left: int, rows: int, columns: int, height: int, width: int
) -> np.ndarray:
    """Crop the rectangle [rows, columns] at (top, left) of [H, W, 3] and resize it to
    [height, width, 3] float32 by area averaging, which preserves light and does not alias.
    """
    crop = photo[top : top + rows, left : left + columns].astype(np.float32)
    if (rows, columns) == (height, width):
        return crop
    return resize(crop, height, width, Image.Resampling.BOX)


def half_to_float(half: np.ndarray) -> np.ndarray:
    """Convert float16 >= 0 of any shape to float32, exactly; other types are converted by NumPy.

    Several times faster than NumPy's conversion, which handles one value at a time: it shifts the
    bits into place and corrects the exponent bias.
    """
    if half.dtype != np.float16:
        return half.astype(np.float32)
    bits = half.view(np.uint16)
    wide = np.left_shift(bits, 17, dtype=np.uint32)  # The sign bit is shifted out: -0 becomes 0.
    wide >>= 4
    wide += np.uint32((127 - 15) << 23)
    out = wide.view(np.float32)
    small = (bits & 0x7FFF) < 0x0400  # 0 and subnormal numbers.
    if small.any():
        out[small] = half[small]
    return out


def square_view(
    panorama: np.ndarray, yaw: float, pitch: float, fov: float, size: int, mirror: bool = False
) -> np.ndarray:
    """Square perspective view of an equirectangular panorama [H, W, 3]: [size, size, 3] float32.

    Several times faster than `perspective_view`, for training. If the centre of the view reduces
    the panorama by a factor of 2 or more, the view is rendered 2, 4, ... times larger and averaged
    down, so that small lamps keep their light and nothing flickers.
    """
    reduction = panorama.shape[1] * np.tan(np.radians(fov) / 2) / (np.pi * size)
    finer = 2 ** max(0, int(np.floor(np.log2(reduction))))
    fine = finer * size
    u, v = panorama_places(view_directions(yaw, pitch, fov, fine, fine), *panorama.shape[:2])
    if mirror:
        u, v = u[:, ::-1], v[:, ::-1]
    view = _bilinear(panorama, u, v)
    if finer == 1:
        return view
    return view.reshape(size, finer, size, finer, 3).mean(axis=(1, 3), dtype=np.float32)


def _bilinear(panorama: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Sample `panorama` at columns u and rows v, [S, S] float32, bilinearly, wrapping around left
    and right: [S, S, 3] float32.
    """
    rows, columns = panorama.shape[:2]
    pixels = panorama.reshape(-1, 3)
    out = np.empty((len(u), 3 * u.shape[1]), np.float32)
    band = max(1, BAND // u.shape[1])
    for begin in range(0, len(u), band):
        place = slice(begin, begin + band)
        left, top = np.floor(u[place]), np.floor(v[place])
        # Repeated for the three channels: NumPy is slow if the last axis is short.
        across = np.repeat(u[place] - left, 3, axis=1)
        down = np.repeat(v[place] - top, 3, axis=1)
        left, top = left.astype(np.intp), top.astype(np.intp)
        right, bottom = (left + 1) % columns, np.minimum(top + 1, rows - 1) * columns
        left, top = left % columns, top * columns
        corners = np.stack([top + left, top + right, bottom + left, bottom + right])
        # The indices are within bounds; mode="clip" only skips the check.
        taken = half_to_float(np.take(pixels, corners, axis=0, mode="clip"))
        taken = taken.reshape(4, *across.shape)
        upper = taken[0] + (taken[1] - taken[0]) * across
        lower = taken[2] + (taken[3] - taken[2]) * across
        out[place] = upper + (lower - upper) * down
    return out.reshape(*u.shape, 3)


def square_crop(square: np.ndarray, size: int, mirror: bool = False) -> np.ndarray:
    """Reduce a square crop [side, side, 3] of a photograph, side >= size, by area averaging to
    [size, size, 3] float32. Faster than `resized_crop`, for training.
    """
    light = half_to_float(square)
    side = len(light)
    if side != size:
        matrix = area_matrix(side, size)
        reduced = (matrix @ light.reshape(side, -1)).reshape(size, side, 3)
        turned = reduced.swapaxes(0, 1).reshape(side, -1)
        light = (matrix @ turned).reshape(size, size, 3).swapaxes(0, 1)
    return np.ascontiguousarray(light[:, ::-1] if mirror else light)


def area_matrix(side: int, size: int) -> sparse.csr_array:
    """Sparse matrix [size, side] float32 that reduces `side` pixels of a line to `size` by area
    averaging; pixels at the ends of an output pixel count by the part it covers. side >= size.
    """
    # In units of 1 / size pixel all positions are whole numbers; a pixel lies in one or two parts.
    pixel = np.arange(side)
    part = pixel * size // side
    within = np.minimum(size, (part + 1) * side - pixel * size)
    following = np.minimum(part + 1, size - 1)
    weights = np.concatenate([within, size - within]).astype(np.float32) / np.float32(side)
    places = np.concatenate([part, following]), np.concatenate([pixel, pixel])
    return sparse.csr_array((weights, places), shape=(size, side))
