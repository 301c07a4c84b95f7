"""How good five exposures of one photograph are: what was clipped, what was dark, and whether they
belong together.

exposures: [5, H, W, 3] uint8, sRGB, darkest first, at `STOPS` from the photograph. truth: [H, W, 3]
float32, linear, 1.0 = clipping level of the photograph, so that no gain is to be found. code: the
photograph, [H, W, 3] in [0, 1].
"""

import numpy as np
from scipy.ndimage import gaussian_filter

from hdrcnn.colour.transfer import srgb_decode, srgb_encode
from hdrcnn.predict.radiance import merge
from training_code.evaluation.metrics import pixel_scores
from training_code.evaluation.stack_methods import STOPS

CLIPPED = 250.0 / 255.0
"""Samples of the photograph from this code on are clipped, or next to it."""
DARK = 0.3
"""Samples below it are dark: four stops brighter they are not clipped yet."""
TOLD = (0.06, 0.94)
"""Codes between which a sample tells how much light there is."""
FLAT = 2.0
"""Codes: standard deviation of the truth around a pixel, four stops brighter, below which noise and
bands would be seen."""
NEAR, FAR = 1.5, 12.0
"""Pixels: what varies faster than the first is noise; between both, bands and blotches."""


def _psnr(found: np.ndarray, truth: np.ndarray) -> float:
    """Of codes in 0..255; NaN of none; at most 99."""
    if not found.size:
        return float("nan")
    error = float(np.mean(np.square(found.astype(np.float64) - truth)))
    return 10.0 * float(np.log10(255.0**2 / max(error, 255.0**2 / 10**9.9)))


def true_exposures(truth: np.ndarray) -> np.ndarray:
    """Codes in 0..255 of the truth, not rounded: [5, H, W, 3] float64."""
    light = np.stack([np.clip(truth.astype(np.float64) * 2.0**k, 0.0, 1.0) for k in STOPS])
    return np.asarray(255.0 * srgb_encode(light))


def order_violations(exposures: np.ndarray) -> float:
    """Share of the samples that are darker in a brighter exposure than in the one below."""
    return float((exposures[1:] < exposures[:-1]).any(axis=0).mean())


def disagreement(exposures: np.ndarray) -> float:
    """Stops: mean absolute difference of the light that neighbouring exposures tell, where both
    tell it; NaN if there are no such samples.
    """
    low, high = TOLD
    codes = exposures / 255.0
    found = []
    for darker, brighter, step in zip(codes[:-1], codes[1:], np.diff(STOPS), strict=True):
        told = (darker > low) & (brighter < high)
        ratio = srgb_decode(brighter[told]) / np.maximum(srgb_decode(darker[told]), 1e-9)
        found.append(np.abs(np.log2(np.maximum(ratio, 1e-9)) - step))
    every = np.concatenate(found)
    return float(every.mean()) if every.size else float("nan")


def dark_texture(exposure: np.ndarray, truth: np.ndarray, code: np.ndarray) -> tuple[float, float]:
    """Noise, and bands and blotches, of the brightest exposure: standard deviations in 8-bit codes
    of its error in flat dark places, by how fast it varies.

    exposure, truth: codes in 0..255 [H, W, 3]; NaN if there are no such places.
    """
    wide = (FAR, FAR, 0)
    mean = gaussian_filter(truth, (2.0, 2.0, 0))
    spread = np.sqrt(np.maximum(gaussian_filter(truth**2, (2.0, 2.0, 0)) - mean**2, 0.0))
    flat = (spread < FLAT) & (truth > 2.0) & (truth < 250.0) & (code < DARK)
    if flat.mean() < 1e-3:
        return float("nan"), float("nan")
    error = exposure.astype(np.float64) - truth
    smooth = gaussian_filter(error, (NEAR, NEAR, 0))
    bands = smooth - gaussian_filter(error, wide)
    return tuple(float(np.sqrt(np.mean(np.square(e[flat])))) for e in (error - smooth, bands))  # type: ignore[return-value]


def measure(exposures: np.ndarray, truth: np.ndarray, code: np.ndarray) -> dict[str, float]:
    """All figures by name; NaN where a photograph has nothing of the kind.

    clipped_psnr: of exposures below that of the photograph, in samples that it clips; dark_psnr: of
    those above it, in dark samples that the truth does not clip there.
    """
    true = true_exposures(truth)
    clipped, dark = code >= CLIPPED, code < DARK
    below, above = (
        [k for k, stops in enumerate(STOPS) if sign * stops > 0] for sign in (-1.0, 1.0)
    )
    noise, bands = dark_texture(exposures[-1], true[-1], code)
    light = merge(list(exposures), [2.0**k for k in STOPS], "srgb", reference=len(STOPS) // 2)
    merged = pixel_scores(*(image.reshape(-1, 3) for image in (light, truth, code)))
    shown = {k: dark & (true[k] < 255.0) for k in above}
    return {
        "clipped_psnr": _psnr(
            np.concatenate([exposures[k][clipped] for k in below]),
            np.concatenate([true[k][clipped] for k in below]),
        ),
        "dark_psnr": _psnr(
            np.concatenate([exposures[k][shown[k]] for k in above]),
            np.concatenate([true[k][shown[k]] for k in above]),
        ),
        "order_violations": order_violations(exposures),
        "disagreement": disagreement(exposures),
        "highlight_rmse": merged.highlight_rmse,
        "psnr_crf": merged.psnr_crf,
        "noise": noise,
        "bands": bands,
    }
