"""Camera response correction before a comparison (Hanji et al. 2022).

A method that recovers the scene but assumes another camera curve loses decibels to the curve
and not to what it reconstructed. The correction fits, per image, the smooth curve that brings
the prediction nearest to the reference: a cubic in PQ luminance and a cubic in chromaticity.
It is fitted against the reference, so it belongs to the evaluation and never to the method.

Pure NumPy, float64. RGB is linear, Rec. 709 primaries, absolute: cd/m^2 of a display's light.

Reference: P. Hanji, R. K. Mantiuk, G. Eilertsen, S. Hajisharif, J. Unger, "Comparison of single
image HDR reconstruction methods - the caveats of quality assessment", SIGGRAPH 2022.
"""

import numpy as np

from hdrcnn.colour.pq import FloatArray, pq_decode, pq_encode
from hdrcnn.colour.transfer import LUMINANCE_WEIGHTS

LUMINANCE_FLOOR = 0.005
"""The darkest value that is told apart, cd/m^2: the lower end of PU21 and of the correction."""

RGB_TO_XYZ = np.array(
    [
        [0.412424, 0.357579, 0.180464],
        LUMINANCE_WEIGHTS,
        [0.019332, 0.119193, 0.950444],
    ]
)
"""Linear Rec. 709 RGB to CIE XYZ, D65."""

CHROMATICITY_SCALE = 410.0 / 255.0
"""u'v' times this spans about [0, 1]: the scale at which the ridge was chosen."""

CHROMATICITY_RIDGE = 0.01
LUMINANCE_RIDGE = 1e-9
"""Ridge towards the identity, times N / number of coefficients (N pixels). Luminance is not
regularised: its ridge only makes the fit of a constant picture solvable, where the four powers
cannot be told apart. The check value of the whole chain (in the
tests) holds to its last digit only with it; there it moves the PSNR by 0.0005 dB at most."""


def xyz_to_yuv(xyz: FloatArray) -> tuple[FloatArray, FloatArray]:
    """[..., 3] XYZ > 0 to luminance [...] and scaled CIE 1976 u'v' [..., 2]."""
    weight = xyz[..., 0] + 15.0 * xyz[..., 1] + 3.0 * xyz[..., 2]
    u = 4.0 * xyz[..., 0] / weight
    v = 9.0 * xyz[..., 1] / weight
    return xyz[..., 1], CHROMATICITY_SCALE * np.stack([u, v], axis=-1)


def yuv_to_xyz(luminance: FloatArray, chromaticity: FloatArray) -> FloatArray:
    """The inverse of `xyz_to_yuv`. luminance: [...]; chromaticity: [..., 2], scaled, v' > 0."""
    u = chromaticity[..., 0] / CHROMATICITY_SCALE
    v = chromaticity[..., 1] / CHROMATICITY_SCALE
    x = luminance * 9.0 * u / (4.0 * v)
    z = luminance * (12.0 - 3.0 * u - 20.0 * v) / (4.0 * v)
    return np.stack([x, luminance, z], axis=-1)


def luminance_basis(code: FloatArray) -> FloatArray:
    """[N, 1] PQ codes to [N, 4]: c^3, c^2, c, 1."""
    squared = code * code  # Products: a power by 3 costs several times as much.
    return np.concatenate([squared * code, squared, code, np.ones_like(code)], axis=1)


def chromaticity_basis(uv: FloatArray) -> FloatArray:
    """[N, 2] scaled u'v' to [N, 8]: u^3, v^3, u^2, v^2, uv, u, v, 1."""
    squared = uv * uv
    return np.concatenate(
        [squared * uv, squared, uv[:, :1] * uv[:, 1:], uv, np.ones_like(uv[:, :1])], axis=1
    )


def fit_ridge(basis: FloatArray, target: FloatArray, ridge: float) -> FloatArray:
    """Least squares that prefers to leave its input alone.

    basis: [N, K], whose last columns are the M inputs themselves and a constant.
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
    """The prediction under the smooth curve that fits the reference best.

    prediction, reference: [H, W, 3], linear RGB, absolute (cd/m^2), gain-aligned. Values below
    0.005 cd/m^2 are raised to it, in both images and in the result.
    Fitted on all pixels: PQ luminance by a cubic, without regularisation; scaled u'v' by the
    cubic basis with the product uv, with a ridge towards the identity of 0.01 N / 8.
    Returns float64 [H, W, 3], linear RGB, absolute, >= 0.005. Colours the corrected luminance
    and chromaticity put outside Rec. 709 are clipped to it.
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
    # v' is divided by: the floor keeps an extrapolated chromaticity from blowing up.
    chromaticity = np.maximum(basis @ weights, LUMINANCE_FLOOR)

    rgb = yuv_to_xyz(luminance, chromaticity) @ np.linalg.inv(RGB_TO_XYZ).T
    return np.maximum(rgb, LUMINANCE_FLOOR).reshape(source.shape)
