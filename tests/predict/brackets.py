"""Helpers of the tests of brackets: a scene of smooth noise, photographed at several exposures."""

import cv2
import numpy as np

from hdrcnn.colour.transfer import srgb_encode


def texture(rows: int = 300, columns: int = 420, seed: int = 0) -> np.ndarray:
    """[H, W, 3] float32 light from about 0.003 to 1.5, detail of every size."""
    rng = np.random.default_rng(seed)
    stops = np.zeros((rows, columns), np.float32)
    for sigma, strength in ((1.5, 0.6), (5.0, 0.8), (20.0, 0.8)):
        noise = cv2.GaussianBlur(rng.normal(size=(rows, columns)).astype(np.float32), (0, 0), sigma)
        stops += strength * noise / noise.std()
    tint = cv2.GaussianBlur(rng.normal(size=(rows, columns, 3)).astype(np.float32), (0, 0), 9.0)
    slope = np.linspace(-4.5, -1.0, columns, dtype=np.float32)
    return np.asarray(2.0 ** ((stops + slope)[..., None] + 0.4 * tint / tint.std()), np.float32)


def exposed(light: np.ndarray, ev: float, seed: int = 0, top: int = 255) -> np.ndarray:
    """[H, W, 3] uint8 or uint16 sRGB at an exposure, with the noise of a sensor."""
    rng = np.random.default_rng(seed)
    signal = light * 2.0**ev
    signal = signal + rng.normal(size=light.shape) * np.sqrt(np.maximum(signal, 0) / 2e4 + 1e-7)
    codes = np.round(top * srgb_encode(np.clip(signal, 0.0, 1.0)))
    return codes.astype(np.uint8 if top == 255 else np.uint16)


def bracket(count: int = 3, rows: int = 190, columns: int = 260) -> list[np.ndarray]:
    """Photographs of the scene from two stops below to two stops above its exposure."""
    light = texture(rows, columns)
    return [exposed(light, ev, seed=i) for i, ev in enumerate(np.linspace(-2, 2, count))]


def from_moved_camera(light: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """The scene seen by a moved camera: its pixel p shows the pixel `matrix` p of the scene."""
    how = {"flags": cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP, "borderMode": cv2.BORDER_REFLECT}
    return np.maximum(cv2.warpPerspective(light, matrix, light.shape[1::-1], **how), 0.0)
