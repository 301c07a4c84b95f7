"""What a camera would have stored of a scene: exposure, sensor, development.

Eilertsen et al. 2017, section 5.1. Pure NumPy functions on [H, W, 3] float32 images, linear,
relative; after `expose` 1.0 is the clipping level. `photograph` runs the whole chain.
"""

import dataclasses

import numpy as np

from hdrcnn.transfer import MEAN_CURVE_N, MEAN_CURVE_S, camera_curve


@dataclasses.dataclass(frozen=True)
class Camera:
    """The distributions a photograph is drawn from. The defaults are the published ones."""

    unclipped: tuple[float, float] = (0.85, 0.95)
    """Share of the samples (R, G and B values) that stay below the clipping level, uniform."""
    noise_sd: tuple[float, float] = (0.0, 0.01)
    """Standard deviation of the sensor noise, in units of the clipping level, uniform."""
    hue_sd: float = 7.0
    """Standard deviation of the hue shift, degrees."""
    saturation_sd: float = 0.1
    """Standard deviation of what is added to the saturation."""
    curve_n: tuple[float, float] = (MEAN_CURVE_N, 0.1)
    """Exponent of the camera curve: mean and standard deviation, kept in [0.2, 2.5]."""
    curve_s: tuple[float, float] = (MEAN_CURVE_S, 0.1)
    """Shoulder of the camera curve: mean and standard deviation, kept in [0.01, 5]."""
    peak: float = 2000.0
    """Targets are capped here, in units of the clipping level, so that one sun does not own the
    gradient."""


def expose(linear: np.ndarray, unclipped: float) -> np.ndarray:
    """Scale so that the share `unclipped` in (0, 1) of the samples lies below 1.0.

    Raises ValueError where that level of the image is black.
    """
    samples = linear.reshape(-1)
    index = min(int(unclipped * samples.size), samples.size - 1)
    level = float(np.partition(samples, index)[index])
    if not level > 0:
        raise ValueError(f"black up to its {unclipped:.0%} quantile: nothing to expose for")
    return linear * np.float32(1.0 / level)


def sense(linear: np.ndarray, noise_sd: float, rng: np.random.Generator) -> np.ndarray:
    """Add Gaussian noise of `noise_sd` clipping levels; the result is >= 0."""
    noise = rng.standard_normal(linear.shape, np.float32)
    return np.maximum(linear + np.float32(noise_sd) * noise, 0.0)


def jitter_colour(linear: np.ndarray, hue: float, saturation: float) -> np.ndarray:
    """Turn the hue by `hue` degrees and add `saturation`, in HSV of the square root of light.

    The largest channel keeps its value; pixels without colour stay so. Values >= 0 of any size.
    """
    root = np.sqrt(linear)
    red, green, blue = root[..., 0], root[..., 1], root[..., 2]
    value = np.maximum(np.maximum(red, green), blue)
    chroma = value - np.minimum(np.minimum(red, green), blue)
    safe = np.where(chroma > 0, chroma, np.float32(1.0))
    sextant = np.where(
        value == red,
        (green - blue) / safe,
        np.where(value == green, (blue - red) / safe + 2.0, (red - green) / safe + 4.0),
    )
    sextant += np.float32(hue / 60.0)
    shifted = np.clip(chroma + np.float32(saturation) * value, 0.0, value)
    chroma = np.where(chroma > 0, shifted, np.float32(0.0))
    out = np.empty_like(root)
    for channel, offset in enumerate((5.0, 3.0, 1.0)):
        k = np.mod(sextant + np.float32(offset), np.float32(6.0))
        out[..., channel] = value - chroma * np.clip(np.minimum(k, 4.0 - k), 0.0, 1.0)
    return np.square(out)


def develop(linear: np.ndarray, n: float = MEAN_CURVE_N, s: float = MEAN_CURVE_S) -> np.ndarray:
    """Clip, apply the camera curve with exponent n and shoulder s, round to 8 bits.

    linear: any shape, >= 0. Returns uint8 codes of the same shape.
    """
    code = camera_curve(np.clip(linear, 0.0, 1.0), n, s)
    return np.round(code * np.float32(255.0)).astype(np.uint8)


def photograph(
    linear: np.ndarray, camera: Camera, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """One draw of the whole chain.

    linear: [H, W, 3] float32, any unit, >= 0.
    Returns the picture, uint8 codes [H, W, 3], and its target, float32 [H, W, 3] linear with
    1.0 = clipping level, taken behind the sensor and the colour jitter, capped at `camera.peak`.
    Raises ValueError where the image is too black to be exposed.
    """
    exposed = expose(linear, rng.uniform(*camera.unclipped))
    sensed = sense(exposed, rng.uniform(*camera.noise_sd), rng)
    target = jitter_colour(
        sensed, rng.normal(0.0, camera.hue_sd), rng.normal(0.0, camera.saturation_sd)
    )
    n = float(np.clip(rng.normal(*camera.curve_n), 0.2, 2.5))
    s = float(np.clip(rng.normal(*camera.curve_s), 0.01, 5.0))
    return develop(target, n, s), np.minimum(target, np.float32(camera.peak))
