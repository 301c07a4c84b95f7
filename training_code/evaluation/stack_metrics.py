"""Metrics of five exposures made from one photograph: clipped and dark parts, and consistency.

exposures: [5, H, W, 3] uint8, sRGB, darkest first, at `STOPS` relative to the photograph.
truth: [H, W, 3] float32, linear, 1.0 = clipping level of the photograph, so that no gain has to be
estimated. code: the photograph, [H, W, 3] in [0, 1].
"""

import numpy as np
from scipy.ndimage import gaussian_filter

from hdrcnn.colour.transfer import srgb_decode, srgb_encode
from hdrcnn.predict.radiance import merge
from training_code.evaluation.metrics import pixel_scores
from training_code.evaluation.stack_methods import STOPS

CLIPPED = 250.0 / 255.0
"""Code from which on samples of the photograph count as clipped, or almost."""
DARK = 0.3
"""Code below which samples count as dark: four stops brighter they do not clip yet."""
WELL_EXPOSED = (0.06, 0.94)
"""Range of codes from which the light of a sample can be recovered."""
FLAT = 2.0
"""Local standard deviation of the truth, four stops brighter, in codes, below which noise and
banding would be visible."""
NEAR, FAR = 1.5, 12.0
"""Standard deviations of two Gaussians, pixels: error removed by the first counts as noise, error
between the two as bands and blotches."""


def _psnr(found: np.ndarray, truth: np.ndarray) -> float:
    """PSNR of codes in 0..255, in dB, at most 99; NaN without samples."""
    if not found.size:
        return float("nan")
    error = float(np.mean(np.square(found.astype(np.float64) - truth)))
    return 10.0 * float(np.log10(255.0**2 / max(error, 255.0**2 / 10**9.9)))


def true_exposures(truth: np.ndarray) -> np.ndarray:
    """Unrounded codes of the truth at `STOPS`, in 0..255: [5, H, W, 3] float64."""
    light = np.stack([np.clip(truth.astype(np.float64) * 2.0**k, 0.0, 1.0) for k in STOPS])
    return np.asarray(255.0 * srgb_encode(light))


def order_violations(exposures: np.ndarray) -> float:
    """Share of the samples that are darker in some exposure than in the next darker one."""
    return float((exposures[1:] < exposures[:-1]).any(axis=0).mean())


def disagreement(exposures: np.ndarray) -> float:
    """Mean absolute difference between the light of neighbouring exposures, in stops.

    Only samples with codes within `WELL_EXPOSED` in both count; NaN if there are none.
    """
    low, high = WELL_EXPOSED
    codes = exposures / 255.0
    found = []
    for darker, brighter, step in zip(codes[:-1], codes[1:], np.diff(STOPS), strict=True):
        well_exposed = (darker > low) & (brighter < high)
        ratio = srgb_decode(brighter[well_exposed]) / np.maximum(
            srgb_decode(darker[well_exposed]), 1e-9
        )
        found.append(np.abs(np.log2(np.maximum(ratio, 1e-9)) - step))
    every = np.concatenate(found)
    return float(every.mean()) if every.size else float("nan")


def dark_texture(exposure: np.ndarray, truth: np.ndarray, code: np.ndarray) -> tuple[float, float]:
    """Noise, and bands and blotches, of the brightest exposure in flat dark regions.

    Both are RMS values of a frequency band of its error, in 8-bit codes; see `NEAR` and `FAR`.
    exposure, truth: codes in 0..255, [H, W, 3]; code: the photograph in [0, 1]. NaN if less than
    0.1 % of the samples are flat and dark.
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
    """All figures by name; NaN if a photograph has no samples of the kind.

    clipped_psnr: PSNR of the exposures darker than the photograph, over the samples that it clips.
    dark_psnr: PSNR of the brighter exposures, over dark samples whose truth does not clip there.
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
