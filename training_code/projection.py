"""Virtual perspective camera inside an equirectangular panorama, and crops of photographs."""

import numpy as np
from PIL import Image

from hdrcnn.geometry import resize


def view_directions(yaw: float, pitch: float, fov: float, height: int, width: int) -> np.ndarray:
    """Directions of the pixels of a perspective view, [height, width, 3] float32, not normalised.

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


def perspective_view(
    panorama: np.ndarray, yaw: float, pitch: float, fov: float, height: int, width: int
) -> np.ndarray:
    """A view out of an equirectangular panorama [H, W, 3], bilinear: [height, width, 3] float32.

    Wraps around left and right. Angles as for `view_directions`.
    """
    rows, columns = panorama.shape[:2]
    direction = view_directions(yaw, pitch, fov, height, width)
    x, y, z = direction[..., 0], direction[..., 1], direction[..., 2]
    longitude = np.arctan2(x, z)
    latitude = np.arctan2(y, np.hypot(x, z))
    u = (longitude / np.float32(2 * np.pi) + np.float32(0.5)) * columns - np.float32(0.5)
    v = (np.float32(0.5) - latitude / np.float32(np.pi)) * rows - np.float32(0.5)
    v = np.clip(v, 0, rows - 1)
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
    """The rectangle [rows, columns] at (top, left) of [H, W, 3], averaged over areas to
    [height, width, 3] float32; light is kept, nothing aliases.
    """
    crop = photo[top : top + rows, left : left + columns].astype(np.float32)
    if (rows, columns) == (height, width):
        return crop
    return resize(crop, height, width, Image.Resampling.BOX)
