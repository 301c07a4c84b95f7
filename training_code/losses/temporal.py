"""Temporal regularisation: a slightly moved picture shall give a slightly moved result.

G. Eilertsen, R. K. Mantiuk, J. Unger, "Single-frame regularization for temporally stable CNNs",
CVPR 2019. Stands in for video: x is a picture, T x the same picture after a small motion T (see
`motion`), f the network. In `keras.ops`, float32; the formulas also take NumPy arrays with
`xp=numpy`.

T always acts on what it is given as it is: on codes for the picture, on log values for target and
prediction. Moving the logarithm, not the light, keeps edges in place: between a sun and the sky
linear light in between is nearly all sun, which in the log domain widens every highlight by a
pixel, and no network could know. And both forms are then least for the same f.
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
"""Share of a picture of which a highlight counts by half, in the square of `flicker`."""

FLOOR = 1e-3
"""Flicker below this, a seven-hundredth of a stop, counts by its square."""


def _column(motion: Array, name: str, xp: ModuleType) -> Array:
    """One number of each motion, [N, 1, 1] to go with [N, H, W]."""
    index = COLUMNS.index(name)
    return xp.reshape(motion[:, index], (-1, 1, 1))


def sources(motion: Array, rows: int, columns: int, xp: ModuleType = ops) -> tuple[Array, Array]:
    """Where each pixel of a moved picture comes from: row and column, [N, H, W] float32 each.

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
    """T: images moved by bilinear interpolation, each by its own motion.

    images: [N, H, W, C] float32 of any domain, H and W at least 2; motion: [N, K]. Beyond the
    border the border is repeated. Returns the same shape. The gradient with respect to the images
    is exact, by gathering; that of `keras.ops.image.affine_transform` is not under TensorFlow,
    which moves the gradient back by interpolation instead of the adjoint.
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
    """Interpolated between the pixels `index` and `index + 1` of [pixels, C]."""
    left, right = xp.take(flat, index, axis=0), xp.take(flat, index + 1, axis=0)
    return (1.0 - beside) * left + beside * right


def inside(motion: Array, rows: int, columns: int, xp: ModuleType = ops) -> Array:
    """1 where a moved picture shows what the picture held, else 0: [N, rows, columns, 1]."""
    row, column = sources(motion, rows, columns, xp)
    within = (row >= 0.0) & (row <= rows - 1.0) & (column >= 0.0) & (column <= columns - 1.0)
    return xp.array(within, dtype="float32")[..., None]


def move_picture(code: Array, motion: Array, xp: ModuleType = ops) -> Array:
    """What the network sees of a moved picture: T x plus Gaussian noise, clipped to [0, 1].

    code: [N, H, W, 3] float32 in [0, 1], display-encoded. Not rounded to 8 bits again: the error
    of rounding, 0.0011, would vanish beside noise of 0.01 and more, and without noise a motion of
    a fraction of a pixel would be hidden by the steps that it is to be followed through.
    """
    high, low = (motion[:, COLUMNS.index(name)] for name in ("seed_high", "seed_low"))
    seed = xp.array(high, dtype="uint32") * 65536 + xp.array(low, dtype="uint32")
    noise = gaussian(seed, tuple(code.shape[1:]), xp)
    moved = warp(code, motion, xp) + _column(motion, "noise_sd", xp)[..., None] * noise
    return xp.clip(moved, 0.0, 1.0)


def moved_saturation(code: Array, motion: Array, xp: ModuleType = ops) -> Array:
    """Where a moved picture is saturated, within what it shows: [N, H, W, 1] in [0, 1].

    code: [N, H, W, 3] in [0, 1], of any encoding. The saturation of the moved picture, not the
    moved saturation: a pixel between a highlight and its dark surroundings is not saturated, the
    prediction is not used there, and half of what is moved to it comes from where it is not.
    """
    _, rows, columns, _ = code.shape
    return saturation(warp(code, motion, xp), xp=xp) * inside(motion, rows, columns, xp)


def transform_invariance(
    target: Array, log_hdr: Array, log_hdr_moved: Array, motion: Array, code: Array | None = None
) -> Array:
    """Mean of (f(T x) - T f(x))^2 M, Eilertsen et al. 2019: what is moved may not change.

    target: [N, H, W, 3] linear, 1.0 = clipping level; log_hdr: f(x) and log_hdr_moved: f(T x), the
        same shape, y = log(H + 1/255); motion: [N, K].
    code: the picture x, [N, H, W, 3] in [0, 1], if M shall be where it is saturated; without one M
        is where the target is, clipped to [0, 1], as in the published losses. `moved_saturation`.
    Returns [N]. The mean is over all samples, as in the published losses, so that in
    (1 - a) cost + a term the share a means the same whatever the size of the highlights.
    """
    seen = ops.clip(target, 0.0, 1.0) if code is None else code
    change = log_hdr_moved - warp(log_hdr, motion)
    return ops.mean(ops.square(change) * moved_saturation(seen, motion), axis=(1, 2, 3))


def sparse_jacobian(
    target: Array, log_hdr: Array, log_hdr_moved: Array, motion: Array, code: Array | None = None
) -> Array:
    """Mean of ((f(T x) - f(x)) - (T t - t))^2 M, Eilertsen et al. 2019: f(x) shall change as the
    log target t does.

    Arguments and result as for `transform_invariance`. Two results of the same place are compared,
    so M is the product of the saturation there before and after the motion: outside of it one of
    the two is neither trained nor used.
    """
    seen = ops.clip(target, 0.0, 1.0) if code is None else code
    kept = saturation(seen, xp=ops) * moved_saturation(seen, motion)
    light = log_encode(target, xp=ops)
    change = (log_hdr_moved - log_hdr) - (warp(light, motion) - light)
    return ops.mean(ops.square(change) * kept, axis=(1, 2, 3))


def flicker(
    target: Array, log_hdr: Array, log_hdr_moved: Array, motion: Array, code: Array | None = None
) -> Array:
    """Root mean square of f(T x) - T f(x) over M, natural log units: what `evaluation.flicker`
    measures, without the blend. Ours.

    Arguments and result as for `transform_invariance`. There the squares of a few pictures whose
    highlights nobody can know outweigh all others, the more as the knee of a cost lets go of just
    these; the root gives every picture its say. A highlight of less than `SMALL` of the picture
    counts as much less as it is smaller.
    """
    seen = ops.clip(target, 0.0, 1.0) if code is None else code
    kept = moved_saturation(seen, motion)
    squares = transform_invariance(target, log_hdr, log_hdr_moved, motion, code)
    mean_square = squares / (ops.mean(kept, axis=(1, 2, 3)) + SMALL)
    # At 0 the root is too steep for a gradient.
    return ops.sqrt(mean_square + FLOOR**2) - FLOOR


Term = Callable[..., Array]

TERMS: dict[str, Term] = {
    "transform": transform_invariance,
    "jacobian": sparse_jacobian,
    "flicker": flicker,
}
"""By the name of the setting `temporal`."""
