"""Metrics of a reconstruction against its HDR reference.

One protocol for every method: the prediction is aligned by one gain, and both images are scaled to
absolute light. Measured are PU21-PSNR and PU21-SSIM, aligned and after camera response correction,
and the error of the highlights in stops. `evaluate` does all of this.

Pure NumPy and SciPy, float64. Images are [H, W, 3], linear RGB, Rec. 709 primaries. `code` is
the photograph from which the prediction was made: [H, W, 3] in [0, 1], display-encoded. "Absolute"
means cd/m^2, with the median luminance of the reference at 20.

References:
P. Hanji et al., "Comparison of single image HDR reconstruction methods - the caveats of quality
    assessment", SIGGRAPH 2022: the protocol and the correction.
R. K. Mantiuk, M. Azimi, "PU21: A novel perceptually uniform encoding for adapting existing
    quality metrics for HDR", PCS 2021.
Z. Wang et al., "Image quality assessment: from error visibility to structural similarity",
    IEEE TIP 2004.

"""

import dataclasses
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from hdrcnn.colour.pq import PEAK_LUMINANCE, FloatArray
from hdrcnn.colour.transfer import luminance
from training_code.evaluation.camera_response import LUMINANCE_FLOOR, correct_camera_response

MEDIAN_LUMINANCE = 20.0
"""Median luminance to which the reference is scaled, cd/m^2."""

MEDIAN_WEIGHTS = (0.2126, 0.7152, 0.0722)
"""Luminance weights for that median alone, with the four digits of BT.709; everything else uses the
six digits of `colour.transfer`. The two medians differ by less than 0.03 %, but the check value of
the whole chain (in the tests) is met to its last digit only with these."""

WELL_EXPOSED = (0.05, 0.95)
"""Range of codes, without its ends, that are used for the alignment: neither black nor clipped."""

HIGHLIGHT_CODE = 0.95
"""A pixel whose largest code is above this is a highlight."""

PU21_PEAK = 256.0
"""Peak of PU21-PSNR and dynamic range of PU21-SSIM: about the PU21 value of 100 cd/m^2."""

_PU21 = (
    0.353487901,
    0.3734658629,
    8.277049286e-05,
    0.9062562627,
    0.09150303166,
    0.9099517204,
    596.3148142,
)


@dataclass(frozen=True, kw_only=True)
class PixelScores:
    """Scores of one image that ignore where its pixels lie, in dB, stops and a share in [0, 1]."""

    psnr_aligned: float
    psnr_crf: float
    highlight_rmse: float
    highlight_bias: float
    peak_error: float
    saturated_share: float


@dataclass(frozen=True, kw_only=True)
class Scores(PixelScores):
    """All scores of one image, including SSIM in [-1, 1]."""

    ssim_aligned: float
    ssim_crf: float


def pu21_encode(luminance_cd_m2: npt.ArrayLike) -> FloatArray:
    """Encode luminance as PU21 units, in which equal steps are about equally visible.

    luminance_cd_m2: any shape, clipped to [0.005, 10000]. Returns float64 in [0, 595.4], same
    shape. Mantiuk and Azimi 2021, the variant fitted with banding and glare.
    """
    p1, p2, p3, p4, p5, p6, p7 = _PU21
    clipped = np.clip(np.asarray(luminance_cd_m2, np.float64), LUMINANCE_FLOOR, PEAK_LUMINANCE)
    powered = np.power(clipped, p4)
    ratio = (p1 + p2 * powered) / (1.0 + p3 * powered)
    return np.asarray(np.maximum(p7 * (np.power(ratio, p5) - p6), 0.0))


def alignment_gain(prediction: FloatArray, reference: FloatArray, code: FloatArray) -> float:
    """Gain that aligns a prediction to its reference: the median of reference / prediction.

    The median is over the samples (R, G and B individually) whose code is in (0.05, 0.95). Samples
    predicted at or below 0 have no ratio and are left out, as are unknown ones. Arguments as for
    `evaluate`. Raises ValueError if no sample is left or the median is not positive.
    """
    low, high = WELL_EXPOSED
    chosen = (code > low) & (code < high) & (prediction > 0.0) & ~np.isnan(reference)
    if not chosen.any():
        raise ValueError(
            f"nothing to align by: no sample with a code in ({low}, {high}) is predicted above 0; "
            "leave this image out"
        )
    with np.errstate(over="ignore"):  # A few predictions near 0 do not move the median.
        gain = float(np.median(reference[chosen] / prediction[chosen]))
    if not (np.isfinite(gain) and gain > 0.0):
        raise ValueError(
            f"cannot align: the median of reference / prediction is {gain}; check the reference"
        )
    return gain


