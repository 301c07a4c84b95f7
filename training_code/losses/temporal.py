"""Temporal regularisation: a slightly moved picture should give a slightly moved result.

G. Eilertsen, R. K. Mantiuk, J. Unger, "Single-frame regularization for temporally stable CNNs",
CVPR 2019. It replaces video: x is a picture, T x the same picture after a small motion T (see
`motion`), f the network. In `keras.ops`, float32; functions with an argument `xp` also take NumPy
arrays with `xp=numpy`.

T interpolates values as they are: codes of the picture, log values of target and prediction.
Moving log values rather than light keeps edges in place: interpolating linear light between a sun
and the sky yields nearly the light of the sun, which in the log domain would widen every highlight
by a pixel, unpredictably for the network. In addition, both published forms then have the same
minimum.
"""

import math
from collections.abc import Callable
from types import ModuleType

from keras import ops

from hdrcnn.colour.clipping_level import saturation
from hdrcnn.colour.transfer import Array, log_encode
from training_code.camera.noise import gaussian
from training_code.losses.motion import COLUMNS

SMALL = 0.01
"""Size of a highlight, as a share of the picture, at which its mean square counts half in
`flicker`."""

FLOOR = 1e-3
"""Flicker below this, a seven-hundredth of a stop, counts quadratically."""


def _column(motion: Array, name: str, xp: ModuleType) -> Array:
    """One column of the motions, [N, 1, 1], to broadcast against [N, H, W]."""
    index = COLUMNS.index(name)
    return xp.reshape(motion[:, index], (-1, 1, 1))


def sources(motion: Array, rows: int, columns: int, xp: ModuleType = ops) -> tuple[Array, Array]:
    """Source position of each pixel of a moved picture: row and column, [N, H, W] float32 each.

    source = c + 1/zoom R(rotation) S(shear) (p - c - shift) for a pixel p and the picture's
    centre c. motion: [N, K] float32, see `motion.COLUMNS`.
    """
    middle_row, middle_column = (rows - 1) / 2.0, (columns - 1) / 2.0
    row = xp.reshape(xp.arange(rows, dtype="float32") - middle_row, (1, -1, 1))
    column = xp.reshape(xp.arange(columns, dtype="float32") - middle_column, (1, 1, -1))
    row = row - _column(motion, "down", xp)
    column = column - _column(motion, "right", xp)
    column = column + xp.tan(_column(motion, "shear", xp) * (math.pi / 180.0)) * row
    angle = _column(motion, "rotation", xp) * (math.pi / 180.0)
    cosine, sine = xp.cos(angle), xp.sin(angle)
    zoom = _column(motion, "zoom", xp)
    return (
        (cosine * row + sine * column) / zoom + middle_row,
        (cosine * column - sine * row) / zoom + middle_column,
    )


def warp(images: Array, motion: Array, xp: ModuleType = ops) -> Array:
    """T: move images by bilinear interpolation, each by its own motion.

    images: [N, H, W, C] float32, linear or encoded, H and W at least 2; motion: [N, K]. Borders are
    repeated. Returns the same shape. The gradient with respect to the images is exact, because
    pixels are gathered. That of `keras.ops.image.affine_transform` is not under TensorFlow, which
    moves the gradient back by interpolation instead of applying the adjoint.
    """
    _, rows, columns, channels = images.shape
    row, column = sources(motion, rows, columns, xp)
    row = xp.clip(row, 0.0, rows - 1.0)
    column = xp.clip(column, 0.0, columns - 1.0)
    top = xp.minimum(xp.floor(row), rows - 2.0)
    left = xp.minimum(xp.floor(column), columns - 2.0)
    below, beside = (row - top)[..., None], (column - left)[..., None]
    item = xp.reshape(xp.arange(xp.shape(images)[0], dtype="int32"), (-1, 1, 1))
    index = xp.array(top, dtype="int32") * columns + xp.array(left, dtype="int32")
    index = index + item * (rows * columns)
    flat = xp.reshape(images, (-1, channels))
    upper = _between(flat, index, beside, xp)
    lower = _between(flat, index + columns, beside, xp)
    return (1.0 - below) * upper + below * lower


def _between(flat: Array, index: Array, beside: Array, xp: ModuleType) -> Array:
    """Interpolate between the pixels `index` and `index + 1` of [pixels, C]."""
    left, right = xp.take(flat, index, axis=0), xp.take(flat, index + 1, axis=0)
    return (1.0 - beside) * left + beside * right


def inside(motion: Array, rows: int, columns: int, xp: ModuleType = ops) -> Array:
    """1 where a pixel of a moved picture comes from inside the picture, else 0:
    [N, rows, columns, 1] float32.
    """
    row, column = sources(motion, rows, columns, xp)
    within = (row >= 0.0) & (row <= rows - 1.0) & (column >= 0.0) & (column <= columns - 1.0)
    return xp.array(within, dtype="float32")[..., None]


