"""How near a reconstruction comes to the HDR reference.

One protocol for every method: the prediction is aligned by one gain, both images are brought to
absolute light, and then measured: PU21-PSNR and PU21-SSIM as aligned and after camera response
correction, and the error of the highlights in stops. `evaluate` does all of it.

Pure NumPy and SciPy, float64. Images are [H, W, 3], linear RGB, Rec. 709 primaries. `code` is
the photograph the prediction was made from: [H, W, 3] in [0, 1], display-encoded. "Absolute"
means cd/m^2 with the reference's median luminance at 20.

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
"""Where the reference's median luminance is put, cd/m^2."""

MEDIAN_WEIGHTS = (0.2126, 0.7152, 0.0722)
"""Luminance for that median alone, as BT.709 prints it, in four digits; everything else uses the
six of `colour.transfer`. The two anchors differ by less than 0.03 %, but the check value of the
whole chain (in the tests) holds to its last digit only so."""

WELL_EXPOSED = (0.05, 0.95)
"""Codes strictly between these decide the alignment: neither black nor clipped."""

HIGHLIGHT_CODE = 0.95
"""A pixel whose largest code is above this is a highlight."""

PU21_PEAK = 256.0
"""PU21 of 100 cd/m^2, about: the peak of PU21-PSNR and the dynamic range of PU21-SSIM."""

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
    """One image's result, of its pixels. Decibels, stops, a share in [0, 1]."""

    psnr_aligned: float
    psnr_crf: float
    highlight_rmse: float
    highlight_bias: float
    peak_error: float
    saturated_share: float


@dataclass(frozen=True, kw_only=True)
class Scores(PixelScores):
    """One image's result, SSIM in [-1, 1] included."""

    ssim_aligned: float
    ssim_crf: float


def pu21_encode(luminance_cd_m2: npt.ArrayLike) -> FloatArray:
    """Luminance to PU21 units, in which equal steps are about equally visible.

    luminance_cd_m2: any shape, clipped to [0.005, 10000]. Returns float64 in [0, 595.4], same
    shape. Mantiuk and Azimi 2021, the variant fitted with banding and glare.
    """
    p1, p2, p3, p4, p5, p6, p7 = _PU21
    clipped = np.clip(np.asarray(luminance_cd_m2, np.float64), LUMINANCE_FLOOR, PEAK_LUMINANCE)
    powered = np.power(clipped, p4)
    ratio = (p1 + p2 * powered) / (1.0 + p3 * powered)
    return np.asarray(np.maximum(p7 * (np.power(ratio, p5) - p6), 0.0))


def alignment_gain(prediction: FloatArray, reference: FloatArray, code: FloatArray) -> float:
    """The one gain of an image: the median of reference / prediction.

    Taken over samples (each of R, G and B on its own) whose code lies in (0.05, 0.95). Samples
    predicted at or below 0 have no ratio and are left out. Arguments as for `evaluate`.
    Raises ValueError when no sample is left or the median is not positive.
    """
    low, high = WELL_EXPOSED
    chosen = (code > low) & (code < high) & (prediction > 0.0) & ~np.isnan(reference)
    if not chosen.any():
        raise ValueError(
            f"nothing to align by: no sample with a code in ({low}, {high}) is predicted above 0; "
            "leave this image out"
        )
    with np.errstate(over="ignore"):  # a few predictions next to 0 do not move the median
        gain = float(np.median(reference[chosen] / prediction[chosen]))
    if not (np.isfinite(gain) and gain > 0.0):
        raise ValueError(
            f"cannot align: the median of reference / prediction is {gain}; check the reference"
        )
    return gain


def known_pixels(reference: FloatArray) -> npt.NDArray[np.bool_]:
    """Where a reference [..., 3] is known, not NaN: [...] bool."""
    return np.asarray(~np.isnan(reference).any(axis=-1))


def align(prediction: FloatArray, reference: FloatArray, code: FloatArray) -> FloatArray:
    """The prediction times its `alignment_gain`: [H, W, 3], in the reference's unit."""
    return prediction * alignment_gain(prediction, reference, code)


def absolute_factor(reference: FloatArray) -> float:
    """What takes the reference, and an aligned prediction with it, to absolute light: cd/m^2.

    The median over the known pixels of the reference's luminance (`MEDIAN_WEIGHTS`) becomes
    20 cd/m^2. Raises ValueError when that median is not positive.
    """
    median = float(np.median((reference @ np.array(MEDIAN_WEIGHTS))[known_pixels(reference)]))
    if not median > 0.0:
        raise ValueError(f"the reference's median luminance is {median}; it must be positive")
    return MEDIAN_LUMINANCE / median


def pu21_psnr(prediction: FloatArray, reference: FloatArray) -> float:
    """PSNR of PU21-encoded R, G, B with peak 256, in dB. Absolute [H, W, 3]; inf if equal."""
    error = float(np.mean(np.square(pu21_encode(prediction) - pu21_encode(reference))))
    return float("inf") if error == 0.0 else 10.0 * float(np.log10(PU21_PEAK**2 / error))