def known_pixels(reference: FloatArray) -> npt.NDArray[np.bool_]:
    """Mask of the pixels of a reference [..., 3] that are known, that is, not NaN: [...] bool."""
    return np.asarray(~np.isnan(reference).any(axis=-1))


def align(prediction: FloatArray, reference: FloatArray, code: FloatArray) -> FloatArray:
    """Multiply the prediction by its `alignment_gain`: [H, W, 3], in the unit of the reference."""
    return prediction * alignment_gain(prediction, reference, code)


def absolute_factor(reference: FloatArray) -> float:
    """Factor that scales the reference, and an aligned prediction, to absolute light in cd/m^2.

    The median luminance (`MEDIAN_WEIGHTS`) of the known pixels of the reference becomes 20 cd/m^2.
    Raises ValueError if that median is not positive.
    """
    median = float(np.median((reference @ np.array(MEDIAN_WEIGHTS))[known_pixels(reference)]))
    if not median > 0.0:
        raise ValueError(f"the reference's median luminance is {median}; it must be positive")
    return MEDIAN_LUMINANCE / median


def pu21_psnr(prediction: FloatArray, reference: FloatArray) -> float:
    """PSNR of PU21-encoded R, G, B with peak 256, in dB; inf if equal. Absolute, [..., 3]."""
    error = float(np.mean(np.square(pu21_encode(prediction) - pu21_encode(reference))))
    return float("inf") if error == 0.0 else 10.0 * float(np.log10(PU21_PEAK**2 / error))


def ssim(first: FloatArray, second: FloatArray, data_range: float) -> float:
    """Mean structural similarity of two [H, W] images (Wang et al. 2004, Eq. 13).

    Gaussian window, 11 x 11, sigma 1.5; K1 = 0.01, K2 = 0.03; the mean is over positions where
    the window lies inside the image. Raises ValueError if a side is shorter than 11 pixels.
    """
    radius = 5
    if min(first.shape) < 2 * radius + 1:
        raise ValueError(f"SSIM needs at least 11 pixels a side; the image is {first.shape}")

    def local_mean(image: FloatArray) -> FloatArray:
        blurred = gaussian_filter(image, sigma=1.5, radius=radius)
        return np.asarray(blurred[radius:-radius, radius:-radius])

    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    mean_1, mean_2 = local_mean(first), local_mean(second)
    variance_1 = local_mean(first * first) - mean_1 * mean_1
    variance_2 = local_mean(second * second) - mean_2 * mean_2
    covariance = local_mean(first * second) - mean_1 * mean_2
    similarity = (2.0 * mean_1 * mean_2 + c1) * (2.0 * covariance + c2)
    similarity /= (mean_1**2 + mean_2**2 + c1) * (variance_1 + variance_2 + c2)
    return float(np.mean(similarity))


def pu21_ssim(prediction: FloatArray, reference: FloatArray) -> float:
    """SSIM of PU21-encoded luminance with dynamic range 256. Absolute [H, W, 3].

    Hanji et al. 2022 advise against it; it is included for comparison with older tables.
    """
    encoded = [pu21_encode(luminance(image)[..., 0]) for image in (prediction, reference)]
    return ssim(encoded[0], encoded[1], PU21_PEAK)


def highlight_mask(code: FloatArray) -> npt.NDArray[np.bool_]:
    """Mask of the pixels whose largest code is above 0.95: [..., 3] to [...]."""
    return np.asarray(np.max(code, axis=-1) > HIGHLIGHT_CODE)


def saturated_share(code: FloatArray) -> float:
    """The share of pixels that are highlights, in [0, 1]."""
    return float(np.mean(highlight_mask(code)))


def highlight_error(
    prediction: FloatArray, reference: FloatArray, code: FloatArray
) -> tuple[float, float]:
    """RMSE and bias of the highlights, in stops.

    These are the RMS and the mean of log2(prediction / reference) in luminance, each floored at
    0.005 cd/m^2, over `highlight_mask`. Images are absolute and gain-aligned, but not corrected:
    the correction is fitted to the reference and would hide the error that is measured here. A
    negative bias means too dark. Both are NaN for an image without highlights.
    """
    mask = highlight_mask(code)
    if not mask.any():
        return float("nan"), float("nan")
    predicted = np.maximum(luminance(prediction[mask]), LUMINANCE_FLOOR)
    true = np.maximum(luminance(reference[mask]), LUMINANCE_FLOOR)
    stops = np.log2(predicted / true)
    return float(np.sqrt(np.mean(np.square(stops)))), float(np.mean(stops))