def move_picture(code: Array, motion: Array, xp: ModuleType = ops) -> Array:
    """The moved picture that the network sees: T x plus Gaussian noise, clipped to [0, 1].

    code: [N, H, W, 3] float32 in [0, 1], display-encoded. The result is not rounded to 8 bits: the
    rounding error, 0.0011, would be negligible beside noise of 0.01 or more, and without noise the
    steps of the rounding would hide motions of a fraction of a pixel.
    """
    high, low = (motion[:, COLUMNS.index(name)] for name in ("seed_high", "seed_low"))
    seed = xp.array(high, dtype="uint32") * 65536 + xp.array(low, dtype="uint32")
    noise = gaussian(seed, tuple(code.shape[1:]), xp)
    moved = warp(code, motion, xp) + _column(motion, "noise_sd", xp)[..., None] * noise
    return xp.clip(moved, 0.0, 1.0)


def moved_saturation(code: Array, motion: Array, xp: ModuleType = ops) -> Array:
    """Saturation of a moved picture, 0 where it shows what is outside the picture:
    [N, H, W, 1] in [0, 1].

    code: [N, H, W, 3] in [0, 1], of any encoding. This is the saturation of the moved picture, not
    the moved saturation: a pixel between a highlight and its dark surroundings is not saturated, so
    the prediction is not used there, and half of the value moved to it comes from pixels where the
    prediction is not used either.
    """
    _, rows, columns, _ = code.shape
    return saturation(warp(code, motion, xp), xp=xp) * inside(motion, rows, columns, xp)


def transform_invariance(
    target: Array, log_hdr: Array, log_hdr_moved: Array, motion: Array, code: Array | None = None
) -> Array:
    """Mean of (f(T x) - T f(x))^2 M, Eilertsen et al. 2019: motion should not change the result.

    target: [N, H, W, 3] linear, 1.0 = clipping level; log_hdr: f(x) and log_hdr_moved: f(T x), of
        the same shape, y = log(H + 1/255); motion: [N, K].
    code: the picture x, [N, H, W, 3] in [0, 1]. M is its `moved_saturation`; without a code, that
        of the target clipped to [0, 1], as in the published losses.
    Returns [N]. The mean is over all samples, as in the published losses, so that the share a in
    (1 - a) cost + a term has the same meaning whatever the size of the highlights.
    """
    seen = ops.clip(target, 0.0, 1.0) if code is None else code
    change = log_hdr_moved - warp(log_hdr, motion)
    return ops.mean(ops.square(change) * moved_saturation(seen, motion), axis=(1, 2, 3))


def sparse_jacobian(
    target: Array, log_hdr: Array, log_hdr_moved: Array, motion: Array, code: Array | None = None
) -> Array:
    """Mean of ((f(T x) - f(x)) - (T t - t))^2 M, Eilertsen et al. 2019: f(x) should change as the
    log target t does.

    Arguments and result as for `transform_invariance`. Two results at the same pixel are compared,
    so M is the product of its saturation before and after the motion: where one of them is 0, the
    corresponding result is neither trained nor used.
    """
    seen = ops.clip(target, 0.0, 1.0) if code is None else code
    kept = saturation(seen, xp=ops) * moved_saturation(seen, motion)
    light = log_encode(target, xp=ops)
    change = (log_hdr_moved - log_hdr) - (warp(light, motion) - light)
    return ops.mean(ops.square(change) * kept, axis=(1, 2, 3))


def flicker(
    target: Array, log_hdr: Array, log_hdr_moved: Array, motion: Array, code: Array | None = None
) -> Array:
    """Root mean square of f(T x) - T f(x) over M, in natural log units: what `evaluation.flicker`
    measures, without the blend. Our own term.

    Arguments and result as for `transform_invariance`. With its squares, a few pictures whose
    highlights are unpredictable outweigh all others, the more so as the knee of a cost reduces the
    weight of just these; with the root, every picture counts. Highlights that cover less than about
    `SMALL` of the picture count less.
    """
    seen = ops.clip(target, 0.0, 1.0) if code is None else code
    kept = moved_saturation(seen, motion)
    squares = transform_invariance(target, log_hdr, log_hdr_moved, motion, code)
    mean_square = squares / (ops.mean(kept, axis=(1, 2, 3)) + SMALL)
    # The gradient of the root is infinite at 0.
    return ops.sqrt(mean_square + FLOOR**2) - FLOOR


Term = Callable[..., Array]

TERMS: dict[str, Term] = {
    "transform": transform_invariance,
    "jacobian": sparse_jacobian,
    "flicker": flicker,
}
"""Terms by the value of the setting `temporal`."""
