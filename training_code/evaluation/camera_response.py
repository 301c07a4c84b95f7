"""Camera response correction before a comparison (Hanji et al. 2022).

A method that recovers the scene but assumes another camera curve loses decibels because of that
curve, not because of what it reconstructed. For each image, the correction fits the smooth curve
that brings the prediction closest to the reference: a cubic in PQ luminance and a cubic in
chromaticity. It is fitted to the reference, so it belongs to the evaluation and never to the
method.

Pure NumPy, float64. RGB is linear, Rec. 709 primaries, absolute: light of a display in cd/m^2.

Reference: P. Hanji, R. K. Mantiuk, G. Eilertsen, S. Hajisharif, J. Unger, "Comparison of single
image HDR reconstruction methods - the caveats of quality assessment", SIGGRAPH 2022.
"""

import numpy as np

from hdrcnn.colour.pq import FloatArray, pq_decode, pq_encode
from hdrcnn.colour.transfer import LUMINANCE_WEIGHTS

LUMINANCE_FLOOR = 0.005
"""Darkest value that is distinguished, cd/m^2: the lower end of PU21 and of the correction."""

RGB_TO_XYZ = np.array(
    [
        [0.412424, 0.357579, 0.180464],
        LUMINANCE_WEIGHTS,
        [0.019332, 0.119193, 0.950444],
    ]
)
"""Linear Rec. 709 RGB to CIE XYZ, D65."""

CHROMATICITY_SCALE = 410.0 / 255.0
"""Factor that makes u'v' span about [0, 1], the scale at which the ridge was chosen."""

CHROMATICITY_RIDGE = 0.01
LUMINANCE_RIDGE = 1e-9
"""Ridge towards the identity, in units of N / number of coefficients (N pixels). The one for
luminance does not regularise; it only keeps the fit of a constant image solvable, where the four
powers are linearly dependent. The check value of the whole chain (in the tests) is met to its last
digit only with it; it changes that PSNR by at most 0.0005 dB."""


def xyz_to_yuv(xyz: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Convert XYZ > 0, [..., 3], to luminance [...] and scaled CIE 1976 u'v' [..., 2]."""
    weight = xyz[..., 0] + 15.0 * xyz[..., 1] + 3.0 * xyz[..., 2]
    u = 4.0 * xyz[..., 0] / weight
    v = 9.0 * xyz[..., 1] / weight
    return xyz[..., 1], CHROMATICITY_SCALE * np.stack([u, v], axis=-1)


def yuv_to_xyz(luminance: FloatArray, chromaticity: FloatArray) -> FloatArray:
    """Inverse of `xyz_to_yuv`. luminance: [...]; chromaticity: [..., 2], scaled, v' > 0."""
    u = chromaticity[..., 0] / CHROMATICITY_SCALE
    v = chromaticity[..., 1] / CHROMATICITY_SCALE
    x = luminance * 9.0 * u / (4.0 * v)
    z = luminance * (12.0 - 3.0 * u - 20.0 * v) / (4.0 * v)
    return np.stack([x, luminance, z], axis=-1)


def luminance_basis(code: FloatArray) -> FloatArray:
    """Expand PQ codes [N, 1] to the basis c^3, c^2, c, 1: [N, 4]."""
    squared = code * code  # Products, because raising to the power 3 is several times slower.
    return np.concatenate([squared * code, squared, code, np.ones_like(code)], axis=1)


def chromaticity_basis(uv: FloatArray) -> FloatArray:
    """Expand scaled u'v' [N, 2] to the basis u^3, v^3, u^2, v^2, uv, u, v, 1: [N, 8]."""
    squared = uv * uv
    return np.concatenate(
        [squared * uv, squared, uv[:, :1] * uv[:, 1:], uv, np.ones_like(uv[:, :1])], axis=1
    )


def fit_ridge(basis: FloatArray, target: FloatArray, ridge: float) -> FloatArray:
    """Least squares with a ridge towards the identity mapping.

    basis: [N, K]; its last M + 1 columns are the M inputs themselves and a constant.
    target: [N, M]. ridge: in units of N / K.
    Returns W [K, M], which minimises |basis W - target|^2 + (ridge N / K) |W - identity|^2.
    """
    rows, columns = basis.shape
    channels = target.shape[1]
    identity = np.zeros((columns, channels))
    identity[columns - 1 - channels : columns - 1] = np.eye(channels)
    weight = ridge * rows / columns
    normal = basis.T @ basis + weight * np.eye(columns)
    return np.asarray(np.linalg.solve(normal, basis.T @ target + weight * identity))


def correct_camera_response(prediction: FloatArray, reference: FloatArray) -> FloatArray:
    """Apply to the prediction the smooth curve that brings it closest to the reference.

    prediction, reference: [H, W, 3], linear RGB, absolute (cd/m^2), gain-aligned. Values below
    0.005 cd/m^2 are raised to it, in both images and in the result.
    The curve is fitted to all pixels: PQ luminance by a cubic, without regularisation; scaled u'v'
    by the cubic basis with the product uv, with a ridge towards the identity of 0.01 N / 8.
    Returns float64 [H, W, 3], linear RGB, absolute, >= 0.005. Colours that the correction moves
    outside Rec. 709 are clipped to it.
    """
    source = np.maximum(np.asarray(prediction, np.float64), LUMINANCE_FLOOR)
    target = np.maximum(np.asarray(reference, np.float64), LUMINANCE_FLOOR)
    source_y, source_uv = xyz_to_yuv(source.reshape(-1, 3) @ RGB_TO_XYZ.T)
    target_y, target_uv = xyz_to_yuv(target.reshape(-1, 3) @ RGB_TO_XYZ.T)

    basis = luminance_basis(pq_encode(source_y)[:, None])
    weights = fit_ridge(basis, pq_encode(target_y)[:, None], LUMINANCE_RIDGE)
    luminance = np.maximum(pq_decode(basis @ weights)[:, 0], LUMINANCE_FLOOR)

    basis = chromaticity_basis(source_uv)
    weights = fit_ridge(basis, target_uv, CHROMATICITY_RIDGE)
    # The floor keeps an extrapolated v', by which `yuv_to_xyz` divides, away from 0.
    chromaticity = np.maximum(basis @ weights, LUMINANCE_FLOOR)

    rgb = yuv_to_xyz(luminance, chromaticity) @ np.linalg.inv(RGB_TO_XYZ).T
    return np.maximum(rgb, LUMINANCE_FLOOR).reshape(source.shape)