def peak_error(prediction: FloatArray, reference: FloatArray) -> float:
    """Error of the peak, in stops: log2 of the ratio of the 99.9th percentiles of luminance.

    Images are absolute and gain-aligned, [..., 3]; luminance is floored at 0.005 cd/m^2, and
    percentiles are interpolated linearly. Negative means that the peak is too dark.
    """
    peaks = [
        float(np.percentile(np.maximum(luminance(image), LUMINANCE_FLOOR), 99.9))
        for image in (prediction, reference)
    ]
    return float(np.log2(peaks[0] / peaks[1]))


def _checked(name: str, image: npt.ArrayLike, known_nan: bool = False) -> FloatArray:
    """Return `image` as float64. Raises ValueError unless it is [H, W, 3] and finite, or NaN if
    `known_nan` allows it.
    """
    array = np.asarray(image, np.float64)
    if array.ndim != 3 or array.shape[-1] != 3 or array.size == 0:
        raise ValueError(f"{name} must be [H, W, 3]; it is {array.shape}")
    if not (np.isfinite(array) | (known_nan and np.isnan(array))).all():
        raise ValueError(f"{name} holds NaN or infinity; clip it before it is measured")
    return array


def evaluate(prediction: npt.ArrayLike, reference: npt.ArrayLike, code: npt.ArrayLike) -> Scores:
    """All scores of one image.

    prediction: [H, W, 3], linear RGB, any unit. reference: the same shape, linear RGB, relative
    to any white; pixels that are NaN are unknown and excluded from everything. code: the
    photograph, the same shape, in [0, 1], display-encoded.
    H and W must be at least 11. Raises ValueError if shapes differ, values are not finite, codes
    are outside [0, 1], or the images cannot be aligned.
    """
    predicted = _checked("prediction", prediction)
    true = _checked("reference", reference, known_nan=True)
    codes = _checked("code", code)
    if not predicted.shape == true.shape == codes.shape:
        raise ValueError(
            "prediction, reference and code must have one shape; they are "
            f"{predicted.shape}, {true.shape}, {codes.shape}"
        )
    if codes.min() < 0.0 or codes.max() > 1.0:
        raise ValueError("codes must lie in [0, 1]; divide 8-bit codes by 255")

    known = known_pixels(true)
    if not known.any():
        raise ValueError("no pixel of the reference is known; leave this image out")
    factor = absolute_factor(true)
    aligned, absolute = align(predicted, true, codes) * factor, true * factor
    corrected = np.zeros_like(aligned)
    corrected[known] = correct_camera_response(aligned[known], absolute[known])
    pixels = _pixel_scores(aligned[known], corrected[known], absolute[known], codes[known])
    for image in (aligned, absolute):
        image[~known] = 0.0  # Equal in both images, because SSIM needs whole ones.
    return Scores(
        **dataclasses.asdict(pixels),
        ssim_aligned=pu21_ssim(aligned, absolute),
        ssim_crf=pu21_ssim(corrected, absolute),
    )


def pixel_scores(
    prediction: npt.ArrayLike, reference: npt.ArrayLike, code: npt.ArrayLike
) -> PixelScores:
    """The scores of `evaluate` that do not depend on pixel positions, all but SSIM: [N, 3] each."""
    predicted, true, codes = (np.asarray(a, np.float64) for a in (prediction, reference, code))
    factor = absolute_factor(true)
    aligned, absolute = align(predicted, true, codes) * factor, true * factor
    return _pixel_scores(aligned, correct_camera_response(aligned, absolute), absolute, codes)


def _pixel_scores(
    aligned: FloatArray, corrected: FloatArray, absolute: FloatArray, codes: FloatArray
) -> PixelScores:
    """Scores of images in absolute light, [N, 3]."""
    rmse, bias = highlight_error(aligned, absolute, codes)
    return PixelScores(
        psnr_aligned=pu21_psnr(aligned, absolute),
        psnr_crf=pu21_psnr(corrected, absolute),
        highlight_rmse=rmse,
        highlight_bias=bias,
        peak_error=peak_error(aligned, absolute),
        saturated_share=saturated_share(codes),
    )