def ssim(first: FloatArray, second: FloatArray, data_range: float) -> float:
    """Mean structural similarity of two [H, W] images (Wang et al. 2004, Eq. 13).

    Gaussian window, 11 x 11, sigma 1.5; K1 = 0.01, K2 = 0.03; the mean is over positions where
    the window lies inside the image. Raises ValueError below 11 pixels a side.
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

    Hanji et al. 2022 do not recommend it; it is here for comparison with older tables.
    """
    encoded = [pu21_encode(luminance(image)[..., 0]) for image in (prediction, reference)]
    return ssim(encoded[0], encoded[1], PU21_PEAK)


def highlight_mask(code: FloatArray) -> npt.NDArray[np.bool_]:
    """Where max(R, G, B) of the code is above 0.95. [H, W, 3] to [H, W]."""
    return np.asarray(np.max(code, axis=-1) > HIGHLIGHT_CODE)


def saturated_share(code: FloatArray) -> float:
    """The share of pixels that are highlights, in [0, 1]."""
    return float(np.mean(highlight_mask(code)))


def highlight_error(
    prediction: FloatArray, reference: FloatArray, code: FloatArray
) -> tuple[float, float]:
    """RMSE and bias of the highlights, in stops.

    Of log2(prediction / reference) in luminance, each floored at 0.005 cd/m^2, over
    `highlight_mask`. Images absolute and gain-aligned, not corrected: the correction is fitted
    to the reference and would hide what is measured here. A negative bias is too dark. Both are
    NaN for an image without highlights.
    """
    mask = highlight_mask(code)
    if not mask.any():
        return float("nan"), float("nan")
    predicted = np.maximum(luminance(prediction[mask]), LUMINANCE_FLOOR)
    true = np.maximum(luminance(reference[mask]), LUMINANCE_FLOOR)
    stops = np.log2(predicted / true)
    return float(np.sqrt(np.mean(np.square(stops)))), float(np.mean(stops))


def peak_error(prediction: FloatArray, reference: FloatArray) -> float:
    """log2 of the ratio of the 99.9th percentiles of luminance over the whole image, in stops.

    Absolute and gain-aligned [H, W, 3]; luminance floored at 0.005 cd/m^2, percentiles
    interpolated linearly. Negative: the peak is too dark.
    """
    peaks = [
        float(np.percentile(np.maximum(luminance(image), LUMINANCE_FLOOR), 99.9))
        for image in (prediction, reference)
    ]
    return float(np.log2(peaks[0] / peaks[1]))


def _checked(name: str, image: npt.ArrayLike, known_nan: bool = False) -> FloatArray:
    """As float64, or ValueError when it is not a finite [H, W, 3], or one with NaN if allowed."""
    array = np.asarray(image, np.float64)
    if array.ndim != 3 or array.shape[-1] != 3 or array.size == 0:
        raise ValueError(f"{name} must be [H, W, 3]; it is {array.shape}")
    if not (np.isfinite(array) | (known_nan and np.isnan(array))).all():
        raise ValueError(f"{name} holds NaN or infinity; clip it before it is measured")
    return array


def evaluate(prediction: npt.ArrayLike, reference: npt.ArrayLike, code: npt.ArrayLike) -> Scores:
    """All scores of one image; the alignment is done once.

    prediction: [H, W, 3], linear RGB, any unit. reference: the same shape, linear RGB, relative
    to any white; pixels that are NaN are not known and left out of everything. code: the same
    shape in [0, 1], display-encoded: the photograph.
    H and W are at least 11. Raises ValueError for shapes that differ, values that are not
    finite, codes outside [0, 1] and images that cannot be aligned.
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
        image[~known] = 0.0  # Alike, as SSIM needs whole images.
    return Scores(
        **dataclasses.asdict(pixels),
        ssim_aligned=pu21_ssim(aligned, absolute),
        ssim_crf=pu21_ssim(corrected, absolute),
    )


def pixel_scores(
    prediction: npt.ArrayLike, reference: npt.ArrayLike, code: npt.ArrayLike
) -> PixelScores:
    """The scores that do not depend on where pixels lie: `evaluate` without SSIM, [N, 3] each."""
    predicted, true, codes = (np.asarray(a, np.float64) for a in (prediction, reference, code))
    factor = absolute_factor(true)
    aligned, absolute = align(predicted, true, codes) * factor, true * factor
    return _pixel_scores(aligned, correct_camera_response(aligned, absolute), absolute, codes)


def _pixel_scores(
    aligned: FloatArray, corrected: FloatArray, absolute: FloatArray, codes: FloatArray
) -> PixelScores:
    """Of images in absolute light, [N, 3]."""
    rmse, bias = highlight_error(aligned, absolute, codes)
    return PixelScores(
        psnr_aligned=pu21_psnr(aligned, absolute),
        psnr_crf=pu21_psnr(corrected, absolute),
        highlight_rmse=rmse,
        highlight_bias=bias,
        peak_error=peak_error(aligned, absolute),
        saturated_share=saturated_share(codes),
    )
